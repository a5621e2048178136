"""updateTranscoderWithFees, updateTranscoderWithFeesBatch: fees of redeemed tickets."""

from __future__ import annotations

from typing import Any

import ape

from tests.support.bonding_stage import LPT, ONE, PPM, Stage

FEES = 10**15 + 7


def test_update_transcoder_with_fees__before_the_reward_call__shares_the_fee(
    active: Stage, transcoder: Any, delegator: Any
) -> None:
    now = active.round
    receipt = active.credit(transcoder, FEES)

    shared = FEES // 2
    factor = shared * ONE // (2000 * LPT)
    assert list(receipt.decode_logs(active.bonding.EarningsClaimed)) == []
    record = active.transcoder(transcoder)
    assert (record.cumulative_fees, record.last_fee_round) == (FEES - shared, now)
    assert active.pool(transcoder, now) == (2000 * LPT, 500_000, 500_000, 0, factor)
    assert active.pending_fees(delegator) == 1000 * LPT * factor // ONE
    assert active.pending_fees(transcoder) == 1000 * LPT * factor // ONE + FEES - shared
    assert active.pending_fees(transcoder, delegator) <= FEES


def test_update_transcoder_with_fees__commissions__earn_fees_too(active: Stage, transcoder: Any) -> None:
    active.bonding.reward(sender=transcoder)
    kept = active.transcoder(transcoder).cumulative_rewards
    now = active.next_round()
    active.credit(transcoder, FEES)
    stake = active.pool(transcoder, now).total_stake
    shared = FEES // 2
    assert active.transcoder(transcoder).cumulative_fees == shared * (kept * ONE // stake) // ONE + FEES - shared
    # After this round's reward the commissions of the round's start still count.
    active.bonding.reward(sender=transcoder)
    assert active.transcoder(transcoder).active_cumulative_rewards == kept
    before = active.transcoder(transcoder).cumulative_fees
    active.credit(transcoder, FEES)
    gained = active.transcoder(transcoder).cumulative_fees - before
    assert gained == shared * (kept * ONE // stake) // ONE + FEES - shared


def test_update_transcoder_with_fees__by_a_stranger__reverts(active: Stage, transcoder: Any, stranger: Any) -> None:
    with ape.reverts("caller must be TicketBroker"):
        active.bonding.updateTranscoderWithFees(transcoder, 1, 0, sender=stranger)


def test_update_transcoder_with_fees__while_paused__reverts(active: Stage, transcoder: Any) -> None:
    active.protocol.controller.pause(sender=active.owner)
    with ape.reverts("system is paused"):
        active.bonding.updateTranscoderWithFees(transcoder, 1, 0, sender=active.broker)


def test_update_transcoder_with_fees__k6_recipient_inactive__reverts(stage: Stage, accounts: Any) -> None:
    """One wei of recorded stake, and 900 LPT added since that would share in the fee."""
    first, second, third, victim, helper = accounts[1:6]
    for account in (first, second):
        stage.bond(account, 3000 * LPT)
    stage.bond(victim, 2000 * LPT)
    stage.bonding.transcoder(0, PPM, sender=victim)
    stage.next_round()
    stage.bonding.unbond(2000 * LPT - 1, sender=victim)
    stage.bond(third, 1000 * LPT)
    assert victim.address not in stage.members()
    stage.next_round()
    stage.bond(helper, 900 * LPT, victim)
    stage.next_round()
    assert stage.bonding.isRegisteredTranscoder(victim)
    with ape.reverts("transcoder must be active"):
        stage.credit(victim, 100)
    assert stage.pending_fees(victim, helper) == 0


def test_update_transcoder_with_fees__k12_never_active__reverts(active: Stage, other_transcoder: Any) -> None:
    active.bond(other_transcoder, LPT)
    with ape.reverts("transcoder must be active"):
        active.bonding.updateTranscoderWithFees(other_transcoder, 1, 0, sender=active.broker)


def test_update_transcoder_with_fees__k1_full_treasury_cut_after_a_missed_round__is_credited(
    active: Stage, transcoder: Any, delegator: Any, receiver: Any
) -> None:
    active.register("Treasury", receiver)
    active.bonding.setTreasuryRewardCutRate(ONE, sender=active.owner)
    active.next_round(2)
    active.bonding.reward(sender=transcoder)
    active.credit(transcoder, FEES)
    assert 0 < active.pending_fees(transcoder, delegator) <= FEES


def test_update_transcoder_with_fees__k11_reward_after_a_missed_round__fee_factor_grows_as_without_it(
    active: Stage, transcoder: Any
) -> None:
    """The factor in use is that before the round's reward, whether the fee comes before or after the reward."""
    active.bonding.reward(sender=transcoder)
    now = active.next_round(3)
    active.credit(transcoder, FEES)
    before_reward = active.pool(transcoder, now).fee_factor
    active.bonding.reward(sender=transcoder)
    active.credit(transcoder, FEES)
    assert active.pool(transcoder, now).fee_factor == 2 * before_reward


def test_update_transcoder_with_fees__r2_order_of_claims__does_not_matter(
    active: Stage, transcoder: Any, delegator: Any, other_delegator: Any
) -> None:
    active.bond(other_delegator, 500 * LPT, transcoder)
    active.next_round()
    active.bonding.reward(sender=transcoder)
    active.credit(transcoder, FEES)
    active.next_round()
    results = []
    for order in ((delegator, other_delegator), (other_delegator, delegator)):
        with active.chain.isolate():
            for account in order:
                active.bonding.claimEarnings(0, sender=account)
            results.append([active.delegator(account)[:2] for account in (delegator, other_delegator)])
    assert results[0] == results[1]


def test_update_transcoder_with_fees__resigned_in_this_round__is_still_credited(active: Stage, transcoder: Any) -> None:
    active.bonding.unbond(1000 * LPT, sender=transcoder)
    active.credit(transcoder, FEES)
    assert active.transcoder(transcoder).cumulative_fees == FEES - FEES // 2


def test_update_transcoder_with_fees_batch__several_amounts__equals_single_calls(
    active: Stage, transcoder: Any, delegator: Any
) -> None:
    active.bonding.reward(sender=transcoder)
    now = active.next_round()
    amounts = [1, 3, 10**18 + 1, 0, 999_999_999_999, 7, 123_456_789_123_456_789]

    def outcome() -> tuple[Any, ...]:
        return (
            active.transcoder(transcoder),
            active.pool(transcoder, now),
            active.pending_fees(transcoder),
            active.pending_fees(delegator),
        )

    for rewarded in (False, True):
        if rewarded:
            active.bonding.reward(sender=transcoder)
        with active.chain.isolate():
            for amount in amounts:
                active.bonding.updateTranscoderWithFees(transcoder, amount, now, sender=active.broker)
            single = outcome()
        active.bonding.updateTranscoderWithFeesBatch(transcoder, amounts, now, sender=active.broker)
        assert outcome() == single


def test_update_transcoder_with_fees_batch__recipient_inactive__reverts(active: Stage, stranger: Any) -> None:
    with ape.reverts("transcoder must be active"):
        active.bonding.updateTranscoderWithFeesBatch(stranger, [1, 2], 0, sender=active.broker)


def test_update_transcoder_with_fees_batch__by_a_stranger__reverts(
    active: Stage, transcoder: Any, stranger: Any
) -> None:
    with ape.reverts("caller must be TicketBroker"):
        active.bonding.updateTranscoderWithFeesBatch(transcoder, [1], 0, sender=stranger)
