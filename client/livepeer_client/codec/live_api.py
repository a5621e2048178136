"""JSON around live payments: the 402 challenge, and the request for a fresh one (offchain-network 4.2 and 4.11)."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from livepeer_client.codec import bounded_json, wire
from livepeer_client.codec.address import parse_address
from livepeer_client.codec.messages import OrchestratorInfo
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.types import Address


@dataclass(frozen=True, slots=True)
class PaymentChallenge:
    """What is to be paid, and where: `manifest_id` is the session of the auth token in `info` as well."""

    info: OrchestratorInfo
    orchestrator: str
    manifest_id: str
    payment_url: str


def encode_challenge(challenge: PaymentChallenge) -> bytes:
    return json.dumps(
        {
            "payment_params": base64.b64encode(wire.encode_orchestrator_info(challenge.info)).decode("ascii"),
            "orchestrator": challenge.orchestrator,
            "manifest_id": challenge.manifest_id,
            "payment_url": challenge.payment_url,
        }
    ).encode()


def decode_challenge(data: bytes) -> PaymentChallenge:
    """:raises MalformedMessage: not JSON, or without what a payment needs."""
    found = _object(data)
    try:
        info = base64.b64decode(found["payment_params"], validate=True)
        manifest_id, payment_url = found["manifest_id"], found["payment_url"]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise MalformedMessage("payment challenge", "no payment_params, manifest_id or payment_url") from error
    if not (isinstance(manifest_id, str) and manifest_id and isinstance(payment_url, str) and payment_url):
        raise MalformedMessage("payment challenge", "an empty manifest_id or payment_url")
    return PaymentChallenge(
        wire.decode_orchestrator_info(info), str(found.get("orchestrator", "")), manifest_id, payment_url
    )


def encode_refresh(sender: Address, manifest_id: str) -> bytes:
    return json.dumps({"sender": f"0x{sender.hex()}", "manifest_id": manifest_id}).encode()


def decode_refresh(data: bytes) -> tuple[Address, str]:
    """:raises MalformedMessage: `invalid sender`, `missing manifest_id`, or no JSON."""
    found = _object(data)
    try:
        sender = parse_address(str(found.get("sender", "")))
    except InvalidInput as error:
        raise MalformedMessage("refresh request", "invalid sender") from error
    manifest_id = found.get("manifest_id")
    if not isinstance(manifest_id, str) or not manifest_id:
        raise MalformedMessage("refresh request", "missing manifest_id")
    return sender, manifest_id


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = bounded_json.loads(data)
    except ValueError as error:
        raise MalformedMessage("live payment", "not JSON") from error
    if not isinstance(found, dict):
        raise MalformedMessage("live payment", "not a JSON object")
    return found
