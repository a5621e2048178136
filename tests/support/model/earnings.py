"""Earnings per transcoder and round as cumulative factors (LIP-36; spec 2 and 10.3)."""

from __future__ import annotations

from typing import NamedTuple

from tests.support.model.fractions import ONE, points, precise_of, share
from tests.support.model.state import Journal, Table, add, sub


class EarningsPool(NamedTuple):
    total_stake: int = 0
    reward_cut: int = 0
    fee_share: int = 0
    reward_factor: int = 0
    """Units of 1e-27; 0 stands for 1.0."""
    fee_factor: int = 0
    """Units of 1e-27."""


class EarningsPools:
    """All of them; what was never written is zero."""

    def __init__(self, journal: Journal) -> None:
        self.of: Table[tuple[str, int], EarningsPool] = Table(journal, "pools", EarningsPool())

    def latest(self, transcoder: str, round_: int, last_reward_round: int, last_fee_round: int) -> EarningsPool:
        """The record of a round with the factors that hold in it (LatestFactors)."""
        pool = self.of[transcoder, round_]
        reward_factor, fee_factor = pool.reward_factor, pool.fee_factor
        if reward_factor == 0 and last_reward_round < round_:
            reward_factor = self.of[transcoder, last_reward_round].reward_factor
        if fee_factor == 0 and last_fee_round < round_:
            fee_factor = self.of[transcoder, last_fee_round].fee_factor
        return pool._replace(reward_factor=reward_factor, fee_factor=fee_factor)

    def carry(self, transcoder: str, round_: int, last_reward_round: int, last_fee_round: int) -> None:
        """Write those factors down (InitFactors)."""
        latest = self.latest(transcoder, round_, last_reward_round, last_fee_round)
        if latest != self.of[transcoder, round_]:
            self.of[transcoder, round_] = latest

    def set_stake(self, transcoder: str, round_: int, stake: int) -> None:
        self.of[transcoder, round_] = self.of[transcoder, round_]._replace(total_stake=stake)


def grown_reward_factor(previous: int, rewards: int, total_stake: int) -> int:
    before = previous or ONE
    return add(before, share(before, rewards, total_stake))


def grown_fee_factor(base: int, previous_reward_factor: int, fees: int, total_stake: int) -> int:
    return add(base, share(previous_reward_factor or ONE, fees, total_stake))


def delegator_stake(stake: int, start: EarningsPool, end: EarningsPool) -> int:
    return precise_of(stake, points(end.reward_factor or ONE, start.reward_factor or ONE))


def delegator_fees(stake: int, start: EarningsPool, end: EarningsPool) -> int:
    """Fees on the stake before rewards."""
    return share(stake, sub(end.fee_factor, start.fee_factor), start.reward_factor or ONE)
