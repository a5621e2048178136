"""BondingManager: its calls and views (spec 10.4 and 10.5). Rewards, fees and slashing are in `rewards`."""

from __future__ import annotations

from tests.support.model.fractions import PPM
from tests.support.model.pool import NO_HINT, Hint
from tests.support.model.rewards import RewardsModel
from tests.support.model.stake import BONDED, UNBONDED, Lock
from tests.support.model.state import NOBODY, add, require


class BondingModel(RewardsModel):
    # --- delegators ---------------------------------------------------------------------------------------------------

    def bond(self, sender: str, amount: int, to: str) -> None:
        self._bond(sender, amount, sender, to, NO_HINT, NO_HINT)

    def bondWithHint(self, sender: str, amount: int, to: str, op: str, on: str, cp: str, cn: str) -> None:  # noqa: N802
        self._bond(sender, amount, sender, to, (op, on), (cp, cn))

    def bondForWithHint(  # noqa: N802
        self, sender: str, amount: int, owner: str, to: str, op: str, on: str, cp: str, cn: str
    ) -> None:
        self._bond(sender, amount, owner, to, (op, on), (cp, cn))

    def _bond(self, sender: str, amount: int, owner: str, to: str, old_hint: Hint, new_hint: Hint) -> None:
        now = self._model.rounds.ready()
        self.authorize_claim(sender, owner)
        self.claim(owner)
        delegator = self.delegators[owner]
        current, bonded = delegator.delegate, delegator.bonded
        if sender not in (owner, self._model.migrator()):
            require(owner != NOBODY, "INVALID_DELEGATOR")
            if bonded == 0:
                require(to != owner, "INVALID_DELEGATE")
            else:
                require(to == current, "INVALID_DELEGATE_CHANGE")
        moved = amount
        if bonded == 0:
            delegator = delegator._replace(start_round=now + 1)
        elif current != to:
            reason = "registered transcoders can't delegate towards other addresses"
            require(not self.is_registered(owner), reason)
            delegator = delegator._replace(start_round=now + 1)
            moved = add(amount, bonded)
            self.decrease(current, bonded, old_hint)
            self.checkpoint(current)
        self.carry_factors(to)
        require(moved > 0, "delegation amount must be greater than 0")
        self.delegators[owner] = delegator._replace(delegate=to, bonded=add(bonded, amount))
        self.check_amounts(owner)
        self.increase(to, moved, new_hint)
        if to != owner:
            self.checkpoint(to)
        if amount > 0:
            manager, minter = self._model.address_of["BondingManager"], self._model.controller.resolve("Minter")
            self._model.token.transferFrom(manager, sender, minter, amount)
        self._model.emit("BondingManager", "Bond", to, current, owner, amount, self.delegators[owner].bonded)
        self.checkpoint(owner)

    def unbond(self, sender: str, amount: int) -> None:
        self.unbondWithHint(sender, amount, *NO_HINT)

    def unbondWithHint(self, sender: str, amount: int, prev: str, next_: str) -> None:  # noqa: N802
        self._model.rounds.ready()
        self.claim(sender)
        self._unbond(sender, amount, (prev, next_))

    def _unbond(self, sender: str, amount: int, hint: Hint) -> int:
        """Returns the id of the new lock."""
        now, delegator = self._model.rounds.current, self.delegators[sender]
        require(self.status(sender) == BONDED, "caller must be bonded")
        require(amount > 0, "unbond amount must be greater than 0")
        require(amount <= delegator.bonded, "amount is greater than bonded amount")
        delegate, lock_id = delegator.delegate, delegator.next_lock_id
        lock = Lock(amount, now + self.unbonding_period)
        self.locks[sender, lock_id] = lock
        delegator = delegator._replace(next_lock_id=lock_id + 1, bonded=delegator.bonded - amount)
        leaves = delegator.bonded == 0
        if leaves:
            delegator = delegator._replace(delegate=NOBODY, start_round=0)
        self.delegators[sender] = delegator
        self.check_amounts(sender)
        if leaves and sender in self.pool.members:
            self.resign(sender)
        self.decrease(delegate, amount, hint)
        if delegate != sender:
            self.checkpoint(delegate)
        self._model.emit("BondingManager", "Unbond", delegate, sender, lock_id, amount, lock.withdraw_round)
        self.checkpoint(sender)
        return lock_id

    def rebond(self, sender: str, lock_id: int) -> None:
        self.rebondWithHint(sender, lock_id, *NO_HINT)

    def rebondWithHint(self, sender: str, lock_id: int, prev: str, next_: str) -> None:  # noqa: N802
        self._model.rounds.ready()
        self.claim(sender)
        require(self.status(sender) != UNBONDED, "caller must be bonded")
        self._process_rebond(sender, lock_id, (prev, next_))

    def rebondFromUnbonded(self, sender: str, to: str, lock_id: int) -> None:  # noqa: N802
        self.rebondFromUnbondedWithHint(sender, to, lock_id, *NO_HINT)

    def rebondFromUnbondedWithHint(  # noqa: N802
        self, sender: str, to: str, lock_id: int, prev: str, next_: str
    ) -> None:
        now = self._model.rounds.ready()
        self.claim(sender)
        require(self.status(sender) == UNBONDED, "caller must be unbonded")
        self.carry_factors(to)
        self.delegators[sender] = self.delegators[sender]._replace(start_round=now + 1, delegate=to)
        self._process_rebond(sender, lock_id, (prev, next_))

    def _process_rebond(self, account: str, lock_id: int, hint: Hint) -> None:
        lock, delegator = self.locks[account, lock_id], self.delegators[account]
        require(lock.withdraw_round > 0, "invalid unbonding lock ID")
        self.locks[account, lock_id] = Lock()
        self.delegators[account] = delegator._replace(bonded=delegator.bonded + lock.amount)
        self.check_amounts(account)
        self.increase(delegator.delegate, lock.amount, hint)
        if delegator.delegate != account:
            self.checkpoint(delegator.delegate)
        self._model.emit("BondingManager", "Rebond", delegator.delegate, account, lock_id, lock.amount)
        self.checkpoint(account)

    def transferBond(  # noqa: N802
        self, sender: str, receiver: str, amount: int, op: str, on: str, cp: str, cn: str
    ) -> None:
        now = self._model.rounds.ready()
        self.authorize_claim(sender, receiver)
        self.claim(sender)
        delegate = self.delegators[sender].delegate
        old_id = self._unbond(sender, amount, (op, on))
        lock = self.locks[sender, old_id]
        self.locks[sender, old_id] = Lock()
        new_id = self.delegators[receiver].next_lock_id
        self.delegators[receiver] = self.delegators[receiver]._replace(next_lock_id=new_id + 1)
        self.locks[receiver, new_id] = lock
        self._model.emit("BondingManager", "TransferBond", sender, receiver, old_id, new_id, amount)
        self.claim(receiver)
        record = self.delegators[receiver]
        if record.delegate == NOBODY and record.bonded == 0:
            require(receiver not in (delegate, NOBODY), "INVALID_DELEGATOR")
            record = record._replace(delegate=delegate)
        if record.bonded == 0:
            record = record._replace(start_round=now + 1)
        self.delegators[receiver] = record
        self._process_rebond(receiver, new_id, (cp, cn))

    def withdrawStake(self, sender: str, lock_id: int) -> None:  # noqa: N802
        now, lock = self._model.rounds.ready(), self.locks[sender, lock_id]
        require(lock.withdraw_round > 0, "invalid unbonding lock ID")
        require(lock.withdraw_round <= now, "withdraw round must be before or equal to the current round")
        self.locks[sender, lock_id] = Lock()
        self._model.minter().pay_tokens(sender, lock.amount)
        self._model.emit("BondingManager", "WithdrawStake", sender, lock_id, lock.amount, lock.withdraw_round)

    def withdrawFees(self, sender: str, recipient: str, amount: int) -> None:  # noqa: N802
        self._model.rounds.ready()
        self.claim(sender)
        delegator = self.delegators[sender]
        require(recipient != NOBODY, "invalid recipient")
        require(delegator.fees >= amount, "insufficient fees to withdraw")
        self.delegators[sender] = delegator._replace(fees=delegator.fees - amount)
        self.check_amounts(sender)
        self._model.minter().pay_ether(recipient, amount)
        self._model.emit("BondingManager", "WithdrawFees", sender, recipient, amount)
        self.checkpoint(sender)

    def claimEarnings(self, sender: str, end_round: int) -> None:  # noqa: N802
        del end_round
        self._model.rounds.ready()
        self.claim(sender)
        self.check_amounts(sender)
        self.checkpoint(sender)

    def checkpointBondingState(self, sender: str, account: str) -> None:  # noqa: N802
        del sender
        self.checkpoint(account)

    # --- transcoders --------------------------------------------------------------------------------------------------

    def transcoder(self, sender: str, cut: int, share: int) -> None:
        self.transcoderWithHint(sender, cut, share, *NO_HINT)

    def transcoderWithHint(self, sender: str, cut: int, share: int, prev: str, next_: str) -> None:  # noqa: N802
        now = self._model.rounds.ready()
        require(not self._model.rounds.is_locked, "can't update transcoder params, current round is locked")
        require(cut <= PPM, "invalid rewardCut percentage")
        require(share <= PPM, "invalid feeShare percentage")
        require(self.is_registered(sender), "transcoder must be registered")
        record = self.transcoders[sender]
        require(
            not self.is_active(sender) or record.last_reward_round == now,
            "caller can't be active or must have already called reward for the current round",
        )
        self.transcoders[sender] = record._replace(reward_cut=cut, fee_share=share)
        if sender not in self.pool.members:
            self.try_to_join(sender, (prev, next_))
        self._model.emit("BondingManager", "TranscoderUpdate", sender, cut, share)

    # --- views --------------------------------------------------------------------------------------------------------

    def pendingStake(self, account: str, end_round: int) -> int:  # noqa: N802
        del end_round
        return self.pending(account)[0]

    def pendingFees(self, account: str, end_round: int) -> int:  # noqa: N802
        del end_round
        return self.pending(account)[1]

    def getDelegator(self, account: str) -> tuple[int, int, str, int, int, int, int]:  # noqa: N802
        d = self.delegators[account]
        delegated = self.delegated[account]
        return d.bonded, d.fees, d.delegate, delegated, d.start_round, d.last_claim_round, d.next_lock_id

    def getTranscoder(self, account: str) -> tuple[int, ...]:  # noqa: N802
        t, kept = self.transcoders[account], self.commissions[account]
        return (
            t.last_reward_round,
            t.reward_cut,
            t.fee_share,
            t.last_stake_round,
            t.activation_round,
            t.deactivation_round,
            kept.active_rewards,
            kept.rewards,
            kept.fees,
            t.last_fee_round,
        )

    def getTranscoderEarningsPoolForRound(self, account: str, round_: int) -> tuple[int, ...]:  # noqa: N802
        return tuple(self.pools.of[account, round_])

    def getDelegatorUnbondingLock(self, account: str, lock_id: int) -> tuple[int, ...]:  # noqa: N802
        return tuple(self.locks[account, lock_id])

    def isValidUnbondingLock(self, account: str, lock_id: int) -> bool:  # noqa: N802
        return self.locks[account, lock_id].withdraw_round > 0

    def delegatorStatus(self, account: str) -> int:  # noqa: N802
        return self.status(account)

    def transcoderStatus(self, account: str) -> int:  # noqa: N802
        return int(self.is_registered(account))

    def transcoderTotalStake(self, account: str) -> int:  # noqa: N802
        return self.delegated[account]

    def isRegisteredTranscoder(self, account: str) -> bool:  # noqa: N802
        return self.is_registered(account)

    def isActiveTranscoder(self, account: str) -> bool:  # noqa: N802
        return self.is_active(account)

    def getTranscoderPoolMaxSize(self) -> int:  # noqa: N802
        return self.pool.max_size

    def getTranscoderPoolSize(self) -> int:  # noqa: N802
        return len(self.pool.members)

    def getFirstTranscoderInPool(self) -> str:  # noqa: N802
        return self.pool.members[0] if self.pool.members else NOBODY

    def getNextTranscoderInPool(self, account: str) -> str:  # noqa: N802
        following = (*self.pool.members[1:], NOBODY)
        return following[self.pool.members.index(account)] if account in self.pool.members else NOBODY

    def getTotalBonded(self) -> int:  # noqa: N802
        return self.current_total

    def currentRoundTotalActiveStake(self) -> int:  # noqa: N802
        return self.current_total

    def nextRoundTotalActiveStake(self) -> int:  # noqa: N802
        return self.next_total

    def currentRoundActiveTranscoders(self) -> int:  # noqa: N802
        return self.active_count

    # --- parameters ---------------------------------------------------------------------------------------------------

    def setUnbondingPeriod(self, sender: str, rounds: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        require(rounds < 2**64)
        self._settings.value = self._settings.value._replace(unbonding_period=rounds)
        self._model.updated("BondingManager", "unbondingPeriod")

    def setNumActiveTranscoders(self, sender: str, size: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        self.pool.set_max_size(size)
        self._model.updated("BondingManager", "numActiveTranscoders")
