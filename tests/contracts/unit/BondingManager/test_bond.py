"""bond, bondWithHint: delegate stake."""

from __future__ import annotations

from typing import Any

import ape

from tests.support.bonding_stage import LPT, NEVER, NOBODY, Pool, Stage, arguments, names


def test_bond__to_oneself_with_room_in_the_pool__joins_for_the_next_round(stage: Stage, transcoder: Any) -> None:
    now = stage.round
    receipt = stage.bond(transcoder, 10 * LPT)

    assert arguments(receipt, stage.bonding.Bond) == [
        {
            "newDelegate": transcoder.address,
            "oldDelegate": NOBODY,
            "delegator": transcoder.address,
            "additionalAmount": 10 * LPT,
            "bondedAmount": 10 * LPT,
        }
    ]
    assert arguments(receipt, stage.bonding.TranscoderActivated) == [
        {"transcoder": transcoder.address, "activationRound": now + 1}
    ]
    assert arguments(receipt, stage.bonding.EarningsClaimed) == [
        {
            "delegate": NOBODY,
            "delegator": transcoder.address,
            "rewards": 0,
            "fees": 0,
            "startRound": 1,
            "endRound": now,
        }
    ]
    assert stage.delegator(transcoder) == (10 * LPT, 0, transcoder.address, 10 * LPT, now + 1, now, 0)
    record = stage.transcoder(transcoder)
    assert (record.activation_round, record.deactivation_round) == (now + 1, NEVER)
    assert record.last_active_stake_update_round == now + 1
    assert stage.pool(transcoder, now + 1) == Pool(10 * LPT, 0, 0, 0, 0)
    assert stage.members() == [transcoder.address]
    assert stage.bonding.getTranscoderPoolSize() == 1
    assert stage.bonding.nextRoundTotalActiveStake() == 10 * LPT
    assert stage.bonding.currentRoundTotalActiveStake() == 0
    assert stage.bonding.transcoderStatus(transcoder) == 1
    assert stage.bonding.isRegisteredTranscoder(transcoder)
    assert not stage.bonding.isActiveTranscoder(transcoder)
    assert stage.bonding.delegatorStatus(transcoder) == 0
    assert stage.protocol.livepeer_token.balanceOf(stage.protocol.minter) == 10 * LPT


def test_bond__to_a_transcoder__raises_its_stake(stage: Stage, transcoder: Any, delegator: Any) -> None:
    now = stage.round
    stage.bond(transcoder, 10 * LPT)
    receipt = stage.bond(delegator, 5 * LPT, transcoder)

    assert arguments(receipt, stage.bonding.Bond)[0]["newDelegate"] == transcoder.address
    assert stage.bonding.transcoderTotalStake(transcoder) == 15 * LPT
    assert stage.bonding.nextRoundTotalActiveStake() == 15 * LPT
    assert stage.pool(transcoder, now + 1).total_stake == 15 * LPT
    assert stage.delegator(delegator) == (5 * LPT, 0, transcoder.address, 0, now + 1, now, 0)


def test_bond__to_another_delegate__moves_all_stake(
    stage: Stage, transcoder: Any, other_transcoder: Any, delegator: Any
) -> None:
    stage.bond(transcoder, 10 * LPT)
    stage.bond(other_transcoder, 10 * LPT)
    stage.bond(delegator, 5 * LPT, transcoder)
    stage.next_round()
    receipt = stage.bond(delegator, LPT, other_transcoder)

    assert arguments(receipt, stage.bonding.Bond) == [
        {
            "newDelegate": other_transcoder.address,
            "oldDelegate": transcoder.address,
            "delegator": delegator.address,
            "additionalAmount": LPT,
            "bondedAmount": 6 * LPT,
        }
    ]
    assert stage.bonding.transcoderTotalStake(transcoder) == 10 * LPT
    assert stage.bonding.transcoderTotalStake(other_transcoder) == 16 * LPT
    assert stage.members() == [other_transcoder.address, transcoder.address]
    assert stage.delegator(delegator).start_round == stage.round + 1
    assert stage.bonding.nextRoundTotalActiveStake() == 26 * LPT


def test_bond__more_to_the_same_delegate__keeps_the_start_round(active: Stage, transcoder: Any, delegator: Any) -> None:
    before = active.delegator(delegator)
    active.bond(delegator, LPT, transcoder)
    assert active.delegator(delegator).start_round == before.start_round
    assert active.bonding.delegatorStatus(delegator) == 1


def test_bond__of_nothing__reverts(stage: Stage, transcoder: Any, delegator: Any) -> None:
    with ape.reverts("delegation amount must be greater than 0"):
        stage.bond(delegator, 0, transcoder)


def test_bond__r1_registered_transcoder_delegates_away__reverts(active: Stage, transcoder: Any, receiver: Any) -> None:
    with ape.reverts("registered transcoders can't delegate towards other addresses"):
        active.bond(transcoder, 0, receiver)


def test_bond__while_paused__reverts(stage: Stage, transcoder: Any) -> None:
    stage.protocol.controller.pause(sender=stage.owner)
    with ape.reverts("system is paused"):
        stage.bond(transcoder, LPT)


def test_bond__before_the_round_is_initialized__reverts(stage: Stage, transcoder: Any) -> None:
    stage.next_round(initialize=False)
    with ape.reverts("current round is not initialized"):
        stage.bond(transcoder, LPT)


