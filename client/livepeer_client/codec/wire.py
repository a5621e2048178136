"""Values of `codec/messages.py` to the protobuf bytes of package `net` and back, and the HTTP headers that carry them.

Integers in `bytes` fields are big-endian without leading zeros, zero being empty (offchain-payments 10). Readers
accept at most 32 bytes of integer, 20 of address and 32 of hash, exactly: a shifted field must never reach a MAC
(offchain-payments 2). An empty hash reads as zero, which is how proto3 writes an absent one; the one that
commits to randomness may not be absent. Every `encode_*` raises `InvalidInput` for a value out of the wire's
range, every `decode_*` raises `MalformedMessage`. Fields the library does not use are skipped.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Final, TypeVar

from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    NonceAndSig,
    OrchestratorInfo,
    OrchestratorRequest,
    Payment,
    PaymentResult,
    SegmentCredentials,
    Slice,
    TranscodedSegment,
    TranscodeResult,
)
from livepeer_client.codec.proto import net_pb2
from livepeer_client.codec.widths import read_address_or_none, read_hash_or_zero, read_natural
from livepeer_client.codec.wire_parts import (
    capabilities_from_pb,
    capabilities_to_pb,
    expiration_from_pb,
    expiration_to_pb,
    info_from_pb,
    info_to_pb,
    params_from_pb,
    params_to_pb,
    parse,
    price_from_pb,
    price_to_pb,
    profile_from_pb,
    profile_list,
    profile_to_pb,
    reading,
    token_from_pb,
    token_to_pb,
    writing,
)
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.types import Signature

_LEGACY_PROFILES: Final = b"invalid"
"""`SegData.profiles`, for readers from before the profile lists."""


# --- discovery ------------------------------------------------------------------------------------


def encode_ping(value: bytes) -> bytes:
    """`net.PingPong` around a challenge or its answer."""
    return net_pb2.PingPong(value=value).SerializeToString()


def decode_ping(data: bytes) -> bytes:
    """The bytes inside a `net.PingPong`."""
    return parse(net_pb2.PingPong(), data, "ping").value


def encode_orchestrator_request(value: OrchestratorRequest) -> bytes:
    with writing("orchestrator request"):
        return net_pb2.OrchestratorRequest(
            address=value.address,
            sig=value.sig,
            capabilities=capabilities_to_pb(value.capabilities) if value.capabilities else None,
            ignoreCapacityCheck=value.ignore_capacity_check,
        ).SerializeToString()


def decode_orchestrator_request(data: bytes) -> OrchestratorRequest:
    message = parse(net_pb2.OrchestratorRequest(), data, "orchestrator request")
    with reading("orchestrator request"):
        return OrchestratorRequest(
            address=read_address_or_none(message.address, "address"),
            sig=message.sig,
            capabilities=capabilities_from_pb(message.capabilities) if message.HasField("capabilities") else None,
            ignore_capacity_check=message.ignoreCapacityCheck,
        )


def encode_orchestrator_info(value: OrchestratorInfo) -> bytes:
    with writing("orchestrator info"):
        return info_to_pb(value).SerializeToString()


def decode_orchestrator_info(data: bytes) -> OrchestratorInfo:
    """Off chain neither ticket params nor a price are there, and both read as None."""
    message = parse(net_pb2.OrchestratorInfo(), data, "orchestrator info")
    with reading("orchestrator info"):
        return info_from_pb(message)


def encode_capabilities(value: Capabilities) -> bytes:
    with writing("capabilities"):
        return capabilities_to_pb(value).SerializeToString()


def decode_capabilities(data: bytes) -> Capabilities:
    message = parse(net_pb2.Capabilities(), data, "capabilities")
    with reading("capabilities"):
        return capabilities_from_pb(message)


def encode_end_session_request(token: AuthToken | None) -> bytes:
    """`net.EndTranscodingSessionRequest`; the answer to it has no fields."""
    with writing("end session request"):
        return net_pb2.EndTranscodingSessionRequest(
            auth_token=token_to_pb(token) if token else None
        ).SerializeToString()


def decode_end_session_request(data: bytes) -> AuthToken | None:
    message = parse(net_pb2.EndTranscodingSessionRequest(), data, "end session request")
    with reading("end session request"):
        return token_from_pb(message.auth_token) if message.HasField("auth_token") else None


# --- payments -------------------------------------------------------------------------------------


def encode_payment(value: Payment) -> bytes:
    """`net.Payment`. Creation params go to its field 3 only; without tickets just sender and price are sent."""
    with writing("payment"):
        message = net_pb2.Payment(
            sender=value.sender, expected_price=price_to_pb(value.expected_price) if value.expected_price else None
        )
        if value.tickets and value.ticket_params is None:
            raise InvalidInput("payment: tickets without ticket params")
        if value.ticket_params is not None:
            if value.expiration is None:
                raise InvalidInput("payment: ticket params without expiration params")
            message.ticket_params.CopyFrom(params_to_pb(value.ticket_params, with_expiration=False))
            message.expiration_params.CopyFrom(expiration_to_pb(value.expiration))
            message.ticket_sender_params.extend(
                net_pb2.TicketSenderParams(sender_nonce=ticket.sender_nonce, sig=ticket.sig) for ticket in value.tickets
            )
        return message.SerializeToString()


def decode_payment(data: bytes) -> Payment:
    """A payment; `ticket_params` carry the payment's own expiration params.

    Ticket params without expiration params (its field 3) are refused. Signatures keep whatever length they
    came with: a wrong one spoils its ticket, not the payment (offchain-payments 5).
    """
    message = parse(net_pb2.Payment(), data, "payment")
    with reading("payment"):
        expiration = params = None
        if message.HasField("expiration_params"):
            expiration = expiration_from_pb(message.expiration_params)
        if message.HasField("ticket_params"):
            if expiration is None:
                raise InvalidInput("ticket params without expiration params")
            params = params_from_pb(message.ticket_params, expiration)
        elif message.ticket_sender_params:
            raise InvalidInput("tickets without ticket params")
        return Payment(
            ticket_params=params,
            sender=read_address_or_none(message.sender, "sender"),
            # Of tickets that are not there they say nothing.
            expiration=expiration if params is not None else None,
            tickets=tuple(
                NonceAndSig(ticket.sender_nonce, Signature(ticket.sig)) for ticket in message.ticket_sender_params
            ),
            expected_price=price_from_pb(message.expected_price) if message.HasField("expected_price") else None,
        )


def encode_payment_result(value: PaymentResult) -> bytes:
    with writing("payment result"):
        return net_pb2.PaymentResult(info=info_to_pb(value.info) if value.info else None).SerializeToString()


def decode_payment_result(data: bytes) -> PaymentResult:
    message = parse(net_pb2.PaymentResult(), data, "payment result")
    with reading("payment result"):
        return PaymentResult(info_from_pb(message.info) if message.HasField("info") else None)


# --- segments -------------------------------------------------------------------------------------


def encode_segment_credentials(value: SegmentCredentials) -> bytes:
    with writing("segment credentials"):
        message = net_pb2.SegData(
            manifestId=value.manifest_id,
            seq=value.seq,
            hash=value.hash,
            profiles=_LEGACY_PROFILES,
            sig=value.sig,
            duration=value.duration_ms,
            capabilities=capabilities_to_pb(value.capabilities) if value.capabilities else None,
            auth_token=token_to_pb(value.auth_token) if value.auth_token else None,
        )
        if value.slice is not None:
            message.segment_parameters.CopyFrom(
                net_pb2.SegParameters(**{"from": value.slice.from_ms, "to": value.slice.to_ms})
            )
        getattr(message, profile_list(value.profiles)).extend(profile_to_pb(profile) for profile in value.profiles)
        return message.SerializeToString()


def decode_segment_credentials(data: bytes) -> SegmentCredentials:
    """Signed description of a segment; profiles are those of the highest-numbered list that holds any."""
    message = parse(net_pb2.SegData(), data, "segment credentials")
    with reading("segment credentials"):
        return SegmentCredentials(
            manifest_id=message.manifestId,
            seq=read_natural(message.seq, "seq"),
            hash=read_hash_or_zero(message.hash, "hash"),
            profiles=tuple(
                profile_from_pb(profile)
                for profile in message.fullProfiles3 or message.fullProfiles2 or message.fullProfiles
            ),
            sig=message.sig,
            duration_ms=read_natural(message.duration, "duration"),
            capabilities=capabilities_from_pb(message.capabilities) if message.HasField("capabilities") else None,
            auth_token=token_from_pb(message.auth_token) if message.HasField("auth_token") else None,
            slice=_slice(message.segment_parameters) if message.HasField("segment_parameters") else None,
        )


def _slice(message: net_pb2.SegParameters) -> Slice | None:
    found = Slice(getattr(message, "from"), message.to)
    return None if found == Slice() else found


def encode_transcode_result(value: TranscodeResult) -> bytes:
    """`net.TranscodeResult`: the error if there is one, else the renditions."""
    with writing("transcode result"):
        message = net_pb2.TranscodeResult(seq=value.seq, info=info_to_pb(value.info) if value.info else None)
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
    message = parse(net_pb2.TranscodeResult(), data, "transcode result")
    with reading("transcode result"):
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
            info=info_from_pb(message.info) if message.HasField("info") else None,
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
