"""What batching and patience save: 1,000 winners of 20 senders, redeemed by us and one by one as they come.

    python tests/bench/redemption.py [--save] [--winners N]

Real redemptions on anvil. Winners come evenly over three rounds; the base fee of each block is

    0.1 gwei x (1 + 0.8 sin(2 pi t)) x lognormal noise of sigma 0.3

with t in rounds, and twenty times that for a tenth of a round. Rounds are short, but a round lasts 19.2 hours by the
blocks' timestamps, as on the live network, so that "the last day" is as many rounds long. Everything random is drawn
from fixed seeds. A price is known before the block that charges it, as in EIP-1559.
"""

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from livepeer_client.adapters.chain.json_values import quantity, to_hex
from livepeer_client.adapters.chain.rpc import Call, JsonRpc
from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.adapters.chain.transaction import unsigned
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts import Fees, Receipt, ReceivedPayment, SignedTransaction, TicketState
from livepeer_client.policy.redemption import BROKER, RedemptionPolicy, redeem_arguments
from livepeer_client.services.redemption import RedemptionService
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
    Role,
    Stage,
    anvil,
    compile_suite,
    deploy,
    populate,
    wait_until_up,
)

RESULT: Final = Path(__file__).with_name("redemption.json")
ROUND_BLOCKS: Final = 100
ROUND_S: Final = 19.2 * 3600
WARM_UP_BLOCKS: Final = 130
SENDERS: Final = 20
ROUNDS: Final = 3
SEED: Final = 20_26
FACE_VALUE: Final = Wei(ETH // 100)
GWEI: Final = 10**9
SPIKE_AT: Final = 1.45
SPIKE_LENGTH: Final = 0.1
# A priority fee of zero: only the base fee is at stake.
POLICY: Final = RedemptionPolicy(params_margin_blocks=0, safety_blocks=10)


def base_fee(t: float, noise: random.Random) -> int:
    """Wei per gas of a block, `t` in rounds since the first winner."""
    price = 0.1 * (1 + 0.8 * math.sin(2 * math.pi * t)) * noise.lognormvariate(0, 0.3)
    if SPIKE_AT <= t < SPIKE_AT + SPIKE_LENGTH:
        price *= 20
    return round(price * GWEI)


class WithoutTips(JsonRpc):
    """The node as a rollup's sequencer: it wants no priority fee. anvil suggests 1 gwei, whatever the base fee."""

    _TIP: Final = GWEI

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        results = await super().batch(calls)
        for position, (method, _) in enumerate(calls):
            if method == "eth_maxPriorityFeePerGas":
                assert quantity(results[position]) == self._TIP
                results[position] = "0x0"
            elif method == "eth_gasPrice":
                results[position] = hex(quantity(results[position]) - self._TIP)
        return results


@dataclass
class Run:
    """What one way of redeeming came to."""

    transactions: int = 0
    gas: int = 0
    cost: int = 0
    redeemed: int = 0
    longest_wait_blocks: int = 0

    @property
    def price(self) -> float:
        """Gwei per gas, weighted by gas."""
        return self.cost / self.gas / GWEI

    def add(self, receipt: Receipt) -> None:
        assert receipt.succeeded
        self.transactions += 1
        self.gas += receipt.gas_used
        self.cost += receipt.gas_used * receipt.effective_gas_price


async def at_any_price(transaction: SignedTransaction, role: Role) -> SignedTransaction:
    """The same, with a fee cap that is always enough."""
    offer = replace(await unsigned(transaction.raw), fees=Fees(Wei(10**12), Wei(0)))
    return await LocalSigner(role.key).sign_transaction(offer)


class World:
    """The chain, its prices, and winners as they come."""

    def __init__(self, stage: Stage, winners: int) -> None:
        self.stage = stage
        self.winners = winners
        self.senders = [Role(f"sender {number}") for number in range(SENDERS)]
        self._noise = random.Random(SEED)
        self._choice = random.Random(SEED + 1)
        self._made = 0
        self._block = 0

    @property
    def t(self) -> float:
        return self._block / ROUND_BLOCKS

    async def fund(self) -> None:
        rpc = self.stage.rpc
        for sender in self.senders:
            await rpc.call("anvil_setBalance", [to_hex(sender.address), hex(1000 * ETH)])
            value = Wei(2 * self.winners * FACE_VALUE // SENDERS + ETH)
            await self.stage.transactor(sender).send(
                "TicketBroker", "fundDepositAndReserve", [value, ETH], value=Wei(value + ETH)
            )

    async def next_price(self) -> None:
        """Fix what the next block will charge. If it were the first of a round, that round is opened before it."""
        state = await self.stage.suite.round_state()
        if await self.stage.suite.height() + 1 == state.start_block + state.length_blocks:
            for opening in (False, True):
                await self._set_price()
                if opening:
                    await self._open_round()
                await self.stage.rpc.call("evm_mine", [])
        await self._set_price()

    async def _set_price(self) -> None:
        price = hex(base_fee(self.t, self._noise))
        await self.stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [price])

    async def _open_round(self) -> None:
        """Somebody opens the round, at whatever it costs."""
        initializer = Role("initializer")
        wallet = self.stage.transactor(initializer)
        transaction = await wallet.prepare("RoundsManager", "initializeRound", [], gas_limit=1_000_000)
        await wallet.broadcast(await at_any_price(transaction, initializer))

    async def arrivals(self) -> list[WinningTicket]:
        """The winners of this block; evenly over the three rounds."""
        due = min(self.winners, math.ceil(self.winners * (self._block + 1) / (ROUNDS * ROUND_BLOCKS)))
        found = []
        for nonce in range(self._made, due):
            sender = self._choice.choice(self.senders)
            found.append(await self.stage.winner(nonce=nonce, sender=sender, face_value=FACE_VALUE))
        self._made = due
        return found

    async def mine(self) -> None:
        await self.stage.rpc.call("evm_mine", [])
        self._block += 1


async def one_by_one(world: World) -> Run:
    """Each winner in a transaction of its own, in the block after it came."""
    run, wallet = Run(), world.stage.transactor(ALICE)
    while world.t < ROUNDS:
        await world.next_price()
        sent: list[SignedTransaction] = []
        for winner in await world.arrivals():
            arguments = redeem_arguments(winner)
            transaction = await wallet.prepare(BROKER, "redeemWinningTicket", arguments, gas_limit=500_000)
            sent.append(await at_any_price(transaction, ALICE))
        for transaction in sent:
            await wallet.broadcast(transaction)
        await world.mine()
        for transaction in sent:
            receipt = await wallet.receipt(transaction.tx_hash)
            assert receipt is not None
            run.add(receipt)
            run.redeemed += 1
    return run


async def ours(world: World, folder: Path) -> Run:
    """The redemption service with its default policy, stepping at each block, its store on disk."""
    run, wallet = Run(), world.stage.transactor(ALICE)
    arrived: dict[bytes, int] = {}
    async with await SqliteTicketStore.open(folder / "bench.sqlite") as store:
        service = RedemptionService(world.stage.suite, wallet, store, SystemClock(), POLICY)
        mined: set[bytes] = set()
        block = 0
        while world.t < ROUNDS + 3:
            await world.next_price()
            winners = await world.arrivals()
            if winners:
                sender = winners[0].ticket.sender
                await store.record_payment(ReceivedPayment(sender, "bench", len(winners), Fraction(1), tuple(winners)))
            arrived.update((winner.ticket.hash, block) for winner in winners)
            await service.step()
            await world.mine()
            block += 1
            for ticket in await store.tickets(TicketState.PAID):
                assert ticket.tx_hash is not None
                if ticket.hash in arrived:
                    run.redeemed += 1
                    run.longest_wait_blocks = max(run.longest_wait_blocks, block - arrived.pop(ticket.hash))
                if ticket.tx_hash not in mined:
                    mined.add(ticket.tx_hash)
                    receipt = await wallet.receipt(ticket.tx_hash)
                    assert receipt is not None
                    run.add(receipt)
            if block >= ROUNDS * ROUND_BLOCKS and not arrived:
                break
    return run


async def warm_up(stage: Stage) -> None:
    """More than a day of prices before the first winner: the node has been running, the chain too."""
    noise = random.Random(SEED + 2)
    await stage.next_round()
    for block in range(WARM_UP_BLOCKS):
        price = base_fee(block / ROUND_BLOCKS - WARM_UP_BLOCKS / ROUND_BLOCKS, noise)
        await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(price)])
        await stage.rpc.call("evm_mine", [])
    await stage.next_round()


