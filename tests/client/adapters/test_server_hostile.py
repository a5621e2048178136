"""Clients that hold connections, drip, and send what grows: none of them costs the port more than it has to give."""

import asyncio
import gzip
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from livepeer_client.adapters.http_server import build_app
from livepeer_client.adapters.rpc_server import orchestrator_rpc
from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.tls import server_context
from tests.client.adapters.test_server import DeskDouble, RpcDouble

PATIENT_S = 60.0
"""For those who are to be served, on a busy machine too."""
STATUS = b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving(
    folder: Path,
    desk: DeskDouble,
    room: int = 10_000_000,
    *,
    head_s: float = PATIENT_S,
    body_s: float = PATIENT_S,
    upload_s: float = PATIENT_S,
    **limits: int,
) -> AsyncIterator[TlsServer]:
    rpc = RpcDouble()
    desk.hold.set()
    server = TlsServer(
        host="127.0.0.1",
        port=0,
        context=server_context(folder / "tls.pem", "127.0.0.1", time.time()),
        app=build_app(desk, max_segment_bytes=1_000_000, body_s=body_s, upload_s=upload_s, max_bytes_in_flight=room),
        rpc=[orchestrator_rpc(rpc.get_orchestrator, rpc.ping, rpc.end_session)],
        grace_s=0.2,
        head_s=head_s,
        **limits,
    )
    async with server:
        yield server


async def connect(server: TlsServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await asyncio.open_connection("127.0.0.1", server.port, ssl=context)


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def is_served(server: TlsServer) -> bool:
    try:
        reader, writer = await connect(server)
    except ConnectionError:
        return False
    try:
        writer.write(STATUS)
        return (await asyncio.wait_for(reader.read(12), PATIENT_S)) == b"HTTP/1.1 200"
    except ConnectionError:
        return False
    finally:
        await leave(writer)


async def closes(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), PATIENT_S / 2) == b""
    except ConnectionError:
        return True


async def until_served(server: TlsServer) -> None:
    async with asyncio.timeout(PATIENT_S):
        while not await is_served(server):  # noqa: ASYNC110, nobody tells of the end of a socket
            await asyncio.sleep(0.05)


async def test_server__says_nothing__is_dropped(tmp_path: Path) -> None:
    async with serving(tmp_path, DeskDouble(), head_s=0.3) as server:
        reader, writer = await connect(server)
        assert await closes(reader)
        await leave(writer)


async def test_server__headers_dripping__is_dropped(tmp_path: Path) -> None:
    async with serving(tmp_path, DeskDouble(), head_s=0.3) as server:
        reader, writer = await connect(server)

        async def drip() -> None:
            for byte in b"GET /status HTTP/1.1\r\nX: " + b"x" * 1000:
                writer.write(bytes((byte,)))
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert await closes(reader)
        dripping.cancel()
        await leave(writer)


async def test_server__headers_in_two_pieces_within_the_time__are_served(tmp_path: Path) -> None:
    async with serving(tmp_path, DeskDouble(), head_s=2) as server:
        reader, writer = await connect(server)
        for piece in (STATUS[:-3], STATUS[-3:] + STATUS):
            writer.write(piece)
            await asyncio.sleep(0.05)
        # Answered twice, and still open after the time for the first headers.
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 2:
            more = await asyncio.wait_for(reader.read(4096), PATIENT_S)
            assert more
            answers += more
        await asyncio.sleep(2.5)
        writer.write(STATUS)
        assert (await asyncio.wait_for(reader.read(4096), PATIENT_S)).startswith(b"HTTP/1.1 200")
        await leave(writer)


async def test_server__headers_without_end__are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, DeskDouble()) as server:
        reader, writer = await connect(server)
        writer.write(b"GET /status HTTP/1.1\r\nX: " + b"x" * 600_000)
        assert (await asyncio.wait_for(reader.read(12), PATIENT_S)) == b"HTTP/1.0 400"
        await leave(writer)


async def test_server__more_connections_than_allowed__are_refused_until_one_goes(tmp_path: Path) -> None:
    async with serving(tmp_path, DeskDouble(), max_connections=2) as server:
        held = []
        for _ in range(2):
            reader, writer = await connect(server)
            writer.write(STATUS)
            await reader.read(12)
            held.append(writer)
        assert not await is_served(server)
        await leave(held.pop())
        await until_served(server)
        await leave(held.pop())


async def test_server__more_connections_of_one_host_than_allowed__are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, DeskDouble(), max_connections_of_host=1) as server:
        reader, writer = await connect(server)
        writer.write(STATUS)
        await reader.read(12)
        assert not await is_served(server)
        await leave(writer)
        await until_served(server)


async def test_server__connections_that_make_no_handshake__count_and_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, DeskDouble(), max_connections=4) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(4)]
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        # At once, not when the time for a handshake is over.
        assert await closes(reader)
        assert not await is_served(server)
        for _, each in [*silent, (reader, writer)]:
            await leave(each)
        await until_served(server)


