"""What the entry points of the broker cost on anvil, and when a group of like tickets is better sent apart.

    python tests/bench/redemption_groups.py

Gas of real transactions that redeem the same 20 tickets of one recipient: `size` of one sender and of the same terms,
the others of a sender each; as one batch, and as a compact call beside a batch (or a single call) of the others.
Bytes are those of the calldata. Each pair starts from the same block.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.adapters.chain.json_values import to_hex
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts import Calldata
from livepeer_client.policy.redemption import BROKER, call_of
from livepeer_client.types import Wei

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# Some package installs a `tests` of its own, which would hide ours from a script.
_ours = ModuleType("tests")
_ours.__path__ = [str(ROOT / "tests")]
sys.modules["tests"] = _ours

from tests.support.anvil import (  # noqa: E402 - only now can it be found
    ALICE,
    ETH,
    GATEWAY,
    Role,
    Stage,
    anvil,
    opened,
    set_stage,
)

TOTAL: Final = 20
GAS_LIMIT: Final = 15_000_000


async def gas_of(stage: Stage, calls: Sequence[tuple[Calldata, Sequence[WinningTicket]]]) -> tuple[int, int]:
    """Gas and bytes of calls sent one after the other; the chain is taken back afterwards."""
    wallet, gas, size = stage.transactor(ALICE), 0, 0
    async with stage.taken_back():
        for kind, winners in calls:
            function, arguments = call_of(kind, winners)
            transaction = await wallet.prepare(BROKER, function, arguments, gas_limit=GAS_LIMIT)
            await wallet.broadcast(transaction)
            receipt = await wallet.wait(transaction.tx_hash, 60)
            paid = sum(log.name == "WinningTicketRedeemed" for log in receipt.logs)
            assert receipt.succeeded
            assert paid == len(winners), (paid, len(winners))
            gas += receipt.gas_used
            size += len(load_abi(BROKER).function(function).encode(arguments))
    return gas, size


async def measure(stage: Stage) -> None:
    senders = [Role(f"sender {number}") for number in range(TOTAL)]
    for sender in senders:
        await stage.rpc.call("anvil_setBalance", [to_hex(sender.address), hex(100 * ETH)])
        wallet = stage.transactor(sender)
        await wallet.send("TicketBroker", "fundDepositAndReserve", [ETH, ETH], value=Wei(2 * ETH))
    like = [await stage.winner(nonce=nonce, sender=GATEWAY, recipient_rand=100 + nonce) for nonce in range(TOTAL)]
    others = [await stage.winner(sender=sender, recipient_rand=1_000 + at) for at, sender in enumerate(senders)]
    # Somebody has been credited this round, as nearly always.
    wallet = stage.transactor(ALICE)
    function, arguments = call_of(Calldata.SINGLE, [await stage.winner(nonce=99)])
    await wallet.send(BROKER, function, arguments)

    single, _ = await gas_of(stage, [(Calldata.SINGLE, others[:1])])
    print(f"single call: {single:,} gas")
    for name, tickets in (("of a sender each", others), ("of one sender", like)):
        few, _ = await gas_of(stage, [(Calldata.BATCH, tickets[:2])])
        many, _ = await gas_of(stage, [(Calldata.BATCH, tickets)])
        marginal = (many - few) / (TOTAL - 2)
        overhead = few - 2 * marginal
        print(f"batch, tickets {name}: {overhead:,.0f} gas + {marginal:,.0f} a ticket")

    print(f"{'size':>4} {'together':>10} {'apart':>10} {'saved':>8} {'bytes':>7} {'bytes apart':>11}")
    for size in (2, 5, 10, 15, 16, 17, 18, 19):
        group, rest = like[:size], others[: TOTAL - size]
        kind = Calldata.BATCH if len(rest) > 1 else Calldata.SINGLE
        together, data = await gas_of(stage, [(Calldata.BATCH, [*group, *rest])])
        apart, data_apart = await gas_of(stage, [(Calldata.COMPACT, group), (kind, rest)])
        print(f"{size:>4} {together:>10,} {apart:>10,} {together - apart:>8,} {data:>7,} {data_apart:>11,}")


async def main() -> None:
    cache = ROOT / ".cache" / "compiled"
    cache.mkdir(parents=True, exist_ok=True)
    with anvil() as url:
        addresses = await set_stage(url, cache, round_blocks=500)
        async with opened(url, addresses) as stage:
            await measure(stage)


if __name__ == "__main__":
    asyncio.run(main())
