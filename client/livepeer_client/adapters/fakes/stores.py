"""The two stores in memory. They keep every promise of the ones on disk but one: they do not survive the process."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Self

from livepeer_client.adapters import ticket_states
from livepeer_client.errors import StoreError
from livepeer_client.facts import (
    Debit,
    GatewayTotals,
    OrchestratorTotals,
    ReceivedPayment,
    RedemptionBatch,
    SentPayment,
    StoredTicket,
    TicketOutcome,
    TicketState,
)
from livepeer_client.types import Address, Hash32, Wei


class MemoryTicketStore:
    """`ports.TicketStore` in memory; `payments` and `debits` are there to be looked at.

    `failure`, if set, is raised by every method, as a full disk would.
    """

    def __init__(self) -> None:
        self.payments: list[ReceivedPayment] = []
        self.debits: list[Debit] = []
        self.failure: StoreError | None = None
        self._tickets: dict[Hash32, StoredTicket] = {}
        self._batches: dict[Hash32, RedemptionBatch] = {}
        self._settled: set[Hash32] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def record_payment(self, payment: ReceivedPayment) -> None:
        self._check()
        new = [winner for winner in payment.winners if winner.ticket.hash not in self._tickets]
        if payment.winners and not new and not payment.credited:
            return
        self.payments.append(payment)
        for winner in new:
            hash_ = winner.ticket.hash
            self._tickets.setdefault(hash_, StoredTicket(winner, hash_, TicketState.HELD, Wei(0), None, ""))

    async def record_debit(self, debit: Debit) -> None:
        self._check()
        self.debits.append(debit)

    async def tickets(self, *states: TicketState) -> list[StoredTicket]:
        self._check()
        return [ticket for ticket in self._tickets.values() if not states or ticket.state in states]

    async def open_batches(self) -> list[RedemptionBatch]:
        self._check()
        return [batch for hash_, batch in self._batches.items() if hash_ not in self._settled]

    async def begin_batch(self, batch: RedemptionBatch) -> None:
        self._check()
        ticket_states.check_batch(batch)
        tx_hash = batch.transaction.tx_hash
        for hash_ in batch.tickets:
            known = self._tickets.get(hash_)
            ticket_states.refuse_unless_held(hash_, known.state if known else None)
        if tx_hash in self._batches:
            raise StoreError(f"batch 0x{tx_hash.hex()} is already stored")
        self._batches[tx_hash] = batch
        for hash_ in batch.tickets:
            self._tickets[hash_] = replace(
                self._tickets[hash_], state=TicketState.SENT, paid=Wei(0), tx_hash=tx_hash, reason=""
            )

    async def settle_batch(self, tx_hash: Hash32, outcomes: Sequence[TicketOutcome]) -> None:
        self._check()
        ticket_states.check_outcomes(outcomes)
        batch = self._batches.get(tx_hash)
        if batch is None:
            raise StoreError(f"no batch 0x{tx_hash.hex()} is stored")
        if tx_hash in self._settled:
            return
        for outcome in ticket_states.settlement(tx_hash, batch.tickets, outcomes):
            self._apply(outcome)
        self._settled.add(tx_hash)

    async def mark(self, outcomes: Sequence[TicketOutcome]) -> None:
        self._check()
        ticket_states.check_outcomes(outcomes)
        changes = []
        for outcome in outcomes:
            known = self._tickets.get(outcome.hash)
            if ticket_states.mark_changes(outcome, known.state if known else None):
                changes.append(outcome)
        for outcome in changes:
            self._apply(outcome)

    async def totals(self) -> OrchestratorTotals:
        self._check()
        tickets = self._tickets.values()
        return OrchestratorTotals(
            payments=len(self.payments),
            tickets_received=sum(payment.received for payment in self.payments),
            expected_value_credited=sum((payment.credited for payment in self.payments), Fraction(0)),
            segments=len(self.debits),
            pixels=sum(debit.pixels for debit in self.debits),
            fees_debited=sum((debit.fee for debit in self.debits), Fraction(0)),
            winners=len(tickets),
            winners_face_value=Wei(sum(ticket.winner.ticket.face_value for ticket in tickets)),
            paid=Wei(sum(ticket.paid for ticket in tickets)),
            by_state={state: sum(ticket.state is state for ticket in tickets) for state in TicketState},
        )

    async def close(self) -> None:
        self._closed = True

    def _apply(self, outcome: TicketOutcome) -> None:
        self._tickets[outcome.hash] = replace(
            self._tickets[outcome.hash],
            state=outcome.state,
            paid=outcome.paid,
            tx_hash=outcome.tx_hash,
            reason=outcome.reason,
        )

    def _check(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")
        if self.failure is not None:
            raise self.failure


@dataclass(slots=True)
class _Answer:
    pixels: int
    fee: Fraction


@dataclass(slots=True)
class _Sums:
    sent: list[SentPayment] = field(default_factory=list)
    unanswered: list[SentPayment] = field(default_factory=list)
    answers: list[_Answer] = field(default_factory=list)


class MemoryGatewayBooks:
    """`ports.GatewayBooks` in memory. `failure`, if set, is raised by every method."""

    def __init__(self) -> None:
        self.payments: dict[str, SentPayment] = {}
        self.failure: StoreError | None = None
        self._answers: dict[str, _Answer] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def record_sent(self, payment: SentPayment) -> None:
        self._check()
        if self.payments.setdefault(payment.payment_id, payment) != payment:
            raise StoreError(f"payment {payment.payment_id} is already stored with other figures")

    async def record_answer(self, payment_id: str, *, pixels: int, fee: Fraction) -> None:
        self._check()
        if payment_id not in self.payments:
            raise StoreError(f"no payment {payment_id} is stored")
        answer = _Answer(pixels, fee)
        if self._answers.setdefault(payment_id, answer) != answer:
            raise StoreError(f"payment {payment_id} is already answered with other figures")

    async def totals(self) -> dict[Address, GatewayTotals]:
        self._check()
        by_recipient: dict[Address, _Sums] = {}
        for payment_id, payment in self.payments.items():
            sums = by_recipient.setdefault(payment.recipient, _Sums())
            sums.sent.append(payment)
            answer = self._answers.get(payment_id)
            if answer is None:
                sums.unanswered.append(payment)
            else:
                sums.answers.append(answer)
        return {recipient: _add_up(sums) for recipient, sums in by_recipient.items()}

    async def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")
        if self.failure is not None:
            raise self.failure


def _add_up(sums: _Sums) -> GatewayTotals:
    return GatewayTotals(
        payments=len(sums.sent),
        tickets_sent=sum(payment.tickets for payment in sums.sent),
        expected_value_sent=sum((payment.expected_value for payment in sums.sent), Fraction(0)),
        tickets_unanswered=sum(payment.tickets for payment in sums.unanswered),
        expected_value_unanswered=sum((payment.expected_value for payment in sums.unanswered), Fraction(0)),
        segments=len(sums.answers),
        pixels=sum(answer.pixels for answer in sums.answers),
        fees=sum((answer.fee for answer in sums.answers), Fraction(0)),
    )
