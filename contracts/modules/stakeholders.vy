# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Records of delegators, transcoders and unbonding locks
@license MIT
@notice What is known about an account, apart from the stake delegated to it and from its earnings per round.
@dev Records are read and written as a whole; how they are packed is known here only (spec 19, storage width).

         _stakes       bonded amount (96 bits) | next lock id (64) | last claim round (40) | start round (40)
         _delegations  fees (96) | delegate (160)
         _locks        amount (96) | withdraw round (160)
         _transcoders  deactivation round (40) | activation round (40) | last active stake update round (40)
                       | last fee round (40) | last reward round (40) | reward cut (20) | fee share (20)
         _commissions  previous reward round (40) | active cumulative rewards (96) | cumulative rewards (96)

     Rounds above 2^40 - 1 cannot come: the chain would need as many blocks. Amounts are checked.
"""


AMOUNT_MASK: constant(uint256) = 2**96 - 1
AMOUNT_BITS: constant(uint256) = 96
ADDRESS_MASK: constant(uint256) = 2**160 - 1
ADDRESS_BITS: constant(uint256) = 160
ID_MASK: constant(uint256) = 2**64 - 1
ROUND_MASK: constant(uint256) = 2**40 - 1
RATE_MASK: constant(uint256) = 2**20 - 1

# The deactivation round of a member of the pool, stored and as the getter shows it.
NEVER: constant(uint256) = 2**40 - 1
NEVER_SHOWN: constant(uint256) = max_value(uint256)


struct Delegator:
    bondedAmount: uint256
    fees: uint256
    delegateAddress: address
    startRound: uint256
    lastClaimRound: uint256
    nextUnbondingLockId: uint256


struct Transcoder:
    lastRewardRound: uint256
    lastFeeRound: uint256
    lastActiveStakeUpdateRound: uint256
    activationRound: uint256
    deactivationRound: uint256
    rewardCut: uint256
    feeShare: uint256


struct Commissions:
    # Rewards that the transcoder has kept and not claimed yet.
    cumulativeRewards: uint256
    # The same before this round's reward: they earn fees in this round.
    activeCumulativeRewards: uint256
    # The last round with a reward before `lastRewardRound`.
    previousRewardRound: uint256


_stakes: HashMap[address, uint256]
_delegations: HashMap[address, uint256]
_locks: HashMap[address, HashMap[uint256, uint256]]
_transcoders: HashMap[address, uint256]
_commissions: HashMap[address, uint256]
# Fees that a transcoder has kept and not claimed yet.
_cumulative_fees: HashMap[address, uint256]


@internal
@view
def _delegator(_account: address) -> Delegator:
    stake: uint256 = self._stakes[_account]
    delegation: uint256 = self._delegations[_account]
    return Delegator(
        bondedAmount=stake >> 144,
        fees=delegation >> ADDRESS_BITS,
        delegateAddress=convert(delegation & ADDRESS_MASK, address),
        startRound=stake & ROUND_MASK,
        lastClaimRound=(stake >> 40) & ROUND_MASK,
        nextUnbondingLockId=(stake >> 80) & ID_MASK,
    )


@internal
def _store_delegator(_account: address, _record: Delegator):
    self._check_amount(_record.bondedAmount | _record.fees)
    self._stakes[_account] = (
        (_record.bondedAmount << 144)
        | (_record.nextUnbondingLockId << 80)
        | (_record.lastClaimRound << 40)
        | _record.startRound
    )
    self._delegations[_account] = (_record.fees << ADDRESS_BITS) | convert(_record.delegateAddress, uint256)


@internal
@view
def _transcoder(_account: address) -> Transcoder:
    word: uint256 = self._transcoders[_account]
    return Transcoder(
        lastRewardRound=(word >> 40) & ROUND_MASK,
        lastFeeRound=(word >> 80) & ROUND_MASK,
        lastActiveStakeUpdateRound=(word >> 120) & ROUND_MASK,
        activationRound=(word >> 160) & ROUND_MASK,
        deactivationRound=word >> 200,
        rewardCut=(word >> 20) & RATE_MASK,
        feeShare=word & RATE_MASK,
    )


@internal
def _store_transcoder(_account: address, _record: Transcoder):
    """
    @dev The caller guarantees that the rates are at most 1e6.
    """
    self._transcoders[_account] = (
        (_record.deactivationRound << 200)
        | (_record.activationRound << 160)
        | (_record.lastActiveStakeUpdateRound << 120)
        | (_record.lastFeeRound << 80)
        | (_record.lastRewardRound << 40)
        | (_record.rewardCut << 20)
        | _record.feeShare
    )


@internal
@pure
def _is_active(_record: Transcoder, _round: uint256) -> bool:
    return _record.activationRound <= _round and _round < _record.deactivationRound


@internal
@view
def _is_registered(_account: address) -> bool:
    """
    @dev A transcoder is an account with stake of its own that delegates to itself.
    """
    return (
        self._delegations[_account] & ADDRESS_MASK == convert(_account, uint256)
        and self._stakes[_account] >> 144 > 0
    )


@internal
@view
def _commission(_transcoder: address) -> Commissions:
    word: uint256 = self._commissions[_transcoder]
    return Commissions(
        cumulativeRewards=word & AMOUNT_MASK,
        activeCumulativeRewards=(word >> AMOUNT_BITS) & AMOUNT_MASK,
        previousRewardRound=word >> 192,
    )


@internal
def _store_commission(_transcoder: address, _record: Commissions):
    self._check_amount(_record.cumulativeRewards)
    self._commissions[_transcoder] = (
        (_record.previousRewardRound << 192)
        | (_record.activeCumulativeRewards << AMOUNT_BITS)
        | _record.cumulativeRewards
    )


@internal
def _clear_commission(_transcoder: address):
    """
    @dev After the transcoder has claimed: what it had at the last reward goes on earning fees in that round.
    """
    self._commissions[_transcoder] = (self._commissions[_transcoder] >> AMOUNT_BITS) << AMOUNT_BITS
    self._cumulative_fees[_transcoder] = 0


@internal
@view
def _lock(_account: address, _id: uint256) -> (uint256, uint256):
    """
    @dev Amount and withdraw round; a lock without withdraw round does not exist.
    """
    word: uint256 = self._locks[_account][_id]
    return word >> ADDRESS_BITS, word & ADDRESS_MASK


@internal
def _store_lock(_account: address, _id: uint256, _amount: uint256, _withdraw_round: uint256):
    """
    @dev The amount comes out of a bonded amount, so it fits.
    """
    self._locks[_account][_id] = (_amount << ADDRESS_BITS) | _withdraw_round


@internal
def _take_lock(_account: address, _id: uint256) -> (uint256, uint256):
    """
    @dev Amount and withdraw round of a lock that is used up by this call.
    """
    word: uint256 = self._locks[_account][_id]
    assert word & ADDRESS_MASK > 0, "invalid unbonding lock ID"
    self._locks[_account][_id] = 0
    return word >> ADDRESS_BITS, word & ADDRESS_MASK


@internal
@pure
def _check_amount(_amount: uint256):
    """
    @dev 2^96 is 79 thousand million tokens of 18 decimals.
    """
    assert _amount <= AMOUNT_MASK, "amount exceeds 96 bits"
