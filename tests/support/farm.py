"""An orchestrator's port with remote transcoders, real or with hands of their own: for tests of workers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random

import httpx

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.fakes import FakeTranscoder
from livepeer_client.adapters.http_server import build_app
from livepeer_client.adapters.rpc_server import orchestrator_rpc
from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.tls import server_context
from livepeer_client.adapters.worker_client import OrchestratorLink
from livepeer_client.adapters.worker_server import Secret, mount_transcoders, transcoder_rpc
from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, job_capabilities, with_capacities
from livepeer_client.codec.messages import AuthToken, Capabilities, SegmentCredentials
from livepeer_client.codec.worker_api import SegmentTask, TranscoderJoins
from livepeer_client.facts import Rendition
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.transcoder_worker import TranscoderWorker
from livepeer_client.services.transcoders import RemoteTranscoders
from livepeer_client.types import Hash32
from scripts._ports import free_port
from tests.client.adapters.test_server import DeskDouble, RpcDouble
from tests.support.shop import PROFILES

SECRET = "a secret of all workers"
OFFERS = Capabilities(
    frozenset(map(int, DEFAULT_CAPABILITIES)), capacities=with_capacities(DEFAULT_CAPABILITIES), version="0.1.0"
)


def credentials(session: str = "0a0b0c0d", seq: int = 0) -> SegmentCredentials:
    return SegmentCredentials(
        manifest_id=b"manifest",
        seq=seq,
        hash=Hash32(bytes(32)),
        profiles=PROFILES,
        sig=b"",
        duration_ms=2000,
        capabilities=job_capabilities(PROFILES),
        auth_token=AuthToken(b"", session, 0),
    )


def joins(secret: str = SECRET, capacity: int = 2, offers: Capabilities | None = OFFERS) -> TranscoderJoins:
    return TranscoderJoins(secret, capacity, offers)


class Farm:
    """An orchestrator's port with its remote transcoders."""

    def __init__(self, folder: Path, *, here: FakeTranscoder | None = None, min_task_s: float = 30) -> None:
        self.board = CapacityBoard(Capabilities(version="0.1.0"))
        self.secret = Secret(SECRET)
        self.path = folder / "tls.pem"
        # Tasks name the port, so it is chosen before there is anything to listen on it.
        self.port = free_port()
        self.uri = f"https://127.0.0.1:{self.port}"
        self.remote = RemoteTranscoders(self.uri, here=here, board=self.board, min_task_s=min_task_s)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Farm"]:
        rpc = RpcDouble()
        server = TlsServer(
            host="127.0.0.1",
            port=self.port,
            context=server_context(self.path, "127.0.0.1", time.time()),
            app=build_app(DeskDouble(), mounts=[lambda app: mount_transcoders(app, self.remote, self.secret)]),
            rpc=[
                orchestrator_rpc(rpc.get_orchestrator, rpc.ping, rpc.end_session),
                transcoder_rpc(self.remote, self.secret),
            ],
            grace_s=0.5,
        )
        async with server:
            yield self
            await self.remote.pool.drain(0.5)

    @asynccontextmanager
    async def link(self, secret: str = SECRET) -> AsyncIterator[OrchestratorLink]:
        link = OrchestratorLink(self.uri, secret)
        try:
            yield link
        finally:
            await link.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - nothing tells of what is waited for
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def worker(self, transcoder: FakeTranscoder | None = None, capacity: int = 2) -> AsyncIterator["Hand"]:
        async with self.link() as link:
            hand = Hand(self, link, transcoder or FakeTranscoder(), capacity)
            before = len(self.remote.pool)
            hand.start()
            await self.until(lambda: len(self.remote.pool) == before + 1)
            try:
                yield hand
            finally:
                await hand.end()

    @asynccontextmanager
    async def raw(self, secret: str = SECRET, capacity: int = 2) -> AsyncIterator["RawWorker"]:
        """One that takes tasks and decides itself what to do with them."""
        async with self.link(secret) as link:
            raw = RawWorker(self, link.segment_tasks(joins(secret, capacity), lambda: None))
            before = len(self.remote.pool)
            async with aclosing(raw.tasks):
                raw.first = asyncio.ensure_future(anext(raw.tasks))
                await self.until(lambda: len(self.remote.pool) == before + 1)
                yield raw
                raw.first.cancel()
                await asyncio.wait({raw.first})


class RawWorker:
    def __init__(self, farm: Farm, tasks: object) -> None:
        self.farm = farm
        self.tasks = tasks  # type: ignore[var-annotated]
        self.first: asyncio.Future[SegmentTask]

    async def task(self) -> SegmentTask:
        task = await asyncio.wait_for(self.first, 60)
        self.first = asyncio.ensure_future(anext(self.tasks))
        return task

    async def post(self, task_id: int | str, *, http2: bool = True, **how: object) -> httpx.Response:
        """An honest post unless `how` says otherwise."""
        headers = {
            "Authorization": "Livepeer-Transcoder-1.0",
            "Credentials": SECRET,
            "TaskId": str(task_id),
            "Pixels": "100",
            "Content-Type": "multipart/mixed; boundary=xyz",
        }
        headers.update(how.get("headers", {}))  # type: ignore[call-overload]
        body = how.get("body", parts([(b"first", 256 * 144 * 60), (b"second", 426 * 240 * 60)]))
        async with httpx.AsyncClient(http1=not http2, http2=http2, verify=False, timeout=20) as client:
            return await client.post(f"{self.farm.uri}/transcodeResults", content=body, headers=headers)  # type: ignore[arg-type]


def parts(renditions: list[tuple[bytes, int | str | None]]) -> bytes:
    """A body as Go's multipart writer makes it."""
    body = b""
    for data, pixels in renditions:
        kind = "application/octet-stream" if pixels is None else "video/mp2t"
        head = f"--xyz\r\nContent-Length: {len(data)}\r\nContent-Type: {kind}\r\n"
        body += (head + ("" if pixels is None else f"Pixels: {pixels}\r\n") + "\r\n").encode() + data + b"\r\n"
    return body + b"--xyz--\r\n"


class Hand:
    """A running `TranscoderWorker`."""

    def __init__(self, farm: Farm, link: OrchestratorLink, transcoder: FakeTranscoder, capacity: int) -> None:
        self.transcoder = transcoder
        self.stop = asyncio.Event()
        self.worker = TranscoderWorker(
            link,
            transcoder,
            secret=SECRET,
            capacity=capacity,
            capabilities=OFFERS,
            pixels=len,
            clock=SystemClock(),
            random=Random(1),
        )
        self.running: asyncio.Task[None]

    def start(self) -> None:
        self.running = asyncio.ensure_future(self.worker.run(self.stop, drain_s=10))

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.running, 60)


class SlowTranscoder(FakeTranscoder):
    """Waits for `go_on` before each segment."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        self.begun.set()
        await self.go_on.wait()
        return await super().transcode(segment, credentials)
