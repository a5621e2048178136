import pytest
from ape.utils import ZERO_ADDRESS

from tests.support.custom_errors import reverts_with

NOW = 100
ONE = 10**27


def test_get_votes__of_unknown_account__is_zero(votes, stranger):
    assert votes.getVotes(stranger) == 0
    assert votes.delegates(stranger) == ZERO_ADDRESS
    assert tuple(votes.getVotesAndDelegateAtRoundStart(stranger, NOW)) == (0, ZERO_ADDRESS)


def test_get_votes__of_transcoder__is_all_stake_delegated_to_it(votes, record, transcoder):
    record(transcoder, 1000, transcoder, 1500)

    assert tuple(votes.getVotesAndDelegateAtRoundStart(transcoder, NOW + 1)) == (1500, transcoder)


def test_get_votes__k4_of_self_delegated_account_without_own_stake__is_zero(votes, record, transcoder, delegator):
    record(transcoder, 0, transcoder, 500)
    record(delegator, 500, transcoder)

    assert votes.getVotes(transcoder) == 0
    assert tuple(votes.getVotesAndDelegateAtRoundStart(delegator, NOW + 1)) == (0, transcoder)


def test_get_votes__of_delegator_to_a_delegator__is_zero(votes, record, transcoder, delegator, other_delegator):
    record(transcoder, 1000, transcoder, 1500)
    record(delegator, 500, transcoder, 300)
    record(other_delegator, 300, delegator)

    assert votes.getVotes(other_delegator) == 0


def test_get_votes__of_delegator_before_any_reward__is_its_stake(votes, record, transcoder, delegator):
    record(transcoder, 1000, transcoder, 1500)
    record(delegator, 500, transcoder)

    assert votes.getVotes(delegator) == 500


def test_get_votes__of_delegator_that_claimed_after_the_last_reward__is_its_stake(
    votes, stake, record, owner, transcoder, delegator
):
    stake.set_reward_factor(transcoder, NOW - 1, 2 * ONE, sender=owner)
    record(transcoder, 1000, transcoder, 1500, rewarded=NOW - 1)
    record(delegator, 500, transcoder, claimed=NOW)

    assert votes.getVotes(delegator) == 500


# The end factor is that of the last reward, the start factor that of the last claim; zero stands for one.
@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (ONE, 3 * ONE, 1500),
        (2 * ONE, 3 * ONE, 750),
        (0, 3 * ONE, 1500),
        (3 * ONE, 3 * ONE + 1, 500),
        (3 * ONE, 5 * ONE, 833),
    ],
)
def test_get_votes__of_delegator_with_unclaimed_rewards__includes_them(
    votes, stake, record, owner, transcoder, delegator, start, end, expected
):
    stake.set_reward_factor(transcoder, NOW - 5, start, sender=owner)
    stake.set_reward_factor(transcoder, NOW, end, sender=owner)
    record(transcoder, 1000, transcoder, 1500, rewarded=NOW)
    record(delegator, 500, transcoder, claimed=NOW - 5)

    assert votes.getVotes(delegator) == expected


def test_get_votes__with_last_reward_but_no_factor__reverts(votes, record, transcoder, delegator):
    record(transcoder, 1000, transcoder, 1500, rewarded=NOW)
    record(delegator, 500, transcoder)

    with reverts_with("MissingEarningsPool(address,uint256)", transcoder.address, NOW):
        votes.getVotes(delegator)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_get_past_votes__over_many_checkpoints__finds_the_one_in_force(votes, record, go_to, transcoder, count):
    rounds = [NOW + 3 * i for i in range(count)]
    for i, number in enumerate(rounds):
        go_to(number)
        record(transcoder, 1, transcoder, 10 + i)
    go_to(NOW + 30)

    for number in range(NOW - 2, NOW + 21):
        begun = [i for i, start in enumerate(rounds) if start <= number]
        assert votes.getPastVotes(transcoder, number) == (10 + begun[-1] if begun else 0), number


def test_get_past_votes__of_current_round__reverts(votes, transcoder):
    with reverts_with("FutureLookup(uint256,uint256)", NOW, NOW - 1):
        votes.getPastVotes(transcoder, NOW)


def test_get_past_votes__in_round_zero__reverts(votes, go_to, transcoder):
    go_to(0)

    with reverts_with("FutureLookup(uint256,uint256)", 0, 0):
        votes.getPastVotes(transcoder, 0)


def test_get_votes_and_delegate__beyond_the_next_round__reverts(votes, transcoder):
    with reverts_with("FutureLookup(uint256,uint256)", NOW + 2, NOW + 1):
        votes.getVotesAndDelegateAtRoundStart(transcoder, NOW + 2)


def test_delegated_at__of_past_round__is_the_delegate_at_its_end(votes, record, go_to, transcoder, delegator):
    record(delegator, 500, transcoder)
    go_to(NOW + 1)
    record(delegator, 500, delegator)
    go_to(NOW + 2)

    assert votes.delegatedAt(delegator, NOW - 1) == ZERO_ADDRESS
    assert votes.delegatedAt(delegator, NOW) == transcoder
    assert votes.delegatedAt(delegator, NOW + 1) == votes.delegates(delegator) == delegator


def test_delegated_at__of_current_round__reverts(votes, delegator):
    with reverts_with("FutureLookup(uint256,uint256)", NOW, NOW - 1):
        votes.delegatedAt(delegator, NOW)
