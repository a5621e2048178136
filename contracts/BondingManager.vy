# pragma version 0.4.3
# Optimized for gas the code would exceed the limit of 24,576 bytes by less than 5 %.
#pragma optimize codesize
# SPDX-License-Identifier: MIT
"""
@title Stake, active set and earnings
@license MIT
@notice Delegators bond LPT to transcoders. The transcoders with the most stake form the active set of a round, mint the
        round's rewards and earn the fees of redeemed tickets; both are shared with their delegators.
@dev Behind a proxy: slots 0 and 1 belong to the manager module. LPT and ETH are held by the Minter, never here.
     Every entry point reads the round once and passes it on, as `_round`. "Hints" are the neighbours that an account
     will have in the pool: right ones save a walk through it, wrong or zero ones only cost gas (spec 9).
     Rounds are small numbers (stakeholders module), so that the next one needs no overflow check.
     Rules are those of spec 10 (LIP-36 earnings, LIP-92 treasury, LIP-118 reward callers).
@custom:kill Pause the Controller. Everything that moves stake, rewards or fees stops; setters and checkpoints still
             work.
"""

from .interfaces import IBondingManager
from .interfaces import IBondingVotes
from .interfaces import ILivepeerToken
from .interfaces import IMinter
from .interfaces import IRoundsManager

from .modules import earnings
from .modules import manager
from .modules import ppm
from .modules import sorted_pool
from .modules import stakeholders


initializes: manager
initializes: sorted_pool
initializes: earnings
initializes: stakeholders
implements: IBondingManager
exports: (manager.controller, manager.setController, manager.targetContractId)


# Values of `delegatorStatus`.
PENDING: constant(uint8) = 0
BONDED: constant(uint8) = 1
UNBONDED: constant(uint8) = 2

# Most fees credited by one call: the largest batch of tickets.
MAX_FEES: constant(uint256) = 100

# A total is the sum of at most 2^16 stakes of 96 bits.
TOTAL_BITS: constant(uint256) = 112
TOTAL_MASK: constant(uint256) = 2**112 - 1
COUNT_SHIFT: constant(uint256) = 224

PERIOD_MASK: constant(uint256) = 2**64 - 1
RATE_MASK: constant(uint256) = 2**96 - 1
RATE_SHIFT: constant(uint256) = 64
NEXT_RATE_SHIFT: constant(uint256) = 160


# size of the active set (32 bits) | current round's total active stake (112) | next round's (112)
_totals: uint256
# next round's treasury cut rate (96 bits, 1e-27) | current one (96, 1e-27) | unbonding period (64, rounds)
_settings: uint256
# Balance (LPT, 1e-18) of the treasury from which on it gets no more rewards; 0 is no ceiling.
treasuryBalanceCeiling: public(uint256)
# Who may call reward in the name of a transcoder.
transcoderToRewardCaller: public(HashMap[address, address])


event TranscoderUpdate:
    transcoder: indexed(address)
    rewardCut: uint256
    feeShare: uint256


event TranscoderActivated:
    transcoder: indexed(address)
    activationRound: uint256


event TranscoderDeactivated:
    transcoder: indexed(address)
    deactivationRound: uint256


event TranscoderSlashed:
    transcoder: indexed(address)
    finder: address
    penalty: uint256
    finderReward: uint256


event Reward:
    transcoder: indexed(address)
    amount: uint256


event TreasuryReward:
    transcoder: indexed(address)
    treasury: address
    amount: uint256


event Bond:
    newDelegate: indexed(address)
    oldDelegate: indexed(address)
    delegator: indexed(address)
    additionalAmount: uint256
    bondedAmount: uint256


event Unbond:
    delegate: indexed(address)
    delegator: indexed(address)
    unbondingLockId: uint256
    amount: uint256
    withdrawRound: uint256


event Rebond:
    delegate: indexed(address)
    delegator: indexed(address)
    unbondingLockId: uint256
    amount: uint256


event TransferBond:
    oldDelegator: indexed(address)
    newDelegator: indexed(address)
    oldUnbondingLockId: uint256
    newUnbondingLockId: uint256
    amount: uint256


event WithdrawStake:
    delegator: indexed(address)
    unbondingLockId: uint256
    amount: uint256
    withdrawRound: uint256


event WithdrawFees:
    delegator: indexed(address)
    recipient: address
    amount: uint256


event EarningsClaimed:
    delegate: indexed(address)
    delegator: indexed(address)
    rewards: uint256
    fees: uint256
    startRound: uint256
    endRound: uint256


event RewardCallerSet:
    transcoder: indexed(address)
    rewardCaller: indexed(address)


@deploy
def __init__(_controller: address):
    """
    @param _controller The Controller to obey.
    """
    manager.__init__(_controller)


# --- parameters -------------------------------------------------------------------------------------------------------


@external
def setUnbondingPeriod(_unbondingPeriod: uint64):
    """
    @notice Set how long stake stays locked after unbonding. Controller owner only.
    @dev Locks that exist keep their round (spec 10.4).
    @param _unbondingPeriod Rounds.
    """
    manager._only_controller_owner()
    self._settings = (self._settings & ~PERIOD_MASK) | convert(_unbondingPeriod, uint256)
    log manager.ParameterUpdate(param="unbondingPeriod")


@external
def setNumActiveTranscoders(_numActiveTranscoders: uint256):
    """
    @notice Set the size of the pool. It can only grow. Controller owner only.
    @dev Spec 9, setMaxSize.
    @param _numActiveTranscoders Most members of the active set.
    """
    manager._only_controller_owner()
    sorted_pool._set_max_size(_numActiveTranscoders)
    log manager.ParameterUpdate(param="numActiveTranscoders")


@external
def setTreasuryRewardCutRate(_cutRate: uint256):
    """
    @notice Set which part of the rewards goes to the treasury from the next round on. Controller owner only.
    @dev LIP-92.
    @param _cutRate Fraction in units of 1e-27, at most 1e27.
    """
    manager._only_controller_owner()
    assert _cutRate <= ppm.PRECISE, "_cutRate is invalid precise percentage"
    self._set_next_cut_rate(_cutRate)


@external
def setTreasuryBalanceCeiling(_ceiling: uint256):
    """
    @notice Set the balance from which on the treasury gets no more rewards. Controller owner only.
    @dev LIP-92.
    @param _ceiling LPT (1e-18); 0 is no ceiling.
    """
    manager._only_controller_owner()
    self.treasuryBalanceCeiling = _ceiling
    log manager.ParameterUpdate(param="treasuryBalanceCeiling")


# --- delegators -------------------------------------------------------------------------------------------------------


@external
def bond(_amount: uint256, _to: address):
    """
    @notice Delegate stake to an account: new stake, and all stake that the caller already has.
    @dev Spec 10.4, bond without hints.
    @param _amount LPT (1e-18) to add, taken from the caller; the allowance is needed for this contract.
    @param _to The delegate: a transcoder, the caller itself to become one, or anyone (who then earns nothing).
    """
    self._bond(_amount, msg.sender, _to, empty(address), empty(address), empty(address), empty(address))


