# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title The round clock
@license MIT
@notice Counts rounds in blocks, starts each one on request and keeps one block hash per round, which tickets refer to.
@dev Proxied. On Arbitrum block numbers are those of L1: they may stand still or jump, and rounds may be skipped
     (spec 6, 17).
@custom:kill The Controller's pause stops the start of rounds, and with it everything that needs an initialized round.
             The Controller owner can register other code under `RoundsManagerTarget`.
"""

from .interfaces import IBondingManager
from .interfaces import IMinter
from .interfaces import IRoundsManager
from .modules import manager

initializes: manager
implements: IRoundsManager
exports: (manager.controller, manager.setController, manager.targetContractId)


# 100 % of a round.
PERC_DIVISOR: constant(uint256) = 1_000_000
# How far back the EVM knows block hashes.
HASH_WINDOW: constant(uint256) = 256


# Length of a round in blocks.
roundLength: public(uint256)
# Share of a round, at its end, in which transcoders may not change their rates; in parts of 1e6.
roundLockAmount: public(uint256)
# The latest round that was initialized.
lastInitializedRound: public(uint256)
# The clock counts from the last change of the length: this round ...
lastRoundLengthUpdateRound: public(uint256)
# ... began with this block.
lastRoundLengthUpdateStartBlock: public(uint256)
# round -> block hash stored when it was initialized; never zero for such a round.
blockHashForRound: public(HashMap[uint256, bytes32])
# LIP number -> round from which it applies.
lipUpgradeRound: public(HashMap[uint256, uint256])


event NewRound:
    round: indexed(uint256)
    blockHash: bytes32


@deploy
def __init__(_controller: address):
    """
    @param _controller The Controller to obey.
    """
    manager.__init__(_controller)


@external
def setRoundLength(_roundLength: uint256):
    """
    @notice Set the length of a round. Controller owner only.
    @dev The current round keeps its number. It keeps its first block too, unless it is already older than a whole new
         round: then it counts from this block, because otherwise the clock would jump over rounds and end unlock and
         unbonding periods early (spec 18, K17).
    @param _roundLength Blocks, more than zero.
    """
    manager._only_controller_owner()
    assert _roundLength > 0, "round length cannot be 0"

    if self.roundLength == 0:
        first_round: uint256 = block.number // _roundLength
        self.lastRoundLengthUpdateRound = first_round
        self.lastRoundLengthUpdateStartBlock = first_round * _roundLength
    else:
        current: uint256 = 0
        start_block: uint256 = 0
        current, start_block = self._clock()
        if block.number - start_block >= _roundLength:
            start_block = block.number
        self.lastRoundLengthUpdateRound = current
        self.lastRoundLengthUpdateStartBlock = start_block

    self.roundLength = _roundLength
    log manager.ParameterUpdate(param="roundLength")


@external
def setRoundLockAmount(_roundLockAmount: uint256):
    """
    @notice Set which share of a round, at its end, is locked for changes of rates. Controller owner only.
    @param _roundLockAmount Parts of 1e6.
    """
    manager._only_controller_owner()
    assert _roundLockAmount <= PERC_DIVISOR, "round lock amount must be a valid percentage"
    self.roundLockAmount = _roundLockAmount
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
def initializeRound():
    """
    @notice Start the current round: anyone may, once. Rounds that nobody started are skipped for good.
    @dev The order matters: the Minter reads the total stake that the BondingManager has just rotated (spec 6).
    """
    manager._when_not_paused()
    current: uint256 = self._current_round()
    assert self.lastInitializedRound < current, "round already initialized"

    # Arbitrum may answer zero, and a round without a hash has no redeemable tickets (spec 17; 18, K15). Any value that
    # is fixed with the round serves, because it only ties a ticket to it.
    round_hash: bytes32 = blockhash(block.number - 1)
    if round_hash == empty(bytes32):
        round_hash = keccak256(abi_encode(current, block.number))
    self.lastInitializedRound = current
    self.blockHashForRound[current] = round_hash

    extcall IBondingManager(manager._resolve(manager.BONDING_MANAGER)).setCurrentRoundTotalActiveStake()
    extcall IMinter(manager._resolve(manager.MINTER)).setCurrentRewardTokens()
    log NewRound(round=current, blockHash=round_hash)


@external
@view
def blockNum() -> uint256:
    """
    @notice The block number that the clock uses.
    @return The current block's number (on Arbitrum that of L1).
    """
    return block.number


@external
@view
def blockHash(_block: uint256) -> bytes32:
    """
    @notice The hash of one of the last 256 blocks.
    @param _block The block number.
    @return The hash as the EVM gives it.
    """
    assert _block < block.number, "can only retrieve past block hashes"
    assert (
        block.number < HASH_WINDOW or _block >= block.number - HASH_WINDOW
    ), "can only retrieve hashes for last 256 blocks"
    return blockhash(_block)


@external
@view
def currentRound() -> uint256:
    """
    @notice The number of the round that the current block belongs to, initialized or not.
    @return The round number.
    """
    return self._current_round()


@external
@view
def currentRoundStartBlock() -> uint256:
    """
    @notice The first block of the current round.
    @return The block number.
    """
    current: uint256 = 0
    start_block: uint256 = 0
    current, start_block = self._clock()
    return start_block


@external
@view
def currentRoundInitialized() -> bool:
    """
    @notice True once initializeRound was called in the current round.
    @return Whether the round is initialized.
    """
    return self.lastInitializedRound == self._current_round()


@external
@view
def currentRoundLocked() -> bool:
    """
    @notice True in the last blocks of a round, when transcoders may not change their rates.
    @return Whether the round is locked.
    """
    current: uint256 = 0
    start_block: uint256 = 0
    current, start_block = self._clock()
    return self._locked(start_block)


@external
@view
def roundState() -> (uint256, bool, bool):
    """
    @notice currentRound, currentRoundInitialized and currentRoundLocked in one call.
    @dev Not part of the deployed ABI: it saves the other contracts two of three calls (spec 19).
    @return Round number, initialized, locked.
    """
    current: uint256 = 0
    start_block: uint256 = 0
    current, start_block = self._clock()
    return current, self.lastInitializedRound == current, self._locked(start_block)


@internal
@view
def _current_round() -> uint256:
    current: uint256 = 0
    start_block: uint256 = 0
    current, start_block = self._clock()
    return current


@internal
@view
def _clock() -> (uint256, uint256):
    """
    @dev The current round and its first block. Divides by zero, and so fails, until a length was set.
    """
    length: uint256 = self.roundLength
    origin: uint256 = self.lastRoundLengthUpdateStartBlock
    passed: uint256 = (block.number - origin) // length
    return self.lastRoundLengthUpdateRound + passed, origin + passed * length


@internal
@view
def _locked(_start_block: uint256) -> bool:
    length: uint256 = self.roundLength
    return block.number - _start_block >= length - length * self.roundLockAmount // PERC_DIVISOR
