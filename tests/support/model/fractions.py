"""Fractions of spec 2. Every division rounds down, a share of an amount twice."""

from tests.support.model.state import div, mul

PPM = 10**6
PPB = 10**9
ONE = 10**27


def ppm_of(amount: int, fraction: int) -> int:
    return mul(amount, fraction) // PPM


def ppb_of_share(amount: int, num: int, denom: int) -> int:
    """`amount` times `num / denom` in units of 1e-9."""
    return mul(amount, div(mul(num, PPB), denom)) // PPB


def points(num: int, denom: int) -> int:
    """`num / denom` in units of 1e-27."""
    return div(mul(num, ONE), denom)


def precise_of(amount: int, fraction: int) -> int:
    return mul(amount, fraction) // ONE


def share(amount: int, num: int, denom: int) -> int:
    """`amount` times `num / denom` in units of 1e-27: two roundings."""
    return precise_of(amount, points(num, denom))
