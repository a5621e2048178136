"""What only the stores in PostgreSQL promise: several processes, lost connections, a server that restarts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import asyncpg
import pytest

from livepeer_client.adapters.postgres import PostgresGatewayBooks, PostgresTicketStore
from livepeer_client.adapters.postgres.link import Link, Lost, Settings
from livepeer_client.adapters.sql.plan import Statement
from livepeer_client.errors import InvalidInput, LeaseLost, NoncesSeen, StoreError, StoreUnavailable
from livepeer_client.facts import Debit, ReceivedNonces
from livepeer_client.types import BlockNumber, Hash32
from tests.client.adapters.stored_values import (
    EXPECTED_VALUE,
    SENDER,
    lease_of,
    make_batch,
    make_payment,
    make_winner,
)
from tests.support.postgres import TABLES, Server, new_namespace
from tests.support.store_story import Story

QUOTE = Hash32(bytes([1] * 32))


@pytest.fixture
async def namespace(postgres_server: Server) -> AsyncIterator[str]:
    async with new_namespace(postgres_server) as name:
        yield name


async def admin(server: Server, *statements: str, namespace: str = "public") -> list[Any]:
    connection = await asyncpg.connect(server.dsn, server_settings={"search_path": namespace})
    try:
        rows: list[Any] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


# --- who may open what ----------------------------------------------------------------------------


async def test_open__by_many_processes_at_once__makes_the_tables_once(postgres_server: Server, namespace: str) -> None:
    stores = await asyncio.gather(
        *(PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) for _ in range(5))
    )
    await stores[0].record_payment(make_payment(make_winner(1)))
    assert [len(await store.tickets()) for store in stores] == [1] * 5
    await asyncio.gather(*(store.close() for store in stores))


async def test_open__newer_schema_other_kind_or_foreign_tables__is_refused(
    postgres_server: Server, namespace: str
) -> None:
    dsn = postgres_server.dsn
    await (await PostgresTicketStore.open(dsn, namespace=namespace)).close()
    with pytest.raises(StoreError, match="not a gateway's books"):
        await PostgresGatewayBooks.open(dsn, namespace=namespace)
    await admin(postgres_server, "UPDATE store_schema SET version = version + 1", namespace=namespace)
    with pytest.raises(StoreError, match="newer version"):
        await PostgresTicketStore.open(dsn, namespace=namespace)
    await admin(postgres_server, "DROP TABLE store_schema", namespace=namespace)
    with pytest.raises(StoreError, match="somebody else"):
        await PostgresTicketStore.open(dsn, namespace=namespace)


async def test_open__read_only__sees_and_changes_nothing(postgres_server: Server, namespace: str) -> None:
    with pytest.raises(StoreError):
        await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace, read_only=True)
    assert await admin(postgres_server, f"SELECT 1 FROM pg_namespace WHERE nspname = '{namespace}'") == []
    async with (
        await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) as owner,
        await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace, read_only=True) as reader,
    ):
        await owner.record_payment(make_payment(make_winner(1)))
        assert len(await reader.tickets()) == 1
        with pytest.raises(StoreError):
            await reader.record_payment(make_payment(make_winner(2)))
        assert len(await owner.tickets()) == 1


@pytest.mark.parametrize("name", ["", "Upper", "a-b", "a; DROP SCHEMA public", "1a", "a" * 64])
async def test_open__namespace_that_is_no_plain_name__is_invalid(name: str) -> None:
    with pytest.raises(InvalidInput):
        await PostgresTicketStore.open("postgresql://nobody@/nothing", namespace=name)


async def test_open__nobody_answers__is_unavailable_in_time_and_names_no_password(caplog: Any) -> None:
    with pytest.raises(StoreUnavailable) as refused:
        await PostgresTicketStore.open("postgresql://me:s3cret@127.0.0.1:1/db", connect_s=0.5, retry_s=0.2)
    assert refused.value.retryable
    assert "s3cret" not in str(refused.value) + caplog.text


# --- shared commits -------------------------------------------------------------------------------


async def test_write__hundred_callers_at_once__share_commits(postgres_server: Server, namespace: str) -> None:
    commits: list[int] = []
    async with await PostgresTicketStore.open(
        postgres_server.dsn, namespace=namespace, on_commit=commits.append
    ) as store:
        await asyncio.gather(*(store.record_payment(make_payment(make_winner(number))) for number in range(100)))
        assert sum(commits) == 100
        assert len(commits) <= 3
        assert (await store.totals()).expected_value_credited == 300 * EXPECTED_VALUE


async def test_write__one_caller_of_a_group_fails__the_others_are_kept(postgres_server: Server, namespace: str) -> None:
    async with await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) as store:
        results = await asyncio.gather(
            store.record_payment(make_payment(make_winner(1))),
            store.record_payment(make_payment(make_winner(2), session_id="\x00")),
            store.hold([make_winner(9).ticket.hash], "unknown"),
            store.record_debit(Debit(SENDER, "session", 1, 2**70, Fraction(1))),
            store.record_payment(make_payment(make_winner(3))),
            return_exceptions=True,
        )
        assert [isinstance(result, Exception) for result in results] == [False, True, True, True, False]
        assert isinstance(results[1], InvalidInput)
        assert isinstance(results[3], InvalidInput)
        assert [ticket.winner for ticket in await store.tickets()] == [make_winner(1), make_winner(3)]
        assert (await store.totals()).payments == 2


async def test_write__two_processes_on_the_same_sessions__add_up_exactly(
    postgres_server: Server, namespace: str
) -> None:
    stores = [await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) for _ in range(2)]
    # The sessions exist, so that nobody waits for a row that another one is about to insert.
    for session in range(3):
        await stores[0].record_payment(make_payment(session_id=str(session)))

    async def work(store: PostgresTicketStore, caller: int) -> None:
        for number in range(20):
            session = str((caller + number) % 3)
            await store.record_payment(make_payment(session_id=session))
            await store.record_debit(Debit(SENDER, session, number, 1, Fraction(1, 3)))

    await asyncio.gather(*(work(store, caller) for store in stores for caller in range(3)))
    totals = await stores[0].totals()
    assert (totals.payments, totals.segments) == (123, 120)
    assert totals.expected_value_credited == 3 * 123 * EXPECTED_VALUE
    assert totals.fees_debited == 40
    await asyncio.gather(*(store.close() for store in stores))


async def test_record_payment__same_nonces_at_two_nodes__are_credited_once(
    postgres_server: Server, namespace: str
) -> None:
    stores = [await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) for _ in range(2)]
    for first in range(0, 60, 3):
        nonces = ReceivedNonces(QUOTE, BlockNumber(100), (first, first + 1, first + 2))
        payment = replace(make_payment(make_winner(first)), nonces=nonces)
        results = await asyncio.gather(*(store.record_payment(payment) for store in stores), return_exceptions=True)
        assert sorted(isinstance(result, NoncesSeen) for result in results) == [False, True]
    assert (await stores[0].totals()).payments == 20
    assert await stores[1].nonces(QUOTE) == set(range(60))
    await asyncio.gather(*(store.close() for store in stores))


# --- lost connections -----------------------------------------------------------------------------


class Faults:
    """Cuts the connection at one statement: before it is sent, or after it was executed and before its answer."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.at = at
        self.after = after
        self.seen: list[str] = []

    async def around(self, link: Link, sql: str, call: Callable[[], Awaitable[Any]]) -> Any:
        mine = len(self.seen) == self.at
        self.seen.append(sql)
        if mine and not self.after:
            await link.drop()
            raise Lost(ConnectionError("cut before"))
        answer = await call()
        if mine:
            await link.drop()
            raise Lost(ConnectionError("cut after"))
        return answer


