"""A copy of a store's file while its owner may be writing to it."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from livepeer_client.adapters.sqlite.schema import make_private, translate
from livepeer_client.errors import StoreCorrupt, StoreError


async def backup(path: str | Path, target: str | Path) -> None:
    """Copy the store at `path` to the new file `target`: one consistent moment, checked, and on disk when this returns.

    To restore, stop the node and put the copy in the store's place, without any -wal or -shm file beside it.

    :raises StoreError: `path` is no store, or `target` exists or cannot be written.
    :raises StoreCorrupt: the copy does not pass SQLite's check, so the store would not either.
    """
    await asyncio.to_thread(_backup, Path(path), Path(target))


def _backup(path: Path, target: Path) -> None:
    if not path.is_file():
        raise StoreError(f"{path} does not exist")
    if target.exists():
        raise StoreError(f"{target} exists already")
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        make_private(unfinished)
        # `ro` and the write-ahead log: the reader sees one moment, and the owner is not kept waiting.
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            source.backup(copy)
            # One file that needs no other beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
            verdict = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise StoreCorrupt(f"the copy of {path} is corrupt ({verdict}): the store is, too; restore an older copy")
        _sync(unfinished)
        unfinished.rename(target)
        _sync(target.parent)
    except sqlite3.Error as error:
        raise translate(error, path) from error
    except OSError as error:
        raise StoreError(f"{target}: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
