"""JSON of live runners that an operator lists in a file (offchain-network 4.11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from livepeer_client.codec import bounded_json, runner_api
from livepeer_client.codec.runner_api import RunnerReport
from livepeer_client.errors import MalformedMessage

MAX_FILE_BYTES: Final = 1 << 20
MAX_ENTRIES: Final = 256
_HEALTHY: Final = 200
_STATUSES: Final = range(100, 600)
_ROUTING: Final = ("runner-id", "label")
_FIELDS: Final = frozenset(
    {
        *("label", "routing", "runner_url", "health_url", "healthy_status_code", "app", "version", "metadata"),
        *("mode", "capacity", "gpu", "price_info"),
    }
)


@dataclass(frozen=True, slots=True)
class StaticRunner:
    """A runner that does not report: it is there while `health_url` answers with `healthy_status`.

    `label` names it in the file; with `by_label` also in the URLs that buyers are given.
    """

    label: str
    by_label: bool
    health_url: str
    healthy_status: int
    report: RunnerReport


def decode_runner_file(data: bytes) -> tuple[StaticRunner, ...]:
    """`{"runners": [...]}`.

    :raises MalformedMessage: no such JSON, more than `MAX_ENTRIES`, two with one label, or a field that is unknown,
        missing or out of range; it names the runner and the field.
    """
    try:
        found = bounded_json.loads(data)
    except ValueError as error:
        raise MalformedMessage("file of runners", f"not JSON: {error}") from error
    listed = found.get("runners") if isinstance(found, dict) else None
    if not isinstance(listed, list) or set(found) != {"runners"}:
        _refuse('must be {"runners": [...]}')
    if len(listed) > MAX_ENTRIES:
        _refuse(f"{len(listed)} runners, at most {MAX_ENTRIES}")
    entries: dict[str, StaticRunner] = {}
    for number, each in enumerate(listed):
        entry = _entry(number, each)
        if entry.label in entries:
            _refuse(f"two runners with the label {entry.label!r}")
        entries[entry.label] = entry
    return tuple(entries.values())


def _entry(number: int, value: object) -> StaticRunner:
    if not isinstance(value, dict):
        _refuse(f"runner {number} is not an object")
    label = value.get("label")
    where = f"runner {label!r:.80}" if isinstance(label, str) and label else f"runner {number}"
    try:
        return _read(value)
    except MalformedMessage as error:
        raise MalformedMessage("file of runners", f"{where}: {error.detail}") from error


def _read(value: dict[str, Any]) -> StaticRunner:
    if unknown := sorted(set(value) - _FIELDS):
        _refuse(f"unknown field {unknown[0]!r:.80}")
    label = value.get("label")
    if not isinstance(label, str) or not label or label.strip() != label or len(label) > runner_api.MAX_TEXT_CHARS:
        _refuse("label must be a string without spaces around it")
    routing = value.get("routing", _ROUTING[0])
    if routing not in _ROUTING:
        _refuse(f"routing must be one of {', '.join(_ROUTING)}")
    by_label = routing == "label"
    if by_label and not runner_api.is_runner_id(label):
        _refuse("a label that routes has at most 64 letters, digits, _ and -")
    report = runner_api.report_of(_as_reported(value))
    status = value.get("healthy_status_code", _HEALTHY)
    if not isinstance(status, int) or isinstance(status, bool) or status not in _STATUSES:
        _refuse("healthy_status_code must be 100 to 599")
    return StaticRunner(label, by_label, _health_url(value, report.url), status, report)


def _as_reported(value: Mapping[str, Any]) -> dict[str, Any]:
    gpu = value.get("gpu")
    if isinstance(gpu, int) and not isinstance(gpu, bool):
        # The number of a device of this machine.
        return {**value, "gpu": {"id": str(gpu)}}
    if gpu is not None and not isinstance(gpu, dict):
        _refuse("gpu must be an object or a number")
    return dict(value)


def _health_url(value: Mapping[str, Any], runner_url: str) -> str:
    url = value.get("health_url")
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        _refuse("health_url must be an http(s) URL or a path that begins with /")
    if url.startswith("/") and not url.startswith("//"):
        parts = urlsplit(runner_url)
        url = f"{parts.scheme}://{parts.netloc}{url}"
    if not runner_api.is_http_url(url):
        _refuse("health_url must be an http(s) URL or a path that begins with /")
    return url


def _refuse(detail: str) -> NoReturn:
    raise MalformedMessage("file of runners", detail)
