"""`services.byoc.JobMemory` on disk: which signatures of jobs were used."""

import sqlite3
from pathlib import Path
from typing import Final, Self

from livepeer_client.adapters.sqlite.schema import Schema
from livepeer_client.adapters.sqlite.writer import Database
from livepeer_client.types import Hash32

MAX_KEPT: Final = 1_000_000
"""Some 100 MB."""
_FIRST: Final = """
CREATE TABLE used (
  place INTEGER PRIMARY KEY,
  job BLOB NOT NULL UNIQUE CHECK (length(job) = 32)
) STRICT;
"""
JOBS_SCHEMA: Final = Schema("memory of jobs", 0x4C504A42, (_FIRST,))
"""Application id "LPJB"."""


class SqliteJobMemory:
    """The newest `kept` in one file; see `services.byoc.JobMemory`."""

    def __init__(self, database: Database, kept: int = MAX_KEPT) -> None:
        self._database = database
        self._kept = kept

    @classmethod
    async def open(cls, path: str | Path, *, kept: int = MAX_KEPT) -> Self:
        """Open or create it. The errors are those of `Database.open`."""
        return cls(await Database.open(path, JOBS_SCHEMA), kept)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._database.close()

    async def is_new(self, job: Hash32) -> bool:
        def write(connection: sqlite3.Connection) -> bool:
            added = connection.execute("INSERT INTO used (job) VALUES (?) ON CONFLICT DO NOTHING", (job,))
            if not added.rowcount:
                return False
            # Places count up, so what is so far behind the newest is the oldest.
            connection.execute("DELETE FROM used WHERE place <= (SELECT max(place) FROM used) - ?", (self._kept,))
            return True

        return await self._database.run(write)
