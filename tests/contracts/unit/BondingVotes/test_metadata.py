import ape
import pytest

from tests.support.custom_errors import reverts_with


def test_metadata__describes_the_voting_power(votes):
    assert (votes.name(), votes.symbol(), votes.decimals()) == ("Livepeer Voting Power", "vLPT", 18)


def test_clock__is_the_current_round(votes, go_to):
    go_to(123)

    assert votes.clock() == 123
    assert votes.CLOCK_MODE() == "mode=livepeer_round"


@pytest.mark.parametrize(("number", "fits"), [(2**48 - 1, True), (2**48, False)])
def test_clock__at_the_largest_round__answers_or_reverts(votes, go_to, number, fits):
    go_to(number)

    if fits:
        assert votes.clock() == number
    else:
        with ape.reverts("SafeCast: value doesn't fit in 48 bits"):
            votes.clock()


def test_delegate__by_anyone__points_to_the_bonding_manager(votes, stranger):
    with reverts_with("MustCallBondingManager(string)", "bond"):
        votes.call_view_method("delegate", stranger)


def test_delegate_by_sig__by_anyone__points_to_the_bonding_manager(votes, stranger):
    with reverts_with("MustCallBondingManager(string)", "bondFor"):
        votes.delegateBySig(stranger, 0, 0, 27, bytes(32), bytes(32))


def test_set_controller__by_other_than_controller__reverts(votes, owner):
    with ape.reverts("caller must be Controller"):
        votes.setController(owner, sender=owner)
