"""`ports.GatewayBooks` in memory; as on disk, but it does not survive the process."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Self

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.errors import StoreError
from livepeer_client.facts import GatewayTotals, KnownOrchestrator, SentPayment
from livepeer_client.ports import Clock
from livepeer_client.types import Address, Round


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
    """`ports.GatewayBooks` and `ports.OrchestratorCache` in memory. `failure`, if set, is raised by every method."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.orchestrators: dict[Address, KnownOrchestrator] = {}
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

    async def save_orchestrators(self, rows: Sequence[KnownOrchestrator]) -> None:
        self._check()
        for row in rows:
            known = self.orchestrators.get(row.address, row)
            self.orchestrators[row.address] = replace(
                row,
                service_uri=row.service_uri or known.service_uri,
                stake=row.stake or known.stake,
                price=row.price if row.price is not None else known.price,
                updated_at=self._clock.time(),
            )

    async def known_orchestrators(self, round_: Round) -> list[KnownOrchestrator]:
        self._check()
        return sorted(
            (row for row in self.orchestrators.values() if row.deactivation_round > round_),
            key=lambda row: (-row.stake, row.address),
        )

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
