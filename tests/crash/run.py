"""Kill a redeemer at every point of its work, start it again, and compare with a run nobody killed.

    python tests/crash/run.py [--seeds 1 2 3] [--scenarios single batch replaced] [--every N]

A point lies before each call of the store and each request to the node, from the arrival of the tickets to the final
block; they are counted in an undisturbed run, not chosen. At each of them a process of its own gets SIGKILL. Another
process then goes on from the same store and the same chain, which has not waited. Real anvil, real SQLite, real
processes: they are forked from this one, which has loaded everything and opened nothing.

Prints one JSON object per scenario and seed; exits with 1 if any end differs.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

from livepeer_client.adapters.chain.json_values import to_hex
from livepeer_client.adapters.chain.rpc import Call, JsonRpc
from livepeer_client.adapters.chain.suite import FINALIZED_DEPTH, Addresses, Suite
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts import BatchState, ReceivedPayment
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
    GATEWAY,
    STRANGER,
    Role,
    Stage,
    anvil,
    compile_suite,
    opened,
    set_stage,
    wait_until_up,
)

GWEI: Final = 10**9
OTHER_GATEWAY: Final = Role("other gateway")
# Loaded at first use by the library, here before anything is forked.
PRELOADED: Final = ("eth_account", "eth_account.typed_transactions", "hexbytes", "rlp")
# A single price is no day to compare with: nothing waits for cheaper gas.
POLICY: Final = RedemptionPolicy(params_margin_blocks=0, patience=Fraction(1))
# Long enough for blocks to become final within the validity of a ticket.
ROUND_BLOCKS: Final = 300


class Fuse:
    """Kills the process at its `length`-th point; counts them otherwise."""

    def __init__(self, length: int | None = None) -> None:
        self.length = length
        self.points = 0

    def burn(self) -> None:
        if self.points == self.length:
            os.kill(os.getpid(), signal.SIGKILL)
        self.points += 1


class FusedRpc(JsonRpc):
    """Every request to the node is a point. What the test itself asks of the node is not."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(url)
        self._fuse = fuse

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        if not method.startswith(("anvil_", "evm_")):
            self._fuse.burn()
        return await super().call(method, params)

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        self._fuse.burn()
        return await super().batch(calls)


class FusedStore:
    """Every call of the store is a point."""

    def __init__(self, inner: SqliteTicketStore, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.burn()
            return await found(*args, **kwargs)

        return call


# --- what happens ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """What a run starts from: where the chain is, and which tickets come."""

    url: str
    addresses: Addresses
    winners: tuple[WinningTicket, ...]
    folder: Path


class Scenario(Protocol):
    async def __call__(self, stage: Stage, step: Callable[[], Awaitable[object]]) -> None: ...


async def mine(stage: Stage, base_fee_gwei: int = 1) -> None:
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(base_fee_gwei * GWEI)])
    await stage.rpc.call("evm_mine", [])


async def mined_at_once(stage: Stage, step: Callable[[], Awaitable[object]]) -> None:
    """Sent, mined in the next block, seen, final."""
    await step()
    await mine(stage)
    await step()
    await stage.mine(FINALIZED_DEPTH)
    await step()


async def priced_too_low(stage: Stage, step: Callable[[], Awaitable[object]]) -> None:
    """Sent, then the base fee rises over its cap: replaced, mined, seen, final."""
    await step()
    await mine(stage, 10)
    await step()
    await mine(stage, 10)
    await step()
    await stage.mine(FINALIZED_DEPTH)
    await step()


SCENARIOS: Final[dict[str, tuple[int, Scenario]]] = {
    "single": (1, mined_at_once),
    "batch": (4, mined_at_once),
    "replaced": (3, priced_too_low),
}
"""Name -> how many good tickets, and what happens to them."""


