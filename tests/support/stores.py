"""Every implementation of the store ports, as fixtures: import `under_test`, `store` or `books` into a test module."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from livepeer_client.adapters.fakes import ManualClock, MemoryGatewayBooks, MemoryTicketStore
from livepeer_client.adapters.postgres import PostgresGatewayBooks, PostgresTicketStore
from livepeer_client.adapters.sqlite import SqliteGatewayBooks, SqliteTicketStore
from livepeer_client.ports import GatewayBooks, TicketStore
from tests.support.postgres import Server, new_namespace

KINDS = ("sqlite", "memory", "postgres")


@dataclass(frozen=True)
class UnderTest:
    """A store, and how to let its time pass."""

    store: TicketStore
    elapse: Callable[[float], Awaitable[None]]


@pytest.fixture(params=KINDS)
async def under_test(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[UnderTest]:
    clock = ManualClock()
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres_server")
        async with (
            new_namespace(server) as namespace,
            await PostgresTicketStore.open(server.dsn, namespace=namespace) as shared,
        ):
            yield UnderTest(shared, lambda seconds: make_older(server, namespace, seconds))
    elif request.param == "sqlite":
        async with await SqliteTicketStore.open(tmp_path / "tickets.sqlite", clock=clock) as on_disk:
            yield UnderTest(on_disk, clock.advance)
    else:
        async with MemoryTicketStore(clock) as in_memory:
            yield UnderTest(in_memory, clock.advance)


async def make_older(server: Server, namespace: str, seconds: float) -> None:
    """The server's clock is the real one, so time passes by moving what was dated into the past."""
    connection = await asyncpg.connect(server.dsn, server_settings={"search_path": namespace})
    try:
        await connection.execute(
            f"UPDATE leases SET expires_at = expires_at - {seconds}; "
            f"UPDATE sessions SET updated_at = updated_at - {seconds}; "
            f"UPDATE winners SET received_at = received_at - {seconds}"
        )
    finally:
        await connection.close()


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is such a place: what a killed process has written is with the system anyway."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def store(under_test: UnderTest) -> TicketStore:
    return under_test.store


@pytest.fixture(params=KINDS)
async def books(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[GatewayBooks]:
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres_server")
        async with (
            new_namespace(server) as namespace,
            await PostgresGatewayBooks.open(server.dsn, namespace=namespace) as shared,
        ):
            yield shared
    elif request.param == "sqlite":
        async with await SqliteGatewayBooks.open(tmp_path / "books.sqlite") as on_disk:
            yield on_disk
    else:
        async with MemoryGatewayBooks() as in_memory:
            yield in_memory
