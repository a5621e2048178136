"""JSON of the remote signer's HTTP API, both sides (offchain-payments 12, offchain-network 4.13).

Bytes are base64 except `0x` hex where said. Every reader raises `MalformedMessage` with the API's own words.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any, Final, NoReturn

from livepeer_client.codec import bounded_json, wire
from livepeer_client.codec.address import checksum_address, parse_address
from livepeer_client.codec.messages import Capabilities, OrchestratorInfo
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.types import SIGNATURE_BYTES, Address, Signature

STATE_KEY_BYTES: Final = 32
MAX_PIXELS: Final = 2**63 - 1
"""An int64 in the reference."""
_STATE_TAG: Final = b"livepeer_client signer state v1\0"


@dataclass(frozen=True, slots=True)
class SealedState:
    """A session's state as its client carries it: JSON bytes, and the proof that the signer wrote them."""

    state: bytes
    sig: bytes


@dataclass(frozen=True, slots=True)
class PriceCeiling:
    """`maxPrice`; the price is what stood in the JSON, a string or a number, as text."""

    price: str
    currency: str
    unit: str


@dataclass(frozen=True, slots=True)
class PaymentCall:
    """Body of `POST /generate-live-payment`, decoded as far as that goes without rules."""

    state: SealedState | None
    info: OrchestratorInfo
    manifest_id: str
    app: str
    in_pixels: int
    job_type: str
    max_price: PriceCeiling | None
    capabilities: Capabilities | None


@dataclass(frozen=True, slots=True)
class PaymentReply:
    """Its answer: two headers ready to send, and the state to come back with."""

    payment: str
    credentials: str
    state: SealedState


@dataclass(frozen=True, slots=True)
class CoveredReply:
    """The answer with status 482: no ticket is needed, but `state` has moved on."""

    state: SealedState
    retry_after_s: int


# --- state ----------------------------------------------------------------------------------------


def seal(key: bytes, state: bytes) -> SealedState:
    """A state with its HMAC under the signer's own key, which nobody else needs to check.

    :raises InvalidInput: a key that is not 32 bytes.
    """
    if len(key) != STATE_KEY_BYTES:
        raise InvalidInput(f"a state key is {STATE_KEY_BYTES} bytes, got {len(key)}")
    return SealedState(state, hmac.new(key, _STATE_TAG + state, hashlib.sha256).digest())


def unseal(key: bytes, sealed: SealedState) -> Mapping[str, Any]:
    """The JSON object in a state of ours.

    :raises MalformedMessage: `invalid sig`, or `invalid state`.
    """
    if not hmac.compare_digest(seal(key, sealed.state).sig, sealed.sig):
        raise MalformedMessage("signer state", "invalid sig")
    try:
        found = bounded_json.loads(sealed.state)
    except ValueError as error:
        raise MalformedMessage("signer state", "invalid state") from error
    if not isinstance(found, dict):
        raise MalformedMessage("signer state", "invalid state")
    return found


# --- requests -------------------------------------------------------------------------------------


def encode_payment_call(call: PaymentCall) -> bytes:
    body: dict[str, Any] = {
        "orchestrator": _b64(wire.encode_orchestrator_info(call.info)),
        "ManifestID": call.manifest_id,
        "app": call.app,
        "inPixels": call.in_pixels,
        "type": call.job_type,
    }
    if call.state is not None:
        body["state"] = _state_json(call.state)
    if call.max_price is not None:
        ceiling = call.max_price
        body["maxPrice"] = {"price": ceiling.price, "currency": ceiling.currency, "unit": ceiling.unit}
    if call.capabilities is not None:
        body["capabilities"] = _b64(wire.encode_capabilities(call.capabilities))
    return json.dumps(body).encode()


def decode_payment_call(data: bytes) -> PaymentCall:
    body = _object(data)
    blob = _bytes(body, "orchestrator")
    if not blob:
        _refuse("missing orchestrator")
    capabilities = _bytes(body, "capabilities")
    in_pixels = body.get("inPixels", 0)
    if not isinstance(in_pixels, int) or isinstance(in_pixels, bool) or abs(in_pixels) > MAX_PIXELS:
        _refuse("invalid inPixels")
    return PaymentCall(
        state=_sealed(body.get("state")),
        info=_protobuf(wire.decode_orchestrator_info, blob),
        manifest_id=_text(body, "ManifestID"),
        app=_text(body, "app"),
        in_pixels=in_pixels,
        job_type=_text(body, "type"),
        max_price=read_ceiling(body.get("maxPrice")),
        capabilities=_protobuf(wire.decode_capabilities, capabilities) if capabilities else None,
    )


