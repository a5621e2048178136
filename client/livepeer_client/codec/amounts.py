"""Amounts as people write them: tokens with decimals, percentages. Integers inside, text at the border."""

import re
from fractions import Fraction
from typing import Final

from livepeer_client.errors import InvalidInput

ETHER_DECIMALS: Final = 18
GWEI_DECIMALS: Final = 9
PERCENT_PRECISION: Final = 1_000_000
"""The contracts' rates: 1,000,000 is all of it (onchain 3)."""

_DECIMAL: Final = re.compile(r"(\d+)(?:\.(\d*))?", re.ASCII)


def parse_units(text: str, decimals: int = ETHER_DECIMALS) -> int:
    """`1.25` tokens as their smallest units.

    :raises InvalidInput: not a plain decimal, or with more decimals than the token has.
    """
    match = _DECIMAL.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(f"not an amount: {text!r}")
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        raise InvalidInput(f"submitted value has more than {decimals} decimals")
    return int(whole + fraction.ljust(decimals, "0"))


def format_units(amount: int, decimals: int = ETHER_DECIMALS) -> str:
    """Smallest units as tokens, exact, without trailing zeros or a trailing dot."""
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), 10**decimals)
    digits = f"{fraction:0{decimals}d}".rstrip("0") if fraction else ""
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def parse_percent(text: str, whole: int = PERCENT_PRECISION) -> int:
    """A percentage from 0 to 100 as parts of `whole`, rounded down.

    :raises InvalidInput: not a plain decimal, or above 100.
    """
    match = _DECIMAL.fullmatch(text.strip())
    if match is None or Fraction(match[0].rstrip(".")) > 100:
        raise InvalidInput(f"not a percentage: {text!r}")
    return int(Fraction(match[0].rstrip(".")) * whole / 100)
