"""Whether two orchestrators made the same of one segment (offchain-network 4.7).

Encoders differ, so bytes say nothing; what is compared is coarse brightness at the same moments. Two encodings of one
source differ by a few steps, another picture by dozens.
"""

from collections.abc import Sequence
from typing import Final

MAX_MEAN_DIFFERENCE: Final = 10
"""Steps of brightness, of 256, by which a frame may differ on average."""
MAX_BLOCK_DIFFERENCE: Final = 64
"""By which a sixteenth of a side may differ: a logo put over the picture does so."""


def alike(mine: Sequence[bytes], theirs: Sequence[bytes]) -> bool:
    """Whether two fingerprints, frame by frame, are of the same pictures."""
    if len(mine) != len(theirs) or not mine:
        return False
    return all(_alike(one, other) for one, other in zip(mine, theirs, strict=True))


def _alike(one: bytes, other: bytes) -> bool:
    if len(one) != len(other) or not one:
        return False
    differences = [abs(a - b) for a, b in zip(one, other, strict=True)]
    return sum(differences) <= MAX_MEAN_DIFFERENCE * len(one) and max(differences) <= MAX_BLOCK_DIFFERENCE
