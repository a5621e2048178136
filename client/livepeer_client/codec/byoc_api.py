"""Headers and JSON of capabilities that somebody brings along (BYOC, offchain-network 4.12 and B.1)."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from livepeer_client.codec import bounded_json
from livepeer_client.codec.address import checksum_address, parse_address
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import PriceInfo
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.codec.ticket import TicketParams
from livepeer_client.codec.widths import minimal_bytes
from livepeer_client.errors import BadCredentials, InvalidInput, MalformedMessage
from livepeer_client.types import Address, Hash32

MAX_TIMEOUT_S: Final = 24 * 3600
MAX_NAME_CHARS: Final = 128
MAX_CAPACITY: Final = 100_000
UNVERIFIED: Final = "Could not verify job creds"
NO_TIMEOUT: Final = "no timeout_seconds set with request, timeout_seconds is required"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """The `Livepeer` header. `sender` is None where nobody signed; whether that is enough is the price's to say."""

    id: str
    capability: str
    request: str
    parameters: str
    timeout_s: int
    sender: Address | None
    sig: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Registration:
    """A capability as its owner registers it. `price` in wei per second, exact."""

    name: str
    url: str = field(repr=False)
    capacity: int
    price: Fraction
    description: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Order:
    """A job that a gateway is asked to buy: capability, the objects it will sign, and how long it may take, seconds."""

    capability: str
    request: Mapping[str, Any]
    parameters: Mapping[str, Any]
    timeout_s: int


def job_digest(request: str, parameters: str) -> Hash32:
    """What a sender signs: keccak-256 of both texts, one after the other.

    The same key signs tickets, segments and logins, so only what can be none of those is signed: JSON has no zero
    byte, and every ticket and segment message has some; a login is no JSON object.

    :raises InvalidInput: `request` is no JSON object, `parameters` neither that nor empty.
    """
    for name, text in (("request", request), ("parameters", parameters)):
        if name == "parameters" and not text:
            continue
        try:
            found = bounded_json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{name}: not JSON") from error
        if not isinstance(found, dict) or "\0" in text:
            raise InvalidInput(f"{name}: not a JSON object")
    return keccak256(request.encode() + parameters.encode())


def decode_job(header: str) -> JobRequest:
    """Read the `Livepeer` header, and check its signature if there is one.

    :raises MalformedMessage: it does not decode.
    :raises BadCredentials: `UNVERIFIED`.
    """
    found = _header(header, "Livepeer header")
    texts = {key: found.get(key, "") for key in ("id", "capability", "request", "parameters", "sender", "sig")}
    timeout = found.get("timeout_seconds", 0)
    if not all(isinstance(value, str) for value in texts.values()):
        raise MalformedMessage("Livepeer header", "a field that is not text")
    if not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 1:
        raise MalformedMessage("Livepeer header", NO_TIMEOUT)
    sender, sig = None, b""
    if texts["sender"]:
        try:
            sender = parse_address(texts["sender"])
            sig = bytes.fromhex(texts["sig"].removeprefix("0x"))
            digest = keccak256(texts["request"].encode() + texts["parameters"].encode())
        except (InvalidInput, ValueError) as error:
            raise BadCredentials(UNVERIFIED) from error
        if not is_signed_by(sender, sig, digest):
            raise BadCredentials(UNVERIFIED)
    return JobRequest(
        texts["id"],
        texts["capability"],
        texts["request"],
        texts["parameters"],
        min(timeout, MAX_TIMEOUT_S),
        sender,
        sig,
    )


def json_text(message: Mapping[str, Any]) -> str:
    """An object as a sender signs it."""
    return json.dumps(dict(message))


def encode_job(
    job_id: str, capability: str, request: str, parameters: str, timeout_s: int, sender: Address, sig: bytes
) -> str:
    """The `Livepeer` header of a job that `sender` signed."""
    said = {
        "id": job_id,
        "capability": capability,
        "request": request,
        "parameters": parameters,
        "timeout_seconds": timeout_s,
        "sender": checksum_address(sender),
        "sig": f"0x{sig.hex()}",
    }
    return base64.b64encode(json.dumps(said).encode()).decode("ascii")


def encode_caller(address: Address, sig: bytes) -> str:
    """The `Livepeer-Eth-Address` header; `sig` is the login's, `codec.credentials.orchestrator_request_digest`."""
    said = {"addr": checksum_address(address), "sig": f"0x{sig.hex()}"}
    return base64.b64encode(json.dumps(said).encode()).decode("ascii")


