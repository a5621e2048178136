"""How far an orchestrator's work is believed, continuously, and which work is checked twice (offchain-network 3.1).

A source gives everybody a score in [0, 1]: 1 for an operator's own list, 0 for the on-chain pool. What verification
finds moves it: agreement slowly up, one disagreement far down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from livepeer_client.errors import InvalidInput
from livepeer_client.types import Address

GIVEN_WEIGHT: Final = 20
"""Verified segments that weigh as much as the source's word."""
LIE_WEIGHT: Final = 20
"""What one disagreement weighs, in agreements."""
FULL_TRUST: Final = 1.0


class Pool(Enum):
    """Whom a session belongs to. Work of trusted ones is what others' is compared with."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of one orchestrator: the source's score, segments that agreed with a trusted one's, and that did
    not.

    :raises InvalidInput: a score outside [0, 1], which no source may give.
    """

    given: float = 0.0
    agreed: int = 0
    disagreed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.given <= 1:
            raise InvalidInput(f"a trust score lies in [0, 1], got {self.given}")

    @property
    def score(self) -> float:
        """In [0, 1]; the source's while nothing was verified. Short of 1 for whoever was not given 1 or ever lied."""
        total = GIVEN_WEIGHT + self.agreed + LIE_WEIGHT * self.disagreed
        return (self.given * GIVEN_WEIGHT + self.agreed) / total

    @property
    def verified(self) -> bool:
        return self.agreed > 0 and self.disagreed == 0

    def after(self, *, agreed: bool) -> "Trust":
        """With one more verification."""
        if agreed:
            return replace(self, agreed=self.agreed + 1)
        return replace(self, disagreed=self.disagreed + 1)

    def pool(self, trusted_from: float = FULL_TRUST) -> Pool:
        """The default threshold is the network's: only those whom the operator vouches for. Below it trust can be
        earned."""
        return Pool.TRUSTED if self.score >= trusted_from else Pool.UNTRUSTED


Trusts = Mapping[Address, Trust]
UNKNOWN: Final = Trust()


def trust_of(trusts: Trusts, address: Address) -> Trust:
    return trusts.get(address, UNKNOWN)


UNTRUSTED_COMPARED: Final = 2
"""So many untrusted sessions work on a segment that is compared, beside a trusted one."""


def works_alone(frequency: int, verified: Sequence[bool], draw: float) -> int | None:
    """Which of the untrusted sessions works on a segment alone, by its place; None where all of them do, and a trusted
    one as well.

    All do until one of them is verified; from then on that one works alone, except for one segment in `frequency`.
    0: the first one always works alone.

    :param verified: of each of the sessions at hand whether it is; the one the segment is meant for comes first.
    :raises InvalidInput: a draw outside [0, 1), a negative frequency, no session.
    """
    if frequency < 0 or not 0 <= draw < 1 or not verified:
        raise InvalidInput(f"verification one in {frequency}, draw {draw}, {len(verified)} sessions")
    if frequency == 0:
        return 0
    return verified.index(True) if True in verified and draw * frequency >= 1 else None
