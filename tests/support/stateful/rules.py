"""Rules of a history, first part: stake, rewards, rounds. A rule answers with the steps that it wants done next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.evm import NOBODY
from tests.support.stateful.dice import Dice
from tests.support.stateful.operations import ACTORS, MIGRATOR, VERIFIER, Op

Generate = Callable[[Dice], list[Op]]


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    weight: int
    generate: Generate


RULES: dict[str, Rule] = {}


def rule(weight: int) -> Callable[[Generate], Generate]:
    """Register a rule under the function's name; `weight` is how often it is chosen, relative to the others."""

    def register(generate: Generate) -> Generate:
        RULES[generate.__name__] = Rule(generate.__name__, weight, generate)
        return generate

    return register


def one(name: str, to: str, function: str, sender: str, *args: object, value: int | None = None) -> list[Op]:
    return [Op(name, to, function, sender, args, value)]


BONDING = "BondingManager"


def _balance(d: Dice, account: str) -> int:
    return d.world.model.token.balances[account]


def _delegated(d: Dice, account: str) -> int:
    return d.world.model.bonding.delegated[account]


# --- bonding ----------------------------------------------------------------------------------------------------------


def _bond(d: Dice, name: str, account: str, to: str, amount: int) -> list[Op]:
    if d.chance(40):
        return one(name, BONDING, "bond", account, amount, to)
    bonded, delegate = d.delegator(account).bonded, d.delegator(account).delegate
    old = d.hint(delegate, max(_delegated(d, delegate) - bonded, 0))
    new = d.hint(to, _delegated(d, to) + amount + (bonded if delegate != to else 0))
    return one(name, BONDING, "bondWithHint", account, amount, to, *old, *new)


@rule(60)
def bond_to_oneself(d: Dice) -> list[Op]:
    own = [a for a in ACTORS if d.delegator(a).delegate in (a, NOBODY) or d.delegator(a).bonded == 0]
    account = d.actor_where(d.rich(own))
    amount = d.lpt(_balance(d, account), _delegated(d, account))
    return _bond(d, "bond_to_oneself", account, account, amount)


@rule(60)
def bond_to_another(d: Dice) -> list[Op]:
    others = [a for a in ACTORS if not d.world.model.bonding.is_registered(a)]
    account = d.actor_where(d.rich(others))
    to = d.delegate_for(account)
    amount = 0 if d.delegator(account).bonded and d.chance(25) else d.lpt(_balance(d, account), _delegated(d, to))
    return _bond(d, "bond_to_another", account, to, amount)


@rule(30)
def bond_for(d: Dice) -> list[Op]:
    # Without harm: the owner has no stake, or its delegate has called reward, or is not active.
    now, transcoders = d.world.model.rounds.current, d.world.model.bonding.transcoders
    waiting = d.not_rewarded()
    free = [
        a
        for a in ACTORS
        if d.delegator(a).delegate not in waiting or transcoders[d.delegator(a).delegate].last_reward_round == now
    ]
    sender, owner = d.actor_where(d.rich(ACTORS)), d.actor_where(free)
    if d.world.setup.has_migrator and d.chance(30):
        sender = MIGRATOR
    delegate = d.delegator(owner).delegate
    to = delegate if d.delegator(owner).bonded and d.chance(85) else d.delegate_for(owner)
    amount = d.lpt(_balance(d, sender), _delegated(d, to))
    old = d.hint(delegate, _delegated(d, delegate))
    new = d.hint(to, _delegated(d, to) + amount)
    if d.chance(3):
        owner = NOBODY
    return one("bond_for", BONDING, "bondForWithHint", sender, amount, owner, to, *old, *new)


@rule(60)
def unbond(d: Dice) -> list[Op]:
    account = d.actor_where([a for a in ACTORS if d.world.model.bonding.status(a) == 1])
    bonded, delegate = d.delegator(account).bonded, d.delegator(account).delegate
    amount = bonded if d.chance(20) else d.lpt(bonded)
    if d.chance(10) and bonded > 1:
        amount = bonded - 1
    if d.chance(40):
        return one("unbond", BONDING, "unbond", account, amount)
    hint = d.hint(delegate, max(_delegated(d, delegate) - amount, 0))
    return one("unbond", BONDING, "unbondWithHint", account, amount, *hint)


