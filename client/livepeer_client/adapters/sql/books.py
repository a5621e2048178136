"""`ports.GatewayBooks` and `ports.OrchestratorCache` over any database that runs plans: every payment with its answer,
the sums per recipient, and who was seen.

Sums are exact fractions, added to in the transaction of the payment or answer itself, so totals need no scan.
Repeating a call with the same figures changes nothing; with other figures it is a `StoreError`.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Self

from livepeer_client.adapters.sql import orchestrators
from livepeer_client.adapters.sql.columns import fraction, from_fraction
from livepeer_client.adapters.sql.plan import Database, Lock, Plan, marks, query, query_one
from livepeer_client.errors import StoreError
from livepeer_client.facts import GatewayTotals, KnownOrchestrator, SentPayment
from livepeer_client.types import Address, Round

_PAYMENT: Final = (
    "payment_id, recipient, session_id, seq, tickets, expected_value, face_value, recipient_rand_hash, first_nonce"
)


class SqlGatewayBooks:
    """A gateway's books, and the orchestrators it has seen, in a SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def record_sent(self, payment: SentPayment) -> None:
        await self._database.write(lambda: _record_sent(payment), order=(payment.recipient,))

    async def record_answer(self, payment_id: str, *, pixels: int, fee: Fraction) -> None:
        await self._database.write(lambda: _record_answer(payment_id, pixels, fee))

    async def totals(self) -> dict[Address, GatewayTotals]:
        return await self._database.read(_totals)

    # --- ports.OrchestratorCache

    async def save_orchestrators(self, rows: Sequence[KnownOrchestrator]) -> None:
        await self._database.write(lambda: orchestrators.save_orchestrators(rows))

    async def known_orchestrators(self, round_: Round) -> list[KnownOrchestrator]:
        return await self._database.read(lambda: orchestrators.known_orchestrators(round_))

    async def close(self) -> None:
        await self._database.close()


def _record_sent(payment: SentPayment) -> Plan[None]:
    row = (
        payment.payment_id,
        payment.recipient,
        payment.session_id,
        payment.seq,
        payment.tickets,
        fraction(payment.expected_value),
        str(payment.face_value),
        payment.recipient_rand_hash,
        payment.first_nonce,
    )
    new = yield from query(
        f"INSERT INTO payments ({_PAYMENT}) VALUES ({marks(len(row))}) ON CONFLICT (payment_id) DO NOTHING "
        "RETURNING payment_id",
        *row,
    )
    if not new:
        known = yield from query_one(f"SELECT {_PAYMENT} FROM payments WHERE payment_id = ?", payment.payment_id)
        if known is None or tuple(known) != row:
            raise StoreError(f"payment {payment.payment_id} is already stored with other figures")
        return
    sent, _ = yield from _sums(payment.recipient)
    yield from query(
        "UPDATE recipients SET payments = payments + 1, tickets = tickets + ?, expected_value = ? WHERE recipient = ?",
        payment.tickets,
        fraction(sent + payment.expected_value),
        payment.recipient,
    )


def _record_answer(payment_id: str, pixels: int, fee: Fraction) -> Plan[None]:
    row = yield from query_one(
        "SELECT recipient, pixels, fee FROM payments WHERE payment_id = ?", payment_id, lock=Lock.UPDATE
    )
    if row is None:
        raise StoreError(f"no payment {payment_id} is stored")
    recipient, known_pixels, known_fee = row
    if known_fee is not None:
        if (known_pixels, known_fee) != (pixels, fraction(fee)):
            raise StoreError(f"payment {payment_id} is already answered with other figures")
        return
    yield from query("UPDATE payments SET pixels = ?, fee = ? WHERE payment_id = ?", pixels, fraction(fee), payment_id)
    _, fees = yield from _sums(Address(recipient))
    yield from query(
        "UPDATE recipients SET segments = segments + 1, pixels = pixels + ?, fees = ? WHERE recipient = ?",
        pixels,
        fraction(fees + fee),
        recipient,
    )


def _totals() -> Plan[dict[Address, GatewayTotals]]:
    recipients = yield from query(
        "SELECT recipient, payments, tickets, expected_value, segments, pixels, fees FROM recipients ORDER BY recipient"
    )
    unanswered = yield from query("SELECT recipient, tickets, expected_value FROM payments WHERE fee IS NULL")
    open_tickets: dict[bytes, int] = {}
    open_value: dict[bytes, Fraction] = {}
    for recipient, tickets, value in unanswered:
        open_tickets[recipient] = open_tickets.get(recipient, 0) + tickets
        open_value[recipient] = open_value.get(recipient, Fraction(0)) + from_fraction(value)
    return {
        Address(recipient): GatewayTotals(
            payments=payments,
            tickets_sent=tickets,
            expected_value_sent=from_fraction(sent),
            tickets_unanswered=open_tickets.get(recipient, 0),
            expected_value_unanswered=open_value.get(recipient, Fraction(0)),
            segments=segments,
            pixels=pixels,
            fees=from_fraction(fees),
        )
        for recipient, payments, tickets, sent, segments, pixels, fees in recipients
    }


def _sums(recipient: Address) -> Plan[tuple[Fraction, Fraction]]:
    """Expected value sent and fees of a recipient, whose row is made if it is new, and locked."""
    yield from query(
        "INSERT INTO recipients (recipient, payments, tickets, expected_value, segments, pixels, fees) "
        "VALUES (?, 0, 0, '0/1', 0, 0, '0/1') ON CONFLICT (recipient) DO NOTHING",
        recipient,
    )
    row = yield from query_one(
        "SELECT expected_value, fees FROM recipients WHERE recipient = ?", recipient, lock=Lock.UPDATE
    )
    assert row is not None
    return from_fraction(row[0]), from_fraction(row[1])
