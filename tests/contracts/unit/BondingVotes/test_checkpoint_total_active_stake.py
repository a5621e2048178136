import ape
import pytest

from tests.support.custom_errors import reverts_with

NOW = 100


@pytest.fixture
def total(votes, bonding_manager, go_to):
    """`total(round, stake)` moves to a round and records its total."""

    def write(number: int, amount: int):
        go_to(number)
        return votes.checkpointTotalActiveStake(amount, number, sender=bonding_manager)

    return write


def test_checkpoint_total_active_stake__in_some_rounds__answers_for_all(votes, stake, owner, total, go_to):
    stake.set_next_total(77, sender=owner)
    for number, amount in ((NOW, 10), (NOW + 1, 20), (NOW + 4, 40), (NOW + 5, 0)):
        assert total(number, amount).events == []
    go_to(NOW + 6)

    # Before the first record nothing; in a gap what the next start recorded; after the last what the next one would.
    expected = {-5: 0, -1: 0, 0: 10, 1: 20, 2: 40, 3: 40, 4: 40, 5: 0, 6: 77, 7: 77}
    assert {n: votes.getTotalActiveStakeAt(NOW + n) for n in expected} == expected


def test_checkpoint_total_active_stake__again_in_the_same_round__replaces(votes, total):
    total(NOW, 10)
    total(NOW, 11)

    assert votes.getTotalActiveStakeAt(NOW) == 11


def test_get_total_active_stake_at__without_any_record__is_zero(votes, stake, owner):
    stake.set_next_total(77, sender=owner)

    assert votes.getTotalActiveStakeAt(NOW + 1) == 0


def test_get_total_active_stake_at__beyond_the_next_round__reverts(votes):
    with reverts_with("FutureLookup(uint256,uint256)", NOW + 2, NOW + 1):
        votes.getTotalActiveStakeAt(NOW + 2)


def test_total_supply__as_things_stand__is_that_of_the_next_round(votes, stake, owner, total):
    stake.set_next_total(77, sender=owner)
    total(NOW, 10)

    assert votes.totalSupply() == 77


def test_get_past_total_supply__of_past_round__is_that_of_its_end(votes, stake, owner, total):
    stake.set_next_total(77, sender=owner)
    total(NOW, 10)
    total(NOW + 1, 20)

    assert votes.getPastTotalSupply(NOW - 1) == 10
    assert votes.getPastTotalSupply(NOW) == 20


def test_get_past_total_supply__of_current_round__reverts(votes, total):
    with reverts_with("FutureLookup(uint256,uint256)", NOW, NOW - 1):
        votes.getPastTotalSupply(NOW)


@pytest.mark.parametrize("number", [NOW - 1, NOW + 1])
def test_checkpoint_total_active_stake__for_another_round__reverts(votes, bonding_manager, number):
    with reverts_with("InvalidTotalStakeCheckpointRound(uint256,uint256)", number, NOW):
        votes.checkpointTotalActiveStake(1, number, sender=bonding_manager)


def test_checkpoint_total_active_stake__with_clock_set_back__reverts(votes, total):
    total(NOW, 10)

    with reverts_with("DecreasingValues(uint256,uint256)", NOW - 1, NOW):
        total(NOW - 1, 10)


def test_checkpoint_total_active_stake__that_does_not_fit__reverts(total):
    with ape.reverts("stake is too large"):
        total(NOW, 2**208)


def test_checkpoint_total_active_stake__by_stranger__reverts(votes, stake, stranger):
    with reverts_with("InvalidCaller(address,address)", stranger.address, stake.address):
        votes.checkpointTotalActiveStake(1, NOW, sender=stranger)
