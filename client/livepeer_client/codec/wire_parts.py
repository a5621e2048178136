"""Parts that several wire messages of package `net` share, as values and as protobuf (see `codec/wire.py`)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from livepeer_client.codec.capability import from_words, to_words, with_capacities
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    CodecProfile,
    Gpu,
    Hardware,
    ModelConstraint,
    ObjectStore,
    OrchestratorInfo,
    PriceInfo,
    S3Policy,
    StorageType,
    VideoCodec,
    VideoFormat,
    VideoProfile,
)
from livepeer_client.codec.proto import net_pb2
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.codec.widths import (
    minimal_bytes,
    read_address,
    read_address_or_none,
    read_hash,
    read_hash_or_zero,
    read_natural,
    read_uint,
)
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.types import BlockNumber, Round, Wei, WinProb

MAX_CAPACITIES: Final = 1024
MAX_MODELS: Final = 4096
MAX_PRICES: Final = 4096
MAX_HARDWARE: Final = 4096
MAX_NODES: Final = 1024
MAX_STORES: Final = 16
"""What one peer may list, far beyond what any does: an answer of 4 MB would otherwise hold a million small entries."""

Parsed = TypeVar("Parsed", bound=Message)


@contextmanager
def writing(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        # protobuf's own range and UTF-8 checks
        raise InvalidInput(f"{what}: {error}") from error


@contextmanager
def reading(what: str) -> Iterator[None]:
    try:
        yield
    except (InvalidInput, ValueError) as error:
        raise MalformedMessage(what, str(error)) from error


def parse(message: Parsed, data: bytes, what: str) -> Parsed:
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise MalformedMessage(what, "protobuf unmarshal error") from error
    return message


def bounded(what: str, count: int, limit: int) -> None:
    """:raises InvalidInput: more entries than anybody has."""
    if count > limit:
        raise InvalidInput(f"{count} {what}, at most {limit}")


# --- parts ----------------------------------------------------------------------------------------


def expiration_to_pb(value: ExpirationParams) -> net_pb2.TicketExpirationParams:
    return net_pb2.TicketExpirationParams(
        creation_round=value.creation_round, creation_round_block_hash=value.creation_round_block_hash
    )


def expiration_from_pb(message: net_pb2.TicketExpirationParams) -> ExpirationParams:
    return ExpirationParams(
        Round(message.creation_round), read_hash_or_zero(message.creation_round_block_hash, "creation_round_block_hash")
    )


def params_to_pb(value: TicketParams, *, with_expiration: bool) -> net_pb2.TicketParams:
    return net_pb2.TicketParams(
        recipient=value.recipient,
        face_value=minimal_bytes(value.face_value),
        win_prob=minimal_bytes(value.win_prob),
        recipient_rand_hash=value.recipient_rand_hash,
        seed=minimal_bytes(value.seed),
        expiration_block=minimal_bytes(value.expiration_block),
        expiration_params=expiration_to_pb(value.expiration) if with_expiration else None,
    )


def params_from_pb(message: net_pb2.TicketParams, expiration: ExpirationParams) -> TicketParams:
    return TicketParams(
        recipient=read_address(message.recipient, "recipient"),
        face_value=Wei(read_uint(message.face_value, "face_value")),
        win_prob=WinProb(read_uint(message.win_prob, "win_prob")),
        recipient_rand_hash=read_hash(message.recipient_rand_hash, "recipient_rand_hash"),
        seed=read_uint(message.seed, "seed"),
        expiration_block=BlockNumber(read_uint(message.expiration_block, "expiration_block")),
        expiration=expiration,
    )


def price_to_pb(value: PriceInfo) -> net_pb2.PriceInfo:
    return net_pb2.PriceInfo(
        pricePerUnit=value.price_per_unit,
        pixelsPerUnit=value.pixels_per_unit,
        capability=value.capability,
        constraint=value.constraint,
    )


def price_from_pb(message: net_pb2.PriceInfo) -> PriceInfo:
    return PriceInfo(message.pricePerUnit, message.pixelsPerUnit, message.capability, message.constraint)


def token_to_pb(value: AuthToken) -> net_pb2.AuthToken:
    return net_pb2.AuthToken(token=value.token, session_id=value.session_id, expiration=value.expiration)


def token_from_pb(message: net_pb2.AuthToken) -> AuthToken:
    return AuthToken(message.token, message.session_id, read_natural(message.expiration, "expiration"))


def capabilities_to_pb(value: Capabilities) -> net_pb2.Capabilities:
    message = net_pb2.Capabilities(
        bitstring=to_words(value.bits),
        mandatories=to_words(value.mandatories),
        capacities=dict(value.capacities) or with_capacities(value.bits),
        version=value.version,
    )
    if value.min_version or value.constraints:
        message.constraints.minVersion = value.min_version
        for number, models in value.constraints.items():
            # Naming a capability without a model is a statement too, so the entry is made even for none.
            entry = message.constraints.PerCapability[number]
            for model, wanted in models.items():
                constraint = entry.models[model]
                constraint.warm = wanted.warm
                constraint.capacity = wanted.capacity
                constraint.runnerVersion = wanted.runner_version
                constraint.capacityInUse = wanted.capacity_in_use
    return message


def capabilities_from_pb(message: net_pb2.Capabilities) -> Capabilities:
    bounded("capacities", len(message.capacities), MAX_CAPACITIES)
    offered = message.constraints.PerCapability
    bounded("models", len(offered) + sum(len(entry.models) for entry in offered.values()), MAX_MODELS)
    bits = from_words(message.bitstring)
    return Capabilities(
        bits=bits,
        mandatories=from_words(message.mandatories),
        capacities=dict(message.capacities) or with_capacities(bits),
        version=message.version,
        min_version=message.constraints.minVersion,
        constraints={
            number: {
                model: ModelConstraint(found.warm, found.capacity, found.runnerVersion, found.capacityInUse)
                for model, found in entry.models.items()
            }
            for number, entry in offered.items()
        },
    )


def profile_to_pb(value: VideoProfile) -> net_pb2.VideoProfile:
    return net_pb2.VideoProfile(
        name=value.name,
        width=value.width,
        height=value.height,
        bitrate=value.bitrate,
        fps=value.fps,
        fpsDen=value.fps_den if value.fps_den > 1 else 0,
        format=net_pb2.VideoProfile.Format.ValueType(value.format),
        profile=net_pb2.VideoProfile.Profile.ValueType(value.profile),
        gop=value.gop_ms,
        encoder=net_pb2.VideoProfile.VideoCodec.ValueType(value.encoder),
    )


def profile_from_pb(message: net_pb2.VideoProfile) -> VideoProfile:
    return VideoProfile(
        name=message.name,
        width=message.width,
        height=message.height,
        bitrate=message.bitrate,
        fps=message.fps,
        fps_den=message.fpsDen or 1,
        format=VideoFormat(message.format),
        profile=CodecProfile(message.profile),
        gop_ms=message.gop,
        encoder=VideoCodec(message.encoder),
    )


def profile_list(profiles: Sequence[VideoProfile]) -> str:
    """The field a list of profiles goes to: the oldest whose readers understand them all (offchain-network 4.1)."""
    if any(
        profile.fps_den > 1 or profile.profile is not CodecProfile.ENCODER_DEFAULT or profile.gop_ms != 0
        for profile in profiles
    ):
        return "fullProfiles3"
    if any(profile.format is VideoFormat.MP4 for profile in profiles):
        return "fullProfiles2"
    return "fullProfiles"


def hardware_to_pb(value: Hardware) -> net_pb2.HardwareInformation:
    message = net_pb2.HardwareInformation(pipeline=value.pipeline, model_id=value.model)
    for name, gpu in value.gpus.items():
        message.gpu_info[name].CopyFrom(
            net_pb2.GPUComputeInfo(
                id=gpu.id,
                name=gpu.name,
                major=gpu.major,
                minor=gpu.minor,
                memory_free=gpu.memory_free,
                memory_total=gpu.memory_total,
            )
        )
    return message


def hardware_from_pb(message: net_pb2.HardwareInformation) -> Hardware:
    return Hardware(
        pipeline=message.pipeline,
        model=message.model_id,
        gpus={
            name: Gpu(
                id=gpu.id,
                name=gpu.name,
                major=gpu.major,
                minor=gpu.minor,
                memory_free=read_natural(gpu.memory_free, "memory_free"),
                memory_total=read_natural(gpu.memory_total, "memory_total"),
            )
            for name, gpu in message.gpu_info.items()
        },
    )


def storage_to_pb(value: ObjectStore) -> net_pb2.OSInfo:
    message = net_pb2.OSInfo(storageType=net_pb2.OSInfo.StorageType.ValueType(value.type))
    if value.s3 is not None:
        message.s3info.CopyFrom(
            net_pb2.S3OSInfo(
                host=value.s3.host,
                key=value.s3.key,
                policy=value.s3.policy,
                signature=value.s3.signature,
                credential=value.s3.credential,
                xAmzDate=value.s3.date,
            )
        )
    return message


def storage_from_pb(message: net_pb2.OSInfo) -> ObjectStore:
    s3 = message.s3info
    return ObjectStore(
        type=StorageType(message.storageType),
        s3=S3Policy(s3.host, s3.key, s3.policy, s3.signature, s3.credential, s3.xAmzDate)
        if message.HasField("s3info")
        else None,
    )


def info_to_pb(value: OrchestratorInfo) -> net_pb2.OrchestratorInfo:
    return net_pb2.OrchestratorInfo(
        transcoder=value.transcoder,
        ticket_params=params_to_pb(value.ticket_params, with_expiration=True) if value.ticket_params else None,
        price_info=price_to_pb(value.price_info) if value.price_info else None,
        address=value.address,
        capabilities=capabilities_to_pb(value.capabilities) if value.capabilities else None,
        auth_token=token_to_pb(value.auth_token) if value.auth_token else None,
        capabilities_prices=[price_to_pb(price) for price in value.capabilities_prices],
        nodes=value.nodes,
        hardware=[hardware_to_pb(each) for each in value.hardware],
        storage=[storage_to_pb(each) for each in value.storage],
    )


def info_from_pb(message: net_pb2.OrchestratorInfo) -> OrchestratorInfo:
    quote = message.ticket_params
    bounded("prices", len(message.capabilities_prices), MAX_PRICES)
    bounded("nodes", len(message.nodes), MAX_NODES)
    bounded("entries of hardware", sum(1 + len(each.gpu_info) for each in message.hardware), MAX_HARDWARE)
    bounded("stores", len(message.storage), MAX_STORES)
    return OrchestratorInfo(
        transcoder=message.transcoder,
        # A message without a single field says as much as an absent one. Without expiration params the sender
        # has to use its own round, which zero stands for.
        ticket_params=params_from_pb(quote, expiration_from_pb(quote.expiration_params)) if quote.ByteSize() else None,
        price_info=price_from_pb(message.price_info) if message.HasField("price_info") else None,
        address=read_address_or_none(message.address, "address"),
        capabilities=capabilities_from_pb(message.capabilities) if message.HasField("capabilities") else None,
        auth_token=token_from_pb(message.auth_token) if message.HasField("auth_token") else None,
        capabilities_prices=tuple(price_from_pb(price) for price in message.capabilities_prices),
        nodes=tuple(message.nodes),
        hardware=tuple(hardware_from_pb(each) for each in message.hardware),
        storage=tuple(storage_from_pb(each) for each in message.storage),
    )