@external
def bondWithHint(
    _amount: uint256,
    _to: address,
    _oldDelegateNewPosPrev: address,
    _oldDelegateNewPosNext: address,
    _currDelegateNewPosPrev: address,
    _currDelegateNewPosNext: address,
):
    """
    @notice Same as bond, with the places that the old and the new delegate will take in the pool.
    @dev Spec 10.4.
    @param _amount LPT (1e-18) to add.
    @param _to The delegate.
    @param _oldDelegateNewPosPrev Hint: the member above the old delegate.
    @param _oldDelegateNewPosNext Hint: the member below the old delegate.
    @param _currDelegateNewPosPrev Hint: the member above the new delegate.
    @param _currDelegateNewPosNext Hint: the member below the new delegate.
    """
    self._bond(
        _amount,
        msg.sender,
        _to,
        _oldDelegateNewPosPrev,
        _oldDelegateNewPosNext,
        _currDelegateNewPosPrev,
        _currDelegateNewPosNext,
    )


@external
def bondForWithHint(
    _amount: uint256,
    _owner: address,
    _to: address,
    _oldDelegateNewPosPrev: address,
    _oldDelegateNewPosNext: address,
    _currDelegateNewPosPrev: address,
    _currDelegateNewPosNext: address,
):
    """
    @notice Add the caller's LPT to the stake of another account.
    @dev Others can neither change an account's delegate nor make it its own (spec 10.4; hazards R8, R10, R12, R15).
    @param _amount LPT (1e-18) to add, taken from the caller.
    @param _owner Who will own the stake.
    @param _to The owner's delegate; a new one only if the owner has no stake.
    @param _oldDelegateNewPosPrev Hint: the member above the old delegate.
    @param _oldDelegateNewPosNext Hint: the member below the old delegate.
    @param _currDelegateNewPosPrev Hint: the member above the new delegate.
    @param _currDelegateNewPosNext Hint: the member below the new delegate.
    """
    self._bond(
        _amount,
        _owner,
        _to,
        _oldDelegateNewPosPrev,
        _oldDelegateNewPosNext,
        _currDelegateNewPosPrev,
        _currDelegateNewPosNext,
    )


@external
def unbond(_amount: uint256):
    """
    @notice Start to take stake back. It can be withdrawn after the unbonding period.
    @dev Spec 10.4, unbond without hints.
    @param _amount LPT (1e-18).
    """
    self._unbond_with_lock(_amount, empty(address), empty(address))


@external
def unbondWithHint(_amount: uint256, _newPosPrev: address, _newPosNext: address):
    """
    @notice Same as unbond, with the place that the delegate will take in the pool.
    @dev Spec 10.4.
    @param _amount LPT (1e-18).
    @param _newPosPrev Hint: the member above the delegate.
    @param _newPosNext Hint: the member below the delegate.
    """
    self._unbond_with_lock(_amount, _newPosPrev, _newPosNext)


@external
def rebond(_unbondingLockId: uint256):
    """
    @notice Return unbonding stake to the caller's present delegate.
    @dev Spec 10.4, rebond without hints.
    @param _unbondingLockId Which of the caller's locks.
    """
    self._rebond_while_bonded(_unbondingLockId, empty(address), empty(address))


@external
def rebondWithHint(_unbondingLockId: uint256, _newPosPrev: address, _newPosNext: address):
    """
    @notice Same as rebond, with the place that the delegate will take in the pool.
    @dev Spec 10.4.
    @param _unbondingLockId Which of the caller's locks.
    @param _newPosPrev Hint: the member above the delegate.
    @param _newPosNext Hint: the member below the delegate.
    """
    self._rebond_while_bonded(_unbondingLockId, _newPosPrev, _newPosNext)


@external
def rebondFromUnbonded(_to: address, _unbondingLockId: uint256):
    """
    @notice Return unbonding stake of a caller without delegate to a new one.
    @dev Spec 10.4, without hints.
    @param _to The new delegate.
    @param _unbondingLockId Which of the caller's locks.
    """
    self._rebond_while_unbonded(_to, _unbondingLockId, empty(address), empty(address))


@external
def rebondFromUnbondedWithHint(_to: address, _unbondingLockId: uint256, _newPosPrev: address, _newPosNext: address):
    """
    @notice Same as rebondFromUnbonded, with the place that the delegate will take in the pool.
    @dev Spec 10.4.
    @param _to The new delegate.
    @param _unbondingLockId Which of the caller's locks.
    @param _newPosPrev Hint: the member above the delegate.
    @param _newPosNext Hint: the member below the delegate.
    """
    self._rebond_while_unbonded(_to, _unbondingLockId, _newPosPrev, _newPosNext)


@external
def transferBond(
    _delegator: address,
    _amount: uint256,
    _oldDelegateNewPosPrev: address,
    _oldDelegateNewPosNext: address,
    _newDelegateNewPosPrev: address,
    _newDelegateNewPosNext: address,
):
    """
    @notice Give stake to another account, without waiting. A receiver without stake takes over the caller's delegate.
    @dev An unbond by the caller and a rebond by the receiver in one call; the lock in between uses up an id on both
         sides but is never stored (spec 10.4, 19; hazards R5, R9, R12, R15).
    @param _delegator The receiver.
    @param _amount LPT (1e-18).
    @param _oldDelegateNewPosPrev Hint: the member above the caller's delegate.
    @param _oldDelegateNewPosNext Hint: the member below the caller's delegate.
    @param _newDelegateNewPosPrev Hint: the member above the receiver's delegate.
    @param _newDelegateNewPosNext Hint: the member below the receiver's delegate.
    """
    round: uint256 = self._when_ready()
    votes: address = self._votes()
    self._authorize_claim(_delegator, round)
    sender: stakeholders.Delegator = self._claim(msg.sender, round)
    delegate: address = sender.delegateAddress

    old_lock_id: uint256 = sender.nextUnbondingLockId
    self._unbond(
        msg.sender, sender, _amount, round, votes, False, _oldDelegateNewPosPrev, _oldDelegateNewPosNext
    )

    new_lock_id: uint256 = stakeholders._delegator(_delegator).nextUnbondingLockId
    log TransferBond(
        oldDelegator=msg.sender,
        newDelegator=_delegator,
        oldUnbondingLockId=old_lock_id,
        newUnbondingLockId=new_lock_id,
        amount=_amount,
    )

    receiver: stakeholders.Delegator = self._claim(_delegator, round)
    receiver.nextUnbondingLockId = unsafe_add(new_lock_id, 1)
    if receiver.bondedAmount == 0:
        if receiver.delegateAddress == empty(address):
            self._check_delegator(delegate != _delegator and _delegator != empty(address))
            receiver.delegateAddress = delegate
        receiver.startRound = unsafe_add(round, 1)
    self._rebond(
        _delegator, receiver, new_lock_id, _amount, round, votes, _newDelegateNewPosPrev, _newDelegateNewPosNext
    )


