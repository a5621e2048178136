"""The invariants of the contracts (spec 20) that one state shows by itself, by their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.support.evm import NOBODY
from tests.support.evm_world import DELEGATOR, NEWCOMER, RECEIVER, SECOND, SENDER, STRANGER, TRANSCODER, World

PEOPLE = (TRANSCODER, SECOND, DELEGATOR, STRANGER, NEWCOMER, RECEIVER, SENDER)
NEVER = 2**256 - 1
# Roundings down on the way of all fees of a short history.
DUST_WEI = 100


def bonded(world: World, account: str) -> int:
    return int(world.bonding.view("getDelegator", account)[0])


def fees(world: World, account: str) -> int:
    return int(world.bonding.view("getDelegator", account)[1])


def delegate_of(world: World, account: str) -> str:
    return str(world.bonding.view("getDelegator", account)[2])


def delegated(world: World, account: str) -> int:
    return int(world.bonding.view("transcoderTotalStake", account))


def pending_stake(world: World, account: str) -> int:
    return int(world.bonding.view("pendingStake", account, 0))


def pending_fees(world: World, account: str) -> int:
    return int(world.bonding.view("pendingFees", account, 0))


def votes(world: World, account: str) -> int:
    return int(world.votes.view("getVotes", account))


def members(world: World) -> list[str]:
    """The pool from its head to its tail."""
    found, member = [], world.bonding.view("getFirstTranscoderInPool")
    while member != NOBODY:
        found.append(member)
        assert len(found) <= world.bonding.view("getTranscoderPoolMaxSize"), "I6: the walk does not end"
        member = world.bonding.view("getNextTranscoderInPool", member)
    return found


def locked(world: World) -> int:
    """LPT in unbonding locks."""
    return sum(
        world.bonding.view("getDelegatorUnbondingLock", account, lock)[0]
        for account in PEOPLE
        for lock in range(world.bonding.view("getDelegator", account)[6])
    )


def violations(world: World) -> list[str]:
    """What is wrong; empty if nothing is."""
    return [text for check in (_stake, _pool, _votes, _money) for text in check(world)]


def _stake(world: World) -> Iterator[str]:
    everyone = (*PEOPLE, NOBODY)
    held = world.token.view("balanceOf", world.minter.address)
    owed = sum(delegated(world, account) for account in everyone)
    if held != owed + locked(world):
        yield f"I1: {held} LPT held, {owed} delegated and {locked(world)} locked"
    for transcoder in everyone:
        own = [account for account in PEOPLE if delegate_of(world, account) == transcoder]
        total = sum(pending_stake(world, account) for account in own)
        if total > delegated(world, transcoder):
            yield f"I2: {total} pending behind {transcoder}, {delegated(world, transcoder)} delegated"
        if world.bonding.view("getTranscoder", transcoder)[7] > delegated(world, transcoder):
            yield f"I14: commissions of {transcoder} above the stake"
    if (stake := sum(bonded(world, account) for account in PEOPLE)) > owed:
        yield f"I3: {stake} bonded, {owed} delegated"


def _pool(world: World) -> Iterator[str]:
    pool, now = members(world), world.round
    keys = [delegated(world, member) for member in pool]
    if any(above < below for above, below in pairwise(keys)):
        yield f"I6: not sorted: {keys}"
    if len(pool) != world.bonding.view("getTranscoderPoolSize") or len(set(pool)) != len(pool):
        yield f"I6: {pool} does not have its size"
    if not all(world.bonding.view("isRegisteredTranscoder", member) for member in pool) or 0 in keys:
        yield f"I6: a member of {pool} is not registered"
    if world.bonding.view("nextRoundTotalActiveStake") != sum(keys):
        yield f"I7: total is {world.bonding.view('nextRoundTotalActiveStake')}, keys are {keys}"
    for account in PEOPLE:
        activation, deactivation = world.bonding.view("getTranscoder", account)[4:6]
        if (deactivation == NEVER) is not (account in pool) or activation > now + 1:
            yield f"I8: {account} is active from {activation} to {deactivation} in round {now}"
        elif account not in pool and deactivation > now + 1:
            yield f"I8: {account} left the pool and is active until {deactivation}"


def _votes(world: World) -> Iterator[str]:
    for account in PEOPLE:
        if world.bonding.view("isRegisteredTranscoder", account):
            expected = delegated(world, account)
        elif world.bonding.view("isRegisteredTranscoder", delegate_of(world, account)):
            expected = pending_stake(world, account)
        else:
            expected = 0
        if votes(world, account) != expected:
            yield f"K5: {account} has {votes(world, account)} votes and {expected} stake"


def _money(world: World) -> Iterator[str]:
    funds = 0
    for account in PEOPLE:
        (deposit, _), (reserve, claimed) = world.broker.view("getSenderInfo", account)
        funds += deposit + reserve
        by_claimant = sum(world.broker.view("claimedReserve", account, claimant) for claimant in PEOPLE)
        if by_claimant != claimed:
            yield f"I17: {claimed} claimed of {account}'s reserve, {by_claimant} by claimants"
    owed = funds + sum(pending_fees(world, account) for account in PEOPLE)
    held = world.evm.balance(world.minter.address)
    if not owed <= held <= owed + DUST_WEI:
        yield f"I15: {held} wei held, {owed} owed"
    for name, contract in world.contracts().items():
        if name != "Minter" and world.evm.balance(contract.address):
            yield f"I15: {name} holds ether"
