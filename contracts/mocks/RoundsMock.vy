# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A round clock that stands where the test puts it
@license MIT
@custom:kill Never deployed outside tests.
"""

currentRound: public(uint256)


@external
def set_round(_round: uint256):
    self.currentRound = _round
