"""The result of a call, or of what it would be, as JSON and as text."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from livepeer_client.cli.output import Output, eth, hexed, lpt, plain, ppm
from livepeer_client.services.calls import Result

# By the names of outcomes' fields: what is money. The rest are rounds, ids, blocks and shares.
ETH_FIELDS: Final = frozenset({"deposit", "reserve", "fees"})
LPT_FIELDS: Final = frozenset({"added", "bonded", "rewards", "weight", "approved"})
PPM_FIELDS: Final = frozenset({"reward_cut", "fee_share"})
PLAIN_FIELDS: Final = frozenset(
    {
        *("start_round", "end_round", "withdraw_round", "lock_id", "round", "snapshot", "deadline", "eta", "choice"),
        "end_block",
    }
)
ID_FIELDS: Final = frozenset({"proposal_id", "id"})
"""Numbers of 256 bits, as strings like amounts."""
LABELS: Final = {"joined": "new place in the pool"}
"""Names for people where the field's own needs its documentation."""
TOLD: Final = {
    "joined": {
        True: "yes, from the next round on",
        False: "no: it has one, or its stake does not suffice for one",
    }
}
AMOUNT_IS_ETH: Final = frozenset({"FeesWithdrawn"})
"""Outcomes whose `amount` is ETH; elsewhere it is LPT."""
STRINGS: Final = ETH_FIELDS | LPT_FIELDS | ID_FIELDS | {"amount"}


def as_data(result: Result[Any]) -> dict[str, object]:
    """The JSON object of one call."""
    receipt = result.receipt
    return {
        "dry_run": result.dry_run,
        "outcome": plain(result.outcome, STRINGS),
        "gas": result.gas,
        "cost": str(result.cost),
        "tx_hash": None if receipt is None else hexed(receipt.tx_hash),
        "block": None if receipt is None else int(receipt.block),
    }


def as_lines(result: Result[Any]) -> list[tuple[str, str]]:
    """The same for people."""
    outcome, lines = result.outcome, []
    if outcome is None:
        lines.append(("outcome", "the node does not tell what the call would do, but that it would succeed"))
    else:
        for field in fields(outcome):
            value = getattr(outcome, field.name)
            label = LABELS.get(field.name, field.name.replace("_", " "))
            lines.append((label, _text(type(outcome).__name__, field.name, value)))
    lines.append(("gas", f"{result.gas} for {eth(result.cost)}"))
    if result.receipt is None:
        lines.append(("sent", "nothing: a dry run"))
    else:
        lines.append(("sent", f"{hexed(result.receipt.tx_hash)} in block {result.receipt.block}"))
    return lines


def _text(outcome: str, name: str, value: object) -> str:
    if isinstance(value, bytes):
        return hexed(value)
    if isinstance(value, bool):
        return TOLD.get(name, {True: "yes", False: "no"})[value]
    if isinstance(value, int):
        if name in ETH_FIELDS or (name == "amount" and outcome in AMOUNT_IS_ETH):
            return eth(value)
        if name in LPT_FIELDS or name == "amount":
            return lpt(value)
        if name in PPM_FIELDS:
            return ppm(value)
    return str(plain(value))


def show(out: Output, result: Result[Any] | None, before: Mapping[str, Result[Any]]) -> None:
    """Print a call, and those that have to go before it. None for one that cannot be tried before they were made."""
    if result is None:
        data: dict[str, object] = dict.fromkeys(("outcome", "gas", "cost", "tx_hash", "block"))
        data["dry_run"] = True
        lines = [("outcome", f"cannot be tried before: {', '.join(before)}"), ("sent", "nothing: a dry run")]
    else:
        data, lines = as_data(result), as_lines(result)
    data["before"] = {name: as_data(each) for name, each in before.items()}
    lines = [(f"{name}: {key}", text) for name, each in before.items() for key, text in as_lines(each)] + lines
    out.show(data, lines=lines)