@external
@nonreentrant
def withdrawStake(_unbondingLockId: uint256):
    """
    @notice Pay out unbonded stake after the unbonding period.
    @dev Spec 10.4.
    @param _unbondingLockId Which of the caller's locks.
    """
    round: uint256 = self._when_ready()
    amount: uint256 = 0
    withdraw_round: uint256 = 0
    amount, withdraw_round = stakeholders._take_lock(msg.sender, _unbondingLockId)
    assert withdraw_round <= round, "withdraw round must be before or equal to the current round"

    extcall IMinter(self._minter()).trustedTransferTokens(msg.sender, amount)
    log WithdrawStake(
        delegator=msg.sender, unbondingLockId=_unbondingLockId, amount=amount, withdrawRound=withdraw_round
    )


@external
@nonreentrant
def withdrawFees(_recipient: address, _amount: uint256):
    """
    @notice Pay out fees that the caller has earned.
    @dev The recipient gets control for a moment; whatever it calls finds the fees already deducted (spec 10.4; hazards
         K5, K21).
    @param _recipient Who gets the ETH.
    @param _amount Wei.
    """
    round: uint256 = self._when_ready()
    claims: bool = stakeholders._delegator(msg.sender).lastClaimRound < round
    delegator: stakeholders.Delegator = self._claim(msg.sender, round)
    assert _recipient != empty(address), "invalid recipient"
    assert delegator.fees >= _amount, "insufficient fees to withdraw"
    delegator.fees -= _amount
    stakeholders._store_delegator(msg.sender, delegator)

    extcall IMinter(self._minter()).trustedWithdrawETH(_recipient, _amount)
    log WithdrawFees(delegator=msg.sender, recipient=_recipient, amount=_amount)
    # Stake changes by the claim only, and whatever claimed before in this round has left a checkpoint.
    if claims:
        self._checkpoint(self._votes(), msg.sender, round)


@external
def claimEarnings(_endRound: uint256):
    """
    @notice Add the caller's earnings so far to its stake and fees.
    @dev Claiming before the delegate's reward call forfeits this round's reward (spec 10.4, 10.7).
    @param _endRound Ignored: earnings are claimed through the current round.
    """
    round: uint256 = self._when_ready()
    stakeholders._store_delegator(msg.sender, self._claim(msg.sender, round))
    self._checkpoint(self._votes(), msg.sender, round)


# --- transcoders ------------------------------------------------------------------------------------------------------


@external
def transcoder(_rewardCut: uint256, _feeShare: uint256):
    """
    @notice Set the caller's rates, and join the pool if there is room or enough stake.
    @dev Spec 10.4, transcoder without hints.
    @param _rewardCut Share of the rewards that the caller keeps, in ppm.
    @param _feeShare Share of the fees that delegators get, in ppm.
    """
    self._set_rates(_rewardCut, _feeShare, empty(address), empty(address))


@external
def transcoderWithHint(_rewardCut: uint256, _feeShare: uint256, _newPosPrev: address, _newPosNext: address):
    """
    @notice Same as transcoder, with the place that the caller will take in the pool.
    @dev Spec 10.4.
    @param _rewardCut Share of the rewards that the caller keeps, in ppm.
    @param _feeShare Share of the fees that delegators get, in ppm.
    @param _newPosPrev Hint: the member above the caller.
    @param _newPosNext Hint: the member below the caller.
    """
    self._set_rates(_rewardCut, _feeShare, _newPosPrev, _newPosNext)


@external
def reward():
    """
    @notice Mint the caller's share of this round's rewards, for itself, its delegators and the treasury.
    @dev Once per round, active transcoders only (spec 10.4, reward without hints).
    """
    self._reward(msg.sender, empty(address), empty(address))


@external
def rewardWithHint(_newPosPrev: address, _newPosNext: address):
    """
    @notice Same as reward, with the place that the caller will take in the pool.
    @dev Spec 10.4.
    @param _newPosPrev Hint: the member above the caller.
    @param _newPosNext Hint: the member below the caller.
    """
    self._reward(msg.sender, _newPosPrev, _newPosNext)


@external
def setRewardCaller(_rewardCaller: address):
    """
    @notice Let another account call reward in the caller's name; the caller itself still can.
    @dev LIP-118 (hazard R16). Any account may set one, registered or not.
    @param _rewardCaller Who may call rewardForTranscoder; zero for nobody.
    """
    self.transcoderToRewardCaller[msg.sender] = _rewardCaller
    log RewardCallerSet(transcoder=msg.sender, rewardCaller=_rewardCaller)


@external
def rewardForTranscoder(_transcoder: address):
    """
    @notice Same as reward, called by the transcoder's reward caller.
    @dev LIP-118.
    @param _transcoder Whose rewards are minted.
    """
    self._only_reward_caller(_transcoder)
    self._reward(_transcoder, empty(address), empty(address))


@external
def rewardForTranscoderWithHint(_transcoder: address, _newPosPrev: address, _newPosNext: address):
    """
    @notice Same as rewardForTranscoder, with the place that the transcoder will take in the pool.
    @dev LIP-118.
    @param _transcoder Whose rewards are minted.
    @param _newPosPrev Hint: the member above the transcoder.
    @param _newPosNext Hint: the member below the transcoder.
    """
    self._only_reward_caller(_transcoder)
    self._reward(_transcoder, _newPosPrev, _newPosNext)


# --- other contracts of the protocol ----------------------------------------------------------------------------------


@external
def updateTranscoderWithFees(_transcoder: address, _fees: uint256, _round: uint256):
    """
    @notice Share one fee between a transcoder and its delegators. TicketBroker only.
    @dev Spec 10.4; hazards K6, K7, K11, K12.
    @param _transcoder Who earned the fee; must be active.
    @param _fees Wei.
    @param _round Ignored: fees count for the current round.
    """
    amounts: DynArray[uint256, MAX_FEES] = [_fees]
    self._credit_fees(_transcoder, amounts)


@external
def updateTranscoderWithFeesBatch(_transcoder: address, _amounts: DynArray[uint256, MAX_FEES], _round: uint256):
    """
    @notice Same result as updateTranscoderWithFees once per amount, in order; all or nothing. TicketBroker only.
    @dev Shares are rounded down for each amount by itself.
    @param _transcoder Who earned the fees; must be active.
    @param _amounts Wei, one entry per ticket.
    @param _round Ignored: fees count for the current round.
    """
    self._credit_fees(_transcoder, _amounts)


@external
def setCurrentRoundTotalActiveStake():
    """
    @notice Make the next round's total active stake, set size and treasury cut the current ones. RoundsManager only.
    @dev Called in the initialization of a round, before the Minter reads the total (spec 6, 10.4).
    """
    rounds_manager: address = manager._resolve(manager.ROUNDS_MANAGER)
    assert msg.sender == rounds_manager, "caller must be RoundsManager"

    total: uint256 = self._totals & TOTAL_MASK
    self._totals = (sorted_pool._size() << COUNT_SHIFT) | (total << TOTAL_BITS) | total

    settings: uint256 = self._settings
    next_rate: uint256 = settings >> NEXT_RATE_SHIFT
    if (settings >> RATE_SHIFT) & RATE_MASK != next_rate:
        self._settings = (settings & ~(RATE_MASK << RATE_SHIFT)) | (next_rate << RATE_SHIFT)
        log manager.ParameterUpdate(param="treasuryRewardCutRate")

    extcall IBondingVotes(self._votes()).checkpointTotalActiveStake(
        total, staticcall IRoundsManager(rounds_manager).currentRound()
    )