class CutLink(Link):
    def __init__(self, settings: Settings, faults: Faults) -> None:
        super().__init__(settings, role="tester")
        self.faults = faults

    async def execute(self, script: str) -> str:
        parent = super()
        status: str = await self.faults.around(self, script, lambda: parent.execute(script))
        return status

    async def fetch(self, statement: Statement) -> list[Any]:
        parent = super()
        rows: list[Any] = await self.faults.around(self, statement.sql, lambda: parent.fetch(statement))
        return rows


async def test_write__connection_cut_at_every_statement__happens_exactly_once(
    postgres_server: Server, namespace: str
) -> None:
    async with await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) as store:
        # The first write comes after the writer's own housekeeping, so its connection can be exchanged then.
        await store.forget_nonces(BlockNumber(0))
        database: Any = store._database
        await database._writer.close()
        link = database._writer = CutLink(Settings(postgres_server.dsn, namespace), Faults())

        async def told_with(faults: Faults) -> object:
            """The ending of the story on emptied tables."""
            link.faults = Faults()
            for table in TABLES:
                await link.execute(f"DELETE FROM {table}")
            link.faults = faults
            story = Story(store)
            await story.tell()
            return await story.ending()

        uncut = Faults()
        expected = await told_with(uncut)
        commits = [at for at, sql in enumerate(uncut.seen) if sql == "COMMIT"]
        assert len(commits) == 20
        # After any statement but a commit the server knows no more than before the next one.
        cuts = [(at, False) for at in range(len(uncut.seen))] + [(at, True) for at in commits]
        for at, after in cuts:
            faults = Faults(at, after=after)
            assert await told_with(faults) == expected, f"cut {'after' if after else 'before'} {uncut.seen[at]}"
            assert len(faults.seen) > len(uncut.seen)
        print(f"{len(cuts)} cuts")


