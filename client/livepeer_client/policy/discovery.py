"""Whom a gateway can use: when to stop probing, what an answer is worth, who is out for a while.

A member of the on-chain pool either becomes an `Offer` or a `Rejection` with its figures; nothing is dropped silently.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from typing import Final

from livepeer_client.codec import capability
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.messages import Capabilities, OrchestratorInfo, PriceInfo, RegisteredOrchestrator
from livepeer_client.codec.ticket import TicketParams
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.price import is_countable
from livepeer_client.policy.sessions import ask_size
from livepeer_client.policy.trust import FULL_TRUST, Pool
from livepeer_client.policy.uri import is_service_uri
from livepeer_client.types import ADDRESS_BYTES, ZERO_ADDRESS, Address

DEFAULT_WAKES_S: Final = (0.5, 1.0, 2.0, 4.0)
DEFAULT_CUTOFF_S: Final = 6.0
BECAUSE: Final = "because"
"""Name of a figure that speaks for itself."""


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """How long one discovery waits (offchain-network 1.3). `wanted` good answers end it; None wants as many of either
    pool as the network asks for, `everybody` the whole of both.

    At the first of `wakes_s` that sees a good answer it ends too, and at `cutoff_s` in any case. Seconds since start.
    `fan_out` probes are under way at most; each has `probe_timeout_s` of its own, and none outlives the end.
    """

    wanted: int | None = None
    wakes_s: tuple[float, ...] = DEFAULT_WAKES_S
    cutoff_s: float = DEFAULT_CUTOFF_S
    probe_timeout_s: float = DEFAULT_CUTOFF_S
    fan_out: int = 128
    everybody: bool = False

    def __post_init__(self) -> None:
        times = (*self.wakes_s, self.cutoff_s)
        if (self.wanted is not None and self.wanted < 1) or times[0] <= 0 or list(times) != sorted(set(times)):
            raise InvalidInput(f"a probe plan wants somebody and wakes at rising times: {self.wanted}, {times}")
        if self.probe_timeout_s <= 0 or self.fan_out < 1:
            raise InvalidInput(f"a probe needs time and room, got {self.probe_timeout_s} s, {self.fan_out} at once")

    @classmethod
    def waking_first_at(cls, first_s: float, cutoff_s: float, probe_timeout_s: float) -> "ProbePlan":
        """A plan whose wakes double from `first_s` until the cut-off."""
        wakes = [first_s]
        while wakes[-1] * 2 < cutoff_s:
            wakes.append(wakes[-1] * 2)
        return cls(None, tuple(wake for wake in wakes if wake < cutoff_s), cutoff_s, min(probe_timeout_s, cutoff_s))


class Stop(Enum):
    """Why a discovery ended."""

    ENOUGH = "enough good answers"
    ALL_ANSWERED = "everybody answered"
    WAKE = "a good answer was in when the timer woke"
    CUTOFF = "out of time"


def stop_after_answer(plan: ProbePlan, *, good: int, answered: int, probed: int) -> Stop | None:
    """Whether an answer ends the discovery; `answered` counts good and bad ones."""
    if answered >= probed:
        return Stop.ALL_ANSWERED
    return Stop.ENOUGH if plan.wanted is not None and good >= plan.wanted else None


@dataclass(slots=True)
class Tally:
    """How far the probes of one pool are; `good` answers are among those `answered`."""

    probed: int = 0
    answered: int = 0
    good: int = 0


def enough_of_each(pools: Mapping[Pool, Tally]) -> Stop | None:
    """Whether of each pool as many have answered well as a discovery asks for (offchain-network 3.1): eight of the
    trusted ones, whom a list names for good, and all of the untrusted ones."""
    enough = all(its.answered >= its.probed or its.good >= ask_size(pool, its.probed) for pool, its in pools.items())
    return Stop.ENOUGH if enough else None


def stop_at_wake(plan: ProbePlan, *, good: int, elapsed_s: float) -> Stop | None:
    """Whether a timer's wake ends the discovery."""
    if elapsed_s >= plan.cutoff_s:
        return Stop.CUTOFF
    return Stop.WAKE if good else None


def pool_of(member: RegisteredOrchestrator) -> Pool:
    """The pool that a member's source puts it into."""
    return Pool.TRUSTED if member.score >= FULL_TRUST else Pool.UNTRUSTED


