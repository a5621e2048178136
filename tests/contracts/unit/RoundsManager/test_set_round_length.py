import ape
import pytest

LENGTH = 20


def test_set_round_length__for_the_first_time__counts_from_genesis(unset_rounds, owner):
    receipt = unset_rounds.setRoundLength(7, sender=owner)

    first = receipt.block_number // 7
    assert unset_rounds.roundLength() == 7
    assert unset_rounds.lastRoundLengthUpdateRound() == first == unset_rounds.currentRound()
    assert unset_rounds.lastRoundLengthUpdateStartBlock() == first * 7
    assert receipt.events == [unset_rounds.ParameterUpdate(param="roundLength")]


@pytest.mark.parametrize("length", [LENGTH, LENGTH + 1, 1000, 12])
def test_set_round_length__longer_than_the_rounds_age__keeps_number_and_start(rounds, owner, go_to, length):
    go_to(10)
    number, start = rounds.currentRound(), rounds.currentRoundStartBlock()

    receipt = rounds.setRoundLength(length, sender=owner)

    assert rounds.roundLength() == length
    assert (rounds.currentRound(), rounds.currentRoundStartBlock()) == (number, start)
    assert (rounds.lastRoundLengthUpdateRound(), rounds.lastRoundLengthUpdateStartBlock()) == (number, start)
    assert receipt.events == [rounds.ParameterUpdate(param="roundLength")]


# The change happens at offset 11, when 11 blocks of the round have passed.
@pytest.mark.parametrize("length", [1, 2, 5, 10, 11])
def test_set_round_length__k17_shorter_mid_round__leaves_current_round(rounds, owner, go_to, length):
    go_to(10)
    number = rounds.currentRound()

    receipt = rounds.setRoundLength(length, sender=owner)

    assert rounds.currentRound() == number
    assert rounds.currentRoundStartBlock() == receipt.block_number


def test_set_round_length__k17_after_shortening__rounds_go_on_one_by_one(rounds, owner, chain, go_to):
    go_to(10)
    number = rounds.currentRound()
    rounds.setRoundLength(5, sender=owner)

    seen = []
    for _ in range(11):
        seen.append(rounds.currentRound() - number)
        chain.mine(1)

    assert seen == [0] * 5 + [1] * 5 + [2]


def test_set_round_length__of_zero__reverts(rounds, owner):
    with ape.reverts("round length cannot be 0"):
        rounds.setRoundLength(0, sender=owner)


def test_set_round_length__by_stranger__reverts(rounds, stranger):
    with ape.reverts("caller must be Controller owner"):
        rounds.setRoundLength(5, sender=stranger)


def test_set_round_length__beyond_56_bits__reverts(rounds, owner):
    with ape.reverts("round length exceeds 56 bits"):
        rounds.setRoundLength(2**56, sender=owner)


def test_set_round_length__of_56_bits__leaves_every_other_figure_as_it_is(rounds, minter, owner):
    rounds.initializeRound(sender=owner)
    figures = ("currentRound", "currentRoundStartBlock", "lastInitializedRound", "roundLockAmount")
    before = [getattr(rounds, figure)() for figure in figures]

    rounds.setRoundLength(2**56 - 1, sender=owner)

    assert rounds.roundLength() == 2**56 - 1
    assert [getattr(rounds, figure)() for figure in figures] == before
