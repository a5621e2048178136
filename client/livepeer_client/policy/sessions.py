"""When a session is used again, left or looked for: the rules of a stream between two choices (offchain-network 3.1,
3.2). Times in seconds on one clock that never steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from livepeer_client.errors import InvalidInput
from livepeer_client.policy.trust import Pool

MAX_TRUSTED_ASKED: Final = 8
MAX_HELD: Final = 8
GOOD_LATENCY_SCORE: Final = 1.0
"""Up to here an orchestrator keeps up with real time and is used again."""
MIN_SCORED_SEGMENT_S: Final = 1.5
_SLOW: Final = 2.0
SHORT_SEGMENT_S: Final = 1.0
IN_FLIGHT_FLOOR_S: Final = 1.5
"""How long a segment of at most `SHORT_SEGMENT_S` may take before its session counts as behind."""


def ask_size(pool: Pool, size: int) -> int:
    """How many of a pool of `size` a discovery asks for: at most eight trusted ones, all untrusted ones."""
    return min(size, MAX_TRUSTED_ASKED) if pool is Pool.TRUSTED else size


def wants_refresh(held: int, asked: int) -> bool:
    """Whether a selector that holds so many sessions looks for more; one look at a time."""
    return held < min(MAX_HELD, ceil(asked / 2))


def latency_score(took_s: float, duration_s: float) -> float:
    """Seconds from sending a segment to its checked result, per second of video."""
    return took_s / max(MIN_SCORED_SEGMENT_S, duration_s)


def batch_score(took_s: float, units: int, best_s_per_unit: float) -> float:
    """Latency score of a batch job, which has no duration of its own: 1 means twice as slow as the fastest one seen for
    the model, a job of under a second and a half never being slow."""
    return latency_score(took_s, _SLOW * best_s_per_unit * units)


@dataclass(frozen=True, slots=True)
class InFlight:
    """A segment that is out with a session."""

    sent_s: float
    duration_s: float


def keeps_up(in_flight: Sequence[InFlight], now_s: float, k: float = 1) -> bool:
    """Whether the oldest segment out is younger than `k` times its duration; true with none out.

    `k` is 1, and 2 where there is nobody else to turn to, times the multiplier of all time limits.
    """
    if not in_flight:
        return True
    oldest = min(in_flight, key=lambda each: each.sent_s)
    allowed = IN_FLIGHT_FLOOR_S if oldest.duration_s <= SHORT_SEGMENT_S else oldest.duration_s
    return now_s - oldest.sent_s < k * allowed


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """When slow is slow enough to leave: at once beyond `at_once`, else after `in_a_row` latency scores above 1.

    One late segment is no reason to move a stream; looping between two of the same speed helps nobody either, so a
    known one must be faster by `gain` to be moved to.
    """

    at_once: float = 1.2
    in_a_row: int = 2
    gain: float = 0.1

    def __post_init__(self) -> None:
        if self.at_once < GOOD_LATENCY_SCORE or self.in_a_row < 1 or not 0 <= self.gain < 1:
            raise InvalidInput(f"hysteresis {self}")

    def leaves(self, scores: Sequence[float]) -> bool:
        """Whether a session with these latency scores, the newest last, has become too slow."""
        if not scores or scores[-1] <= GOOD_LATENCY_SCORE:
            return False
        recent = scores[-self.in_a_row :]
        return scores[-1] > self.at_once or (len(recent) == self.in_a_row and min(recent) > GOOD_LATENCY_SCORE)

    def moves(self, current: float, other: float) -> bool:
        """Whether a known session of score `other` is worth leaving one of score `current` for."""
        return other <= current * (1 - self.gain)


def explores(served: int, explored: int, quota: float) -> bool:
    """Whether the next segment goes to somebody unknown although the known are good, so that a network of new and
    better orchestrators is noticed: `quota` is the share of segments that may."""
    return quota > 0 and explored + 1 <= quota * served
