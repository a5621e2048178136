"""What only the stores on disk promise: durability, shared commits, one owner, and refusing files they cannot trust."""

import asyncio
import os
import sqlite3
import stat
import threading
from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.adapters.sqlite import SqliteGatewayBooks, SqliteTicketStore
from livepeer_client.adapters.sqlite.backup import backup
from livepeer_client.adapters.sqlite.schema import Schema
from livepeer_client.adapters.sqlite.ticket_schema import TICKET_SCHEMA
from livepeer_client.adapters.sqlite.writer import Database
from livepeer_client.errors import InvalidInput, StoreCorrupt, StoreError
from livepeer_client.facts import Debit, TicketState
from livepeer_client.types import MAX_UINT256
from tests.client.adapters.kills import require_whole, write_until_killed
from tests.client.adapters.stored_values import (
    SENDER,
    lease_of,
    make_batch,
    make_outcome,
    make_payment,
    make_sent,
    make_winner,
)

NUMBERS = Schema("number store", 0x4E554D31, ("CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT;",))


def insert(number: int):  # type: ignore[no-untyped-def]
    return lambda connection: connection.execute("INSERT INTO numbers VALUES (?)", (number,)).rowcount


def numbers_in(path: Path) -> list[int]:
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute("SELECT n FROM numbers ORDER BY n")]
    finally:
        connection.close()


