"""Rewards, fees, the treasury's part, slashing (spec 10.4; differences: K6, K7, K11, K12, K27, LIP-118)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tests.support.model.earnings import EarningsPool, grown_fee_factor, grown_reward_factor
from tests.support.model.fractions import ONE, ppm_of, precise_of, share
from tests.support.model.pool import NO_HINT, Hint
from tests.support.model.stake import StakeModel
from tests.support.model.state import AMOUNT_LIMIT, NOBODY, Cell, Table, add, require, sub

if TYPE_CHECKING:
    from tests.support.model.protocol import Model


class Settings(NamedTuple):
    unbonding_period: int = 0
    cut_rate: int = 0
    """Treasury's part of rewards, 1e-27."""
    next_cut_rate: int = 0
    ceiling: int = 0


class RewardsModel(StakeModel):
    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._settings: Cell[Settings] = Cell(model.journal, "settings", Settings())
        self._reward_callers: Table[str, str] = Table(model.journal, "reward_callers", NOBODY)

    @property
    def unbonding_period(self) -> int:
        return self._settings.value.unbonding_period

    # --- rewards ------------------------------------------------------------------------------------------------------

    def reward(self, sender: str) -> None:
        self._reward(sender, NO_HINT)

    def rewardWithHint(self, sender: str, prev: str, next_: str) -> None:  # noqa: N802
        self._reward(sender, (prev, next_))

    def rewardForTranscoder(self, sender: str, transcoder: str) -> None:  # noqa: N802
        self.rewardForTranscoderWithHint(sender, transcoder, *NO_HINT)

    def rewardForTranscoderWithHint(self, sender: str, transcoder: str, prev: str, next_: str) -> None:  # noqa: N802
        require(sender == self._reward_callers[transcoder], "caller must be the transcoder's reward caller")
        self._reward(transcoder, (prev, next_))

    def setRewardCaller(self, sender: str, caller: str) -> None:  # noqa: N802
        self._reward_callers[sender] = caller
        self._model.emit("BondingManager", "RewardCallerSet", sender, caller)

    def _reward(self, transcoder: str, hint: Hint) -> None:
        now = self._model.rounds.ready()
        require(self.is_active(transcoder), "caller must be an active transcoder")
        record = self.transcoders[transcoder]
        require(record.last_reward_round != now, "caller has already called reward for the current round")
        pool = self._opened_pool(transcoder)
        self._apply_ceiling()
        total = self._model.minter().create_reward(pool.total_stake, self.current_total)
        to_treasury = precise_of(total, self._settings.value.cut_rate)
        if to_treasury > 0:
            treasury = self._model.controller.resolve("Treasury")
            self._model.minter().pay_tokens(treasury, to_treasury)
            self._model.emit("BondingManager", "TreasuryReward", transcoder, treasury, to_treasury)
        rewards = total - to_treasury

        kept = self.commissions[transcoder]
        self._check_commission(kept.rewards, pool.total_stake)
        before = self.pools.of[transcoder, record.last_reward_round].reward_factor
        commission = ppm_of(rewards, pool.reward_cut)
        delegators = rewards - commission
        cumulative = kept.rewards + share(delegators, kept.rewards, pool.total_stake) + commission
        require(cumulative <= AMOUNT_LIMIT, "amount exceeds 96 bits")
        self.commissions[transcoder] = kept._replace(active_rewards=kept.rewards, rewards=cumulative)
        grown = grown_reward_factor(before, delegators, pool.total_stake)
        self.pools.of[transcoder, now] = pool._replace(reward_factor=grown)
        self.transcoders[transcoder] = record._replace(last_reward_round=now, factor_before_reward=before)
        self.increase(transcoder, rewards, hint)
        self._model.emit("BondingManager", "Reward", transcoder, rewards)
        self.checkpoint(transcoder)

    def _opened_pool(self, transcoder: str) -> EarningsPool:
        """The record of this round before its first reward or fee: the rates of now, the stake of the round's start."""
        now, record = self._model.rounds.current, self.transcoders[transcoder]
        pool = self.pools.of[transcoder, now]
        stake = pool.total_stake
        if record.last_stake_round < now:
            stake = self.pools.of[transcoder, record.last_stake_round].total_stake
        return pool._replace(reward_cut=record.reward_cut, fee_share=record.fee_share, total_stake=stake)

    def _apply_ceiling(self) -> None:
        settings = self._settings.value
        if settings.ceiling > 0 and settings.next_cut_rate > 0:
            treasury = self._model.controller.resolve("Treasury")
            if self._model.token.balances[treasury] >= settings.ceiling:
                self._settings.value = settings._replace(next_cut_rate=0)
                self._model.updated("BondingManager", "nextRoundTreasuryRewardCutRate")

    def _check_commission(self, commission: int, stake: int) -> None:
        require(stake > 0 and commission <= stake, "commissions exceed active stake")

    # --- fees ---------------------------------------------------------------------------------------------------------

    def credit_fees(self, transcoder: str, fees: int) -> None:
        """One ticket's worth, as the TicketBroker credits it."""
        self._model.controller.when_not_paused()
        require(self.is_active(transcoder), "transcoder must be active")
        now, record, kept = self._model.rounds.current, self.transcoders[transcoder], self.commissions[transcoder]
        if record.last_reward_round < now:
            pool = self._opened_pool(transcoder)
            earning = kept.rewards
            factor = self.pools.of[transcoder, record.last_reward_round].reward_factor
        else:
            pool = self.pools.of[transcoder, now]
            earning = kept.active_rewards
            factor = record.factor_before_reward
        self._check_commission(earning, pool.total_stake)
        delegators = ppm_of(fees, pool.fee_share)
        own = add(share(delegators, earning, pool.total_stake), fees - delegators)
        self.commissions[transcoder] = kept._replace(fees=add(kept.fees, own))
        base = pool.fee_factor or self.pools.of[transcoder, record.last_fee_round].fee_factor
        grown = grown_fee_factor(base, factor, delegators, pool.total_stake)
        self.pools.of[transcoder, now] = pool._replace(fee_factor=grown)
        self.transcoders[transcoder] = record._replace(last_fee_round=now)

    def updateTranscoderWithFees(self, sender: str, transcoder: str, fees: int, round_: int) -> None:  # noqa: N802
        self.updateTranscoderWithFeesBatch(sender, transcoder, [fees], round_)

    def updateTranscoderWithFeesBatch(  # noqa: N802
        self, sender: str, transcoder: str, amounts: Sequence[int], round_: int
    ) -> None:
        del round_
        self._model.controller.when_not_paused()
        require(sender == self._model.controller.resolve("TicketBroker"), "caller must be TicketBroker")
        for fees in amounts:
            self.credit_fees(transcoder, fees)

    # --- slashing -----------------------------------------------------------------------------------------------------

    def slashTranscoder(self, sender: str, transcoder: str, finder: str, part: int, finder_fee: int) -> None:  # noqa: N802
        self._model.controller.when_not_paused()
        require(sender == self._model.controller.resolve("Verifier"), "caller must be Verifier")
        self._model.rounds.ready()
        self.claim(transcoder)
        delegator = self.delegators[transcoder]
        penalty, finder_reward = ppm_of(delegator.bonded, part), 0
        if delegator.bonded > 0:
            left = delegator._replace(bonded=sub(delegator.bonded, penalty))
            if left.bonded == 0:
                left = left._replace(delegate=NOBODY, start_round=0)
            self.delegators[transcoder] = left
            self.check_amounts(transcoder)
            if transcoder in self.pool.members:
                self.resign(transcoder)
            self.decrease(delegator.delegate, penalty, NO_HINT)
            if delegator.delegate != transcoder:
                self.checkpoint(delegator.delegate)
            if finder != NOBODY:
                finder_reward = ppm_of(penalty, finder_fee)
                self._model.minter().pay_tokens(finder, finder_reward)
            self._model.minter().burn_tokens(sub(penalty, finder_reward))
        self._model.emit("BondingManager", "TranscoderSlashed", transcoder, finder, penalty, finder_reward)
        self.checkpoint(transcoder)

    # --- rounds -------------------------------------------------------------------------------------------------------

    def rotate(self) -> None:
        """What the RoundsManager has done at the start of a round."""
        self.adopt_next_total()
        settings = self._settings.value
        if settings.next_cut_rate != settings.cut_rate:
            self._settings.value = settings._replace(cut_rate=settings.next_cut_rate)
            self._model.updated("BondingManager", "treasuryRewardCutRate")
        self._model.votes.checkpoint_total(self.current_total, self._model.rounds.current)

    def setCurrentRoundTotalActiveStake(self, sender: str) -> None:  # noqa: N802
        require(sender == self._model.controller.resolve("RoundsManager"), "caller must be RoundsManager")
        self.rotate()

    # --- parameters ---------------------------------------------------------------------------------------------------

    def setTreasuryRewardCutRate(self, sender: str, rate: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        require(rate <= ONE, "_cutRate is invalid precise percentage")
        self._settings.value = self._settings.value._replace(next_cut_rate=rate)
        self._model.updated("BondingManager", "nextRoundTreasuryRewardCutRate")

    def setTreasuryBalanceCeiling(self, sender: str, ceiling: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        self._settings.value = self._settings.value._replace(ceiling=ceiling)
        self._model.updated("BondingManager", "treasuryBalanceCeiling")

    def unbondingPeriod(self) -> int:  # noqa: N802
        return self._settings.value.unbonding_period

    def treasuryRewardCutRate(self) -> int:  # noqa: N802
        return self._settings.value.cut_rate

    def nextRoundTreasuryRewardCutRate(self) -> int:  # noqa: N802
        return self._settings.value.next_cut_rate

    def treasuryBalanceCeiling(self) -> int:  # noqa: N802
        return self._settings.value.ceiling

    def transcoderToRewardCaller(self, account: str) -> str:  # noqa: N802
        return self._reward_callers[account]