def _some_lock(d: Dice, accounts: list[str], ripe: bool = False) -> tuple[str, int]:
    """An account and a lock that it has, mostly."""
    locks, now = d.world.model.bonding.locks, d.world.model.rounds.current
    found = [
        (account, lock_id)
        for account in accounts
        for lock_id in range(max(0, d.delegator(account).next_lock_id - 12), d.delegator(account).next_lock_id)
        if locks[account, lock_id].withdraw_round > 0 and (not ripe or locks[account, lock_id].withdraw_round <= now)
    ]
    if found and not d.chance(6):
        return d.pick(found)
    account = d.actor()
    return account, d.number(0, d.delegator(account).next_lock_id)


@rule(25)
def rebond(d: Dice) -> list[Op]:
    account, lock_id = _some_lock(d, d.bonded())
    if d.chance(40):
        return one("rebond", BONDING, "rebond", account, lock_id)
    delegate = d.delegator(account).delegate
    key = _delegated(d, delegate) + d.world.model.bonding.locks[account, lock_id].amount
    return one("rebond", BONDING, "rebondWithHint", account, lock_id, *d.hint(delegate, key))


@rule(25)
def rebond_from_unbonded(d: Dice) -> list[Op]:
    account, lock_id = _some_lock(d, d.unbonded())
    if d.delegator(account).bonded > 0 and d.chance(80):
        return one("unbond", BONDING, "unbond", account, d.delegator(account).bonded)
    to = d.delegate_for(account)
    if d.chance(40):
        return one("rebond_from_unbonded", BONDING, "rebondFromUnbonded", account, to, lock_id)
    key = _delegated(d, to) + d.world.model.bonding.locks[account, lock_id].amount
    function = "rebondFromUnbondedWithHint"
    return one("rebond_from_unbonded", BONDING, function, account, to, lock_id, *d.hint(to, key))


@rule(40)
def transfer_bond(d: Dice) -> list[Op]:
    account = d.actor_where([a for a in ACTORS if d.world.model.bonding.status(a) == 1])
    receiver = NOBODY if d.chance(2) else d.actor()
    bonded, delegate = d.delegator(account).bonded, d.delegator(account).delegate
    amount = bonded if d.chance(25) else d.lpt(bonded)
    to = d.delegator(receiver).delegate if d.delegator(receiver).bonded else delegate
    old, new = d.hint(delegate, max(_delegated(d, delegate) - amount, 0)), d.hint(to, _delegated(d, to) + amount)
    return one("transfer_bond", BONDING, "transferBond", account, receiver, amount, *old, *new)


@rule(20)
def withdraw_stake(d: Dice) -> list[Op]:
    account, lock_id = _some_lock(d, list(ACTORS), ripe=True)
    return one("withdraw_stake", BONDING, "withdrawStake", account, lock_id)


@rule(20)
def withdraw_fees(d: Dice) -> list[Op]:
    pending = d.world.model.bonding.pending
    account = d.actor_where([a for a in ACTORS if pending(a)[1] > 0])
    fees = pending(account)[1]
    amount = d.pick((0, fees, fees, d.number(0, fees), fees + 1))
    recipient = d.pick(
        (account, d.actor(), d.actor(), NOBODY, d.world.suite.broker.address, d.world.suite.minter.address)
    )
    if d.chance(70):
        recipient = account
    return one("withdraw_fees", BONDING, "withdrawFees", account, recipient, amount)


@rule(20)
def claim_earnings(d: Dice) -> list[Op]:
    return one("claim_earnings", BONDING, "claimEarnings", d.actor(), d.number(0, 3))


@rule(8)
def checkpoint(d: Dice) -> list[Op]:
    return one("checkpoint", BONDING, "checkpointBondingState", d.actor(), d.pick((*ACTORS, NOBODY)))


# --- transcoders ------------------------------------------------------------------------------------------------------


