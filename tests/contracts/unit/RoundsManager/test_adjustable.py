"""The clock of the published test contract: the same rules, with blocks that anybody sets."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from ape.contracts import ContractInstance

LENGTH = 5760
HASH = bytes(range(32))


@pytest.fixture(scope="module")
def rounds(project: Any, owner: Any, controller: Any, register: Any, minter: Any) -> ContractInstance:
    """Rounds of a length that no test could mine; the clock stands at the start of the tenth."""
    instance = owner.deploy(project.AdjustableRoundsManager, controller)
    register("RoundsManager", instance)
    instance.setBlockNum(10 * LENGTH, sender=owner)
    instance.setRoundLength(LENGTH, sender=owner)
    instance.setRoundLockAmount(100_000, sender=owner)
    return instance


def test_adjustable_set_block_num__by_anyone__moves_the_clock(rounds: Any, stranger: Any) -> None:
    rounds.setBlockNum(12 * LENGTH + 7, sender=stranger)

    assert (rounds.num(), rounds.blockNum()) == (12 * LENGTH + 7, 12 * LENGTH + 7)
    assert (rounds.currentRound(), rounds.currentRoundStartBlock()) == (12, 12 * LENGTH)


def test_adjustable_mine_blocks__to_the_locked_part__locks_the_round(rounds: Any, stranger: Any) -> None:
    rounds.mineBlocks(LENGTH - LENGTH // 10 - 1, sender=stranger)
    assert not rounds.currentRoundLocked()

    rounds.mineBlocks(1, sender=stranger)

    assert rounds.currentRoundLocked()


def test_adjustable_set_block_num__beyond_56_bits__reverts(rounds: Any, stranger: Any) -> None:
    with ape.reverts("block number exceeds 56 bits"):
        rounds.setBlockNum(2**56, sender=stranger)


def test_adjustable_set_block_hash__by_anyone__is_the_hash_of_every_block_in_the_window(
    rounds: Any, stranger: Any
) -> None:
    rounds.setBlockHash(HASH, sender=stranger)

    assert rounds.hash() == HASH
    assert rounds.blockHash(10 * LENGTH) == rounds.blockHash(10 * LENGTH - 256) == HASH
    with ape.reverts():
        rounds.blockHash(10 * LENGTH - 257)


def test_adjustable_set_round_length__k17_shorter_mid_round__counts_the_stored_block(rounds: Any, owner: Any) -> None:
    rounds.mineBlocks(2000, sender=owner)

    rounds.setRoundLength(100, sender=owner)

    assert (rounds.currentRound(), rounds.currentRoundStartBlock()) == (10, 10 * LENGTH + 2000)
    assert rounds.lastRoundLengthUpdateStartBlock() == 10 * LENGTH + 2000


def test_adjustable_initialize_round__hash_was_set__stores_it(rounds: Any, stranger: Any) -> None:
    rounds.setBlockHash(HASH, sender=stranger)

    receipt = rounds.initializeRound(sender=stranger)

    assert rounds.blockHashForRound(10) == HASH
    assert tuple(rounds.roundState()) == (10, True, False)
    assert rounds.NewRound(round=10, blockHash=HASH) in receipt.events