async def test_segment__packed_body__is_taken_as_it_is(tmp_path: Path) -> None:
    desk = DeskDouble()
    packed = gzip.compress(bytes(50_000_000))
    async with serving(tmp_path, desk) as server, aiohttp.ClientSession() as http:
        url = f"https://127.0.0.1:{server.port}/segment"
        async with http.post(url, data=packed, headers={"Content-Encoding": "gzip"}, ssl=False) as response:
            assert response.status == 200
    assert desk.bodies == [packed]


async def test_segment__body_dripping_within_the_time_for_a_piece__is_given_up_in_the_end(tmp_path: Path) -> None:
    desk = DeskDouble()

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.1)

    limits = {"body_s": 20, "upload_s": 0.6}
    async with serving(tmp_path, desk, **limits) as server, aiohttp.ClientSession() as http:
        url = f"https://127.0.0.1:{server.port}/segment"
        async with http.post(url, data=drip(), ssl=False) as response:
            assert response.status == 500
    assert (desk.bodies, desk.left) == ([], 1)


async def test_segment__no_room__is_answered_without_its_body(tmp_path: Path) -> None:
    desk = DeskDouble(room=False)
    async with serving(tmp_path, desk) as server, aiohttp.ClientSession() as http:
        url = f"https://127.0.0.1:{server.port}/segment"
        async with http.post(url, data=b"video", ssl=False) as response:
            assert (response.status, await response.read()) == (200, b"")
    assert (desk.bodies, desk.left) == ([b""], 1)


async def post(http: aiohttp.ClientSession, server: TlsServer, count: int) -> int:
    async with http.post(f"https://127.0.0.1:{server.port}/segment", data=bytes(count)) as response:
        await response.read()
        return response.status


async def test_segment__more_at_once_than_there_is_room_for__is_refused_until_some_of_it_is_done(
    tmp_path: Path,
) -> None:
    desk = DeskDouble()
    async with (
        serving(tmp_path, desk, room=1_000_000) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
    ):
        desk.hold.clear()
        working = [asyncio.create_task(post(http, server, 400_000)) for _ in range(2)]
        async with asyncio.timeout(60):
            while len(desk.bodies) < 2:  # noqa: ASYNC110, the double has no event for it
                await asyncio.sleep(0.01)
        assert await post(http, server, 400_000) == 503
        # Others are served, and what was refused holds no room.
        assert await is_served(server)
        assert await post(http, server, 400_000) == 503
        desk.hold.set()
        assert await asyncio.gather(*working) == [200, 200]
        assert await post(http, server, 900_000) == 200


async def test_segment__by_url__keeps_room_for_the_longest_until_it_is_there(tmp_path: Path) -> None:
    url, desk = "https://elsewhere.example/1.ts", DeskDouble()
    desk.pages[url], desk.fetched = bytes(10), asyncio.Event()

    async def post_url() -> int:
        headers = {"Content-Type": "application/vnd+livepeer.uri"}
        async with http.post(
            f"https://127.0.0.1:{server.port}/segment", data=url.encode(), headers=headers
        ) as response:
            await response.read()
            return response.status

    async with (
        serving(tmp_path, desk, room=1_500_000) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
    ):
        fetching = asyncio.create_task(post_url())
        async with asyncio.timeout(60):
            while not desk.fetching:  # noqa: ASYNC110, the double has no event for it
                await asyncio.sleep(0.01)
        assert await post_url() == 503
        assert await post(http, server, 400_000) == 200
        desk.fetched.set()
        assert await fetching == 200
        assert await post_url() == 200


async def test_segment__of_300_mb__is_refused_by_its_header_and_by_its_bytes(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(5000):
            yield bytes(65_536)

    desk = DeskDouble()
    async with (
        serving(tmp_path, desk) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
    ):
        url = f"https://127.0.0.1:{server.port}/segment"
        headers = {"Content-Length": "300000001"}
        with suppress(aiohttp.ClientError):
            async with http.post(url, data=endless(), headers=headers) as response:
                assert response.status == 413
        with suppress(aiohttp.ClientError):
            async with http.post(url, data=endless()) as response:
                assert response.status == 413
        assert desk.bodies == []
        assert await is_served(server)


async def test_segment__sender_leaves_before_its_answer__is_a_line_in_the_log_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    desk = DeskDouble()
    async with (
        serving(tmp_path, desk) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http,
    ):
        desk.hold.clear()
        leaving = asyncio.create_task(post(http, server, 1000))
        async with asyncio.timeout(60):
            while not desk.bodies:  # noqa: ASYNC110, the double has no event for it
                await asyncio.sleep(0.01)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            # A round trip of somebody else, after which the server has seen it go.
            assert await is_served(server)
            desk.hold.set()
            while desk.left < 1:  # noqa: ASYNC110, as above
                await asyncio.sleep(0.01)
        assert await is_served(server)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
