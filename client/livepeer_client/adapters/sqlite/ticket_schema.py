"""The tables of a ticket store's file, as migrations."""

import sqlite3
from typing import Final

from livepeer_client.adapters.sqlite.schema import Schema
from livepeer_client.facts import Calldata, RedemptionBatch, SignedTransaction
from livepeer_client.types import Address, Hash32

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

_SECOND: Final = """
ALTER TABLE sessions ADD COLUMN written_off TEXT NOT NULL DEFAULT '0/1';
ALTER TABLE sessions ADD COLUMN price TEXT;
ALTER TABLE sessions ADD COLUMN open INTEGER NOT NULL DEFAULT 1 CHECK (open IN (0, 1));
ALTER TABLE sessions ADD COLUMN updated_at REAL NOT NULL DEFAULT 0;
CREATE INDEX sessions_open ON sessions (updated_at) WHERE open = 1;

CREATE TABLE new_winners (
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
  state TEXT NOT NULL CHECK (state IN ('held', 'sent', 'paid', 'underpaid', 'used_elsewhere', 'expired', 'invalid')),
  paid TEXT NOT NULL DEFAULT '0',
  tx_hash BLOB,
  reason TEXT NOT NULL DEFAULT '',
  hold TEXT,
  -- The batch it is in, or whose evidence settled it.
  batch INTEGER REFERENCES batches (id),
  received_at REAL NOT NULL
) STRICT;
INSERT INTO new_winners
  SELECT id, hash, recipient, sender, face_value, win_prob, sender_nonce, recipient_rand_hash, creation_round,
    creation_round_block_hash, sig, recipient_rand, params_expiration_block, state, paid, tx_hash, reason, NULL,
    CASE WHEN state = 'held' THEN NULL ELSE (
      SELECT t.batch FROM batch_tickets t JOIN batch_transactions x ON x.batch = t.batch
      WHERE t.winner = winners.id AND x.tx_hash = winners.tx_hash) END,
    now_s()
  FROM winners ORDER BY id;
DROP TABLE winners;
ALTER TABLE new_winners RENAME TO winners;
CREATE INDEX winners_by_state ON winners (state, id);
CREATE INDEX winners_by_sender ON winners (sender, id);
CREATE INDEX winners_by_batch ON winners (batch) WHERE batch IS NOT NULL;

CREATE TABLE new_batches (
  id INTEGER PRIMARY KEY,
  batch_id BLOB NOT NULL UNIQUE CHECK (length(batch_id) = 32),
  key BLOB NOT NULL CHECK (length(key) = 20),
  nonce INTEGER NOT NULL,
  calldata TEXT NOT NULL CHECK (calldata IN ('single', 'batch', 'compact')),
  state TEXT NOT NULL CHECK (state IN ('open', 'mined', 'final')),
  mined BLOB,
  block_number INTEGER,
  block_hash BLOB,
  began_at REAL NOT NULL
) STRICT;
-- What the old rows do not say is filled in from the signed transactions, see below.
INSERT INTO new_batches
  SELECT id, randomblob(32), zeroblob(20), (SELECT nonce FROM batch_transactions x WHERE x.batch = batches.id), 'batch',
    CASE settled WHEN 1 THEN 'final' ELSE 'open' END, NULL, NULL, NULL, now_s()
  FROM batches ORDER BY id;

CREATE TABLE new_batch_transactions (
  tx_hash BLOB PRIMARY KEY CHECK (length(tx_hash) = 32),
  batch INTEGER NOT NULL REFERENCES batches (id),
  position INTEGER NOT NULL,
  raw BLOB NOT NULL,
  UNIQUE (batch, position)
) STRICT;
INSERT INTO new_batch_transactions
  SELECT tx_hash, batch, row_number() OVER (PARTITION BY batch ORDER BY rowid) - 1, raw FROM batch_transactions;

CREATE TABLE new_batch_tickets (
  batch INTEGER NOT NULL REFERENCES batches (id),
  position INTEGER NOT NULL,
  winner INTEGER NOT NULL REFERENCES winners (id),
  outcome TEXT,
  paid TEXT NOT NULL DEFAULT '0',
  reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (batch, position)
) STRICT, WITHOUT ROWID;
INSERT INTO new_batch_tickets
  SELECT t.batch, t.position, t.winner,
    CASE WHEN w.batch = t.batch AND w.state <> 'sent' THEN w.state END,
    CASE WHEN w.batch = t.batch THEN w.paid ELSE '0' END,
    CASE WHEN w.batch = t.batch THEN w.reason ELSE '' END
  FROM batch_tickets t JOIN winners w ON w.id = t.winner;

DROP TABLE batch_tickets;
DROP TABLE batch_transactions;
DROP TABLE batches;
ALTER TABLE new_batches RENAME TO batches;
ALTER TABLE new_batch_transactions RENAME TO batch_transactions;
ALTER TABLE new_batch_tickets RENAME TO batch_tickets;
CREATE INDEX batches_by_state ON batches (state, id);
CREATE UNIQUE INDEX batches_open_nonce ON batches (key, nonce) WHERE state = 'open';
CREATE INDEX batch_tickets_by_winner ON batch_tickets (winner);

CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  token INTEGER NOT NULL,
  expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE quotes (
  id INTEGER PRIMARY KEY,
  recipient_rand_hash BLOB NOT NULL UNIQUE CHECK (length(recipient_rand_hash) = 32),
  expiration_block BLOB NOT NULL CHECK (length(expiration_block) = 32)
) STRICT;
CREATE INDEX quotes_by_expiration ON quotes (expiration_block);
CREATE TABLE nonces (
  quote INTEGER NOT NULL REFERENCES quotes (id),
  nonce INTEGER NOT NULL,
  PRIMARY KEY (quote, nonce)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursors (
  name TEXT PRIMARY KEY,
  block_number INTEGER NOT NULL,
  block_hash BLOB NOT NULL CHECK (length(block_hash) = 32)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursor_blocks (
  name TEXT NOT NULL REFERENCES cursors (name),
  block_number INTEGER NOT NULL,
  block_hash BLOB NOT NULL CHECK (length(block_hash) = 32),
  PRIMARY KEY (name, block_number)
) STRICT, WITHOUT ROWID;
"""


