"""`ports.TransactionJournal` on disk: every nonce that something is signed for."""

import json
import sqlite3
from pathlib import Path
from typing import Final, Self

from livepeer_client.adapters.sqlite.schema import Schema
from livepeer_client.adapters.sqlite.writer import Database
from livepeer_client.codec.keccak import keccak256
from livepeer_client.facts import Lane, Outgoing, SignedTransaction
from livepeer_client.types import Address

_FIRST: Final = """
CREATE TABLE outgoing (
  key BLOB NOT NULL CHECK (length(key) = 20),
  nonce INTEGER NOT NULL CHECK (nonce >= 0),
  lane TEXT NOT NULL,
  raws TEXT NOT NULL,
  signed_at REAL NOT NULL,
  sent INTEGER NOT NULL CHECK (sent IN (0, 1)),
  cancelled INTEGER,
  PRIMARY KEY (key, nonce)
) STRICT, WITHOUT ROWID;
"""
JOURNAL_SCHEMA: Final = Schema("journal of transactions", 0x4C504A31, (_FIRST,))
"""Application id "LPJ1"."""


class SqliteTransactionJournal:
    """A journal in one file; see `ports.TransactionJournal` for what each method promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: str | Path) -> Self:
        """Open or create it. The errors are those of `Database.open`."""
        return cls(await Database.open(path, JOURNAL_SCHEMA))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def record(self, outgoing: Outgoing) -> None:
        row = (
            outgoing.key,
            outgoing.nonce,
            outgoing.lane.name,
            # The hash of a transaction is that of its bytes.
            json.dumps([each.raw.hex() for each in outgoing.transactions]),
            outgoing.signed_at,
            int(outgoing.sent),
            outgoing.cancelled,
        )

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO outgoing VALUES (?, ?, ?, ?, ?, ?, ?)", row)

        await self._database.run(write)

    async def outgoing(self, key: Address) -> list[Outgoing]:
        def read(connection: sqlite3.Connection) -> list[Outgoing]:
            rows = connection.execute(
                "SELECT nonce, lane, raws, signed_at, sent, cancelled FROM outgoing WHERE key = ? ORDER BY nonce",
                (key,),
            )
            return [
                Outgoing(key, nonce, Lane[lane], _signed(raws, nonce), signed_at, bool(sent), cancelled)
                for nonce, lane, raws, signed_at, sent, cancelled in rows
            ]

        return await self._database.run(read)

    async def forget(self, key: Address, nonce: int) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM outgoing WHERE key = ? AND nonce = ?", (key, nonce))

        await self._database.run(write)

    async def close(self) -> None:
        await self._database.close()


def _signed(raws: str, nonce: int) -> tuple[SignedTransaction, ...]:
    found = [bytes.fromhex(raw) for raw in json.loads(raws)]
    return tuple(SignedTransaction(raw, keccak256(raw), nonce) for raw in found)
