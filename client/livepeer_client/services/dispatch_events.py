"""What a dispatcher is told, and what it tells: rules, results and events."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from livepeer_client.codec.messages import Capabilities
from livepeer_client.errors import InvalidInput, LivepeerError
from livepeer_client.facts import Rendition
from livepeer_client.policy.price_list import NO_CEILINGS, Ceilings, Model
from livepeer_client.policy.selection import Candidate, Weights
from livepeer_client.policy.sessions import Hysteresis
from livepeer_client.policy.trust import FULL_TRUST
from livepeer_client.policy.workloads import Cause, Hold
from livepeer_client.types import Address


@dataclass(frozen=True, slots=True)
class DispatchRules:
    """How a gateway chooses and changes orchestrators.

    `ceiling`: highest price, wei per pixel, with `model_ceilings` for single models; with `ceiling_yields` only as
    long as somebody is within it. Seconds: whoever failed is out for `suspension_s`, for `brief_s` if it merely had no
    room, for `bar_s` if it broke the rules, and longer where it asks for that (Retry-After), at most `retry_after_s`; a
    discovery older than `report_ttl_s` is repeated before it is chosen from. `verification`: one segment in so many
    runs on a trusted orchestrator and on a second untrusted one as well, 0 none. `explore`: the share of segments that
    may go to strangers while the known are good. `warm_standby`: one more orchestrator is kept ready.
    """

    ceiling: Fraction | None = None
    ceiling_yields: bool = False
    model_ceilings: Mapping[Model, Fraction] = field(default_factory=lambda: NO_CEILINGS)
    weights: Weights = field(default_factory=Weights)
    hysteresis: Hysteresis = field(default_factory=Hysteresis)
    suspension_s: float = 30.0
    brief_s: float = 5.0
    bar_s: float = 1800.0
    retry_after_s: float = 300.0
    report_ttl_s: float = 60.0
    timeout_multiplier: float = 1.0
    max_attempts: int = 3
    verification: int = 0
    trusted_from: float = FULL_TRUST
    min_performance: float | None = None
    explore: float = 0.02
    warm_standby: bool = True
    blocked: Collection[Address] = ()

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or self.verification < 0 or not 0 <= self.explore < 1:
            raise InvalidInput(
                f"{self.max_attempts} attempts, verification one in {self.verification}, {self.explore} explored"
            )

    def ceiling_for(self, job: Capabilities) -> Fraction | None:
        """The most a job may cost, wei per unit."""
        return Ceilings(self.ceiling, self.model_ceilings).for_job(job)

    def hold_s(self, hold: Hold) -> float:
        """How long whoever failed is kept out."""
        return {
            Hold.NONE: 0.0,
            Hold.BRIEF: self.brief_s,
            Hold.WHILE: self.suspension_s,
            Hold.LONG: self.bar_s,
            Hold.BAR: self.bar_s,
        }[hold]


@dataclass(frozen=True, slots=True)
class StreamRules:
    """What of the rules is otherwise for one stream; None: as they are."""

    verification: int | None = None
    timeout_multiplier: float | None = None


AS_ALL: Final = StreamRules()


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """One segment, transcoded and checked.

    `pixels`, `fee` (wei, exact) and `tickets` are those of the payment that was answered; `latency_s` runs from
    `submit` to here, failed attempts included. `renditions` are in the order of the profiles.
    """

    seq: int
    orchestrator: Address
    renditions: tuple[Rendition, ...]
    pixels: int
    fee: Fraction
    tickets: int
    latency_s: float
    attempts: int
    swaps: int
    uri: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """An orchestrator was chosen, or nobody; `candidates` says why."""

    seq: int
    orchestrator: Address | None
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Renewed:
    """A quote and auth token were renewed before their end."""

    seq: int
    orchestrator: Address
    why: str


@dataclass(frozen=True, slots=True)
class SegmentSent:
    """A segment is about to leave; its payment is in the books. `expected_value` of its tickets, wei."""

    seq: int
    orchestrator: Address
    uri: str
    attempt: int
    tickets: int
    expected_value: Fraction
    price: Fraction


@dataclass(frozen=True, slots=True)
class SegmentDone:
    result: SegmentResult


@dataclass(frozen=True, slots=True)
class Swapped:
    """An orchestrator failed on a segment and is dropped; the same segment goes to the next one.

    `code` is the cause by the workload's table, `cause` the error itself.
    """

    seq: int
    orchestrator: Address
    uri: str
    attempt: int
    cause: LivepeerError
    code: Cause


@dataclass(frozen=True, slots=True)
class Verified:
    """A segment ran on a trusted orchestrator as well; `agreed` None if that one failed, so nothing is known."""

    seq: int
    orchestrator: Address
    trusted: Address
    agreed: bool | None


Event = Chosen | Renewed | SegmentSent | SegmentDone | Swapped | Verified
Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The observer of those who do not look."""
