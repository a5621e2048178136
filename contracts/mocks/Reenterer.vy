# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Calls back whoever calls it (tests only)
@license MIT
@notice On any call it makes the call that it was told to make, once, and fails if that one fails.
@custom:kill Never deployed to a live network.
"""

MAX_DATA: constant(uint256) = 8192

_target: address
_data: Bytes[MAX_DATA]


@external
def prepare(_target: address, _data: Bytes[MAX_DATA]):
    """
    @notice Set the call to be made.
    @param _target Whom to call.
    @param _data Calldata.
    """
    self._target = _target
    self._data = _data


@external
@payable
def __default__():
    """
    @notice Make the call.
    """
    target: address = self._target
    if target != empty(address):
        self._target = empty(address)
        raw_call(target, self._data)
