import ape
import pytest
from eth_abi import encode
from eth_utils import keccak

LENGTH = 20
LPT = 10**18
BLOCKHASH, ISZERO, PUSH1, PUSH32 = 0x40, 0x15, 0x60, 0x7F


@pytest.fixture
def ready(rounds, minter, stake, owner, go_to):
    """Nothing is initialized; 600 of 1000 LPT are staked for the next round."""
    stake.set_next_total(600 * LPT, sender=owner)
    go_to(5)


def without_block_hashes(code: bytes) -> bytes:
    """The same code as on a chain whose BLOCKHASH answers zero, which Arbitrum's may.

    ISZERO, too, takes a word and gives one: zero, for any block but the first.
    """
    patched = bytearray(code)
    at = 0
    while at < len(patched):
        if patched[at] == BLOCKHASH:
            patched[at] = ISZERO
        at += patched[at] - PUSH1 + 2 if PUSH1 <= patched[at] <= PUSH32 else 1
    assert patched != code
    return bytes(patched)


def test_initialize_round__by_anyone__starts_the_round(rounds, ready, minter, stake, chain, stranger):
    current = rounds.currentRound()

    receipt = rounds.initializeRound(sender=stranger)

    previous_hash = chain.blocks[receipt.block_number - 1].hash
    assert rounds.lastInitializedRound() == current
    assert rounds.currentRoundInitialized()
    assert rounds.blockHashForRound(current) == previous_hash
    # The Minter read 600 LPT, above its target, so it ran after the BondingManager.
    assert receipt.events == [
        stake.Rotated(caller=rounds, initializedRound=current),
        minter.SetCurrentRewardTokens(currentMintableTokens=1000 * LPT * 950 // 10**9, currentInflation=950),
        rounds.NewRound(round=current, blockHash=previous_hash),
    ]


def test_initialize_round__twice__reverts(rounds, ready, stranger):
    rounds.initializeRound(sender=stranger)

    with ape.reverts("round already initialized"):
        rounds.initializeRound(sender=stranger)


def test_initialize_round__in_the_next_round__works_again(rounds, ready, chain, stranger):
    rounds.initializeRound(sender=stranger)
    first = rounds.lastInitializedRound()
    chain.mine(LENGTH)
    assert not rounds.currentRoundInitialized()

    rounds.initializeRound(sender=stranger)

    assert rounds.lastInitializedRound() == first + 1


def test_initialize_round__after_rounds_nobody_started__skips_them(rounds, ready, chain, stranger):
    rounds.initializeRound(sender=stranger)
    first = rounds.lastInitializedRound()
    chain.mine(3 * LENGTH)

    rounds.initializeRound(sender=stranger)

    assert rounds.lastInitializedRound() == first + 3
    assert rounds.blockHashForRound(first + 1) == rounds.blockHashForRound(first + 2) == bytes(32)
    assert rounds.blockHashForRound(first + 3) != bytes(32)


def test_initialize_round__of_round_zero__reverts(unset_rounds, minter, owner, stranger):
    # A length beyond the height of the chain: the clock stands at zero.
    unset_rounds.setRoundLength(10**9, sender=owner)

    with ape.reverts("round already initialized"):
        unset_rounds.initializeRound(sender=stranger)


def test_initialize_round__while_paused__reverts(rounds, ready, controller, owner, stranger):
    controller.pause(sender=owner)

    with ape.reverts("system is paused"):
        rounds.initializeRound(sender=stranger)


def test_initialize_round__k15_zero_block_hash__stores_another_value(rounds, ready, chain, stranger):
    provider = chain.provider
    provider.set_code(rounds.address, without_block_hashes(provider.get_code(rounds.address)))
    current = rounds.currentRound()

    receipt = rounds.initializeRound(sender=stranger)

    expected = keccak(encode(["uint256", "uint256"], [current, receipt.block_number]))
    assert rounds.blockHash(receipt.block_number - 1) == bytes(32)
    assert rounds.blockHashForRound(current) == expected
    assert receipt.events[-1] == rounds.NewRound(round=current, blockHash=expected)
