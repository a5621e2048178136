"""What peers say to each other, as values. `codec/wire.py` turns them into the bytes of package `net` and back.

Field meanings: offchain-network 2.4 and appendix, offchain-payments 10.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from typing import Final

from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.errors import InvalidInput
from livepeer_client.types import ZERO_ADDRESS, Address, Hash32, Signature


@dataclass(frozen=True, slots=True)
class PriceInfo:
    """A price as the wire's pair of int64: `price_per_unit` wei for `pixels_per_unit` pixels (or seconds, or jobs)."""

    price_per_unit: int
    pixels_per_unit: int
    capability: int = 0
    constraint: str = ""

    @property
    def wei_per_pixel(self) -> Fraction:
        """:raises InvalidInput: `pixels_per_unit` is 0."""
        if self.pixels_per_unit == 0:
            raise InvalidInput("pixels per unit is 0")
        return Fraction(self.price_per_unit, self.pixels_per_unit)


@dataclass(frozen=True, slots=True)
class ModelConstraint:
    warm: bool = False
    capacity: int = 0
    runner_version: str = ""
    capacity_in_use: int = 0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Capability bits with their constraints. `constraints` maps capability id -> model id -> constraint.

    `min_version` is meant for requests, `version` for answers.
    """

    bits: frozenset[int] = frozenset()
    mandatories: frozenset[int] = frozenset()
    capacities: Mapping[int, int] = field(default_factory=dict)
    version: str = ""
    min_version: str = ""
    constraints: Mapping[int, Mapping[str, ModelConstraint]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuthToken:
    """Proof that the orchestrator opened this session; `expiration` in Unix seconds."""

    token: bytes
    session_id: str
    expiration: int


@dataclass(frozen=True, slots=True)
class OrchestratorRequest:
    """`sig` signs keccak256 of the sender's EIP-55 address text; both empty off chain."""

    address: bytes
    sig: bytes
    capabilities: Capabilities | None = None
    ignore_capacity_check: bool = False


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device as its driver names it; `major`.`minor` is its compute capability, memory in bytes."""

    id: str
    name: str
    major: int = 0
    minor: int = 0
    memory_free: int = 0
    memory_total: int = 0


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one model of a pipeline runs on, by the device's name in its container."""

    pipeline: str
    model: str
    gpus: Mapping[str, Gpu] = field(default_factory=dict)


class StorageType(IntEnum):
    """Kinds of object stores."""

    DIRECT = 0
    S3 = 1
    GOOGLE = 2