async def test_write__backend_terminated_by_an_operator__goes_on(postgres_server: Server, namespace: str) -> None:
    async with await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) as store:
        for number in range(5):
            await store.record_payment(make_payment(make_winner(number)))
            assert len(await store.tickets()) == number + 1
            await admin(
                postgres_server,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'livepeer %'",
            )
        assert (await store.totals()).payments == 5


async def test_write__server_killed_and_restarted_under_load__loses_and_doubles_nothing(
    postgres_server: Server, namespace: str
) -> None:
    async with await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) as store:
        acknowledged: list[int] = []
        busy = asyncio.Event()

        async def pay(numbers: range) -> None:
            for number in numbers:
                await store.record_payment(make_payment(make_winner(number)))
                acknowledged.append(number)
                if len(acknowledged) == 100:
                    busy.set()

        async with asyncio.TaskGroup() as group:
            for start in range(0, 400, 40):
                group.create_task(pay(range(start, start + 40)))
            await busy.wait()
            before = len(acknowledged)
            await asyncio.to_thread(postgres_server.restart)
            assert before < 400
        totals = await store.totals()
        assert (totals.payments, totals.winners) == (400, 400)
        assert totals.expected_value_credited == 1200 * EXPECTED_VALUE


async def test_write__row_locked_by_somebody__is_unavailable_after_its_time_and_changes_nothing(
    postgres_server: Server, namespace: str
) -> None:
    async with await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace, statement_s=2) as store:
        await store.record_payment(make_payment())
        blocker = await asyncpg.connect(postgres_server.dsn, server_settings={"search_path": namespace})
        try:
            await blocker.execute("BEGIN; SELECT * FROM sessions FOR UPDATE")
            with pytest.raises(StoreUnavailable):
                await store.record_payment(make_payment(make_winner(1)))
            # The session in use is not written off, and nobody waits for it.
            assert await asyncio.wait_for(store.write_off_idle(-1), 60) == []
        finally:
            await blocker.close()
        assert await store.tickets() == []
        await store.record_payment(make_payment(make_winner(1)))


async def test_lease__taken_over_by_another_process__fences_the_first(postgres_server: Server, namespace: str) -> None:
    one, two = [await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) for _ in range(2)]
    winner = make_winner(1)
    await one.record_payment(make_payment(winner))
    stale = await lease_of(one)
    newest = await lease_of(two)
    with pytest.raises(LeaseLost):
        await one.begin_batch(make_batch(1, winner), lease=stale)
    await two.begin_batch(make_batch(1, winner), lease=newest)
    await asyncio.gather(one.close(), two.close())


async def test_close__with_calls_waiting__finishes_them_and_refuses_later_ones(
    postgres_server: Server, namespace: str
) -> None:
    store = await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace)
    calls = [asyncio.create_task(store.record_payment(make_payment(make_winner(number)))) for number in range(5)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*calls)
    with pytest.raises(StoreError):
        await store.record_payment(make_payment())
    assert (await admin(postgres_server, "SELECT count(*) FROM winners", namespace=namespace))[0][0] == 5


# --- what is not told -----------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["hunter2/x", "hunter2#x", "hunter2?x=1", "hunter2/x,y"])
async def test_open__a_url_that_cannot_be_read__is_refused_without_showing_it(password: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await PostgresTicketStore.open(f"postgresql://node:{password}@localhost/db", connect_s=1, retry_s=0.1)
    assert "hunter2" not in str(caught.value)
    assert "%2F" in str(caught.value)


async def test_fetch__a_row_that_breaks_a_rule__is_refused_without_quoting_it(
    postgres_server: Server, namespace: str
) -> None:
    await admin(
        postgres_server,
        f"CREATE SCHEMA {namespace}",
        f"CREATE TABLE {namespace}.secrets (word text CHECK (length(word) < 3))",
    )
    link = Link(Settings(postgres_server.dsn, namespace), role="test")
    with pytest.raises(StoreError) as caught:
        await link.fetch(Statement("INSERT INTO secrets (word) VALUES (?)", ("hunter2",)))
    await link.close()
    assert "23514" in str(caught.value)
    assert "hunter2" not in str(caught.value)
