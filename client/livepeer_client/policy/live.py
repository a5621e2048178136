"""When a gateway leaves the orchestrator of a live session, and how often it may (offchain-network 4.10). Virtual time:
every figure is seconds of the caller's clock."""

from dataclasses import dataclass
from typing import Final

from livepeer_client.errors import LivepeerError, PeerRefused
from livepeer_client.policy.workloads import LIVE, Cause, cause_of

START_S: Final = 5.0
SILENCE_S: Final = 30.0
"""Without an event, or without output while input comes."""
BACKLOG: Final = 3
SLOW_S: Final = 3.0
"""So long has the oldest of `BACKLOG` segments to wait: a burst from the source is nobody's fault."""
KEEP_ALIVE_S: Final = 10.0


class LiveSessionLost(LivepeerError):
    """An orchestrator is left. `why` is ours, `said` the reason it gave on its events channel, if any."""

    def __init__(self, uri: str, why: str, said: str = "") -> None:
        self.uri = uri
        self.why = why
        self.said = said
        super().__init__(f"{uri}: {why}" + (f" ({said})" if said else ""))


@dataclass(frozen=True, slots=True)
class Watched:
    """What was last seen of an orchestrator; `input_s` None before the first segment was taken."""

    started_s: float
    event_s: float
    output_s: float
    input_s: float | None = None
    waiting: int = 0
    oldest_s: float = 0.0


def fault(watched: Watched, now_s: float) -> Cause | None:
    """Why it is to be left now, None if it is not.

    Output is missed from the start or the last output on, and only while input is recent. A segment that waited before
    the session began waits for this orchestrator from then on.
    """
    if watched.waiting >= BACKLOG and now_s - max(watched.oldest_s, watched.started_s) >= SLOW_S:
        return Cause.BACKLOG
    fed = watched.input_s is not None and now_s - watched.input_s < SILENCE_S
    if fed and now_s - max(watched.output_s, watched.started_s) >= SILENCE_S:
        return Cause.NO_OUTPUT
    if now_s - max(watched.event_s, watched.started_s) >= SILENCE_S:
        return Cause.NO_EVENTS
    return None


@dataclass(frozen=True, slots=True)
class Swaps:
    """Swaps in a row: each within `LIVE.limits.swaps_in_s` of the one before, the first of the start."""

    since_s: float
    count: int = 0

    def after(self, now_s: float) -> "Swaps":
        within = LIVE.limits.swaps_in_s
        return Swaps(now_s, self.count + 1 if within is not None and now_s - self.since_s < within else 1)

    @property
    def too_many(self) -> bool:
        return LIVE.limits.swaps is not None and self.count > LIVE.limits.swaps


def live_cause(error: LivepeerError) -> Cause:
    """The cause of a failed start: as `cause_of`, but 402 and 409 of any text want a new payment and a new token."""
    cause = cause_of(error)
    if cause is Cause.REFUSED and isinstance(error, PeerRefused):
        return {402: Cause.BALANCE, 409: Cause.AUTH_TOKEN}.get(error.status, cause)
    return cause
