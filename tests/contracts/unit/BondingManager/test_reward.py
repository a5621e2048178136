"""reward, rewardForTranscoder, transcoder: what active transcoders do."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.support.bonding_stage import LPT, NOBODY, ONE, PPM, Stage, arguments, names


def test_reward__once_a_round__shares_the_minted_tokens(active: Stage, transcoder: Any, delegator: Any) -> None:
    now = active.round
    minter = active.protocol.minter
    minted = minter.currentMintableTokens() * (2000 * 10**9 // 2000) // 10**9
    receipt = active.bonding.reward(sender=transcoder)

    assert minted > 0
    assert arguments(receipt, active.bonding.Reward) == [{"transcoder": transcoder.address, "amount": minted}]
    assert "TreasuryReward" not in names(receipt)
    kept = minted // 2
    shared = minted - kept
    record = active.transcoder(transcoder)
    assert record.last_reward_round == now
    assert (record.active_cumulative_rewards, record.cumulative_rewards) == (0, kept)
    pool = active.pool(transcoder, now)
    factor = ONE + ONE * (shared * ONE // (2000 * LPT)) // ONE
    assert pool == (2000 * LPT, 500_000, 500_000, factor, 0)
    assert active.pool(transcoder, now + 1).total_stake == 2000 * LPT + minted
    assert active.bonding.transcoderTotalStake(transcoder) == 2000 * LPT + minted
    assert active.bonding.nextRoundTotalActiveStake() == 2000 * LPT + minted
    assert active.pending_stake(delegator) == 1000 * LPT * (factor * ONE // ONE) // ONE
    # The transcoder has the same for its own stake, and what it kept.
    assert active.pending_stake(transcoder) == active.pending_stake(delegator) + kept
    with ape.reverts("caller has already called reward for the current round"):
        active.bonding.reward(sender=transcoder)


def test_reward__in_later_rounds__commissions_earn_too(active: Stage, transcoder: Any) -> None:
    active.bonding.reward(sender=transcoder)
    first = active.transcoder(transcoder).cumulative_rewards
    now = active.next_round()
    minted = arguments(active.bonding.reward(sender=transcoder), active.bonding.Reward)[0]["amount"]
    stake = active.pool(transcoder, now).total_stake
    kept = minted // 2
    record = active.transcoder(transcoder)
    assert record.active_cumulative_rewards == first
    assert record.cumulative_rewards == first + (minted - kept) * (first * ONE // stake) // ONE + kept


def test_reward__by_an_inactive_account__reverts(active: Stage, other_transcoder: Any) -> None:
    active.bond(other_transcoder, LPT)
    with ape.reverts("caller must be an active transcoder"):
        active.bonding.reward(sender=other_transcoder)


def test_reward__with_a_treasury_cut__pays_the_treasury(active: Stage, transcoder: Any, receiver: Any) -> None:
    active.register("Treasury", receiver)
    receipt = active.bonding.setTreasuryRewardCutRate(ONE // 10, sender=active.owner)
    assert arguments(receipt, active.bonding.ParameterUpdate) == [{"param": "nextRoundTreasuryRewardCutRate"}]
    assert active.bonding.treasuryRewardCutRate() == 0
    active.next_round()
    assert active.bonding.treasuryRewardCutRate() == ONE // 10
    token = active.protocol.livepeer_token
    before = token.balanceOf(receiver)
    receipt = active.bonding.reward(sender=transcoder)

    total = active.protocol.minter.currentMintedTokens()
    cut = total // 10
    assert arguments(receipt, active.bonding.TreasuryReward) == [
        {"transcoder": transcoder.address, "treasury": receiver.address, "amount": cut}
    ]
    assert arguments(receipt, active.bonding.Reward) == [{"transcoder": transcoder.address, "amount": total - cut}]
    assert token.balanceOf(receiver) == before + cut


def test_reward__treasury_at_its_ceiling__ends_the_cut_with_the_next_round(
    active: Stage, transcoder: Any, receiver: Any
) -> None:
    active.register("Treasury", receiver)
    active.bonding.setTreasuryRewardCutRate(ONE // 10, sender=active.owner)
    active.bonding.setTreasuryBalanceCeiling(1, sender=active.owner)
    active.next_round()
    receipt = active.bonding.reward(sender=transcoder)
    assert arguments(receipt, active.bonding.ParameterUpdate) == [{"param": "nextRoundTreasuryRewardCutRate"}]
    assert "TreasuryReward" in names(receipt)
    assert active.bonding.nextRoundTreasuryRewardCutRate() == 0
    active.next_round()
    assert active.bonding.treasuryRewardCutRate() == 0
    assert "TreasuryReward" not in names(active.bonding.reward(sender=transcoder))


def test_reward__evicted_but_still_active__may_join_again(stage: Stage, accounts: Any) -> None:
    first, second, third, fourth = accounts[1:5]
    for account, amount in ((first, 30), (second, 20), (third, 10)):
        stage.bond(account, amount * LPT)
    stage.next_round()
    stage.bond(fourth, 10 * LPT + 1)
    assert third.address not in stage.members()
    stage.bonding.reward(sender=third)
    assert third.address in stage.members()
    assert fourth.address not in stage.members()


def test_reward__k7_evicted_with_one_wei_left__commissions_never_exceed_stake(stage: Stage, accounts: Any) -> None:
    first, second, victim, fourth, helper = accounts[1:6]
    stage.bond(first, 3000 * LPT)
    stage.bond(second, 3000 * LPT)
    stage.bond(victim, 2000 * LPT)
    stage.bonding.transcoder(PPM, PPM, sender=victim)
    now = stage.next_round()
    stage.bonding.unbond(2000 * LPT - 1, sender=victim)
    stage.bond(fourth, 1000 * LPT)
    assert victim.address not in stage.members()
    # Its reward counts as stake of the next round although it is not in the pool any more.
    stage.bonding.reward(sender=victim)
    record = stage.transcoder(victim)
    assert record.cumulative_rewards > 1
    assert stage.pool(victim, now + 1).total_stake == stage.bonding.transcoderTotalStake(victim)
    assert record.cumulative_rewards <= stage.pool(victim, now + 1).total_stake

    stage.next_round()
    with ape.reverts("transcoder must be active"):
        stage.credit(victim, 1000)
    stage.bond(helper, 1500 * LPT, victim)
    stage.next_round()
    stage.credit(victim, 1000)
    assert stage.pending_fees(victim, helper) <= 1000


def test_reward_with_hint__after_a_good_hint__keeps_the_order(
    active: Stage, transcoder: Any, other_transcoder: Any
) -> None:
    active.bond(other_transcoder, 2000 * LPT + 1)
    active.bonding.rewardWithHint(NOBODY, other_transcoder, sender=transcoder)
    assert active.members() == [transcoder.address, other_transcoder.address]


# --- LIP-118 --------------------------------------------------------------------------------------


def test_reward_for_transcoder__r16_by_its_reward_caller__is_the_transcoders_reward(
    active: Stage, transcoder: Any, stranger: Any
) -> None:
    receipt = active.bonding.setRewardCaller(stranger, sender=transcoder)
    assert arguments(receipt, active.bonding.RewardCallerSet) == [
        {"transcoder": transcoder.address, "rewardCaller": stranger.address}
    ]
    assert active.bonding.transcoderToRewardCaller(transcoder) == stranger.address
    receipt = active.bonding.rewardForTranscoder(transcoder, sender=stranger)
    assert arguments(receipt, active.bonding.Reward)[0]["transcoder"] == transcoder.address
    assert active.transcoder(transcoder).last_reward_round == active.round
    assert active.transcoder(stranger).last_reward_round == 0


def test_reward_for_transcoder__by_a_stranger__reverts(active: Stage, transcoder: Any, stranger: Any) -> None:
    with ape.reverts("caller must be the transcoder's reward caller"):
        active.bonding.rewardForTranscoder(transcoder, sender=stranger)


def test_reward_for_transcoder_with_hint__after_being_unset__reverts(
    active: Stage, transcoder: Any, stranger: Any
) -> None:
    active.bonding.setRewardCaller(stranger, sender=transcoder)
    active.bonding.setRewardCaller(NOBODY, sender=transcoder)
    with ape.reverts("caller must be the transcoder's reward caller"):
        active.bonding.rewardForTranscoderWithHint(transcoder, NOBODY, NOBODY, sender=stranger)


# --- rates ----------------------------------------------------------------------------------------


def test_transcoder__registered_and_not_active__sets_the_rates(stage: Stage, transcoder: Any) -> None:
    stage.bond(transcoder, LPT)
    receipt = stage.bonding.transcoder(PPM, 0, sender=transcoder)
    assert arguments(receipt, stage.bonding.TranscoderUpdate) == [
        {"transcoder": transcoder.address, "rewardCut": PPM, "feeShare": 0}
    ]
    record = stage.transcoder(transcoder)
    assert (record.reward_cut, record.fee_share) == (PPM, 0)


@pytest.mark.parametrize(
    ("rates", "reason"),
    [((PPM + 1, 0), "invalid rewardCut percentage"), ((0, PPM + 1), "invalid feeShare percentage")],
)
def test_transcoder__rate_above_all__reverts(
    stage: Stage, transcoder: Any, rates: tuple[int, int], reason: str
) -> None:
    stage.bond(transcoder, LPT)
    with ape.reverts(reason):
        stage.bonding.transcoder(*rates, sender=transcoder)


def test_transcoder__not_registered__reverts(stage: Stage, stranger: Any) -> None:
    with ape.reverts("transcoder must be registered"):
        stage.bonding.transcoder(0, 0, sender=stranger)


def test_transcoder__active_before_its_reward_call__reverts(active: Stage, transcoder: Any) -> None:
    with ape.reverts("caller can't be active or must have already called reward for the current round"):
        active.bonding.transcoder(0, 0, sender=transcoder)


def test_transcoder__active_after_its_reward_call__counts_from_the_next_round(active: Stage, transcoder: Any) -> None:
    now = active.round
    active.bonding.reward(sender=transcoder)
    active.bonding.transcoder(1, 2, sender=transcoder)
    active.credit(transcoder, 1000)
    assert active.pool(transcoder, now)[1:3] == (500_000, 500_000)
    active.next_round()
    active.credit(transcoder, 1000)
    assert active.pool(transcoder, now + 1)[1:3] == (1, 2)


def test_transcoder__round_locked__reverts(stage: Stage, transcoder: Any) -> None:
    stage.bond(transcoder, LPT)
    start = stage.protocol.rounds_manager.currentRoundStartBlock()
    stage.chain.mine(start + 18 - stage.chain.blocks.height - 1)
    with ape.reverts("can't update transcoder params, current round is locked"):
        stage.bonding.transcoder(0, 0, sender=transcoder)


def test_transcoder__room_in_the_pool__joins(stage: Stage, accounts: Any) -> None:
    first, second, third, fourth = accounts[1:5]
    for account in (first, second, third):
        stage.bond(account, 10 * LPT)
    stage.bond(fourth, LPT)
    assert fourth.address not in stage.members()
    stage.bonding.setNumActiveTranscoders(4, sender=stage.owner)
    stage.bonding.transcoder(0, 0, sender=fourth)
    assert stage.members()[-1] == fourth.address
    assert stage.bonding.nextRoundTotalActiveStake() == 31 * LPT


# --- extremes -------------------------------------------------------------------------------------


def test_reward__stake_of_one_wei__reward_factor_beyond_120_bits_is_exact(
    stage: Stage, transcoder: Any, delegator: Any
) -> None:
    """A single wei of stake gets all the rewards: the factor outgrows its place in the packed record."""
    stage.bond(transcoder, 1)
    now = stage.next_round()
    minted = arguments(stage.bonding.reward(sender=transcoder), stage.bonding.Reward)[0]["amount"]
    factor = ONE + minted * ONE
    assert factor > 2**120
    assert stage.pool(transcoder, now) == (1, 0, 0, factor, 0)
    assert stage.pending_stake(transcoder) == 1 + minted

    # Carried into a later round by whoever joins, and claimed from there on.
    stage.bond(delegator, LPT, transcoder)
    later = stage.next_round(2)
    stage.bonding.claimEarnings(0, sender=transcoder)
    assert stage.pool(transcoder, later).reward_factor == factor
    assert stage.delegator(transcoder).bonded_amount == 1 + minted
    assert stage.pending_stake(delegator) == LPT