async def bench(winners: int) -> dict[str, Any]:
    cache = ROOT / ".cache" / "compiled"
    cache.mkdir(parents=True, exist_ok=True)
    options = ["--gas-limit", "100000000", "--timestamp", "1700000000"]
    with anvil(*options) as url, tempfile.TemporaryDirectory() as folder:
        await wait_until_up(url)
        async with WithoutTips(url) as rpc:
            addresses = await deploy(rpc, compile_suite(cache), round_blocks=ROUND_BLOCKS)
            stage = Stage(rpc, Suite(rpc, addresses))
            await populate(stage)
            await World(stage, winners).fund()
            for role in (ALICE, Role("initializer")):
                await rpc.call("anvil_setBalance", [to_hex(role.address), hex(10_000 * ETH)])
            await stage.next_round()
            await rpc.call("anvil_setBlockTimestampInterval", [round(ROUND_S / ROUND_BLOCKS)])
            await warm_up(stage)
            await rpc.call("evm_setAutomine", [False])
            snapshot = await rpc.call("evm_snapshot")
            baseline = await one_by_one(World(stage, winners))
            await rpc.call("evm_revert", [snapshot])
            batched = await ours(World(stage, winners), Path(folder))
    return {
        "winners": winners,
        "senders": SENDERS,
        "rounds": ROUNDS,
        "seed": SEED,
        "one_by_one": figures(baseline, winners),
        "ours": figures(batched, winners),
        "ratio": {
            "cost": round(batched.cost / baseline.cost, 4),
            "gas_units": round(batched.gas / baseline.gas, 4),
            "gas_price": round(batched.price / baseline.price, 4),
        },
    }


def figures(run: Run, winners: int) -> dict[str, Any]:
    return {
        "transactions": run.transactions,
        "gas": run.gas,
        "mean_gas_price_gwei": round(run.price, 6),
        "cost_eth": f"{run.cost / ETH:.9f}",
        "redeemed": run.redeemed,
        "lost": winners - run.redeemed,
        "longest_wait_rounds": round(run.longest_wait_blocks / ROUND_BLOCKS, 2),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--winners", type=int, default=1000)
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.name}")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    result = asyncio.run(bench(options.winners))
    print(json.dumps(result, indent=2))
    print(f"{time.monotonic() - started:.0f} s")
    if options.save:
        RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
