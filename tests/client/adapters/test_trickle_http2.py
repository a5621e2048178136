"""Trickle over HTTP/2, where one connection carries many channels: what ends one request ends no other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, InformationalResponseReceived, ResponseReceived, StreamReset

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.trickle_server import TrickleHub, add_trickle_routes
from livepeer_client.policy.trickle import RING

DEADLINE_S = 60
BASE = "/ai/trickle/"


class Peer:
    """One HTTP/2 connection in clear text."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.events: list[Event] = []

    def request(self, method: str, path: str, *, end: bool = True) -> int:
        stream: int = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":path", BASE + path), (":scheme", "http"), (":authority", "x")]
        self.h2.send_headers(stream, head, end_stream=end)
        self.flush()
        return stream

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def event(self, kind: type[Event], stream: int) -> Event:
        """The next event of a stream, which has to come before the connection ends."""
        while True:
            for event in self.events:
                if isinstance(event, kind) and getattr(event, "stream_id", None) == stream:
                    self.events.remove(event)
                    return event
            data = await self.reader.read(1 << 16)
            assert data, "the connection ended"
            self.events += self.h2.receive_data(data)
            self.flush()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for is another's state
        await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(**limits: float) -> AsyncIterator[tuple[TrickleHub, Peer]]:
    hub = TrickleHub(SystemClock(), **limits)  # type: ignore[arg-type]
    for name in ("one", "two"):
        hub.open(name, "video/MP2T")
    app = web.Application()
    add_trickle_routes(app, hub)
    server = TlsServer(host="127.0.0.1", port=0, context=None, app=app, rpc=[], grace_s=0.1)
    async with server, asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            yield hub, Peer(reader, writer)
        finally:
            writer.transport.abort()


async def test_post__no_byte_yet__is_told_to_go_on_waiting_in_a_frame() -> None:
    async with serving(first_byte_s=0.05) as (hub, peer):
        stream = peer.request("POST", "one/0", end=False)
        for _ in range(2):
            await peer.event(InformationalResponseReceived, stream)
        peer.h2.send_data(stream, b"data", end_stream=True)
        peer.flush()

        await peer.event(ResponseReceived, stream)
        assert hub.next_seq("one") == 1


async def test_get__reader_that_lost_its_segment__is_reset_and_its_neighbour_goes_on() -> None:
    async with serving() as (hub, peer):
        write = hub.entry("one").channel.write(-1)
        hub.append(hub.entry("one"), write, b"begun")
        slow, other = peer.request("GET", "one/0"), peer.request("GET", "two/0")
        await peer.event(DataReceived, slow)
        for _ in range(RING):
            hub.publish("one", b"newer")

        await peer.event(StreamReset, slow)
        hub.publish("two", b"live")
        await peer.event(DataReceived, other)


async def test_get__given_up__makes_room_for_another_reader() -> None:
    async with serving(max_readers=1) as (hub, peer):
        stream = peer.request("GET", "one/0")
        await until(lambda: hub.entry("one").readers == 1)
        peer.h2.reset_stream(stream)
        peer.flush()
        await until(lambda: not hub.entry("one").readers)

        stream = peer.request("GET", "one/0")
        hub.publish("one", b"live")
        await peer.event(DataReceived, stream)


async def test_post__refused_while_too_much_is_held__holds_no_reader_afterwards() -> None:
    async with serving(max_bytes=20) as (hub, peer):
        stream = peer.request("POST", "one/0", end=False)
        peer.h2.send_data(stream, b"12345678")
        peer.flush()
        await until(lambda: hub.size > 0)
        peer.h2.send_data(stream, b"12345678", end_stream=True)
        peer.flush()
        head = await peer.event(ResponseReceived, stream)
        assert isinstance(head, ResponseReceived)
        assert (b":status", b"503") in (head.headers or [])

        hub.publish("one", b"x")
        reading = peer.request("GET", "one/0")
        while True:
            event = await peer.event(DataReceived, reading)
            assert isinstance(event, DataReceived)
            if event.stream_ended is not None:
                break