@external
def slashTranscoder(_transcoder: address, _finder: address, _slashAmount: uint256, _finderFee: uint256):
    """
    @notice Take away part of a transcoder's own stake. Verifier only, and no Verifier is registered.
    @dev The stake delegated to the transcoder falls by the penalty whatever its status, and a transcoder without stake
         loses its delegate, so that the books balance (spec 10.4; hazards K4, K27).
    @param _transcoder Who is slashed.
    @param _finder Who gets part of the penalty; zero for nobody.
    @param _slashAmount Part of the stake, in ppm.
    @param _finderFee Part of the penalty for the finder, in ppm.
    """
    manager._when_not_paused()
    assert msg.sender == manager._resolve(manager.VERIFIER), "caller must be Verifier"
    # Not between two rounds: who leaves then would be active in the new one and yet not counted in its totals.
    round: uint256 = self._when_ready()
    delegator: stakeholders.Delegator = self._claim(_transcoder, round)
    penalty: uint256 = ppm._ppm_of(delegator.bondedAmount, _slashAmount)
    finder_reward: uint256 = 0
    votes: address = self._votes()

    if delegator.bondedAmount > 0:
        delegate: address = delegator.delegateAddress
        delegator.bondedAmount -= penalty
        if delegator.bondedAmount == 0:
            delegator.delegateAddress = empty(address)
            delegator.startRound = 0
        stakeholders._store_delegator(_transcoder, delegator)
        if sorted_pool._is_member(_transcoder):
            self._resign(_transcoder, round)
        self._decrease_delegation(delegate, penalty, round, empty(address), empty(address))
        if delegate != _transcoder:
            self._checkpoint(votes, delegate, round)

        minter: address = self._minter()
        if _finder != empty(address):
            finder_reward = ppm._ppm_of(penalty, _finderFee)
            extcall IMinter(minter).trustedTransferTokens(_finder, finder_reward)
        extcall IMinter(minter).trustedBurnTokens(penalty - finder_reward)
    else:
        stakeholders._store_delegator(_transcoder, delegator)

    log TranscoderSlashed(transcoder=_transcoder, finder=_finder, penalty=penalty, finderReward=finder_reward)
    self._checkpoint(votes, _transcoder, round)


@external
def checkpointBondingState(_account: address):
    """
    @notice Record an account's stake for governance, as of the next round. Anyone, at any time.
    @dev Spec 10.4.
    @param _account The account.
    """
    self._checkpoint(self._votes(), _account, manager._current_round())


# --- views: delegators ------------------------------------------------------------------------------------------------


@external
@view
def pendingStake(_delegator: address, _endRound: uint256) -> uint256:
    """
    @notice Stake with all earnings so far.
    @dev Spec 10.5.
    @param _delegator The account.
    @param _endRound Ignored: the current round is used.
    @return LPT (1e-18).
    """
    return self._pending(_delegator)[0]


@external
@view
def pendingFees(_delegator: address, _endRound: uint256) -> uint256:
    """
    @notice Fees with all earnings so far.
    @dev Spec 10.5.
    @param _delegator The account.
    @param _endRound Ignored: the current round is used.
    @return Wei.
    """
    return self._pending(_delegator)[1]


@external
@view
def getDelegator(_delegator: address) -> (uint256, uint256, address, uint256, uint256, uint256, uint256):
    """
    @notice What is stored about an account as a delegator.
    @dev Spec 10.5.
    @param _delegator The account.
    @return bondedAmount, fees, delegateAddress, delegatedAmount (to this account), startRound, lastClaimRound,
            nextUnbondingLockId.
    """
    delegator: stakeholders.Delegator = stakeholders._delegator(_delegator)
    return (
        delegator.bondedAmount,
        delegator.fees,
        delegator.delegateAddress,
        sorted_pool._weight(_delegator),
        delegator.startRound,
        delegator.lastClaimRound,
        delegator.nextUnbondingLockId,
    )


@external
@view
def getDelegatorUnbondingLock(_delegator: address, _unbondingLockId: uint256) -> (uint256, uint256):
    """
    @notice One unbonding lock; zeros if it never was or is used up.
    @dev Spec 10.5.
    @param _delegator The account.
    @param _unbondingLockId Which of its locks.
    @return amount (LPT, 1e-18), withdrawRound.
    """
    return stakeholders._lock(_delegator, _unbondingLockId)


@external
@view
def isValidUnbondingLock(_delegator: address, _unbondingLockId: uint256) -> bool:
    """
    @notice True if the lock exists and was not used up.
    @dev Spec 10.2.
    @param _delegator The account.
    @param _unbondingLockId Which of its locks.
    @return Whether it can be withdrawn, now or later, or rebonded.
    """
    return stakeholders._lock(_delegator, _unbondingLockId)[1] > 0


@external
@view
def delegatorStatus(_delegator: address) -> uint8:
    """
    @notice 0 Pending (bonded, earns from the next round on), 1 Bonded, 2 Unbonded.
    @dev Spec 10.2.
    @param _delegator The account.
    @return The status.
    """
    delegator: stakeholders.Delegator = stakeholders._delegator(_delegator)
    if delegator.bondedAmount == 0:
        return UNBONDED
    if delegator.startRound > manager._current_round():
        return PENDING
    return BONDED


# --- views: transcoders -----------------------------------------------------------------------------------------------


@external
@view
def getTranscoder(
    _transcoder: address,
) -> (uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256):
    """
    @notice What is stored about an account as a transcoder.
    @dev Spec 10.5. A member of the pool shows 2^256 - 1 as its deactivation round.
    @param _transcoder The account.
    @return lastRewardRound, rewardCut, feeShare, lastActiveStakeUpdateRound, activationRound, deactivationRound,
            activeCumulativeRewards, cumulativeRewards, cumulativeFees, lastFeeRound.
    """
    record: stakeholders.Transcoder = stakeholders._transcoder(_transcoder)
    commission: stakeholders.Commissions = stakeholders._commission(_transcoder)
    deactivation_round: uint256 = record.deactivationRound
    if deactivation_round == stakeholders.NEVER:
        deactivation_round = stakeholders.NEVER_SHOWN
    return (
        record.lastRewardRound,
        record.rewardCut,
        record.feeShare,
        record.lastActiveStakeUpdateRound,
        record.activationRound,
        deactivation_round,
        commission.activeCumulativeRewards,
        commission.cumulativeRewards,
        stakeholders._cumulative_fees[_transcoder],
        record.lastFeeRound,
    )