class RejectReason(Enum):
    """Why somebody in the pool is not used."""

    INACTIVE = "not active this round"
    NO_SERVICE_URI = "has registered no service URI"
    NO_ANSWER = "no answer"
    NOT_AWAITED = "had not answered when discovery stopped"
    REFUSED = "refused"
    MALFORMED = "malformed answer"
    DIRECTORY_ONLY = "directory only, not doing work"
    BAD_TRANSCODER = "wants work sent to what is no service URI"
    WRONG_ADDRESS = "answers for another address than the registered one"
    WRONG_RECIPIENT = "wants tickets for another recipient than the registered one"
    KEY_NOT_PROVEN = "did not prove that it holds the registered key"
    INCOMPATIBLE = "lacks what the job needs"
    NO_TICKET_PARAMS = "no ticket params"
    NO_AUTH_TOKEN = "no auth token"  # noqa: S105, the reason's text
    NO_PRICE = "no price"
    BAD_PRICE = "price makes no sense"
    TOO_DEAR = "price above the ceiling"
    SUSPENDED = "suspended"
    FAILED = "failed since it was discovered"
    ALREADY_TRIED = "already tried for this segment"
    IN_USE = "in use already"
    POOR_PERFORMANCE = "performance score below the minimum"
    OTHER_POOL = "in the other pool"
    BLOCKED = "blocked by the operator"
    CROWDED = "one of too many of the same operator"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One member of the pool that cannot be used, why, and the figures compared."""

    member: RegisteredOrchestrator
    reason: RejectReason
    figures: Mapping[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """For people."""
        detail = ", ".join(str(value) if name == BECAUSE else f"{name} {value}" for name, value in self.figures.items())
        return f"{self.reason.value} ({detail})" if detail else self.reason.value


@dataclass(frozen=True, slots=True)
class Offer:
    """Terms of one orchestrator that can do the job. `latency_s` is the probe's wall time, connection included.

    `price` is exact, wei per pixel; `ticket_params` and `price_info` are those of `info`, known to be there.
    """

    member: RegisteredOrchestrator
    info: OrchestratorInfo
    ticket_params: TicketParams
    price_info: PriceInfo
    price: Fraction
    latency_s: float


def refuse_unasked(member: RegisteredOrchestrator, blocked: Collection[bytes] = ()) -> Rejection | None:
    """Why a member of the pool is not even asked."""
    if member.known and member.address in blocked:
        return Rejection(member, RejectReason.BLOCKED)
    if not member.active:
        return Rejection(member, RejectReason.INACTIVE)
    return None if member.service_uri else Rejection(member, RejectReason.NO_SERVICE_URI)


def classify(
    member: RegisteredOrchestrator,
    info: OrchestratorInfo,
    job: Capabilities,
    latency_s: float,
    blocked: Collection[bytes] = (),
) -> Offer | Rejection:
    """Judge one answer.

    Identity comes first: the signing address and the ticket recipient must both be the address whose service URI was
    probed, or anybody's terms could be had under a well-staked name (offchain-network A). Where a list gave a URI
    only, the answer says who it is, and both must still be one.
    """

    def reject(reason: RejectReason, **figures: object) -> Rejection:
        return Rejection(member, reason, figures)

    if not member.known and len(info.address) == ADDRESS_BYTES and info.address != ZERO_ADDRESS:
        member = replace(member, address=Address(info.address))
    if info.address in blocked or (info.ticket_params is not None and info.ticket_params.recipient in blocked):
        return reject(RejectReason.BLOCKED)
    if info.address != member.address or not member.known:
        registered = checksum_address(member.address)
        return reject(RejectReason.WRONG_ADDRESS, registered=registered, answered=_shown(info.address))
    params = info.ticket_params
    if params is not None and params.recipient != member.address:
        registered = checksum_address(member.address)
        return reject(RejectReason.WRONG_RECIPIENT, registered=registered, recipient=_shown(params.recipient))
    if not info.transcoder:
        return reject(RejectReason.DIRECTORY_ONLY)
    if not is_service_uri(info.transcoder):
        return reject(RejectReason.BAD_TRANSCODER, uri=repr(info.transcoder))
    missing = capability.mismatch(job, info.capabilities)
    if missing is not None:
        return reject(RejectReason.INCOMPATIBLE, **{BECAUSE: missing})
    if info.auth_token is None:
        return reject(RejectReason.NO_AUTH_TOKEN)
    if params is None:
        return reject(RejectReason.NO_TICKET_PARAMS)
    price = info.price_info
    if price is None:
        return reject(RejectReason.NO_PRICE)
    if price.pixels_per_unit <= 0 or price.price_per_unit < 0 or not is_countable(price.wei_per_pixel):
        return reject(RejectReason.BAD_PRICE, wei=price.price_per_unit, pixels=price.pixels_per_unit)
    return Offer(member, info, params, price, price.wei_per_pixel, latency_s)


def _shown(address: bytes) -> str:
    return f"0x{address.hex()}" if address else "none"


@dataclass(frozen=True, slots=True)
class Suspension:
    """An orchestrator is out until `until_s` on the caller's clock, for `cause`.

    `barred`: it broke the rules rather than failed, so it is not even a last resort. `asked`: it is out because it said
    when it wants to be asked again, and is taken at its word.
    """

    until_s: float
    cause: str
    barred: bool = False
    asked: bool = False


Suspensions = Mapping[Address, Suspension]


def suspend(
    suspensions: Suspensions,
    address: Address,
    *,
    now_s: float,
    for_s: float,
    cause: str,
    barred: bool = False,
    asked: bool = False,
) -> Suspensions:
    """`suspensions` with one more, the lapsed ones gone. A bar is never shortened or softened by a later failure."""
    kept = {who: entry for who, entry in suspensions.items() if now_s < entry.until_s}
    held = kept.get(address)
    if held is not None and held.barred and not barred:
        return kept
    return {**kept, address: Suspension(now_s + for_s, cause, barred, asked)}


def joined(one: Suspensions, other: Suspensions) -> Suspensions:
    """Both; of two for the same orchestrator the one that ends later, unless the other is a bar."""

    def weight(entry: Suspension) -> tuple[bool, float]:
        return entry.barred, entry.until_s

    return {**one, **{who: it for who, it in other.items() if who not in one or weight(one[who]) < weight(it)}}


def heeded_s(hold_s: float, wanted_s: float | None, most_s: float) -> float:
    """How long somebody is out who failed and asked for `wanted_s` (Retry-After): never shorter than for its failure,
    and no longer than `most_s` for the asking, or an orchestrator could talk itself out of a pool for good."""
    return hold_s if wanted_s is None else max(hold_s, min(wanted_s, most_s))


def suspension(suspensions: Suspensions, address: Address, now_s: float) -> Suspension | None:
    """The suspension of `address` in force at `now_s`."""
    entry = suspensions.get(address)
    return entry if entry is not None and now_s < entry.until_s else None
