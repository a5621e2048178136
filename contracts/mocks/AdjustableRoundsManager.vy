# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title The round clock of tests: anybody sets the block number and the hash
@license MIT
@notice Same ABI and rules as RoundsManager, but blocks are a stored number. With the ABI published under this name.
@dev Only for chains on which nothing is at stake. Scripts deploy what lies outside of this folder.
@custom:kill Never deployed outside tests.
"""

from ..interfaces import IRoundsManager
from ..modules import manager
from ..modules import round_clock

initializes: manager
initializes: round_clock[manager := manager]
implements: IRoundsManager
exports: (manager.controller, manager.setController, manager.targetContractId)
exports: (
    round_clock.blockHashForRound,
    round_clock.lastInitializedRound,
    round_clock.lastRoundLengthUpdateRound,
    round_clock.lastRoundLengthUpdateStartBlock,
    round_clock.lipUpgradeRound,
    round_clock.roundLength,
    round_clock.roundLockAmount,
    round_clock.setLIPUpgradeRound,
    round_clock.setRoundLockAmount,
)


HASH_WINDOW: constant(uint256) = 256


# The block number that the clock uses.
num: public(uint256)
# The hash of every block.
hash: public(bytes32)


@deploy
def __init__(_controller: address):
    """
    @param _controller The Controller to obey.
    """
    manager.__init__(_controller)


@external
def setBlockNum(_num: uint256):
    """
    @notice Set the block number. Anyone.
    @param _num The number, at most 2^56 - 1.
    """
    self._set_num(_num)


@external
def mineBlocks(_blocks: uint256):
    """
    @notice Go some blocks on. Anyone.
    @param _blocks How many.
    """
    self._set_num(self.num + _blocks)


@external
def setBlockHash(_hash: bytes32):
    """
    @notice Set the hash of every block. Anyone.
    @param _hash The hash.
    """
    self.hash = _hash


@external
def setRoundLength(_roundLength: uint256):
    """
    @notice Set the length of a round. Controller owner only.
    @param _roundLength Blocks, more than zero, at most 2^56 - 1.
    """
    round_clock._set_round_length(_roundLength, self.num)


@external
def initializeRound():
    """
    @notice Start the current round: anyone may, once.
    """
    round_clock._initialize(self.num, self.hash)


@external
@view
def blockNum() -> uint256:
    """
    @notice The block number that the clock uses.
    @return What was set.
    """
    return self.num


@external
@view
def blockHash(_block: uint256) -> bytes32:
    """
    @notice The hash of a block, which is the same for all of them.
    @param _block A block number no more than 256 below the present one.
    @return What was set.
    """
    assert self.num < HASH_WINDOW or _block >= self.num - HASH_WINDOW
    return self.hash


@external
@view
def currentRound() -> uint256:
    """
    @notice The number of the round that the present block belongs to, initialized or not.
    @return The round number.
    """
    return round_clock._current_round(self.num)


@external
@view
def currentRoundStartBlock() -> uint256:
    """
    @notice The first block of the current round.
    @return The block number.
    """
    return round_clock._start_block(self.num)


@external
@view
def currentRoundInitialized() -> bool:
    """
    @notice True once initializeRound was called in the current round.
    @return Whether the round is initialized.
    """
    return round_clock._state(self.num)[1]


@external
@view
def currentRoundLocked() -> bool:
    """
    @notice True in the last blocks of a round, when transcoders may not change their rates.
    @return Whether the round is locked.
    """
    return round_clock._state(self.num)[2]


@external
@view
def roundState() -> (uint256, bool, bool):
    """
    @notice currentRound, currentRoundInitialized and currentRoundLocked in one call.
    @return Round number, initialized, locked.
    """
    return round_clock._state(self.num)


@internal
def _set_num(_num: uint256):
    # A larger number would spill out of its place in the clock's word.
    assert _num <= round_clock.BLOCK_MASK, "block number exceeds 56 bits"
    self.num = _num
