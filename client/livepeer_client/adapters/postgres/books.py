"""`ports.GatewayBooks` in PostgreSQL."""

from collections.abc import Callable
from typing import Final, Self

from livepeer_client.adapters.postgres.database import PostgresDatabase
from livepeer_client.adapters.postgres.link import Settings
from livepeer_client.adapters.postgres.schema import Schema
from livepeer_client.adapters.sql.books import SqlGatewayBooks

_FIRST: Final = """
CREATE TABLE payments (
  payment_id text PRIMARY KEY,
  recipient bytea NOT NULL CHECK (length(recipient) = 20),
  session_id text NOT NULL,
  seq bigint NOT NULL,
  tickets bigint NOT NULL,
  expected_value text NOT NULL,
  face_value text NOT NULL,
  recipient_rand_hash bytea NOT NULL,
  first_nonce bigint NOT NULL,
  pixels bigint,
  fee text,
  CHECK ((pixels IS NULL) = (fee IS NULL))
);
CREATE INDEX payments_unanswered ON payments (recipient) WHERE fee IS NULL;

CREATE TABLE recipients (
  recipient bytea PRIMARY KEY CHECK (length(recipient) = 20),
  payments bigint NOT NULL,
  tickets bigint NOT NULL,
  expected_value text NOT NULL,
  segments bigint NOT NULL,
  pixels bigint NOT NULL,
  fees text NOT NULL
);
"""
_SECOND: Final = """
CREATE TABLE orchestrators (
  address bytea PRIMARY KEY CHECK (length(address) = 20),
  service_uri text NOT NULL,
  stake text NOT NULL,
  price text,
  activation_round bigint NOT NULL,
  deactivation_round bigint NOT NULL,
  created_at double precision NOT NULL,
  updated_at double precision NOT NULL
);
"""
BOOKS_SCHEMA: Final = Schema("gateway's books", (_FIRST, _SECOND))


class PostgresGatewayBooks(SqlGatewayBooks):
    """A gateway's books that several processes share. Open it with `await PostgresGatewayBooks.open(dsn)`."""

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        namespace: str = "livepeer_books",
        read_only: bool = False,
        connect_s: float = 5.0,
        statement_s: float = 10.0,
        retry_s: float = 30.0,
        on_commit: Callable[[int], None] | None = None,
    ) -> Self:
        """Open or create the books. Parameters: `link.Settings`; errors: `PostgresDatabase.open`."""
        settings = Settings(dsn, namespace, read_only, connect_s, statement_s, retry_s)
        return cls(await PostgresDatabase.open(settings, BOOKS_SCHEMA, on_commit=on_commit))