@external
@view
def getTranscoderEarningsPoolForRound(
    _transcoder: address, _round: uint256
) -> (uint256, uint256, uint256, uint256, uint256):
    """
    @notice The record of one round as stored; zeros where nothing was written.
    @dev Spec 10.5.
    @param _transcoder The account.
    @param _round The round number.
    @return totalStake, transcoderRewardCut, transcoderFeeShare, cumulativeRewardFactor, cumulativeFeeFactor.
    """
    pool: earnings.Pool = earnings._pool(_transcoder, _round)
    return (
        pool.totalStake, pool.rewardCut, pool.feeShare, pool.rewardFactor, earnings._fee_factor(_transcoder, _round)
    )


@external
@view
def transcoderTotalStake(_transcoder: address) -> uint256:
    """
    @notice Stake delegated to an account, its own included.
    @dev Spec 10.5.
    @param _transcoder The account.
    @return LPT (1e-18).
    """
    return sorted_pool._weight(_transcoder)


@external
@view
def transcoderStatus(_transcoder: address) -> uint8:
    """
    @notice 0 NotRegistered, 1 Registered.
    @dev Spec 10.2.
    @param _transcoder The account.
    @return The status.
    """
    return convert(stakeholders._is_registered(_transcoder), uint8)


@external
@view
def isRegisteredTranscoder(_transcoder: address) -> bool:
    """
    @notice True if the account has stake of its own and delegates to itself.
    @dev Spec 10.2.
    @param _transcoder The account.
    @return Whether it is registered.
    """
    return stakeholders._is_registered(_transcoder)


@external
@view
def isActiveTranscoder(_transcoder: address) -> bool:
    """
    @notice True if the account belongs to the active set of the current round.
    @dev Spec 10.2. Follows the clock: at a boundary it changes before the round is initialized.
    @param _transcoder The account.
    @return Whether it is active.
    """
    return stakeholders._is_active(stakeholders._transcoder(_transcoder), manager._current_round())


# --- views: the pool, totals and parameters ---------------------------------------------------------------------------


@external
@view
def getTranscoderPoolMaxSize() -> uint256:
    """
    @notice Most members that the pool may have.
    @dev Spec 10.5.
    @return Number of transcoders.
    """
    return sorted_pool._max_size()


@external
@view
def getTranscoderPoolSize() -> uint256:
    """
    @notice Members of the pool, that is of the next round's active set.
    @dev Spec 10.5.
    @return Number of transcoders.
    """
    return sorted_pool._size()


@external
@view
def getFirstTranscoderInPool() -> address:
    """
    @notice The member with the most stake.
    @dev Spec 10.5.
    @return Zero if the pool is empty.
    """
    return sorted_pool._first()


@external
@view
def getNextTranscoderInPool(_transcoder: address) -> address:
    """
    @notice The member that follows another one in the order of stake.
    @dev Spec 10.5.
    @param _transcoder A member.
    @return Zero after the last one and for non-members.
    """
    return sorted_pool._next(_transcoder)


@external
@view
def getTotalBonded() -> uint256:
    """
    @notice Stake of the current round's active set.
    @dev Spec 10.5.
    @return LPT (1e-18).
    """
    return (self._totals >> TOTAL_BITS) & TOTAL_MASK


@external
@view
def currentRoundTotalActiveStake() -> uint256:
    """
    @notice Stake of the current round's active set, as of the round's start.
    @dev Spec 10.1.
    @return LPT (1e-18).
    """
    return (self._totals >> TOTAL_BITS) & TOTAL_MASK


@external
@view
def nextRoundTotalActiveStake() -> uint256:
    """
    @notice Stake of the pool.
    @dev Spec 10.1.
    @return LPT (1e-18).
    """
    return self._totals & TOTAL_MASK


@external
@view
def currentRoundActiveTranscoders() -> uint256:
    """
    @notice Size of the current round's active set, as of the round's start.
    @dev The divisor of reserves, because it cannot move within a round (hazard K8).
    @return Number of transcoders.
    """
    return self._totals >> COUNT_SHIFT


@external
@view
def unbondingPeriod() -> uint64:
    """
    @notice How long stake stays locked after unbonding.
    @dev Spec 10.1.
    @return Rounds.
    """
    return convert(self._settings & PERIOD_MASK, uint64)


@external
@view
def treasuryRewardCutRate() -> uint256:
    """
    @notice Part of the rewards that goes to the treasury in the current round.
    @dev LIP-92.
    @return Fraction in units of 1e-27.
    """
    return (self._settings >> RATE_SHIFT) & RATE_MASK


@external
@view
def nextRoundTreasuryRewardCutRate() -> uint256:
    """
    @notice Part of the rewards that will go to the treasury in the next round.
    @dev LIP-92.
    @return Fraction in units of 1e-27.
    """
    return self._settings >> NEXT_RATE_SHIFT


# --- look-ups, once per call ------------------------------------------------------------------------------------------


@internal
@view
def _votes() -> address:
    return manager._resolve(manager.BONDING_VOTES)


@internal
@view
def _minter() -> address:
    return manager._resolve(manager.MINTER)


@internal
@view
def _token() -> address:
    return manager._resolve(manager.LIVEPEER_TOKEN)


@internal
@view
def _treasury() -> address:
    return manager._resolve(manager.TREASURY)


@internal
@view
def _migrator() -> address:
    return manager._resolve(manager.L2_MIGRATOR)


# --- guards and predicates --------------------------------------------------------------------------------------------


@internal
@view
def _when_ready() -> uint256:
    """
    @dev Not paused and the current round, whose number is returned, initialized.
    """
    return self._ready_state()[0]


@internal
@view
def _ready_state() -> (uint256, bool):
    """
    @dev The same; returns also whether the round is locked.
    """
    manager._when_not_paused()
    round: uint256 = 0
    initialized: bool = False
    locked: bool = False
    round, initialized, locked = manager._round_state()
    assert initialized, "current round is not initialized"
    return round, locked


@internal
@view
def _only_reward_caller(_transcoder: address):
    assert msg.sender == self.transcoderToRewardCaller[_transcoder], "caller must be the transcoder's reward caller"


@internal
@pure
def _check_delegator(_is_valid: bool):
    assert _is_valid, "INVALID_DELEGATOR"


@internal
@pure
def _check_bonded(_is_bonded: bool):
    assert _is_bonded, "caller must be bonded"


@internal
@view
def _authorize_claim(_owner: address, _round: uint256):
    """
    @dev Others must not trigger a claim that makes the owner forfeit this round's reward (spec 10.3; hazards K13, R15).
    """
    if msg.sender == _owner:
        return
    owner: stakeholders.Delegator = stakeholders._delegator(_owner)
    if owner.bondedAmount == 0 or owner.lastClaimRound == _round:
        return
    delegate: stakeholders.Transcoder = stakeholders._transcoder(owner.delegateAddress)
    if delegate.lastRewardRound == _round or not stakeholders._is_active(delegate, _round):
        return
    assert msg.sender == self._migrator(), "ILLEGAL_CLAIM_EARNINGS"


# --- earnings ---------------------------------------------------------------------------------------------------------


