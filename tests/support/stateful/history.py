"""Histories: from a seed to steps done on contracts and model, checked after each; and the way back to few steps.

A driver of its own instead of hypothesis' state machine, for three reasons. Choices look at the state of the moment
(which locks are ripe, which stake makes a tie), which costs hypothesis a draw each and fills its buffer within some
hundred steps, while wear and tear of this protocol shows after thousands. Steps are concrete values, so that a failure
prints as Python that repeats it. And it is several times faster. What hypothesis would give, shrinking, is `shrink`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from scripts._params import LOCAL
from tests.support.evm import Reverted
from tests.support.stateful.dice import Dice
from tests.support.stateful.invariants import Invariants, nothing_elsewhere
from tests.support.stateful.operations import Op, Setup, TicketSpec
from tests.support.stateful.picture import take_picture
from tests.support.stateful.rules import Rule
from tests.support.stateful.rules_money import RULES
from tests.support.stateful.world import BATCHES, Divergence, World

EVERYTHING_EVERY = 120
"""Steps from one comparison of the whole state to the next."""
# A stake of 2^96 times a factor of this size still fits a word; factors start at 10^27.
LARGEST_FACTOR = 10**45
# The same for fee factors, which start at 0 and are multiplied by the stake or by 10^27.
LARGEST_FEE_FACTOR = 10**48


@dataclass(slots=True)
class Tally:
    """What histories have done."""

    steps: int = 0
    applied: Counter[str] = field(default_factory=Counter)
    """Calls that succeeded, by rule."""
    functions: Counter[str] = field(default_factory=Counter)
    """The same by contract and function."""
    refused: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    """How often each invariant was checked."""

    @property
    def calls(self) -> int:
        return sum(self.functions.values())

    def add(self, other: Tally) -> None:
        self.steps += other.steps
        for mine, others in (
            (self.applied, other.applied),
            (self.functions, other.functions),
            (self.refused, other.refused),
            (self.held, other.held),
        ):
            mine.update(others)


class BeyondWords(Exception):
    """A history that has left the numbers with which the protocol can calculate: it ends here, and nothing is wrong."""


class Failure(AssertionError):
    """A history that went wrong, with all that repeats it."""

    def __init__(self, seed: int, setup: Setup, steps: Sequence[Op], cause: Divergence) -> None:
        super().__init__(f"seed {seed}, step {len(steps)}: {cause}")
        self.seed = seed
        self.setup = setup
        self.steps = list(steps)
        self.cause = cause


def setup_of(seed: int) -> Setup:
    """Small worlds of many kinds."""
    rng = Random(f"setup {seed}")
    params = LOCAL.override(
        round_length_blocks=rng.randint(3, 12),
        round_lock_amount_ppm=rng.choice((0, 100_000, 300_000)),
        unbonding_period_rounds=rng.randint(1, 3),
        num_active_transcoders=rng.choice((1, 2, 2, 3, 4)),
        inflation_ppb=rng.choice((0, 220_500, 10**6, 10**8, 10**9)),
        inflation_change_ppb=rng.choice((0, 500, 10**6, 10**8)),
        target_bonding_rate_ppb=rng.choice((0, 5 * 10**8, 10**9)),
        unlock_period_rounds=rng.randint(1, 3),
        ticket_validity_period_rounds=rng.randint(1, 3),
    )
    return Setup(
        params=params,
        unit=rng.choice((1, 1, 7, 10**9, 10**18, 10**18, 2**84)),
        has_treasury=rng.random() < 0.9,
        has_verifier=rng.random() < 0.3,
        has_migrator=rng.random() < 0.3,
    )


class Run:
    """One world with its invariants, step by step."""

    def __init__(
        self, setup: Setup, make_world: Callable[[Setup], World] = World, *, with_invariants: bool = True
    ) -> None:
        self.world = make_world(setup)
        self._with_invariants = with_invariants
        self.steps: list[Op] = []
        self.tally = Tally()
        self._now = take_picture(self.world)
        self._invariants = Invariants(self.world, self._now)

    def is_beyond_words(self) -> bool:
        """Whether a factor has grown so large that products with it no longer fit 256 bits: it takes several rounds
        whose whole reward, or hundreds of ETH of fees, go to a stake of a few wei, which alone is concerned. Then
        look-ups fail, as they do in the deployed contract, and nothing can be said any more."""
        pools = self.world.model.bonding.pools.of
        return any(
            pools[key].reward_factor > LARGEST_FACTOR or pools[key].fee_factor > LARGEST_FEE_FACTOR for key in pools
        )

    def step(self, op: Op) -> bool:
        """:raises Divergence: see World.apply and Invariants; also if something cannot be looked up any more."""
        try:
            return self._step(op)
        except Reverted as revert:
            if revert.is_bare and self.is_beyond_words():
                raise BeyondWords from revert
            raise Divergence("look-up", f"after {op}: {revert!r}") from revert

    def _step(self, op: Op) -> bool:
        self.steps.append(op)
        self.tally.steps += 1
        if not self._with_invariants:
            return self.world.apply(op)
        singly = self.world.redeemed_singly(op) if op.function in BATCHES else None
        applied = self.world.apply(op)
        if applied:
            self._note(op)
            events = self.world.last_result.events if self.world.last_result else []
            before, self._now = self._now, take_picture(self.world, op, self._now)
            self._invariants.after(op, before, self._now, events)
            if singly is not None:
                self.world.check_batch(singly)
                self._invariants.held["_i19"] = self._invariants.held.get("_i19", 0) + 1
        else:
            self.tally.refused[op.rule] += 1
        if len(self.steps) % EVERYTHING_EVERY == 0:
            self.everything()
        return applied

    def everything(self) -> None:
        """Compare and check all there is."""
        self.world.compare_everything()
        complete = take_picture(self.world)
        if complete != self._now:
            raise Divergence("picture", f"something changed by itself: {self._now} is {complete}")
        self._invariants.everything()
        nothing_elsewhere(self.world)

    def finish(self) -> Tally:
        self.everything()
        self.tally.held.update(self._invariants.held)
        return self.tally

    def _note(self, op: Op) -> None:
        if op.to == "world":
            return
        self.tally.applied[op.rule] += 1
        contract = "Minter" if op.to in self.world.minters else op.to
        self.tally.functions[f"{contract}.{op.function}"] += 1


def play(
    seed: int, length: int, make_world: Callable[[Setup], World] = World, *, with_invariants: bool = True
) -> Tally:
    """A history of that many steps at least.

    :param with_invariants: False only compares calls with the model, which is several times faster.
    :raises Failure: contracts and model disagree, or an invariant is broken.
    """
    setup = setup_of(seed)
    run = Run(setup, make_world, with_invariants=with_invariants)
    dice = Dice(Random(seed), run.world)
    rules = list(RULES.values())
    weights = [rule.weight for rule in rules]
    waiting: list[Op] = []
    try:
        while len(run.steps) < length:
            if not waiting:
                waiting = list(_chosen(dice, rules, weights))
            run.step(waiting.pop(0))
        if with_invariants:
            return run.finish()
        run.world.compare_everything()
        return run.tally
    except BeyondWords:
        return run.tally
    except Divergence as cause:
        raise Failure(seed, setup, run.steps, cause) from cause


def _chosen(dice: Dice, rules: list[Rule], weights: list[int]) -> list[Op]:
    rounds, controller = dice.world.model.rounds, dice.world.model.controller
    # Nearly nothing is possible while paused or before the round is initialised: that must not last.
    if controller.is_paused and dice.chance(25):
        return [Op("pause", "Controller", "unpause", controller.owner())]
    if not controller.is_paused and not rounds.is_initialized and dice.chance(40):
        return [Op("next_round", "RoundsManager", "initializeRound", dice.actor())]
    return list(dice.rng.choices(rules, weights)[0].generate(dice))


def replay(
    setup: Setup,
    steps: Sequence[Op],
    make_world: Callable[[Setup], World] = World,
    *,
    with_invariants: bool = True,
) -> Tally:
    """Do given steps.

    :param with_invariants: False only compares calls with the model, which is several times faster.
    :raises Failure: as `play`; its seed is 0.
    """
    run = Run(setup, make_world, with_invariants=with_invariants)
    try:
        for op in steps:
            run.step(op)
        return run.finish() if with_invariants else run.tally
    except Divergence as cause:
        raise Failure(0, setup, run.steps, cause) from cause


# --- shrinking --------------------------------------------------------------------------------------------------------


def shrink(failure: Failure, seconds: float, make_world: Callable[[Setup], World] = World) -> Failure:
    """The same failure, by its label, with fewer and simpler steps, as far as the time allows."""
    deadline = time.monotonic() + seconds
    best = failure
    # Labels of comparisons with the model begin with a function's name; all others with one of these.
    invariants = failure.cause.label.startswith(("I", "K", "picture", "look-up", "view", "ether"))

    def attempt(steps: Sequence[Op]) -> bool:
        nonlocal best
        try:
            replay(failure.setup, steps, make_world, with_invariants=invariants)
        except Failure as found:
            if found.cause.label == failure.cause.label:
                best = Failure(failure.seed, failure.setup, found.steps, found.cause)
                return True
        except LookupError:
            # A step needs something that a left-out step made: no history at all.
            return False
        return False

    # Steps that were refused hardly ever matter; without them every further attempt is faster.
    attempt(_applied_only(failure, make_world))
    size = max(len(best.steps) // 2, 1)
    while time.monotonic() < deadline:
        shorter = False
        start = 0
        while start < len(best.steps) and time.monotonic() < deadline:
            if attempt([*best.steps[:start], *best.steps[start + size :]]):
                shorter = True
            else:
                start += size
        if size == 1 and not shorter:
            break
        size = max(size // 2, 1)
    for index in range(len(best.steps)):
        for simpler in _simpler(best.steps[index]) if index < len(best.steps) else ():
            if time.monotonic() >= deadline:
                return best
            attempt([*best.steps[:index], simpler, *best.steps[index + 1 :]])
    return best


def _applied_only(failure: Failure, make_world: Callable[[Setup], World]) -> list[Op]:
    run = Run(failure.setup, make_world, with_invariants=False)
    kept = []
    for op in failure.steps[:-1]:
        if run.step(op):
            kept.append(op)
    return [*kept, failure.steps[-1]]


def _simpler(op: Op) -> list[Op]:
    """The step with one number smaller, one ticket less."""
    found = []
    for index, arg in enumerate(op.args):
        smaller: list[object] = []
        if isinstance(arg, bool):
            continue
        if isinstance(arg, int) and arg > 1:
            smaller = [1, arg // 2]
        elif isinstance(arg, tuple) and len(arg) > 1 and isinstance(arg[0], TicketSpec):
            smaller = [arg[:i] + arg[i + 1 :] for i in range(len(arg))]
        found += [replace(op, args=(*op.args[:index], each, *op.args[index + 1 :])) for each in smaller]
    return found


def story(failure: Failure) -> str:
    """How to repeat a failure."""
    steps = "\n".join(f"    {op!r}," for op in failure.steps)
    return (
        f"{failure.cause}\n\nseed {failure.seed}; these {len(failure.steps)} steps repeat it "
        f"(tests.support.stateful.history):\n\nreplay(\n    {failure.setup!r},\n    [\n{steps}\n    ],\n)\n"
    )
