"""Redemptions: batches of tickets with their transactions and outcomes, and evidence outside them.

Every write of a redeemer first looks at its lease; locks are taken in one order: lease, batch, tickets by number.
"""

from collections.abc import Sequence
from typing import Final

from livepeer_client.adapters.sql.leases import guard
from livepeer_client.adapters.sql.plan import Lock, Plan, Row, insert_rows, query, query_one, select_in
from livepeer_client.adapters.sql.rows import optional_hash
from livepeer_client.errors import InvalidInput, StoreError, TicketStateRefused
from livepeer_client.facts import (
    BatchState,
    BlockRef,
    Calldata,
    Lease,
    RedemptionBatch,
    SignedTransaction,
    StoredBatch,
    TicketOutcome,
    TicketState,
    redemption_lease,
)
from livepeer_client.policy import ticket_states
from livepeer_client.policy.ticket_states import Standing
from livepeer_client.types import Address, Hash32, Wei

_BATCH: Final = "id, batch_id, key, nonce, calldata, state, mined, block_number, block_hash, began_at"


# --- the life of a batch --------------------------------------------------------------------------


def begin(batch: RedemptionBatch, lease: Lease) -> Plan[None]:
    yield from guard(lease)
    known = yield from query_one("SELECT id, state FROM batches WHERE batch_id = ?", batch.id, lock=Lock.UPDATE)
    if known is not None:
        if known[1] == BatchState.OPEN.value and (yield from _transactions([known[0]]))[known[0]] == [
            *batch.transactions
        ]:
            return
        raise StoreError(f"batch 0x{batch.id.hex()} is already stored")
    taken = yield from query_one(
        "SELECT batch_id FROM batches WHERE key = ? AND nonce = ? AND (state = 'open' OR mined IS NOT NULL)",
        batch.key,
        batch.nonce,
    )
    if taken is not None:
        raise StoreError(f"nonce {batch.nonce} belongs to batch 0x{taken[0].hex()}")
    found = yield from standings_of(batch.tickets)
    for hash_ in batch.tickets:
        entry = found.get(hash_)
        ticket_states.refuse_unless_sendable(hash_, entry[1] if entry else None)
    row = yield from query_one(
        "INSERT INTO batches (batch_id, key, nonce, calldata, state, began_at) VALUES (?, ?, ?, ?, 'open', now_s()) "
        "RETURNING id",
        batch.id,
        batch.key,
        batch.nonce,
        batch.calldata.value,
    )
    assert row is not None
    yield from add_transactions(row[0], 0, batch.transactions)
    numbers = [found[hash_][0] for hash_ in batch.tickets]
    yield from insert_rows(
        "INSERT INTO batch_tickets (batch, position, winner)",
        [(row[0], position, number) for position, number in enumerate(numbers)],
    )
    yield from send(row[0], batch.transaction.tx_hash, numbers)


def add_replacement(batch_id: Hash32, transaction: SignedTransaction, lease: Lease) -> Plan[None]:
    row = yield from _locked(batch_id, lease)
    known = (yield from _transactions([row[0]]))[row[0]]
    if transaction in known:
        return
    if row[5] != BatchState.OPEN.value:
        raise StoreError(f"batch 0x{batch_id.hex()} is {row[5]}, it takes no replacement")
    if transaction.nonce != row[3]:
        raise InvalidInput(f"batch 0x{batch_id.hex()} has nonce {row[3]}, the replacement {transaction.nonce}")
    yield from add_transactions(row[0], len(known), [transaction])
    yield from query("UPDATE winners SET tx_hash = ? WHERE batch = ? AND state = 'sent'", transaction.tx_hash, row[0])


def settle(
    batch_id: Hash32, outcomes: Sequence[TicketOutcome], mined: Hash32 | None, block: BlockRef, lease: Lease
) -> Plan[None]:
    row = yield from _locked(batch_id, lease)
    if row[5] != BatchState.OPEN.value:
        if (row[6], row[8]) == (mined, block.hash):
            return
        raise StoreError(f"batch 0x{batch_id.hex()} is {row[5]} in another block: reopen it first")
    if mined is not None and all(known.tx_hash != mined for known in (yield from _transactions([row[0]]))[row[0]]):
        raise StoreError(f"transaction 0x{mined.hex()} is not one of batch 0x{batch_id.hex()}")
    tickets, standings = yield from _tickets_of(row[0])
    changes = ticket_states.settlement(batch_id, list(tickets), standings, outcomes)
    for outcome in outcomes:
        yield from query(
            "UPDATE batch_tickets SET outcome = ?, paid = ?, reason = ? WHERE batch = ? AND winner = ?",
            outcome.state.value,
            str(outcome.paid),
            outcome.reason,
            row[0],
            tickets[outcome.hash],
        )
    for change in changes:
        yield from _apply(change, None if change.state is TicketState.HELD else row[0])
    yield from query(
        "UPDATE batches SET state = 'mined', mined = ?, block_number = ?, block_hash = ? WHERE id = ?",
        mined,
        block.number,
        block.hash,
        row[0],
    )