def test_bond__with_a_full_pool_and_more_stake__evicts_the_last(stage: Stage, accounts: Any) -> None:
    first, second, third, fourth = accounts[1:5]
    for account, amount in ((first, 30), (second, 10), (third, 20)):
        stage.bond(account, amount * LPT)
    now = stage.next_round()
    receipt = stage.bond(fourth, 15 * LPT)

    assert arguments(receipt, stage.bonding.TranscoderDeactivated) == [
        {"transcoder": second.address, "deactivationRound": now + 1}
    ]
    assert stage.members() == [first.address, third.address, fourth.address]
    assert stage.bonding.nextRoundTotalActiveStake() == 65 * LPT
    assert stage.bonding.isActiveTranscoder(second)
    stage.next_round()
    assert not stage.bonding.isActiveTranscoder(second)
    assert stage.bonding.currentRoundTotalActiveStake() == 65 * LPT
    assert stage.bonding.currentRoundActiveTranscoders() == 3


def test_bond__with_a_full_pool_and_equal_stake__stays_outside(stage: Stage, accounts: Any) -> None:
    for account in accounts[1:4]:
        stage.bond(account, 10 * LPT)
    before = stage.members()
    receipt = stage.bond(accounts[4], 10 * LPT)

    assert stage.members() == before
    assert "TranscoderActivated" not in names(receipt)
    assert stage.bonding.isRegisteredTranscoder(accounts[4])
    assert stage.delegator(accounts[4]).delegated_amount == 10 * LPT


def test_bond__k10_evicted_and_back_in_one_round__stays_active(stage: Stage, accounts: Any) -> None:
    first, second, third, fourth, helper = accounts[1:6]
    for account, amount in ((first, 30), (second, 20), (third, 10)):
        stage.bond(account, amount * LPT)
    now = stage.next_round()
    stage.bond(fourth, 11 * LPT)
    assert third.address not in stage.members()

    receipt = stage.bond(helper, 5 * LPT, third)
    assert arguments(receipt, stage.bonding.TranscoderActivated) == [
        {"transcoder": third.address, "activationRound": now + 1}
    ]
    assert third.address in stage.members()
    assert stage.bonding.isActiveTranscoder(third)
    record = stage.transcoder(third)
    assert (record.activation_round, record.deactivation_round) == (now, NEVER)
    assert stage.pool(third, now).total_stake == 10 * LPT
    assert stage.pool(third, now + 1).total_stake == 15 * LPT
    stage.bonding.reward(sender=third)
    assert stage.transcoder(third).last_reward_round == now


def test_bond__k18_forced_pending__owner_leaves_in_the_same_round(
    active: Stage, transcoder: Any, stranger: Any, other_delegator: Any
) -> None:
    active.bonding.bondForWithHint(1, other_delegator, stranger, NOBODY, NOBODY, NOBODY, NOBODY, sender=transcoder)
    assert active.bonding.delegatorStatus(other_delegator) == 0
    active.bond(other_delegator, 0, transcoder)
    assert active.delegator(other_delegator).delegate_address == transcoder.address
    assert active.bonding.transcoderTotalStake(stranger) == 0


def test_bond__k19_to_nobody__can_be_moved_and_unbonded(active: Stage, transcoder: Any, other_delegator: Any) -> None:
    before = active.bonding.transcoderTotalStake(transcoder)
    active.bond(other_delegator, 10 * LPT, NOBODY)
    assert active.bonding.transcoderTotalStake(NOBODY) == 10 * LPT
    active.bond(other_delegator, 0, transcoder)
    assert active.bonding.transcoderTotalStake(NOBODY) == 0
    assert active.bonding.transcoderTotalStake(transcoder) == before + 10 * LPT
    active.next_round()
    active.bonding.unbond(10 * LPT, sender=other_delegator)
    assert active.bonding.transcoderTotalStake(transcoder) == before


def test_bond__r3_joining_later__earns_nothing_of_the_past(
    active: Stage, transcoder: Any, other_delegator: Any
) -> None:
    active.bonding.reward(sender=transcoder)
    active.credit(transcoder, LPT)
    active.next_round()
    active.bond(other_delegator, 100 * LPT, transcoder)
    active.next_round()
    assert active.pending_stake(other_delegator) == 100 * LPT
    assert active.pending_fees(other_delegator) == 0


def test_bond_with_hint__with_the_right_place__takes_it(stage: Stage, accounts: Any) -> None:
    first, second, third = accounts[1:4]
    stage.bond(first, 30 * LPT)
    stage.bond(second, 10 * LPT)
    stage.bonding.bondWithHint(20 * LPT, third, NOBODY, NOBODY, first, second, sender=third)
    assert stage.members() == [first.address, third.address, second.address]


def test_bond_with_hint__with_a_wrong_place__finds_the_right_one(stage: Stage, accounts: Any) -> None:
    first, second, third = accounts[1:4]
    stage.bond(first, 30 * LPT)
    stage.bond(second, 10 * LPT)
    stage.bonding.bondWithHint(20 * LPT, third, NOBODY, NOBODY, second, third, sender=third)
    assert stage.members() == [first.address, third.address, second.address]


def test_bond__beyond_96_bits__reverts(stage: Stage, transcoder: Any) -> None:
    with ape.reverts("amount exceeds 96 bits"):
        stage.bond(transcoder, 2**96)
