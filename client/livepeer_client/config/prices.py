"""Prices in an operator's file, and `[price_feed]`, which makes wei of those in another currency."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from livepeer_client.codec.address import parse_address
from livepeer_client.codec.capability import Capability
from livepeer_client.config.tables import INT64_MAX, Document, Table
from livepeer_client.errors import ConfigError, InvalidInput
from livepeer_client.policy.fiat import MAX_AGE_S, Amount, parse_amount
from livepeer_client.policy.pipelines import capability_of
from livepeer_client.policy.price_book import Money, per_unit
from livepeer_client.policy.price_list import DEFAULT_MODEL, Model
from livepeer_client.types import Address

_LEAST_AGE_S: Final = 60
_MOST_AGE_S: Final = 30 * 86_400
_EXPECTED: Final = f'an integer in [0, {INT64_MAX}] of wei, or an amount such as "0.3e-6 USD"'


@dataclass(frozen=True, slots=True)
class PriceFeedConfig:
    """A Chainlink aggregator. What it said last is charged by for `max_age_s` after it was updated there."""

    address: Address
    max_age_s: int = MAX_AGE_S


def read_price_feed(document: Document) -> PriceFeedConfig | None:
    """None where there is none.

    :raises ConfigError: naming file, key and what was expected.
    """
    table = document.table("price_feed", required=False)
    if not table.has("address"):
        table.know(("address", "max_age_s"))
        table.finish()
        return None
    address = table.address("address")
    config = PriceFeedConfig(address, table.integer("max_age_s", MAX_AGE_S, low=_LEAST_AGE_S, high=_MOST_AGE_S))
    table.finish()
    return config


def read_amount(table: Table, key: str) -> int | Amount:
    """Whole wei, or an amount in a currency.

    :raises ConfigError: neither, or more than an int64 of wei.
    """
    value = table.take(key, _EXPECTED, _is_amount, read=_given)
    return parse_amount(value) if isinstance(value, str) else int(value)


def read_price(table: Table, key: str, per: int) -> Money:
    """The price of one, where `per` cost what the key says. Raises as `read_amount`."""
    return price_of(read_amount(table, key), per)


def price_of(value: int | Amount, per: int) -> Money:
    """The price of one, where `per` cost `value`; whole numbers are wei."""
    return Fraction(value, per) if isinstance(value, int) else per_unit(value, per)


def read_sender_prices(table: Table, per: int, key: str = "sender_prices") -> dict[Address, Money]:
    """`{ "0x…" = wei }`, or amounts: prices for single senders, for as many units as the price beside them."""

    def good(value: object) -> bool:
        return isinstance(value, Mapping) and all(_is_amount(each) for each in value.values())

    prices = {}
    for text, value in table.take(key, "a table of addresses with wei, or with amounts", good, {}).items():
        try:
            prices[parse_address(text)] = price_of(parse_amount(value) if isinstance(value, str) else value, per)
        except InvalidInput:
            raise table.refuse(key, "addresses with wei", text) from None
    return prices


def read_ceilings(document: Document) -> dict[Model, Money]:
    """All `[[ceilings]]` of a gateway's file: the most that is paid for a unit of single models.

    :raises ConfigError: naming entry, key and what was expected.
    """
    found: dict[Model, Money] = {}
    for table in document.tables("ceilings"):
        name = table.text("pipeline")
        known = capability_of(name)
        if known is None:
            known = table.integer("capability", low=Capability.TEXT_TO_IMAGE, high=1023)
        table.know(("capability",))
        model = known, table.text("model", DEFAULT_MODEL)
        if model in found:
            raise table.refuse("model", "another entry", model[1])
        per = table.integer("pixels_per_unit", 1, low=1)
        found[model] = price_of(read_amount(table, "max_price_per_unit"), per)
        table.finish()
    return found


def check_feed(file: object, feed: PriceFeedConfig | None, *, needs_feed: bool) -> None:
    """:raises ConfigError: there is a price that nothing makes wei of."""
    if needs_feed and feed is None:
        raise ConfigError(f"{file}: a price in another currency needs [price_feed] address")


def _is_amount(value: Any) -> bool:
    if isinstance(value, str):
        try:
            return parse_amount(value).value <= INT64_MAX
        except InvalidInput:
            return False
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= INT64_MAX


def _given(text: str) -> int | str:
    return int(text) if text.strip().lstrip("-").isdecimal() else str(text)