@dataclass(frozen=True, slots=True)
class S3Policy:
    """A browser POST policy with its signature: whoever has it may store under `key` at `host` while it is valid."""

    host: str
    key: str
    policy: str = field(repr=False)
    signature: str = field(repr=False)
    credential: str = field(repr=False)
    date: str = ""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Where results are to be put, `net.OSInfo`."""

    type: StorageType
    s3: S3Policy | None = None


@dataclass(frozen=True, slots=True)
class OrchestratorInfo:
    """An orchestrator's answer. An empty `transcoder` means directory only; `address` is unproven by itself.

    `storage`: the first is the orchestrator's own store, if it has one outside.
    """

    transcoder: str
    ticket_params: TicketParams | None
    price_info: PriceInfo | None
    address: bytes
    capabilities: Capabilities | None
    auth_token: AuthToken | None
    capabilities_prices: tuple[PriceInfo, ...] = ()
    nodes: tuple[str, ...] = ()
    hardware: tuple[Hardware, ...] = ()
    storage: tuple[ObjectStore, ...] = ()


@dataclass(frozen=True, slots=True)
class NonceAndSig:
    """One ticket of a payment: all else is shared by the batch."""

    sender_nonce: int
    sig: Signature


@dataclass(frozen=True, slots=True)
class Payment:
    """`ticket_params` travels without its expiration params; those are `expiration`.

    Without tickets only `sender` and `expected_price` are set.
    """

    ticket_params: TicketParams | None
    sender: bytes
    expiration: ExpirationParams | None
    tickets: tuple[NonceAndSig, ...]
    expected_price: PriceInfo | None


class VideoFormat(IntEnum):
    MPEGTS = 0
    MP4 = 1


class VideoCodec(IntEnum):
    H264 = 0
    H265 = 1
    VP8 = 2
    VP9 = 3


class CodecProfile(IntEnum):
    ENCODER_DEFAULT = 0
    H264_BASELINE = 1
    H264_MAIN = 2
    H264_HIGH = 3
    H264_CONSTRAINED_HIGH = 4


@dataclass(frozen=True, slots=True)
class VideoProfile:
    """One rendition. `bitrate` in bit/s; `fps` 0 passes the source's rate through; `gop_ms` negative = source's own.

    Always named: an empty name makes the two sides sign different bytes (offchain-network 4.1).
    """

    name: str
    width: int
    height: int
    bitrate: int
    fps: int = 0
    fps_den: int = 1
    format: VideoFormat = VideoFormat.MPEGTS
    profile: CodecProfile = CodecProfile.ENCODER_DEFAULT
    gop_ms: int = 0
    encoder: VideoCodec = VideoCodec.H264

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInput("a video profile needs a name")
        if self.width <= 0 or self.height <= 0 or self.bitrate < 0 or self.fps < 0 or self.fps_den < 1:
            raise InvalidInput(
                f"video profile {self.name}: {self.width}x{self.height} {self.bitrate} bit/s {self.fps} fps"
            )


MAX_SLICE_MS: Final = 5 * 60 * 1000
"""No segment is longer."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a segment that is wanted (`net.SegParameters`), ms from its first frame on: `from_ms` inclusive,
    `to_ms` exclusive, 0 for its end.

    :raises InvalidInput: nothing lies between, or it is beyond any segment.
    """

    from_ms: int = 0
    to_ms: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.from_ms < MAX_SLICE_MS or not 0 <= self.to_ms <= MAX_SLICE_MS:
            raise InvalidInput(f"slice from {self.from_ms} to {self.to_ms} ms")
        if self.to_ms and self.to_ms <= self.from_ms:
            raise InvalidInput(f"nothing lies between {self.from_ms} and {self.to_ms} ms")


@dataclass(frozen=True, slots=True)
class SegmentCredentials:
    """Signed description of one segment (`net.SegData`). Capabilities, token, duration and slice are not signed."""

    manifest_id: bytes
    seq: int
    hash: Hash32
    profiles: tuple[VideoProfile, ...]
    sig: bytes
    duration_ms: int
    capabilities: Capabilities | None = None
    auth_token: AuthToken | None = None
    slice: Slice | None = None


@dataclass(frozen=True, slots=True)
class TranscodedSegment:
    """A rendition on offer: where to fetch it and its encoded pixels."""

    url: str
    pixels: int


@dataclass(frozen=True, slots=True)
class TranscodeResult:
    """Answer to a segment: `error` or renditions with the orchestrator's signature over their hashes.

    `info` carries the next quote.
    """

    seq: int
    error: str = ""
    segments: tuple[TranscodedSegment, ...] = ()
    sig: bytes = b""
    info: OrchestratorInfo | None = None


@dataclass(frozen=True, slots=True)
class PaymentResult:
    info: OrchestratorInfo | None


@dataclass(frozen=True, slots=True)
class RegisteredOrchestrator:
    """One member of the pool that a gateway chooses from. `stake` in LPT wei.

    `address` is zero where a list names a URI only: who that is shows with its answer. `score` in [0, 1] is how far
    the source vouches for it; the chain vouches for nobody. `stale`: its source could not be asked again in time.
    `node`: another node of an operator, which named it in an answer.
    """

    address: Address
    service_uri: str
    stake: int
    active: bool
    score: float = 0.0
    stale: bool = False
    node: bool = False

    @property
    def known(self) -> bool:
        """Whether its address is known before it answers."""
        return self.address != ZERO_ADDRESS
