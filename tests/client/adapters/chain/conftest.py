"""One anvil with the suite for all tests of this folder; each test starts from the same block."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from livepeer_client.adapters.chain.suite import Addresses
from tests.support.anvil import ROOT, Stage, anvil, opened, set_stage


@pytest.fixture(scope="session")
def node() -> Iterator[tuple[str, Addresses]]:
    cache = ROOT / ".cache" / "compiled"
    cache.mkdir(parents=True, exist_ok=True)
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, cache))


@pytest.fixture
async def stage(node: tuple[str, Addresses]) -> AsyncIterator[Stage]:
    """The suite over our own transport. Whatever a test does to the chain is undone."""
    async with opened(*node) as stage, stage.taken_back():
        yield stage
