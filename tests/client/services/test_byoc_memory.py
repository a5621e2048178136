"""What keeps a job's signature from being used twice, also after a restart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from livepeer_client.adapters.sqlite.jobs import SqliteJobMemory
from livepeer_client.errors import StoreError
from livepeer_client.services.byoc import JobMemory, JobsInMemory
from livepeer_client.types import Hash32
from tests.support.ai import model_runner
from tests.support.byoc import PRICE, bazaar, job_header, reverse
from tests.support.shop import Shop


def job(number: int) -> Hash32:
    return Hash32(number.to_bytes(32, "big"))


@pytest.fixture(params=["memory", "sqlite"])
async def memory(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[int], JobMemory]]:
    async with AsyncExitStack() as opened:
        files = [await opened.enter_async_context(await SqliteJobMemory.open(tmp_path / "jobs.sqlite", kept=3))]
        yield lambda kept: JobsInMemory(kept) if request.param == "memory" else files[0]


async def test_is_new__of_any_job__holds_once(memory: Callable[[int], JobMemory]) -> None:
    found = memory(3)
    assert [await found.is_new(job(number)) for number in (1, 2, 1, 2)] == [True, True, False, False]


async def test_is_new__asked_many_times_at_once__holds_for_one(memory: Callable[[int], JobMemory]) -> None:
    found = memory(3)
    answers = await asyncio.gather(*(found.is_new(job(1)) for _ in range(20)))
    assert answers.count(True) == 1


async def test_is_new__beyond_what_is_kept__forgets_the_oldest(memory: Callable[[int], JobMemory]) -> None:
    found = memory(3)
    for number in range(1, 5):
        assert await found.is_new(job(number))
    assert [await found.is_new(job(number)) for number in (4, 3, 2)] == [False, False, False]
    assert await found.is_new(job(1))


async def test_sqlite__opened_again__still_knows(tmp_path: Path) -> None:
    for expected in (True, False):
        async with await SqliteJobMemory.open(tmp_path / "jobs.sqlite") as found:
            assert await found.is_new(job(1)) is expected


async def test_job__overheard_before_a_restart__cannot_spend_what_is_left_after_it(tmp_path: Path) -> None:
    seller, header, file = Shop(), job_header(), tmp_path / "jobs.sqlite"
    async with model_runner("/reverse", reverse) as url:
        async with await SqliteJobMemory.open(file) as memory, bazaar(tmp_path, seller, memory) as place:
            await place.register(url)
            assert (await place.submit(header=header)).status_code == 200
        async with await SqliteJobMemory.open(file) as memory, bazaar(tmp_path, seller, memory) as place:
            await place.register(url)
            replayed = await place.submit(header=header, payment="")
            another = await place.submit(header=job_header("other"), payment="")
            # What its sender left there before is still there, for its sender.
            assert place.balance > 60 * PRICE

    assert (replayed.status_code, another.status_code) == (403, 200)


async def test_job__nobody_knows_whether_it_was_used__is_not_done(tmp_path: Path) -> None:
    class Broken:
        async def is_new(self, job: Hash32) -> bool:
            raise StoreError("no disk")

    done = []

    async def worker(request: object) -> object:
        done.append(request)
        return await reverse(request)  # type: ignore[arg-type]

    async with model_runner("/reverse", worker) as url, bazaar(tmp_path, memory=Broken()) as place:
        await place.register(url)
        assert (await place.submit()).status_code == 500
        assert (done, place.room, place.charged) == ([], 1, 0)
