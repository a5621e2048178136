"""Which worker gets a job: the least loaded one that can do it (offchain-network 4.4)."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final, Generic, TypeVar

from livepeer_client.codec.capability import mismatch
from livepeer_client.codec.messages import Capabilities, VideoProfile
from livepeer_client.errors import LivepeerError

W = TypeVar("W", bound=Hashable)

PIXEL_SLACK: Final = 2
"""A segment may be this many times as long as announced; it is checked elsewhere, this only bounds a claim."""
MAX_FPS: Final = 240
"""Where the source's own rate is kept."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[W]):
    """A worker with what it has taken on, of the `capacity` it said it has."""

    worker: W
    offers: Capabilities
    load: int
    capacity: int


class Nobody(Enum):
    """Why there is none; the values are the network's texts."""

    FULL = "no transcoders available"
    UNFIT = "no transcoders can provide requested capabilities"


def least_loaded(workers: Sequence[Loaded[W]], job: Capabilities) -> W | Nobody:
    """Of those that are not full, the one with the smallest load for its capacity; of equals the first."""
    free = [each for each in workers if each.load < each.capacity]
    if not free:
        return Nobody.FULL
    fit = [each for each in free if mismatch(job, each.offers) is None]
    if not fit:
        return Nobody.UNFIT
    return min(fit, key=lambda each: Fraction(each.load, each.capacity)).worker


def is_plausible(profile: VideoProfile, pixels: int, duration_ms: int) -> bool:
    """Whether a rendition can have that many pixels: what a worker says is what the sender is charged."""
    rate = Fraction(profile.fps, profile.fps_den) if profile.fps else Fraction(MAX_FPS)
    longest = Fraction(PIXEL_SLACK * (duration_ms + 1000), 1000)
    return 0 < pixels <= profile.width * profile.height * rate * longest


class NoWorker(LivepeerError):
    """Nobody can take a job now; `reason` says whether somebody could if there were room."""

    retryable = True

    def __init__(self, reason: Nobody) -> None:
        self.reason = reason
        super().__init__(reason.value)
