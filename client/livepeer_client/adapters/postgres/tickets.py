"""`ports.TicketStore` in PostgreSQL."""

from collections.abc import Callable
from typing import Final, Self

from livepeer_client.adapters.postgres.database import PostgresDatabase
from livepeer_client.adapters.postgres.link import Settings
from livepeer_client.adapters.postgres.schema import Schema
from livepeer_client.adapters.sql.store import SqlTicketStore

_FIRST: Final = """
CREATE TABLE sessions (
  sender bytea NOT NULL CHECK (length(sender) = 20),
  session_id text NOT NULL,
  payments bigint NOT NULL DEFAULT 0,
  tickets bigint NOT NULL DEFAULT 0,
  credited text NOT NULL DEFAULT '0/1',
  segments bigint NOT NULL DEFAULT 0,
  pixels bigint NOT NULL DEFAULT 0,
  fees text NOT NULL DEFAULT '0/1',
  written_off text NOT NULL DEFAULT '0/1',
  price text,
  open smallint NOT NULL DEFAULT 1 CHECK (open IN (0, 1)),
  updated_at double precision NOT NULL,
  PRIMARY KEY (sender, session_id)
);
CREATE INDEX sessions_open ON sessions (updated_at) WHERE open = 1;

CREATE TABLE batches (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  batch_id bytea NOT NULL UNIQUE CHECK (length(batch_id) = 32),
  key bytea NOT NULL CHECK (length(key) = 20),
  nonce bigint NOT NULL,
  calldata text NOT NULL CHECK (calldata IN ('single', 'batch', 'compact')),
  state text NOT NULL CHECK (state IN ('open', 'mined', 'final')),
  mined bytea,
  block_number bigint,
  block_hash bytea,
  began_at double precision NOT NULL
);
CREATE INDEX batches_by_state ON batches (state, id);
CREATE UNIQUE INDEX batches_open_nonce ON batches (key, nonce) WHERE state = 'open';

CREATE TABLE winners (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
  recipient bytea NOT NULL CHECK (length(recipient) = 20),
  sender bytea NOT NULL CHECK (length(sender) = 20),
  face_value text NOT NULL,
  win_prob bytea NOT NULL CHECK (length(win_prob) = 32),
  sender_nonce bigint NOT NULL,
  recipient_rand_hash bytea NOT NULL CHECK (length(recipient_rand_hash) = 32),
  creation_round bigint NOT NULL,
  creation_round_block_hash bytea NOT NULL CHECK (length(creation_round_block_hash) = 32),
  sig bytea NOT NULL CHECK (length(sig) = 65),
  recipient_rand bytea NOT NULL CHECK (length(recipient_rand) = 32),
  params_expiration_block bytea NOT NULL CHECK (length(params_expiration_block) = 32),
  state text NOT NULL CHECK (state IN ('held', 'sent', 'paid', 'underpaid', 'used_elsewhere', 'expired', 'invalid')),
  paid text NOT NULL DEFAULT '0',
  tx_hash bytea,
  reason text NOT NULL DEFAULT '',
  hold text,
  batch bigint REFERENCES batches (id),
  received_at double precision NOT NULL
);
CREATE INDEX winners_by_state ON winners (state, id);
CREATE INDEX winners_by_sender ON winners (sender, id);
CREATE INDEX winners_by_batch ON winners (batch) WHERE batch IS NOT NULL;

CREATE TABLE batch_transactions (
  tx_hash bytea PRIMARY KEY CHECK (length(tx_hash) = 32),
  batch bigint NOT NULL REFERENCES batches (id),
  position bigint NOT NULL,
  raw bytea NOT NULL,
  UNIQUE (batch, position)
);
CREATE TABLE batch_tickets (
  batch bigint NOT NULL REFERENCES batches (id),
  position bigint NOT NULL,
  winner bigint NOT NULL REFERENCES winners (id),
  outcome text,
  paid text NOT NULL DEFAULT '0',
  reason text NOT NULL DEFAULT '',
  PRIMARY KEY (batch, position)
);
CREATE INDEX batch_tickets_by_winner ON batch_tickets (winner);

CREATE TABLE leases (
  name text PRIMARY KEY,
  owner text NOT NULL,
  token bigint NOT NULL,
  expires_at double precision NOT NULL
);

CREATE TABLE quotes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  recipient_rand_hash bytea NOT NULL UNIQUE CHECK (length(recipient_rand_hash) = 32),
  expiration_block bytea NOT NULL CHECK (length(expiration_block) = 32)
);
CREATE INDEX quotes_by_expiration ON quotes (expiration_block);
CREATE TABLE nonces (
  quote bigint NOT NULL REFERENCES quotes (id),
  nonce bigint NOT NULL,
  PRIMARY KEY (quote, nonce)
);

CREATE TABLE cursors (
  name text PRIMARY KEY,
  block_number bigint NOT NULL,
  block_hash bytea NOT NULL CHECK (length(block_hash) = 32)
);
CREATE TABLE cursor_blocks (
  name text NOT NULL REFERENCES cursors (name),
  block_number bigint NOT NULL,
  block_hash bytea NOT NULL CHECK (length(block_hash) = 32),
  PRIMARY KEY (name, block_number)
);
"""
TICKET_SCHEMA: Final = Schema("ticket store", (_FIRST,))


class PostgresTicketStore(SqlTicketStore):
    """An orchestrator's store that several processes share. Open it with `await PostgresTicketStore.open(dsn)`."""

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        namespace: str = "livepeer_tickets",
        read_only: bool = False,
        connect_s: float = 5.0,
        statement_s: float = 10.0,
        retry_s: float = 30.0,
        on_commit: Callable[[int], None] | None = None,
    ) -> Self:
        """Open or create the store. Parameters: `link.Settings`; errors: `PostgresDatabase.open`."""
        settings = Settings(dsn, namespace, read_only, connect_s, statement_s, retry_s)
        return cls(await PostgresDatabase.open(settings, TICKET_SCHEMA, on_commit=on_commit))