async def make_winners(stage: Stage, seed: int, good: int) -> tuple[WinningTicket, ...]:
    """`good` winners of two senders; in a batch also a forged one, and one that a stranger redeems first."""
    choice = random.Random(seed)
    winners = []
    for nonce in range(good):
        sender = choice.choice((GATEWAY, OTHER_GATEWAY))
        face_value = Wei(choice.randrange(ETH // 1000, ETH // 50))
        winners.append(await stage.winner(nonce=nonce, sender=sender, face_value=face_value))
    if good > 1:
        forged = await stage.winner(nonce=good, face_value=Wei(ETH // 100))
        winners.append(replace(forged, sig=winners[0].sig))
        stolen = await stage.winner(nonce=good + 1)
        winners.append(stolen)
        await stage.transactor(STRANGER).send(BROKER, "redeemWinningTicket", redeem_arguments(stolen))
    return tuple(winners)


# --- one process ----------------------------------------------------------------------------------


async def run(setting: Setting, scenario: Scenario | None, fuse: Fuse) -> None:
    """Receive the tickets and redeem them. Without a scenario: take up whatever is left and bring it to its end.

    The chain goes on by itself, so a restarted process finds it where the killed one left it, or later.
    """
    async with FusedRpc(setting.url, fuse) as rpc:
        suite = Suite(rpc, setting.addresses)
        stage = Stage(rpc, suite)
        async with await SqliteTicketStore.open(setting.folder / "tickets.sqlite") as disk:
            store: Any = FusedStore(disk, fuse)
            # A sender that got no answer sends its payment again; without credit it changes nothing then.
            payment = ReceivedPayment(GATEWAY.address, "crash", len(setting.winners), Fraction(0), setting.winners)
            await store.record_payment(payment)
            wallet = Transactor(suite, ALICE.key)
            service = RedemptionService(suite, wallet, store, SystemClock(), POLICY, owner="node")
            if scenario is not None:
                await scenario(stage, service.step)
                fuse.burn()
            else:
                await finish(stage, service)


async def finish(stage: Stage, service: RedemptionService) -> None:
    # Enough to send, to replace and to see it mined, whatever was done before.
    for _ in range(3):
        await service.step()
        await mine(stage, 10)
    for _ in range(2):
        await service.step()
        await stage.mine(FINALIZED_DEPTH)
    await service.step()


async def end_of(setting: Setting) -> dict[str, Any]:
    """What store and chain say in the end."""
    async with opened(setting.url, setting.addresses) as stage:
        async with await SqliteTicketStore.open(setting.folder / "tickets.sqlite") as store:
            tickets = await store.tickets()
            open_ = await store.batches(BatchState.OPEN, BatchState.MINED)
        height = await stage.suite.height()
        transfers = await stage.suite.logs(BROKER, "WinningTicketTransfer", setting.addresses.block, height)
        accounts = [await stage.suite.sender_info(role.address) for role in (GATEWAY, OTHER_GATEWAY)]
        used = await stage.suite.used_tickets([winner.ticket.hash for winner in setting.winners])
        fees = (await stage.suite.orchestrator_state(ALICE.address)).pending_fees
    return {
        "states": {ticket.hash.hex(): f"{ticket.state.value} {ticket.paid}" for ticket in tickets},
        "not_final": len(open_),
        "paid_by_store": sum(ticket.paid for ticket in tickets),
        "transfers": sorted(log.args["amount"] for log in transfers),
        "deposits": [account.deposit for account in accounts],
        "reserves": [account.reserve for account in accounts],
        "used": used,
        "fees": fees,
    }


def in_a_process(work: Callable[[], Awaitable[Any]], out: Path | None = None) -> int:
    """Run `work` in a forked process; its result goes to `out`. :returns: the exit status as `os.waitpid` gives it."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    status = 1
    try:
        result = asyncio.run(work())  # type: ignore[arg-type]
        if out is not None:
            out.write_text(json.dumps(result))
        status = 0
    except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


# --- all of them ----------------------------------------------------------------------------------


class Bench:
    """One chain, put back to the same block before each run."""

    def __init__(self, setting: Setting, scenario: Scenario) -> None:
        self.setting = setting
        self.scenario = scenario
        self._snapshot = ""

    async def _reset(self) -> None:
        async with JsonRpc(self.setting.url) as rpc:
            # Nothing may be mined beside the revert.
            await rpc.call("evm_setAutomine", [False])
            await rpc.call("anvil_dropAllTransactions", [])
            if self._snapshot:
                await rpc.call("evm_revert", [self._snapshot])
            # Going back to a snapshot uses it up.
            self._snapshot = await rpc.call("evm_snapshot")
            await rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(GWEI)])
            await rpc.call("evm_mine", [])

    def play(self, kill_at: int | None) -> tuple[dict[str, Any], int]:
        """One run, killed or not, and its end. :returns: end, points of the run."""
        for stale in self.setting.folder.glob("tickets.sqlite*"):
            stale.unlink()
        asyncio.run(self._reset())
        fuse_out, end_out = self.setting.folder / "points.json", self.setting.folder / "end.json"
        fuse_out.unlink(missing_ok=True)

        async def first() -> int:
            fuse = Fuse(kill_at)
            await run(self.setting, self.scenario, fuse)
            return fuse.points

        async def second() -> dict[str, Any]:
            await run(self.setting, None, Fuse())
            return await end_of(self.setting)

        status = in_a_process(first, fuse_out)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed == (kill_at is not None), f"killed at {kill_at}: status {status}"
        assert in_a_process(second, end_out) == 0, f"the process after the one killed at {kill_at} failed"
        points = 0 if killed else int(json.loads(fuse_out.read_text()))
        return json.loads(end_out.read_text()), points


async def ask(url: str, method: str, *params: Any) -> Any:
    async with JsonRpc(url) as rpc:
        return await rpc.call(method, params)


def crash(url: str, addresses: Addresses, name: str, seed: int, every: int) -> dict[str, Any]:
    """Kill at each point (or each `every`-th) of one scenario."""
    started = time.monotonic()
    good, scenario = SCENARIOS[name]
    with tempfile.TemporaryDirectory() as folder:

        async def prepare() -> tuple[WinningTicket, ...]:
            async with opened(url, addresses) as stage:
                await stage.rpc.call("evm_setAutomine", [True])
                await stage.rpc.call("anvil_setBalance", [to_hex(OTHER_GATEWAY.address), hex(100 * ETH)])
                wallet = stage.transactor(OTHER_GATEWAY)
                await wallet.send("TicketBroker", "fundDepositAndReserve", [ETH, ETH], value=Wei(2 * ETH))
                return await make_winners(stage, seed, good)

        setting = Setting(url, addresses, asyncio.run(prepare()), Path(folder))
        bench = Bench(setting, scenario)
        expected, points = bench.play(None)
        check_end(expected, good, len(setting.winners))
        different = {}
        for point in range(0, points, every):
            end, _ = bench.play(point)
            if end != expected:
                different[point] = {key: (end[key], expected[key]) for key in expected if end[key] != expected[key]}
    return {
        "scenario": name,
        "seed": seed,
        "points": points,
        "killed": len(range(0, points, every)),
        "different": different,
        "seconds": round(time.monotonic() - started, 1),
    }


def check_end(end: dict[str, Any], good: int, tickets: int) -> None:
    """The undisturbed run went as intended; otherwise equal ends would prove nothing."""
    states = sorted(state.split()[0] for state in end["states"].values())
    others = ["invalid", "used_elsewhere"] if tickets > good else []
    assert states == sorted(["paid"] * good + others), states
    assert end["not_final"] == 0
    assert len(end["transfers"]) == good + len(others) // 2


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--every", type=int, default=1, help="only each N-th point")
    options = parser.parse_args(arguments)
    # The library's warnings, of hundreds of runs, would bury the result.
    logging.disable()
    for module in PRELOADED:
        import_module(module)
    cache = ROOT / ".cache" / "compiled"
    cache.mkdir(parents=True, exist_ok=True)
    compile_suite(cache)
    failed = False
    with anvil() as url:
        asyncio.run(wait_until_up(url))
        addresses = asyncio.run(set_stage(url, cache, round_blocks=ROUND_BLOCKS))
        for name in options.scenarios:
            for seed in options.seeds:
                snapshot = asyncio.run(ask(url, "evm_snapshot"))
                result = crash(url, addresses, name, seed, options.every)
                asyncio.run(ask(url, "evm_revert", snapshot))
                failed |= bool(result["different"])
                print(json.dumps(result), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
