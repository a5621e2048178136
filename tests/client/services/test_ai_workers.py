"""AI workers over real gRPC and HTTP: they join, run jobs, are lost, and lie. What they run is libswscale's upscale."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import httpx
import pytest

from livepeer_client.adapters.worker_client import OrchestratorLink
from livepeer_client.codec.worker_api import AI_ERROR, AiTask, AiWorkerJoins
from livepeer_client.errors import InvalidInput, NoOrchestrator, PeerRefused
from livepeer_client.facts.ai import AiRequest, AiResult
from livepeer_client.policy.pipelines import Pipeline, PipelineTable
from tests.client.services.test_ai import FIELDS, LLM, SIZE, UNITS
from tests.support.ai import SECRET, UPSCALE, AiShop, a_file, buying, picture, png, until

SOLD = replace(UPSCALE, capacity=0)
"""Sold by the orchestrator, and brought by workers."""
BROUGHT = PipelineTable([UPSCALE])
RESULT = (
    b'--xyz\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename="a.png"\r\n\r\nfile\r\n'
    b'--xyz\r\nContent-Type: application/json\r\n\r\n{"images": [{"url": "a.png"}]}\r\n--xyz--\r\n'
)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[AiShop]:
    async with AiShop(tmp_path, PipelineTable([SOLD])).serving() as shop:
        yield shop


class Raw:
    """A worker that decides itself what to do with its tasks."""

    next: "asyncio.Future[AiTask]"

    def __init__(self, shop: AiShop) -> None:
        self._shop = shop

    async def task(self) -> AiTask:
        return await asyncio.wait_for(self.next, 60)

    async def post(self, task_id: int, body: object = RESULT, **changes: str) -> httpx.Response:
        headers = {
            "Authorization": "Livepeer-AI-Worker-1.0",
            "Credentials": SECRET,
            "TaskId": str(task_id),
            "Pipeline": "upscale",
            "Content-Type": "multipart/mixed; boundary=xyz",
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        async with httpx.AsyncClient(http1=False, http2=True, verify=False, timeout=20) as client:
            return await client.post(f"{self._shop.uri}/aiResults", content=body, headers=headers)  # type: ignore[arg-type]


@asynccontextmanager
async def raw(shop: AiShop, models: PipelineTable = BROUGHT) -> AsyncIterator[Raw]:
    link = OrchestratorLink(shop.uri, SECRET)
    tasks = link.ai_tasks(AiWorkerJoins(SECRET, replace(models.served_here, version="1.0.0")), lambda: None)
    before = len(shop.remote.pool)
    async with aclosing(tasks):
        worker = Raw(shop)
        worker.next = asyncio.ensure_future(anext(tasks))
        await until(lambda: len(shop.remote.pool) == before + 1)
        yield worker
        worker.next.cancel()
        await asyncio.wait({worker.next})
    await link.close()


# --- joining --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "version", "text"),
    [("a secret of somebody else", "1.0.0", "invalid secret"), (SECRET, "0.0.1", "version '0.0.1' is too old")],
)
async def test_register__refused__says_why(shop: AiShop, secret: str, version: str, text: str) -> None:
    link = OrchestratorLink(shop.uri, secret)
    joins = AiWorkerJoins(secret, replace(BROUGHT.served_here, version=version))
    with pytest.raises(PeerRefused) as caught:
        async for _ in link.ai_tasks(joins, lambda: None):
            pass
    await link.close()

    assert (caught.value.reason, len(shop.remote.pool)) == (text, 0)


async def test_register__joins_and_leaves__its_models_are_advertised_and_no_longer(shop: AiShop) -> None:
    assert 30 not in shop.board.capabilities.bits
    async with shop.worker(BROUGHT):
        assert shop.board.capabilities.constraints[30]["lanczos"].capacity == 1
    await until(lambda: 30 not in shop.board.capabilities.bits)


# --- work -----------------------------------------------------------------------------------------


async def test_job__by_a_worker__comes_back_done_and_is_paid(shop: AiShop) -> None:
    async with shop.worker(BROUGHT), buying(shop) as buyer:
        done = await buyer.ai.run(SOLD, FIELDS, a_file(png()), SIZE)

    (image,) = done.result.files.values()
    assert (picture(image.data), done.fee) == ((128, 96), 2 * UNITS)
    assert shop.remote._inputs == {}


async def test_job__the_worker_says_the_request_is_at_fault__is_said_to_the_buyer(shop: AiShop) -> None:
    class Refusing:
        async def run(self, pipeline: Pipeline, request: AiRequest) -> AiResult:
            raise InvalidInput("a bad prompt")

    async with shop.worker(BROUGHT, Refusing()), buying(shop) as buyer:
        with pytest.raises(InvalidInput, match="a bad prompt"):
            await buyer.ai.run(SOLD, FIELDS, a_file(png()), SIZE)
        assert (buyer.choices.suspensions, shop.shop.store.debits) == ({}, [])


async def test_job__the_worker_is_lost__another_one_does_it(shop: AiShop) -> None:
    async with buying(shop) as buyer:
        async with raw(shop) as lost:
            job = asyncio.ensure_future(buyer.ai.run(SOLD, FIELDS, a_file(png()), SIZE))
            await lost.task()
        await until(lambda: len(shop.remote.pool) == 0)
        async with shop.worker(BROUGHT):
            assert (await job).fee == 2 * UNITS


async def test_job__answered_over_http2__with_files_and_json(shop: AiShop) -> None:
    async with buying(shop) as buyer, raw(shop) as worker:
        job = asyncio.ensure_future(buyer.ai.run(SOLD, FIELDS, a_file(png()), SIZE))
        task = await worker.task()
        async with httpx.AsyncClient(verify=False) as client:
            sent = (await client.get(task.input_url)).content
        answer = await worker.post(task.task_id)
        done = await job

    assert (answer.status_code, answer.http_version, sent) == (200, "HTTP/2", png())
    assert task.request == {**FIELDS, "model_id": "lanczos"}
    assert [file.data for file in done.result.files.values()] == [b"file"]


async def test_job__answered_by_events__reach_the_buyer_while_the_worker_still_writes(tmp_path: Path) -> None:
    brought = PipelineTable([LLM])
    sold = replace(LLM, capacity=0)
    go_on = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        yield b"data: one\n\n"
        await go_on.wait()
        yield b"data: two\n\n"

    async with (
        AiShop(tmp_path, PipelineTable([sold])).serving() as shop,
        buying(shop) as buyer,
        raw(shop, brought) as worker,
    ):
        job = asyncio.ensure_future(buyer.ai.run(sold, {"messages": [{"content": "hi"}], "max_tokens": 10}))
        task = await worker.task()
        posting = asyncio.ensure_future(worker.post(task.task_id, events(), Content_Type="text/event-stream"))
        done = await job
        assert done.result.events is not None
        assert await anext(done.result.events) == b"data: one\n\n"
        go_on.set()
        assert [each async for each in done.result.events] == [b"data: two\n\n"]
        assert (await posting).status_code == 200

    assert done.fee == 10 * Fraction(1000)


# --- workers that lie -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Credentials": "a secret of somebody else"}, 401),
        ({"Authorization": "Livepeer-Transcoder-1.0"}, 401),
        ({"TaskId": "7"}, 400),
        ({"TaskId": "seven"}, 400),
        ({"Content_Type": "text/html"}, 415),
    ],
)
async def test_results__that_are_none__are_refused_and_the_job_goes_on(
    shop: AiShop, changes: dict[str, str], status: int
) -> None:
    async with buying(shop) as buyer, raw(shop) as worker:
        job = asyncio.ensure_future(buyer.ai.run(SOLD, FIELDS, a_file(png()), SIZE))
        task = await worker.task()

        assert (await worker.post(task.task_id, **changes)).status_code == status
        assert not job.done()
        assert (await worker.post(task.task_id)).status_code == 200
        await job


@pytest.mark.parametrize(
    "body", [b"--xyz\r\nContent-Type: application/json\r\n\r\n[1]\r\n--xyz--\r\n", b"--xyz--\r\n", b"none"]
)
async def test_results__without_an_answer__are_refused_and_the_job_goes_on(shop: AiShop, body: bytes) -> None:
    async with buying(shop) as buyer, raw(shop) as worker:
        job = asyncio.ensure_future(buyer.ai.run(SOLD, FIELDS, a_file(png()), SIZE))
        task = await worker.task()

        assert (await worker.post(task.task_id, body)).status_code in (400, 500)
        assert not job.done()
        assert (await worker.post(task.task_id)).status_code == 200
        await job


async def test_job__the_worker_fails_and_there_is_no_other__is_not_charged(shop: AiShop) -> None:
    async with buying(shop) as buyer, raw(shop) as worker:
        job = asyncio.ensure_future(buyer.ai.run(SOLD, FIELDS, a_file(png()), SIZE))
        task = await worker.task()
        assert (await worker.post(task.task_id, b"out of memory", Content_Type=AI_ERROR)).status_code == 200

        with pytest.raises(NoOrchestrator):
            await job
        assert shop.shop.store.debits == []


async def test_job__the_worker_never_answers__is_given_up_and_not_charged(tmp_path: Path) -> None:
    async with (
        AiShop(tmp_path, PipelineTable([SOLD]), task_s=0.1).serving() as shop,
        buying(shop) as buyer,
        raw(shop) as worker,
    ):
        with pytest.raises(NoOrchestrator):
            await buyer.ai.run(SOLD, FIELDS, a_file(png()), SIZE)
        late = await worker.post((await worker.task()).task_id)

        assert (late.status_code, shop.shop.store.debits) == (400, [])
