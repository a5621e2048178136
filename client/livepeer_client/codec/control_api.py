"""JSON between a running node and its operator's tools on the same machine.

Requests name tickets by hash: {"tickets": ["0x..."], "note": "..."}; a refusal is {"error": KIND, "message": TEXT}
with one of `KINDS`, which says what the caller raises.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from livepeer_client.codec import bounded_json
from livepeer_client.errors import (
    ChainError,
    ChainUnavailable,
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    StoreError,
)
from livepeer_client.types import Hash32

HASH_BYTES: Final = 32
MAX_NOTE: Final = 200
KINDS: Final[Mapping[str, type[LivepeerError]]] = {
    "input": InvalidInput,
    "unavailable": ChainUnavailable,
    "chain": ChainError,
    "store": StoreError,
}


def encode_tickets(hashes: Sequence[Hash32], note: str = "") -> bytes:
    return _dump({"tickets": [f"0x{each.hex()}" for each in hashes], "note": note})


def decode_tickets(body: bytes) -> tuple[list[Hash32], str]:
    """:raises MalformedMessage: anything else than hashes of 32 bytes and a note of at most `MAX_NOTE` characters."""
    found = _load(body)
    names, note = found.get("tickets"), found.get("note", "")
    if not isinstance(names, list) or not isinstance(note, str) or len(note) > MAX_NOTE:
        raise MalformedMessage("control request", "a list of tickets and a short note are expected")
    return [_hash(name) for name in names], note


def encode_state(owner: str | None, paused: bool) -> bytes:
    return _dump({"owner": owner, "paused": paused})


def decode_state(body: bytes) -> tuple[str | None, bool]:
    """:raises MalformedMessage:"""
    found = _load(body)
    owner, paused = found.get("owner"), found.get("paused")
    if not isinstance(owner, str | None) or not isinstance(paused, bool):
        raise MalformedMessage("control answer", "owner and paused are expected")
    return owner, paused


def encode_redeemed(sent: Sequence[Hash32], decided: Sequence[tuple[Hash32, str, str]]) -> bytes:
    """:param decided: hash, action and reason of each ticket."""
    return _dump(
        {
            "sent": [f"0x{each.hex()}" for each in sent],
            "decided": [[f"0x{hash_.hex()}", action, reason] for hash_, action, reason in decided],
        }
    )


def decode_redeemed(body: bytes) -> tuple[tuple[Hash32, ...], tuple[tuple[Hash32, str, str], ...]]:
    """:raises MalformedMessage:"""
    found = _load(body)
    try:
        sent = tuple(_hash(each) for each in found["sent"])
        decided = tuple((_hash(hash_), str(action), str(reason)) for hash_, action, reason in found["decided"])
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedMessage("control answer", "sent and decided are expected") from error
    return sent, decided


def encode_refusal(error: LivepeerError) -> tuple[int, bytes]:
    """HTTP status and body."""
    for kind, raised in KINDS.items():
        if isinstance(error, raised):
            return (409 if kind == "input" else 503), _dump({"error": kind, "message": str(error)})
    return 500, _dump({"error": "other", "message": f"{type(error).__name__}: {error}"})


def decode_refusal(body: bytes) -> LivepeerError:
    """The error to raise. :raises MalformedMessage:"""
    found = _load(body)
    return KINDS.get(str(found.get("error")), LivepeerError)(str(found.get("message")))


def _hash(text: object) -> Hash32:
    try:
        value = bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError as error:
        raise MalformedMessage("control message", f"{text!r} is no ticket hash") from error
    if len(value) != HASH_BYTES:
        raise MalformedMessage("control message", f"{text!r} is no ticket hash")
    return Hash32(value)


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _load(body: bytes) -> dict[str, Any]:
    try:
        found = bounded_json.loads(body)
    except ValueError as error:
        raise MalformedMessage("control message", "not JSON") from error
    if not isinstance(found, dict):
        raise MalformedMessage("control message", "not an object")
    return found
