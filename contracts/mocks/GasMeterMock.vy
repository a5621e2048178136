# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A receiver of ETH that tells how much gas came with it
@license MIT
@custom:kill Never deployed outside tests.
"""


event Paid:
    gasLeft: uint256


@external
@payable
def __default__():
    log Paid(gasLeft=msg.gas)
