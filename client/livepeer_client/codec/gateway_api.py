"""What a running gateway tells of the orchestrators it knows, as JSON: `GET /orchestrators` of its administration.

    {"orchestrators": [{"address": "0x...", "uri": "https://...", "price": "1/1000", "latency_s": 0.05,
                        "latency_score": 0.4, "trust": 0.0, "trusted": false,
                        "suspended": {"until": 1700000000.0, "left_s": 12.5, "cause": "...", "barred": false},
                        "uses": [{"workload": "transcoding", "name": "movie", "role": "working"}]}]}

What is not known, and the suspension of whoever is not suspended, is null.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any, Final

from livepeer_client.codec import bounded_json
from livepeer_client.codec.address import parse_address
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.types import Address

# Not whatever `Fraction` reads: a few characters of exponent would be gigabytes.
_EXACT: Final = re.compile(r"[0-9]{1,100}(/[0-9]{1,100})?")


class Role(Enum):
    """What an orchestrator is for one stream, model or live session."""

    WORKING = "working"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True)
class Use:
    """One use of an orchestrator.

    `workload`: the name of the workload's table; `name`: of a stream its manifest id, of batch AI
    `pipeline/model`, of a live session its model and the stream id that its owner gave it.
    """

    workload: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Out:
    """A suspension: it ends at `until`, UNIX seconds, which is in `left_s`; `barred`: not even a last resort."""

    until: float
    left_s: float
    cause: str
    barred: bool


@dataclass(frozen=True, slots=True)
class KnownOrchestrator:
    """One orchestrator as a gateway sees it now.

    `price`: its newest, wei per pixel (or unit), exact. `latency_s`: of its newest probe. `latency_score`: the worst of
    what the streams that it works for measured last. None: not known. `trust` in [0, 1]; `trusted`: others' work is
    compared with its. `suspended` None: it is not.
    """

    address: Address
    uri: str
    price: Fraction | None
    latency_s: float | None
    latency_score: float | None
    trust: float
    trusted: bool
    suspended: Out | None
    uses: tuple[Use, ...]


def orchestrators_json(known: Sequence[KnownOrchestrator]) -> dict[str, Any]:
    """What `decode_orchestrators` reads, before it is serialised."""
    return {"orchestrators": [_entry(each) for each in known]}


def _entry(one: KnownOrchestrator) -> dict[str, Any]:
    out = one.suspended
    return {
        "address": f"0x{one.address.hex()}",
        "uri": one.uri,
        "price": None if one.price is None else str(one.price),
        "latency_s": one.latency_s,
        "latency_score": one.latency_score,
        "trust": one.trust,
        "trusted": one.trusted,
        "suspended": None
        if out is None
        else {"until": out.until, "left_s": out.left_s, "cause": out.cause, "barred": out.barred},
        "uses": [{"workload": use.workload, "name": use.name, "role": use.role.value} for use in one.uses],
    }


def decode_orchestrators(body: bytes) -> tuple[KnownOrchestrator, ...]:
    """:raises MalformedMessage: anything else than what `orchestrators_json` makes."""
    try:
        found = bounded_json.loads(body)
        return tuple(_known(each) for each in found["orchestrators"])
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError, OverflowError, InvalidInput) as error:
        raise MalformedMessage("orchestrators of a gateway", f"{type(error).__name__}: {error}") from error


def _known(entry: dict[str, Any]) -> KnownOrchestrator:
    price, out = entry["price"], entry["suspended"]
    return KnownOrchestrator(
        address=parse_address(entry["address"]),
        uri=_text(entry["uri"]),
        price=None if price is None else _exact(_text(price)),
        latency_s=_number_or_none(entry["latency_s"]),
        latency_score=_number_or_none(entry["latency_score"]),
        trust=_number(entry["trust"]),
        trusted=_flag(entry["trusted"]),
        suspended=None
        if out is None
        else Out(_number(out["until"]), _number(out["left_s"]), _text(out["cause"]), _flag(out["barred"])),
        uses=tuple(Use(_text(use["workload"]), _text(use["name"]), Role(use["role"])) for use in entry["uses"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is expected, not {json.dumps(value)}")
    return value


def _exact(text: str) -> Fraction:
    if _EXACT.fullmatch(text) is None:
        raise ValueError("a fraction is expected")
    return Fraction(text)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false is expected, not {json.dumps(value)}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number is expected, not {json.dumps(value)}")
    return float(value)


def _number_or_none(value: object) -> float | None:
    return None if value is None else _number(value)
