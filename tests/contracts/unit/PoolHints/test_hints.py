"""Hints asked of PoolHints lead to the same state as none, and are the neighbours that an account then has."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.artifacts import compile_all
from tests.support.evm import NOBODY, Contract, Log, Reverted, addresses
from tests.support.evm_state import whole_state
from tests.support.evm_world import LPT, PARAMS, World, make_world

# Two are transcoders from the start; a pool of four is full soon, and small amounts make ties.
PEOPLE = addresses(9)
SEEDS = range(20)
STEPS = 30
POOL = 4
AMOUNTS = [LPT, 2 * LPT, 3 * LPT, 500 * LPT]
# Least number of steps of each kind that must have changed something, all seeds together.
LEAST = 5
FULL_POOL_JOINS = 5


@dataclass(frozen=True)
class Operation:
    """One call in its two forms. Hints come last in the hinted one."""

    kind: str
    sender: str
    plain: tuple[str, tuple[object, ...]]
    hinted: str
    view: tuple[str, tuple[object, ...]]
    targets: Callable[[World], Sequence[str | None]]
    """Whose place each pair of hints is about; None if the call cannot tell beforehand."""


def delegate_of(world: World, account: str) -> str:
    return str(world.bonding.view("getDelegator", account)[2])


def bond(world: World, dice: random.Random) -> Operation:
    who, to, amount = dice.choice(PEOPLE), dice.choice(PEOPLE[:7]), dice.choice([0, *AMOUNTS])
    to = dice.choice([to, who])
    return Operation(
        "bond",
        who,
        ("bond", (amount, to)),
        "bondWithHint",
        ("bondHints", (who, amount, to)),
        lambda _: (None, to),
    )


def unbond(world: World, dice: random.Random) -> Operation:
    who = dice.choice(PEOPLE)
    amount = dice.choice([*AMOUNTS, world.bonding.view("pendingStake", who, 0)])
    return Operation(
        "unbond",
        who,
        ("unbond", (amount,)),
        "unbondWithHint",
        ("unbondHints", (who, amount)),
        lambda world: (delegate_of(world, who),),
    )


def rebond(world: World, dice: random.Random) -> Operation:
    who, lock = with_lock(world, dice)
    return Operation(
        "rebond",
        who,
        ("rebond", (lock,)),
        "rebondWithHint",
        ("rebondHints", (who, lock)),
        lambda world: (delegate_of(world, who),),
    )


def rebond_from_unbonded(world: World, dice: random.Random) -> Operation:
    who, lock = with_lock(world, dice)
    to = dice.choice([who, dice.choice(PEOPLE[:7])])
    return Operation(
        "rebondFromUnbonded",
        who,
        ("rebondFromUnbonded", (to, lock)),
        "rebondFromUnbondedWithHint",
        ("rebondFromUnbondedHints", (who, to, lock)),
        lambda _: (to,),
    )


def with_lock(world: World, dice: random.Random) -> tuple[str, int]:
    """Somebody's lock, if there is one."""
    found = [
        (who, lock)
        for who in PEOPLE
        for lock in range(world.bonding.view("getDelegator", who)[6])
        if world.bonding.view("isValidUnbondingLock", who, lock)
    ]
    return dice.choice(found) if found else (PEOPLE[0], 0)


def transfer_bond(world: World, dice: random.Random) -> Operation:
    who, receiver = dice.choice(PEOPLE), dice.choice(PEOPLE)
    amount = dice.choice([*AMOUNTS, world.bonding.view("pendingStake", who, 0)])
    return Operation(
        "transferBond",
        who,
        ("transferBond", (receiver, amount, NOBODY, NOBODY, NOBODY, NOBODY)),
        "transferBond",
        ("transferBondHints", (who, receiver, amount)),
        lambda world: (None, delegate_of(world, receiver)),
    )


def registered(world: World, dice: random.Random) -> str:
    """A transcoder, if there is one."""
    found = [who for who in PEOPLE if world.bonding.view("isRegisteredTranscoder", who)]
    return dice.choice(found or PEOPLE)


def transcoder(world: World, dice: random.Random) -> Operation:
    who = registered(world, dice)
    return Operation(
        "transcoder",
        who,
        ("transcoder", (100_000, 400_000)),
        "transcoderWithHint",
        ("transcoderHints", (who,)),
        lambda _: (None,),
    )


def reward(world: World, dice: random.Random) -> Operation:
    who = registered(world, dice)
    return Operation("reward", who, ("reward", ()), "rewardWithHint", ("rewardHints", (who,)), lambda _: (who,))


KINDS = (
    *(bond, bond, bond, unbond, unbond, rebond, rebond),
    *(rebond_from_unbonded, rebond_from_unbonded, transfer_bond, transfer_bond, transcoder, reward),
)


def make(world: World) -> Contract:
    return world.evm.deploy(compile_all(["PoolHints"])["PoolHints"], world.controller.address)


def members(world: World) -> list[str]:
    found, member = [], world.bonding.view("getFirstTranscoderInPool")
    while member != NOBODY:
        found.append(member)
        member = world.bonding.view("getNextTranscoderInPool", member)
    return found


