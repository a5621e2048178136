"""What is read and never changed: tickets, value at risk, totals, cursors of watchers."""

from collections.abc import Sequence
from fractions import Fraction

from livepeer_client.adapters.sql.columns import from_fraction
from livepeer_client.adapters.sql.plan import Plan, Row, insert_rows, marks, query, query_one
from livepeer_client.adapters.sql.rows import TICKET_SELECT, stored_ticket
from livepeer_client.facts import (
    BlockCursor,
    BlockRef,
    OrchestratorTotals,
    SenderRisk,
    StoredTicket,
    TicketPage,
    TicketState,
)
from livepeer_client.policy.ticket_states import STORED
from livepeer_client.types import Address, Hash32, Wei


def tickets(states: Sequence[TicketState]) -> Plan[list[StoredTicket]]:
    wanted = [state.value for state in states or STORED]
    rows = yield from query(f"{TICKET_SELECT} WHERE w.state IN ({marks(len(wanted))}) ORDER BY w.id", *wanted)
    return [stored_ticket(row) for row in rows]


def ticket(hash_: Hash32) -> Plan[StoredTicket | None]:
    row = yield from query_one(f"{TICKET_SELECT} WHERE w.hash = ?", hash_)
    return stored_ticket(row) if row else None


def page(states: Sequence[TicketState], sender: Address | None, after: int, limit: int) -> Plan[TicketPage]:
    wanted = [state.value for state in states or STORED]
    args: list[object] = [*wanted, after]
    by_sender = ""
    if sender is not None:
        by_sender = "AND w.sender = ? "
        args.append(sender)
    # One more than asked for, to know whether there is a next page.
    rows = yield from query(
        f"{TICKET_SELECT} WHERE w.state IN ({marks(len(wanted))}) AND w.id > ? {by_sender}"
        f"ORDER BY w.id LIMIT {limit + 1:d}",
        *args,
    )
    shown = rows[:limit]
    return TicketPage(tuple(stored_ticket(row) for row in shown), shown[-1][-1] if len(rows) > limit else None)


def value_at_risk() -> Plan[list[SenderRisk]]:
    rows = yield from query(
        "SELECT sender, state, face_value, received_at FROM winners WHERE state IN ('held', 'sent') ORDER BY id"
    )
    by_sender: dict[bytes, list[Row]] = {}
    for row in rows:
        by_sender.setdefault(row[0], []).append(row)
    return [
        SenderRisk(
            sender=Address(sender),
            tickets=len(found),
            held=Wei(sum(int(row[2]) for row in found if row[1] == TicketState.HELD.value)),
            sent=Wei(sum(int(row[2]) for row in found if row[1] == TicketState.SENT.value)),
            oldest_received_at=min(row[3] for row in found),
        )
        for sender, found in sorted(by_sender.items())
    ]


def totals() -> Plan[OrchestratorTotals]:
    sessions = yield from query("SELECT payments, tickets, credited, segments, pixels, fees FROM sessions")
    winners = yield from query("SELECT state, face_value, paid FROM winners")
    by_state = dict.fromkeys(STORED, 0)
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


# --- cursors --------------------------------------------------------------------------------------


def cursor(name: str) -> Plan[BlockCursor | None]:
    row = yield from query_one("SELECT block_number, block_hash FROM cursors WHERE name = ?", name)
    if row is None:
        return None
    recent = yield from query(
        "SELECT block_number, block_hash FROM cursor_blocks WHERE name = ? ORDER BY block_number", name
    )
    return BlockCursor(name, _block(row), tuple(_block(header) for header in recent))


def save_cursor(saved: BlockCursor) -> Plan[None]:
    yield from query(
        "INSERT INTO cursors (name, block_number, block_hash) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "block_number = excluded.block_number, block_hash = excluded.block_hash",
        saved.name,
        saved.block.number,
        saved.block.hash,
    )
    yield from query("DELETE FROM cursor_blocks WHERE name = ?", saved.name)
    yield from insert_rows(
        "INSERT INTO cursor_blocks (name, block_number, block_hash)",
        [(saved.name, block.number, block.hash) for block in saved.recent],
    )


def _block(row: Row) -> BlockRef:
    return BlockRef(row[0], Hash32(row[1]))
