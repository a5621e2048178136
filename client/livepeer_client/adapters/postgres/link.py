"""One connection to PostgreSQL, opened when needed and again when lost; errors as ours."""

import asyncio
import functools
import logging
import re
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import asyncpg

from livepeer_client.adapters.sql.plan import Plan, Statement
from livepeer_client.errors import InvalidInput, StoreCorrupt, StoreError, StoreUnavailable

T = TypeVar("T")
logger = logging.getLogger(__name__)

_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg says when the connection breaks while it sends.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    OSError,
    TimeoutError,
)
"""The connection is gone, the server shuts down, has become a standby, or has no place: a new connection may do."""
_AGAIN: Final = (
    asyncpg.TransactionRollbackError,
    asyncpg.InvalidCachedStatementError,
)
"""Serialization failures, deadlocks and changed tables: the same transaction may pass at once."""
_CORRUPT: Final = frozenset({"XX001", "XX002"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the store is and how long to wait for it.

    `dsn` is libpq's, and is never logged; `namespace` the PostgreSQL schema of this store's tables. `statement_s`
    bounds each statement, `retry_s` how long a call goes on trying while the server cannot be reached.
    """

    # It holds a password.
    dsn: str = field(repr=False)
    namespace: str
    read_only: bool = False
    connect_s: float = 5.0
    statement_s: float = 10.0
    retry_s: float = 30.0

    def __post_init__(self) -> None:
        # It becomes part of statements that take no arguments.
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", self.namespace):
            raise InvalidInput(f"a namespace is lower-case letters, digits and underscores, got {self.namespace!r}")


class Lost(Exception):
    """The connection is gone, and with it whatever was not committed. `error` is why."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(str(error))


class Again(Exception):
    """The transaction was undone, through no fault of its own."""


class Link:
    """A connection for one user at a time."""

    def __init__(self, settings: Settings, *, role: str) -> None:
        self._settings = settings
        self._role = role
        self._connection: asyncpg.Connection[Any] | None = None

    @property
    def name(self) -> str:
        return f"PostgreSQL store {self._settings.namespace}"

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def execute(self, script: str) -> str:
        """Statements without arguments; the status of the last one."""
        status: str = await self._guarded(lambda connection: connection.execute(script))
        return status

    async def run(self, plan: Plan[T]) -> T:
        """Run a plan's statements inside whatever transaction is open."""
        try:
            statement = next(plan)
            while True:
                statement = plan.send(await self.fetch(statement))
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            plan.close()

    async def fetch(self, statement: Statement) -> list[Any]:
        sql = _numbered(statement.sql) + statement.lock.value
        rows: list[Any] = await self._guarded(lambda connection: connection.fetch(sql, *statement.args))
        return rows

    async def drop(self) -> None:
        """Forget the connection, so that the server undoes what is open on it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=self._settings.connect_s)
            except _LOST:
                connection.terminate()

    async def _guarded(self, call: Any) -> Any:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            return await call(self._connection)
        except asyncio.CancelledError:
            await self.drop()
            raise
        except (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError) as error:
            raise StoreUnavailable(
                f"{self.name}: no answer in {self._settings.statement_s:g} s: {_said(error)}"
            ) from error
        except _AGAIN as error:
            raise Again(_said(error)) from error
        except asyncpg.ReadOnlySQLTransactionError as error:
            if self._settings.read_only:
                raise StoreError(f"{self.name} was opened for reading") from error
            await self.drop()
            raise Lost(error) from error
        except (asyncpg.DataError, ValueError, OverflowError) as error:
            raise InvalidInput(f"a value does not fit its column: {error}") from error
        except _LOST as error:
            await self.drop()
            raise Lost(error) from error
        except asyncpg.PostgresError as error:
            if error.sqlstate in _CORRUPT:
                raise StoreCorrupt(
                    f"{self.name} is corrupt ({_said(error)}). Stop the nodes and restore a backup"
                ) from error
            # Its details may quote a row, and rows hold secrets.
            raise StoreError(f"{self.name}: {_said(error)} (SQLSTATE {error.sqlstate})") from None

    async def _connect(self) -> "asyncpg.Connection[Any]":
        settings = self._settings
        milliseconds = str(int(settings.statement_s * 1000))
        try:
            return await asyncpg.connect(
                settings.dsn,
                timeout=settings.connect_s,
                # For a server that is gone without a word; a living one ends the statement itself, a little earlier.
                command_timeout=settings.statement_s + 2,
                server_settings={
                    "application_name": f"livepeer {self._role}",
                    "search_path": settings.namespace,
                    "synchronous_commit": "on",
                    "default_transaction_isolation": "read committed",
                    "default_transaction_read_only": "on" if settings.read_only else "off",
                    "statement_timeout": milliseconds,
                    "lock_timeout": milliseconds,
                    "idle_in_transaction_session_timeout": milliseconds,
                },
            )
        except ssl.SSLCertVerificationError as error:
            raise StoreError(f"{self.name}: {error}") from error
        except ValueError:
            # The driver quotes the part of the URL that it cannot read, which may be a part of the password.
            raise InvalidInput(
                f"{self.name}: its URL cannot be read; in a password write /, ?, # and @ as %2F, %3F, %23 and %40"
            ) from None


class Patience:
    """How long to go on: raises `StoreUnavailable` when it is over, otherwise waits a little longer each time."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._until = time.monotonic() + settings.retry_s
        self._pause = 0.02

    async def wait(self, error: BaseException) -> None:
        if time.monotonic() + self._pause > self._until:
            raise StoreUnavailable(f"{self._name} is not reachable: {error}") from error
        logger.warning("%s: %s; trying again", self._name, type(error).__name__)
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, 1.0)


def _said(error: asyncpg.PostgresError) -> str:
    """What the server says, without the details."""
    return str(error.args[0]) if error.args else type(error).__name__


@functools.lru_cache(maxsize=512)
def _numbered(sql: str) -> str:
    """`?` as `$1`, `$2`, ...; no statement has one in a literal."""
    parts = sql.split("?")
    return parts[0] + "".join(f"${number}{part}" for number, part in enumerate(parts[1:], start=1))
