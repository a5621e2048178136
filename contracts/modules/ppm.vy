# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Fixed-point fractions
@license MIT
@notice Fractions in millionths (ppm) and units of 1e-27 (precise).
@dev Every step rounds down, so a share of an amount never exceeds what exact arithmetic gives. Fractions of a quotient
     take two successive floors, `_precise_of(a, _precise_points(n, d))`, never one: the results are part of the
     protocol (spec 2).
     An overflow and a zero denominator revert without a reason.
"""


# 100 % in each of the two units.
PPM: constant(uint256) = 1_000_000
PRECISE: constant(uint256) = 1_000_000_000_000_000_000_000_000_000


@internal
@pure
def _ppm_of(_amount: uint256, _fraction: uint256) -> uint256:
    """
    @dev A fraction, given in ppm, of an amount.
    """
    return _amount * _fraction // PPM


@internal
@pure
def _precise_points(_num: uint256, _denom: uint256) -> uint256:
    """
    @dev The quotient in units of 1e-27.
    """
    return _num * PRECISE // _denom


@internal
@pure
def _precise_of(_amount: uint256, _fraction: uint256) -> uint256:
    """
    @dev A fraction, given in units of 1e-27, of an amount.
    """
    return _amount * _fraction // PRECISE
