"""JSON lists of orchestrators, as discovery webhooks and signers give them (offchain-network 1.1, 1.5), and scores of
performance (1.6)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from livepeer_client.codec import bounded_json
from livepeer_client.codec.address import parse_address
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.types import Address

MAX_LISTED: Final = 10_000
"""Longer lists are somebody's mistake or attack."""
_PRICE_KEYS: Final = ("pricePerUnit", "pixelsPerUnit")


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry: where it is and, in [0, 1], how far whoever listed it vouches for it. `apps`: `pipeline/model`."""

    uri: str
    score: float = 0.0
    apps: tuple[str, ...] = ()


def decode_list(data: bytes) -> tuple[Listed, ...]:
    """A list of `{"address", "score", "capabilities"}`; entries without a usable address are left out.

    An address without a scheme is taken for https. Scores outside [0, 1] are cut to it; one that is no number is 0.

    :raises MalformedMessage: no JSON list, or one too long.
    """
    found = _loaded(data, "list of orchestrators")
    if not isinstance(found, list) or len(found) > MAX_LISTED:
        raise MalformedMessage("list of orchestrators", f"expected a JSON list of at most {MAX_LISTED} entries")
    entries = []
    for each in found:
        address = each.get("address") if isinstance(each, dict) else None
        if isinstance(address, str) and address.strip():
            apps = each.get("capabilities")
            names = tuple(app for app in apps if isinstance(app, str)) if isinstance(apps, list) else ()
            entries.append(Listed(with_scheme(address.strip()), _score(each.get("score")), names))
    return tuple(entries)


def with_scheme(address: str) -> str:
    """A service URI as lists may give it, without a slash at its end."""
    return (address if "://" in address else f"https://{address}").rstrip("/")


def encode_list(entries: Sequence[Mapping[str, object]]) -> bytes:
    return json.dumps(list(entries)).encode()


def decode_performance(data: bytes, region: str) -> dict[Address, float]:
    """Scores of one region out of `{"0xaddr": {"FRA": {"score": 0.97}}}`; what has none there is left out.

    :raises MalformedMessage: no JSON object.
    """
    found = _loaded(data, "performance scores")
    if not isinstance(found, dict):
        raise MalformedMessage("performance scores", "expected a JSON object")
    scores = {}
    for text, regions in found.items():
        entry = regions.get(region) if isinstance(regions, dict) else None
        score = entry.get("score") if isinstance(entry, dict) else None
        if isinstance(score, int | float) and not isinstance(score, bool):
            try:
                scores[parse_address(text)] = _score(score)
            except InvalidInput:
                continue
    return scores


def encode_price_question(sender: Address) -> bytes:
    """What a discovery webhook is asked before terms are given (offchain-network 1.4)."""
    return json.dumps({"id": f"0x{sender.hex()}"}).encode()


def decode_price_answer(data: bytes) -> tuple[int, int] | None:
    """`{"priceInfo": {"pricePerUnit", "pixelsPerUnit"}}`: wei and units, None where it overrides nothing.

    :raises MalformedMessage: neither empty nor such an object, or a price that makes no sense.
    """
    if not data.strip():
        return None
    found = _loaded(data, "webhook's answer")
    price = found.get("priceInfo") if isinstance(found, dict) else None
    if price is None:
        return None
    wei, units = (_int64(price.get(key)) if isinstance(price, dict) else None for key in _PRICE_KEYS)
    if wei is None or not units:
        raise MalformedMessage("webhook's answer", "priceInfo is no price")
    return wei, units


def _int64(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _score(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
        return 0.0
    return min(1.0, max(0.0, float(value)))


def _loaded(data: bytes, what: str) -> Any:
    try:
        return bounded_json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(what, "no JSON") from error
