"""A gateway's HTTP routes for brought-along capabilities, before orchestrators over real sockets."""

import asyncio
import base64
import gc
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from livepeer_client.adapters.byoc_gateway_server import mount_byoc_gateway
from livepeer_client.codec.messages import VideoFormat
from livepeer_client.errors import LivepeerError, PeerRefused, PeerTimeout
from livepeer_client.services.byoc_front import ByocFront
from tests.support.ai import free_port, model_runner, until
from tests.support.byoc import PRICE, StreamWorker, reverse
from tests.support.byoc_market import ByocMarket, byoc_market

# A connection with TLS is now and then still open when the loop of a test ends, on one side or the other; what a test
# has asserted by then holds. It is collected here, so that no other test is blamed for it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


class Webhook:
    """Says who may spend."""

    def __init__(self) -> None:
        self.says: LivepeerError | None = None
        self.asked: list[str] = []

    async def authorise(self, url: str, format_: VideoFormat) -> None:
        self.asked.append(url)
        if self.says is not None:
            raise self.says


class Front:
    """A gateway's port."""

    def __init__(self, market: ByocMarket, http: httpx.AsyncClient, auth: Webhook) -> None:
        self.market = market
        self.http = http
        self.auth = auth

    async def job(self, path: str = "reverse", *, header: str | None = None, **headers: str) -> httpx.Response:
        said = {"Livepeer": order() if header is None else header, **headers}
        return await self.http.post(f"/process/request/{path}", json={"text": "abc"}, headers=said)

    async def start(self, *, header: str, **body: object) -> httpx.Response:
        return await self.http.post("/process/stream/start", json=body, headers={"Livepeer": header})


def order(**changes: object) -> str:
    said = {"capability": "reverse", "request": "{}", "parameters": "", "timeout_seconds": 30, **changes}
    return base64.b64encode(json.dumps(said).encode()).decode()


def data_order() -> str:
    return order(parameters=json.dumps({"enable_data_output": True}))


@asynccontextmanager
async def fronted(market: ByocMarket, auth: Webhook, *, pages: bool = False) -> AsyncIterator[Front]:
    async with AsyncExitStack() as opened:
        front = ByocFront(market.byoc, market.clock, auth=auth)
        app = web.Application()
        mount_byoc_gateway(app, front, pages_may_spend=pages)
        runner = web.AppRunner(app)
        await runner.setup()
        opened.push_async_callback(runner.cleanup)
        opened.push_async_callback(front.close)
        await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
        http = await opened.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60))
        yield Front(market, http, auth)


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with byoc_market(tmp_path) as market, fronted(market, Webhook()) as opened:
        yield opened


async def test_job__asked_of_the_gateway__is_signed_paid_and_done(front: Front) -> None:
    (seller,) = front.market.sellers
    async with model_runner("/reverse", reverse) as url:
        await seller.register(url)
        answer = await front.job()

    assert (answer.status_code, answer.json(), answer.headers["X-Metadata"]) == (200, {"text": "cba"}, "made here")
    assert answer.headers["Livepeer-Balance"] == str(int(seller.balance))
    assert front.market.charged == PRICE


async def test_job__by_events__are_passed_on(front: Front) -> None:
    async def talk(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: one\n\n")
        return response

    async with model_runner("/reverse", talk) as url:
        await front.market.sellers[0].register(url)
        answer = await front.job()

    assert (answer.headers["Content-Type"], answer.content) == ("text/event-stream", b"data: one\n\n")


async def test_job__the_worker_blames_the_request__its_status_comes_back(front: Front) -> None:
    async def unwilling(_: web.Request) -> web.Response:
        return web.Response(status=422, text="no such prompt")

    async with model_runner("/reverse", unwilling) as url:
        await front.market.sellers[0].register(url)
        answer = await front.job()

    assert (answer.status_code, answer.text) == (422, "no such prompt\n")


async def test_job__nobody_has_the_capability__is_503(front: Front) -> None:
    assert (await front.job()).status_code == 503


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ("", "reverse"),
        ("?", "reverse"),
        (order(capability=""), "reverse"),
        (order(timeout_seconds=0), "reverse"),
        (order(request="[1]"), "reverse"),
        (order(parameters='{"orchestrators": 7}'), "reverse"),
        (order(), "reverse/%2e%2e/x"),
    ],
)
async def test_job__an_order_that_is_none__is_400_and_nothing_is_signed(front: Front, header: str, path: str) -> None:
    assert (await front.job(path, header=header)).status_code in (400, 404)
    assert front.market.byoc._accounts == {}


