"""Opening a store's file: who may, what is in it, and bringing it up to date.

Every kind of store has an application id and a list of migrations; the file's `user_version` is how many of them ran.
"""

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from livepeer_client.errors import StoreCorrupt, StoreError

_OLDEST_SQLITE: Final = (3, 37, 0)
"""The first with STRICT tables."""
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


Migration: TypeAlias = str | tuple[str, Callable[[sqlite3.Connection], None]]
"""SQL, and what SQL cannot say after it."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A kind of store: its name, its SQLite application id, and its migrations, oldest first, never edited."""

    name: str
    application_id: int
    migrations: tuple[Migration, ...]


def translate(error: sqlite3.Error, path: Path) -> StoreError:
    """SQLite's error as one of ours."""
    # The low byte is the primary code; the rest refines it.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _CORRUPT:
        return _corrupt(path, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"{path} is in use by another process: {error}")
    return StoreError(f"{path}: {error}")


def open_connection(
    path: Path, schema: Schema, *, read_only: bool, now: Callable[[], float]
) -> tuple[sqlite3.Connection, sqlite3.Connection | None]:
    """The connection, and for a writer the lock that keeps every other writer out until it is closed.

    SQL sees `now`, Unix seconds, as the function `now_s()`.

    :raises StoreError: missing, of another kind, newer than this library, or open elsewhere.
    :raises StoreCorrupt: the file cannot be trusted.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(f"SQLite 3.37 or newer is needed, this Python has {sqlite3.sqlite_version}")
    if read_only and not path.is_file():
        raise StoreError(f"{path} does not exist")
    lock = None if read_only else _lock(path)
    connection = None
    try:
        if not read_only:
            make_private(path)
        connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
        connection.create_function("now_s", 0, now)
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        _check(connection, path)
        version = _version(connection, path, schema)
        # Only now that the file is known to be ours may anything in it change.
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            _migrate(connection, schema, version)
            # Not before: a migration may replace a table that others refer to.
            connection.execute("PRAGMA foreign_keys=ON")
        elif version < len(schema.migrations):
            raise StoreError(f"{path} has schema {version}, needs {len(schema.migrations)}: open it once for writing")
    except (sqlite3.Error, StoreError) as error:
        for opened in (connection, lock):
            if opened is not None:
                opened.close()
        if isinstance(error, sqlite3.Error):
            raise translate(error, path) from error
        raise
    return connection, lock


def make_private(path: Path) -> None:
    """If there is no such file, make an empty one that is its user's alone, whatever folder it is in: SQLite would let
    others read it, and gives the files beside it the same mode.

    One that exists is not touched, and the new one is closed before it has that name: to close a file ends this
    process's locks on it.
    """
    # What keeps it from being made, SQLite tells in its own words.
    with contextlib.suppress(OSError):
        if path.exists():
            return
        # Mode 0600.
        descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
        try:
            os.link(made, path)
        finally:
            os.unlink(made)


def _lock(path: Path) -> sqlite3.Connection:
    """Exclusive ownership of the file, given up by the kernel if the process is killed.

    An open exclusive transaction on an empty database beside it: SQLite's own locking, so it works wherever SQLite
    does, and readers of the store itself are not kept out.
    """
    lock, beside = None, path.with_name(path.name + ".lock")
    try:
        # Whoever may read it could hold its lock.
        make_private(beside)
        lock = sqlite3.connect(beside, timeout=0, isolation_level=None, check_same_thread=False)
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        if lock is None:
            raise StoreError(f"{path}: {error}") from error
        lock.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise StoreError(f"{path} is already open, here or in another process") from error
        raise StoreError(f"{path}: {error}") from error
    return lock


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Look at every page once; what is wrong should be found before money is counted on it."""
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise _corrupt(path, str(verdict))


def _corrupt(path: Path, detail: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"{path} is corrupt ({detail}). Stop the node, set {path.name} and its -wal and -shm aside, and restore a "
        f'backup; without one, `sqlite3 {path.name} ".recover" | sqlite3 new.sqlite` saves what is readable'
    )


def _version(connection: sqlite3.Connection, path: Path, schema: Schema) -> int:
    """How many migrations ran in this file.

    :raises StoreError: another kind of file, or a newer one.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    new = (version, application_id, tables) == (0, 0, 0)
    if application_id != schema.application_id and not new:
        raise StoreError(f"{path} is not a {schema.name}")
    known = len(schema.migrations)
    if version > known:
        raise StoreError(
            f"{path} was written by a newer version of this library (schema {version}, known up to {known}): update it"
        )
    return version


def _migrate(connection: sqlite3.Connection, schema: Schema, version: int) -> None:
    for number in range(version, len(schema.migrations)):
        # One transaction each, with the number that says so: a migration is there completely or not at all.
        migration = schema.migrations[number]
        script, then = migration if isinstance(migration, tuple) else (migration, None)
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}")
        if then is not None:
            then(connection)
        # One by one: executescript would commit first.
        connection.execute(f"PRAGMA application_id={schema.application_id}")
        connection.execute(f"PRAGMA user_version={number + 1}")
        connection.execute("COMMIT")