def finalize(batch_id: Hash32, lease: Lease) -> Plan[None]:
    row = yield from _locked(batch_id, lease)
    if row[5] == BatchState.OPEN.value:
        raise StoreError(f"batch 0x{batch_id.hex()} is open: settle it first")
    yield from query("UPDATE batches SET state = 'final' WHERE id = ?", row[0])


def reopen(batch_id: Hash32, lease: Lease) -> Plan[None]:
    row = yield from _locked(batch_id, lease)
    if row[5] == BatchState.OPEN.value:
        return
    if row[5] == BatchState.FINAL.value:
        raise StoreError(f"batch 0x{batch_id.hex()} is final")
    tickets, standings = yield from _tickets_of(row[0])
    again = ticket_states.reopening(batch_id, list(tickets), standings)
    yield from query("UPDATE batch_tickets SET outcome = NULL, paid = '0', reason = '' WHERE batch = ?", row[0])
    latest = (yield from _transactions([row[0]]))[row[0]][-1]
    yield from send(row[0], latest.tx_hash, [tickets[hash_] for hash_ in again])
    yield from query(
        "UPDATE batches SET state = 'open', mined = NULL, block_number = NULL, block_hash = NULL WHERE id = ?", row[0]
    )


# --- evidence and operators -----------------------------------------------------------------------


def mark(outcomes: Sequence[TicketOutcome], lease: Lease) -> Plan[None]:
    yield from guard(lease)
    found = yield from standings_of([outcome.hash for outcome in outcomes])
    for outcome in outcomes:
        entry = found.get(outcome.hash)
        if ticket_states.mark_changes(outcome, entry[1] if entry else None):
            yield from _apply(outcome, None)


def set_hold(hashes: Sequence[Hash32], note: str | None) -> Plan[None]:
    """`note` None releases."""
    found = yield from standings_of(hashes)
    for hash_ in hashes:
        if hash_ not in found:
            raise TicketStateRefused(hash_, None, "on hold" if note is not None else "released", "is not stored")
    for hash_ in hashes:
        yield from query("UPDATE winners SET hold = ? WHERE id = ?", note, found[hash_][0])


def revive(hashes: Sequence[Hash32], note: str) -> Plan[None]:
    found = yield from standings_of(hashes)
    for hash_ in hashes:
        entry = found.get(hash_)
        if ticket_states.revive_changes(hash_, entry[1] if entry else None):
            yield from _apply(TicketOutcome(hash_, TicketState.HELD, Wei(0), None, note), None)


# --- reading --------------------------------------------------------------------------------------


def batches(states: Sequence[BatchState], after: Hash32 | None, limit: int | None) -> Plan[list[StoredBatch]]:
    wanted = [state.value for state in states or BatchState]
    start = 0
    if after is not None:
        row = yield from query_one("SELECT id FROM batches WHERE batch_id = ?", after)
        if row is None:
            raise StoreError(f"no batch 0x{after.hex()} is stored")
        start = row[0]
    rows = yield from select_in(
        f"SELECT {_BATCH} FROM batches WHERE id > {start:d} AND state",
        wanted,
        "ORDER BY id" + ("" if limit is None else f" LIMIT {limit:d}"),
    )
    ids = [row[0] for row in rows]
    transactions = yield from _transactions(ids)
    tickets: dict[int, list[Row]] = {id_: [] for id_ in ids}
    for row in (
        yield from select_in(
            "SELECT t.batch, w.hash, t.outcome, t.paid, t.reason FROM batch_tickets t "
            "JOIN winners w ON w.id = t.winner "
            "WHERE t.batch",
            ids,
            "ORDER BY t.batch, t.position",
        )
    ):
        tickets[row[0]].append(row)
    return [_stored_batch(row, transactions[row[0]], tickets[row[0]]) for row in rows]


