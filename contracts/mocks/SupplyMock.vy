# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A bridge that reports an LPT supply on L1
@license MIT
@custom:kill Never deployed outside tests.
"""

l1CirculatingSupply: public(uint256)


@external
def set_supply(_supply: uint256):
    self.l1CirculatingSupply = _supply
