"""JSON of live runners: what they report, what buyers find (offchain-network 4.11)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from livepeer_client.codec import bounded_json
from livepeer_client.errors import MalformedMessage

MAX_METADATA_BYTES: Final = 1024
MAX_TEXT_CHARS: Final = 256
MAX_URL_CHARS: Final = 2048
MAX_RUNNER_CAPACITY: Final = 1000
MODES: Final = ("persistent", "single-shot")
PIXEL_UNIT: Final = "720p-pixel-seconds"
LISTED_UNITS: Final = ("seconds", PIXEL_UNIT, "fixed")
MAX_LISTED: Final = 1000
_DIGITS: Final = 40
_ID_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_MAX_ID_CHARS: Final = 64
_MAX_CHANNEL_CHARS: Final = 63
MAX_SESSION_CHANNELS: Final = 25


@dataclass(frozen=True, slots=True)
class RunnerReport:
    """What a runner says of itself with each heartbeat. `price` in `currency` per `unit` (`hour`, `720p`, `fixed`)."""

    runner_id: str
    url: str
    app: str
    mode: str
    capacity: int
    price: Fraction
    currency: str
    unit: str
    label: str = ""
    version: str = ""
    metadata: str = ""
    status: str = ""
    gpu: Mapping[str, object] | None = None

    @property
    def is_single_shot(self) -> bool:
        """One request is one job; else a session is reserved first."""
        return self.mode == "single-shot"

    @property
    def is_ready(self) -> bool:
        """It takes new sessions."""
        return self.status in ("", "ready")


@dataclass(frozen=True, slots=True)
class ListedRunner:
    """One that an orchestrator lists: its price in wei per `unit`, and everything as it was said."""

    url: str
    app: str
    price: Fraction
    unit: str
    said: Mapping[str, object]


def decode_heartbeat(data: bytes) -> RunnerReport:
    """:raises MalformedMessage: no JSON object, or a field that is missing, too long or out of range."""
    return report_of(_object(data))


def report_of(found: Mapping[str, Any]) -> RunnerReport:
    """A runner's fields, wherever they come from. Raises as `decode_heartbeat`."""
    price = found.get("price_info")
    if not isinstance(price, dict):
        _refuse("missing price_info")
    runner_id = _text(found, "runner_id")
    if runner_id and not is_runner_id(runner_id):
        _refuse("runner_id")
    mode = (_text(found, "mode") or MODES[0]).replace("_", "-")
    if mode not in MODES:
        _refuse(f"mode must be one of {', '.join(MODES)}")
    app = _text(found, "app")
    if not app:
        _refuse("missing app")
    return RunnerReport(
        runner_id=runner_id,
        url=_url(found),
        app=app,
        mode=mode,
        capacity=_whole(found, "capacity", MAX_RUNNER_CAPACITY) or 1,
        price=_price(price.get("price", 0)),
        currency=(_text(price, "currency") or "usd").lower(),
        unit=(_text(price, "unit") or "hour").lower(),
        label=_text(found, "label"),
        version=_text(found, "version"),
        metadata=_metadata(found),
        status=_text(found, "status"),
        gpu=_gpu(found.get("gpu")),
    )


def is_runner_id(text: str) -> bool:
    """Whether a runner can be called so in URLs."""
    return 0 < len(text) <= _MAX_ID_CHARS and _ID_CHARS.issuperset(text)


def decode_proxy(data: bytes) -> str:
    """The `target_url` of a proxy that a runner asks for; empty for its own app.

    :raises MalformedMessage: no JSON object, or no string of at most 2,048 characters.
    """
    return _text(_object(data), "target_url", MAX_URL_CHARS) if data.strip() else ""


def decode_channels(data: bytes) -> tuple[tuple[str, str], ...]:
    """(name, MIME type) of the channels that a runner asks for: `{"channels": [{"name", "mime_type"}]}`.

    :raises MalformedMessage: none, too many, or a name of other characters than `A-Za-z0-9_-`.
    """
    found = []
    for each in _asked(data):
        if not isinstance(each, dict):
            _refuse("channels must be objects")
        found.append((_channel(_text(each, "name")), _text(each, "mime_type") or "application/octet-stream"))
    return tuple(found)


def decode_channel_names(data: bytes) -> tuple[str, ...]:
    """Names of channels to be closed: `{"channels": ["name"]}`.

    :raises MalformedMessage: as `decode_channels`.
    """
    return tuple(_channel(each if isinstance(each, str) else "") for each in _asked(data))


