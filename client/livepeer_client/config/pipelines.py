"""`[[pipelines]]` of an orchestrator's file: what it sells besides transcoding."""

from fractions import Fraction
from typing import Final

from livepeer_client.codec.capability import Capability
from livepeer_client.config.prices import read_price, read_sender_prices
from livepeer_client.config.tables import Document, Table
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.pipelines import Pipeline, PipelineTable, Unit, capability_of
from livepeer_client.policy.price_book import Asked, without_feed
from livepeer_client.policy.price_list import Tariff

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
    asked = _free(table) if free else _asked(table)
    words = [unit.value for unit in Unit]
    unit = table.text("unit", Unit.UNITS.value)
    if unit not in words:
        raise table.refuse("unit", "one of " + ", ".join(words), unit)
    model, warm = table.text("model"), table.flag("warm", False)
    capacity = table.integer("capacity", 1, high=MAX_CAPACITY)
    version = table.text("runner_version", "-")
    table.finish()
    try:
        # What depends on a rate has no price in wei before there is one.
        tariff = Tariff() if asked.needs_feed else asked.tariff(without_feed)
        return Pipeline(
            number,
            name,
            model,
            tariff,
            Unit(unit),
            warm,
            capacity,
            "" if version == "-" else version,
            asked if asked.needs_feed else None,
        )
    except InvalidInput as error:
        raise table.refuse("price_per_unit", "an exact price", error) from None


def _asked(table: Table) -> Asked:
    per = table.integer("pixels_per_unit", 1, low=1)
    return Asked(read_price(table, "price_per_unit", per), read_sender_prices(table, per))


def _free(table: Table) -> Asked:
    for key in ("price_per_unit", "pixels_per_unit", "sender_prices"):
        if table.has(key):
            raise table.refuse(key, "nothing, as offchain = true", "a value")
    return Asked(Fraction(0))
