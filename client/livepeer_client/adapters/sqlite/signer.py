"""`ports.SignerLedger` on disk: sequence numbers, nonces, and the last answer of every session."""

import sqlite3
from pathlib import Path
from typing import Final, Self

from livepeer_client.adapters.sqlite.schema import Schema
from livepeer_client.adapters.sqlite.writer import Database
from livepeer_client.errors import SignerConflict
from livepeer_client.facts import SignedRequest, SignerSession
from livepeer_client.ports import Clock
from livepeer_client.types import BlockNumber, Hash32

_FIRST: Final = """
CREATE TABLE sessions (
  state_id TEXT PRIMARY KEY,
  sequence INTEGER NOT NULL CHECK (sequence > 0),
  request BLOB NOT NULL CHECK (length(request) = 32),
  status INTEGER NOT NULL,
  reply BLOB NOT NULL,
  used_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_used ON sessions (used_at);

CREATE TABLE quotes (
  recipient_rand_hash BLOB PRIMARY KEY CHECK (length(recipient_rand_hash) = 32),
  nonce INTEGER NOT NULL CHECK (nonce > 0),
  expiration_block TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
SIGNER_SCHEMA: Final = Schema("signer's ledger", 0x4C505331, (_FIRST,))
"""Application id "LPS1"."""


class SqliteSignerLedger:
    """A ledger in one file; see `ports.SignerLedger` for what each method promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: str | Path, *, clock: Clock | None = None) -> Self:
        """Open or create it; `clock` dates the sessions. The errors are those of `Database.open`."""
        return cls(await Database.open(path, SIGNER_SCHEMA, clock=clock))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def session(self, state_id: str) -> SignerSession | None:
        def read(connection: sqlite3.Connection) -> SignerSession | None:
            row = connection.execute(
                "SELECT sequence, request, status, reply FROM sessions WHERE state_id = ?", (state_id,)
            ).fetchone()
            return None if row is None else SignerSession(row[0], Hash32(row[1]), row[2], row[3])

        return await self._database.run(read)

    async def last_nonce(self, recipient_rand_hash: Hash32) -> int:
        return await self._database.run(lambda connection: _last_nonce(connection, recipient_rand_hash))

    async def record(self, request: SignedRequest) -> None:
        def write(connection: sqlite3.Connection) -> None:
            if _last_nonce(connection, request.recipient_rand_hash) != request.nonce_before:
                raise SignerConflict(f"nonces of quote 0x{request.recipient_rand_hash.hex()} were drawn meanwhile")
            values = (request.sequence, request.request, request.status, request.reply)
            if request.sequence == 1:
                # A new id of 4 random bytes may be taken, by one that nobody uses any more or by one in use.
                change = connection.execute(
                    "INSERT INTO sessions (sequence, request, status, reply, state_id, used_at) "
                    "VALUES (?, ?, ?, ?, ?, now_s()) ON CONFLICT DO NOTHING",
                    (*values, request.state_id),
                )
            else:
                change = connection.execute(
                    "UPDATE sessions SET sequence = ?, request = ?, status = ?, reply = ?, used_at = now_s() "
                    "WHERE state_id = ? AND sequence = ?",
                    (*values, request.state_id, request.sequence - 1),
                )
            if change.rowcount != 1:
                raise SignerConflict(f"session {request.state_id} is not at sequence {request.sequence - 1}")
            if request.nonce > request.nonce_before:
                connection.execute(
                    "INSERT INTO quotes (recipient_rand_hash, nonce, expiration_block) VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET nonce = excluded.nonce",
                    (request.recipient_rand_hash, request.nonce, _sortable(request.expiration_block)),
                )

        await self._database.run(write)

    async def forget(self, *, idle_s: float, block: BlockNumber) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM sessions WHERE used_at < now_s() - ?", (idle_s,))
            connection.execute("DELETE FROM quotes WHERE expiration_block < ?", (_sortable(block),))

        await self._database.run(write)

    async def close(self) -> None:
        await self._database.close()


def _last_nonce(connection: sqlite3.Connection, recipient_rand_hash: Hash32) -> int:
    row = connection.execute(
        "SELECT nonce FROM quotes WHERE recipient_rand_hash = ?", (recipient_rand_hash,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def _sortable(block: int) -> str:
    """A uint256 as text of one width: an orchestrator may quote any block, SQLite's integers have 64 bits."""
    return f"{block:064x}"
