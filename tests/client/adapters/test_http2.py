"""The same port over HTTP/2: real clients of it beside gRPC and HTTP/1.1, with TLS and in clear text."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import hpack
import httpx
import pytest
from aiohttp import web
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event, InformationalResponseReceived, ResponseReceived, StreamReset
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, PingFrame, SettingsFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livepeer_client.adapters import http2, http2_preface
from livepeer_client.adapters.http2_preface import PREFACE, Kind, Opening
from livepeer_client.adapters.http_server import build_app
from livepeer_client.adapters.rpc_server import orchestrator_rpc
from livepeer_client.adapters.server import MAX_HEADER_BYTES, TlsServer
from livepeer_client.adapters.tls import server_context
from livepeer_client.codec import wire
from tests.client.adapters.test_server import PATHS, DeskDouble, RpcDouble

MAX_BYTES = 4_000_000
HELLO = PREFACE + SettingsFrame(0).serialize()


class Place:
    """A running server with an additional route that waits, one that fails, and one that leaves its body unread."""

    def __init__(self, folder: Path | None, head_s: float = 60, body_s: float = 60) -> None:
        self.path = None if folder is None else folder / "tls.pem"
        self.desk = DeskDouble()
        self.desk.hold.set()
        self.rpc = RpcDouble()
        self.waiting = 0
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()
        self.server = TlsServer(
            host="127.0.0.1",
            port=0,
            context=None if self.path is None else server_context(self.path, "127.0.0.1", time.time()),
            app=build_app(self.desk, mounts=[self.mount], max_segment_bytes=MAX_BYTES, body_s=body_s),
            rpc=[orchestrator_rpc(self.rpc.get_orchestrator, self.rpc.ping, self.rpc.end_session)],
            grace_s=0.5,
            head_s=head_s,
        )

    def mount(self, app: web.Application) -> None:
        app.router.add_get("/wait", self.wait)
        app.router.add_get("/fail", self.fail)
        app.router.add_get("/large", self.large)
        app.router.add_post("/echo", self.echo)

    async def wait(self, _: web.Request) -> web.Response:
        self.waiting += 1
        self.arrived.set()
        try:
            await self.go_on.wait()
        finally:
            self.waiting -= 1
        return web.Response(text="waited")

    async def fail(self, _: web.Request) -> web.Response:
        raise RuntimeError("a fault of the handler")

    async def large(self, _: web.Request) -> web.Response:
        return web.Response(body=bytes(MAX_BYTES))

    async def echo(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Connection": "close", "X-Said": request.headers.get("X-Said", "")})
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response

    def url(self, path: str) -> str:
        return f"{'http' if self.path is None else 'https'}://127.0.0.1:{self.server.port}{path}"

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(http1=False, http2=True, verify=False, timeout=60)

    def channel(self) -> grpc.aio.Channel:
        address = f"127.0.0.1:{self.server.port}"
        if self.path is None:
            return grpc.aio.insecure_channel(address)
        return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(root_certificates=self.path.read_bytes()))


@pytest.fixture(params=["tls", "clear"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path if request.param == "tls" else None)
    async with place.server:
        yield place


@pytest.fixture(params=["tls", "clear"])
async def hasty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """One that waits half a second for the first headers."""
    place = Place(tmp_path if request.param == "tls" else None, head_s=0.5)
    async with place.server:
        yield place


class RawPeer:
    """A client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=True))
        self.events: list[Event] = []

    def request(self, path: str, *, method: str = "GET", end: bool = True, **headers: str) -> int:
        stream: int = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":path", path), (":scheme", "https"), (":authority", "x")]
        self.h2.send_headers(stream, pseudo + [(k.replace("_", "-"), v) for k, v in headers.items()], end_stream=end)
        return stream

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def event(self, kind: type[Event]) -> Event:
        """The next event of this kind, which has to come."""
        async with asyncio.timeout(60):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        self.events.remove(event)
                        return event
                data = await self.reader.read(1 << 16)
                assert data, "the connection ended"
                self.events += self.h2.receive_data(data)
                self.flush()

    async def is_closed(self) -> bool:
        async with asyncio.timeout(60):
            try:
                while await self.reader.read(1 << 16):
                    pass
            except ConnectionError:
                pass
        return True


@asynccontextmanager
async def raw_peer(place: Place) -> AsyncIterator[RawPeer]:
    context = None
    if place.path is not None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port, ssl=context)
    try:
        yield RawPeer(reader, writer)
    finally:
        writer.transport.abort()