@rule(30)
def set_rates(d: Dice) -> list[Op]:
    bonding, now = d.world.model.bonding, d.world.model.rounds.current
    ready = [a for a in d.registered() if not bonding.is_active(a) or bonding.transcoders[a].last_reward_round == now]
    account = d.actor_where(ready)
    cut, share = (d.pick((0, 1, 10**6, d.number(0, 10**6), 500_000)) for _ in range(2))
    if d.chance(4):
        cut, share = d.pick(((10**6 + 1, 0), (0, 10**6 + 1), (2**256 - 1, 2**256 - 1)))
    if d.chance(50):
        return one("set_rates", BONDING, "transcoder", account, cut, share)
    hint = d.hint(account, _delegated(d, account))
    return one("set_rates", BONDING, "transcoderWithHint", account, cut, share, *hint)


def _reward(d: Dice, account: str) -> list[Op]:
    if d.chance(50):
        return one("reward", BONDING, "reward", account)
    gain = d.number(0, 2) * d.world.setup.unit
    return one("reward", BONDING, "rewardWithHint", account, *d.hint(account, _delegated(d, account) + gain))


@rule(60)
def reward(d: Dice) -> list[Op]:
    if not d.not_rewarded() and d.chance(80):
        return next_round(d)
    return _reward(d, d.actor_where(d.not_rewarded()))


@rule(15)
def reward_by_caller(d: Dice) -> list[Op]:
    if not d.not_rewarded() and d.chance(80):
        return next_round(d)
    account = d.actor_where(d.not_rewarded())
    caller = d.actor()
    steps = [Op("set_reward_caller", BONDING, "setRewardCaller", account, (caller,))] if d.chance(80) else []
    if d.chance(50):
        return [*steps, Op("reward_by_caller", BONDING, "rewardForTranscoder", caller, (account,))]
    hint = d.hint(account, _delegated(d, account))
    function = "rewardForTranscoderWithHint"
    return [*steps, Op("reward_by_caller", BONDING, function, caller, (account, *hint))]


@rule(14)
def slash(d: Dice) -> list[Op]:
    if not d.world.setup.has_verifier and d.chance(80):
        return unbond(d)
    by_verifier = d.world.setup.has_verifier and d.chance(85)
    sender = VERIFIER if by_verifier else d.actor()
    part = d.pick((0, 1, 10**6, 500_000, d.number(0, 10**6), 10**6 + 1))
    fee = d.pick((0, 10**6, d.number(0, 10**6), 10**6 + 1))
    finder = d.pick((NOBODY, d.actor(), d.actor()))
    return one("slash", BONDING, "slashTranscoder", sender, d.actor_where(d.bonded()), finder, part, fee)


# --- rounds -----------------------------------------------------------------------------------------------------------


@rule(25)
def mine(d: Dice) -> list[Op]:
    return one("mine", "world", "mine", d.actor(), d.number(1, 3))


def to_next_round(d: Dice, count: int = 1) -> Op:
    rounds = d.world.model.rounds
    left = rounds.start_block + rounds.roundLength() - d.world.evm.block
    return Op("mine", "world", "mine", d.actor(), (left + (count - 1) * rounds.roundLength(),))


@rule(60)
def next_round(d: Dice) -> list[Op]:
    return [to_next_round(d), Op("next_round", "RoundsManager", "initializeRound", d.actor())]


@rule(25)
def next_round_with_rewards(d: Dice) -> list[Op]:
    """As it should be: the round begins, everybody calls reward."""
    start = next_round(d)
    members = d.world.model.bonding.pool.members
    return [*start, *(step for member in members for step in _reward(d, member))]


@rule(8)
def skip_rounds(d: Dice) -> list[Op]:
    steps = [to_next_round(d, d.number(2, 5))]
    if d.chance(80):
        steps.append(Op("next_round", "RoundsManager", "initializeRound", d.actor()))
    return steps


@rule(2)
def initialize_round(d: Dice) -> list[Op]:
    return one("initialize_round", "RoundsManager", "initializeRound", d.actor())
