"""Trickle over real sockets: the protocol byte by byte, our clients against our server, and peers that misbehave."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.adapters.trickle_client import TricklePublisher, TrickleSegment, TrickleSubscriber
from livepeer_client.adapters.trickle_server import TrickleHub, add_trickle_routes
from livepeer_client.errors import InvalidInput, MalformedMessage, TransportError
from livepeer_client.policy.trickle import RING, TrickleRefused

DEADLINE_S = 60


class Server:
    def __init__(self, hub: TrickleHub, port: int, http: aiohttp.ClientSession) -> None:
        self.hub = hub
        self.port = port
        self.http = http
        self.url = f"http://127.0.0.1:{port}/ai/trickle/ch"

    async def get(self, what: object) -> tuple[int, bytes, dict[str, str]]:
        async with self.http.get(f"{self.url}/{what}") as response:
            return response.status, await response.read(), dict(response.headers)

    async def post(self, seq: object, data: object = b"", **headers: str) -> tuple[int, dict[str, str]]:
        async with self.http.post(f"{self.url}/{seq}", data=data, headers=headers) as response:
            return response.status, dict(response.headers)

    async def raw(self, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head.replace("\n", "\r\n").encode())
        return reader, writer

    async def until(self, condition: object) -> None:
        assert callable(condition)
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - what is waited for is another's state
                await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(**limits: float) -> AsyncIterator[Server]:
    hub = TrickleHub(SystemClock(), **limits)  # type: ignore[arg-type]
    hub.open("ch", "video/MP2T")
    app = web.Application()
    add_trickle_routes(app, hub)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(DEADLINE_S):
            yield Server(hub, runner.addresses[0][1], http)
    finally:
        await runner.cleanup()


# --- the protocol ---------------------------------------------------------------------------------


async def test_post__to_unknown_channel__is_404_and_closes() -> None:
    async with serving() as server, server.http.post(server.url + "x/0", data=b"a") as response:
        assert (response.status, await response.text(), response.headers["Connection"]) == (
            404,
            "Stream not found\n",
            "close",
        )


@pytest.mark.parametrize("index", ["-3", "-9223372036854775808", "1_0", "٣", "x", "9" * 30])
async def test_get__index_outside_the_protocol__is_400(index: str) -> None:
    async with serving() as server:
        assert (await server.get(index))[0] == 400


async def test_get__each_of_the_last_five__is_there_and_the_sixth_is_470_with_latest() -> None:
    async with serving() as server:
        for seq in range(RING + 1):
            assert await server.post(-1, b"%d" % seq)
            assert server.hub.next_seq("ch") == seq + 1
        assert [(await server.get(seq))[1] for seq in range(1, RING + 1)] == [b"1", b"2", b"3", b"4", b"5"]
        status, _, headers = await server.get(0)
        assert (status, headers["Lp-Trickle-Seq"], headers["Lp-Trickle-Latest"]) == (470, "0", "6")
        assert (await server.get(-2))[1] == b"5"
        assert (await server.get("next"))[1:2] == (b"6",)


async def test_get__at_the_live_edge__is_held_and_streams_as_bytes_come() -> None:
    async with serving() as server:
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def body() -> AsyncIterator[bytes]:
            while (piece := await pieces.get()) is not None:
                yield piece

        reading = asyncio.ensure_future(server.http.get(f"{server.url}/-1"))
        writing = asyncio.ensure_future(server.post(0, body()))
        await server.until(lambda: server.hub.entry("ch").readers == 1)
        assert not reading.done()
        pieces.put_nowait(b"first")
        response = await reading
        assert await response.content.readany() == b"first"
        pieces.put_nowait(b"second")
        assert await response.content.readany() == b"second"
        pieces.put_nowait(None)
        assert (await response.content.read(), (await writing)[0]) == (b"", 200)
        response.close()


async def test_get__of_closed_channel__ends_with_closed_and_then_is_404() -> None:
    async with serving() as server:
        waiting = asyncio.ensure_future(server.get(-1))
        await server.until(lambda: server.hub.entry("ch").readers == 1)
        async with server.http.delete(server.url) as response:
            assert response.status == 200
        status, body, headers = await waiting
        assert (status, body, headers["Lp-Trickle-Closed"]) == (200, b"terminated", "terminated")
        assert (await server.get(-1))[0] == 404
        async with server.http.delete(server.url) as response:
            assert response.status == 400


async def test_post__empty__advances_the_head_and_closes_the_connection() -> None:
    async with serving() as server:
        status, headers = await server.post(-1)
        assert (status, headers["Connection"], server.hub.next_seq("ch")) == (200, "close", 1)
        status, body, headers = await server.get(0)
        assert (status, body, headers["Lp-Trickle-Latest"]) == (200, b"", "1")


async def test_post__preconnected__hangs_until_its_channel_closes_and_says_continue() -> None:
    async with serving(first_byte_s=0.05) as server:
        reader, writer = await server.raw(
            "POST /ai/trickle/ch/1 HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nContent-Type: video/MP2T\n\n"
        )
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert server.hub.next_seq("ch") == 0
        server.hub.close("ch")
        answer = await reader.readuntil(b"Lp-Trickle-Closed: terminated\r\n")
        assert b"HTTP/1.1 200 OK" in answer
        writer.close()


async def test_post__broken_off__leaves_the_segment_open_for_more_and_delete_ends_it() -> None:
    async with serving() as server:
        _, writer = await server.raw("POST /ai/trickle/ch/0 HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n3\nabc\n")
        await server.until(lambda: server.hub.next_seq("ch") == 1)
        writer.transport.abort()
        await server.until(lambda: server.hub.entry("ch").writers == 0)
        reading = asyncio.ensure_future(server.get(0))
        await server.until(lambda: server.hub.entry("ch").readers == 1)
        async with server.http.delete(f"{server.url}/0") as response:
            assert response.status == 200
        assert (await reading)[1] == b"abc"
        async with server.http.delete(f"{server.url}/4") as response:
            assert (response.status, await response.text()) == (400, "Nonexistent segment\n")


async def test_post__with_reset__frees_readers_of_older_segments() -> None:
    async with serving() as server:
        _, writer = await server.raw("POST /ai/trickle/ch/0 HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n1\na\n")
        await server.until(lambda: server.hub.next_seq("ch") == 1)
        reading = asyncio.ensure_future(server.get(0))
        await server.post(1, b"b", **{"Lp-Trickle-Reset": "1"})
        assert (await reading)[1] == b"a"
        writer.transport.abort()


# --- our clients ----------------------------------------------------------------------------------


async def test_subscriber__publisher_of_many_segments__gets_each_once_and_then_the_end() -> None:
    async with serving() as server:
        publisher = TricklePublisher(server.http, server.url, "video/MP2T")
        got: list[TrickleSegment] = []

        async def subscribe() -> None:
            async for segment in TrickleSubscriber(server.http, server.url, start=0).segments():
                got.append(segment)

        reading = asyncio.ensure_future(subscribe())
        for number in range(20):
            assert await publisher.publish(b"%d" % number) == number
            await server.until(lambda number=number: len(got) == number + 1)
        await publisher.close()
        await reading
        assert [segment.data for segment in got] == [b"%d" % number for number in range(20)]
        assert {(segment.missed, segment.broken) for segment in got} == {(0, False)}
        assert await publisher.publish(b"late") is None


async def test_subscriber__fallen_behind_the_ring__goes_to_the_edge_and_says_what_it_missed() -> None:
    async with serving() as server:
        for _ in range(9):
            await server.post(-1, b"x")
        segments = TrickleSubscriber(server.http, server.url, start=2).segments()
        first = asyncio.ensure_future(anext(segments))
        await server.until(lambda: server.hub.entry("ch").readers == 1)
        await server.post(-1, b"edge")
        assert await first == TrickleSegment(9, b"edge", "video/MP2T", missed=7)
        await segments.aclose()


async def test_publisher__new_one_on_an_old_channel__goes_on_after_its_last_segment() -> None:
    async with serving() as server:
        await TricklePublisher(server.http, server.url, "video/MP2T").publish(b"a")
        assert await TricklePublisher(server.http, server.url, "video/MP2T").publish(b"b") == 1


async def test_subscriber__peer_gone__is_a_loss_and_no_end() -> None:
    async with serving() as server:
        url = server.url
    async with aiohttp.ClientSession() as http:
        with pytest.raises(TransportError):
            await anext(TrickleSubscriber(http, url, retry_s=0.01).segments())


async def test_subscriber__segment_beyond_its_limit__is_refused() -> None:
    async with serving() as server:
        await server.post(-1, b"x" * 2000)
        with pytest.raises(MalformedMessage):
            await anext(TrickleSubscriber(server.http, server.url, max_bytes=1000).segments())


# --- hostile peers --------------------------------------------------------------------------------


async def test_post__endless_body__ends_at_the_limit_of_a_segment() -> None:
    async with serving(max_segment_bytes=100_000) as server:

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 10_000

        # Cut while it was still sending, or told why.
        with suppress(aiohttp.ClientConnectionError):
            assert (await server.post(-1, endless()))[0] == 413
        assert server.hub.size <= 100_000
        assert (await server.post(-1, b"fine"))[0] == 200


async def test_post__all_channels_full__holds_no_more_than_the_node_allows() -> None:
    async with serving(max_bytes=90_000) as server:
        statuses = [(await server.post(-1, b"x" * 20_000))[0] for _ in range(4)]
        assert statuses == [200, 200, 503, 503]
        # As much as it holds is left for others.
        assert server.hub.size <= 45_000


async def test_get__thousands_of_guessed_names__find_nothing_and_open_nothing() -> None:
    async with serving() as server:
        for number in range(2000):
            async with server.http.get(f"{server.url[:-2]}{number:032x}/-1") as response:
                assert response.status == 404
        assert len(server.hub) == 1


async def test_open__too_many_channels__is_refused() -> None:
    hub = TrickleHub(ManualClock(), max_channels=3)
    names = [hub.new_name() for _ in range(3)]
    for name in names:
        hub.open(name, "video/MP2T")
    assert {len(name) for name in names} == {32}
    assert len(set(names)) == 3
    for name in (hub.new_name(), names[0], "../x", "ä"):
        with pytest.raises(InvalidInput):
            hub.open(name, "video/MP2T")


async def test_get__too_many_readers__get_429_and_places_of_gone_ones_are_free_again() -> None:
    async with serving(max_readers=2) as server:
        held = [await server.raw("GET /ai/trickle/ch/-1 HTTP/1.1\nHost: x\n\n") for _ in range(2)]
        await server.until(lambda: server.hub.entry("ch").readers == 2)
        assert (await server.get(-1))[0] == 429
        for _, writer in held:
            writer.transport.abort()
        await server.until(lambda: server.hub.entry("ch").readers == 0)


async def test_post__dripping_publisher__is_cut_after_its_time_between_pieces() -> None:
    async with serving(piece_s=0.05) as server:
        reader, writer = await server.raw(
            "POST /ai/trickle/ch/0 HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n1\na\n"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 500")
        assert server.hub.entry("ch").writers == 0
        writer.close()


async def test_get__reader_that_takes_nothing__is_cut_and_holds_up_nobody() -> None:
    async with serving(piece_s=2) as server:
        await server.post(-1, io.BytesIO(b"x" * (24 << 20)))
        _, writer = await server.raw("GET /ai/trickle/ch/0 HTTP/1.1\nHost: x\n\n")
        writer.transport.pause_reading()
        await server.until(lambda: server.hub.entry("ch").readers == 1)
        assert len((await server.get(0))[1]) == 24 << 20
        await server.until(lambda: server.hub.entry("ch").readers == 0)
        writer.transport.abort()


async def test_sweep__channel_whose_last_segment_began_over_five_minutes_ago__is_closed() -> None:
    clock = ManualClock()
    hub = TrickleHub(clock)
    hub.open("a", "video/MP2T")
    hub.open("_feed", "application/json")
    await clock.advance(299)
    hub.sweep()
    assert hub.has("a")
    await clock.advance(2)
    hub.sweep()
    assert (hub.has("a"), hub.has("_feed")) == (False, True)


def _fill(hub: TrickleHub, name: str) -> None:
    write = hub.entry(name).channel.write(-1)
    while True:
        hub.append(hub.entry(name), write, b"x")


def test_hub__greedy_channels__leave_room_for_one_more() -> None:
    hub = TrickleHub(ManualClock(), max_bytes=1000)
    for name in ("one", "two", "three"):
        hub.open(name, "video/MP2T")
        with pytest.raises(TrickleRefused) as caught:
            _fill(hub, name)
        assert caught.value.status == 503
    assert [hub.entry(name).channel.size for name in ("one", "two", "three")] == [500, 250, 125]


async def test_get__closed_channel_read_slowly__counts_and_is_dropped_in_the_end() -> None:
    data = bytes(8 << 20)
    async with serving(max_bytes=64 << 20) as server:
        server.hub.publish("ch", data)
        reader, writer = await server.raw("GET /ai/trickle/ch/0 HTTP/1.1\nHost: x\n\n")
        await server.until(lambda: server.hub.entry("ch").readers == 1)
        server.hub.close("ch")
        assert server.hub.size == len(data)
        # Nobody takes a piece of it, and the time for one is over.
        server.hub.piece_s = -1.0
        server.hub.sweep()
        assert server.hub.size == 0
        writer.transport.abort()
        await server.until(lambda: not server.hub._closed or not server.hub._closed[0][1].readers)
        del reader
