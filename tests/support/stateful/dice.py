"""Choices of a history: pseudo-random, with an eye on the present state, so that most steps do something."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, TypeVar

from tests.support.evm import NOBODY
from tests.support.model.pool import NO_HINT, Hint
from tests.support.stateful.operations import ACTORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.model.stake import Delegator
    from tests.support.stateful.world import World

T = TypeVar("T")
EXTREMES = (0, 1, 2**96 - 1, 2**96, 2**255, 2**256 - 1)


class Dice:
    def __init__(self, rng: Random, world: World) -> None:
        self.rng = rng
        self.world = world

    def chance(self, percent: int) -> bool:
        return self.rng.randrange(100) < percent

    def pick(self, options: Sequence[T]) -> T:
        return options[self.rng.randrange(len(options))]

    def number(self, low: int, high: int) -> int:
        return self.rng.randint(low, high)

    # --- accounts -----------------------------------------------------------------------------------------------------

    def delegator(self, account: str) -> Delegator:
        return self.world.model.bonding.delegators[account]

    def actor(self) -> str:
        return self.pick(ACTORS)

    def actor_where(self, accounts: Sequence[str]) -> str:
        """One of some accounts, mostly; sometimes, or if there are none, any."""
        return self.pick(accounts) if accounts and not self.chance(7) else self.actor()

    def rich(self, accounts: Sequence[str]) -> list[str]:
        """Those of some accounts that have LPT."""
        return [a for a in accounts if self.world.model.token.balances[a] > 0]

    def bonded(self) -> list[str]:
        return [a for a in ACTORS if self.delegator(a).bonded > 0]

    def unbonded(self) -> list[str]:
        return [a for a in ACTORS if self.delegator(a).bonded == 0]

    def registered(self) -> list[str]:
        return [a for a in ACTORS if self.world.model.bonding.is_registered(a)]

    def active(self) -> list[str]:
        return [a for a in ACTORS if self.world.model.bonding.is_active(a)]

    def not_rewarded(self) -> list[str]:
        now, transcoders = self.world.model.rounds.current, self.world.model.bonding.transcoders
        return [a for a in self.active() if transcoders[a].last_reward_round != now]

    def delegate_for(self, account: str) -> str:
        """Whom to delegate to: a transcoder mostly, oneself, or somebody who is none, or nobody."""
        registered = [a for a in self.registered() if a != account]
        if registered and self.chance(70):
            return self.pick(registered)
        return self.pick((account, account, self.actor(), NOBODY))

    # --- amounts ------------------------------------------------------------------------------------------------------

    def lpt(self, most: int, tie_from: int | None = None) -> int:
        """An amount of LPT up to `most`, seldom more.

        :param tie_from: stake that the amount adds to: sometimes the sum shall equal that of a member of the pool.
        """
        if self.chance(4):
            return self.pick((*EXTREMES, most + 1))
        if most <= 0:
            return self.number(0, 3)
        bonding, unit = self.world.model.bonding, self.world.setup.unit
        if tie_from is not None and self.chance(25):
            gaps = [bonding.delegated[m] - tie_from + self.pick((0, 0, 1, -1)) for m in bonding.pool.members]
            fitting = [gap for gap in gaps if 0 < gap <= most]
            if fitting:
                return self.pick(fitting)
        choice = self.number(0, 9)
        if choice == 0:
            return 1
        if choice == 1:
            return most
        if choice <= 6:
            return min(self.number(1, 9) * unit, most)
        return self.number(1, min(most, 50 * unit))

    def wei(self, most: int) -> int:
        if most <= 0 or self.chance(3):
            return self.number(0, 5)
        choice = self.number(0, 9)
        if choice == 0:
            return self.number(0, 2)
        if choice <= 2:
            return most
        if choice <= 5:
            return self.number(1, most)
        return min(most, 10 ** self.number(1, 18))

    # --- hints --------------------------------------------------------------------------------------------------------

    def hint(self, account: str, key: int) -> Hint:
        """Where an account with that much stake may stand: right, wrong, half or stale."""
        bonding = self.world.model.bonding
        members = [member for member in bonding.pool.members if member != account]
        choice = self.number(0, 9)
        if choice <= 1 or not members:
            return NO_HINT if self.chance(50) else (self.actor(), self.actor())
        if choice <= 2:
            return account, self.actor()
        bounded = [NOBODY, *members, NOBODY]
        gaps = list(pairwise(bounded))
        right = [
            (prev, next_)
            for prev, next_ in gaps
            if (prev == NOBODY or bonding.delegated[prev] >= key)
            and (next_ == NOBODY or bonding.delegated[next_] <= key)
        ]
        prev, next_ = self.pick(right) if right and self.chance(65) else self.pick(gaps)
        if self.chance(25):
            return (prev, self.pick((NOBODY, self.actor()))) if self.chance(50) else (self.pick((NOBODY, prev)), next_)
        return prev, next_
