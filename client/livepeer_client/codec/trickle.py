"""Names of the trickle protocol on the wire, and the JSON lines of its control and events channels.

offchain-network 4.10 and 5.
"""

import json
import re
from typing import Any, Final

from livepeer_client.codec import bounded_json
from livepeer_client.errors import MalformedMessage

BASE_PATH: Final = "/ai/trickle/"
SEQ_HEADER: Final = "Lp-Trickle-Seq"
LATEST_HEADER: Final = "Lp-Trickle-Latest"
CLOSED_HEADER: Final = "Lp-Trickle-Closed"
RESET_HEADER: Final = "Lp-Trickle-Reset"
EXPECT_CONTENT_HEADER: Final = "Expect-Content"
NO_ENTRY_STATUS: Final = 470

MPEGTS: Final = "video/MP2T"
JSON: Final = "application/json"

MAX_NAME: Final = 128
MAX_EVENT_BYTES: Final = 1 << 16
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_SEQ: Final = re.compile(r"-?[0-9]{1,16}", re.ASCII)


def is_channel_name(name: str) -> bool:
    """Whether a channel can have this name: letters, digits, `_` and `-`, 128 at most."""
    return _NAME.fullmatch(name) is not None


def parse_seq(text: str) -> int:
    """A sequence number or one of the indices -1 and -2, as it stands in a URL or a header.

    :raises MalformedMessage: anything else, among it the spellings that only `int` takes.
    """
    if _SEQ.fullmatch(text) is None or (seq := int(text)) < -2:
        raise MalformedMessage("trickle index", "neither a number from 0 on nor -1 or -2")
    return seq


def encode_event(message: dict[str, Any]) -> bytes:
    """One JSON line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode_events(data: bytes) -> list[dict[str, Any]]:
    """The JSON objects of one segment of a control or events channel: one, or one a line.

    :raises MalformedMessage: more than `MAX_EVENT_BYTES`, or not JSON objects.
    """
    if len(data) > MAX_EVENT_BYTES:
        raise MalformedMessage("trickle message", f"{len(data)} bytes, at most {MAX_EVENT_BYTES}")
    try:
        found = [bounded_json.loads(line) for line in data.decode().splitlines() if line.strip()]
    except (ValueError, RecursionError):
        found = [_whole(data)]
    if not all(isinstance(each, dict) for each in found):
        raise MalformedMessage("trickle message", "not a JSON object")
    return found


def _whole(data: bytes) -> object:
    try:
        return bounded_json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("trickle message", "not JSON") from error
