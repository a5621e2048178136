"""TicketBroker (spec 11; differences: K8, K9, K20, K25)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from eth_utils.crypto import keccak

from tests.support.model.signatures import HALF_ORDER, recover
from tests.support.model.state import AMOUNT_LIMIT, NOBODY, Cell, Refused, Table, add, require
from tests.support.tickets import Ticket, personal_hash, word

if TYPE_CHECKING:
    from tests.support.model.protocol import Model

MOST_BYTES = 96
MOST_TICKETS = 100
MOST_ROUNDS = 2**48 - 1
# Why the BondingManager refuses a fee; without a reason if a share overflows.
NOT_CREDITED = ("transcoder must be active", "commissions exceed active stake", "")
TicketTuple = tuple[str, str, int, int, int, bytes, bytes]


class Sender(NamedTuple):
    deposit: int = 0
    withdraw_round: int = 0
    reserve: int = 0


@lru_cache(maxsize=4096)
def _ticket(fields: TicketTuple) -> tuple[Ticket, bytes]:
    recipient, sender, face_value, win_prob, nonce, rand_hash, aux_data = fields
    ticket = Ticket(
        recipient=recipient,
        sender=sender,
        face_value_wei=face_value,
        win_prob=win_prob,
        sender_nonce=nonce,
        recipient_rand_hash=rand_hash,
        aux_data=aux_data,
    )
    return ticket, ticket.hash()


class BrokerModel:
    def __init__(self, model: Model) -> None:
        self._model = model
        self.senders: Table[str, Sender] = Table(model.journal, "senders", Sender())
        # Wei claimed of a reserve: by round and all, and by round and claimant.
        self._claimed: Table[tuple[str, int], int] = Table(model.journal, "claimed", 0)
        self._claimed_by: Table[tuple[str, int, str], int] = Table(model.journal, "claimed_by", 0)
        self._used: Table[bytes, bool] = Table(model.journal, "used", False)
        self._periods: Cell[tuple[int, int]] = Cell(model.journal, "periods", (0, 0))

    # --- funding ------------------------------------------------------------------------------------------------------

    def fundDeposit(self, sender: str, value: int) -> None:  # noqa: N802
        self._model.controller.when_not_paused()
        self._add_deposit(sender, sender, value)
        self._to_minter(value)
        self._model.emit("TicketBroker", "DepositFunded", sender, value)

    def fundReserve(self, sender: str, value: int) -> None:  # noqa: N802
        self._model.controller.when_not_paused()
        self._add_reserve(sender, sender, value)
        self._to_minter(value)

    def fundDepositAndReserve(self, sender: str, value: int, deposit: int, reserve: int) -> None:  # noqa: N802
        self.fundDepositAndReserveFor(sender, value, sender, deposit, reserve)

    def fundDepositAndReserveFor(  # noqa: N802
        self, sender: str, value: int, account: str, deposit: int, reserve: int
    ) -> None:
        self._model.controller.when_not_paused()
        reason = "msg.value does not equal sum of deposit amount and reserve amount"
        require(value == add(deposit, reserve), reason)
        self._add_deposit(sender, account, deposit)
        self._add_reserve(sender, account, reserve)
        self._to_minter(value)
        self._model.emit("TicketBroker", "DepositFunded", account, deposit)

    def _add_deposit(self, sender: str, account: str, amount: int) -> None:
        record = self.senders[account]
        require(add(record.deposit, amount) <= AMOUNT_LIMIT, "amount exceeds 96 bits")
        self.senders[account] = record._replace(deposit=record.deposit + amount)
        self._relock(sender, account)

    def _add_reserve(self, sender: str, account: str, amount: int) -> None:
        record = self.senders[account]
        require(add(record.reserve, amount) <= AMOUNT_LIMIT, "amount exceeds 96 bits")
        self.senders[account] = record._replace(reserve=record.reserve + amount)
        self._model.emit("TicketBroker", "ReserveFunded", account, amount)
        self._relock(sender, account)

    def _relock(self, sender: str, account: str) -> None:
        """Only the account's own funding cancels its unlock."""
        if sender == account and self.senders[account].withdraw_round > 0:
            self._cancel(account)

    def _cancel(self, account: str) -> None:
        require(self.senders[account].withdraw_round > 0, "no unlock request in progress")
        self.senders[account] = self.senders[account]._replace(withdraw_round=0)
        self._model.emit("TicketBroker", "UnlockCancelled", account)

    def _to_minter(self, value: int) -> None:
        self._model.move_ether(self._model.address_of["TicketBroker"], self._model.minter().address, value)

    # --- unlock and withdraw ------------------------------------------------------------------------------------------

    def unlock(self, sender: str) -> None:
        self._model.controller.when_not_paused()
        record = self._funded(sender)
        require(record.withdraw_round == 0, "unlock already initiated")
        require(self.unlockPeriod() > 0, "unlockPeriod must be greater than 0")
        now = self._model.rounds.current
        self.senders[sender] = record._replace(withdraw_round=now + self.unlockPeriod())
        self._model.emit("TicketBroker", "Unlock", sender, now, now + self.unlockPeriod())

    def cancelUnlock(self, sender: str) -> None:  # noqa: N802
        self._model.controller.when_not_paused()
        self._cancel(sender)

    def withdraw(self, sender: str) -> None:
        self._model.controller.when_not_paused()
        record = self._funded(sender)
        require(record.withdraw_round > 0, "no unlock request in progress")
        require(self._model.rounds.current >= record.withdraw_round, "account is locked")
        self.senders[sender] = record._replace(deposit=0, reserve=0)
        self._model.minter().pay_ether(sender, record.deposit + record.reserve)
        self._model.emit("TicketBroker", "Withdrawal", sender, record.deposit, record.reserve)

    def _funded(self, account: str) -> Sender:
        record = self.senders[account]
        require(record.deposit > 0 or record.reserve > 0, "sender deposit and reserve are zero")
        return record

    # --- redemption ---------------------------------------------------------------------------------------------------

    def redeemWinningTicket(self, sender: str, ticket: TicketTuple, sig: bytes, rand: int) -> None:  # noqa: N802
        del sender
        require(max(len(ticket[6]), len(sig)) <= MOST_BYTES)
        self._model.rounds.ready()
        self._redeem(ticket, sig, rand)

    def batchRedeemWinningTickets(  # noqa: N802
        self, sender: str, tickets: Sequence[TicketTuple], sigs: Sequence[bytes], rands: Sequence[int]
    ) -> None:
        del sender
        require(max(len(tickets), len(sigs), len(rands)) <= MOST_TICKETS)
        require(all(len(ticket[6]) <= MOST_BYTES for ticket in tickets) and all(len(s) <= MOST_BYTES for s in sigs))
        self._model.rounds.ready()
        require(len(tickets) == len(sigs) == len(rands), "batch arrays must have equal lengths")
        for each in zip(tickets, sigs, rands, strict=True):
            self.leaving_out_failures(self._redeem, *each)

    def redeemWinningTicketsCompact(  # noqa: N802
        self,
        sender: str,
        payer: str,
        recipient: str,
        face_value: int,
        win_prob: int,
        creation_round: int,
        tickets: Sequence[tuple[int, int, bytes, bytes]],
    ) -> None:
        """As single calls, failures left out; but what every single one would fail for fails the whole."""
        del sender
        require(len(tickets) <= MOST_TICKETS)
        now, block_hash = self._model.rounds.ready(), self._model.rounds.hash_of(creation_round)
        require(recipient != NOBODY, "ticket recipient is null address")
        require(payer != NOBODY, "ticket sender is null address")
        require(block_hash != bytes(32), "ticket creationRound does not have a block hash")
        require(creation_round + self.ticketValidityPeriod() > now, "ticket is expired")
        self._funded_and_locked(payer)
        aux_data = word(creation_round) + block_hash
        for nonce, rand, r, vs in tickets:
            packed = int.from_bytes(vs, "big")
            sig = r + word(packed % 2**255) + bytes([27 + (packed >> 255)])
            fields = (recipient, payer, face_value, win_prob, nonce, bytes(keccak(word(rand))), aux_data)
            self.leaving_out_failures(self._redeem, fields, sig, rand, unless=NOT_CREDITED)

    def leaving_out_failures(self, act: Callable[..., None], *args: object, unless: Sequence[str] = ()) -> None:
        """Do it, or leave no trace.

        :param unless: reasons that count for the whole call.
        """
        mark, logged = self._model.journal.mark(), len(self._model.events)
        try:
            act(*args)
        except Refused as refusal:
            if refusal.reason in unless:
                raise
            self._model.journal.rollback(mark)
            del self._model.events[logged:]

    def _redeem(self, fields: TicketTuple, sig: bytes, rand: int) -> None:
        ticket, ticket_hash = _ticket(fields)
        now = self._model.rounds.current
        require(ticket.recipient != NOBODY, "ticket recipient is null address")
        require(ticket.sender != NOBODY, "ticket sender is null address")
        require(len(ticket.aux_data) == 64, "invalid length for ticket auxData: must be 64 bytes")
        creation_round, block_hash = int.from_bytes(ticket.aux_data[:32], "big"), ticket.aux_data[32:]
        known = self._model.rounds.hash_of(creation_round)
        require(known != bytes(32), "ticket creationRound does not have a block hash")
        require(known == block_hash, "ticket creationRoundBlockHash invalid for creationRound")
        require(creation_round + self.ticketValidityPeriod() > now, "ticket is expired")
        require(keccak(word(rand)) == ticket.recipient_rand_hash, "recipientRand does not match recipientRandHash")
        require(not self._used[ticket_hash], "ticket is used")
        self._check_signature(ticket_hash, ticket.sender, sig)
        require(int.from_bytes(keccak(sig + word(rand)), "big") < ticket.win_prob, "ticket did not win")
        self._funded_and_locked(ticket.sender)
        self._used[ticket_hash] = True
        self._pay(ticket)
        self._model.emit(
            "TicketBroker",
            "WinningTicketRedeemed",
            ticket.sender,
            ticket.recipient,
            ticket.face_value_wei,
            ticket.win_prob,
            ticket.sender_nonce,
            rand,
            ticket.aux_data,
        )

    def _funded_and_locked(self, account: str) -> None:
        withdraw_round = self.senders[account].withdraw_round
        require(withdraw_round == 0 or self._model.rounds.current < withdraw_round, "sender is unlocked")
        self._funded(account)

    def _check_signature(self, ticket_hash: bytes, sender: str, sig: bytes) -> None:
        require(len(sig) == 65, "INVALID_SIGNATURE_LENGTH")
        require(int.from_bytes(sig[32:64], "big") <= HALF_ORDER, "ECDSA: invalid signature 's' value")
        signer = recover(personal_hash(ticket_hash), sig[:64], sig[64])
        require(signer != NOBODY, "ECDSA: invalid signature")
        require(signer == sender, "invalid signature over ticket hash")

    def _pay(self, ticket: Ticket) -> None:
        """In full or not at all."""
        face_value, record = ticket.face_value_wei, self.senders[ticket.sender]
        from_reserve = max(0, face_value - record.deposit)
        if from_reserve:
            require(
                from_reserve <= self.claimableReserve(ticket.sender, ticket.recipient),
                "sender deposit and reserve insufficient to cover ticket face value",
            )
            now = self._model.rounds.current
            self._claimed[ticket.sender, now] += from_reserve
            self._claimed_by[ticket.sender, now, ticket.recipient] += from_reserve
            self._model.emit("TicketBroker", "ReserveClaimed", ticket.sender, ticket.recipient, from_reserve)
        self.senders[ticket.sender] = record._replace(
            deposit=record.deposit - (face_value - from_reserve), reserve=record.reserve - from_reserve
        )
        if face_value > 0:
            self._model.bonding.credit_fees(ticket.recipient, face_value)
            self._model.emit("TicketBroker", "WinningTicketTransfer", ticket.sender, ticket.recipient, face_value)

    # --- parameters ---------------------------------------------------------------------------------------------------

    def setUnlockPeriod(self, sender: str, rounds: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        require(rounds > 0, "unlockPeriod must be greater than 0")
        require(rounds <= MOST_ROUNDS, "unlockPeriod exceeds 48 bits")
        self._periods.value = (rounds, self.ticketValidityPeriod())
        self._model.updated("TicketBroker", "unlockPeriod")

    def setTicketValidityPeriod(self, sender: str, rounds: int) -> None:  # noqa: N802
        self._model.controller.only_owner(sender)
        require(rounds > 0, "ticketValidityPeriod must be greater than 0")
        self._periods.value = (self.unlockPeriod(), rounds)
        self._model.updated("TicketBroker", "ticketValidityPeriod")

    # --- views --------------------------------------------------------------------------------------------------------

    def unlockPeriod(self) -> int:  # noqa: N802
        return self._periods.value[0]

    def ticketValidityPeriod(self) -> int:  # noqa: N802
        return self._periods.value[1]

    def claimableReserve(self, holder: str, claimant: str) -> int:  # noqa: N802
        count = self._model.bonding.active_count
        if count == 0 or not self._model.bonding.is_active(claimant):
            return 0
        now, funds = self._model.rounds.current, self.senders[holder].reserve
        share = add(funds, self._claimed[holder, now]) // count
        return min(funds, max(0, share - self._claimed_by[holder, now, claimant]))

    def claimedReserve(self, holder: str, claimant: str) -> int:  # noqa: N802
        return self._claimed_by[holder, self._model.rounds.current, claimant]

    def getReserveInfo(self, holder: str) -> tuple[int, int]:  # noqa: N802
        return self.senders[holder].reserve, self._claimed[holder, self._model.rounds.current]

    def getSenderInfo(self, account: str) -> tuple[tuple[int, int], tuple[int, int]]:  # noqa: N802
        record = self.senders[account]
        return (record.deposit, record.withdraw_round), self.getReserveInfo(account)

    def isUnlockInProgress(self, account: str) -> bool:  # noqa: N802
        return self.senders[account].withdraw_round > 0

    def usedTickets(self, ticket_hash: bytes) -> bool:  # noqa: N802
        return self._used[ticket_hash]

    def getTicketHash(self, fields: TicketTuple) -> bytes:  # noqa: N802
        return _ticket(fields)[1]
