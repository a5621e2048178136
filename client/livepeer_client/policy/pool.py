"""Where a transcoder's place in the pool will be (onchain 9): sorted by stake, among equals the earlier one first."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from livepeer_client.types import ZERO_ADDRESS, Address


class Hint(NamedTuple):
    """The members just above and below a place; zero where there is none, or for no hint at all."""

    above: Address
    below: Address


NO_HINT: Final = Hint(ZERO_ADDRESS, ZERO_ADDRESS)


def hint(pool: Sequence[tuple[Address, int]], who: Address, stake: int, max_size: int) -> Hint:
    """The neighbours of `who` once its stake is `stake`.

    `pool` holds members with their stakes from first to last. One who is not a member and would not get into a full
    pool, or whose neighbours need no telling because there are none, has no hint. Whom it would put out is no
    neighbour.
    """
    others = [(address, its) for address, its in pool if address != who]
    if len(others) == len(pool) and len(pool) >= max_size:
        if not others or stake <= others[-1][1]:
            return NO_HINT
        others = others[:-1]
    at = sum(its >= stake for _, its in others)
    above = others[at - 1][0] if at > 0 else ZERO_ADDRESS
    below = others[at][0] if at < len(others) else ZERO_ADDRESS
    return Hint(above, below)
