"""Which scenarios start from which state. Each one runs in a branch of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.contracts.gas import admin, rewards, stake, tickets
from tests.contracts.gas.chain import opened
from tests.contracts.gas.stake import Gas
from tests.contracts.gas.wiring import LARGE_POOL, MODES, Mode
from tests.contracts.gas.world import World, empty_world, populated_world

Scenario = Callable[[World, Gas], None]
Table = dict[str, dict[Mode, int]]


@dataclass(frozen=True, slots=True)
class Start:
    """A state, by the part of a scenario's name that stands for it, and the scenarios that start there."""

    label: str
    scenarios: tuple[Scenario, ...]
    size: int = 0
    capacity: int = LARGE_POOL


_ANY_POOL: tuple[Scenario, ...] = (
    stake.new_transcoder,
    stake.more_stake,
    stake.delegator_leaves,
    stake.delegator_leaves_fully,
    stake.transcoder_leaves,
    stake.transfer_bond,
    stake.slash,
    rewards.initialize,
    rewards.reward,
    rewards.reward_with_treasury,
)
_PAYMENTS: tuple[Scenario, ...] = (
    rewards.claim_nothing,
    rewards.claim,
    tickets.redeem,
    tickets.redeem_from_reserve,
    tickets.redeem_batches,
)
_ANYWHERE: tuple[Scenario, ...] = (
    stake.checkpoint,
    tickets.fund,
    tickets.leave,
    admin.registry,
    admin.service_uri,
)

STARTS: tuple[Start, ...] = (
    Start("pool100", (*_ANY_POOL, stake.move_delegation, *_PAYMENTS), size=100),
    Start("pool50", (*_ANY_POOL, stake.move_delegation), size=50),
    Start("pool1", (*_ANY_POOL, *_PAYMENTS, *_ANYWHERE), size=1),
    Start("pool0", (admin.creation, stake.empty_rounds, stake.first_transcoder)),
    Start("fullpool50", (stake.full_pool,), size=50, capacity=50),
    Start("fullpool100", (stake.full_pool,), size=100, capacity=100),
)


def measure_start(start: Start, bytecode: dict[str, str], mode: Mode) -> Gas:
    """Gas of every scenario of one start in one wiring, on a chain of its own."""
    gas: Gas = {}
    with opened() as chain:
        if start.size == 0:
            world = empty_world(chain, bytecode, mode)
        else:
            world = populated_world(chain, bytecode, mode, label=start.label, size=start.size, capacity=start.capacity)
        for scenario in start.scenarios:
            with world.branch():
                scenario(world, gas)
    return gas


def measure(bytecode: dict[str, str], starts: Iterable[Start] = STARTS) -> Table:
    """Gas of every scenario in both wirings."""
    jobs = [(start, mode) for start in starts for mode in MODES]
    table: Table = {}
    with ThreadPoolExecutor(max_workers=2) as workers:
        results: Iterator[Gas] = workers.map(lambda job: measure_start(job[0], bytecode, job[1]), jobs)
        for (_, mode), gas in zip(jobs, results, strict=True):
            for name, used in gas.items():
                table.setdefault(name, {})[mode] = used
    return table
