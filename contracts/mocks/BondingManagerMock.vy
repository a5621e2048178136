# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A BondingManager that refuses fees on demand
@license MIT
@notice Test only. Stands in for the BondingManager where a test needs an active set or a refusal that the real one gives
        only in rare states.
@custom:kill Never deployed outside tests.
"""


# Transcoders that may claim; everybody counts as active unless switched off.
currentRoundActiveTranscoders: public(uint256)
inactive: public(HashMap[address, bool])
# Whose fees are refused.
refused: public(HashMap[address, bool])
# A single amount above this is refused; 0 = no limit.
maxAmount: public(uint256)
# Wei credited.
fees: public(HashMap[address, uint256])
# Number of calls that credited something.
credits: public(uint256)


@deploy
def __init__():
    self.currentRoundActiveTranscoders = 1


@external
def setActiveTranscoders(_count: uint256):
    self.currentRoundActiveTranscoders = _count


@external
def setInactive(_transcoder: address, _inactive: bool):
    self.inactive[_transcoder] = _inactive


@external
def setRefused(_transcoder: address, _refused: bool):
    self.refused[_transcoder] = _refused


@external
def setMaxAmount(_amount: uint256):
    self.maxAmount = _amount


@external
@view
def isActiveTranscoder(_transcoder: address) -> bool:
    return not self.inactive[_transcoder]


@external
def updateTranscoderWithFees(_transcoder: address, _fees: uint256, _round: uint256):
    self._credit(_transcoder, _fees)
    self.credits += 1


@external
def updateTranscoderWithFeesBatch(_transcoder: address, _amounts: DynArray[uint256, 100], _round: uint256):
    for amount: uint256 in _amounts:
        self._credit(_transcoder, amount)
    self.credits += 1


@internal
def _credit(_transcoder: address, _fees: uint256):
    assert not self.refused[_transcoder], "transcoder must be active"
    assert self.maxAmount == 0 or _fees <= self.maxAmount, "amount refused"
    self.fees[_transcoder] += _fees
