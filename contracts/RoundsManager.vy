# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title The round clock
@license MIT
@notice Counts rounds in blocks, starts each one on request and keeps one block hash per round, which tickets refer to.
@dev Proxied. On Arbitrum block numbers are those of L1: they may stand still or jump, and rounds may be skipped
     (spec 6, 17). The rules are in the round_clock module; this contract tells it which block it is.
@custom:kill The Controller's pause stops the start of rounds, and with it everything that needs an initialized round.
             The Controller owner can register other code under `RoundsManagerTarget`.
"""

from .interfaces import IRoundsManager
from .modules import manager
from .modules import round_clock

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


# How far back the EVM knows block hashes.
HASH_WINDOW: constant(uint256) = 256


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
    @dev The current round keeps its number, and its first block unless it is older than a whole new round (spec 18,
         K17).
    @param _roundLength Blocks, more than zero, at most 2^56 - 1.
    """
    round_clock._set_round_length(_roundLength, block.number)


@external
def initializeRound():
    """
    @notice Start the current round: anyone may, once. Rounds that nobody started are skipped for good.
    @dev If the chain gives no block hash, the round gets another value that is fixed with it (spec 6; 18, K15).
    """
    round_clock._initialize(block.number, blockhash(block.number - 1))


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
    return round_clock._current_round(block.number)


@external
@view
def currentRoundStartBlock() -> uint256:
    """
    @notice The first block of the current round.
    @return The block number.
    """
    return round_clock._start_block(block.number)


@external
@view
def currentRoundInitialized() -> bool:
    """
    @notice True once initializeRound was called in the current round.
    @return Whether the round is initialized.
    """
    return round_clock._state(block.number)[1]


@external
@view
def currentRoundLocked() -> bool:
    """
    @notice True in the last blocks of a round, when transcoders may not change their rates.
    @return Whether the round is locked.
    """
    return round_clock._state(block.number)[2]


@external
@view
def roundState() -> (uint256, bool, bool):
    """
    @notice currentRound, currentRoundInitialized and currentRoundLocked in one call.
    @dev Not part of the deployed ABI: it saves the other contracts two of three calls (spec 19).
    @return Round number, initialized, locked.
    """
    return round_clock._state(block.number)
