# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A token whose transfers fail without reverting
@license MIT
@custom:kill Never deployed outside tests.
"""


@external
@view
def balanceOf(_account: address) -> uint256:
    return 1


@external
def transfer(_to: address, _amount: uint256) -> bool:
    return False
