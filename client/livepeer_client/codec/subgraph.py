"""Queries to the network's subgraph and what they answer (offchain-network 1.1): GraphQL over one POST each."""

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from livepeer_client.codec import bounded_json
from livepeer_client.codec.address import parse_address
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.types import Address, Round

PAGE: Final = 1000
"""The most that a subgraph gives at once; without asking it is 100."""
MAX_PAGES: Final = 10
LPT_DECIMALS: Final = 18
_MAX_DIGITS: Final = 60

_ROUND: Final = '{ protocol(id: "0") { lastInitializedRound { id } } }'
_PAGE: Final = (
    "query ($next: String!, $round: String!, $after: String!, $first: Int!) { transcoders("
    "first: $first, orderBy: id, where: { activationRound_lte: $next, deactivationRound_gt: $round, id_gt: $after }"
    ") { id serviceURI activationRound deactivationRound totalStake } }"
)


@dataclass(frozen=True, slots=True)
class SubgraphOrchestrator:
    """One row. `stake` in LPT wei. A subgraph is somebody's word: nothing in it is proven."""

    address: Address
    service_uri: str
    stake: int
    activation_round: Round
    deactivation_round: Round


def round_query() -> bytes:
    return json.dumps({"query": _ROUND}).encode()


def page_query(round_: Round, after: str) -> bytes:
    """Those active in `round_` or the next, by rising id from above `after`; the first page is after the empty id."""
    variables = {"next": str(round_ + 1), "round": str(round_), "after": after, "first": PAGE}
    return json.dumps({"query": _PAGE, "variables": variables}).encode()


def decode_round(data: bytes) -> Round:
    """:raises MalformedMessage: no such answer, or the subgraph's own errors."""
    protocol = _data(data).get("protocol")
    last = protocol.get("lastInitializedRound") if isinstance(protocol, dict) else None
    number = _natural(last.get("id")) if isinstance(last, dict) else None
    if number is None:
        raise MalformedMessage("subgraph", "no round")
    return Round(number)


def decode_page(data: bytes) -> tuple[tuple[SubgraphOrchestrator, ...], str | None]:
    """The rows of a page, unreadable ones left out, and what to ask the next page with, None after the last.

    :raises MalformedMessage: no such answer, or the subgraph's own errors.
    """
    rows = _data(data).get("transcoders")
    if not isinstance(rows, list) or len(rows) > PAGE:
        raise MalformedMessage("subgraph", "no list of transcoders")
    found = tuple(row for each in rows if (row := _row(each)) is not None)
    last = rows[-1].get("id") if rows and isinstance(rows[-1], dict) else None
    return found, last if len(rows) == PAGE and isinstance(last, str) else None


def _row(value: Any) -> SubgraphOrchestrator | None:
    if not isinstance(value, dict):
        return None
    activation, deactivation = _natural(value.get("activationRound")), _natural(value.get("deactivationRound"))
    stake, uri = _wei(value.get("totalStake")), value.get("serviceURI")
    if activation is None or deactivation is None or stake is None:
        return None
    try:
        address = parse_address(value.get("id") or "")
    except (InvalidInput, AttributeError, TypeError):
        return None
    return SubgraphOrchestrator(
        address, uri if isinstance(uri, str) else "", stake, Round(activation), Round(deactivation)
    )


def _natural(value: object) -> int | None:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS * 2 else None


def _wei(value: object) -> int | None:
    """LPT as a decimal number to wei."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    digits = text.replace(".", "", 1)
    if not (digits.isascii() and digits.isdecimal()) or len(text) > _MAX_DIGITS:
        return None
    return int(Fraction(text) * 10**LPT_DECIMALS)


def _data(data: bytes) -> dict[str, Any]:
    try:
        answer = bounded_json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("subgraph", "no JSON") from error
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if isinstance(errors, list) and errors:
        first = errors[0].get("message") if isinstance(errors[0], dict) else errors[0]
        raise MalformedMessage("subgraph", str(first)[:200])
    found = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise MalformedMessage("subgraph", "no data")
    return found
