"""Amounts and spans of time in few characters. Exact figures are a key away; nothing here rounds up what one has."""

from decimal import ROUND_DOWN, Context, Decimal
from typing import Final

_DIGITS: Final = Context(prec=5, rounding=ROUND_DOWN)
_EXACT: Final = Context(prec=100)
_WHOLE: Final = 10_000
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def _short(value: Decimal) -> str:
    if abs(value) >= _WHOLE:
        # Digits before the point are never left out.
        return f"{int(value):,}"
    text = f"{value.normalize(_DIGITS):f}"
    return text if text != "-0" else "0"


def eth(wei: int) -> str:
    """ETH, five significant digits, cut off."""
    return f"{_short(Decimal(wei).scaleb(-18, _EXACT))} ETH"


def gwei(wei: int) -> str:
    return f"{_short(Decimal(wei).scaleb(-9, _EXACT))} gwei"


def lpt(amount: int) -> str:
    return f"{_short(Decimal(amount).scaleb(-18, _EXACT))} LPT"


def span(seconds: float) -> str:
    """A length of time in its two largest units."""
    left = max(0, int(seconds))
    if left < _MINUTE:
        return f"{left} s"
    if left < _HOUR:
        return f"{left // _MINUTE} min"
    if left < _DAY:
        return f"{left // _HOUR} h {left % _HOUR // _MINUTE:02d} min"
    return f"{left // _DAY} d {left % _DAY // _HOUR} h"


def name(hash_: bytes) -> str:
    """The start of a ticket's hash, enough to name it on the command line."""
    return f"0x{hash_.hex()[:8]}"
