# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Positions in the pool of transcoders, for the calls that take hints
@license MIT
@notice Answers, per operation of the BondingManager, the very arguments that its hinted form takes: between which members
        an account will stand after the stake has moved. One call instead of a walk from outside.
@dev Views without storage. Asks only what the published ABIs answer, so that it works beside any deployment under a
     Controller; it walks the whole pool, which costs nothing in a call and too much in a transaction.
     A position is judged as the BondingManager does (spec 9): after the account's own removal, before all members of
     equal stake. Zeros mean "no position changes", also where the operation itself would be refused.
     Hints are right for the state they were asked in. Wrong ones cost gas and nothing else.
@custom:kill Nothing to stop: it holds nothing and nobody depends on its answers.
"""


# Members that a walk visits at most.
MAX_MEMBERS: constant(uint256) = 65535
# Deactivation round of members of the pool.
NEVER: constant(uint256) = max_value(uint256)
# Units of fractions: stake of a reward in 1e-9, treasury cut in 1e-27 (spec 2).
PERC_DIVISOR: constant(uint256) = 10**9
PRECISE: constant(uint256) = 10**27

BONDING_MANAGER: constant(bytes32) = keccak256("BondingManager")
MINTER: constant(bytes32) = keccak256("Minter")
ROUNDS_MANAGER: constant(bytes32) = keccak256("RoundsManager")


CONTROLLER: immutable(address)


interface Controller:
    def getContract(_id: bytes32) -> address: view


interface Minter:
    def currentMintableTokens() -> uint256: view


interface RoundsManager:
    def currentRound() -> uint256: view


interface BondingManager:
    def pendingStake(_delegator: address, _endRound: uint256) -> uint256: view
    def transcoderTotalStake(_transcoder: address) -> uint256: view
    def isRegisteredTranscoder(_transcoder: address) -> bool: view
    def getFirstTranscoderInPool() -> address: view
    def getNextTranscoderInPool(_transcoder: address) -> address: view
    def getTranscoderPoolSize() -> uint256: view
    def getTranscoderPoolMaxSize() -> uint256: view
    def getDelegatorUnbondingLock(_delegator: address, _unbondingLockId: uint256) -> (uint256, uint256): view
    def currentRoundTotalActiveStake() -> uint256: view
    def treasuryRewardCutRate() -> uint256: view
    def getDelegator(
        _delegator: address,
    ) -> (uint256, uint256, address, uint256, uint256, uint256, uint256): view
    def getTranscoder(
        _transcoder: address,
    ) -> (uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256): view
    def getTranscoderEarningsPoolForRound(
        _transcoder: address, _round: uint256
    ) -> (uint256, uint256, uint256, uint256, uint256): view


# The pool after the first of two changes that one call makes.
struct Changed:
    # A member whose stake has changed, or an account without meaning.
    member: address
    # Its stake now; zero: it has left the pool.
    stake: uint256


@deploy
def __init__(_controller: address):
    """
    @param _controller The Controller in whose registry the other contracts are looked up, at every call.
    """
    CONTROLLER = _controller


@external
@view
def controller() -> address:
    """
    @notice The Controller in whose registry the other contracts are looked up.
    @return Its address.
    """
    return CONTROLLER


@external
@view
def bondHints(_owner: address, _amount: uint256, _to: address) -> (address, address, address, address):
    """
    @notice Hints for bondWithHint by the owner, and for bondForWithHint.
    @param _owner Who will own the stake.
    @param _amount LPT (1e-18) to add.
    @param _to The delegate.
    @return oldDelegateNewPosPrev, oldDelegateNewPosNext, currDelegateNewPosPrev, currDelegateNewPosNext.
    """
    bonding: BondingManager = self._bonding()
    stake: uint256 = self._stake_after_claim(bonding, _owner)
    delegate: address = self._delegate(bonding, _owner)
    added: uint256 = _amount
    changed: Changed = empty(Changed)
    old_prev: address = empty(address)
    old_next: address = empty(address)
    if stake > 0 and delegate != _to:
        added += stake
        changed, old_prev, old_next = self._decrease(bonding, delegate, stake)
    new_prev: address = empty(address)
    new_next: address = empty(address)
    registers: bool = _to == _owner and stake + _amount > 0
    new_prev, new_next = self._increase(bonding, _to, added, registers, changed)
    return old_prev, old_next, new_prev, new_next


@external
@view
def unbondHints(_delegator: address, _amount: uint256) -> (address, address):
    """
    @notice Hints for unbondWithHint.
    @param _delegator Who will call.
    @param _amount LPT (1e-18).
    @return newPosPrev, newPosNext.
    """
    changed: Changed = empty(Changed)
    prev: address = empty(address)
    next: address = empty(address)
    changed, prev, next = self._unbond(self._bonding(), _delegator, _amount)
    return prev, next


@external
@view
def rebondHints(_delegator: address, _unbondingLockId: uint256) -> (address, address):
    """
    @notice Hints for rebondWithHint.
    @param _delegator Who will call.
    @param _unbondingLockId Which of its locks.
    @return newPosPrev, newPosNext.
    """
    bonding: BondingManager = self._bonding()
    amount: uint256 = (staticcall bonding.getDelegatorUnbondingLock(_delegator, _unbondingLockId))[0]
    return self._increase(bonding, self._delegate(bonding, _delegator), amount, False, empty(Changed))


@external
@view
def rebondFromUnbondedHints(_delegator: address, _to: address, _unbondingLockId: uint256) -> (address, address):
    """
    @notice Hints for rebondFromUnbondedWithHint.
    @param _delegator Who will call.
    @param _to The new delegate.
    @param _unbondingLockId Which of the caller's locks.
    @return newPosPrev, newPosNext.
    """
    bonding: BondingManager = self._bonding()
    amount: uint256 = (staticcall bonding.getDelegatorUnbondingLock(_delegator, _unbondingLockId))[0]
    return self._increase(bonding, _to, amount, _to == _delegator, empty(Changed))


@external
@view
def transferBondHints(
    _delegator: address, _receiver: address, _amount: uint256
) -> (address, address, address, address):
    """
    @notice Hints for transferBond.
    @param _delegator Who will call.
    @param _receiver Who will own the stake.
    @param _amount LPT (1e-18).
    @return oldDelegateNewPosPrev, oldDelegateNewPosNext, newDelegateNewPosPrev, newDelegateNewPosNext.
    """
    bonding: BondingManager = self._bonding()
    changed: Changed = empty(Changed)
    old_prev: address = empty(address)
    old_next: address = empty(address)
    changed, old_prev, old_next = self._unbond(bonding, _delegator, _amount)

    delegate: address = self._delegate(bonding, _receiver)
    # A receiver without a delegate takes over the caller's.
    if delegate == empty(address):
        delegate = self._delegate(bonding, _delegator)
    new_prev: address = empty(address)
    new_next: address = empty(address)
    new_prev, new_next = self._increase(bonding, delegate, _amount, False, changed)
    return old_prev, old_next, new_prev, new_next


@external
@view
def transcoderHints(_transcoder: address) -> (address, address):
    """
    @notice Hints for transcoderWithHint.
    @param _transcoder Who will call.
    @return newPosPrev, newPosNext: zeros for a member of the pool, which keeps its place.
    """
    bonding: BondingManager = self._bonding()
    if self._is_member(bonding, _transcoder):
        return empty(address), empty(address)
    return self._increase(bonding, _transcoder, 0, False, empty(Changed))


@external
@view
def rewardHints(_transcoder: address) -> (address, address):
    """
    @notice Hints for rewardWithHint and rewardForTranscoderWithHint in the current round.
    @param _transcoder Whose rewards will be minted.
    @return newPosPrev, newPosNext.
    """
    bonding: BondingManager = self._bonding()
    return self._increase(bonding, _transcoder, self._reward(bonding, _transcoder), False, empty(Changed))


# --- amounts --------------------------------------------------------------------------------------


@internal
@view
def _stake_after_claim(_bonding: BondingManager, _account: address) -> uint256:
    """
    @dev Every operation claims first, so pending rewards move too.
    """
    return staticcall _bonding.pendingStake(_account, 0)


@internal
@view
def _reward(_bonding: BondingManager, _transcoder: address) -> uint256:
    """
    @dev What a reward call adds to the stake: a share of the mintable tokens without the treasury's cut (spec 7, 10.4).
    """
    total_stake: uint256 = staticcall _bonding.currentRoundTotalActiveStake()
    if total_stake == 0:
        return 0
    rounds: RoundsManager = RoundsManager(self._resolve(ROUNDS_MANAGER))
    # The stake of this round was written down when it last changed.
    round: uint256 = min(staticcall rounds.currentRound(), (staticcall _bonding.getTranscoder(_transcoder))[3])
    stake: uint256 = (staticcall _bonding.getTranscoderEarningsPoolForRound(_transcoder, round))[0]
    mintable: uint256 = staticcall Minter(self._resolve(MINTER)).currentMintableTokens()
    minted: uint256 = mintable * (stake * PERC_DIVISOR // total_stake) // PERC_DIVISOR
    return minted - minted * staticcall _bonding.treasuryRewardCutRate() // PRECISE


# --- changes of stake -----------------------------------------------------------------------------


@internal
@view
def _unbond(_bonding: BondingManager, _delegator: address, _amount: uint256) -> (Changed, address, address):
    """
    @dev Part of the stake leaves the delegate. A transcoder that takes all of its own leaves the pool.
    """
    delegate: address = self._delegate(_bonding, _delegator)
    if delegate == _delegator and _amount == self._stake_after_claim(_bonding, _delegator):
        return Changed(member=_delegator, stake=0), empty(address), empty(address)
    return self._decrease(_bonding, delegate, _amount)


@internal
@view
def _decrease(_bonding: BondingManager, _delegate: address, _amount: uint256) -> (Changed, address, address):
    stake: uint256 = staticcall _bonding.transcoderTotalStake(_delegate)
    # No member can lose everything behind it: what is larger will be refused.
    if _amount >= stake or not self._is_member(_bonding, _delegate):
        return empty(Changed), empty(address), empty(address)
    changed: Changed = Changed(member=_delegate, stake=stake - _amount)
    prev: address = empty(address)
    next: address = empty(address)
    prev, next = self._position(_bonding, _delegate, changed.stake, empty(Changed), empty(address))
    return changed, prev, next


@internal
@view
def _increase(
    _bonding: BondingManager, _delegate: address, _amount: uint256, _registers: bool, _changed: Changed
) -> (address, address):
    """
    @dev Stake is added to a delegate. A transcoder outside of the pool joins it, in place of the last member if it is
         full and that has less.
    @param _registers The call makes the delegate a transcoder.
    """
    is_changed: bool = _changed.member == _delegate and _delegate != empty(address)
    stake: uint256 = staticcall _bonding.transcoderTotalStake(_delegate)
    if is_changed:
        stake = _changed.stake
    stake += _amount
    if is_changed and _changed.stake == 0:
        # It has just left, and has no stake of its own to come back with.
        return empty(address), empty(address)
    if self._is_member(_bonding, _delegate):
        return self._position(_bonding, _delegate, stake, _changed, empty(address))
    if not _registers and not staticcall _bonding.isRegisteredTranscoder(_delegate):
        return empty(address), empty(address)

    evicted: address = empty(address)
    size: uint256 = staticcall _bonding.getTranscoderPoolSize()
    if _changed.member != empty(address) and _changed.stake == 0:
        size -= 1
    if size >= staticcall _bonding.getTranscoderPoolMaxSize():
        # Below every stake: the position after the last member.
        last: address = self._position(_bonding, _delegate, 0, _changed, empty(address))[0]
        least: uint256 = staticcall _bonding.transcoderTotalStake(last)
        if last == _changed.member:
            least = _changed.stake
        if stake <= least:
            return empty(address), empty(address)
        evicted = last
    return self._position(_bonding, _delegate, stake, _changed, evicted)


# --- the pool -------------------------------------------------------------------------------------


@internal
@view
def _position(
    _bonding: BondingManager, _account: address, _stake: uint256, _changed: Changed, _evicted: address
) -> (address, address):
    """
    @dev Between which members a stake belongs: after all that are larger. The pool is seen without the account itself
         and the evicted one, and with the changed one in its new place.
    """
    moved: Changed = _changed
    if moved.member == _account or moved.member == _evicted:
        moved = empty(Changed)
    above: address = empty(address)
    current: address = staticcall _bonding.getFirstTranscoderInPool()
    for _: uint256 in range(MAX_MEMBERS):
        if current != empty(address) and (current == _account or current == _evicted or current == _changed.member):
            current = staticcall _bonding.getNextTranscoderInPool(current)
            continue
        current_stake: uint256 = 0
        if current != empty(address):
            current_stake = staticcall _bonding.transcoderTotalStake(current)
        # Of the two lists, the pool and the one that has moved, the larger comes next.
        takes_moved: bool = moved.stake > 0 and moved.stake >= current_stake
        candidate: address = moved.member if takes_moved else current
        candidate_stake: uint256 = moved.stake if takes_moved else current_stake
        if candidate == empty(address) or candidate_stake <= _stake:
            return above, candidate
        above = candidate
        if takes_moved:
            moved = empty(Changed)
        else:
            current = staticcall _bonding.getNextTranscoderInPool(current)
    return above, empty(address)


@internal
@view
def _is_member(_bonding: BondingManager, _account: address) -> bool:
    return (staticcall _bonding.getTranscoder(_account))[5] == NEVER


@internal
@view
def _delegate(_bonding: BondingManager, _account: address) -> address:
    return (staticcall _bonding.getDelegator(_account))[2]


@internal
@view
def _bonding() -> BondingManager:
    return BondingManager(self._resolve(BONDING_MANAGER))


@internal
@view
def _resolve(_id: bytes32) -> address:
    return staticcall Controller(CONTROLLER).getContract(_id)