@internal
@view
def _pending(_account: address) -> (uint256, uint256):
    delegator: stakeholders.Delegator = stakeholders._delegator(_account)
    return self._pending_of(
        _account,
        delegator,
        stakeholders._transcoder(delegator.delegateAddress),
        manager._current_round(),
    )


@internal
@view
def _pending_of(
    _account: address,
    _delegator: stakeholders.Delegator,
    _delegate: stakeholders.Transcoder,
    _round: uint256,
) -> (uint256, uint256):
    """
    @dev Stake and fees of an account with all earnings so far; those of a transcoder include its commissions.
    """
    stake: uint256 = _delegator.bondedAmount
    fees: uint256 = _delegator.fees
    if _delegator.lastClaimRound < _round:
        stake, fees = earnings._stake_and_fees(
            _delegator.delegateAddress,
            stake,
            fees,
            _delegator.lastClaimRound,
            _delegate.lastRewardRound,
            _delegate.lastFeeRound,
        )
    if _delegator.delegateAddress == _account:
        stake += stakeholders._commission(_account).cumulativeRewards
        fees += stakeholders._cumulative_fees[_account]
    return stake, fees


@internal
def _claim(_account: address, _round: uint256) -> stakeholders.Delegator:
    """
    @dev Claim an account's earnings through the current round, once per round (spec 10.3). Returns the record as it is
         now; the caller changes it further and stores it.
    """
    delegator: stakeholders.Delegator = stakeholders._delegator(_account)
    start_round: uint256 = unsafe_add(delegator.lastClaimRound, 1)
    if start_round > _round:
        return delegator

    stake: uint256 = delegator.bondedAmount
    fees: uint256 = delegator.fees
    delegate: address = delegator.delegateAddress
    if delegate != empty(address):
        record: stakeholders.Transcoder = stakeholders._transcoder(delegate)
        stake, fees = self._pending_of(_account, delegator, record, _round)
        earnings._carry_factors(delegate, _round, record.lastRewardRound, record.lastFeeRound)
        if delegate == _account:
            stakeholders._clear_commission(_account)

    log EarningsClaimed(
        delegate=delegate,
        delegator=_account,
        rewards=stake - delegator.bondedAmount,
        fees=fees - delegator.fees,
        startRound=start_round,
        endRound=_round,
    )
    delegator.lastClaimRound = _round
    delegator.bondedAmount = stake
    delegator.fees = fees
    return delegator


@internal
def _checkpoint(_votes: address, _account: address, _round: uint256):
    """
    @dev Record an account's stake for governance, as of the next round.
    """
    delegator: stakeholders.Delegator = stakeholders._delegator(_account)
    extcall IBondingVotes(_votes).checkpointBondingState(
        _account,
        unsafe_add(_round, 1),
        delegator.bondedAmount,
        delegator.delegateAddress,
        sorted_pool._weight(_account),
        delegator.lastClaimRound,
        stakeholders._transcoder(_account).lastRewardRound,
    )


# --- stake ------------------------------------------------------------------------------------------------------------


@internal
def _bond(
    _amount: uint256,
    _owner: address,
    _to: address,
    _old_prev: address,
    _old_next: address,
    _new_prev: address,
    _new_next: address,
):
    round: uint256 = self._when_ready()
    votes: address = self._votes()
    self._authorize_claim(_owner, round)
    owner: stakeholders.Delegator = self._claim(_owner, round)
    old_delegate: address = owner.delegateAddress

    if msg.sender != _owner and msg.sender != self._migrator():
        self._check_delegator(_owner != empty(address))
        if owner.bondedAmount == 0:
            assert _to != _owner, "INVALID_DELEGATE"
        else:
            assert _to == old_delegate, "INVALID_DELEGATE_CHANGE"

    delegated: uint256 = _amount
    if owner.bondedAmount == 0:
        owner.startRound = unsafe_add(round, 1)
    elif _to != old_delegate:
        assert old_delegate != _owner, "registered transcoders can't delegate towards other addresses"
        owner.startRound = unsafe_add(round, 1)
        delegated += owner.bondedAmount
        self._decrease_delegation(old_delegate, owner.bondedAmount, round, _old_prev, _old_next)

    self._carry_factors(_to, round)
    assert delegated > 0, "delegation amount must be greater than 0"
    owner.delegateAddress = _to
    owner.bondedAmount += _amount
    # Stored before the delegation grows: an account that bonds to itself is registered from here on. And before any
    # call to another contract, which must not find a record that is about to be overwritten.
    stakeholders._store_delegator(_owner, owner)
    if delegated > _amount:
        self._checkpoint(votes, old_delegate, round)
    self._increase_delegation(_to, delegated, round, _new_prev, _new_next)
    if _to != _owner:
        self._checkpoint(votes, _to, round)

    if _amount > 0:
        assert extcall ILivepeerToken(self._token()).transferFrom(
            msg.sender, self._minter(), _amount
        ), "LPT transfer failed"
    log Bond(
        newDelegate=_to,
        oldDelegate=old_delegate,
        delegator=_owner,
        additionalAmount=_amount,
        bondedAmount=owner.bondedAmount,
    )
    self._checkpoint(votes, _owner, round)


@internal
def _unbond_with_lock(_amount: uint256, _prev: address, _next: address):
    round: uint256 = self._when_ready()
    votes: address = self._votes()
    self._unbond(msg.sender, self._claim(msg.sender, round), _amount, round, votes, True, _prev, _next)


@internal
def _unbond(
    _account: address,
    _delegator: stakeholders.Delegator,
    _amount: uint256,
    _round: uint256,
    _votes: address,
    _stores_lock: bool,
    _prev: address,
    _next: address,
):
    """
    @dev Take stake off a delegator that has claimed. The lock is not stored if the stake moves on at once.
    """
    delegator: stakeholders.Delegator = _delegator
    self._check_bonded(delegator.bondedAmount > 0 and delegator.startRound <= _round)
    assert _amount > 0, "unbond amount must be greater than 0"
    assert _amount <= delegator.bondedAmount, "amount is greater than bonded amount"

    delegate: address = delegator.delegateAddress
    lock_id: uint256 = delegator.nextUnbondingLockId
    withdraw_round: uint256 = unsafe_add(_round, self._settings & PERIOD_MASK)
    if _stores_lock:
        stakeholders._store_lock(_account, lock_id, _amount, withdraw_round)

    delegator.nextUnbondingLockId = unsafe_add(lock_id, 1)
    delegator.bondedAmount = unsafe_sub(delegator.bondedAmount, _amount)
    leaves: bool = delegator.bondedAmount == 0
    if leaves:
        delegator.delegateAddress = empty(address)
        delegator.startRound = 0
    stakeholders._store_delegator(_account, delegator)
    if leaves and sorted_pool._is_member(_account):
        self._resign(_account, _round)
    self._decrease_delegation(delegate, _amount, _round, _prev, _next)
    if delegate != _account:
        self._checkpoint(_votes, delegate, _round)

    log Unbond(
        delegate=delegate,
        delegator=_account,
        unbondingLockId=lock_id,
        amount=_amount,
        withdrawRound=withdraw_round,
    )
    self._checkpoint(_votes, _account, _round)


