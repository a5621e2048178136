"""Which store a node has: a file of its own, or a PostgreSQL store that several nodes share."""

from pathlib import Path

from livepeer_client.adapters.sql.books import SqlGatewayBooks
from livepeer_client.adapters.sql.store import SqlTicketStore
from livepeer_client.adapters.sqlite import SqliteGatewayBooks, SqliteTicketStore
from livepeer_client.errors import ConfigError


async def open_tickets(file: Path, store_url: str | None, *, read_only: bool = False) -> SqlTicketStore:
    """The store at `store_url`, or in `file` without one.

    :raises ConfigError: a shared store needs a package that is not installed.
    :raises StoreError: as `Database.open` and `PostgresDatabase.open`.
    """
    if store_url is None:
        return await SqliteTicketStore.open(file, read_only=read_only)
    try:
        from livepeer_client.adapters.postgres import PostgresTicketStore
    except ImportError as missing:
        raise _no_driver() from missing
    return await PostgresTicketStore.open(store_url, read_only=read_only)


async def open_books(file: Path, store_url: str | None) -> SqlGatewayBooks:
    """As `open_tickets`, for a gateway."""
    if store_url is None:
        return await SqliteGatewayBooks.open(file)
    try:
        from livepeer_client.adapters.postgres import PostgresGatewayBooks
    except ImportError as missing:
        raise _no_driver() from missing
    return await PostgresGatewayBooks.open(store_url)


def _no_driver() -> ConfigError:
    return ConfigError("a store_url needs asyncpg: pip install livepeer-client[postgres]")