def read_ceiling(value: object) -> PriceCeiling | None:
    """`maxPrice` of a request or of a webhook's answer."""
    if value is None:
        return None
    if not isinstance(value, dict):
        _refuse("maxPrice must be an object")
    price = value.get("price", "")
    # Clients compute with floats, whose text has an exponent from 1e16 on.
    text = format(Decimal(repr(price)), "f") if isinstance(price, float) and isfinite(price) else str(price)
    return PriceCeiling(text, str(value.get("currency", "")), str(value.get("unit", "")))


# --- answers --------------------------------------------------------------------------------------


def encode_payment_reply(reply: PaymentReply) -> bytes:
    return json.dumps(
        {"payment": reply.payment, "segCreds": reply.credentials, "state": _state_json(reply.state)}
    ).encode()


def decode_payment_reply(data: bytes) -> PaymentReply:
    body = _object(data)
    state = _sealed(body.get("state"))
    if state is None or not _text(body, "payment") or not _text(body, "segCreds"):
        _refuse("an answer without payment, segCreds or state")
    return PaymentReply(body["payment"], body["segCreds"], state)


def encode_covered_reply(reply: CoveredReply) -> bytes:
    return json.dumps(
        {
            "error": {"message": "no tickets"},
            "state": _state_json(reply.state),
            "retry_after": reply.retry_after_s,
        }
    ).encode()


def decode_covered_reply(data: bytes) -> CoveredReply | None:
    """None from a signer that hands out no state with it."""
    body = _object(data)
    state, retry_after = _sealed(body.get("state")), body.get("retry_after", 1)
    if state is None:
        return None
    if not isinstance(retry_after, int):
        _refuse("retry_after is no number of seconds")
    return CoveredReply(state, retry_after)


def encode_login(address: Address, sig: Signature) -> bytes:
    """Answer of `POST /sign-orchestrator-info`."""
    return json.dumps({"address": checksum_address(address), "signature": f"0x{sig.hex()}"}).encode()


def decode_login(data: bytes) -> tuple[Address, Signature]:
    body = _object(data)
    try:
        sig = bytes.fromhex(_text(body, "signature").removeprefix("0x"))
        address = parse_address(_text(body, "address"))
    except (ValueError, InvalidInput) as error:
        raise MalformedMessage("signer login", "no address and signature in hex") from error
    if len(sig) != SIGNATURE_BYTES:
        raise MalformedMessage("signer login", f"a signature of {len(sig)} bytes")
    return address, Signature(sig)


def decode_byoc_job(data: bytes) -> tuple[str, str]:
    """`request` and `parameters` of a `POST /sign-byoc-job`, whose other fields are not signed."""
    body = _object(data)
    return _text(body, "request"), _text(body, "parameters")


def encode_byoc_signature(sender: Address, sig: Signature) -> bytes:
    """Answer of `POST /sign-byoc-job`."""
    return json.dumps({"sender": checksum_address(sender), "signature": f"0x{sig.hex()}"}).encode()


def encode_error(message: str) -> bytes:
    return json.dumps({"error": {"message": message}}).encode()


def decode_error(data: bytes) -> str:
    """The message of a refusal; whatever else came, as text."""
    try:
        return str(bounded_json.loads(data)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return data.decode("utf-8", "replace").strip()


# --- parts ----------------------------------------------------------------------------------------


def _refuse(detail: str) -> NoReturn:
    raise MalformedMessage("signer request", detail)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _object(data: bytes) -> dict[str, Any]:
    try:
        # Numbers with a point stay text: a price is never a float.
        found = bounded_json.loads(data, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("signer request", f"invalid character in JSON: {error}") from error
    if not isinstance(found, dict):
        _refuse("invalid character: the body is no JSON object")
    return found


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key, "")
    if not isinstance(value, str):
        _refuse(f"{key} is not a string")
    # JSON can escape half a character, which is no text that could be sent on or stored.
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        _refuse(f"{key} is not text")
    return value


def _bytes(body: Mapping[str, Any], key: str) -> bytes:
    value = body.get(key) or ""
    if not isinstance(value, str):
        _refuse(f"{key} is not base64")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedMessage("signer request", f"{key} is not base64") from error


def _protobuf(decode: Any, data: bytes) -> Any:
    try:
        return decode(data)
    except MalformedMessage as error:
        raise MalformedMessage(
            "signer request", f"proto: cannot parse invalid wire-format data: {error.detail}"
        ) from error


def _sealed(value: object) -> SealedState | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        _refuse("invalid state")
    state, sig = _bytes(value, "State"), _bytes(value, "Sig")
    return SealedState(state, sig) if state or sig else None


def _state_json(sealed: SealedState) -> dict[str, str]:
    return {"State": _b64(sealed.state), "Sig": _b64(sealed.sig)}
