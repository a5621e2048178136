"""One thread that owns a SQLite connection and commits for everybody at once.

Callers hand in functions of the connection. The thread takes all that wait, at most `GROUP_LIMIT`, runs them in one
transaction, commits, and only then answers them. Syncing the disk once for many callers is what makes
`synchronous=FULL` affordable: 5 to 30 times the rows per second of a commit each. Reads take the same way, so they see
every write acknowledged before them and no connection is shared between threads.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Self, TypeVar

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.sql.plan import Plan
from livepeer_client.adapters.sqlite.schema import Schema, open_connection, translate
from livepeer_client.errors import InvalidInput, LivepeerError, StoreError
from livepeer_client.ports import Clock

T = TypeVar("T")
GROUP_LIMIT: Final = 512
"""Jobs in one transaction."""


def run_plan(connection: sqlite3.Connection, plan: Plan[T]) -> T:
    """Run a plan's statements on `connection`, inside whatever transaction is open."""
    try:
        statement = next(plan)
        while True:
            statement = plan.send(connection.execute(statement.sql, statement.args).fetchall())
    except StopIteration as done:
        result: T = done.value
        return result


@dataclass(slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Database:
    """A SQLite file with its writer thread. Open it with `await Database.open(...)`; close it, or use `async with`."""

    def __init__(
        self, path: Path, schema: Schema, *, read_only: bool, clock: Clock, on_commit: Callable[[int], None] | None
    ) -> None:
        self.path = path
        self._clock = clock
        self._schema = schema
        self._read_only = read_only
        self._on_commit = on_commit
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing: asyncio.Future[Any] | None = None
        self._stopped = False

    @classmethod
    async def open(
        cls,
        path: str | Path,
        schema: Schema,
        *,
        read_only: bool = False,
        clock: Clock | None = None,
        on_commit: Callable[[int], None] | None = None,
    ) -> Self:
        """Open or create the file and bring it to the newest schema.

        `clock` is the one that rows are dated and leases expire by.

        `read_only` looks at an existing file while its owner may be running; without it the file is ours alone until
        closed. `on_commit` is told, in the writer thread, how many jobs each commit made durable.

        :raises StoreError: not such a store, written by a newer version, or open elsewhere.
        :raises StoreCorrupt: the file cannot be trusted.
        """
        database = cls(Path(path), schema, read_only=read_only, clock=clock or SystemClock(), on_commit=on_commit)
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Any] = loop.create_future()
        # A daemon, so that a store somebody forgot to close cannot keep the process alive: nothing unacknowledged
        # is lost that was not lost anyway.
        database._thread = threading.Thread(
            target=database._serve, args=(loop, opened), name=f"sqlite {database.path.name}", daemon=True
        )
        database._thread.start()
        try:
            await asyncio.shield(opened)
        except asyncio.CancelledError:
            database._jobs.put(None)
            raise
        return database

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the writer thread, inside a transaction, and return after it is committed.

        What `work` raises undoes what it wrote, and nothing else. A caller cancelled while waiting does not learn
        whether it was committed.

        :raises StoreError: closed, or SQLite failed; `StoreCorrupt` if the file cannot be trusted.
        """
        if self._closing is not None:
            raise StoreError(f"{self.path} is closed")
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        self._jobs.put(job)
        if self._stopped:
            # The thread ended on a failure; nobody would ever take the job.
            self._refuse_waiting()
        result: T = await job.future
        return result

    async def write(self, plan: Callable[[], Plan[T]], *, order: tuple[Any, ...] = ()) -> T:
        """`run` for a plan of statements; with one writer nobody else's order matters."""
        return await self.run(lambda connection: run_plan(connection, plan()))

    async def read(self, plan: Callable[[], Plan[T]]) -> T:
        return await self.write(plan)

    async def close(self) -> None:
        """Finish what was handed in, then close the file. Closing twice is harmless."""
        if self._closing is None:
            thread = self._thread
            self._jobs.put(None)
            self._closing = asyncio.ensure_future(asyncio.to_thread(thread.join if thread else lambda: None))
        await asyncio.shield(self._closing)

    # --- the writer thread ------------------------------------------------------------------------

    def _serve(self, loop: asyncio.AbstractEventLoop, opened: asyncio.Future[Any]) -> None:
        try:
            connection, lock = open_connection(self.path, self._schema, read_only=self._read_only, now=self._clock.time)
        except LivepeerError as error:
            self._answer(loop, [(opened, None, error)])
            return
        self._answer(loop, [(opened, None, None)])
        try:
            while jobs := self._take():
                try:
                    self._commit(connection, jobs)
                finally:
                    # Answered even if the connection broke down: a caller left waiting would wait for ever.
                    self._resolve(jobs)
        finally:
            self._stopped = True
            self._refuse_waiting()
            connection.close()
            if lock is not None:
                lock.close()

    def _refuse_waiting(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is not None:
                job.error = StoreError(f"{self.path} is closed")
                self._resolve([job])

    def _take(self) -> list[_Job]:
        """Everything that waits, at least one; nothing once it is time to close."""
        first = self._jobs.get()
        if first is None:
            return []
        jobs = [first]
        while len(jobs) < GROUP_LIMIT:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is None:
                # Seen again after this group.
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _commit(self, connection: sqlite3.Connection, jobs: Sequence[_Job]) -> None:
        try:
            connection.execute("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
            for job in jobs:
                self._run_one(connection, job)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            for job in jobs:
                job.error = job.error or translate(error, self.path)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return
        if self._on_commit is not None:
            self._on_commit(len(jobs))

    def _run_one(self, connection: sqlite3.Connection, job: _Job) -> None:
        connection.execute("SAVEPOINT job")
        try:
            job.result = job.work(connection)
        except Exception as error:
            # Whatever it is, it goes to this caller alone: the thread serves the others.
            job.error = self._as_ours(error)
            if not connection.in_transaction:
                # A full disk and the like make SQLite undo the whole transaction, so the whole group has failed.
                raise sqlite3.OperationalError(f"transaction rolled back: {error}") from error
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")

    def _as_ours(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error):
            return translate(error, self.path)
        if isinstance(error, OverflowError | UnicodeError):
            return InvalidInput(f"a value does not fit its column: {error}")
        return error

    def _resolve(self, jobs: Sequence[_Job]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any, BaseException | None]]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append((job.future, job.result, job.error))
        for loop, answers in by_loop.items():
            self._answer(loop, answers)

    @staticmethod
    def _answer(
        loop: asyncio.AbstractEventLoop, answers: Sequence[tuple[asyncio.Future[Any], Any, BaseException | None]]
    ) -> None:
        def deliver() -> None:
            for future, result, error in answers:
                if future.done():
                    continue
                if error is not None:
                    future.set_exception(error)
                else:
                    future.set_result(result)

        try:
            loop.call_soon_threadsafe(deliver)
        except RuntimeError:
            # The caller's event loop is closed: it was stopped without waiting, and nobody is there to tell.
            return
