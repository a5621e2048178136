"""`ports.TicketStore` on disk: the winners with their life, the redemptions, and the sums per session.

Sums are kept per (sender, session) as exact fractions, added to in the transaction of the payment or debit itself, so
the file does not grow with the traffic and the totals need no scan of it.
"""

import sqlite3
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Self

from livepeer_client.adapters import ticket_states
from livepeer_client.adapters.sqlite.columns import fraction, from_fraction, from_uint256, uint256
from livepeer_client.adapters.sqlite.schema import Schema
from livepeer_client.adapters.sqlite.writer import Database
from livepeer_client.codec.ticket import Ticket, WinningTicket
from livepeer_client.errors import StoreError
from livepeer_client.facts import (
    Debit,
    OrchestratorTotals,
    ReceivedPayment,
    RedemptionBatch,
    SignedTransaction,
    StoredTicket,
    TicketOutcome,
    TicketState,
)
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Signature, Wei, WinProb

_FIRST: Final = """
CREATE TABLE sessions (
  sender BLOB NOT NULL CHECK (length(sender) = 20),
  session_id TEXT NOT NULL,
  payments INTEGER NOT NULL DEFAULT 0,
  tickets INTEGER NOT NULL DEFAULT 0,
  credited TEXT NOT NULL DEFAULT '0/1',
  segments INTEGER NOT NULL DEFAULT 0,
  pixels INTEGER NOT NULL DEFAULT 0,
  fees TEXT NOT NULL DEFAULT '0/1',
  PRIMARY KEY (sender, session_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE winners (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  recipient BLOB NOT NULL CHECK (length(recipient) = 20),
  sender BLOB NOT NULL CHECK (length(sender) = 20),
  face_value TEXT NOT NULL,
  win_prob BLOB NOT NULL CHECK (length(win_prob) = 32),
  sender_nonce INTEGER NOT NULL,
  recipient_rand_hash BLOB NOT NULL CHECK (length(recipient_rand_hash) = 32),
  creation_round INTEGER NOT NULL,
  creation_round_block_hash BLOB NOT NULL CHECK (length(creation_round_block_hash) = 32),
  sig BLOB NOT NULL CHECK (length(sig) = 65),
  recipient_rand BLOB NOT NULL CHECK (length(recipient_rand) = 32),
  params_expiration_block BLOB NOT NULL CHECK (length(params_expiration_block) = 32),
  state TEXT NOT NULL CHECK (state IN ('held', 'sent', 'paid', 'underpaid', 'used_elsewhere', 'expired')),
  paid TEXT NOT NULL DEFAULT '0',
  tx_hash BLOB,
  reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX winners_by_state ON winners (state, id);

CREATE TABLE batches (
  id INTEGER PRIMARY KEY,
  settled INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1))
) STRICT;
CREATE INDEX batches_open ON batches (id) WHERE settled = 0;

-- A batch has one transaction, and one more for every replacement at a higher gas price.
CREATE TABLE batch_transactions (
  tx_hash BLOB PRIMARY KEY CHECK (length(tx_hash) = 32),
  batch INTEGER NOT NULL REFERENCES batches (id),
  raw BLOB NOT NULL,
  nonce INTEGER NOT NULL
) STRICT;
CREATE INDEX batch_transactions_by_batch ON batch_transactions (batch);

CREATE TABLE batch_tickets (
  batch INTEGER NOT NULL REFERENCES batches (id),
  position INTEGER NOT NULL,
  winner INTEGER NOT NULL REFERENCES winners (id),
  PRIMARY KEY (batch, position)
) STRICT, WITHOUT ROWID;
"""
TICKET_SCHEMA: Final = Schema("ticket store", 0x4C505431, (_FIRST,))
"""Application id "LPT1"."""

_COLUMNS: Final = (
    "hash, recipient, sender, face_value, win_prob, sender_nonce, recipient_rand_hash, creation_round, "
    "creation_round_block_hash, sig, recipient_rand, params_expiration_block"
)
_INSERT_WINNER: Final = f"""
INSERT INTO winners ({_COLUMNS}, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'held')
ON CONFLICT (hash) DO NOTHING
"""  # noqa: S608 - the columns are ours
_ADD_PAYMENT: Final = """
INSERT INTO sessions (sender, session_id, payments, tickets, credited) VALUES (?, ?, 1, ?, ?)
ON CONFLICT DO UPDATE SET payments = payments + 1, tickets = tickets + excluded.tickets, credited = excluded.credited
"""
_ADD_DEBIT: Final = """
INSERT INTO sessions (sender, session_id, segments, pixels, fees) VALUES (?, ?, 1, ?, ?)
ON CONFLICT DO UPDATE SET segments = segments + 1, pixels = pixels + excluded.pixels, fees = excluded.fees
"""


