# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Earnings of a transcoder per round, as cumulative factors
@license MIT
@notice What one unit of stake has earned since the beginning is one number per transcoder and round. What a delegator
        has earned between two rounds follows from the two numbers (LIP-36; spec 2 and 10.3).
@dev The reward factor starts at 1.0 = 1e27, stored as 0 until the first reward; the fee factor starts at 0.
     One word per transcoder and round, and one more once fees came in:

         _pools         reward factor (120 bits) | total stake (96) | reward cut (20) | fee share (20)
         _fee_factors   fee factor (256)

     A reward factor of 2^120 - 1 or more, over a thousand million times the initial one, moves to a word of its own.
"""

from . import ppm


RATE_BITS: constant(uint256) = 20
RATE_MASK: constant(uint256) = 2**20 - 1
STAKE_SHIFT: constant(uint256) = 40
STAKE_MASK: constant(uint256) = 2**96 - 1
FACTOR_SHIFT: constant(uint256) = 136
# In the place of a reward factor: look it up in `_wide_reward_factors`.
WIDE_FACTOR: constant(uint256) = 2**120 - 1


struct Pool:
    totalStake: uint256
    rewardCut: uint256
    feeShare: uint256
    rewardFactor: uint256


_pools: HashMap[address, HashMap[uint256, uint256]]
_fee_factors: HashMap[address, HashMap[uint256, uint256]]
_wide_reward_factors: HashMap[address, HashMap[uint256, uint256]]


@internal
@view
def _pool(_transcoder: address, _round: uint256) -> Pool:
    """
    @dev The record as it is stored: zeros where nothing was written.
    """
    word: uint256 = self._pools[_transcoder][_round]
    return Pool(
        totalStake=(word >> STAKE_SHIFT) & STAKE_MASK,
        rewardCut=(word >> RATE_BITS) & RATE_MASK,
        feeShare=word & RATE_MASK,
        rewardFactor=self._decode_factor(word, _transcoder, _round),
    )


@internal
def _store_pool(_transcoder: address, _round: uint256, _record: Pool):
    """
    @dev The caller guarantees that rates are at most 1e6 and that the stake fits 96 bits.
    """
    self._pools[_transcoder][_round] = (
        (self._encode_factor(_record.rewardFactor, _transcoder, _round) << FACTOR_SHIFT)
        | (_record.totalStake << STAKE_SHIFT)
        | (_record.rewardCut << RATE_BITS)
        | _record.feeShare
    )


@internal
@view
def _stake(_transcoder: address, _round: uint256) -> uint256:
    return (self._pools[_transcoder][_round] >> STAKE_SHIFT) & STAKE_MASK


@internal
def _set_stake(_transcoder: address, _round: uint256, _total_stake: uint256):
    """
    @dev The caller guarantees that the stake fits 96 bits.
    """
    word: uint256 = self._pools[_transcoder][_round]
    self._pools[_transcoder][_round] = (word & ~(STAKE_MASK << STAKE_SHIFT)) | (_total_stake << STAKE_SHIFT)


@internal
@view
def _reward_factor(_transcoder: address, _round: uint256) -> uint256:
    """
    @dev The factor as stored: 0 stands for "never written", and in formulas for 1.0.
    """
    return self._decode_factor(self._pools[_transcoder][_round], _transcoder, _round)


@internal
@view
def _fee_factor(_transcoder: address, _round: uint256) -> uint256:
    return self._fee_factors[_transcoder][_round]


@internal
def _carry_factors(_transcoder: address, _round: uint256, _last_reward_round: uint256, _last_fee_round: uint256):
    """
    @dev Write down the latest factors for a round in which neither reward nor fees came yet, so that a delegator who
         claims or joins in this round finds a start factor later (spec 10.3, InitFactors; hazard R3).
    """
    if _last_reward_round != 0 and _last_reward_round < _round:
        word: uint256 = self._pools[_transcoder][_round]
        if word >> FACTOR_SHIFT == 0:
            factor: uint256 = self._reward_factor(_transcoder, _last_reward_round)
            self._pools[_transcoder][_round] = (
                word | (self._encode_factor(factor, _transcoder, _round) << FACTOR_SHIFT)
            )
    if _last_fee_round != 0 and _last_fee_round < _round and self._fee_factors[_transcoder][_round] == 0:
        fee_factor: uint256 = self._fee_factors[_transcoder][_last_fee_round]
        if fee_factor != 0:
            self._fee_factors[_transcoder][_round] = fee_factor


@internal
@pure
def _or_one(_factor: uint256) -> uint256:
    """
    @dev A reward factor that was never written is 1.0.
    """
    return _factor if _factor != 0 else ppm.PRECISE


@internal
@pure
def _grown_reward_factor(_previous: uint256, _rewards: uint256, _total_stake: uint256) -> uint256:
    """
    @dev The reward factor after rewards for delegators.
    @param _previous The factor before, 0 standing for 1.0.
    @param _rewards LPT (1e-18) shared among the whole stake.
    @param _total_stake The stake at the start of the round.
    """
    factor: uint256 = self._or_one(_previous)
    return factor + ppm._precise_of(factor, ppm._precise_points(_rewards, _total_stake))


@internal
@pure
def _fee_growth(_reward_factor: uint256, _fees: uint256, _total_stake: uint256) -> uint256:
    """
    @dev By how much fees for delegators raise the fee factor.
    @param _reward_factor The reward factor before this round's reward, 0 standing for 1.0.
    @param _fees Wei shared among the whole stake.
    @param _total_stake The stake at the start of the round.
    """
    return ppm._precise_of(self._or_one(_reward_factor), ppm._precise_points(_fees, _total_stake))


@internal
@view
def _stake_and_fees(
    _delegate: address,
    _stake: uint256,
    _fees: uint256,
    _last_claim_round: uint256,
    _last_reward_round: uint256,
    _last_fee_round: uint256,
) -> (uint256, uint256):
    """
    @dev A delegator's stake and fees with all earnings since its last claim. Start factors are those written down for
         the round of the claim. The latest factors are those of the last reward and of the last fees: later rounds
         hold at most copies of them. Fees are due on the stake before the rewards.
    """
    start_factor: uint256 = self._or_one(self._reward_factor(_delegate, _last_claim_round))
    end_factor: uint256 = self._or_one(self._reward_factor(_delegate, _last_reward_round))
    start_fees: uint256 = self._fee_factors[_delegate][_last_claim_round]
    end_fees: uint256 = self._fee_factors[_delegate][_last_fee_round]
    return (
        ppm._precise_of(_stake, ppm._precise_points(end_factor, start_factor)),
        _fees + ppm._precise_of(_stake, ppm._precise_points(end_fees - start_fees, start_factor)),
    )


@internal
@view
def _decode_factor(_word: uint256, _transcoder: address, _round: uint256) -> uint256:
    factor: uint256 = _word >> FACTOR_SHIFT
    if factor == WIDE_FACTOR:
        return self._wide_reward_factors[_transcoder][_round]
    return factor


@internal
def _encode_factor(_factor: uint256, _transcoder: address, _round: uint256) -> uint256:
    if _factor >= WIDE_FACTOR:
        self._wide_reward_factors[_transcoder][_round] = _factor
        return WIDE_FACTOR
    return _factor
