"""Prices in other currencies, and the price feed that turns them into wei (offchain-payments 7)."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livepeer_client.errors import InvalidInput, PriceUnavailable
from livepeer_client.facts import FeedReading

WEI_PER_ETH: Final = 10**18
READ_EVERY_S: Final = 3600
"""The feed is read on the wall clock's full hour."""
ATTEMPTS: Final = 5
FIRST_RETRY_S: Final = 30
"""Delay after a read that failed, doubled each time."""
MAX_AGE_S: Final = 25 * 3600
"""An hour more than the heartbeat of Chainlink's ETH/USD feed, 24 h."""
HOUR_S: Final = 3600
PIXELS_720P_S: Final = 1280 * 720 * 30
"""Pixels in a second of 720p video at 30 frames per second."""

_ETH: Final = "eth"
_WEI: Final = ("", "wei")
_AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?(?:e-?\d{1,3})?)\s*([a-z]*)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pair:
    """What a feed quotes: the price of one `base` in `quote`."""

    base: str
    quote: str

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}"


@dataclass(frozen=True, slots=True)
class FeedPrice:
    """One reading of a feed: `price` exact, `updated_at` in Unix seconds."""

    pair: Pair
    price: Fraction
    updated_at: int


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money as an operator writes it. No currency is wei."""

    value: Fraction
    currency: str = ""

    @property
    def needs_feed(self) -> bool:
        return self.currency.lower() not in (*_WEI, _ETH)

    @property
    def in_wei(self) -> Fraction:
        """Of what needs no feed. Raises as `to_wei`."""
        return to_wei(self, None)

    def __str__(self) -> str:
        number = f"{float(self.value):.10g}"
        return f"{number} {self.currency}" if self.currency else f"{number} wei"


def parse_amount(text: str) -> Amount:
    """`1200`, `0.003ETH`, `1.5e-7 USD`.

    :raises InvalidInput: no positive decimal with at most a currency behind it.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(f"not an amount of money: {text!r}")
    return Amount(Fraction(match[1]), match[2])


def parse_pair(description: str) -> Pair:
    """The pair in a Chainlink aggregator's `description()`.

    :raises InvalidInput: `aggregator description must be in the format 'FROM / TO'`.
    """
    parts = [part.strip() for part in description.split("/")]
    if len(parts) != 2 or not all(parts):
        raise InvalidInput("aggregator description must be in the format 'FROM / TO'")
    return Pair(*parts)


def feed_price(reading: FeedReading) -> FeedPrice:
    """The price in a feed's answer.

    :raises InvalidInput: a description that is no pair, or decimals beyond any token's.
    """
    if not 0 <= reading.decimals <= 77:
        raise InvalidInput(f"a feed with {reading.decimals} decimals")
    return FeedPrice(
        parse_pair(reading.description), Fraction(reading.answer, 10**reading.decimals), reading.updated_at
    )


def check_fresh(price: FeedPrice, now_s: float, max_age_s: float = MAX_AGE_S) -> FeedPrice:
    """The price, if it can be charged by.

    :raises PriceUnavailable: it is not positive, or was updated too long ago.
    """
    if price.price <= 0:
        raise PriceUnavailable("price feed has no price", pair=str(price.pair), price=price.price)
    age_s = now_s - price.updated_at
    if age_s > max_age_s:
        raise PriceUnavailable("price feed is stale", pair=str(price.pair), age_s=int(age_s), max_age_s=int(max_age_s))
    return price


def wei_per(currency: str, feed: FeedPrice | None) -> Fraction:
    """Wei in one unit of `currency`; upper and lower case are the same.

    :raises InvalidInput: `price feed does not have ETH as a currency (base/quote)`, or not the one asked for.
    :raises PriceUnavailable: a currency other than wei and ETH without a feed.
    """
    asked = currency.lower()
    if asked in _WEI:
        return Fraction(1)
    if asked == _ETH:
        return Fraction(WEI_PER_ETH)
    if feed is None:
        raise PriceUnavailable("no price feed", currency=currency)
    base, quote = feed.pair.base.lower(), feed.pair.quote.lower()
    if _ETH not in (base, quote):
        raise InvalidInput(f"price feed does not have ETH as a currency ({feed.pair})")
    if asked not in (base, quote):
        raise InvalidInput(f"price feed does not have {currency} as a currency ({feed.pair})")
    if feed.price <= 0:
        raise PriceUnavailable("price feed has no price", pair=str(feed.pair), price=feed.price)
    return WEI_PER_ETH / feed.price if base == _ETH else feed.price * WEI_PER_ETH


def to_wei(amount: Amount, feed: FeedPrice | None) -> Fraction:
    """An amount in wei, exact. Raises as `wei_per`."""
    return amount.value * wei_per(amount.currency, feed)


RUNNER_UNITS: Final = {"hour": HOUR_S, "720p": HOUR_S * PIXELS_720P_S, "fixed": 1}
"""What a live runner's price is for, as how many of the units that are paid: seconds, pixels, jobs."""


def runner_price(amount: Amount, unit: str, feed: FeedPrice | None) -> Fraction:
    """A live runner's price in wei per second (`hour`), per pixel (`720p`) or per job (`fixed`), exact.

    :raises InvalidInput: another unit, or a price of nothing. Else as `wei_per`.
    """
    if unit not in RUNNER_UNITS:
        raise InvalidInput(f"a runner's price is per {', '.join(RUNNER_UNITS)}, not {unit!r}")
    price = to_wei(amount, feed) / RUNNER_UNITS[unit]
    if price <= 0:
        raise InvalidInput("a runner's price is positive")
    return price


def next_read_s(now_s: float) -> float:
    """Seconds until the next full hour."""
    return READ_EVERY_S - now_s % READ_EVERY_S


def retry_s(failures: int) -> float | None:
    """Seconds to wait after so many failed reads in a row; None: leave it to the next full hour."""
    if failures >= ATTEMPTS:
        return None
    return float(FIRST_RETRY_S * 2 ** (failures - 1))