def neighbours(pool: list[str], account: str) -> tuple[str, str]:
    at = pool.index(account)
    return pool[at - 1] if at else NOBODY, pool[at + 1] if at + 1 < len(pool) else NOBODY


def attempt(world: World, function: str, args: tuple[object, ...], sender: str) -> list[Log] | None:
    try:
        return list(world.bonding.call(function, *args, sender=sender).logs)
    except Reverted:
        return None


def arguments(operation: Operation, hints: tuple[object, ...]) -> tuple[object, ...]:
    """Of the hinted form."""
    _, plain = operation.plain
    return (*plain[: len(plain) - (4 if operation.hinted == "transferBond" else 0)], *hints)


def take_step(world: World, view: Contract, operation: Operation) -> bool:
    """Ask, call in both forms from the same state, compare. Returns whether the call was accepted."""
    function, args = operation.view
    hints = view.view(function, *args)
    with world.evm.rolled_back():
        logs = attempt(world, *operation.plain, operation.sender)
        expected = whole_state(world.evm)

    found = attempt(world, operation.hinted, arguments(operation, hints), operation.sender)

    assert found == logs
    assert whole_state(world.evm) == expected
    if logs is None:
        return False
    pool = members(world)
    pairs = [tuple(hints[at : at + 2]) for at in range(0, len(hints), 2)]
    for pair, target in zip(pairs, operation.targets(world), strict=True):
        if target in pool:
            assert pair == neighbours(pool, str(target)), operation
    return True


def test_hints__any_pool_and_operation__same_state_and_the_neighbours_that_follow() -> None:
    accepted: Counter[str] = Counter()
    joins = 0
    for seed in SEEDS:
        dice = random.Random(seed)
        world = make_world(PARAMS.override(num_active_transcoders=POOL))
        world.register("Treasury", addresses(1, first=0x77)[0])
        world.bonding.call("setTreasuryRewardCutRate", 10**26, sender=world.owner)
        view = make(world)
        for person in PEOPLE:
            world.fund(person, lpt=10_000 * LPT)
        for _ in range(STEPS):
            if dice.random() < 0.3:
                world.next_round()
            operation = dice.choice(KINDS)(world, dice)
            before = members(world)
            if take_step(world, view, operation):
                accepted[operation.kind] += 1
                joins += len(before) == POOL and set(before) != set(members(world)) and len(members(world)) == POOL

    assert min(accepted.values()) >= LEAST, accepted
    assert len(accepted) == len(set(KINDS))
    assert joins >= FULL_POOL_JOINS


@pytest.fixture(scope="module")
def crowd() -> tuple[World, Contract, list[str]]:
    """Forty transcoders, each with one LPT less than the one above."""
    world = make_world(PARAMS.override(num_active_transcoders=50))
    people = list(addresses(40, first=0x5000))
    for index, person in enumerate(people):
        world.become_transcoder(person, (100 - index) * LPT)
    world.next_round()
    return world, make(world), people


def test_unbond_hints__fall_through_half_of_the_pool__is_one_valid_position(crowd: Any) -> None:
    world, view, people = crowd
    with world.evm.rolled_back():
        hints = view.view("unbondHints", people[10], 20 * LPT + 1)

        world.bonding.call("unbondWithHint", 20 * LPT + 1, *hints, sender=people[10])

        assert hints == (people[30], people[31]) == neighbours(members(world), people[10])


def test_bond_hints__move_between_transcoders__are_the_positions_of_both(crowd: Any) -> None:
    world, view, people = crowd
    mover = addresses(1, first=0x6000)[0]
    with world.evm.rolled_back():
        world.bond(mover, 10 * LPT + 1, people[20])
        hints = view.view("bondHints", mover, 0, people[35])
        old = view.view("unbondHints", mover, 10 * LPT + 1)

        world.bonding.call("bondWithHint", 0, people[35], *hints, sender=mover)

        assert hints[:2] == old == neighbours(members(world), people[20])
        assert hints[2:] == neighbours(members(world), people[35])


def test_transfer_bond_hints__first_pair__is_that_of_the_unbond(crowd: Any) -> None:
    _, view, people = crowd
    receiver = addresses(1, first=0x6001)[0]

    first = view.view("transferBondHints", people[5], receiver, 30 * LPT)[:2]

    assert first == view.view("unbondHints", people[5], 30 * LPT)


@pytest.mark.parametrize(
    ("function", "args"),
    [("unbondHints", (LPT,)), ("rebondHints", (0,)), ("transcoderHints", ()), ("rewardHints", ())],
)
def test_hints__account_that_never_took_part__are_none(crowd: Any, function: str, args: tuple[object, ...]) -> None:
    _, view, _ = crowd

    assert view.view(function, addresses(1, first=0x6002)[0], *args) == (NOBODY, NOBODY)


def test_controller__is_the_one_of_the_constructor(crowd: Any) -> None:
    world, view, _ = crowd

    assert view.view("controller") == world.controller.address