def _asked(data: bytes) -> list[Any]:
    found = _list(_object(data), "channels")
    if not 0 < len(found) <= MAX_SESSION_CHANNELS:
        _refuse(f"channels must be a list of 1 to {MAX_SESSION_CHANNELS}")
    return found


def _channel(name: str) -> str:
    if not 0 < len(name) <= _MAX_CHANNEL_CHARS or not _ID_CHARS.issuperset(name):
        _refuse(f"a channel's name has 1 to {_MAX_CHANNEL_CHARS} letters, digits, _ and -")
    return name


def encode_discovery(address: str, runners: list[dict[str, object]]) -> bytes:
    return json.dumps([{"address": address, "runners": runners}]).encode()


def decode_discovery(data: bytes) -> tuple[ListedRunner, ...]:
    """What an orchestrator lists, as far as it can be passed on: a runner needs `url`, `app`, metadata within its bound
    and a price in wei above 0, in a unit that is known. The first of two with one URL counts.

    :raises MalformedMessage: no JSON list.
    """
    try:
        found = bounded_json.loads(data)
    except ValueError as error:
        raise MalformedMessage("list of runners", "not JSON") from error
    if not isinstance(found, list):
        raise MalformedMessage("list of runners", "not a JSON list")
    listed: dict[str, ListedRunner] = {}
    for entry in found:
        for each in _list(entry, "runners"):
            runner = _listed(each)
            if runner is not None and len(listed) < MAX_LISTED:
                listed.setdefault(runner.url, runner)
    return tuple(listed.values())


def _list(value: object, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _listed(value: object) -> ListedRunner | None:
    price = value.get("price_info") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(price, dict):
        return None
    try:
        url, app = _text(value, "url", MAX_URL_CHARS), _text(value, "app")
        _metadata(value)
        wei = _price(price.get("price"))
    except MalformedMessage:
        return None
    unit = price.get("unit")
    if not url or not app or wei <= 0 or price.get("currency") != "wei" or unit not in LISTED_UNITS:
        return None
    return ListedRunner(url, app, wei, unit, value)


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = bounded_json.loads(data)
    except ValueError as error:
        raise MalformedMessage("runner heartbeat", "not JSON") from error
    if not isinstance(found, dict):
        _refuse("not a JSON object")
    return found


def _text(found: Mapping[str, Any], key: str, limit: int = MAX_TEXT_CHARS) -> str:
    value = found.get(key, "")
    if not isinstance(value, str) or len(value) > limit:
        _refuse(f"{key} must be a string of at most {limit} characters")
    return value.strip()


def _metadata(found: Mapping[str, Any]) -> str:
    value = found.get("metadata", "")
    try:
        size = len(value.encode()) if isinstance(value, str) else MAX_METADATA_BYTES + 1
    except UnicodeEncodeError:
        size = MAX_METADATA_BYTES + 1
    if size > MAX_METADATA_BYTES:
        _refuse(f"metadata must be at most {MAX_METADATA_BYTES} bytes of UTF-8")
    return str(value)


def _url(found: Mapping[str, Any]) -> str:
    text = _text(found, "runner_url", MAX_URL_CHARS).rstrip("/")
    if not is_http_url(text) or {"?", "#"} & set(text):
        _refuse("runner_url must be an http(s) URL")
    return text


def is_http_url(text: str) -> bool:
    """Whether requests can be sent to it."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _whole(found: Mapping[str, Any], key: str, limit: int) -> int:
    value = found.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= limit:
        _refuse(f"{key} must be an integer of at most {limit}")
    return value


def _price(value: object) -> Fraction:
    text = str(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else ""
    try:
        number = Decimal(text) if len(text) <= _DIGITS else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    # A short text can stand for a number of a billion digits.
    if not number.is_finite() or number < 0 or abs(number.adjusted()) > _DIGITS:
        _refuse("price must be a decimal number that is not negative")
    return Fraction(number)


def _gpu(value: object) -> dict[str, object] | None:
    if not isinstance(value, dict):
        return None
    found: dict[str, object] = {key: _text(value, key) for key in ("id", "name") if value.get(key)}
    if value.get("vram_mb"):
        found["vram_mb"] = _whole(value, "vram_mb", 2**31)
    return found


def _refuse(detail: str) -> NoReturn:
    raise MalformedMessage("runner heartbeat", detail)
