"""Values of `codec/messages.py` to the protobuf bytes of package `net` and back, and the HTTP headers that carry them.

Integers in `bytes` fields are big-endian without leading zeros, zero being empty (offchain-payments 10). Readers
accept at most 32 bytes of integer, 20 of address and 32 of hash, exactly: a shifted field must never reach a MAC
(offchain-payments 2). An empty hash reads as zero, which is how proto3 writes an absent one; the one that
commits to randomness may not be absent. Every `encode_*` raises `InvalidInput` for a value out of the wire's
range, every `decode_*` raises `MalformedMessage`. Fields the library does not use are skipped.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from livepeer_client.codec.capability import from_words, to_words, with_capacities
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    CodecProfile,
    ModelConstraint,
    NonceAndSig,
    OrchestratorInfo,
    OrchestratorRequest,
    Payment,
    PaymentResult,
    PriceInfo,
    SegmentCredentials,
    TranscodedSegment,
    TranscodeResult,
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
from livepeer_client.types import BlockNumber, Round, Signature, Wei, WinProb

_LEGACY_PROFILES: Final = b"invalid"
"""`SegData.profiles`, for readers from before the profile lists."""

_M = TypeVar("_M", bound=Message)


# --- shared ---------------------------------------------------------------------------------------


@contextmanager
def _writing(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        # protobuf's own range and UTF-8 checks
        raise InvalidInput(f"{what}: {error}") from error


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except (InvalidInput, ValueError) as error:
        raise MalformedMessage(what, str(error)) from error


def _parse(message: _M, data: bytes, what: str) -> _M:
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise MalformedMessage(what, "protobuf unmarshal error") from error
    return message


# --- parts ----------------------------------------------------------------------------------------


def _expiration_to_pb(value: ExpirationParams) -> net_pb2.TicketExpirationParams:
    return net_pb2.TicketExpirationParams(
        creation_round=value.creation_round, creation_round_block_hash=value.creation_round_block_hash
    )


def _expiration_from_pb(message: net_pb2.TicketExpirationParams) -> ExpirationParams:
    return ExpirationParams(
        Round(message.creation_round), read_hash_or_zero(message.creation_round_block_hash, "creation_round_block_hash")
    )


def _params_to_pb(value: TicketParams, *, with_expiration: bool) -> net_pb2.TicketParams:
    return net_pb2.TicketParams(
        recipient=value.recipient,
        face_value=minimal_bytes(value.face_value),
        win_prob=minimal_bytes(value.win_prob),
        recipient_rand_hash=value.recipient_rand_hash,
        seed=minimal_bytes(value.seed),
        expiration_block=minimal_bytes(value.expiration_block),
        expiration_params=_expiration_to_pb(value.expiration) if with_expiration else None,
    )


def _params_from_pb(message: net_pb2.TicketParams, expiration: ExpirationParams) -> TicketParams:
    return TicketParams(
        recipient=read_address(message.recipient, "recipient"),
        face_value=Wei(read_uint(message.face_value, "face_value")),
        win_prob=WinProb(read_uint(message.win_prob, "win_prob")),
        recipient_rand_hash=read_hash(message.recipient_rand_hash, "recipient_rand_hash"),
        seed=read_uint(message.seed, "seed"),
        expiration_block=BlockNumber(read_uint(message.expiration_block, "expiration_block")),
        expiration=expiration,
    )


def _price_to_pb(value: PriceInfo) -> net_pb2.PriceInfo:
    return net_pb2.PriceInfo(
        pricePerUnit=value.price_per_unit,
        pixelsPerUnit=value.pixels_per_unit,
        capability=value.capability,
        constraint=value.constraint,
    )


def _price_from_pb(message: net_pb2.PriceInfo) -> PriceInfo:
    return PriceInfo(message.pricePerUnit, message.pixelsPerUnit, message.capability, message.constraint)


def _token_to_pb(value: AuthToken) -> net_pb2.AuthToken:
    return net_pb2.AuthToken(token=value.token, session_id=value.session_id, expiration=value.expiration)


def _token_from_pb(message: net_pb2.AuthToken) -> AuthToken:
    return AuthToken(message.token, message.session_id, read_natural(message.expiration, "expiration"))


def _capabilities_to_pb(value: Capabilities) -> net_pb2.Capabilities:
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


def _capabilities_from_pb(message: net_pb2.Capabilities) -> Capabilities:
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
            for number, entry in message.constraints.PerCapability.items()
        },
    )


def _profile_to_pb(value: VideoProfile) -> net_pb2.VideoProfile:
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


def _profile_from_pb(message: net_pb2.VideoProfile) -> VideoProfile:
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


def _profile_list(profiles: Sequence[VideoProfile]) -> str:
    """The field a list of profiles goes to: the oldest whose readers understand them all (offchain-network 4.1)."""
    if any(
        profile.fps_den > 1 or profile.profile is not CodecProfile.ENCODER_DEFAULT or profile.gop_ms != 0
        for profile in profiles
    ):
        return "fullProfiles3"
    if any(profile.format is VideoFormat.MP4 for profile in profiles):
        return "fullProfiles2"
    return "fullProfiles"


def _info_to_pb(value: OrchestratorInfo) -> net_pb2.OrchestratorInfo:
    return net_pb2.OrchestratorInfo(
        transcoder=value.transcoder,
        ticket_params=_params_to_pb(value.ticket_params, with_expiration=True) if value.ticket_params else None,
        price_info=_price_to_pb(value.price_info) if value.price_info else None,
        address=value.address,
        capabilities=_capabilities_to_pb(value.capabilities) if value.capabilities else None,
        auth_token=_token_to_pb(value.auth_token) if value.auth_token else None,
        capabilities_prices=[_price_to_pb(price) for price in value.capabilities_prices],
        nodes=value.nodes,
    )


def _info_from_pb(message: net_pb2.OrchestratorInfo) -> OrchestratorInfo:
    quote = message.ticket_params
    return OrchestratorInfo(
        transcoder=message.transcoder,
        # A message without a single field says as much as an absent one. Without expiration params the sender
        # has to use its own round, which zero stands for.
        ticket_params=_params_from_pb(quote, _expiration_from_pb(quote.expiration_params))
        if quote.ByteSize()
        else None,
        price_info=_price_from_pb(message.price_info) if message.HasField("price_info") else None,
        address=read_address_or_none(message.address, "address"),
        capabilities=_capabilities_from_pb(message.capabilities) if message.HasField("capabilities") else None,
        auth_token=_token_from_pb(message.auth_token) if message.HasField("auth_token") else None,
        capabilities_prices=tuple(_price_from_pb(price) for price in message.capabilities_prices),
        nodes=tuple(message.nodes),
    )


# --- discovery ------------------------------------------------------------------------------------


def encode_ping(value: bytes) -> bytes:
    """`net.PingPong` around a challenge or its answer."""
    return net_pb2.PingPong(value=value).SerializeToString()


def decode_ping(data: bytes) -> bytes:
    """The bytes inside a `net.PingPong`."""
    return _parse(net_pb2.PingPong(), data, "ping").value


def encode_orchestrator_request(value: OrchestratorRequest) -> bytes:
    with _writing("orchestrator request"):
        return net_pb2.OrchestratorRequest(
            address=value.address,
            sig=value.sig,
            capabilities=_capabilities_to_pb(value.capabilities) if value.capabilities else None,
            ignoreCapacityCheck=value.ignore_capacity_check,
        ).SerializeToString()


def decode_orchestrator_request(data: bytes) -> OrchestratorRequest:
    message = _parse(net_pb2.OrchestratorRequest(), data, "orchestrator request")
    with _reading("orchestrator request"):
        return OrchestratorRequest(
            address=read_address_or_none(message.address, "address"),
            sig=message.sig,
            capabilities=_capabilities_from_pb(message.capabilities) if message.HasField("capabilities") else None,
            ignore_capacity_check=message.ignoreCapacityCheck,
        )


def encode_orchestrator_info(value: OrchestratorInfo) -> bytes:
    with _writing("orchestrator info"):
        return _info_to_pb(value).SerializeToString()


def decode_orchestrator_info(data: bytes) -> OrchestratorInfo:
    """Off chain neither ticket params nor a price are there, and both read as None."""
    message = _parse(net_pb2.OrchestratorInfo(), data, "orchestrator info")
    with _reading("orchestrator info"):
        return _info_from_pb(message)


def encode_capabilities(value: Capabilities) -> bytes:
    with _writing("capabilities"):
        return _capabilities_to_pb(value).SerializeToString()


def decode_capabilities(data: bytes) -> Capabilities:
    message = _parse(net_pb2.Capabilities(), data, "capabilities")
    with _reading("capabilities"):
        return _capabilities_from_pb(message)


def encode_end_session_request(token: AuthToken | None) -> bytes:
    """`net.EndTranscodingSessionRequest`; the answer to it has no fields."""
    with _writing("end session request"):
        return net_pb2.EndTranscodingSessionRequest(
            auth_token=_token_to_pb(token) if token else None
        ).SerializeToString()


def decode_end_session_request(data: bytes) -> AuthToken | None:
    message = _parse(net_pb2.EndTranscodingSessionRequest(), data, "end session request")
    with _reading("end session request"):
        return _token_from_pb(message.auth_token) if message.HasField("auth_token") else None


# --- payments -------------------------------------------------------------------------------------


def encode_payment(value: Payment) -> bytes:
    """`net.Payment`. Creation params go to its field 3 only; without tickets just sender and price are sent."""
    with _writing("payment"):
        message = net_pb2.Payment(
            sender=value.sender, expected_price=_price_to_pb(value.expected_price) if value.expected_price else None
        )
        if value.tickets and value.ticket_params is None:
            raise InvalidInput("payment: tickets without ticket params")
        if value.ticket_params is not None:
            if value.expiration is None:
                raise InvalidInput("payment: ticket params without expiration params")
            message.ticket_params.CopyFrom(_params_to_pb(value.ticket_params, with_expiration=False))
            message.expiration_params.CopyFrom(_expiration_to_pb(value.expiration))
            message.ticket_sender_params.extend(
                net_pb2.TicketSenderParams(sender_nonce=ticket.sender_nonce, sig=ticket.sig) for ticket in value.tickets
            )
        return message.SerializeToString()


def decode_payment(data: bytes) -> Payment:
    """A payment; `ticket_params` carry the payment's own expiration params.

    Ticket params without expiration params (its field 3) are refused. Signatures keep whatever length they
    came with: a wrong one spoils its ticket, not the payment (offchain-payments 5).
    """
    message = _parse(net_pb2.Payment(), data, "payment")
    with _reading("payment"):
        expiration = params = None
        if message.HasField("expiration_params"):
            expiration = _expiration_from_pb(message.expiration_params)
        if message.HasField("ticket_params"):
            if expiration is None:
                raise InvalidInput("ticket params without expiration params")
            params = _params_from_pb(message.ticket_params, expiration)
        elif message.ticket_sender_params:
            raise InvalidInput("tickets without ticket params")
        return Payment(
            ticket_params=params,
            sender=read_address_or_none(message.sender, "sender"),
            expiration=expiration,
            tickets=tuple(
                NonceAndSig(ticket.sender_nonce, Signature(ticket.sig)) for ticket in message.ticket_sender_params
            ),
            expected_price=_price_from_pb(message.expected_price) if message.HasField("expected_price") else None,
        )


def encode_payment_result(value: PaymentResult) -> bytes:
    with _writing("payment result"):
        return net_pb2.PaymentResult(info=_info_to_pb(value.info) if value.info else None).SerializeToString()


def decode_payment_result(data: bytes) -> PaymentResult:
    message = _parse(net_pb2.PaymentResult(), data, "payment result")
    with _reading("payment result"):
        return PaymentResult(_info_from_pb(message.info) if message.HasField("info") else None)


# --- segments -------------------------------------------------------------------------------------


def encode_segment_credentials(value: SegmentCredentials) -> bytes:
    with _writing("segment credentials"):
        message = net_pb2.SegData(
            manifestId=value.manifest_id,
            seq=value.seq,
            hash=value.hash,
            profiles=_LEGACY_PROFILES,
            sig=value.sig,
            duration=value.duration_ms,
            capabilities=_capabilities_to_pb(value.capabilities) if value.capabilities else None,
            auth_token=_token_to_pb(value.auth_token) if value.auth_token else None,
        )
        getattr(message, _profile_list(value.profiles)).extend(_profile_to_pb(profile) for profile in value.profiles)
        return message.SerializeToString()


def decode_segment_credentials(data: bytes) -> SegmentCredentials:
    """Signed description of a segment; profiles are those of the highest-numbered list that holds any."""
    message = _parse(net_pb2.SegData(), data, "segment credentials")
    with _reading("segment credentials"):
        return SegmentCredentials(
            manifest_id=message.manifestId,
            seq=read_natural(message.seq, "seq"),
            hash=read_hash_or_zero(message.hash, "hash"),
            profiles=tuple(
                _profile_from_pb(profile)
                for profile in message.fullProfiles3 or message.fullProfiles2 or message.fullProfiles
            ),
            sig=message.sig,
            duration_ms=read_natural(message.duration, "duration"),
            capabilities=_capabilities_from_pb(message.capabilities) if message.HasField("capabilities") else None,
            auth_token=_token_from_pb(message.auth_token) if message.HasField("auth_token") else None,
        )


def encode_transcode_result(value: TranscodeResult) -> bytes:
    """`net.TranscodeResult`: the error if there is one, else the renditions."""
    with _writing("transcode result"):
        message = net_pb2.TranscodeResult(seq=value.seq, info=_info_to_pb(value.info) if value.info else None)
        if value.error:
            message.error = value.error
        else:
            message.data.SetInParent()
            message.data.sig = value.sig
            message.data.segments.extend(
                net_pb2.TranscodedSegmentData(url=segment.url, pixels=segment.pixels) for segment in value.segments
            )
        return message.SerializeToString()


def decode_transcode_result(data: bytes) -> TranscodeResult:
    """A result with neither renditions nor the text of an error is refused."""
    message = _parse(net_pb2.TranscodeResult(), data, "transcode result")
    with _reading("transcode result"):
        if not message.HasField("data") and not message.error:
            raise InvalidInput("neither renditions nor an error")
        return TranscodeResult(
            seq=read_natural(message.seq, "seq"),
            error=message.error,
            segments=tuple(
                TranscodedSegment(segment.url, read_natural(segment.pixels, "pixels"))
                for segment in message.data.segments
            ),
            sig=message.data.sig,
            info=_info_from_pb(message.info) if message.HasField("info") else None,
        )


# --- headers --------------------------------------------------------------------------------------

_T = TypeVar("_T")


def _from_header(header: str, what: str, decode: Callable[[bytes], _T]) -> _T:
    try:
        data = base64.b64decode(header, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedMessage(what, "base64 decode error") from error
    return decode(data)


def payment_header(payment: Payment | None) -> str:
    """`Livepeer-Payment`: padded standard base64 of the payment, empty off chain."""
    return base64.b64encode(encode_payment(payment)).decode("ascii") if payment is not None else ""


def payment_from_header(header: str) -> Payment:
    """The payment in a `Livepeer-Payment` header; an empty header is an empty payment.

    :raises MalformedMessage: `base64 decode error`, `protobuf unmarshal error`, or a field of a wrong width.
    """
    return _from_header(header, "payment", decode_payment)


def segment_header(credentials: SegmentCredentials) -> str:
    """`Livepeer-Segment`: padded standard base64 of the credentials."""
    return base64.b64encode(encode_segment_credentials(credentials)).decode("ascii")


def segment_from_header(header: str) -> SegmentCredentials:
    """The credentials in a `Livepeer-Segment` header. Raises as `payment_from_header`."""
    return _from_header(header, "segment credentials", decode_segment_credentials)
