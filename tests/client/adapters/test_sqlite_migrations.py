"""A ticket store of the first schema, opened by this version."""

import sqlite3
from fractions import Fraction
from pathlib import Path
from typing import Any

from eth_account import Account

from livepeer_client.adapters.sql.rows import winner_row
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.adapters.sqlite.schema import Schema
from livepeer_client.adapters.sqlite.ticket_schema import TICKET_SCHEMA
from livepeer_client.adapters.sqlite.writer import Database
from livepeer_client.codec.keccak import keccak256
from livepeer_client.facts import BatchState, Calldata, TicketState, redemption_lease
from livepeer_client.types import Address
from tests.client.adapters.stored_values import SENDER, make_block, make_outcome, make_winner

KEY = "0x" + "11" * 32
SIGNER = Address(bytes.fromhex(Account.from_key(KEY).address.removeprefix("0x")))
FIRST = Schema(TICKET_SCHEMA.name, TICKET_SCHEMA.application_id, TICKET_SCHEMA.migrations[:1])


def signed(nonce: int, data: str) -> bytes:
    transaction = {
        "type": 2,
        "chainId": 1,
        "nonce": nonce,
        "to": "0x" + "22" * 20,
        "value": 0,
        "gas": 1,
        "maxFeePerGas": 1,
        "maxPriorityFeePerGas": 1,
        "data": data,
    }
    return bytes(Account.sign_transaction(transaction, KEY).raw_transaction)


async def write_first_schema(path: Path, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    def insert(connection: sqlite3.Connection) -> None:
        for table, values in rows.items():
            marks = ", ".join("?" * len(values[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)

    async with await Database.open(path, FIRST) as database:
        await database.run(insert)


async def test_open__first_schema__keeps_tickets_sums_and_batches(tmp_path: Path) -> None:
    path = tmp_path / "tickets.sqlite"
    winners = [make_winner(number) for number in range(4)]
    sent, bumped, paid, garbage = signed(5, "0xd01b808e"), signed(5, "0xd01b808e00"), signed(4, "0xec8b3cb6"), b"none"
    hashes = {raw: keccak256(raw) for raw in (sent, bumped, paid, garbage)}
    states = [("held", 0, None), ("sent", 0, hashes[bumped]), ("paid", 7, hashes[paid]), ("sent", 0, hashes[garbage])]
    await write_first_schema(
        path,
        {
            "sessions": [(SENDER, "session", 2, 5, "a/3", 1, 10, "1/3")],
            "winners": [
                (number, *winner_row(winner), state, str(amount), tx_hash, "why")
                for number, (winner, (state, amount, tx_hash)) in enumerate(zip(winners, states, strict=True), start=1)
            ],
            "batches": [(1, 1), (2, 0), (3, 0)],
            "batch_transactions": [
                (hashes[paid], 1, paid, 4),
                (hashes[sent], 2, sent, 5),
                (hashes[bumped], 2, bumped, 5),
                (hashes[garbage], 3, garbage, 6),
            ],
            "batch_tickets": [(1, 0, 3), (2, 0, 2), (3, 0, 4)],
        },
    )
    async with await SqliteTicketStore.open(path) as store:
        tickets = await store.tickets()
        assert [ticket.winner for ticket in tickets] == winners
        # Bytes that are no transaction were never mined.
        assert [ticket.state.value for ticket in tickets] == ["held", "sent", "paid", "held"]
        done, open_, closed = await store.batches()
        assert (done.state, done.batch.calldata, done.batch.key) == (BatchState.FINAL, Calldata.SINGLE, SIGNER)
        assert done.outcomes == (make_outcome(winners[2], TicketState.PAID, 7, reason="why"),)
        assert closed.state is BatchState.FINAL
        assert (open_.state, open_.batch.calldata, open_.batch.key) == (BatchState.OPEN, Calldata.BATCH, SIGNER)
        assert [transaction.raw for transaction in open_.batch.transactions] == [sent, bumped]
        assert tickets[1].batch == open_.id
        session = await store.session(SENDER, "session")
        assert session is not None
        assert (session.credited, session.debited, session.updated_at) == (Fraction(10, 3), Fraction(1, 3), 0)
        assert session.balance == 3
        # What was open goes on under the new rules.
        lease = await store.acquire_lease(redemption_lease(SIGNER), "tester", 10)
        outcome = make_outcome(winners[1], TicketState.PAID, 10**15, hashes[sent])
        await store.settle_batch(open_.id, [outcome], mined=hashes[sent], block=make_block(1), lease=lease)
        assert (await store.totals()).paid == 10**15 + 7


async def test_open__first_schema__ends_like_a_new_file(tmp_path: Path) -> None:
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    await (await Database.open(old, FIRST)).close()
    schemas = []
    for path in (old, new):
        async with await SqliteTicketStore.open(path):
            pass
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        schemas.append(connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall())
        connection.close()
    assert schemas[0] == schemas[1]
