# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Rounds, counted in blocks
@license MIT
@notice State and rules of the round clock. Which block it is, and which hash a round gets, the importing contract says.
@dev Every entry point of the protocol asks for the round, so that all it takes to answer is one word (spec 6, 19):

         _clock   last initialized round (56 bits) | first block since the last change of the length (56)
                  | round that began with it (56) | length (56) | lock amount (20)

     A round lasts at least one block, so its number never exceeds a block's; and 2^56 - 1 blocks will not come.
"""

from ..interfaces import IBondingManager
from ..interfaces import IMinter
from . import manager

uses: manager


# 100 % of a round.
PERC_DIVISOR: constant(uint256) = 1_000_000

LOCK_BITS: constant(uint256) = 20
LOCK_MASK: constant(uint256) = 2**20 - 1
BLOCK_BITS: constant(uint256) = 56
BLOCK_MASK: constant(uint256) = 2**56 - 1


struct Clock:
    # The latest round that was initialized.
    initialized: uint256
    # The clock counts from the last change of the length: this block ...
    originBlock: uint256
    # ... began this round.
    originRound: uint256
    # Length of a round in blocks; zero until it was set.
    length: uint256
    # Share of a round, at its end, in which transcoders may not change their rates; in parts of 1e6.
    lockAmount: uint256


_clock: uint256
# round -> block hash stored when it was initialized; never zero for such a round.
blockHashForRound: public(HashMap[uint256, bytes32])
# LIP number -> round from which it applies.
lipUpgradeRound: public(HashMap[uint256, uint256])


event NewRound:
    round: indexed(uint256)
    blockHash: bytes32


@external
def setRoundLockAmount(_roundLockAmount: uint256):
    """
    @notice Set which share of a round, at its end, is locked for changes of rates. Controller owner only.
    @param _roundLockAmount Parts of 1e6.
    """
    manager._only_controller_owner()
    assert _roundLockAmount <= PERC_DIVISOR, "round lock amount must be a valid percentage"
    clock: Clock = self._load()
    clock.lockAmount = _roundLockAmount
    self._store(clock)
    log manager.ParameterUpdate(param="roundLockAmount")


@external
def setLIPUpgradeRound(_lip: uint256, _round: uint256):
    """
    @notice Note from which round a LIP applies; it cannot be changed later. Controller owner only.
    @param _lip Number of the LIP.
    @param _round The round.
    """
    manager._only_controller_owner()
    assert self.lipUpgradeRound[_lip] == 0, "LIP upgrade round already set"
    self.lipUpgradeRound[_lip] = _round


@external
@view
def roundLength() -> uint256:
    """
    @notice Length of a round.
    @return Blocks; zero until it was set.
    """
    return self._load().length


@external
@view
def roundLockAmount() -> uint256:
    """
    @notice Share of a round, at its end, in which transcoders may not change their rates.
    @return Parts of 1e6.
    """
    return self._load().lockAmount


@external
@view
def lastInitializedRound() -> uint256:
    """
    @notice The latest round that was initialized.
    @return The round number.
    """
    return self._load().initialized


@external
@view
def lastRoundLengthUpdateRound() -> uint256:
    """
    @notice The round from which the clock counts, with the length as it is now.
    @return The round number.
    """
    return self._load().originRound


@external
@view
def lastRoundLengthUpdateStartBlock() -> uint256:
    """
    @notice The first block of the round from which the clock counts.
    @return The block number.
    """
    return self._load().originBlock


@internal
def _set_round_length(_length: uint256, _block: uint256):
    """
    @dev The current round keeps its number. It keeps its first block too, unless it is already older than a whole new
         round: then it counts from this block, because otherwise the clock would jump over rounds and end unlock and
         unbonding periods early (spec 18, K17).
    @param _length Blocks, more than zero.
    @param _block The current block.
    """
    manager._only_controller_owner()
    assert _length > 0, "round length cannot be 0"
    assert _length <= BLOCK_MASK, "round length exceeds 56 bits"

    clock: Clock = self._load()
    if clock.length == 0:
        clock.originRound = _block // _length
        clock.originBlock = clock.originRound * _length
    else:
        current: uint256 = 0
        start_block: uint256 = 0
        current, start_block = self._position(clock, _block)
        clock.originRound = current
        clock.originBlock = _block if _block - start_block >= _length else start_block

    clock.length = _length
    self._store(clock)
    log manager.ParameterUpdate(param="roundLength")


@internal
def _initialize(_block: uint256, _hash: bytes32):
    """
    @dev Start the current round, once. The order matters: the Minter reads the total stake that the BondingManager has
         just rotated (spec 6).
    @param _block The current block.
    @param _hash Hash of the block before; Arbitrum may answer zero.
    """
    manager._when_not_paused()
    clock: Clock = self._load()
    current: uint256 = self._position(clock, _block)[0]
    assert clock.initialized < current, "round already initialized"
    clock.initialized = current
    self._store(clock)

    # A round without a hash has no redeemable tickets (spec 17; 18, K15). Any value that is fixed with the round
    # serves, because it only ties a ticket to it.
    round_hash: bytes32 = _hash
    if round_hash == empty(bytes32):
        round_hash = keccak256(abi_encode(current, _block))
    self.blockHashForRound[current] = round_hash

    extcall IBondingManager(manager._resolve(manager.BONDING_MANAGER)).setCurrentRoundTotalActiveStake()
    extcall IMinter(manager._resolve(manager.MINTER)).setCurrentRewardTokens()
    log NewRound(round=current, blockHash=round_hash)


@internal
@view
def _current_round(_block: uint256) -> uint256:
    return self._position(self._load(), _block)[0]


@internal
@view
def _start_block(_block: uint256) -> uint256:
    return self._position(self._load(), _block)[1]


@internal
@view
def _state(_block: uint256) -> (uint256, bool, bool):
    """
    @dev Round number, whether it is initialized, and whether it is locked.
    """
    clock: Clock = self._load()
    current: uint256 = 0
    start_block: uint256 = 0
    current, start_block = self._position(clock, _block)
    unlocked_blocks: uint256 = clock.length - clock.length * clock.lockAmount // PERC_DIVISOR
    return current, clock.initialized == current, _block - start_block >= unlocked_blocks


@internal
@pure
def _position(_clock: Clock, _block: uint256) -> (uint256, uint256):
    """
    @dev The current round and its first block. Divides by zero, and so fails, until a length was set.
    """
    passed: uint256 = (_block - _clock.originBlock) // _clock.length
    return _clock.originRound + passed, _clock.originBlock + passed * _clock.length


@internal
@view
def _load() -> Clock:
    word: uint256 = self._clock
    return Clock(
        initialized=word >> (LOCK_BITS + 3 * BLOCK_BITS),
        originBlock=(word >> (LOCK_BITS + 2 * BLOCK_BITS)) & BLOCK_MASK,
        originRound=(word >> (LOCK_BITS + BLOCK_BITS)) & BLOCK_MASK,
        length=(word >> LOCK_BITS) & BLOCK_MASK,
        lockAmount=word & LOCK_MASK,
    )


@internal
def _store(_record: Clock):
    """
    @dev The caller guarantees that the lock amount is at most 1e6 and that block numbers fit 56 bits.
    """
    self._clock = (
        (_record.initialized << (LOCK_BITS + 3 * BLOCK_BITS))
        | (_record.originBlock << (LOCK_BITS + 2 * BLOCK_BITS))
        | (_record.originRound << (LOCK_BITS + BLOCK_BITS))
        | (_record.length << LOCK_BITS)
        | _record.lockAmount
    )
