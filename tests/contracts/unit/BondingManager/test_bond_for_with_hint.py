"""bondForWithHint: stake for somebody else."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.support.bonding_stage import LPT, NOBODY, Stage, arguments

NO_HINTS = (NOBODY, NOBODY, NOBODY, NOBODY)


def test_bond_for__a_fresh_owner__stake_belongs_to_the_owner(
    active: Stage, transcoder: Any, other_delegator: Any, stranger: Any
) -> None:
    before = active.protocol.livepeer_token.balanceOf(stranger)
    receipt = active.bonding.bondForWithHint(5 * LPT, other_delegator, transcoder, *NO_HINTS, sender=stranger)

    assert arguments(receipt, active.bonding.Bond) == [
        {
            "newDelegate": transcoder.address,
            "oldDelegate": NOBODY,
            "delegator": other_delegator.address,
            "additionalAmount": 5 * LPT,
            "bondedAmount": 5 * LPT,
        }
    ]
    assert active.delegator(other_delegator).bonded_amount == 5 * LPT
    assert active.delegator(stranger).bonded_amount == 0
    assert active.protocol.livepeer_token.balanceOf(stranger) == before - 5 * LPT


def test_bond_for__the_same_delegate__adds_stake(active: Stage, transcoder: Any, delegator: Any, stranger: Any) -> None:
    active.bonding.reward(sender=transcoder)
    active.bonding.bondForWithHint(LPT, delegator, transcoder, *NO_HINTS, sender=stranger)
    assert active.delegator(delegator).bonded_amount > 1001 * LPT


def test_bond_for__r8_claims_for_the_owner(active: Stage, transcoder: Any, delegator: Any, stranger: Any) -> None:
    active.bonding.reward(sender=transcoder)
    expected = active.pending_stake(delegator) - 1000 * LPT
    receipt = active.bonding.bondForWithHint(LPT, delegator, transcoder, *NO_HINTS, sender=stranger)
    claimed = arguments(receipt, active.bonding.EarningsClaimed)
    assert [(event["delegator"], event["rewards"]) for event in claimed] == [(delegator.address, expected)]


def test_bond_for__r8_another_delegate__reverts(
    active: Stage, transcoder: Any, delegator: Any, other_transcoder: Any, stranger: Any
) -> None:
    active.bonding.reward(sender=transcoder)
    with ape.reverts("INVALID_DELEGATE_CHANGE"):
        active.bonding.bondForWithHint(LPT, delegator, other_transcoder, *NO_HINTS, sender=stranger)


def test_bond_for__r10_unbonded_owner_as_its_own_delegate__reverts(stage: Stage, receiver: Any, stranger: Any) -> None:
    with ape.reverts("INVALID_DELEGATE"):
        stage.bonding.bondForWithHint(LPT, receiver, receiver, *NO_HINTS, sender=stranger)


def test_bond_for__r12_nobody__reverts(active: Stage, transcoder: Any, stranger: Any) -> None:
    with ape.reverts("INVALID_DELEGATOR"):
        active.bonding.bondForWithHint(LPT, NOBODY, transcoder, *NO_HINTS, sender=stranger)


@pytest.mark.parametrize("role", ["transcoder", "delegator"])
def test_bond_for__r15_k13_before_the_reward_call__reverts(
    active: Stage, transcoder: Any, stranger: Any, request: Any, role: str
) -> None:
    owner = request.getfixturevalue(role)
    with ape.reverts("ILLEGAL_CLAIM_EARNINGS"):
        active.bonding.bondForWithHint(LPT, owner, transcoder, *NO_HINTS, sender=stranger)


def test_bond_for__k13_owner_has_claimed_in_this_round__adds_stake(
    active: Stage, transcoder: Any, delegator: Any, stranger: Any
) -> None:
    active.bonding.claimEarnings(0, sender=delegator)
    active.bonding.bondForWithHint(LPT, delegator, transcoder, *NO_HINTS, sender=stranger)
    assert active.delegator(delegator).bonded_amount == 1001 * LPT


def test_bond_for__by_the_migrator__may_do_all_of_it(
    active: Stage, delegator: Any, receiver: Any, stranger: Any
) -> None:
    active.register("L2Migrator", stranger)
    active.bonding.bondForWithHint(LPT, receiver, receiver, *NO_HINTS, sender=stranger)
    assert active.bonding.isRegisteredTranscoder(receiver)
    active.bonding.bondForWithHint(LPT, delegator, receiver, *NO_HINTS, sender=stranger)
    assert active.delegator(delegator).delegate_address == receiver.address


def test_bond_for__r12_null_owner_through_the_migrator__cannot_join_the_pool(
    stage: Stage, stranger: Any, transcoder: Any
) -> None:
    """The migrator may do what others may not, but zero means "none" in the links of the pool."""
    stage.bond(transcoder, LPT)
    stage.register("L2Migrator", stranger)
    with ape.reverts("node id is null"):
        stage.bonding.bondForWithHint(LPT, NOBODY, NOBODY, *NO_HINTS, sender=stranger)
    assert stage.members() == [transcoder.address]
    assert stage.bonding.getTranscoderPoolSize() == 1


def test_bond_for__migrator_with_another_delegate__moves_the_stake(
    active: Stage, delegator: Any, stranger: Any, receiver: Any
) -> None:
    active.register("L2Migrator", stranger)
    active.bonding.bondForWithHint(0, delegator, receiver, *NO_HINTS, sender=stranger)
    assert active.delegator(delegator).delegate_address == receiver.address
    assert active.delegator(receiver).delegated_amount == 1000 * LPT
