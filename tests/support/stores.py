"""Every implementation of the store ports, as fixtures: import `under_test`, `store` or `books` into a test module."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from livepeer_client.adapters.fakes import ManualClock, MemoryGatewayBooks, MemoryTicketStore
from livepeer_client.adapters.sqlite import SqliteGatewayBooks, SqliteTicketStore
from livepeer_client.ports import GatewayBooks, TicketStore


@dataclass(frozen=True)
class UnderTest:
    """A store, and how to let its time pass."""

    store: TicketStore
    elapse: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["sqlite", "memory"])
async def under_test(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[UnderTest]:
    clock = ManualClock()
    if request.param == "sqlite":
        async with await SqliteTicketStore.open(tmp_path / "tickets.sqlite", clock=clock) as on_disk:
            yield UnderTest(on_disk, clock.advance)
    else:
        async with MemoryTicketStore(clock) as in_memory:
            yield UnderTest(in_memory, clock.advance)


@pytest.fixture
def store(under_test: UnderTest) -> TicketStore:
    return under_test.store


@pytest.fixture(params=["sqlite", "memory"])
async def books(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[GatewayBooks]:
    if request.param == "sqlite":
        async with await SqliteGatewayBooks.open(tmp_path / "books.sqlite") as on_disk:
            yield on_disk
    else:
        async with MemoryGatewayBooks() as in_memory:
            yield in_memory