@internal
def _rebond_while_bonded(_lock_id: uint256, _prev: address, _next: address):
    round: uint256 = self._when_ready()
    delegator: stakeholders.Delegator = self._claim(msg.sender, round)
    self._check_bonded(delegator.bondedAmount > 0)
    self._rebond_lock(delegator, _lock_id, round, _prev, _next)


@internal
def _rebond_while_unbonded(_to: address, _lock_id: uint256, _prev: address, _next: address):
    round: uint256 = self._when_ready()
    delegator: stakeholders.Delegator = self._claim(msg.sender, round)
    assert delegator.bondedAmount == 0, "caller must be unbonded"
    # The start factors of this round: without them the stake would earn what was shared before (hazard R14).
    self._carry_factors(_to, round)
    delegator.startRound = unsafe_add(round, 1)
    delegator.delegateAddress = _to
    self._rebond_lock(delegator, _lock_id, round, _prev, _next)


@internal
def _rebond_lock(
    _delegator: stakeholders.Delegator, _lock_id: uint256, _round: uint256, _prev: address, _next: address
):
    amount: uint256 = stakeholders._take_lock(msg.sender, _lock_id)[0]
    self._rebond(
        msg.sender, _delegator, _lock_id, amount, _round, self._votes(), _prev, _next
    )


@internal
def _rebond(
    _account: address,
    _delegator: stakeholders.Delegator,
    _lock_id: uint256,
    _amount: uint256,
    _round: uint256,
    _votes: address,
    _prev: address,
    _next: address,
):
    """
    @dev Return the stake of a lock, already used up, to a delegator that has claimed.
    """
    delegator: stakeholders.Delegator = _delegator
    delegate: address = delegator.delegateAddress
    delegator.bondedAmount += _amount
    stakeholders._store_delegator(_account, delegator)
    self._increase_delegation(delegate, _amount, _round, _prev, _next)
    if delegate != _account:
        self._checkpoint(_votes, delegate, _round)
    log Rebond(delegate=delegate, delegator=_account, unbondingLockId=_lock_id, amount=_amount)
    self._checkpoint(_votes, _account, _round)


@internal
def _carry_factors(_delegate: address, _round: uint256):
    record: stakeholders.Transcoder = stakeholders._transcoder(_delegate)
    earnings._carry_factors(_delegate, _round, record.lastRewardRound, record.lastFeeRound)


@internal
def _increase_delegation(_delegate: address, _amount: uint256, _round: uint256, _prev: address, _next: address):
    """
    @dev Add to the stake delegated to an account. A registered one outside of the pool tries to join it.
    """
    stake: uint256 = sorted_pool._weight(_delegate)
    if self._set_delegated_stake(_delegate, stake, stake + _amount, _round, _prev, _next):
        self._totals += _amount
    elif stakeholders._is_registered(_delegate):
        self._try_to_join(_delegate, _round, _prev, _next)


@internal
def _decrease_delegation(_delegate: address, _amount: uint256, _round: uint256, _prev: address, _next: address):
    """
    @dev Take from the stake delegated to an account.
    """
    stake: uint256 = sorted_pool._weight(_delegate)
    if self._set_delegated_stake(_delegate, stake, stake - _amount, _round, _prev, _next):
        self._totals -= _amount


@internal
def _set_delegated_stake(
    _delegate: address,
    _old_stake: uint256,
    _new_stake: uint256,
    _round: uint256,
    _prev: address,
    _next: address,
) -> bool:
    """
    @dev Returns whether the account is in the pool. The stake of this and of the next round is recorded for members
         and, beyond the reference, for transcoders that left the pool and are active until the end of the round: their
         rewards and fees are shares of recorded stake, which must not fall behind commissions (hazard K7).
    """
    record: stakeholders.Transcoder = stakeholders._transcoder(_delegate)
    is_member: bool = sorted_pool._set_weight(_delegate, _new_stake, _prev, _next)
    if is_member or stakeholders._is_active(record, _round):
        if record.lastActiveStakeUpdateRound < _round:
            earnings._set_stake(_delegate, _round, _old_stake)
        if record.lastActiveStakeUpdateRound <= _round:
            record.lastActiveStakeUpdateRound = unsafe_add(_round, 1)
            stakeholders._store_transcoder(_delegate, record)
        earnings._set_stake(_delegate, unsafe_add(_round, 1), _new_stake)
    return is_member


@internal
def _try_to_join(_transcoder: address, _round: uint256, _prev: address, _next: address):
    """
    @dev Join the pool for the next round, in place of the last member if it is full and has less stake.
         A transcoder that is active stays so: it was evicted, or resigned, in this very round (hazard K10).
    """
    stake: uint256 = sorted_pool._weight(_transcoder)
    next_round: uint256 = unsafe_add(_round, 1)
    if sorted_pool._is_full():
        last: address = sorted_pool._last()
        if stake <= sorted_pool._weight(last):
            return
        self._resign(last, _round)

    sorted_pool._insert(_transcoder, _prev, _next)
    self._totals += stake

    record: stakeholders.Transcoder = stakeholders._transcoder(_transcoder)
    if stakeholders._is_active(record, _round):
        if record.lastActiveStakeUpdateRound < _round:
            # Nothing was recorded since, so that the stake at the start of this round is today's.
            earnings._set_stake(_transcoder, _round, stake)
    else:
        record.activationRound = next_round
    record.deactivationRound = stakeholders.NEVER
    record.lastActiveStakeUpdateRound = next_round
    stakeholders._store_transcoder(_transcoder, record)
    earnings._set_stake(_transcoder, next_round, stake)
    log TranscoderActivated(transcoder=_transcoder, activationRound=next_round)


@internal
def _resign(_transcoder: address, _round: uint256):
    """
    @dev Leave the pool. The active set of this round does not change.
    """
    sorted_pool._remove(_transcoder)
    self._totals -= sorted_pool._weight(_transcoder)
    record: stakeholders.Transcoder = stakeholders._transcoder(_transcoder)
    record.deactivationRound = unsafe_add(_round, 1)
    stakeholders._store_transcoder(_transcoder, record)
    log TranscoderDeactivated(transcoder=_transcoder, deactivationRound=unsafe_add(_round, 1))


# --- rates, rewards and fees ------------------------------------------------------------------------------------------


@internal
def _set_next_cut_rate(_rate: uint256):
    self._settings = (self._settings & (2**160 - 1)) | (_rate << NEXT_RATE_SHIFT)
    log manager.ParameterUpdate(param="nextRoundTreasuryRewardCutRate")


