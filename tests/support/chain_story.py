"""Histories of the contracts on a fake chain: what each call changes, and the events it leaves."""

import random
from collections import Counter
from dataclasses import replace

from livepeer_client.adapters.fakes import FakeChain
from livepeer_client.codec.keccak import keccak256
from livepeer_client.facts import Activation, SenderInfo, UnbondingLock
from livepeer_client.types import NEVER_DEACTIVATES, Address, Round, Wei

SENDERS = [Address(bytes([number]) * 20) for number in (1, 2, 3)]
ORCHESTRATORS = [Address(bytes([number]) * 20) for number in (11, 12, 13, 14)]
ME = ORCHESTRATORS[0]
EMPTY = SenderInfo(Wei(0), Round(0), Wei(0), Wei(0))


class Story:
    """One chain with random calls. A call that the contracts would refuse is not made, and not counted."""

    def __init__(self, seed: int) -> None:
        self.chain = FakeChain(round_length=12, first_round=5)
        self.random = random.Random(seed)
        self.made: Counter[str] = Counter()
        self.next_lock = 0
        self.chain.mine()

    def play(self, calls: int) -> None:
        """Some calls, in new blocks of a few each."""
        self.mine(1)
        for _ in range(calls):
            if self.random.random() < 0.6:
                self.mine(self.random.choice((1, 1, 1, 2, 5)))
            name = self.random.choice(self.CALLS)
            if getattr(self, f"_{name}")():
                self.made[name] += 1

    def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            before = self.chain.current_round
            self.chain.mine()
            if self.chain.current_round != before:
                self._forget_claims()

    CALLS = (
        "fund_deposit",
        "fund_reserve",
        "unlock",
        "cancel_unlock",
        "withdraw",
        "redeem",
        "redeem",
        "redeem",
        "new_round",
        "activate",
        "deactivate",
        "unbond",
        "rebond",
        "withdraw_stake",
        "transfer_bond",
        "set_uri",
    )

    def info(self, sender: Address) -> SenderInfo:
        """As the contract tells it: claims of a former round do not count."""
        return self.chain.senders.get(sender, EMPTY)

    def _emit(self, contract: str, name: str, **args: object) -> bool:
        self.chain.add_event(contract, name, keccak256(str(len(self.chain.events)).encode()), **args)
        return True

    def _fund_deposit(self) -> bool:
        sender, amount = self.random.choice(SENDERS), self.random.randint(1, 50)
        info = self.info(sender)
        if info.withdraw_round:
            self._emit("TicketBroker", "UnlockCancelled", sender=sender)
        self.chain.senders[sender] = replace(info, deposit=Wei(info.deposit + amount), withdraw_round=Round(0))
        return self._emit("TicketBroker", "DepositFunded", sender=sender, amount=amount)

    def _fund_reserve(self) -> bool:
        sender, amount = self.random.choice(SENDERS), self.random.randint(1, 90)
        info = self.info(sender)
        if info.withdraw_round:
            self._emit("TicketBroker", "UnlockCancelled", sender=sender)
        self.chain.senders[sender] = replace(info, reserve=Wei(info.reserve + amount), withdraw_round=Round(0))
        return self._emit("TicketBroker", "ReserveFunded", reserveHolder=sender, amount=amount)

    def _unlock(self) -> bool:
        sender = self.random.choice(SENDERS)
        info, now = self.info(sender), self.chain.current_round
        if info.withdraw_round or not info.deposit + info.reserve:
            return False
        self.chain.senders[sender] = replace(info, withdraw_round=Round(now + 2))
        return self._emit("TicketBroker", "Unlock", sender=sender, startRound=now, endRound=now + 2)

    def _cancel_unlock(self) -> bool:
        sender = self.random.choice(SENDERS)
        info = self.info(sender)
        if not info.withdraw_round:
            return False
        self.chain.senders[sender] = replace(info, withdraw_round=Round(0))
        return self._emit("TicketBroker", "UnlockCancelled", sender=sender)

    def _withdraw(self) -> bool:
        sender = self.random.choice(SENDERS)
        info = self.info(sender)
        if not 0 < info.withdraw_round <= self.chain.current_round or not info.deposit + info.reserve:
            return False
        self.chain.senders[sender] = replace(info, deposit=Wei(0), reserve=Wei(0))
        return self._emit(
            "TicketBroker", "Withdrawal", sender=sender, deposit=int(info.deposit), reserve=int(info.reserve)
        )

    def _redeem(self) -> bool:
        sender, recipient = self.random.choice(SENDERS), self.random.choice(ORCHESTRATORS[:2])
        info = self.info(sender)
        if self.chain.current_round != self.chain.last_initialized or not info.deposit + info.reserve:
            return False
        amount = self.random.randint(1, info.deposit + info.reserve)
        drawn = max(0, amount - info.deposit)
        self.chain.senders[sender] = SenderInfo(
            Wei(max(0, info.deposit - amount)),
            info.withdraw_round,
            Wei(info.reserve - drawn),
            Wei(info.claimed_in_current_round + drawn),
        )
        key = (sender, recipient)
        self.chain.claimed[key] = Wei(self.chain.claimed.get(key, 0) + drawn)
        return self._emit("TicketBroker", "WinningTicketTransfer", sender=sender, recipient=recipient, amount=amount)

    def _new_round(self) -> bool:
        """Usually the next round; sometimes one is left out, or not initialised for a while."""
        if self.chain.current_round == self.chain.last_initialized:
            for _ in range(self.random.choice((1, 1, 2))):
                self.chain.mine_to_next_round()
            self._forget_claims()
            if self.random.random() < 0.3:
                return True
        self.chain.initialize_round()
        now = self.chain.current_round
        return self._emit("RoundsManager", "NewRound", round=now, blockHash=self.chain.block_hashes[now])

    def _forget_claims(self) -> None:
        self.chain.claimed.clear()
        for sender, info in self.chain.senders.items():
            self.chain.senders[sender] = replace(info, claimed_in_current_round=Wei(0))

    def _activate(self) -> bool:
        who, now = self.random.choice(ORCHESTRATORS), self.chain.current_round
        if self._in_pool(who):
            return False
        self.chain.activation[who] = Activation(Round(now + 1), NEVER_DEACTIVATES)
        return self._emit("BondingManager", "TranscoderActivated", transcoder=who, activationRound=now + 1)

    def _deactivate(self) -> bool:
        who, now = self.random.choice(ORCHESTRATORS), self.chain.current_round
        if not self._in_pool(who):
            return False
        self.chain.activation[who] = replace(self.chain.activation[who], deactivation_round=Round(now + 1))
        return self._emit("BondingManager", "TranscoderDeactivated", transcoder=who, deactivationRound=now + 1)

    def _in_pool(self, who: Address) -> bool:
        known = self.chain.activation.get(who)
        return known is not None and known.deactivation_round == NEVER_DEACTIVATES

    def _unbond(self) -> bool:
        owner, number = self.random.choice((ME, ORCHESTRATORS[1])), self.next_lock
        self.next_lock += 1
        lock = UnbondingLock(self.random.randint(1, 99), Round(self.chain.current_round + 1))
        self.chain.locks[owner, number] = lock
        return self._emit(
            "BondingManager",
            "Unbond",
            delegate=owner,
            delegator=owner,
            unbondingLockId=number,
            amount=lock.amount,
            withdrawRound=int(lock.withdraw_round),
        )

    def _rebond(self) -> bool:
        if not self.chain.locks:
            return False
        owner, number = self.random.choice(sorted(self.chain.locks))
        lock = self.chain.locks.pop((owner, number))
        return self._emit(
            "BondingManager", "Rebond", delegate=owner, delegator=owner, unbondingLockId=number, amount=lock.amount
        )

    def _withdraw_stake(self) -> bool:
        due = [key for key, lock in self.chain.locks.items() if lock.withdraw_round <= self.chain.current_round]
        if not due:
            return False
        owner, number = self.random.choice(sorted(due))
        lock = self.chain.locks.pop((owner, number))
        return self._emit(
            "BondingManager",
            "WithdrawStake",
            delegator=owner,
            unbondingLockId=number,
            amount=lock.amount,
            withdrawRound=int(lock.withdraw_round),
        )

    def _transfer_bond(self) -> bool:
        """From one to the other: a lock is made for both, and both are gone at the end."""
        one, other = self.random.sample((ME, ORCHESTRATORS[1]), 2)
        number, amount = self.next_lock, self.random.randint(1, 9)
        self.next_lock += 2
        now = int(self.chain.current_round)
        self._emit(
            "BondingManager",
            "Unbond",
            delegate=one,
            delegator=one,
            unbondingLockId=number,
            amount=amount,
            withdrawRound=now + 1,
        )
        self._emit(
            "BondingManager",
            "TransferBond",
            oldDelegator=one,
            newDelegator=other,
            oldUnbondingLockId=number,
            newUnbondingLockId=number + 1,
            amount=amount,
        )
        return self._emit(
            "BondingManager", "Rebond", delegate=other, delegator=other, unbondingLockId=number + 1, amount=amount
        )

    def _set_uri(self) -> bool:
        who = self.random.choice(ORCHESTRATORS)
        self.chain.uris[who] = f"https://{self.random.randint(0, 999)}.example:8935"
        return self._emit("ServiceRegistry", "ServiceURIUpdate", addr=who, serviceURI=self.chain.uris[who])
