"""`ports.GatewayBooks` in one SQLite file."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from livepeer_client.adapters.sql.books import SqlGatewayBooks
from livepeer_client.adapters.sqlite.schema import Schema
from livepeer_client.adapters.sqlite.writer import Database
from livepeer_client.ports import Clock

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
_SECOND: Final = """
CREATE TABLE orchestrators (
  address BLOB PRIMARY KEY CHECK (length(address) = 20),
  service_uri TEXT NOT NULL,
  stake TEXT NOT NULL,
  price TEXT,
  activation_round INTEGER NOT NULL,
  deactivation_round INTEGER NOT NULL,
  created_at REAL NOT NULL,
  updated_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""
BOOKS_SCHEMA: Final = Schema("gateway's books", 0x4C504731, (_FIRST, _SECOND))
"""Application id "LPG1"."""


class SqliteGatewayBooks(SqlGatewayBooks):
    """A gateway's books in one file. Open it with `await SqliteGatewayBooks.open(path)`; close it after."""

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        read_only: bool = False,
        clock: Clock | None = None,
        on_commit: Callable[[int], None] | None = None,
    ) -> Self:
        """Open or create the books. The parameters and errors are those of `Database.open`."""
        return cls(await Database.open(path, BOOKS_SCHEMA, read_only=read_only, clock=clock, on_commit=on_commit))