@internal
def _set_rates(_reward_cut: uint256, _fee_share: uint256, _prev: address, _next: address):
    round: uint256 = 0
    locked: bool = False
    round, locked = self._ready_state()
    assert not locked, "can't update transcoder params, current round is locked"
    assert _reward_cut <= ppm.PPM, "invalid rewardCut percentage"
    assert _fee_share <= ppm.PPM, "invalid feeShare percentage"
    assert stakeholders._is_registered(msg.sender), "transcoder must be registered"

    record: stakeholders.Transcoder = stakeholders._transcoder(msg.sender)
    assert not stakeholders._is_active(record, round) or record.lastRewardRound == round, (
        "caller can't be active or must have already called reward for the current round"
    )
    record.rewardCut = _reward_cut
    record.feeShare = _fee_share
    stakeholders._store_transcoder(msg.sender, record)
    if record.deactivationRound != stakeholders.NEVER:
        self._try_to_join(msg.sender, round, _prev, _next)
    log TranscoderUpdate(transcoder=msg.sender, rewardCut=_reward_cut, feeShare=_fee_share)


@internal
@view
def _open_pool(
    _transcoder: address, _record: stakeholders.Transcoder, _round: uint256
) -> earnings.Pool:
    """
    @dev The record of the current round, before its first reward or fee, with the rates and the stake that count.
    """
    pool: earnings.Pool = earnings._pool(_transcoder, _round)
    pool.rewardCut = _record.rewardCut
    pool.feeShare = _record.feeShare
    if _record.lastActiveStakeUpdateRound < _round:
        pool.totalStake = earnings._stake(_transcoder, _record.lastActiveStakeUpdateRound)
    return pool


@internal
@pure
def _commission_points(_commission: uint256, _total_stake: uint256) -> uint256:
    """
    @dev Which part of the stake are commissions not claimed yet, in units of 1e-27. More than all of it would let a
         transcoder earn more than came in (hazards K7, K12): should the books ever be wrong, nothing is paid.
    """
    assert _total_stake > 0 and _commission <= _total_stake, "commissions exceed active stake"
    return ppm._precise_points(_commission, _total_stake)


@internal
def _reward(_transcoder: address, _prev: address, _next: address):
    round: uint256 = self._when_ready()
    record: stakeholders.Transcoder = stakeholders._transcoder(_transcoder)
    assert stakeholders._is_active(record, round), "caller must be an active transcoder"
    assert record.lastRewardRound != round, "caller has already called reward for the current round"
    pool: earnings.Pool = self._open_pool(_transcoder, record, round)
    previous_round: uint256 = record.lastRewardRound
    record.lastRewardRound = round
    stakeholders._store_transcoder(_transcoder, record)

    rewards: uint256 = self._mint_rewards(_transcoder, pool.totalStake)

    commission: stakeholders.Commissions = stakeholders._commission(_transcoder)
    points: uint256 = self._commission_points(commission.cumulativeRewards, pool.totalStake)
    kept: uint256 = ppm._ppm_of(rewards, pool.rewardCut)
    shared: uint256 = rewards - kept
    commission.previousRewardRound = previous_round
    commission.activeCumulativeRewards = commission.cumulativeRewards
    commission.cumulativeRewards += ppm._precise_of(shared, points) + kept
    stakeholders._store_commission(_transcoder, commission)

    pool.rewardFactor = earnings._grown_reward_factor(
        earnings._reward_factor(_transcoder, previous_round), shared, pool.totalStake
    )
    earnings._store_pool(_transcoder, round, pool)
    self._increase_delegation(_transcoder, rewards, round, _prev, _next)
    log Reward(transcoder=_transcoder, amount=rewards)
    self._checkpoint(self._votes(), _transcoder, round)


@internal
def _mint_rewards(_transcoder: address, _stake: uint256) -> uint256:
    """
    @dev Mint the share of the round's tokens that belongs to a stake. Returns what is left after the treasury's cut.
         The ceiling is checked before this call's own contribution, and ends the cut from the next round on.
    """
    settings: uint256 = self._settings
    treasury: address = empty(address)
    ceiling: uint256 = self.treasuryBalanceCeiling
    if ceiling > 0 and settings >> NEXT_RATE_SHIFT > 0:
        treasury = self._treasury()
        token: address = self._token()
        if staticcall ILivepeerToken(token).balanceOf(treasury) >= ceiling:
            self._set_next_cut_rate(0)

    minter: address = self._minter()
    total: uint256 = extcall IMinter(minter).createReward(_stake, (self._totals >> TOTAL_BITS) & TOTAL_MASK)
    cut: uint256 = ppm._precise_of(total, (settings >> RATE_SHIFT) & RATE_MASK)
    if cut > 0:
        if treasury == empty(address):
            treasury = self._treasury()
        extcall IMinter(minter).trustedTransferTokens(treasury, cut)
        log TreasuryReward(transcoder=_transcoder, treasury=treasury, amount=cut)
    return total - cut


@internal
def _credit_fees(_transcoder: address, _amounts: DynArray[uint256, MAX_FEES]):
    """
    @dev Share fees of the current round. Only the active set earns them: for others the stake on record may be less
         than the stake that would share (hazards K6, K12).
         The reward factor in use is that before this round's reward, which fees and rewards of a round have in common;
         it is known exactly, whether or not rewards were skipped (hazards K1, K11).
    """
    manager._when_not_paused()
    assert msg.sender == manager._resolve(manager.TICKET_BROKER), "caller must be TicketBroker"
    round: uint256 = manager._current_round()
    record: stakeholders.Transcoder = stakeholders._transcoder(_transcoder)
    assert stakeholders._is_active(record, round), "transcoder must be active"

    commission: stakeholders.Commissions = stakeholders._commission(_transcoder)
    pool: earnings.Pool = empty(earnings.Pool)
    rewards_kept: uint256 = 0
    factor_round: uint256 = 0
    if record.lastRewardRound < round:
        pool = self._open_pool(_transcoder, record, round)
        earnings._store_pool(_transcoder, round, pool)
        rewards_kept = commission.cumulativeRewards
        factor_round = record.lastRewardRound
    else:
        pool = earnings._pool(_transcoder, round)
        rewards_kept = commission.activeCumulativeRewards
        factor_round = commission.previousRewardRound

    points: uint256 = self._commission_points(rewards_kept, pool.totalStake)
    reward_factor: uint256 = earnings._reward_factor(_transcoder, factor_round)
    fee_factor: uint256 = earnings._fee_factor(_transcoder, record.lastFeeRound)
    kept: uint256 = stakeholders._cumulative_fees[_transcoder]
    # Neighbours mostly have one face value, and equal amounts are shared equally.
    last: uint256 = 0
    own: uint256 = 0
    growth: uint256 = 0
    for fees: uint256 in _amounts:
        if fees != last:
            last = fees
            shared: uint256 = ppm._ppm_of(fees, pool.feeShare)
            own = ppm._precise_of(shared, points) + (fees - shared)
            growth = earnings._fee_growth(reward_factor, shared, pool.totalStake)
        kept += own
        fee_factor += growth

    stakeholders._cumulative_fees[_transcoder] = kept
    earnings._fee_factors[_transcoder][round] = fee_factor
    if record.lastFeeRound != round:
        record.lastFeeRound = round
        stakeholders._store_transcoder(_transcoder, record)
