"""Payments received and work charged: winners, nonces used up, and the balance of each session.

Sums are kept per (sender, session) as exact fractions, added to in the transaction of the payment or debit itself, so
the file does not grow with the traffic and the totals need no scan of it.
"""

from fractions import Fraction
from typing import Any, Final

from livepeer_client.adapters.sql.columns import fraction, from_fraction, from_uint256, uint256
from livepeer_client.adapters.sql.plan import Lock, Plan, Row, insert_rows, query, query_one, select_in
from livepeer_client.adapters.sql.rows import WINNER_COLUMNS
from livepeer_client.errors import NoncesSeen
from livepeer_client.facts import Debit, ReceivedNonces, ReceivedPayment, SessionBalance
from livepeer_client.types import Address, BlockNumber, Hash32

_SESSION: Final = "sender, session_id, credited, fees, written_off, price, open, updated_at"


def record_payment(payment: ReceivedPayment, winners: list[tuple[Any, ...]]) -> Plan[SessionBalance]:
    """`winners` are the payment's as rows, made beforehand so that the writer does nothing but write."""
    if payment.nonces is not None:
        yield from _use_up(payment.nonces)
    new = yield from insert_winners(winners)
    if winners and not new and not payment.credited:
        return (yield from session(payment.sender, payment.session_id)) or _nothing(payment)
    known = yield from _session(payment.sender, payment.session_id)
    price = known.price if known.price is not None else payment.price
    row = yield from query_one(
        "UPDATE sessions SET payments = payments + 1, tickets = tickets + ?, credited = ?, price = ?, open = 1, "
        f"updated_at = now_s() WHERE sender = ? AND session_id = ? RETURNING {_SESSION}",
        payment.received,
        fraction(known.credited + payment.credited),
        None if price is None else fraction(price),
        payment.sender,
        payment.session_id,
    )
    assert row is not None
    return _balance(row)


def insert_winners(rows: list[tuple[Any, ...]]) -> Plan[list[Row]]:
    """:returns: the hashes of those that were not known."""
    return (
        yield from insert_rows(
            f"INSERT INTO winners ({WINNER_COLUMNS}, state, received_at)",
            rows,
            "ON CONFLICT (hash) DO NOTHING RETURNING hash",
            ", 'held', now_s()",
        )
    )


def record_debit(debit: Debit) -> Plan[SessionBalance]:
    known = yield from _session(debit.sender, debit.session_id)
    row = yield from query_one(
        "UPDATE sessions SET segments = segments + 1, pixels = pixels + ?, fees = ?, open = 1, updated_at = now_s() "
        f"WHERE sender = ? AND session_id = ? RETURNING {_SESSION}",
        debit.pixels,
        fraction(known.debited + debit.fee),
        debit.sender,
        debit.session_id,
    )
    assert row is not None
    return _balance(row)


def session(sender: Address, session_id: str) -> Plan[SessionBalance | None]:
    row = yield from query_one(
        f"SELECT {_SESSION} FROM sessions WHERE sender = ? AND session_id = ?",
        sender,
        session_id,
    )
    return _balance(row) if row else None


def open_sessions() -> Plan[list[SessionBalance]]:
    rows = yield from query(f"SELECT {_SESSION} FROM sessions WHERE open = 1 ORDER BY sender, session_id")
    return [_balance(row) for row in rows]


def write_off_idle(idle_s: float) -> Plan[list[SessionBalance]]:
    """Close sessions nobody used for `idle_s`. One locked by a payment just now is not idle, so it is skipped."""
    rows = yield from query(
        f"SELECT {_SESSION} FROM sessions WHERE open = 1 AND updated_at < now_s() - ? ORDER BY sender, session_id",
        idle_s,
        lock=Lock.SKIP,
    )
    idle = [_balance(row) for row in rows]
    for found in idle:
        yield from query(
            "UPDATE sessions SET open = 0, price = NULL, written_off = ? WHERE sender = ? AND session_id = ?",
            fraction(found.credited - found.debited),
            found.sender,
            found.session_id,
        )
    return idle


