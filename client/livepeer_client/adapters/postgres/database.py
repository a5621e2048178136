"""One task that writes for everybody at once, and a connection for reads (`sql.plan.Database`).

Callers hand in plans. The task takes all that wait, at most `GROUP_LIMIT`, runs them in one transaction, commits, and
only then answers them. If one of them fails the group is undone and each is run alone, so that what one caller did
wrong is his alone.

A commit whose answer is lost with the connection may or may not have happened. Every transaction therefore first
inserts a number of its own into `commits`; repeated on a new connection, that insert waits for the old transaction's
end, and finds the number there if, and only if, it was committed.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from livepeer_client.adapters.postgres.link import Again, Link, Lost, Patience, Settings
from livepeer_client.adapters.postgres.schema import Schema, migrate
from livepeer_client.adapters.sql.plan import Plan
from livepeer_client.errors import LivepeerError, StoreError, StoreUnavailable

T = TypeVar("T")
logger = logging.getLogger(__name__)
GROUP_LIMIT: Final = 256
"""Plans in one transaction."""
_ATTEMPTS: Final = 50
"""How often a transaction that the server undid for the sake of others is tried again."""
_COMMITS_KEPT_S: Final = 24 * 3600


@dataclass(slots=True)
class _Job:
    plan: Callable[[], Plan[Any]]
    order: tuple[Any, ...]
    future: asyncio.Future[Any]


class PostgresDatabase:
    """A namespace of a PostgreSQL database. Open it with `await PostgresDatabase.open(...)`; close it after."""

    def __init__(self, settings: Settings, on_commit: Callable[[int], None] | None) -> None:
        self._settings = settings
        self._on_commit = on_commit
        self._writer = Link(settings, role="writer")
        self._reader = Link(settings, role="reader")
        self._reading = asyncio.Lock()
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def open(cls, settings: Settings, schema: Schema, *, on_commit: Callable[[int], None] | None = None) -> Self:
        """Connect and bring the namespace to the newest schema; other processes may have it open.

        `on_commit` is told how many plans each commit made durable.

        :raises StoreError: another kind of store, a newer one, or the server refuses us.
        :raises StoreUnavailable: no server answers.
        """
        database = cls(settings, on_commit)
        patience = Patience(settings, database._writer.name)
        while True:
            try:
                await migrate(database._writer, schema, settings)
                break
            except (Lost, Again) as error:
                await patience.wait(error)
            except BaseException:
                await database._writer.close()
                raise
        database._task = asyncio.create_task(database._serve(), name=f"{database._writer.name} writer")
        return database

    async def write(self, plan: Callable[[], Plan[T]], *, order: tuple[Any, ...] = ()) -> T:
        """See `sql.plan.Database`. A caller cancelled while waiting does not learn whether it was committed.

        :raises StoreUnavailable: the server did not answer in time; what was asked may or may not have been done.
        """
        if self._closed or self._task is None or self._task.done():
            raise StoreError(f"{self._writer.name} is closed")
        job = _Job(plan, order, asyncio.get_running_loop().create_future())
        self._jobs.put_nowait(job)
        result: T = await job.future
        return result

    async def read(self, plan: Callable[[], Plan[T]]) -> T:
        if self._closed:
            raise StoreError(f"{self._writer.name} is closed")
        patience = Patience(self._settings, self._reader.name)
        while True:
            try:
                async with self._reading:
                    await self._reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    try:
                        return await self._reader.run(plan())
                    finally:
                        await _rollback(self._reader)
            except (Lost, Again) as error:
                await patience.wait(error)

    async def close(self) -> None:
        """Finish what was handed in, then disconnect. Closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._jobs.put_nowait(None)
        if self._task is not None:
            await asyncio.shield(self._task)
        async with self._reading:
            await self._reader.close()

    # --- the writer -------------------------------------------------------------------------------

    async def _serve(self) -> None:
        try:
            await self._forget_commits()
            while jobs := await self._take():
                await self._commit(jobs)
        finally:
            self._closed = True
            await self._writer.close()
            while not self._jobs.empty():
                job = self._jobs.get_nowait()
                if job is not None:
                    _fail([job], StoreError(f"{self._writer.name} is closed"))

    async def _take(self) -> list[_Job]:
        """Everything that waits, at least one; nothing once it is time to close."""
        first = await self._jobs.get()
        if first is None:
            return []
        jobs = [first]
        while len(jobs) < GROUP_LIMIT and not self._jobs.empty():
            job = self._jobs.get_nowait()
            if job is None:
                # Seen again after this group.
                self._jobs.put_nowait(None)
                break
            jobs.append(job)
        return sorted(jobs, key=lambda job: job.order)

    async def _commit(self, jobs: Sequence[_Job]) -> None:
        try:
            results = await self._transaction(jobs)
        except asyncio.CancelledError:
            _fail(jobs, StoreError(f"{self._writer.name} is closed"))
            raise
        except StoreUnavailable as error:
            _fail(jobs, error)
        except LivepeerError as error:
            await self._commit_apart(jobs, error)
        except Exception as error:
            logger.exception("%s: a plan failed", self._writer.name)
            await self._commit_apart(jobs, error)
        else:
            if self._on_commit is not None:
                self._on_commit(len(jobs))
            for job, result in zip(jobs, results, strict=True):
                if not job.future.done():
                    job.future.set_result(result)

    async def _commit_apart(self, jobs: Sequence[_Job], error: Exception) -> None:
        if len(jobs) == 1:
            _fail(jobs, error)
        else:
            for job in jobs:
                await self._commit([job])

    async def _transaction(self, jobs: Sequence[_Job]) -> list[Any]:
        """Run and commit, through lost connections and deadlocks; what a plan raises undoes all of them."""
        number = secrets.token_hex(16)
        begin = (
            f"BEGIN; INSERT INTO commits (number, committed_at) VALUES ('\\x{number}', now_s()) "  # noqa: S608 - hex
            "ON CONFLICT (number) DO NOTHING"
        )
        patience = Patience(self._settings, self._writer.name)
        results: list[Any] | None = None
        attempts = 0
        while True:
            try:
                if await self._writer.execute(begin) == "INSERT 0 0":
                    # The answer to a former attempt's commit was lost, but not the commit.
                    assert results is not None
                    await self._writer.execute("ROLLBACK")
                    return results
                results = [await self._writer.run(job.plan()) for job in jobs]
                await self._writer.execute("COMMIT")
                return results
            except Lost as lost:
                await patience.wait(lost.error)
            except Again as error:
                attempts += 1
                await _rollback(self._writer)
                if attempts == _ATTEMPTS:
                    raise StoreUnavailable(f"{self._writer.name}: {error}") from error
                await asyncio.sleep(secrets.randbelow(10) * 0.001)
            except BaseException:
                await _rollback(self._writer)
                raise

    async def _forget_commits(self) -> None:
        """Numbers of transactions that nobody can ask about any more."""
        if self._settings.read_only:
            return
        try:
            await self._writer.execute(
                "DELETE FROM commits WHERE number IN (SELECT number FROM commits "  # noqa: S608 - a number of ours
                f"WHERE committed_at < now_s() - {_COMMITS_KEPT_S} FOR UPDATE SKIP LOCKED)"
            )
        except (Lost, Again, LivepeerError):
            await self._writer.drop()


async def _rollback(link: Link) -> None:
    """Undo what is open; without its connection a transaction is undone as well."""
    if link.connected:
        try:
            await link.execute("ROLLBACK")
        except (Lost, Again, LivepeerError):
            await link.drop()


def _fail(jobs: Sequence[_Job], error: Exception) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error)
