"""Plans: the statements of one transaction, with the decisions between them (see the package).

The SQL is what SQLite and PostgreSQL have in common: `?` for arguments, `ON CONFLICT`, `RETURNING`, and `now_s()`,
Unix seconds by the store's clock, which both databases are given as a function.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
Row: TypeAlias = Sequence[Any]


class Lock(Enum):
    """What a SELECT keeps others from doing to its rows until the transaction ends. SQLite has one writer anyway."""

    NONE = ""
    SHARE = " FOR SHARE"
    UPDATE = " FOR UPDATE"
    SKIP = " FOR UPDATE SKIP LOCKED"
    """Leaves out rows that somebody else has locked."""


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    args: tuple[Any, ...] = ()
    lock: Lock = Lock.NONE


Plan: TypeAlias = Generator[Statement, Sequence[Row], T]
"""Yields statements, is sent their rows, returns the result. What it raises undoes all it did."""


class Database(Protocol):
    """Runs plans, each in a transaction that is durable when the call returns."""

    async def write(self, plan: Callable[[], Plan[T]], *, order: tuple[Any, ...] = ()) -> T:
        """`plan` makes the generator, anew for every attempt. Plans that share a transaction run in the order of
        `order`, so that two processes lock the same rows in the same order.

        :raises StoreError: closed, or the database failed; `StoreCorrupt` if it cannot be trusted.
        """

    async def read(self, plan: Callable[[], Plan[T]]) -> T:
        """As `write`, for plans that change nothing: one consistent view."""

    async def close(self) -> None: ...


def query(sql: str, *args: Any, lock: Lock = Lock.NONE) -> Plan[Sequence[Row]]:
    """`rows = yield from query("SELECT ...", argument)`."""
    return (yield Statement(sql, args, lock))


def query_one(sql: str, *args: Any, lock: Lock = Lock.NONE) -> Plan[Row | None]:
    rows = yield from query(sql, *args, lock=lock)
    return rows[0] if rows else None


def marks(count: int) -> str:
    """`?, ?, ?`"""
    return ", ".join("?" * count)


def insert_rows(before: str, rows: Sequence[tuple[Any, ...]], after: str = "", constant: str = "") -> Plan[list[Row]]:
    """`before` VALUES (...), (...) `after`, in as few statements as the databases' limit on arguments allows.

    `constant` ends each row, such as `, 0`.
    """
    found: list[Row] = []
    if not rows:
        return found
    width = len(rows[0])
    for part in _parts(rows, 30_000 // width):
        values = ", ".join([f"({marks(width)}{constant})"] * len(part))
        found += yield from query(f"{before} VALUES {values} {after}", *(value for row in part for value in row))
    return found


def select_in(before: str, keys: Sequence[Any], after: str = "", lock: Lock = Lock.NONE) -> Plan[list[Row]]:
    """`before` IN (...) `after`, over as many statements as needed."""
    found: list[Row] = []
    for part in _parts(keys, 30_000):
        found += yield from query(f"{before} IN ({marks(len(part))}) {after}", *part, lock=lock)
    return found


def _parts(rows: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