def _name_batches(connection: sqlite3.Connection) -> None:
    """Give batches of the first schema their key, kind and id, read from their signed transactions.

    Bytes that are no transaction were never mined: such a batch is closed and its tickets are held again.
    """
    for batch, nonce, raw in connection.execute(
        "SELECT id, nonce, raw FROM batches JOIN batch_transactions ON batch = id WHERE position = 0"
    ).fetchall():
        hashes = tuple(
            Hash32(row[0])
            for row in connection.execute(
                "SELECT hash FROM batch_tickets t JOIN winners w ON w.id = t.winner "
                "WHERE t.batch = ? ORDER BY position",
                (batch,),
            )
        )
        signed = _signer_and_kind(raw)
        if signed is None:
            connection.execute(
                "UPDATE winners SET state = 'held', batch = NULL, tx_hash = NULL WHERE batch = ? AND state = 'sent'",
                (batch,),
            )
            connection.execute("UPDATE batches SET state = 'final' WHERE id = ?", (batch,))
            continue
        key, calldata = signed
        named = RedemptionBatch(key, nonce, hashes, calldata, (SignedTransaction(raw, Hash32(bytes(32)), nonce),))
        connection.execute(
            "UPDATE batches SET batch_id = ?, key = ?, calldata = ? WHERE id = ?",
            (named.id, key, calldata.value, batch),
        )


_SINGLE_SELECTOR: Final = bytes.fromhex("ec8b3cb6")


def _signer_and_kind(raw: bytes) -> tuple[Address, Calldata] | None:
    # Needed once in the life of a file, and slow to load.
    from eth_account import Account
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    try:
        data = bytes(TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["data"])
        signer = Account.recover_transaction(raw)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    kind = Calldata.SINGLE if data[:4] == _SINGLE_SELECTOR else Calldata.BATCH
    return Address(bytes.fromhex(signer.removeprefix("0x"))), kind


TICKET_SCHEMA: Final = Schema("ticket store", 0x4C505431, (_FIRST, (_SECOND, _name_batches)))
"""Application id "LPT1"."""
