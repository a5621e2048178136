"""claimEarnings, withdrawFees, pending amounts and checkpoints."""

from __future__ import annotations

from typing import Any

import ape

from tests.support.bonding_stage import LPT, NOBODY, Stage, arguments, names

FEES = 10**18


def test_claim_earnings__after_reward_and_fees__adds_both(active: Stage, transcoder: Any, delegator: Any) -> None:
    start = active.delegator(delegator).last_claim_round
    active.bonding.reward(sender=transcoder)
    active.credit(transcoder, FEES)
    now = active.next_round()
    stake, fees = active.pending_stake(delegator), active.pending_fees(delegator)
    receipt = active.bonding.claimEarnings(0, sender=delegator)

    assert arguments(receipt, active.bonding.EarningsClaimed) == [
        {
            "delegate": transcoder.address,
            "delegator": delegator.address,
            "rewards": stake - 1000 * LPT,
            "fees": fees,
            "startRound": start + 1,
            "endRound": now,
        }
    ]
    assert stake > 1000 * LPT
    assert fees > 0
    state = active.delegator(delegator)
    assert (state.bonded_amount, state.fees, state.last_claim_round) == (stake, fees, now)
    assert (active.pending_stake(delegator), active.pending_fees(delegator)) == (stake, fees)


def test_claim_earnings__by_a_transcoder__takes_its_commissions(active: Stage, transcoder: Any) -> None:
    active.bonding.reward(sender=transcoder)
    active.credit(transcoder, FEES)
    active.next_round()
    stake, fees = active.pending_stake(transcoder), active.pending_fees(transcoder)
    active.bonding.claimEarnings(0, sender=transcoder)
    record = active.transcoder(transcoder)
    assert (record.cumulative_rewards, record.cumulative_fees) == (0, 0)
    assert active.delegator(transcoder)[:2] == (stake, fees)
    assert active.pending_stake(transcoder) == stake


def test_claim_earnings__twice_in_a_round__changes_nothing(active: Stage, delegator: Any) -> None:
    active.bonding.claimEarnings(0, sender=delegator)
    before = active.delegator(delegator)
    receipt = active.bonding.claimEarnings(0, sender=delegator)
    assert "EarningsClaimed" not in names(receipt)
    assert active.delegator(delegator) == before


def test_claim_earnings__k13_between_two_fees__forfeits_the_later_one(
    active: Stage, transcoder: Any, delegator: Any
) -> None:
    active.credit(transcoder, FEES)
    active.bonding.claimEarnings(0, sender=delegator)
    before = active.pending_fees(delegator)
    active.credit(transcoder, FEES)
    active.next_round()
    assert active.pending_fees(delegator) == before


def test_withdraw_fees__a_part__pays_eth_and_checkpoints(
    active: Stage, transcoder: Any, delegator: Any, receiver: Any
) -> None:
    active.credit(transcoder, FEES)
    active.next_round()
    fees = active.pending_fees(delegator)
    before = receiver.balance
    receipt = active.bonding.withdrawFees(receiver, fees - 1, sender=delegator)

    assert arguments(receipt, active.bonding.WithdrawFees) == [
        {"delegator": delegator.address, "recipient": receiver.address, "amount": fees - 1}
    ]
    assert receiver.balance == before + fees - 1
    assert active.delegator(delegator).fees == 1
    # Hazard K5: a withdrawal claims, and what it claims counts as votes.
    votes = active.protocol.bonding_votes
    assert votes.getVotes(delegator) == active.pending_stake(delegator)
    assert names(receipt)[-1] == "DelegatorBondedAmountChanged"


def test_withdraw_fees__too_much__reverts(active: Stage, delegator: Any, receiver: Any) -> None:
    with ape.reverts("insufficient fees to withdraw"):
        active.bonding.withdrawFees(receiver, 1, sender=delegator)


def test_withdraw_fees__to_nobody__reverts(active: Stage, delegator: Any) -> None:
    with ape.reverts("invalid recipient"):
        active.bonding.withdrawFees(NOBODY, 0, sender=delegator)


def test_checkpoint_bonding_state__while_paused__still_works(active: Stage, delegator: Any, stranger: Any) -> None:
    active.protocol.controller.pause(sender=active.owner)
    active.bonding.checkpointBondingState(delegator, sender=stranger)
    assert active.protocol.bonding_votes.hasCheckpoint(delegator)


def test_checkpoints__k5_after_every_action__votes_are_stake(
    active: Stage, transcoder: Any, delegator: Any, receiver: Any
) -> None:
    bonding, votes = active.bonding, active.protocol.bonding_votes
    hints = (NOBODY, NOBODY, NOBODY, NOBODY)
    for action in (
        lambda: bonding.reward(sender=transcoder),
        lambda: bonding.claimEarnings(0, sender=delegator),
        lambda: bonding.unbond(10 * LPT, sender=delegator),
        lambda: bonding.rebond(0, sender=delegator),
        lambda: bonding.transferBond(receiver, LPT, *hints, sender=delegator),
        lambda: bonding.withdrawFees(receiver, 0, sender=transcoder),
        lambda: bonding.unbond(500 * LPT, sender=transcoder),
    ):
        action()
        assert votes.getVotes(transcoder) == bonding.transcoderTotalStake(transcoder)
        assert votes.getVotes(delegator) == active.pending_stake(delegator)
        assert votes.getVotes(receiver) == active.pending_stake(receiver)


def test_withdraw_fees__nothing_left_to_claim__needs_no_checkpoint(
    active: Stage, transcoder: Any, delegator: Any, receiver: Any
) -> None:
    active.credit(transcoder, FEES)
    active.next_round()
    active.bonding.claimEarnings(0, sender=delegator)
    receipt = active.bonding.withdrawFees(receiver, 1, sender=delegator)
    assert names(receipt) == ["WithdrawFees"]
    assert active.protocol.bonding_votes.getVotes(delegator) == active.pending_stake(delegator)