def decode_balance(data: bytes) -> int:
    """The balance in an answer of `GET /process/token`, wei.

    :raises MalformedMessage: there is none.
    """
    balance = _object(data, "token").get("balance")
    if not isinstance(balance, int) or isinstance(balance, bool):
        raise MalformedMessage("token", "balance")
    return balance


def decode_order(header: str) -> "Order":
    """What somebody asks of a gateway, in a `Livepeer` header that nobody signed.

    :raises MalformedMessage: it does not decode, or names no capability.
    """
    found = _header(header, "Livepeer header")
    texts = {key: found.get(key) or "" for key in ("capability", "request", "parameters")}
    timeout = found.get("timeout_seconds", 0)
    if not all(isinstance(value, str) for value in texts.values()):
        raise MalformedMessage("Livepeer header", "a field that is not text")
    if not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 1:
        raise MalformedMessage("Livepeer header", NO_TIMEOUT)
    if not texts["capability"]:
        raise MalformedMessage("Livepeer header", "no capability")
    request, parameters = (_object(texts[key].encode() or b"{}", key) for key in ("request", "parameters"))
    return Order(texts["capability"], request, parameters, min(timeout, MAX_TIMEOUT_S))


def decode_caller(header: str) -> Address:
    """Read the `Livepeer-Eth-Address` header: an address that has signed its own text as it is written there.

    :raises MalformedMessage, BadCredentials: as `decode_job`.
    """
    found = _header(header, "Livepeer-Eth-Address header")
    try:
        text = str(found["addr"])
        address = parse_address(text)
        sig = bytes.fromhex(str(found["sig"]).removeprefix("0x"))
    except (KeyError, ValueError, InvalidInput) as error:
        raise MalformedMessage("Livepeer-Eth-Address header", "no addr and sig") from error
    if not is_signed_by(address, sig, keccak256(text.encode())):
        raise BadCredentials(UNVERIFIED)
    return address


def decode_registration(data: bytes) -> Registration:
    """:raises MalformedMessage: naming the field."""
    found = _object(data, "registration")
    name, url, scale = found.get("name"), found.get("url"), found.get("price_scaling") or 1
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable() or "/" in name:
        raise MalformedMessage("registration", "name")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise MalformedMessage("registration", "url")
    capacity, price = found.get("capacity", 1), found.get("price_per_unit", 0)
    for key, value, least in (("capacity", capacity, 1), ("price_per_unit", price, 0), ("price_scaling", scale, 1)):
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**63:
            raise MalformedMessage("registration", key)
    if str(found.get("currency") or "wei").lower() != "wei":
        raise MalformedMessage("registration", "currency: only wei")
    if capacity > MAX_CAPACITY:
        raise MalformedMessage("registration", "capacity")
    return Registration(
        name,
        url.rstrip("/"),
        capacity,
        Fraction(price, scale),
        str(found.get("description", "")),
        str(found.get("token", "")),
    )


def encode_token(
    sender: Address,
    params: TicketParams | None,
    balance: int,
    price: PriceInfo | None,
    service_uri: str,
    available: int,
) -> bytes:
    """Answer of `GET /process/token`; bytes in base64, names as in the protobuf. Without a chain there are neither
    `params` nor a price, which is told as 0."""

    def blob(value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")

    asked = price or PriceInfo(0, 1)
    return json.dumps(
        {
            "sender_address": {"addr": checksum_address(sender)},
            "ticket_params": None
            if params is None
            else {
                "recipient": blob(params.recipient),
                "face_value": blob(minimal_bytes(params.face_value)),
                "win_prob": blob(minimal_bytes(params.win_prob)),
                "recipient_rand_hash": blob(params.recipient_rand_hash),
                "seed": blob(minimal_bytes(params.seed)),
                "expiration_block": blob(minimal_bytes(params.expiration_block)),
                "expiration_params": {
                    "creation_round": params.expiration.creation_round,
                    "creation_round_block_hash": blob(params.expiration.creation_round_block_hash),
                },
            },
            "balance": balance,
            "price": {"pricePerUnit": asked.price_per_unit, "pixelsPerUnit": asked.pixels_per_unit},
            "service_addr": service_uri,
            "available_capacity": available,
        }
    ).encode()


def _header(header: str, what: str) -> Mapping[str, Any]:
    try:
        data = base64.b64decode(header, validate=True)
    except (ValueError, binascii.Error) as error:
        raise MalformedMessage(what, "not base64") from error
    return _object(data, what)


def _object(data: bytes, what: str) -> Mapping[str, Any]:
    try:
        found = bounded_json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(what, "not JSON") from error
    if not isinstance(found, dict):
        raise MalformedMessage(what, "not a JSON object")
    return found
