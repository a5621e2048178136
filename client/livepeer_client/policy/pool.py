"""Where a transcoder's place in the pool will be (onchain 9): sorted by stake; among equals a hint may choose.

The rules of a stake change are those of the BondingManager (onchain 10): what is asked here gives the same answers as
the view contract PoolHints, for networks that do not have it. Stake in LPT wei.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from livepeer_client.types import ZERO_ADDRESS, Address


class Hint(NamedTuple):
    """The members just above and below a place; zero where there is none, or for no hint at all."""

    above: Address
    below: Address


NO_HINT: Final = Hint(ZERO_ADDRESS, ZERO_ADDRESS)


def hint(
    pool: Sequence[tuple[Address, int]], who: Address, stake: int, max_size: int, *, before_equals: bool = False
) -> Hint:
    """The neighbours of `who` once its stake is `stake`.

    `pool` holds members with their stakes from first to last. One who is not a member and would not get into a full
    pool, or whose neighbours need no telling because there are none, has no hint. Whom it would put out is no
    neighbour.

    :param before_equals: the first of equal stake, where the contract puts it without a hint, and the last of them to
        be put out; otherwise behind them.
    """
    others = [(address, its) for address, its in pool if address != who]
    if len(others) == len(pool) and len(pool) >= max_size:
        if not others or stake <= others[-1][1]:
            return NO_HINT
        others = others[:-1]
    at = sum(its > stake or (its == stake and not before_equals) for _, its in others)
    above = others[at - 1][0] if at > 0 else ZERO_ADDRESS
    below = others[at][0] if at < len(others) else ZERO_ADDRESS
    return Hint(above, below)


@dataclass(frozen=True, slots=True)
class Delegate:
    """One that stake is added to: what is behind it now, and whether it is a transcoder, in the pool or not."""

    address: Address
    stake: int
    registered: bool


@dataclass(frozen=True, slots=True)
class Pool:
    """The pool at one block, or after the first of two changes. `left`: who has just gone with all of its stake."""

    members: tuple[tuple[Address, int], ...]
    max_size: int
    left: Address | None = None

    def stake(self, who: Address) -> int | None:
        """A member's stake."""
        return dict(self.members).get(who)

    def lowered(self, delegate: Address, amount: int) -> tuple["Pool", Hint]:
        """`amount` is taken from a delegate: the pool after it, and the delegate's new place if it has one."""
        stake = self.stake(delegate)
        # No member can lose everything behind it: what is larger will be refused.
        if stake is None or amount >= stake:
            return self, NO_HINT
        after = stake - amount
        place = hint(self.members, delegate, after, self.max_size, before_equals=True)
        others = [member for member in self.members if member[0] != delegate]
        at = sum(its > after for _, its in others)
        return replace(self, members=(*others[:at], (delegate, after), *others[at:])), place

    def without(self, transcoder: Address) -> "Pool":
        """A transcoder takes all of its own stake and leaves."""
        others = tuple(member for member in self.members if member[0] != transcoder)
        return replace(self, members=others, left=transcoder)

    def raised(self, delegate: Delegate, amount: int) -> Hint:
        """`amount` is added to a delegate: its new place. One outside of the pool joins it, if it is a transcoder."""
        stake = self.stake(delegate.address)
        # Who has just left has no stake of its own to come back with.
        if delegate.address == self.left or (stake is None and not delegate.registered):
            return NO_HINT
        before = delegate.stake if stake is None else stake
        return hint(self.members, delegate.address, before + amount, self.max_size, before_equals=True)
