"""Delegators, the active set and its stake: the records and shared procedures of spec 10.1 to 10.3.

Differences from the deployed contracts that matter here: stake is recorded for everybody who is active, in the pool or
not (K7); who is active stays active until the end of the round (K10); amounts have 96 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.support.model.earnings import EarningsPools, delegator_fees, delegator_stake
from tests.support.model.pool import Hint, SortedPool
from tests.support.model.state import AMOUNT_LIMIT, MAX_WORD, NOBODY, Cell, Table, add, require, sub
from tests.support.model.votes import Record

if TYPE_CHECKING:
    from tests.support.model.protocol import Model

NEVER = MAX_WORD
PENDING, BONDED, UNBONDED = range(3)


class Delegator(NamedTuple):
    bonded: int = 0
    fees: int = 0
    delegate: str = NOBODY
    start_round: int = 0
    last_claim_round: int = 0
    next_lock_id: int = 0


class Transcoder(NamedTuple):
    last_reward_round: int = 0
    reward_cut: int = 0
    fee_share: int = 0
    last_stake_round: int = 0
    activation_round: int = 0
    deactivation_round: int = 0
    last_fee_round: int = 0
    factor_before_reward: int = 0
    """Reward factor before the last reward; not visible on chain."""


class Commissions(NamedTuple):
    active_rewards: int = 0
    rewards: int = 0
    fees: int = 0


class Lock(NamedTuple):
    amount: int = 0
    withdraw_round: int = 0


class StakeModel:
    """State of the BondingManager, and what its calls have in common."""

    def __init__(self, model: Model) -> None:
        self._model = model
        journal = model.journal
        self.delegators: Table[str, Delegator] = Table(journal, "delegators", Delegator())
        self.delegated: Table[str, int] = Table(journal, "delegated", 0)
        self.transcoders: Table[str, Transcoder] = Table(journal, "transcoders", Transcoder())
        self.commissions: Table[str, Commissions] = Table(journal, "commissions", Commissions())
        self.locks: Table[tuple[str, int], Lock] = Table(journal, "locks", Lock())
        self.pools = EarningsPools(journal)
        self.pool = SortedPool(journal, lambda member: self.delegated[member])
        # Sum of the stake of the current round's active set, and how many they are; stake of the next one's.
        self._current_total: Cell[tuple[int, int]] = Cell(journal, "current_total", (0, 0))
        self._next_total: Cell[int] = Cell(journal, "next_total", 0)

    # --- predicates ---------------------------------------------------------------------------------------------------

    @property
    def current_total(self) -> int:
        return self._current_total.value[0]

    @property
    def active_count(self) -> int:
        return self._current_total.value[1]

    @property
    def next_total(self) -> int:
        return self._next_total.value

    def is_registered(self, account: str) -> bool:
        delegator = self.delegators[account]
        return delegator.delegate == account and delegator.bonded > 0

    def is_active(self, account: str) -> bool:
        transcoder = self.transcoders[account]
        return transcoder.activation_round <= self._model.rounds.current < transcoder.deactivation_round

    def status(self, account: str) -> int:
        delegator = self.delegators[account]
        if delegator.bonded == 0:
            return UNBONDED
        return PENDING if delegator.start_round > self._model.rounds.current else BONDED

    # --- claims -------------------------------------------------------------------------------------------------------

    def pending(self, account: str) -> tuple[int, int]:
        """Stake and fees with all earnings (PendingStakeAndFees)."""
        now, delegator = self._model.rounds.current, self.delegators[account]
        stake, fees = delegator.bonded, delegator.fees
        if delegator.last_claim_round < now:
            delegate = delegator.delegate
            start = self.pools.of[delegate, delegator.last_claim_round]
            end = self.pools.latest(delegate, now, *self._last_rounds(delegate))
            fees = add(fees, delegator_fees(stake, start, end))
            stake = delegator_stake(stake, start, end)
        if delegator.delegate == account:
            kept = self.commissions[account]
            stake, fees = add(stake, kept.rewards), add(fees, kept.fees)
        return stake, fees

    def claim(self, account: str) -> None:
        now, old = self._model.rounds.current, self.delegators[account]
        if old.last_claim_round == now:
            return
        stake, fees = old.bonded, old.fees
        if old.delegate != NOBODY:
            stake, fees = self.pending(account)
            self.carry_factors(old.delegate)
            if old.delegate == account:
                self.commissions[account] = self.commissions[account]._replace(rewards=0, fees=0)
        self._model.emit(
            "BondingManager",
            "EarningsClaimed",
            old.delegate,
            account,
            stake - old.bonded,
            fees - old.fees,
            old.last_claim_round + 1,
            now,
        )
        self.delegators[account] = old._replace(bonded=stake, fees=fees, last_claim_round=now)

    def authorize_claim(self, sender: str, owner: str) -> None:
        if sender in (owner, self._model.migrator()) or self.status(owner) == UNBONDED:
            return
        delegator, now = self.delegators[owner], self._model.rounds.current
        if not self.is_active(delegator.delegate):
            return
        was_rewarded = self.transcoders[delegator.delegate].last_reward_round == now
        require(was_rewarded or delegator.last_claim_round == now, "ILLEGAL_CLAIM_EARNINGS")

    def carry_factors(self, delegate: str) -> None:
        self.pools.carry(delegate, self._model.rounds.current, *self._last_rounds(delegate))

    def check_amounts(self, account: str) -> None:
        """What a packed record holds."""
        delegator = self.delegators[account]
        require(max(delegator.bonded, delegator.fees) <= AMOUNT_LIMIT, "amount exceeds 96 bits")

    def checkpoint(self, account: str) -> None:
        delegator = self.delegators[account]
        record = Record(
            start_round=self._model.rounds.current + 1,
            bonded=delegator.bonded,
            delegate=delegator.delegate,
            delegated=self.delegated[account],
            last_claim_round=delegator.last_claim_round,
            last_reward_round=self.transcoders[account].last_reward_round,
        )
        self._model.votes.checkpoint(account, record)

    # --- delegated stake ----------------------------------------------------------------------------------------------

    def increase(self, delegate: str, amount: int, hint: Hint) -> None:
        is_member = self._set_delegated(delegate, add(self.delegated[delegate], amount), hint)
        if is_member:
            self._next_total.value += amount
        elif self.is_registered(delegate):
            self.try_to_join(delegate, hint)

    def decrease(self, delegate: str, amount: int, hint: Hint) -> None:
        if self._set_delegated(delegate, sub(self.delegated[delegate], amount), hint):
            self._next_total.value -= amount

    def _set_delegated(self, delegate: str, stake: int, hint: Hint) -> bool:
        require(stake <= AMOUNT_LIMIT, "stake exceeds 96 bits")
        is_member, old = delegate in self.pool.members, self.delegated[delegate]
        if is_member:
            self.pool.remove(delegate)
            self.pool.insert(delegate, stake, hint)
        if is_member or self.is_active(delegate):
            self._record_stake(delegate, old, stake)
        self.delegated[delegate] = stake
        return is_member

    def _record_stake(self, transcoder: str, old: int, new: int) -> None:
        """Stake of this round, if none was recorded since its start, and of the next."""
        now, record = self._model.rounds.current, self.transcoders[transcoder]
        if record.last_stake_round < now:
            self.pools.set_stake(transcoder, now, old)
        self.pools.set_stake(transcoder, now + 1, new)
        self.transcoders[transcoder] = record._replace(last_stake_round=now + 1)

    def try_to_join(self, transcoder: str, hint: Hint) -> None:
        now, stake = self._model.rounds.current, self.delegated[transcoder]
        if self.pool.is_full:
            last = self.pool.members[-1]
            if stake <= self.delegated[last]:
                return
            self.resign(last)
        self.pool.insert(transcoder, stake, hint)
        self._next_total.value += stake
        was_active = self.is_active(transcoder)
        self._record_stake(transcoder, stake, stake) if was_active else self.pools.set_stake(transcoder, now + 1, stake)
        record = self.transcoders[transcoder]
        self.transcoders[transcoder] = record._replace(
            activation_round=record.activation_round if was_active else now + 1,
            deactivation_round=NEVER,
            last_stake_round=now + 1,
        )
        self._model.emit("BondingManager", "TranscoderActivated", transcoder, now + 1)

    def resign(self, transcoder: str) -> None:
        now = self._model.rounds.current
        self.pool.remove(transcoder)
        self._next_total.value -= self.delegated[transcoder]
        self.transcoders[transcoder] = self.transcoders[transcoder]._replace(deactivation_round=now + 1)
        self._model.emit("BondingManager", "TranscoderDeactivated", transcoder, now + 1)

    def adopt_next_total(self) -> None:
        self._current_total.value = (self.next_total, len(self.pool.members))

    def _last_rounds(self, transcoder: str) -> tuple[int, int]:
        record = self.transcoders[transcoder]
        return record.last_reward_round, record.last_fee_round