def _stored_batch(row: Row, transactions: Sequence[SignedTransaction], tickets: Sequence[Row]) -> StoredBatch:
    mined = optional_hash(row[6])
    return StoredBatch(
        batch=RedemptionBatch(
            key=Address(row[2]),
            nonce=row[3],
            tickets=tuple(Hash32(ticket[1]) for ticket in tickets),
            calldata=Calldata(row[4]),
            transactions=tuple(transactions),
        ),
        state=BatchState(row[5]),
        mined=mined,
        block=None if row[8] is None else BlockRef(row[7], Hash32(row[8])),
        outcomes=tuple(
            TicketOutcome(
                Hash32(hash_),
                TicketState(outcome),
                Wei(int(paid)),
                mined if TicketState(outcome) in ticket_states.REDEEMED else None,
                reason,
            )
            for _, hash_, outcome, paid, reason in tickets
            if outcome is not None
        ),
        began_at=row[9],
    )


# --- rows -----------------------------------------------------------------------------------------


def _locked(batch_id: Hash32, lease: Lease) -> Plan[Row]:
    """The batch, locked, under its key's lease."""
    yield from guard(lease)
    row = yield from query_one(f"SELECT {_BATCH} FROM batches WHERE batch_id = ?", batch_id, lock=Lock.UPDATE)
    if row is None:
        raise StoreError(f"no batch 0x{batch_id.hex()} is stored")
    if lease.name != redemption_lease(Address(row[2])):
        raise InvalidInput(f"a batch of key 0x{row[2].hex()} needs its lease, got {lease.name}")
    return row


def standings_of(hashes: Sequence[Hash32]) -> Plan[dict[Hash32, tuple[int, Standing]]]:
    """Row number and standing of those that are stored, locked."""
    rows = yield from select_in(
        "SELECT id, hash, state, paid, hold, (SELECT batch_id FROM batches b WHERE b.id = winners.batch) FROM winners "
        "WHERE hash",
        hashes,
        "ORDER BY id",
        Lock.UPDATE,
    )
    return {Hash32(row[1]): (row[0], _standing(row)) for row in rows}


def _tickets_of(batch: int) -> Plan[tuple[dict[Hash32, int], dict[Hash32, Standing]]]:
    """Row numbers, in the order of the batch, and standings of its tickets, locked."""
    rows = yield from query(
        "SELECT hash FROM batch_tickets JOIN winners ON winners.id = winner WHERE batch_tickets.batch = ? "
        "ORDER BY position",
        batch,
    )
    hashes = [Hash32(row[0]) for row in rows]
    found = yield from standings_of(hashes)
    return {hash_: found[hash_][0] for hash_ in hashes}, {hash_: found[hash_][1] for hash_ in hashes}


def _standing(row: Row) -> Standing:
    return Standing(TicketState(row[2]), optional_hash(row[5]), Wei(int(row[3])), row[4] is not None)


def _transactions(batch_rows: Sequence[int]) -> Plan[dict[int, list[SignedTransaction]]]:
    rows = yield from select_in(
        "SELECT batch, raw, tx_hash, (SELECT nonce FROM batches WHERE id = batch) FROM batch_transactions WHERE batch",
        batch_rows,
        "ORDER BY batch, position",
    )
    found: dict[int, list[SignedTransaction]] = {batch: [] for batch in batch_rows}
    for batch, raw, tx_hash, nonce in rows:
        found[batch].append(SignedTransaction(raw, Hash32(tx_hash), nonce))
    return found


def add_transactions(batch: int, position: int, transactions: Sequence[SignedTransaction]) -> Plan[None]:
    for offset, transaction in enumerate(transactions):
        known = yield from query_one("SELECT batch FROM batch_transactions WHERE tx_hash = ?", transaction.tx_hash)
        if known is not None:
            raise StoreError(f"transaction 0x{transaction.tx_hash.hex()} is already stored")
        yield from query(
            "INSERT INTO batch_transactions (tx_hash, batch, position, raw) VALUES (?, ?, ?, ?)",
            transaction.tx_hash,
            batch,
            position + offset,
            transaction.raw,
        )


def send(batch: int, tx_hash: Hash32, numbers: Sequence[int]) -> Plan[None]:
    for number in numbers:
        yield from query(
            "UPDATE winners SET state = 'sent', paid = '0', tx_hash = ?, reason = '', batch = ? WHERE id = ?",
            tx_hash,
            batch,
            number,
        )


def _apply(outcome: TicketOutcome, batch: int | None) -> Plan[None]:
    yield from query(
        "UPDATE winners SET state = ?, paid = ?, tx_hash = ?, reason = ?, batch = ? WHERE hash = ?",
        outcome.state.value,
        str(outcome.paid),
        outcome.tx_hash,
        outcome.reason,
        batch,
        outcome.hash,
    )
