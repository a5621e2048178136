"""`[[pipelines]]` of an orchestrator's file: what it sells besides transcoding."""

from fractions import Fraction
from typing import Final

from livepeer_client.codec.address import parse_address
from livepeer_client.codec.capability import Capability
from livepeer_client.config.tables import INT64_MAX, Document, Table
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.pipelines import Pipeline, PipelineTable, Unit, capability_of
from livepeer_client.policy.price_list import Tariff
from livepeer_client.types import Address

MAX_CAPACITY: Final = 100_000
_HIGHEST_ID: Final = 1023


def read_pipelines(document: Document, *, free: bool = False) -> PipelineTable:
    """Read all `[[pipelines]]`; none is no error.

    :param free: they cost nothing, and prices are refused.
    :raises ConfigError: naming entry, key and what was expected.
    """
    entries = []
    for table in document.tables("pipelines"):
        entries.append(_pipeline(table, free=free))
        try:
            PipelineTable(entries)
        except InvalidInput as error:
            raise table.refuse("model", f"another entry: {error}", entries[-1].app) from None
    return PipelineTable(entries)


def _pipeline(table: Table, *, free: bool) -> Pipeline:
    name = table.text("pipeline")
    known = capability_of(name)
    if known is None:
        number = table.integer("capability", low=Capability.TEXT_TO_IMAGE, high=_HIGHEST_ID)
        if number in list(Capability):
            raise table.refuse("capability", "an id that the network has not named otherwise", number)
    else:
        number = table.integer("capability", known, low=known, high=known)
    tariff = _free(table) if free else _tariff(table)
    words = [unit.value for unit in Unit]
    unit = table.text("unit", Unit.UNITS.value)
    if unit not in words:
        raise table.refuse("unit", "one of " + ", ".join(words), unit)
    model, warm = table.text("model"), table.flag("warm", False)
    capacity = table.integer("capacity", 1, high=MAX_CAPACITY)
    version = table.text("runner_version", "-")
    table.finish()
    try:
        return Pipeline(number, name, model, tariff, Unit(unit), warm, capacity, "" if version == "-" else version)
    except InvalidInput as error:
        raise table.refuse("price_per_unit", "an exact price", error) from None


def _tariff(table: Table) -> Tariff:
    per = table.integer("pixels_per_unit", 1, low=1)
    return Tariff(Fraction(table.integer("price_per_unit"), per), read_sender_prices(table, per))


def _free(table: Table) -> Tariff:
    for key in ("price_per_unit", "pixels_per_unit", "sender_prices"):
        if table.has(key):
            raise table.refuse(key, "nothing, as offchain = true", "a value")
    return Tariff(Fraction(0))


def read_sender_prices(table: Table, per: int, key: str = "sender_prices") -> dict[Address, Fraction]:
    """`{ "0x…" = wei }`: prices for single senders, for as many units as the price beside them."""

    def good(value: object) -> bool:
        return isinstance(value, dict) and all(
            isinstance(wei, int) and not isinstance(wei, bool) and 0 <= wei <= INT64_MAX for wei in value.values()
        )

    found = table.take(key, "a table of addresses with wei", good, {})
    prices = {}
    for text, wei in found.items():
        try:
            prices[parse_address(text)] = Fraction(wei, per)
        except InvalidInput:
            raise table.refuse(key, "addresses with wei", text) from None
    return prices
