# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title The BondingManager as the Minter, the RoundsManager and BondingVotes see it, with answers set by the test
@license MIT
@custom:kill Never deployed outside tests.
"""

from ..interfaces import IRoundsManager

getTotalBonded: public(uint256)
nextRoundTotalActiveStake: public(uint256)
rotations: public(uint256)
reward_factors: HashMap[address, HashMap[uint256, uint256]]


# What the RoundsManager says about itself at the moment of the call.
event Rotated:
    caller: address
    initializedRound: uint256


@external
def set_total_bonded(_amount: uint256):
    self.getTotalBonded = _amount


@external
def set_next_total(_amount: uint256):
    self.nextRoundTotalActiveStake = _amount


@external
def set_reward_factor(_transcoder: address, _round: uint256, _factor: uint256):
    self.reward_factors[_transcoder][_round] = _factor


@external
def setCurrentRoundTotalActiveStake():
    log Rotated(caller=msg.sender, initializedRound=staticcall IRoundsManager(msg.sender).lastInitializedRound())
    # What is staked for the next round becomes what the Minter reads: this shows in which order it is called.
    self.getTotalBonded = self.nextRoundTotalActiveStake
    self.rotations += 1


@external
@view
def getTranscoderEarningsPoolForRound(
    _transcoder: address, _round: uint256
) -> (uint256, uint256, uint256, uint256, uint256):
    # The fee factor is nonsense on purpose: no reader may use it.
    return 0, 0, 0, self.reward_factors[_transcoder][_round], max_value(uint256)
