"""Prices and fees: exact fractions of a wei per pixel, and the wire's int64 pairs (offchain-payments 7 and 8)."""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor
from typing import Final

from livepeer_client.codec.messages import PriceInfo, VideoProfile
from livepeer_client.errors import InvalidInput, ParamsRejected, PriceRaised

_MAX_INT64: Final = 2**63 - 1
_OVERHEAD_DECIMALS: Final = 1000
MAX_PRICE_RISE: Final = 2
"""A session is dropped when its price exceeds this multiple of its first one."""
PREPAID_MARGIN: Final = Fraction(2296835809958953, 2251799813685248)
"""What a gateway pays ahead of an estimate: the double nearest to 1.02, exactly."""
MAX_DENOMINATOR: Final = 10_000
DECIMALS: Final = 10**18
PASSTHROUGH_FPS: Final = 60
"""Frame rate assumed where a profile keeps the source's."""


def is_countable(price: Fraction) -> bool:
    """Whether amounts at this price can be added up: a small denominator, or a decimal fraction of 18 places.

    Fees are summed exactly, and a sum's denominator is the least common multiple of all that ever went into it. A
    peer free to choose would name another prime each time, and make the sums as large as it likes; of these
    denominators even all together have one of 15,000 bits.
    """
    return price.denominator <= MAX_DENOMINATOR or DECIMALS % price.denominator == 0


def as_decimal(price: Fraction) -> Fraction:
    """The price if it is countable, else rounded down to 18 decimals, and up to the least of them if that is nothing.

    What comes from an exchange rate has any denominator, and no gateway would accept it.
    """
    if is_countable(price):
        return price
    return Fraction(floor(price * DECIMALS) or (1 if price > 0 else 0), DECIMALS)


def shown(amount: Fraction) -> str:
    """An amount or price for people: 3,630,377,272 or 0.0012. Not exact below a thousandth part."""
    if amount.denominator == 1 or abs(amount) >= 1000:
        return f"{floor(amount):,}"
    return f"{float(amount):.4g}"


def price_to_info(price: Fraction) -> PriceInfo:
    """The int64 pair of a price: exact if it fits, else rounded down to as many decimals as do.

    `pixelsPerUnit` is then the largest power of ten that leaves both in their width. A price above 0 never becomes 0:
    one below 10**-18 wei is rounded up to that.

    :raises InvalidInput: even the whole wei exceed an int64.
    """
    if abs(price.numerator) <= _MAX_INT64 and price.denominator <= _MAX_INT64:
        return PriceInfo(price.numerator, price.denominator)
    scale = DECIMALS
    while abs(floor(price * scale)) > _MAX_INT64:
        scale //= 10
        if not scale:
            raise InvalidInput(f"price cannot be converted to int64: {price}")
    scaled = Fraction(floor(price * scale) or (1 if price > 0 else 0), scale)
    return PriceInfo(scaled.numerator, scaled.denominator)


def thousandths(price: Fraction) -> int:
    """A price in thousandths of a wei, rounded down: the precision of a price that covers redemption."""
    return floor(price * _OVERHEAD_DECIMALS)


def info_to_price(info: PriceInfo | None) -> Fraction | None:
    """Wei per pixel, or None without a price.

    :raises InvalidInput: `pixels per unit is 0`.
    """
    return None if info is None else info.wei_per_pixel


def with_overhead(base: Fraction, tx_cost_multiplier: Fraction) -> Fraction:
    """The price that also covers redemption: base x (1 + 1 / multiplier), cut to 3 decimals but never below `base`.

    `tx_cost_multiplier` is face value / transaction cost of the quote, 0 when unknown; then nothing is added.
    The floor at `base` keeps a price of less than a thousandth of a wei from becoming free.
    """
    if base <= 0 or tx_cost_multiplier <= 0:
        return base
    raised = base * (1 + 1 / tx_cost_multiplier)
    return max(base, Fraction(thousandths(raised), _OVERHEAD_DECIMALS))


def check_price(offered: PriceInfo | None, initial: Fraction | None) -> Fraction:
    """The price a gateway is about to pay, refused once it is more than twice the session's first one.

    :returns: wei per pixel.
    :raises ParamsRejected: no price, a denominator of zero or too peculiar, or `PriceRaised`: it more than doubled.
    """
    if offered is None:
        raise ParamsRejected("missing orchestrator price")
    if offered.pixels_per_unit == 0:
        raise ParamsRejected("pixels per unit is 0", price_per_unit=offered.price_per_unit)
    price = offered.wei_per_pixel
    if not is_countable(price):
        raise ParamsRejected("price is no decimal fraction", price=price)
    if initial is not None and price > MAX_PRICE_RISE * initial:
        raise PriceRaised("Orchestrator price has more than doubled", price=price, initial_price=initial)
    return price


def estimate_pixels(profiles: Iterable[VideoProfile], duration_s: Fraction) -> int:
    """Pixels that transcoding `duration_s` seconds into `profiles` is expected to yield, each figure rounded up."""
    return sum(
        profile.width
        * profile.height
        * ceil(Fraction(profile.fps or PASSTHROUGH_FPS, profile.fps_den if profile.fps else 1))
        * ceil(duration_s)
        for profile in profiles
    )


def estimate_fee(profiles: Iterable[VideoProfile], duration_s: Fraction, price: Fraction) -> Fraction:
    """What a gateway pays ahead for a segment, wei, exact (offchain-payments 8)."""
    return estimate_pixels(profiles, duration_s) * PREPAID_MARGIN * price


def fee(pixels: int, price: Fraction) -> Fraction:
    """What work costs, wei, exact; the same on both sides.

    :raises InvalidInput: negative pixels.
    """
    if pixels < 0:
        raise InvalidInput(f"{pixels} pixels")
    return pixels * price
