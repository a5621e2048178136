"""unbond, withdrawStake, rebond, rebondFromUnbonded: the way out and the ways back."""

from __future__ import annotations

from typing import Any

import ape

from tests.support.bonding_stage import LPT, NOBODY, Stage, arguments


def test_unbond__a_part__makes_a_lock(active: Stage, transcoder: Any, delegator: Any) -> None:
    now = active.round
    receipt = active.bonding.unbond(400 * LPT, sender=delegator)

    assert arguments(receipt, active.bonding.Unbond) == [
        {
            "delegate": transcoder.address,
            "delegator": delegator.address,
            "unbondingLockId": 0,
            "amount": 400 * LPT,
            "withdrawRound": now + 2,
        }
    ]
    assert tuple(active.bonding.getDelegatorUnbondingLock(delegator, 0)) == (400 * LPT, now + 2)
    assert active.bonding.isValidUnbondingLock(delegator, 0)
    assert not active.bonding.isValidUnbondingLock(delegator, 1)
    state = active.delegator(delegator)
    assert (state.bonded_amount, state.delegate_address, state.next_unbonding_lock_id) == (
        600 * LPT,
        transcoder.address,
        1,
    )
    assert active.bonding.transcoderTotalStake(transcoder) == 1600 * LPT
    assert active.bonding.nextRoundTotalActiveStake() == 1600 * LPT
    assert active.pool(transcoder, now).total_stake == 2000 * LPT
    assert active.pool(transcoder, now + 1).total_stake == 1600 * LPT


def test_unbond__everything__leaves_the_delegate(active: Stage, delegator: Any) -> None:
    active.bonding.unbond(1000 * LPT, sender=delegator)
    state = active.delegator(delegator)
    assert (state.bonded_amount, state.delegate_address, state.start_round) == (0, NOBODY, 0)
    assert active.bonding.delegatorStatus(delegator) == 2


def test_unbond__everything_of_a_transcoder__leaves_the_pool(active: Stage, transcoder: Any) -> None:
    now = active.round
    receipt = active.bonding.unbond(1000 * LPT, sender=transcoder)

    assert arguments(receipt, active.bonding.TranscoderDeactivated) == [
        {"transcoder": transcoder.address, "deactivationRound": now + 1}
    ]
    assert active.members() == []
    assert active.bonding.nextRoundTotalActiveStake() == 0
    assert active.bonding.transcoderTotalStake(transcoder) == 1000 * LPT
    assert active.bonding.isActiveTranscoder(transcoder)
    assert not active.bonding.isRegisteredTranscoder(transcoder)
    # It is active until the end of the round, so its stake is still recorded (hazard K7).
    assert active.pool(transcoder, now + 1).total_stake == 1000 * LPT


def test_unbond__while_pending__reverts(active: Stage, transcoder: Any, other_delegator: Any) -> None:
    active.bond(other_delegator, LPT, transcoder)
    with ape.reverts("caller must be bonded"):
        active.bonding.unbond(LPT, sender=other_delegator)


def test_unbond__nothing__reverts(active: Stage, delegator: Any) -> None:
    with ape.reverts("unbond amount must be greater than 0"):
        active.bonding.unbond(0, sender=delegator)


def test_unbond__too_much__reverts(active: Stage, delegator: Any) -> None:
    with ape.reverts("amount is greater than bonded amount"):
        active.bonding.unbond(1000 * LPT + 1, sender=delegator)


def test_unbond_with_hint__delegate_falls__takes_the_place(stage: Stage, accounts: Any) -> None:
    first, second, third = accounts[1:4]
    for account, amount in ((first, 30), (second, 20), (third, 10)):
        stage.bond(account, amount * LPT)
    stage.next_round()
    stage.bonding.unbondWithHint(15 * LPT, second, third, sender=first)
    assert stage.members() == [second.address, first.address, third.address]