@pytest.mark.parametrize(
    ("says", "status"),
    [(PeerRefused("hook", 403, "no"), 403), (PeerTimeout("hook", "late"), 500)],
    ids=["no", "silent"],
)
async def test_job__the_webhook_does_not_allow_it__is_not_bought(
    front: Front, says: LivepeerError, status: int
) -> None:
    front.auth.says = says
    assert (await front.job()).status_code == status
    assert (await front.start(header=data_order())).status_code == status
    assert len(front.auth.asked) == 2
    assert front.market.byoc._accounts == {}


@pytest.mark.parametrize("header", ["Origin", "Referer", "Sec-Fetch-Site"])
async def test_job__of_a_page_in_a_browser__is_403(front: Front, header: str) -> None:
    assert (await front.job(**{header: "https://evil.example"})).status_code == 403


# --- streams --------------------------------------------------------------------------------------


async def test_stream__over_http__starts_tells_its_data_takes_updates_and_stops(front: Front) -> None:
    worker, (seller,) = StreamWorker(), front.market.sellers
    async with worker.serving() as url:
        await seller.register(url)
        started = await front.start(header=data_order(), prompt="x", stream_id="mine")
        urls = started.json()
        running = (await front.http.get(urls["status_url"])).json()
        update = await front.http.post(urls["update_url"], json={"prompt": "y"})
        channel = worker.told[0][2]["data_url"].rpartition("/")[2]
        async with front.http.stream("GET", urls["data_url"]) as events:
            await until(lambda: seller.hub.entry(channel).readers == 1)
            seller.hub.publish(channel, b'{"said": 1}\n{"said": 2}\n')
            lines = events.aiter_lines()
            said = [await anext(lines) for _ in range(4)]
            stopped = await front.http.post(urls["stop_url"])
            rest = [line async for line in lines]
        again = await front.http.post(urls["stop_url"])

    assert started.status_code == 200
    assert (running["status"], running["capability"], running["orchestrators_asked"]) == ("running", "reverse", 1)
    assert update.json() == {"did": "params"}
    assert (stopped.json()["status"], stopped.json()["reason"], again.status_code) == ("ended", "stopped", 404)
    assert (said, rest) == (['data: {"said": 1}', "", 'data: {"said": 2}', ""], [])
    assert worker.names() == ["start", "params", "stop"]
    assert seller.room == 1
    assert front.market.charged == await front.market.fees() > 0


async def test_stream__with_video__is_refused_with_a_reason(front: Front) -> None:
    answer = await front.start(header=order(parameters='{"enable_video_ingress": true}'))
    whip = await front.http.post("/process/stream/mine/whip")
    rtmp = await front.http.get("/process/stream/mine/rtmp")

    assert {answer.status_code, whip.status_code, rtmp.status_code} == {501}
    assert all("library" in each.text for each in (answer, whip, rtmp))


async def test_stream__an_id_that_runs_already__is_409(front: Front) -> None:
    worker = StreamWorker()
    async with worker.serving() as url:
        await front.market.sellers[0].register(url, capacity=2)
        first = await front.start(header=data_order(), stream_id="mine")
        second = await front.start(header=data_order(), stream_id="mine")
        await front.http.post(first.json()["stop_url"])

    assert (first.status_code, second.status_code, worker.names()) == (200, 409, ["start", "stop"])


async def test_stream__nobody_starts_it__is_503_and_its_id_is_free(front: Front) -> None:
    answers = [(await front.start(header=data_order(), stream_id="mine")).status_code for _ in range(2)]

    assert answers == [503, 503]
    assert (await front.http.get("/process/stream/mine/status")).status_code == 404


async def test_stream__whoever_started_it_has_gone__is_stopped_and_not_paid_for(front: Front) -> None:
    worker, begun, go_on = StreamWorker(), asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        if request.match_info["what"] == "start":
            begun.set()
            await go_on.wait()
        return await worker.answer(request)

    (seller,) = front.market.sellers
    async with model_runner("/stream/{what}", slow) as url:
        await seller.register(url)
        asked = asyncio.ensure_future(front.start(header=data_order(), stream_id="mine"))
        await begun.wait()
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        go_on.set()
        await until(lambda: worker.names() == ["start", "stop"])

    assert (await front.http.get("/process/stream/mine/status")).json()["status"] == "ended"
    assert (seller.room, len(seller.streams)) == (1, 0)
