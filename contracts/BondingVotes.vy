# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Voting power from stake, round by round
@license MIT
@notice Keeps what the BondingManager reports about stake and answers how many votes an account had in any round. A
        transcoder votes with all stake delegated to it; its delegators may vote with their part, and the governor takes
        that part out of the transcoder's vote.
@dev Proxied. Like ERC-5805, but the clock counts rounds, and delegation happens in the BondingManager (spec 12).
     Failures carry the custom errors of the deployed contract, written by hand because the compiler has none.
@custom:kill Nothing can be written except through the BondingManager, which the Controller's pause stops. The
             Controller owner can register other code under `BondingVotesTarget`. Nothing of value is held.
"""

from .interfaces import IBondingManager
from .interfaces import IBondingVotes
from .interfaces import IRoundsManager
from .modules import manager

initializes: manager
implements: IBondingVotes
exports: (manager.controller, manager.setController, manager.targetContractId)


# 1.0 of a cumulative reward factor; a stored factor of zero stands for it (spec 2).
FACTOR_ONE: constant(uint256) = 10**27

# A checkpoint takes two words instead of six:
#   amounts: bondedAmount 104 bits | delegatedAmount 104 bits | startRound 48 bits
#   links:   delegateAddress 160 bits | lastClaimRound 48 bits | lastRewardRound 48 bits
# A total takes one: total 208 bits | round 48 bits.
ROUND_BITS: constant(uint256) = 48
ROUND_MASK: constant(uint256) = 2**48 - 1
AMOUNT_BITS: constant(uint256) = 104
AMOUNT_MASK: constant(uint256) = 2**104 - 1
TOTAL_MASK: constant(uint256) = 2**208 - 1
# A binary search halves the number of checkpoints, which is below 2**48, at every step.
SEARCH_STEPS: constant(uint256) = 48


struct Checkpoint:
    bondedAmount: uint256
    delegateAddress: address
    delegatedAmount: uint256
    lastClaimRound: uint256
    lastRewardRound: uint256


# account -> number of checkpoints; they are sorted by startRound.
_lengths: HashMap[address, uint256]
# account -> index -> packed words.
_amounts: HashMap[address, HashMap[uint256, uint256]]
_links: HashMap[address, HashMap[uint256, uint256]]
# index -> packed total; sorted by round.
_totals_length: uint256
_totals: HashMap[uint256, uint256]


event DelegateChanged:
    delegator: indexed(address)
    fromDelegate: indexed(address)
    toDelegate: indexed(address)


event DelegateVotesChanged:
    delegate: indexed(address)
    previousBalance: uint256
    newBalance: uint256


event DelegatorBondedAmountChanged:
    delegate: indexed(address)
    previousBondedAmount: uint256
    previousLastClaimRound: uint256
    newBondedAmount: uint256
    newLastClaimRound: uint256


# Part of every manager's published ABI, though this contract has no parameter to change.
event ParameterUpdate:
    param: String[64]


@deploy
def __init__(_controller: address):
    """
    @param _controller The Controller to obey.
    """
    manager.__init__(_controller)


@external
def checkpointBondingState(
    _account: address,
    _startRound: uint256,
    _bondedAmount: uint256,
    _delegateAddress: address,
    _delegatedAmount: uint256,
    _lastClaimRound: uint256,
    _lastRewardRound: uint256,
):
    """
    @notice Record an account's stake as of the next round; it replaces a record for the same round. BondingManager only.
    @dev Fails with InvalidCaller, InvalidStartRound, FutureLastClaimRound or DecreasingValues (spec 12).
    @param _account The account.
    @param _startRound First round for which the record holds: the current round + 1.
    @param _bondedAmount Own stake (LPT, 1e-18).
    @param _delegateAddress Whom the account delegates to.
    @param _delegatedAmount Stake (LPT, 1e-18) delegated to the account.
    @param _lastClaimRound Last round whose earnings are part of `_bondedAmount`.
    @param _lastRewardRound Last round in which the account called reward.
    """
    self._only_bonding_manager()
    required: uint256 = manager._current_round() + 1
    if _startRound != required:
        raw_revert(abi_encode(_startRound, required, method_id=method_id("InvalidStartRound(uint256,uint256)")))
    if _lastClaimRound >= _startRound:
        raw_revert(
            abi_encode(_lastClaimRound, _startRound - 1, method_id=method_id("FutureLastClaimRound(uint256,uint256)"))
        )
    # A word that does not fit would spill into its neighbour.
    assert max(_bondedAmount, _delegatedAmount) <= AMOUNT_MASK, "stake is too large"
    assert max(_startRound, _lastRewardRound) <= ROUND_MASK, "round is too large"

    length: uint256 = self._lengths[_account]
    old_amounts: uint256 = 0
    old_links: uint256 = 0
    index: uint256 = length
    if length > 0:
        old_amounts = self._amounts[_account][length - 1]
        old_links = self._links[_account][length - 1]
        last_round: uint256 = old_amounts & ROUND_MASK
        if last_round > _startRound:
            raw_revert(abi_encode(_startRound, last_round, method_id=method_id("DecreasingValues(uint256,uint256)")))
        if last_round == _startRound:
            index = length - 1

    amounts: uint256 = (((_bondedAmount << AMOUNT_BITS) | _delegatedAmount) << ROUND_BITS) | _startRound
    links: uint256 = (
        (((convert(_delegateAddress, uint256) << ROUND_BITS) | _lastClaimRound) << ROUND_BITS) | _lastRewardRound
    )
    # A record that says what the last one says answers no question differently.
    if length > 0 and links == old_links and amounts >> ROUND_BITS == old_amounts >> ROUND_BITS:
        return

    self._amounts[_account][index] = amounts
    self._links[_account][index] = links
    if index == length:
        self._lengths[_account] = length + 1
    self._log_changes(
        _account,
        self._unpack(old_amounts, old_links),
        Checkpoint(
            bondedAmount=_bondedAmount,
            delegateAddress=_delegateAddress,
            delegatedAmount=_delegatedAmount,
            lastClaimRound=_lastClaimRound,
            lastRewardRound=_lastRewardRound,
        ),
    )


@external
def checkpointTotalActiveStake(_totalStake: uint256, _round: uint256):
    """
    @notice Record the total active stake of the current round. BondingManager only.
    @dev Fails with InvalidCaller, InvalidTotalStakeCheckpointRound or DecreasingValues (spec 12).
    @param _totalStake LPT in units of 1e-18.
    @param _round The current round.
    """
    self._only_bonding_manager()
    required: uint256 = manager._current_round()
    if _round != required:
        raw_revert(
            abi_encode(_round, required, method_id=method_id("InvalidTotalStakeCheckpointRound(uint256,uint256)"))
        )
    assert _totalStake <= TOTAL_MASK, "stake is too large"
    assert _round <= ROUND_MASK, "round is too large"

    index: uint256 = self._totals_length
    if index > 0:
        last_round: uint256 = self._totals[index - 1] & ROUND_MASK
        if last_round > _round:
            raw_revert(abi_encode(_round, last_round, method_id=method_id("DecreasingValues(uint256,uint256)")))
        if last_round == _round:
            index -= 1
    self._totals[index] = (_totalStake << ROUND_BITS) | _round
    self._totals_length = index + 1


@external
@pure
def name() -> String[21]:
    """
    @notice Name of the voting power.
    @return "Livepeer Voting Power".
    """
    return "Livepeer Voting Power"


@external
@pure
def symbol() -> String[4]:
    """
    @notice Symbol of the voting power, which is not a token.
    @return "vLPT".
    """
    return "vLPT"


@external
@pure
def decimals() -> uint8:
    """
    @notice Decimals of the voting power, those of LPT.
    @return 18.
    """
    return 18


@external
@view
def clock() -> uint48:
    """
    @notice What votes are counted by: the current round (ERC-6372).
    @return The round number.
    """
    current: uint256 = manager._current_round()
    assert current <= ROUND_MASK, "SafeCast: value doesn't fit in 48 bits"
    return convert(current, uint48)


@external
@pure
def CLOCK_MODE() -> String[19]:
    """
    @notice What the clock means (ERC-6372).
    @return "mode=livepeer_round".
    """
    return "mode=livepeer_round"


@external
@view
def getVotes(_account: address) -> uint256:
    """
    @notice Voting power at the start of the next round as things stand.
    @param _account The account.
    @return Votes in units of 1e-18.
    """
    current: uint256 = manager._current_round()
    return self._votes_and_delegate(_account, current + 1, current)[0]


@external
@view
def getPastVotes(_account: address, _round: uint256) -> uint256:
    """
    @notice Voting power at the end of a past round.
    @param _account The account.
    @param _round A round before the current one, else FutureLookup.
    @return Votes in units of 1e-18.
    """
    current: uint256 = self._round_after(_round)
    return self._votes_and_delegate(_account, _round + 1, current)[0]


@external
@view
def delegates(_account: address) -> address:
    """
    @notice Whom an account delegates to from the next round on.
    @param _account The account.
    @return The delegate, zero if there is none.
    """
    current: uint256 = manager._current_round()
    return self._checkpoint_at(_account, current + 1, current).delegateAddress


@external
@view
def delegatedAt(_account: address, _round: uint256) -> address:
    """
    @notice Whom an account delegated to at the end of a past round.
    @param _account The account.
    @param _round A round before the current one, else FutureLookup.
    @return The delegate, zero if there was none.
    """
    current: uint256 = self._round_after(_round)
    return self._checkpoint_at(_account, _round + 1, current).delegateAddress


@external
@view
def totalSupply() -> uint256:
    """
    @notice Total active stake at the start of the next round as things stand.
    @dev Inactive stake votes too, and a transcoder and its delegators both show votes, so this is not the sum of all
         votes (spec 12).
    @return LPT in units of 1e-18.
    """
    current: uint256 = manager._current_round()
    return self._total_active_stake_at(current + 1, current)


@external
@view
def getPastTotalSupply(_round: uint256) -> uint256:
    """
    @notice Total active stake at the end of a past round.
    @param _round A round before the current one, else FutureLookup.
    @return LPT in units of 1e-18.
    """
    current: uint256 = self._round_after(_round)
    return self._total_active_stake_at(_round + 1, current)


@external
@view
def getTotalActiveStakeAt(_round: uint256) -> uint256:
    """
    @notice Total active stake at the start of a round.
    @param _round A round no later than the next one, else FutureLookup.
    @return LPT in units of 1e-18; zero before the first recorded round.
    """
    return self._total_active_stake_at(_round, manager._current_round())


@external
@view
def getVotesAndDelegateAtRoundStart(_account: address, _round: uint256) -> (uint256, address):
    """
    @notice Voting power and delegate of an account at the start of a round.
    @param _account The account.
    @param _round A round no later than the next one, else FutureLookup.
    @return Votes in units of 1e-18 and the delegate.
    """
    return self._votes_and_delegate(_account, _round, manager._current_round())


@external
@view
def hasCheckpoint(_account: address) -> bool:
    """
    @notice True if anything was ever recorded about an account.
    @param _account The account.
    @return Whether there is a checkpoint.
    """
    return self._lengths[_account] > 0


@external
@pure
def delegate(_delegatee: address):
    """
    @notice Always fails with MustCallBondingManager("bond"): votes follow stake.
    @param _delegatee Ignored.
    """
    raw_revert(abi_encode("bond", method_id=method_id("MustCallBondingManager(string)")))


@external
@pure
def delegateBySig(_delegatee: address, _nonce: uint256, _expiry: uint256, _v: uint8, _r: bytes32, _s: bytes32):
    """
    @notice Always fails with MustCallBondingManager("bondFor"): votes follow stake.
    @param _delegatee Ignored.
    @param _nonce Ignored.
    @param _expiry Ignored.
    @param _v Ignored.
    @param _r Ignored.
    @param _s Ignored.
    """
    raw_revert(abi_encode("bondFor", method_id=method_id("MustCallBondingManager(string)")))


@internal
def _log_changes(_account: address, _old: Checkpoint, _new: Checkpoint):
    if _old.delegateAddress != _new.delegateAddress:
        log DelegateChanged(delegator=_account, fromDelegate=_old.delegateAddress, toDelegate=_new.delegateAddress)

    old_votes: uint256 = self._transcoder_votes(_account, _old)
    new_votes: uint256 = self._transcoder_votes(_account, _new)
    if old_votes != new_votes:
        log DelegateVotesChanged(delegate=_account, previousBalance=old_votes, newBalance=new_votes)

    if _old.bondedAmount != _new.bondedAmount or _old.lastClaimRound != _new.lastClaimRound:
        log DelegatorBondedAmountChanged(
            delegate=_account,
            previousBondedAmount=_old.bondedAmount,
            previousLastClaimRound=_old.lastClaimRound,
            newBondedAmount=_new.bondedAmount,
            newLastClaimRound=_new.lastClaimRound,
        )


@internal
@view
def _votes_and_delegate(_account: address, _round: uint256, _current: uint256) -> (uint256, address):
    bond: Checkpoint = self._checkpoint_at(_account, _round, _current)
    if bond.bondedAmount == 0:
        return 0, bond.delegateAddress
    if bond.delegateAddress == _account:
        return bond.delegatedAmount, _account
    return self._delegator_votes(bond, _round, _current), bond.delegateAddress


@internal
@view
def _delegator_votes(_bond: Checkpoint, _round: uint256, _current: uint256) -> uint256:
    """
    @dev The stake of a delegator together with the rewards that its transcoder called for it until the round began. Fee
         factors are left out on purpose: they must never make a look-up fail (spec 18, R13).
    """
    transcoder: address = _bond.delegateAddress
    target: Checkpoint = self._checkpoint_at(transcoder, _round, _current)
    bonding_manager: IBondingManager = IBondingManager(manager._resolve(manager.BONDING_MANAGER))

    end_factor: uint256 = 0
    if target.lastRewardRound > 0:
        end_factor = self._reward_factor(bonding_manager, transcoder, target.lastRewardRound)
        if end_factor == 0:
            raw_revert(
                abi_encode(
                    transcoder, target.lastRewardRound, method_id=method_id("MissingEarningsPool(address,uint256)")
                )
            )
    # Without stake of its own the delegate is no transcoder, and stake behind it has no say (spec 18, K4).
    if target.delegateAddress != transcoder or target.bondedAmount == 0:
        return 0
    # Nothing was earned since the last claim.
    if target.lastRewardRound < _bond.lastClaimRound:
        return _bond.bondedAmount

    start_factor: uint256 = self._reward_factor(bonding_manager, transcoder, _bond.lastClaimRound)
    if start_factor == 0:
        start_factor = FACTOR_ONE
    if end_factor == 0:
        end_factor = FACTOR_ONE
    # Two roundings down, as in the BondingManager (spec 2).
    return _bond.bondedAmount * (end_factor * FACTOR_ONE // start_factor) // FACTOR_ONE


@internal
@view
def _reward_factor(_bonding_manager: IBondingManager, _transcoder: address, _round: uint256) -> uint256:
    total_stake: uint256 = 0
    reward_cut: uint256 = 0
    fee_share: uint256 = 0
    reward_factor: uint256 = 0
    fee_factor: uint256 = 0
    total_stake, reward_cut, fee_share, reward_factor, fee_factor = (
        staticcall _bonding_manager.getTranscoderEarningsPoolForRound(_transcoder, _round)
    )
    return reward_factor


@internal
@view
def _checkpoint_at(_account: address, _round: uint256, _current: uint256) -> Checkpoint:
    """
    @dev The latest record that began no later than a round; zeros if there is none.
    """
    self._only_known_round(_round, _current)
    length: uint256 = self._lengths[_account]
    if length == 0:
        return empty(Checkpoint)
    # Most questions are about the present.
    low: uint256 = length - 1
    if self._amounts[_account][low] & ROUND_MASK > _round:
        # Find the first record that began after the round.
        high: uint256 = low
        low = 0
        for _: uint256 in range(SEARCH_STEPS):
            if low == high:
                break
            middle: uint256 = (low + high) // 2
            if self._amounts[_account][middle] & ROUND_MASK > _round:
                high = middle
            else:
                low = middle + 1
        if low == 0:
            return empty(Checkpoint)
        low -= 1
    return self._unpack(self._amounts[_account][low], self._links[_account][low])


@internal
@view
def _total_active_stake_at(_round: uint256, _current: uint256) -> uint256:
    """
    @dev A round that nobody initialized has the total of the next one that was; after the last of them it is the one
         that the next initialization would record (spec 12).
    """
    self._only_known_round(_round, _current)
    length: uint256 = self._totals_length
    if length == 0:
        return 0
    if self._totals[length - 1] & ROUND_MASK < _round:
        return staticcall IBondingManager(manager._resolve(manager.BONDING_MANAGER)).nextRoundTotalActiveStake()

    # Find the first total of this round or a later one.
    low: uint256 = 0
    high: uint256 = length - 1
    for _: uint256 in range(SEARCH_STEPS):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self._totals[middle] & ROUND_MASK < _round:
            low = middle + 1
        else:
            high = middle
    total: uint256 = self._totals[low]
    if low == 0 and total & ROUND_MASK != _round:
        return 0
    return total >> ROUND_BITS


@internal
@view
def _round_after(_round: uint256) -> uint256:
    """
    @dev The current round, which must be later than the given one.
    """
    current: uint256 = manager._current_round()
    if _round >= current:
        latest: uint256 = current - min(current, 1)
        raw_revert(abi_encode(_round, latest, method_id=method_id("FutureLookup(uint256,uint256)")))
    return current


@internal
@pure
def _only_known_round(_round: uint256, _current: uint256):
    if _round > _current + 1:
        raw_revert(abi_encode(_round, _current + 1, method_id=method_id("FutureLookup(uint256,uint256)")))


@internal
@view
def _only_bonding_manager():
    required: address = manager._resolve(manager.BONDING_MANAGER)
    if msg.sender != required:
        raw_revert(abi_encode(msg.sender, required, method_id=method_id("InvalidCaller(address,address)")))


@internal
@pure
def _transcoder_votes(_account: address, _checkpoint: Checkpoint) -> uint256:
    if _checkpoint.bondedAmount == 0 or _checkpoint.delegateAddress != _account:
        return 0
    return _checkpoint.delegatedAmount


@internal
@pure
def _unpack(_amounts: uint256, _links: uint256) -> Checkpoint:
    return Checkpoint(
        bondedAmount=_amounts >> (AMOUNT_BITS + ROUND_BITS),
        delegateAddress=convert(_links >> (2 * ROUND_BITS), address),
        delegatedAmount=(_amounts >> ROUND_BITS) & AMOUNT_MASK,
        lastClaimRound=(_links >> ROUND_BITS) & ROUND_MASK,
        lastRewardRound=_links & ROUND_MASK,
    )