class SqliteTicketStore:
    """An orchestrator's store in one file; see `ports.TicketStore` for what each method promises.

    Open it with `await SqliteTicketStore.open(path)`, close it or use `async with`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(
        cls, path: str | Path, *, read_only: bool = False, on_commit: Callable[[int], None] | None = None
    ) -> Self:
        """Open or create the store. The parameters and errors are those of `Database.open`."""
        return cls(await Database.open(path, TICKET_SCHEMA, read_only=read_only, on_commit=on_commit))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def record_payment(self, payment: ReceivedPayment) -> None:
        # Rows are built here, so that the writer thread does nothing but write.
        winners = [_winner_row(winner) for winner in payment.winners]
        key = (payment.sender, payment.session_id)

        def work(connection: sqlite3.Connection) -> None:
            new = connection.executemany(_INSERT_WINNER, winners).rowcount
            if winners and not new and not payment.credited:
                return
            credited = _sum(connection, "credited", key) + payment.credited
            connection.execute(_ADD_PAYMENT, (*key, payment.received, fraction(credited)))

        await self._database.run(work)

    async def record_debit(self, debit: Debit) -> None:
        key = (debit.sender, debit.session_id)

        def work(connection: sqlite3.Connection) -> None:
            fees = _sum(connection, "fees", key) + debit.fee
            connection.execute(_ADD_DEBIT, (*key, debit.pixels, fraction(fees)))

        await self._database.run(work)

    async def tickets(self, *states: TicketState) -> list[StoredTicket]:
        wanted = tuple(state.value for state in (states or TicketState))
        marks = ",".join("?" * len(wanted))
        query = f"SELECT {_COLUMNS}, state, paid, tx_hash, reason FROM winners WHERE state IN ({marks}) ORDER BY id"  # noqa: S608
        rows = await self._database.run(lambda connection: connection.execute(query, wanted).fetchall())
        return [_stored_ticket(row) for row in rows]

    async def open_batches(self) -> list[RedemptionBatch]:
        return await self._database.run(_open_batches)

    async def begin_batch(self, batch: RedemptionBatch) -> None:
        ticket_states.check_batch(batch)
        transaction = batch.transaction

        def work(connection: sqlite3.Connection) -> None:
            found = [_find(connection, hash_) for hash_ in batch.tickets]
            for hash_, (_, state) in zip(batch.tickets, found, strict=True):
                ticket_states.refuse_unless_held(hash_, state)
            if _batch_of(connection, transaction.tx_hash) is not None:
                raise StoreError(f"batch 0x{transaction.tx_hash.hex()} is already stored")
            batch_id = connection.execute("INSERT INTO batches DEFAULT VALUES").lastrowid
            connection.execute(
                "INSERT INTO batch_transactions (tx_hash, batch, raw, nonce) VALUES (?, ?, ?, ?)",
                (transaction.tx_hash, batch_id, transaction.raw, transaction.nonce),
            )
            connection.executemany(
                "INSERT INTO batch_tickets (batch, position, winner) VALUES (?, ?, ?)",
                [(batch_id, position, winner) for position, (winner, _) in enumerate(found)],
            )
            connection.executemany(
                "UPDATE winners SET state = 'sent', paid = '0', tx_hash = ?, reason = '' WHERE id = ?",
                [(transaction.tx_hash, winner) for winner, _ in found],
            )

        await self._database.run(work)

    async def settle_batch(self, tx_hash: Hash32, outcomes: Sequence[TicketOutcome]) -> None:
        ticket_states.check_outcomes(outcomes)

        def work(connection: sqlite3.Connection) -> None:
            batch = _batch_of(connection, tx_hash)
            if batch is None:
                raise StoreError(f"no batch 0x{tx_hash.hex()} is stored")
            batch_id, settled = batch
            if settled:
                return
            tickets = _batch_tickets(connection, batch_id)
            _apply(connection, ticket_states.settlement(tx_hash, tickets, outcomes))
            connection.execute("UPDATE batches SET settled = 1 WHERE id = ?", (batch_id,))

        await self._database.run(work)

    async def mark(self, outcomes: Sequence[TicketOutcome]) -> None:
        ticket_states.check_outcomes(outcomes)

        def work(connection: sqlite3.Connection) -> None:
            changes = [
                outcome
                for outcome in outcomes
                if ticket_states.mark_changes(outcome, _find(connection, outcome.hash)[1])
            ]
            _apply(connection, changes)

        await self._database.run(work)

    async def totals(self) -> OrchestratorTotals:
        def work(connection: sqlite3.Connection) -> tuple[list[Any], list[Any]]:
            return (
                connection.execute(
                    "SELECT payments, tickets, credited, segments, pixels, fees FROM sessions"
                ).fetchall(),
                connection.execute("SELECT state, face_value, paid FROM winners").fetchall(),
            )

        sessions, winners = await self._database.run(work)
        by_state = dict.fromkeys(TicketState, 0)
        for state, _, _ in winners:
            by_state[TicketState(state)] += 1
        return OrchestratorTotals(
            payments=sum(row[0] for row in sessions),
            tickets_received=sum(row[1] for row in sessions),
            expected_value_credited=sum((from_fraction(row[2]) for row in sessions), Fraction(0)),
            segments=sum(row[3] for row in sessions),
            pixels=sum(row[4] for row in sessions),
            fees_debited=sum((from_fraction(row[5]) for row in sessions), Fraction(0)),
            winners=len(winners),
            winners_face_value=Wei(sum(int(row[1]) for row in winners)),
            paid=Wei(sum(int(row[2]) for row in winners)),
            by_state=by_state,
        )

    async def close(self) -> None:
        await self._database.close()


def _sum(connection: sqlite3.Connection, column: str, key: tuple[bytes, str]) -> Fraction:
    row = connection.execute(
        f"SELECT {column} FROM sessions WHERE sender = ? AND session_id = ?",  # noqa: S608 - one of our two columns
        key,
    ).fetchone()
    return from_fraction(row[0]) if row else Fraction(0)


def _find(connection: sqlite3.Connection, hash_: Hash32) -> tuple[int | None, TicketState | None]:
    row = connection.execute("SELECT id, state FROM winners WHERE hash = ?", (hash_,)).fetchone()
    return (row[0], TicketState(row[1])) if row else (None, None)


def _batch_of(connection: sqlite3.Connection, tx_hash: Hash32) -> tuple[int, bool] | None:
    row = connection.execute(
        "SELECT id, settled FROM batches JOIN batch_transactions ON batch = id WHERE tx_hash = ?", (tx_hash,)
    ).fetchone()
    return (row[0], bool(row[1])) if row else None


def _batch_tickets(connection: sqlite3.Connection, batch_id: int) -> tuple[Hash32, ...]:
    rows = connection.execute(
        "SELECT hash FROM batch_tickets JOIN winners ON winner = id WHERE batch = ? ORDER BY position", (batch_id,)
    )
    return tuple(Hash32(row[0]) for row in rows)


def _open_batches(connection: sqlite3.Connection) -> list[RedemptionBatch]:
    # The newest transaction of a batch is the one to rebroadcast.
    rows = connection.execute(
        """
        SELECT id, raw, tx_hash, nonce FROM batches JOIN batch_transactions AS t ON batch = id
        WHERE settled = 0 AND t.rowid = (SELECT max(rowid) FROM batch_transactions WHERE batch = id)
        ORDER BY id
        """
    ).fetchall()
    return [
        RedemptionBatch(SignedTransaction(raw, Hash32(tx_hash), nonce), _batch_tickets(connection, batch_id))
        for batch_id, raw, tx_hash, nonce in rows
    ]


def _apply(connection: sqlite3.Connection, outcomes: Sequence[TicketOutcome]) -> None:
    connection.executemany(
        "UPDATE winners SET state = ?, paid = ?, tx_hash = ?, reason = ? WHERE hash = ?",
        [(o.state.value, str(o.paid), o.tx_hash, o.reason, o.hash) for o in outcomes],
    )


def _winner_row(winner: WinningTicket) -> tuple[Any, ...]:
    ticket = winner.ticket
    return (
        ticket.hash,
        ticket.recipient,
        ticket.sender,
        str(ticket.face_value),
        uint256(ticket.win_prob),
        ticket.sender_nonce,
        ticket.recipient_rand_hash,
        ticket.creation_round,
        ticket.creation_round_block_hash,
        winner.sig,
        uint256(winner.recipient_rand),
        uint256(winner.params_expiration_block),
    )


def _stored_ticket(row: Sequence[Any]) -> StoredTicket:
    ticket = Ticket(
        recipient=Address(row[1]),
        sender=Address(row[2]),
        face_value=Wei(int(row[3])),
        win_prob=WinProb(from_uint256(row[4])),
        sender_nonce=row[5],
        recipient_rand_hash=Hash32(row[6]),
        creation_round=Round(row[7]),
        creation_round_block_hash=Hash32(row[8]),
    )
    winner = WinningTicket(ticket, Signature(row[9]), from_uint256(row[10]), BlockNumber(from_uint256(row[11])))
    tx_hash = Hash32(row[14]) if row[14] is not None else None
    return StoredTicket(winner, Hash32(row[0]), TicketState(row[12]), Wei(int(row[13])), tx_hash, row[15])
