import ape
import pytest

LENGTH = 20


@pytest.mark.parametrize("view", ["currentRound", "currentRoundStartBlock", "currentRoundInitialized", "roundState"])
def test_clock__before_a_length_is_set__reverts(unset_rounds, view):
    with ape.reverts():
        getattr(unset_rounds, view)()


def test_block_num__is_the_blocks_number(rounds, chain):
    assert rounds.blockNum() == chain.blocks.head.number


@pytest.mark.parametrize("offset", [0, 1, LENGTH - 1])
def test_current_round__within_a_round__counts_whole_rounds(rounds, go_to, offset):
    go_to(offset)

    block = rounds.blockNum()
    assert rounds.currentRound() == block // LENGTH
    assert rounds.currentRoundStartBlock() == block - offset


def test_current_round__after_the_last_block__is_the_next_one(rounds, chain, go_to):
    go_to(LENGTH - 1)
    before = rounds.currentRound()

    chain.mine(1)

    assert rounds.currentRound() == before + 1


@pytest.mark.parametrize(
    ("lock", "offset", "locked"),
    [
        (100_000, LENGTH - 3, False),
        (100_000, LENGTH - 2, True),
        (100_000, LENGTH - 1, True),
        (0, LENGTH - 1, False),
        (1_000_000, 0, True),
        # 9.9999 % of 20 blocks is rounded down to one block.
        (99_999, LENGTH - 2, False),
    ],
)
def test_current_round_locked__per_offset__covers_the_end_of_the_round(rounds, owner, go_to, lock, offset, locked):
    rounds.setRoundLockAmount(lock, sender=owner)
    go_to(offset)

    assert rounds.currentRoundLocked() is locked


@pytest.mark.parametrize("offset", [3, LENGTH - 2])
def test_round_state__at_any_time__is_the_three_views_in_one(rounds, minter, owner, go_to, offset):
    rounds.initializeRound(sender=owner)
    for _ in range(2):
        go_to(offset)
        separate = (rounds.currentRound(), rounds.currentRoundInitialized(), rounds.currentRoundLocked())
        assert tuple(rounds.roundState()) == separate
        go_to(offset - 1)


def test_block_hash__of_past_block__is_the_evms(rounds, chain):
    latest = chain.blocks.head.number

    assert rounds.blockHash(latest - 1) == chain.blocks[latest - 1].hash


def test_block_hash__of_current_block__reverts(rounds):
    with ape.reverts("can only retrieve past block hashes"):
        rounds.blockHash(rounds.blockNum())


def test_block_hash__at_the_edge_of_the_window__answers_within_and_reverts_beyond(rounds, chain):
    chain.mine(300)
    oldest = rounds.blockNum() - 256

    assert rounds.blockHash(oldest) == chain.blocks[oldest].hash
    with ape.reverts("can only retrieve hashes for last 256 blocks"):
        rounds.blockHash(oldest - 1)
