"""What a proposal needs, and how a poll is counted (onchain 13, 14; LIP-16)."""

import pytest

from livepeer_client.errors import InvalidInput
from livepeer_client.facts.governance import Ballot, GovernedCall, PollChoice, Votes
from livepeer_client.policy.governance import PollTally, check_bounds, count_poll, standing
from livepeer_client.types import ZERO_ADDRESS, Address, Wei

TRANSCODER, OTHER, ANN, BEN = (Address(bytes([number]) * 20) for number in range(1, 5))
YES, NO = PollChoice.YES, PollChoice.NO


def transcoder(choice: int, delegated: int, own: int, address: Address = TRANSCODER) -> Ballot:
    return Ballot(address, choice, own, address, delegated)


def delegator(voter: Address, choice: int, stake: int, to: Address = TRANSCODER) -> Ballot:
    return Ballot(voter, choice, stake, to, 0)


@pytest.mark.parametrize(
    ("votes", "reached", "succeeds"),
    [
        (Votes(against=0, in_favour=99, abstain=0), False, False),
        (Votes(against=0, in_favour=100, abstain=0), True, True),
        (Votes(against=51, in_favour=49, abstain=0), True, False),
        (Votes(against=50, in_favour=50, abstain=0), True, True),
        # K16: nothing succeeds without a vote in favour, and 50 of 101 are not half.
        (Votes(against=0, in_favour=0, abstain=100), True, False),
        (Votes(against=51, in_favour=50, abstain=0), True, False),
    ],
)
def test_standing__of_votes_against_a_quorum_of_100_and_a_half__is_the_contracts(
    votes: Votes, reached: bool, succeeds: bool
) -> None:
    found = standing(votes, 100, 500_000)
    assert (found.reached, found.succeeds) == (reached, succeeds)


def test_count_poll__delegators_who_vote__take_their_stake_from_their_transcoder() -> None:
    ballots = [transcoder(YES, 1000, 400), delegator(ANN, NO, 300), delegator(BEN, YES, 100)]
    assert count_poll(ballots) == PollTally(yes=600 + 100, no=300)


def test_count_poll__delegators_of_one_who_did_not_vote__count_for_themselves() -> None:
    assert count_poll([delegator(ANN, NO, 300), delegator(BEN, YES, 100, to=OTHER)]) == PollTally(yes=100, no=300)


def test_count_poll__a_choice_that_means_nothing__counts_nowhere_and_takes_nothing() -> None:
    assert count_poll([transcoder(YES, 1000, 400), delegator(ANN, 2, 300)]) == PollTally(yes=1000, no=0)


def test_count_poll__one_without_stake__counts_for_nothing() -> None:
    assert count_poll([Ballot(ANN, NO, 0, ZERO_ADDRESS, 0)]) == PollTally(0, 0)


@pytest.mark.parametrize(
    ("tally", "passes"),
    [
        (PollTally(yes=300, no=33), False),
        (PollTally(yes=200, no=134), True),
        (PollTally(yes=166, no=168), False),
        (PollTally(yes=167, no=167), True),
        (PollTally(0, 0), False),
    ],
)
def test_poll_tally__against_a_third_of_the_stake_and_half_of_the_votes__passes_or_not(
    tally: PollTally, passes: bool
) -> None:
    assert tally.passes(quorum=333_300, quota=500_000, total_stake=1000) is passes


def test_check_bounds__at_the_bounds__is_silent() -> None:
    check_bounds([GovernedCall(ANN, Wei(0), bytes(4096))] * 16, bytes(32_768))
    with pytest.raises(InvalidInput):
        check_bounds([GovernedCall(ANN, Wei(0), bytes(4096))] * 17, b"")
