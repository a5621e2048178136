"""`ports.GatewayBooks` on disk: every payment with its answer, and the sums per recipient.

Sums are exact fractions, added to in the transaction of the payment or answer itself, so totals need no scan.
"""

import sqlite3
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Self

from livepeer_client.adapters.sql.columns import fraction, from_fraction
from livepeer_client.adapters.sqlite.schema import Schema
from livepeer_client.adapters.sqlite.writer import Database
from livepeer_client.errors import StoreError
from livepeer_client.facts import GatewayTotals, SentPayment
from livepeer_client.types import Address

_FIRST: Final = """
CREATE TABLE payments (
  payment_id TEXT PRIMARY KEY,
  recipient BLOB NOT NULL CHECK (length(recipient) = 20),
  session_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  tickets INTEGER NOT NULL,
  expected_value TEXT NOT NULL,
  face_value TEXT NOT NULL,
  recipient_rand_hash BLOB NOT NULL,
  first_nonce INTEGER NOT NULL,
  pixels INTEGER,
  fee TEXT,
  CHECK ((pixels IS NULL) = (fee IS NULL))
) STRICT;
CREATE INDEX payments_unanswered ON payments (recipient) WHERE fee IS NULL;

CREATE TABLE recipients (
  recipient BLOB PRIMARY KEY CHECK (length(recipient) = 20),
  payments INTEGER NOT NULL,
  tickets INTEGER NOT NULL,
  expected_value TEXT NOT NULL,
  segments INTEGER NOT NULL,
  pixels INTEGER NOT NULL,
  fees TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
BOOKS_SCHEMA: Final = Schema("gateway's books", 0x4C504731, (_FIRST,))
"""Application id "LPG1"."""

_PAYMENT: Final = (
    "payment_id, recipient, session_id, seq, tickets, expected_value, face_value, recipient_rand_hash, first_nonce"
)
_ADD: Final = """
INSERT INTO recipients (recipient, payments, tickets, expected_value, segments, pixels, fees)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
  payments = payments + excluded.payments, tickets = tickets + excluded.tickets,
  expected_value = excluded.expected_value,
  segments = segments + excluded.segments, pixels = pixels + excluded.pixels, fees = excluded.fees
"""


class SqliteGatewayBooks:
    """A gateway's books in one file; see `ports.GatewayBooks` for what each method promises.

    Repeating a call with the same figures changes nothing; with other figures it is a `StoreError`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(
        cls, path: str | Path, *, read_only: bool = False, on_commit: Callable[[int], None] | None = None
    ) -> Self:
        """Open or create the books. The parameters and errors are those of `Database.open`."""
        return cls(await Database.open(path, BOOKS_SCHEMA, read_only=read_only, on_commit=on_commit))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def record_sent(self, payment: SentPayment) -> None:
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

        def work(connection: sqlite3.Connection) -> None:
            known = connection.execute(
                f"SELECT {_PAYMENT} FROM payments WHERE payment_id = ?",  # noqa: S608 - the columns are ours
                (payment.payment_id,),
            ).fetchone()
            if known is not None:
                if known != row:
                    raise StoreError(f"payment {payment.payment_id} is already stored with other figures")
                return
            connection.execute(f"INSERT INTO payments ({_PAYMENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
            sent, fees = _sums(connection, payment.recipient)
            sent += payment.expected_value
            connection.execute(_ADD, (payment.recipient, 1, payment.tickets, fraction(sent), 0, 0, fraction(fees)))

        await self._database.run(work)

    async def record_answer(self, payment_id: str, *, pixels: int, fee: Fraction) -> None:
        def work(connection: sqlite3.Connection) -> None:
            row = connection.execute(
                "SELECT recipient, pixels, fee FROM payments WHERE payment_id = ?", (payment_id,)
            ).fetchone()
            if row is None:
                raise StoreError(f"no payment {payment_id} is stored")
            recipient, known_pixels, known_fee = row
            if known_fee is not None:
                if (known_pixels, known_fee) != (pixels, fraction(fee)):
                    raise StoreError(f"payment {payment_id} is already answered with other figures")
                return
            connection.execute(
                "UPDATE payments SET pixels = ?, fee = ? WHERE payment_id = ?", (pixels, fraction(fee), payment_id)
            )
            sent, fees = _sums(connection, recipient)
            connection.execute(_ADD, (recipient, 0, 0, fraction(sent), 1, pixels, fraction(fees + fee)))

        await self._database.run(work)

    async def totals(self) -> dict[Address, GatewayTotals]:
        def work(connection: sqlite3.Connection) -> tuple[list[Any], list[Any]]:
            return (
                connection.execute(
                    "SELECT recipient, payments, tickets, expected_value, segments, pixels, fees FROM recipients"
                ).fetchall(),
                connection.execute(
                    "SELECT recipient, tickets, expected_value FROM payments WHERE fee IS NULL"
                ).fetchall(),
            )

        recipients, unanswered = await self._database.run(work)
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

    async def close(self) -> None:
        await self._database.close()


def _sums(connection: sqlite3.Connection, recipient: bytes) -> tuple[Fraction, Fraction]:
    row = connection.execute("SELECT expected_value, fees FROM recipients WHERE recipient = ?", (recipient,)).fetchone()
    return (from_fraction(row[0]), from_fraction(row[1])) if row else (Fraction(0), Fraction(0))