# --- nonces ---------------------------------------------------------------------------------------


def _use_up(used: ReceivedNonces) -> Plan[None]:
    """:raises NoncesSeen: one of them was used before."""
    # Locks the quote, so that two nodes that receive the same tickets come one after the other.
    row = yield from query_one(
        "INSERT INTO quotes (recipient_rand_hash, expiration_block) VALUES (?, ?) "
        "ON CONFLICT (recipient_rand_hash) DO UPDATE SET expiration_block = excluded.expiration_block RETURNING id",
        used.recipient_rand_hash,
        uint256(used.expiration_block),
    )
    assert row is not None
    new = yield from insert_rows(
        "INSERT INTO nonces (quote, nonce)",
        [(row[0], nonce) for nonce in used.nonces],
        "ON CONFLICT (quote, nonce) DO NOTHING RETURNING nonce",
    )
    seen = set(used.nonces) - {inserted[0] for inserted in new}
    if seen:
        raise NoncesSeen(used.recipient_rand_hash, seen)


def nonces(recipient_rand_hash: Hash32) -> Plan[frozenset[int]]:
    rows = yield from query(
        "SELECT nonce FROM nonces JOIN quotes ON quotes.id = quote WHERE recipient_rand_hash = ?", recipient_rand_hash
    )
    return frozenset(row[0] for row in rows)


def open_quotes() -> Plan[list[ReceivedNonces]]:
    rows = yield from query(
        "SELECT recipient_rand_hash, expiration_block, nonce FROM quotes LEFT JOIN nonces ON quote = quotes.id "
        "ORDER BY quotes.id, nonce"
    )
    found: dict[tuple[bytes, bytes], list[int]] = {}
    for rand_hash, expiration_block, nonce in rows:
        found.setdefault((rand_hash, expiration_block), []).append(nonce)
    return [
        ReceivedNonces(Hash32(rand_hash), BlockNumber(from_uint256(block)), tuple(n for n in used if n is not None))
        for (rand_hash, block), used in found.items()
    ]


def forget_nonces(l1_block: BlockNumber) -> Plan[int]:
    """Delete what is kept on quotes that have expired at `l1_block`."""
    rows = yield from query(
        "SELECT id FROM quotes WHERE expiration_block <= ? ORDER BY id", uint256(l1_block), lock=Lock.SKIP
    )
    ids = [row[0] for row in rows]
    yield from select_in("DELETE FROM nonces WHERE quote", ids)
    yield from select_in("DELETE FROM quotes WHERE id", ids)
    return len(ids)


# --- rows -----------------------------------------------------------------------------------------


def _session(sender: Address, session_id: str) -> Plan[SessionBalance]:
    """The session, made if it is new, and locked."""
    # The update changes nothing: it locks the row and gives it back, in the same statement.
    row = yield from query_one(
        "INSERT INTO sessions (sender, session_id, updated_at) VALUES (?, ?, now_s()) "
        f"ON CONFLICT (sender, session_id) DO UPDATE SET payments = sessions.payments RETURNING {_SESSION}",
        sender,
        session_id,
    )
    assert row is not None
    return _balance(row)


def _nothing(payment: ReceivedPayment) -> SessionBalance:
    zero = Fraction(0)
    return SessionBalance(payment.sender, payment.session_id, zero, zero, zero, None, open=False, updated_at=0.0)


def _balance(row: Row) -> SessionBalance:
    return SessionBalance(
        sender=Address(row[0]),
        session_id=row[1],
        credited=from_fraction(row[2]),
        debited=from_fraction(row[3]),
        written_off=from_fraction(row[4]),
        price=None if row[5] is None else from_fraction(row[5]),
        open=bool(row[6]),
        updated_at=row[7],
    )