def test_withdraw_stake__after_the_period__pays_out(active: Stage, delegator: Any) -> None:
    token = active.protocol.livepeer_token
    withdraw_round = active.round + 2
    active.bonding.unbond(400 * LPT, sender=delegator)
    active.next_round(2)
    before = token.balanceOf(delegator)
    receipt = active.bonding.withdrawStake(0, sender=delegator)

    assert arguments(receipt, active.bonding.WithdrawStake) == [
        {
            "delegator": delegator.address,
            "unbondingLockId": 0,
            "amount": 400 * LPT,
            "withdrawRound": withdraw_round,
        }
    ]
    assert token.balanceOf(delegator) == before + 400 * LPT
    assert tuple(active.bonding.getDelegatorUnbondingLock(delegator, 0)) == (0, 0)
    with ape.reverts("invalid unbonding lock ID"):
        active.bonding.withdrawStake(0, sender=delegator)


def test_withdraw_stake__too_early__reverts(active: Stage, delegator: Any) -> None:
    active.bonding.unbond(400 * LPT, sender=delegator)
    active.next_round()
    with ape.reverts("withdraw round must be before or equal to the current round"):
        active.bonding.withdrawStake(0, sender=delegator)


def test_rebond__a_lock__returns_to_the_delegate(active: Stage, transcoder: Any, delegator: Any) -> None:
    active.bonding.unbond(400 * LPT, sender=delegator)
    receipt = active.bonding.rebond(0, sender=delegator)

    assert arguments(receipt, active.bonding.Rebond) == [
        {
            "delegate": transcoder.address,
            "delegator": delegator.address,
            "unbondingLockId": 0,
            "amount": 400 * LPT,
        }
    ]
    assert active.delegator(delegator).bonded_amount == 1000 * LPT
    assert active.bonding.transcoderTotalStake(transcoder) == 2000 * LPT
    assert active.bonding.nextRoundTotalActiveStake() == 2000 * LPT
    assert not active.bonding.isValidUnbondingLock(delegator, 0)


def test_rebond__while_unbonded__reverts(active: Stage, delegator: Any) -> None:
    active.bonding.unbond(1000 * LPT, sender=delegator)
    with ape.reverts("caller must be bonded"):
        active.bonding.rebond(0, sender=delegator)


def test_rebond__an_unknown_lock__reverts(active: Stage, delegator: Any) -> None:
    with ape.reverts("invalid unbonding lock ID"):
        active.bonding.rebond(7, sender=delegator)


def test_rebond_from_unbonded__to_oneself__becomes_a_transcoder(active: Stage, delegator: Any) -> None:
    active.bonding.unbond(1000 * LPT, sender=delegator)
    now = active.round
    receipt = active.bonding.rebondFromUnbonded(delegator, 0, sender=delegator)
    assert arguments(receipt, active.bonding.TranscoderActivated) == [
        {"transcoder": delegator.address, "activationRound": now + 1}
    ]
    assert active.delegator(delegator).start_round == now + 1
    assert active.bonding.isRegisteredTranscoder(delegator)


def test_rebond_from_unbonded__while_bonded__reverts(active: Stage, transcoder: Any, delegator: Any) -> None:
    active.bonding.unbond(400 * LPT, sender=delegator)
    with ape.reverts("caller must be unbonded"):
        active.bonding.rebondFromUnbonded(transcoder, 0, sender=delegator)


def test_rebond_from_unbonded__r14_to_an_idle_transcoder__earns_nothing_of_the_past(
    active: Stage, transcoder: Any, delegator: Any
) -> None:
    active.bonding.unbond(1000 * LPT, sender=delegator)
    active.bonding.reward(sender=transcoder)
    active.credit(transcoder, LPT)
    active.next_round(3)
    active.bonding.rebondFromUnbonded(transcoder, 0, sender=delegator)
    active.next_round()
    assert active.pending_stake(delegator) == 1000 * LPT
    assert active.pending_fees(delegator) == 0


def test_rebond__k10_resigned_and_back_in_one_round__stays_active(active: Stage, transcoder: Any) -> None:
    now = active.round
    active.bonding.unbond(1000 * LPT, sender=transcoder)
    active.bonding.rebondFromUnbonded(transcoder, 0, sender=transcoder)
    assert active.bonding.isActiveTranscoder(transcoder)
    assert active.pool(transcoder, now).total_stake == 2000 * LPT
    active.bonding.reward(sender=transcoder)
    active.credit(transcoder, 1000)
