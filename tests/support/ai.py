"""An orchestrator that sells pipelines behind its real port, and a gateway that buys them: only the chain is a fake."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import av
from aiohttp import web

from livepeer_client.adapters.ai_client import AiHttp, HttpRunner
from livepeer_client.adapters.ai_server import ResultFiles, mount_ai
from livepeer_client.adapters.ai_worker_server import ai_worker_rpc, mount_ai_workers
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.fakes import MemoryGatewayBooks
from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.http_server import build_app
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.adapters.media.images import encode_png, upscale
from livepeer_client.adapters.rpc_server import orchestrator_rpc
from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.tls import server_context
from livepeer_client.adapters.worker_client import OrchestratorLink
from livepeer_client.adapters.worker_server import Secret
from livepeer_client.codec.capability import DEFAULT_CAPABILITIES
from livepeer_client.codec.messages import Capabilities, RegisteredOrchestrator
from livepeer_client.facts.ai import AiFile
from livepeer_client.nodes.ai import measure
from livepeer_client.policy.capacities import total
from livepeer_client.policy.pipelines import Pipeline, PipelineTable
from livepeer_client.policy.price_list import Tariff
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.services.advertise import AdvertiseService, Offer
from livepeer_client.services.ai_dispatch import AiDispatcher
from livepeer_client.services.ai_runners import AnyRunner, LocalRunner, RemoteAiWorkers
from livepeer_client.services.ai_work import AiRunner, AiWork
from livepeer_client.services.ai_worker import AiWorker
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.choosing import Choices
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.services.dispatch_events import DispatchRules
from livepeer_client.services.paying import Payer
from livepeer_client.services.renditions import RenditionStore
from livepeer_client.services.work import WorkService
from scripts._ports import free_port
from tests.support.shop import TOKEN_KEY, Shop

SECRET = "a secret of all workers"
UPSCALE = Pipeline(30, "upscale", "lanczos", Tariff(Fraction(2)), warm=True)


def png(width: int = 64, height: int = 48) -> bytes:
    """A picture of noise."""
    frame = av.VideoFrame(width, height, "rgb24")
    (plane,) = frame.planes
    plane.update(Random(1).randbytes(plane.buffer_size))
    return encode_png(frame)


@dataclass
class AiShop:
    """One orchestrator with its port."""

    folder: Path
    pipelines: PipelineTable
    urls: Mapping[str, str] = field(default_factory=dict)
    runner: AiRunner | None = None
    shop: Shop = field(default_factory=Shop)
    task_s: float = 60

    def __post_init__(self) -> None:
        self.port = free_port()
        self.uri = f"https://127.0.0.1:{self.port}"
        shop = self.shop
        shop.models = self.pipelines.prices
        shop.start()
        own = Capabilities(DEFAULT_CAPABILITIES, version="0.1.0")
        self.board = CapacityBoard(total((own, self.pipelines.served_here), version="0.1.0"))
        shop.advertise = AdvertiseService(
            offer=Offer(self.uri, self.board.capabilities),
            signer=shop.signer,
            payments=shop.payments,
            token_key=TOKEN_KEY,
            clock=shop.clock,
            board=self.board,
        )
        shop.work = WorkService(
            advertise=shop.advertise,
            payments=shop.payments,
            signer=shop.signer,
            transcoder=shop.transcoder,
            renditions=RenditionStore(self.uri),
            clock=shop.clock,
            max_sessions=10,
        )
        self.http = HttpTransport()
        here = self.runner or AnyRunner(LocalRunner({"upscale": upscale}), HttpRunner(self.urls, self.http))
        self.remote = RemoteAiWorkers(self.uri, here=here, board=self.board, task_s=self.task_s)
        self.secret = Secret(SECRET)
        self.ai = AiWork(
            pipelines=self.pipelines,
            work=shop.work,
            payments=shop.payments,
            board=self.board,
            runner=self.remote,
            measure=measure,
        )

    def mount(self, app: web.Application) -> None:
        mount_ai(app, self.ai, (entry.name for entry in self.pipelines.entries), ResultFiles(self.uri))
        mount_ai_workers(app, self.remote, self.secret)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["AiShop"]:
        shop = self.shop
        server = TlsServer(
            host="127.0.0.1",
            port=self.port,
            context=server_context(self.folder / f"{self.port}.pem", "127.0.0.1", time.time()),
            app=build_app(shop.work, mounts=[self.mount]),
            rpc=[
                orchestrator_rpc(shop.advertise.get_orchestrator, shop.advertise.ping, shop.work.end_session),
                ai_worker_rpc(self.remote, self.secret, lambda version: version != "0.0.1"),
            ],
            grace_s=0.5,
        )
        async with server:
            try:
                yield self
            finally:
                await self.remote.pool.drain(0.2)
                await self.http.close()

    @asynccontextmanager
    async def worker(self, models: PipelineTable, runner: AiRunner | None = None) -> AsyncIterator[AiWorker]:
        """A worker that has joined."""
        link, stop = OrchestratorLink(self.uri, SECRET), asyncio.Event()
        worker = AiWorker(
            link,
            runner or LocalRunner({"upscale": upscale}),
            models,
            secret=SECRET,
            version="0.1.0",
            clock=SystemClock(),
            random=Random(1),
        )
        running = asyncio.ensure_future(worker.run(stop, drain_s=5))
        before = len(self.remote.pool)
        await until(lambda: len(self.remote.pool) == before + 1)
        try:
            yield worker
        finally:
            stop.set()
            await running
            await link.close()


@dataclass
class Buyer:
    """A gateway."""

    ai: AiDispatcher
    books: MemoryGatewayBooks
    choices: Choices


class Pool:
    """`ports.OrchestratorSource` of some shops."""

    def __init__(self, *shops: AiShop) -> None:
        self._shops = shops

    async def orchestrators(self) -> list[RegisteredOrchestrator]:
        return [RegisteredOrchestrator(each.shop.address, each.uri, 10**21, True) for each in self._shops]


@asynccontextmanager
async def buying(*shops: AiShop) -> AsyncIterator[Buyer]:
    signer, clock, chain = LocalSigner(b"\x11" * 32), shops[0].shop.clock, shops[0].shop.chain
    async with AsyncExitStack() as opened:
        probe = await opened.enter_async_context(GrpcProbe())
        http = await opened.enter_async_context(HttpTransport())
        discovery = DiscoveryService(Pool(*shops), probe, signer, clock)
        books = MemoryGatewayBooks()
        limits = SenderLimits(max_ev=Fraction(10**12), max_total_ev=Fraction(10**13), deposit_multiplier=1)
        payer = Payer(chain, signer, books, clock, discovery, limits)
        choices = Choices(discovery, clock, DispatchRules(), draw=lambda: 0.0)
        ai = AiDispatcher(choices, payer, signer, AiHttp(http), job_s=30)
        opened.push_async_callback(choices.close)
        opened.push_async_callback(ai.close)
        yield Buyer(ai, books, choices)


Handler = Callable[[web.Request], Any]


@asynccontextmanager
async def model_runner(path: str, handler: Handler) -> AsyncIterator[str]:
    """A process that runs a model, as far as HTTP can tell; yields its URL."""
    app = web.Application()
    app.router.add_post(path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port := free_port())
    await site.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


class TwoEvents:
    """A worker that says one event, and the other once it may `go_on`."""

    FIRST, SECOND = b"data: one\n\n", b"data: two\n\n"

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(self.FIRST)
        await self.go_on.wait()
        await response.write(self.SECOND)
        return response


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nothing tells of what is waited for
            await asyncio.sleep(0.01)


def picture(data: bytes) -> tuple[int, int]:
    with av.open(io.BytesIO(data)) as container:
        frame = next(container.decode(video=0))
        return frame.width, frame.height


def a_file(data: bytes) -> AiFile:
    return AiFile("picture.png", data, "image/png")
