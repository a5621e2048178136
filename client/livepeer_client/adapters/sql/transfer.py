"""Tickets and batches of another store, added to this one."""

from collections.abc import Sequence

from livepeer_client.adapters.sql.batches import add_transactions, send, standings_of
from livepeer_client.adapters.sql.plan import Lock, Plan, insert_rows, query, query_one, select_in
from livepeer_client.adapters.sql.rows import WINNER_COLUMNS, winner_row
from livepeer_client.errors import StoreError
from livepeer_client.facts import BatchState, Restored, StoredBatch, StoredTicket, TicketState
from livepeer_client.policy.ticket_states import restoration
from livepeer_client.types import Hash32


def restore(tickets: Sequence[StoredTicket], batches: Sequence[StoredBatch]) -> Plan[Restored]:
    hashes = {ticket.hash for ticket in tickets} | {hash_ for batch in batches for hash_ in batch.batch.tickets}
    known = yield from standings_of(sorted(hashes))
    known_batches = {
        row[0]
        for row in (
            yield from select_in("SELECT batch_id FROM batches WHERE batch_id", [batch.id for batch in batches])
        )
    }
    new_batches = [batch for batch in batches if batch.id not in known_batches]
    new = restoration(tickets, new_batches, known)
    added = yield from insert_rows(
        f"INSERT INTO winners ({WINNER_COLUMNS}, state, paid, tx_hash, reason, hold, received_at)",
        [
            (
                *winner_row(ticket.winner),
                ticket.state.value,
                str(ticket.paid),
                ticket.tx_hash,
                ticket.reason,
                ticket.hold,
                ticket.received_at,
            )
            for ticket in new
        ],
        "RETURNING hash, id",
    )
    numbers = {hash_: entry[0] for hash_, entry in known.items()} | {Hash32(row[0]): row[1] for row in added}
    rows: dict[Hash32, int] = {}
    for batch in new_batches:
        rows[batch.id] = yield from _add_batch(batch, numbers)
    for ticket in new:
        if ticket.batch is not None:
            yield from query("UPDATE winners SET batch = ? WHERE hash = ?", rows[ticket.batch], ticket.hash)
    for batch in new_batches:
        if batch.state is BatchState.OPEN:
            # A ticket that was held here is on its way there.
            held = [hash_ for hash_ in batch.batch.tickets if hash_ in known]
            held = [hash_ for hash_ in held if known[hash_][1].state is TicketState.HELD]
            yield from send(rows[batch.id], batch.batch.transaction.tx_hash, [numbers[hash_] for hash_ in held])
    return Restored(len(new), len(hashes) - len(new), len(new_batches), len(batches) - len(new_batches))


def _add_batch(stored: StoredBatch, numbers: dict[Hash32, int]) -> Plan[int]:
    batch = stored.batch
    if stored.state is BatchState.OPEN:
        taken = yield from query_one(
            "SELECT batch_id FROM batches WHERE key = ? AND nonce = ? AND (state = 'open' OR mined IS NOT NULL)",
            batch.key,
            batch.nonce,
            lock=Lock.UPDATE,
        )
        if taken is not None:
            raise StoreError(f"nonce {batch.nonce} belongs to batch 0x{taken[0].hex()}")
    row = yield from query_one(
        "INSERT INTO batches (batch_id, key, nonce, calldata, state, mined, block_number, block_hash, began_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        batch.id,
        batch.key,
        batch.nonce,
        batch.calldata.value,
        stored.state.value,
        stored.mined,
        None if stored.block is None else stored.block.number,
        None if stored.block is None else stored.block.hash,
        stored.began_at,
    )
    assert row is not None
    yield from add_transactions(row[0], 0, batch.transactions)
    outcomes = {outcome.hash: outcome for outcome in stored.outcomes}
    yield from insert_rows(
        "INSERT INTO batch_tickets (batch, position, winner, outcome, paid, reason)",
        [
            (row[0], position, numbers[hash_], outcome.state.value, str(outcome.paid), outcome.reason)
            if (outcome := outcomes.get(hash_))
            else (row[0], position, numbers[hash_], None, "0", "")
            for position, hash_ in enumerate(batch.tickets)
        ],
    )
    return int(row[0])
