"""Orchestrators that do everything wrong, on real sockets, before an honest one: the stream goes on, memory stays
bounded, nothing is paid for, and each is kept out for its cause."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from livepeer_client.adapters.fakes import FakeProbe
from livepeer_client.adapters.http import MAX_RESULT_BYTES, HttpTransport
from livepeer_client.codec import wire
from livepeer_client.codec.messages import (
    OrchestratorInfo,
    OrchestratorRequest,
    RegisteredOrchestrator,
    TranscodedSegment,
    TranscodeResult,
)
from livepeer_client.policy.workloads import Cause
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.services.dispatch import Dispatcher, DispatchRules, StreamSession, Swapped
from tests.support.pair import Pair, Wire
from tests.support.shop import PROFILES, SEGMENT, SERVICE_URI, Shop

IMPATIENT_S = 0.4
"""How long these tests wait for a hostile peer; an honest one is reached without a socket and never hurried."""
MEMORY_BOUND = 48 * 2**20

Behaviour = Callable[["Hostile", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Hostile:
    """A peer that says its terms like everybody, and then misbehaves on the socket that segments go to."""

    behaviour: Behaviour
    shop: Shop
    uri: str = ""
    reached: int = 0
    sent: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self.behaviour(self, reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def info(self, request: OrchestratorRequest) -> OrchestratorInfo:
        return replace(await self.shop.advertise.get_orchestrator(request), transcoder=self.uri)


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """Read a whole request; its first line."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    await reader.readexactly(length)
    return head.split(b"\r\n")[0]