async def is_served(place: Place) -> bool:
    async with place.client() as client:
        return (await client.get(place.url("/status"))).status_code == 200


# --- one port -------------------------------------------------------------------------------------


async def test_port__grpc_http1_and_http2_at_the_same_time__each_gets_its_own_answer(place: Place) -> None:
    async with place.client() as two, httpx.AsyncClient(verify=False) as one, place.channel() as channel:
        ping = channel.unary_unary(PATHS + "Ping")
        pings, new, old = await asyncio.gather(
            asyncio.gather(*(ping(wire.encode_ping(b"abc"), timeout=60) for _ in range(20))),
            asyncio.gather(*(two.post(place.url("/segment"), content=b"abc") for _ in range(20))),
            asyncio.gather(*(one.post(place.url("/segment"), content=b"abc") for _ in range(20))),
        )

    assert set(pings) == {wire.encode_ping(b"cba")}
    assert {(r.http_version, r.content) for r in new} == {("HTTP/2", b"cba")}
    assert {(r.http_version, r.content) for r in old} == {("HTTP/1.1", b"cba")}


async def test_port__grpc_channel_that_waits_before_its_first_call__is_served(place: Place) -> None:
    async with place.channel() as channel:
        await asyncio.wait_for(channel.channel_ready(), 60)

        answer = await channel.unary_unary(PATHS + "Ping")(wire.encode_ping(b"ab"), timeout=60)

    assert answer == wire.encode_ping(b"ba")


