"""Buying what somebody brought along: whose fault a failure is, what was charged, and when a stream has swapped too
often (offchain-network 4.12). Virtual time: every figure is seconds of the caller's clock."""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from livepeer_client.errors import LivepeerError, PeerRefused, SpendLimitReached
from livepeer_client.policy.streaming import BYOC_TOP_UP_S
from livepeer_client.policy.workloads import BYOC_STREAM, Cause, cause_of

PAYMENT_REQUIRED: Final = 402
SERVER_ERROR: Final = 500
SLACK: Final = 2
"""Top-ups by which what was signed may be ahead of what the work has cost, beside those under way: one that lies there,
and one that an honest orchestrator has lost."""


def byoc_cause(error: LivepeerError) -> Cause:
    """The cause of a failure. Of a refusal, 402 and the network's own texts are about money and places; any other
    status below 500 goes back to whoever asked."""
    if isinstance(error, SpendLimitReached):
        return Cause.OWN_LIMIT
    cause = cause_of(error)
    if cause is Cause.REFUSED and isinstance(error, PeerRefused) and error.status < SERVER_ERROR:
        return Cause.BALANCE if error.status == PAYMENT_REQUIRED else Cause.CLIENT_ERROR
    return cause


def seconds_begun(elapsed_s: float) -> int:
    """What a job of so many seconds costs at most, in seconds: every second begun, one at least."""
    return max(1, ceil(elapsed_s))


def seconds_charged(before: Fraction, reported: int | None, price: Fraction, ours: int) -> int:
    """The seconds that an orchestrator charged, by the balance it reports after them (None: it reports none).

    Believed up to `ours`, what our own clock says: more than that is not entered as a cost, however little it reports.
    """
    if reported is None or not price:
        return ours
    by_its_word = round((before - reported) / price)
    return by_its_word if 0 <= by_its_word <= ours else ours


def check_spending(
    *, signed: Fraction, charged: Fraction, under_way: Collection[Fraction], price: Fraction, ticket_ev: Fraction
) -> None:
    """Whether so much may have been signed, wei, for one capability of one orchestrator.

    Balances are its word and refused payments are repeated, so the sum of all tickets is capped by what its work has
    cost by our clock and by `SLACK` top-ups, beside those `under_way`, wei each. A top-up is a ticket at least, and may
    be one more than it takes.

    :raises SpendLimitReached: with the figures.
    """
    top_ups = [*under_way, *[BYOC_TOP_UP_S * price] * SLACK]
    limit = charged + sum((max(each, ticket_ev) + ticket_ev for each in top_ups), Fraction(0))
    if signed > limit:
        raise SpendLimitReached(signed=signed, limit=limit, units=BYOC_TOP_UP_S)


@dataclass(frozen=True, slots=True)
class SwapWindow:
    """Swaps of one stream in the last minute."""

    at_s: tuple[float, ...] = ()

    def after(self, now_s: float) -> "SwapWindow":
        """One more swap."""
        within = BYOC_STREAM.limits.swaps_in_s or 0.0
        return SwapWindow((*(at for at in self.at_s if now_s - at < within), now_s))

    @property
    def count(self) -> int:
        return len(self.at_s)

    @property
    def too_many(self) -> bool:
        """More than two in under a minute: the stream ends."""
        return BYOC_STREAM.limits.swaps is not None and self.count > BYOC_STREAM.limits.swaps