def modes_in(folder: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


async def keep_busy(database: Database, until: threading.Event) -> asyncio.Task[bool]:
    """Occupy the writer thread, so that what is handed in meanwhile is one group."""
    started = threading.Event()

    def work(_: sqlite3.Connection) -> bool:
        started.set()
        return until.wait(10)

    task = asyncio.create_task(database.run(work))
    await asyncio.to_thread(started.wait, 10)
    return task


# --- durability -----------------------------------------------------------------------------------


async def test_reopen__after_close__finds_everything(tmp_path: Path) -> None:
    path = tmp_path / "tickets.sqlite"
    winners = [make_winner(1), make_winner(2, face_value=MAX_UINT256)]
    batch = make_batch(1, winners[0])
    async with await SqliteTicketStore.open(path) as store:
        await store.record_payment(make_payment(*winners))
        await store.record_debit(Debit(SENDER, "session", 1, 10, Fraction(1, 3)))
        await store.begin_batch(batch, lease=await lease_of(store))
        totals = await store.totals()
    async with await SqliteTicketStore.open(path) as store:
        assert await store.totals() == totals
        assert [stored.batch for stored in await store.batches()] == [batch]
        assert [ticket.winner for ticket in await store.tickets()] == winners


@pytest.mark.parametrize("acknowledged_before_kill", [1, 40, 400])
async def test_kill__while_writing__loses_nothing_acknowledged(tmp_path: Path, acknowledged_before_kill: int) -> None:
    path = tmp_path / "tickets.sqlite"
    acknowledged = await asyncio.to_thread(write_until_killed, acknowledged_before_kill, str(path))
    assert len(acknowledged) >= acknowledged_before_kill
    async with await SqliteTicketStore.open(path) as store:
        kept = {ticket.winner.ticket.sender_nonce for ticket in await store.tickets()}
        totals = await store.totals()
    assert acknowledged <= kept
    require_whole(totals, acknowledged, kept)


# --- shared commits -------------------------------------------------------------------------------


async def test_run__hundred_callers_at_once__share_one_commit_and_are_all_durable(tmp_path: Path) -> None:
    path = tmp_path / "numbers.sqlite"
    commits: list[int] = []
    gate = threading.Event()
    async with await Database.open(path, NUMBERS, on_commit=commits.append) as database:
        blocker = await keep_busy(database, gate)
        callers = asyncio.gather(*(database.run(insert(number)) for number in range(100)))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(blocker, callers)
        # Read through another connection while the first is open: only committed rows show.
        assert numbers_in(path) == list(range(100))
    assert sum(commits) == 101
    assert commits == [1, 100]


async def test_run__more_than_a_group__is_split(tmp_path: Path) -> None:
    commits: list[int] = []
    async with await Database.open(tmp_path / "numbers.sqlite", NUMBERS, on_commit=commits.append) as database:
        await asyncio.gather(*(database.run(insert(number)) for number in range(1200)))
    assert sum(commits) == 1200
    assert max(commits) <= 512


async def test_run__one_job_fails_in_a_group__the_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "numbers.sqlite"

    def writes_then_fails(connection: sqlite3.Connection) -> None:
        insert(99)(connection)
        raise StoreError("no")

    async with await Database.open(path, NUMBERS) as database:
        results = await asyncio.gather(
            database.run(insert(1)),
            database.run(writes_then_fails),
            database.run(insert(1)),
            database.run(insert(2**70)),
            database.run(insert(2)),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [int, StoreError, StoreError, InvalidInput, int]
    assert numbers_in(path) == [1, 2]


async def test_run__whole_transaction_rolled_back__fails_every_caller_of_the_group(tmp_path: Path) -> None:
    path = tmp_path / "numbers.sqlite"
    gate = threading.Event()

    def undo_everything(connection: sqlite3.Connection) -> None:
        # What SQLite does by itself when the disk is full.
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    async with await Database.open(path, NUMBERS) as database:
        blocker = await keep_busy(database, gate)
        callers = asyncio.gather(
            database.run(insert(1)), database.run(undo_everything), database.run(insert(2)), return_exceptions=True
        )
        await asyncio.sleep(0)
        gate.set()
        await blocker
        assert [type(result) for result in await callers] == [StoreError] * 3
        assert await database.run(insert(3)) == 1
    assert numbers_in(path) == [3]


async def test_run__caller_cancelled__leaves_the_thread_serving(tmp_path: Path) -> None:
    gate = threading.Event()
    async with await Database.open(tmp_path / "numbers.sqlite", NUMBERS) as database:
        blocker = await keep_busy(database, gate)
        cancelled = asyncio.create_task(database.run(insert(1)))
        await asyncio.sleep(0)
        cancelled.cancel()
        gate.set()
        await asyncio.gather(blocker, cancelled, return_exceptions=True)
        assert cancelled.cancelled()
        assert await database.run(insert(2)) == 1


async def test_run__writer_thread_broken__is_refused_instead_of_hanging(tmp_path: Path) -> None:
    async with await Database.open(tmp_path / "numbers.sqlite", NUMBERS) as database:
        database._jobs.put(None)
        assert database._thread is not None
        await asyncio.to_thread(database._thread.join)
        with pytest.raises(StoreError):
            await asyncio.wait_for(database.run(insert(1)), 60)


# --- who may open what ----------------------------------------------------------------------------


async def test_open__already_open__is_refused_until_closed(tmp_path: Path) -> None:
    path = tmp_path / "tickets.sqlite"
    async with await SqliteTicketStore.open(path):
        with pytest.raises(StoreError, match="already open"):
            await SqliteTicketStore.open(path)
    async with await SqliteTicketStore.open(path) as again:
        assert await again.tickets() == []


async def test_open__in_a_folder_that_others_may_read__leaves_them_no_file(tmp_path: Path) -> None:
    """A winner's recipientRand before its quote has expired; and a lock on a file takes no more than reading it."""
    before = os.umask(0)
    try:
        async with await SqliteTicketStore.open(tmp_path / "tickets.sqlite") as store:
            await store.record_payment(make_payment(make_winner(1)))
            await backup(tmp_path / "tickets.sqlite", tmp_path / "copy.sqlite")
            modes = modes_in(tmp_path)
    finally:
        os.umask(before)
    assert modes.keys() >= {"tickets.sqlite", "tickets.sqlite-wal", "tickets.sqlite.lock", "copy.sqlite"}
    assert set(modes.values()) == {0o600}, modes


async def test_open__read_only_while_its_owner_writes__sees_what_is_committed_and_writes_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tickets.sqlite"
    winner = make_winner(1)
    async with (
        await SqliteTicketStore.open(path) as owner,
        await SqliteTicketStore.open(path, read_only=True) as reader,
    ):
        await owner.record_payment(make_payment(winner))
        assert [ticket.winner for ticket in await reader.tickets()] == [winner]
        lease = await lease_of(owner)
        with pytest.raises(StoreError):
            await reader.mark([make_outcome(winner, TicketState.EXPIRED)], lease=lease)
        await owner.mark([make_outcome(winner, TicketState.PAID, 1)], lease=lease)
        assert (await reader.totals()).paid == 1


async def test_open__read_only_without_a_file__is_refused_and_creates_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        await SqliteTicketStore.open(tmp_path / "none.sqlite", read_only=True)
    assert os.listdir(tmp_path) == []


async def test_open__directory_missing__is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        await SqliteTicketStore.open(tmp_path / "none" / "tickets.sqlite")


async def test_open__the_other_kind_of_store__is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tickets.sqlite"
    await (await SqliteTicketStore.open(path)).close()
    with pytest.raises(StoreError, match="not a gateway's books"):
        await SqliteGatewayBooks.open(path)


async def test_open__somebody_elses_database__is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (n)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a ticket store"):
        await SqliteTicketStore.open(path)
    assert path.read_bytes() == before


# --- versions and corruption ----------------------------------------------------------------------


async def test_open__older_schema__is_migrated_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "numbers.sqlite"
    async with await Database.open(path, NUMBERS) as database:
        await database.run(insert(1))
    newer = Schema(
        NUMBERS.name,
        NUMBERS.application_id,
        (*NUMBERS.migrations, "ALTER TABLE numbers ADD COLUMN note TEXT NOT NULL DEFAULT 'old';"),
    )
    with pytest.raises(StoreError, match="open it once for writing"):
        await Database.open(path, newer, read_only=True)
    async with await Database.open(path, newer) as database:
        assert await database.run(lambda c: c.execute("SELECT n, note FROM numbers").fetchall()) == [(1, "old")]
        assert await database.run(lambda c: c.execute("PRAGMA user_version").fetchone()) == (2,)


async def test_open__migration_fails_halfway__leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "numbers.sqlite"
    async with await Database.open(path, NUMBERS) as database:
        await database.run(insert(1))
    broken = Schema(
        NUMBERS.name,
        NUMBERS.application_id,
        (*NUMBERS.migrations, "DELETE FROM numbers; INSERT INTO nowhere VALUES (1);"),
    )
    with pytest.raises(StoreError):
        await Database.open(path, broken)
    async with await Database.open(path, NUMBERS):
        assert numbers_in(path) == [1]


async def test_open__written_by_a_newer_version__is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tickets.sqlite"
    await (await SqliteTicketStore.open(path)).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={len(TICKET_SCHEMA.migrations) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer version") as refused:
        await SqliteTicketStore.open(path)
    assert not isinstance(refused.value, StoreCorrupt)


async def test_open__not_a_database__says_how_to_restore(tmp_path: Path) -> None:
    path = tmp_path / "tickets.sqlite"
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreCorrupt, match="restore"):
        await SqliteTicketStore.open(path)


async def test_open__damaged_pages__are_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "tickets.sqlite"
    async with await SqliteTicketStore.open(path) as store:
        await store.record_payment(make_payment(*(make_winner(number) for number in range(200))))
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt):
        await SqliteTicketStore.open(path)


async def test_books__reopened__keep_answered_and_unanswered_payments(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    async with await SqliteGatewayBooks.open(path) as books:
        await books.record_sent(make_sent(1))
        await books.record_sent(make_sent(2))
        await books.record_answer("payment-2", pixels=5, fee=Fraction(5, 7))
        totals = await books.totals()
    async with await SqliteGatewayBooks.open(path) as books:
        assert await books.totals() == totals
        await books.record_answer("payment-1", pixels=5, fee=Fraction(5, 7))
        assert {t.tickets_unanswered for t in (await books.totals()).values()} == {0}
