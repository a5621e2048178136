import ape
import pytest
from ape.utils import ZERO_ADDRESS

from tests.support.custom_errors import reverts_with

NOW = 100


def test_checkpoint_bonding_state__of_new_transcoder__tells_all_that_changed(votes, record, transcoder):
    assert not votes.hasCheckpoint(transcoder)

    receipt = record(transcoder, 1000, transcoder, 1500)

    assert votes.hasCheckpoint(transcoder)
    assert votes.getVotes(transcoder) == 1500
    assert votes.delegates(transcoder) == transcoder
    assert receipt.events == [
        votes.DelegateChanged(delegator=transcoder, fromDelegate=ZERO_ADDRESS, toDelegate=transcoder),
        votes.DelegateVotesChanged(delegate=transcoder, previousBalance=0, newBalance=1500),
        votes.DelegatorBondedAmountChanged(
            delegate=transcoder,
            previousBondedAmount=0,
            previousLastClaimRound=0,
            newBondedAmount=1000,
            newLastClaimRound=NOW,
        ),
    ]


def test_checkpoint_bonding_state__of_delegator__has_no_votes_of_its_own_to_tell(votes, record, transcoder, delegator):
    receipt = record(delegator, 500, transcoder)

    assert receipt.events == [
        votes.DelegateChanged(delegator=delegator, fromDelegate=ZERO_ADDRESS, toDelegate=transcoder),
        votes.DelegatorBondedAmountChanged(
            delegate=delegator,
            previousBondedAmount=0,
            previousLastClaimRound=0,
            newBondedAmount=500,
            newLastClaimRound=NOW,
        ),
    ]


def test_checkpoint_bonding_state__again_in_the_same_round__replaces(votes, record, go_to, transcoder):
    record(transcoder, 1000, transcoder, 1500)

    receipt = record(transcoder, 1000, transcoder, 1700)

    assert votes.getVotes(transcoder) == 1700
    assert receipt.events == [votes.DelegateVotesChanged(delegate=transcoder, previousBalance=1500, newBalance=1700)]


def test_checkpoint_bonding_state__in_a_later_round__keeps_the_earlier_one(votes, record, go_to, transcoder):
    record(transcoder, 1000, transcoder, 1500)
    go_to(NOW + 5)

    receipt = record(transcoder, 1100, transcoder, 1600, claimed=NOW + 5)

    go_to(NOW + 7)
    assert [votes.getPastVotes(transcoder, NOW + past) for past in (-1, 0, 4, 5, 6)] == [0, 1500, 1500, 1600, 1600]
    assert receipt.events == [
        votes.DelegateVotesChanged(delegate=transcoder, previousBalance=1500, newBalance=1600),
        votes.DelegatorBondedAmountChanged(
            delegate=transcoder,
            previousBondedAmount=1000,
            previousLastClaimRound=NOW,
            newBondedAmount=1100,
            newLastClaimRound=NOW + 5,
        ),
    ]


def test_checkpoint_bonding_state__unchanged__tells_nothing(votes, record, go_to, transcoder):
    record(transcoder, 1000, transcoder, 1500, claimed=NOW)
    go_to(NOW + 1)

    receipt = record(transcoder, 1000, transcoder, 1500, claimed=NOW)

    assert receipt.events == []
    assert votes.getVotes(transcoder) == 1500


def test_checkpoint_bonding_state__with_only_a_new_reward_round__is_recorded_silently(
    votes, stake, record, owner, go_to, transcoder, delegator
):
    stake.set_reward_factor(transcoder, NOW, 10**27, sender=owner)
    stake.set_reward_factor(transcoder, NOW + 1, 3 * 10**27, sender=owner)
    record(delegator, 500, transcoder, claimed=NOW)
    record(transcoder, 1000, transcoder, 1500, claimed=NOW, rewarded=NOW)
    go_to(NOW + 1)

    receipt = record(transcoder, 1000, transcoder, 1500, claimed=NOW, rewarded=NOW + 1)

    assert receipt.events == []
    assert votes.getVotes(delegator) == 1500
    assert votes.getVotesAndDelegateAtRoundStart(delegator, NOW + 1)[0] == 500


def test_checkpoint_bonding_state__of_empty_account__still_counts_as_checkpoint(votes, record, stranger):
    receipt = record(stranger, 0, ZERO_ADDRESS, 0, claimed=0)

    assert votes.hasCheckpoint(stranger)
    assert receipt.events == []


def test_checkpoint_bonding_state__with_largest_values__keeps_them_apart(votes, record, transcoder, delegator):
    largest = 2**104 - 1

    record(transcoder, 1, transcoder, largest, claimed=0, rewarded=0)
    record(delegator, largest, transcoder, 0, claimed=NOW)

    assert votes.getVotes(transcoder) == largest
    assert votes.getVotes(delegator) == largest
    assert votes.delegates(delegator) == transcoder


@pytest.mark.parametrize(("bonded", "delegated"), [(2**104, 0), (0, 2**104)])
def test_checkpoint_bonding_state__with_stake_that_does_not_fit__reverts(record, transcoder, bonded, delegated):
    with ape.reverts("stake is too large"):
        record(transcoder, bonded, transcoder, delegated)


def test_checkpoint_bonding_state__with_reward_round_that_does_not_fit__reverts(record, transcoder):
    with ape.reverts("round is too large"):
        record(transcoder, 1, transcoder, 1, rewarded=2**48)


@pytest.mark.parametrize("start", [NOW, NOW + 2])
def test_checkpoint_bonding_state__for_another_round__reverts(votes, bonding_manager, transcoder, start):
    with reverts_with("InvalidStartRound(uint256,uint256)", start, NOW + 1):
        votes.checkpointBondingState(transcoder, start, 1, transcoder, 1, NOW, 0, sender=bonding_manager)


def test_checkpoint_bonding_state__claimed_in_the_future__reverts(votes, bonding_manager, transcoder):
    with reverts_with("FutureLastClaimRound(uint256,uint256)", NOW + 1, NOW):
        votes.checkpointBondingState(transcoder, NOW + 1, 1, transcoder, 1, NOW + 1, 0, sender=bonding_manager)


def test_checkpoint_bonding_state__with_clock_set_back__reverts(record, go_to, transcoder):
    record(transcoder, 1, transcoder, 1)
    go_to(NOW - 10)

    with reverts_with("DecreasingValues(uint256,uint256)", NOW - 9, NOW + 1):
        record(transcoder, 1, transcoder, 1)


def test_checkpoint_bonding_state__by_stranger__reverts(votes, stake, stranger):
    with reverts_with("InvalidCaller(address,address)", stranger.address, stake.address):
        votes.checkpointBondingState(stranger, NOW + 1, 1, stranger, 1, NOW, 0, sender=stranger)