async def test_http2__a_large_body_and_answer__arrive_whole(place: Place) -> None:
    body = bytes(range(256)) * (MAX_BYTES // 256)

    async with place.client() as client:
        answer = await client.post(place.url("/segment"), content=body)

    assert answer.content == body[::-1]


async def test_http2__headers_and_a_body_in_pieces__pass_both_ways(place: Place) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(10):
            yield bytes([number]) * 1000

    async with place.client() as client:
        answer = await client.post(place.url("/echo"), content=pieces(), headers={"X-Said": "hello"})

    assert answer.headers["x-said"] == "hello"
    assert "connection" not in answer.headers
    assert answer.content == b"".join([bytes([number]) * 1000 for number in range(10)])


async def test_http2__head__has_no_body(place: Place) -> None:
    async with place.client() as client:
        answer = await client.head(place.url("/large"))

    assert (answer.status_code, answer.content) == (200, b"")


async def test_http2__a_long_payment_header__reaches_the_desk(place: Place) -> None:
    async with place.client() as client:
        headers = {"Livepeer-Payment": "p" * 64_000, "Livepeer-Segment": "s"}
        assert (await client.post(place.url("/segment"), content=b"abc", headers=headers)).status_code == 200

    assert place.desk.headers == [("p" * 64_000, "s")]


async def test_http2__a_body_over_the_limit__is_refused_and_the_connection_goes_on(place: Place) -> None:
    async with place.client() as client:
        refused = await client.post(place.url("/segment"), content=bytes(MAX_BYTES + 1))
        served = await client.post(place.url("/segment"), content=b"abc")

    assert (refused.status_code, served.content) == (413, b"cba")
    assert place.desk.bodies == [b"abc"]


async def test_http2__a_handler_that_fails__is_500_and_the_connection_goes_on(place: Place) -> None:
    async with place.client() as client:
        assert (await client.get(place.url("/fail"))).status_code == 500
        assert (await client.get(place.url("/status"))).status_code == 200
        assert (await client.get(place.url("/nothing"))).status_code == 404


async def test_http2__expects_to_be_told_to_go_on__is_told(place: Place) -> None:
    async with raw_peer(place) as peer:
        peer.h2.initiate_connection()
        stream = peer.request("/echo", method="POST", end=False, expect="100-continue")
        peer.flush()
        await peer.event(InformationalResponseReceived)
        peer.h2.send_data(stream, b"abc", end_stream=True)
        peer.flush()

        assert await peer.event(ResponseReceived)


async def test_server__closed_while_a_request_waits__gives_it_time_and_says_goodbye(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.client() as client:
        async with place.server:
            request = asyncio.ensure_future(client.get(place.url("/wait")))
            await place.arrived.wait()
            asyncio.get_running_loop().call_later(0.1, place.go_on.set)

        assert (await request).text == "waited"


# --- hostile peers --------------------------------------------------------------------------------


async def test_http2__headers_without_end__are_refused(place: Place) -> None:
    async with raw_peer(place) as peer:
        peer.writer.write(HELLO + HeadersFrame(1, b"\x00").serialize())
        for _ in range(100):
            peer.writer.write(ContinuationFrame(1, bytes(16_000)).serialize())

        assert await peer.is_closed()
    assert await is_served(place)


async def test_http2__headers_that_unpack_to_more_than_allowed__are_refused(place: Place) -> None:
    once = hpack.Encoder().encode([("x-bomb", "b" * 4000)])
    # Every further byte repeats the field from the table: 200 bytes for 800 kB.
    async with raw_peer(place) as peer:
        peer.writer.write(HELLO + HeadersFrame(1, once + b"\xbe" * 200, flags=["END_HEADERS"]).serialize())

        assert await peer.is_closed()
    assert await is_served(place)


async def test_http2__later_headers_that_unpack_to_more_than_allowed__end_the_connection(place: Place) -> None:
    async with raw_peer(place) as peer:
        peer.h2.initiate_connection()
        peer.request("/status")
        peer.flush()
        await peer.event(ResponseReceived)
        block = peer.h2.encoder.encode([("x-bomb", "b" * 3000)]) + b"\xbe" * 200
        peer.writer.write(HeadersFrame(3, block, flags=["END_HEADERS"]).serialize())

        assert await peer.is_closed()
    assert await is_served(place)


@pytest.mark.parametrize("sent", [b"", b"PRI * HT", PREFACE, b"\x00" * 64], ids=["nothing", "part", "preface", "other"])
async def test_http2__no_more_than_the_beginning__is_dropped(hasty: Place, sent: bytes) -> None:
    async with raw_peer(hasty) as peer:
        peer.writer.write(sent)

        assert await peer.is_closed()


async def test_http2__requests_opened_and_given_up__do_not_pile_up(place: Place) -> None:
    async with raw_peer(place) as peer:
        peer.h2.initiate_connection()
        for _ in range(3 * http2.MAX_STREAMS):
            stream = peer.request("/wait")
            peer.h2.reset_stream(stream)
        peer.flush()
        peer.request("/wait")
        peer.flush()
        # Refused, for those before it are still being answered.
        await peer.event(StreamReset)

        assert 0 < place.waiting <= http2.MAX_STREAMS
    assert await is_served(place)


async def test_http2__pings_before_a_request_whose_answers_nobody_reads__are_not_all_held(place: Place) -> None:
    async with raw_peer(place) as peer:
        transport = peer.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        peer.writer.write(HELLO)
        pings = PingFrame(0, bytes(8)).serialize() * 400
        held, sent = 0, 0
        # More than the buffers of both sockets hold; in small pieces, for the answers to many at once end it anyway.
        while sent < 40_000_000:
            peer.writer.write(pings)
            sent += len(pings)
            try:
                async with asyncio.timeout(1):
                    await peer.writer.drain()
            except (TimeoutError, ConnectionError):
                break
            await asyncio.sleep(0)
            held = max([held, *(each.get_write_buffer_size() for each in place.server._accepted)])
        assert 0 < held < 2_000_000
    assert await is_served(place)


async def test_http2__more_of_a_body_than_its_window__ends_the_connection(place: Place) -> None:
    place.desk.hold.clear()
    async with raw_peer(place) as peer:
        peer.h2.initiate_connection()
        stream = peer.request("/wait", method="GET", end=False)
        peer.flush()
        await place.arrived.wait()
        for _ in range(2 * http2.WINDOW_BYTES // 16_000):
            peer.writer.write(DataFrame(stream, bytes(16_000)).serialize())

        assert await peer.event(ConnectionTerminated)
    assert await is_served(place)


async def test_http2__an_answer_that_is_not_read__is_not_all_held_and_others_are_served(place: Place) -> None:
    async with raw_peer(place) as peer:
        peer.h2.initiate_connection()
        for _ in range(8):
            peer.request("/large")
        peer.flush()
        await peer.event(ResponseReceived)

        # 64 kB of each may be under way; who opens no window gets no more, and the others wait for nothing.
        assert await is_served(place)


# --- the first frames -----------------------------------------------------------------------------


def _headers(content_type: str, stream: int = 1) -> bytes:
    fields = [(":method", "POST"), (":path", "/"), (":scheme", "https"), (":authority", "x")]
    block = hpack.Encoder().encode([*fields, ("content-type", content_type)])
    return HeadersFrame(stream, block, flags=["END_HEADERS"]).serialize()


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/grpc", Kind.GRPC),
        ("application/grpc+proto", Kind.GRPC),
        ("Application/gRPC", Kind.GRPC),
        ("multipart/mixed; boundary=x", Kind.HTTP),
        ("", Kind.HTTP),
    ],
)
def test_opening__by_content_type__knows_what_it_is(content_type: str, kind: Kind) -> None:
    opening = Opening(MAX_HEADER_BYTES)

    assert opening.feed(HELLO + _headers(content_type)) == HELLO + _headers(content_type)
    assert opening.kind is kind


@pytest.mark.parametrize("late", [False, True], ids=["before the request", "after the request"])
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_opening__in_pieces__passes_on_all_but_the_first_acknowledgement(late: bool, step: int) -> None:
    ack = SettingsFrame(0, flags=["ACK"]).serialize()
    head = _headers("application/grpc")
    sent = HELLO + (head + ack if late else ack + head) + ack + b"whatever follows"
    opening = Opening(MAX_HEADER_BYTES)

    passed = b"".join(opening.feed(sent[at : at + step]) for at in range(0, len(sent), step))

    assert passed == HELLO + head + ack + b"whatever follows"
    assert opening.done


def test_opening__pinged_before_the_first_request__answers_itself() -> None:
    opening = Opening(MAX_HEADER_BYTES)

    assert opening.feed(HELLO + PingFrame(0, b"12345678").serialize()) == b""
    assert bytes(opening.reply) == PingFrame(0, b"12345678", flags=["ACK"]).serialize()
    assert opening.feed(_headers("application/grpc")) == HELLO + _headers("application/grpc")


def test_opening__another_frame_within_the_headers__is_broken() -> None:
    opening = Opening(MAX_HEADER_BYTES)

    opening.feed(HELLO + HeadersFrame(1, b"\x82").serialize() + PingFrame(0, bytes(8)).serialize())
    opening.feed(SettingsFrame(0).serialize())

    assert opening.kind is Kind.BROKEN


def test_opening__a_frame_larger_than_offered__is_broken_before_it_is_there() -> None:
    opening = Opening(MAX_HEADER_BYTES)

    opening.feed(HELLO + (http2_preface.MAX_FRAME_BYTES + 1).to_bytes(3, "big") + bytes(6))

    assert opening.kind is Kind.BROKEN


_FRAMES = st.builds(
    lambda kind, flags, stream, body: len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream + body,
    st.integers(0, 12),
    st.integers(0, 255),
    st.sampled_from([bytes(4), b"\0\0\0\1", b"\0\0\0\3", b"\xff" * 4]),
    st.binary(max_size=64),
)


@given(st.lists(st.one_of(_FRAMES, st.binary(max_size=32)), max_size=12), st.integers(1, 200))
def test_opening__any_frames__is_decided_or_broken_and_loses_nothing(frames: list[bytes], step: int) -> None:
    opening = Opening(MAX_HEADER_BYTES)
    sent = PREFACE + b"".join(frames)

    passed = b"".join(opening.feed(sent[at : at + step]) for at in range(0, len(sent), step))

    if opening.kind in (None, Kind.BROKEN):
        assert passed == b"" or opening.kind is Kind.BROKEN
    elif opening.done:
        assert passed.startswith(PREFACE)
        assert sent.endswith(passed[-8:])


@given(st.lists(st.one_of(_FRAMES, st.binary(max_size=32)), max_size=12))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_http2__any_frames_on_a_connection__never_raise_and_end_it_at_most(frames: list[bytes]) -> None:
    async def play() -> None:
        app = web.Application()
        runner = web.AppRunner(app)
        await runner.setup()
        assert runner.server is not None
        near, far = socket.socketpair()
        loop = asyncio.get_running_loop()
        connection = http2.Http2Connection(runner.server, max_header_bytes=MAX_HEADER_BYTES, idle_s=60)
        transport, _ = await loop.connect_accepted_socket(lambda: connection, near)
        try:
            connection.data_received(PREFACE + b"".join(frames))
            await asyncio.sleep(0)
            await connection.drain(0)
        finally:
            transport.abort()
            far.close()
            await runner.cleanup()

    asyncio.run(play())