async def silent(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def slow(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" * 100:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def deaf(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers before it has read anything, and goes."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def header_bomb(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Bomb: " + b"x" * 4000 + b"\r\n")
        peer.sent += 4010
        await writer.drain()


async def endless(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
        peer.sent += 65536
        await writer.drain()


async def announces_300_mb(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n")
    while True:
        writer.write(bytes(65536))
        peer.sent += 65536
        await writer.drain()


async def truncated(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    whole = wire.encode_transcode_result(
        TranscodeResult(0, "", (TranscodedSegment(f"{peer.uri}/0.ts", 1),), b"s", None)
    )
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(whole) - 3) + whole[:-3])
    await writer.drain()


async def no_http(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"\x00\x01SSH-2.0-hello\r\n\r\n")
    await writer.drain()


async def breaks_off(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
    await writer.drain()


async def huge_renditions(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An honest-looking answer, whose renditions never end."""
    line = await request_of(reader)
    if b"/segment" in line:
        offered = tuple(TranscodedSegment(f"{peer.uri}/{profile.name}.ts", 1) for profile in PROFILES)
        body = wire.encode_transcode_result(TranscodeResult(0, "", offered, bytes(65), None))
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        return
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
        peer.sent += 65536
        await writer.drain()


async def elsewhere(peer: Hostile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Names renditions inside our own network."""
    await request_of(reader)
    offered = tuple(TranscodedSegment("http://169.254.169.254/latest", 1) for _ in PROFILES)
    body = wire.encode_transcode_result(TranscodeResult(0, "", offered, bytes(65), None))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


class Roads(Wire):
    """To the hostile peer over real sockets, to the honest one without."""

    def __init__(self, honest: Shop, hostile: Hostile, http: HttpTransport) -> None:
        super().__init__(honest)
        self._hostile, self._http = hostile, http

    async def get_info(self, uri: str, request: OrchestratorRequest, *, timeout_s: float) -> OrchestratorInfo:
        if uri == self._hostile.uri:
            return await self._hostile.info(request)
        return await super().get_info(uri, request, timeout_s=timeout_s)

    async def ping(self, uri: str, value: bytes, *, timeout_s: float) -> bytes:
        shop = self._hostile.shop if uri == self._hostile.uri else self.shop
        return await shop.advertise.ping(value)

    async def submit_segment(
        self, uri: str, segment: bytes, *, credentials: str, payment: str, upload_timeout_s: float, timeout_s: float
    ) -> TranscodeResult:
        if uri != self._hostile.uri:
            return await super().submit_segment(
                uri,
                segment,
                credentials=credentials,
                payment=payment,
                upload_timeout_s=upload_timeout_s,
                timeout_s=timeout_s,
            )
        return await self._http.submit_segment(
            uri,
            segment,
            credentials=credentials,
            payment=payment,
            upload_timeout_s=IMPATIENT_S,
            timeout_s=2 * IMPATIENT_S,
        )

    async def fetch(self, url: str, *, limit_bytes: int, timeout_s: float) -> bytes:
        if url.startswith(self._hostile.uri):
            return await self._http.fetch(url, limit_bytes=limit_bytes, timeout_s=timeout_s)
        return await super().fetch(url, limit_bytes=limit_bytes, timeout_s=timeout_s)


@dataclass
class Scene:
    pair: Pair
    hostile: Hostile
    dispatcher: Dispatcher
    stream: StreamSession


@asynccontextmanager
async def scene(behaviour: Behaviour) -> AsyncIterator[Scene]:
    """A gateway whose first choice is the hostile peer."""
    pair = await Pair(Shop(), DispatchRules(warm_standby=False)).open()
    shop = pair.shop
    other = Shop(chain=shop.chain, clock=shop.clock, signer=type(shop.signer)(b"\x55" * 32))
    hostile = Hostile(behaviour, other)
    server = await asyncio.start_server(hostile.connected, "127.0.0.1", 0)
    hostile.uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    shop.chain.pool.insert(0, RegisteredOrchestrator(other.address, hostile.uri, 10**30, True))
    async with HttpTransport() as http:
        roads = Roads(shop, hostile, http)
        signer = pair.dispatcher.exchange.signer
        discovery = DiscoveryService(shop.chain, roads, signer, shop.clock)
        dispatcher = Dispatcher(
            discovery, pair.payer, signer, roads, FakeProbe(), shop.clock, pair.rules, draw=lambda: 0.0
        )
        yield Scene(pair, hostile, dispatcher, dispatcher.stream(PROFILES, "manifest", pair.events.append))
    server.close()
    for task in hostile.tasks:
        task.cancel()
    await asyncio.gather(*hostile.tasks, return_exceptions=True)
    await server.wait_closed()


@pytest.mark.parametrize(
    ("behaviour", "causes"),
    [
        (silent, {Cause.TIMEOUT}),
        (slow, {Cause.TIMEOUT}),
        (deaf, {Cause.MALFORMED, Cause.UNREACHABLE, Cause.BAD_RESULT}),
        (header_bomb, {Cause.MALFORMED, Cause.UNREACHABLE}),
        (endless, {Cause.MALFORMED}),
        (announces_300_mb, {Cause.MALFORMED}),
        (truncated, {Cause.MALFORMED}),
        (no_http, {Cause.MALFORMED, Cause.UNREACHABLE}),
        (breaks_off, {Cause.UNREACHABLE, Cause.MALFORMED}),
        (huge_renditions, {Cause.MALFORMED}),
        (elsewhere, {Cause.BAD_RESULT}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_stream__hostile_peer__is_left_for_its_cause_and_gets_nothing(
    behaviour: Behaviour, causes: set[Cause]
) -> None:
    async with scene(behaviour) as setting:
        tracemalloc.start()
        result = await setting.stream.submit(0, SEGMENT, 2000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert result.uri == SERVICE_URI
        assert setting.hostile.reached >= 1
        (swap,) = [event for event in setting.pair.events if isinstance(event, Swapped)]
        assert swap.code in causes, swap.cause
        assert swap.uri == setting.hostile.uri
        assert setting.dispatcher.is_suspended(setting.hostile.shop.address)
        assert peak < MEMORY_BOUND
        # It was sent tickets, that cannot be helped; nothing was charged, and the books say so.
        cheated = (await setting.pair.books.totals())[setting.hostile.shop.address]
        assert (cheated.segments, cheated.fees) == (0, 0)
        assert cheated.tickets_unanswered == cheated.tickets_sent
        # The stream goes on with the honest one.
        assert (await setting.stream.submit(1, SEGMENT + b"1", 2000)).attempts == 1


async def test_stream__result_larger_than_any__is_cut_off_at_its_limit() -> None:
    async with scene(endless) as setting:
        await setting.stream.submit(0, SEGMENT, 2000)
        # What was under way in the sockets' buffers comes on top.
        assert setting.hostile.sent < MAX_RESULT_BYTES + 16 * 2**20
