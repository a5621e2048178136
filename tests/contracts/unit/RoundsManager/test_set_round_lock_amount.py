import ape
import pytest


@pytest.mark.parametrize("share", [0, 1_000_000])
def test_set_round_lock_amount__of_valid_share__sets_and_tells(rounds, owner, share):
    receipt = rounds.setRoundLockAmount(share, sender=owner)

    assert rounds.roundLockAmount() == share
    assert receipt.events == [rounds.ParameterUpdate(param="roundLockAmount")]


def test_set_round_lock_amount__above_hundred_percent__reverts(rounds, owner):
    with ape.reverts("round lock amount must be a valid percentage"):
        rounds.setRoundLockAmount(1_000_001, sender=owner)


def test_set_round_lock_amount__by_stranger__reverts(rounds, stranger):
    with ape.reverts("caller must be Controller owner"):
        rounds.setRoundLockAmount(0, sender=stranger)


def test_set_lip_upgrade_round__once__notes_it(rounds, owner):
    receipt = rounds.setLIPUpgradeRound(36, 1500, sender=owner)

    assert rounds.lipUpgradeRound(36) == 1500
    assert rounds.lipUpgradeRound(37) == 0
    assert receipt.events == []


def test_set_lip_upgrade_round__twice__reverts(rounds, owner):
    rounds.setLIPUpgradeRound(36, 1500, sender=owner)

    with ape.reverts("LIP upgrade round already set"):
        rounds.setLIPUpgradeRound(36, 1600, sender=owner)


def test_set_lip_upgrade_round__by_stranger__reverts(rounds, stranger):
    with ape.reverts("caller must be Controller owner"):
        rounds.setLIPUpgradeRound(36, 1500, sender=stranger)


def test_set_controller__by_other_than_controller__reverts(rounds, owner):
    with ape.reverts("caller must be Controller"):
        rounds.setController(owner, sender=owner)
