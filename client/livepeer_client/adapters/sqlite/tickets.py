"""`ports.TicketStore` in one SQLite file."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.sql.store import SqlTicketStore
from livepeer_client.adapters.sqlite.ticket_schema import TICKET_SCHEMA
from livepeer_client.adapters.sqlite.writer import Database
from livepeer_client.ports import Clock


class SqliteTicketStore(SqlTicketStore):
    """An orchestrator's store in one file. Open it with `await SqliteTicketStore.open(path)`; close it after."""

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        read_only: bool = False,
        clock: Clock | None = None,
        on_commit: Callable[[int], None] | None = None,
    ) -> Self:
        """Open or create the store. The parameters and errors are those of `Database.open`."""
        database = await Database.open(
            path, TICKET_SCHEMA, read_only=read_only, clock=clock or SystemClock(), on_commit=on_commit
        )
        return cls(database)
