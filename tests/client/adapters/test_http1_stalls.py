"""Answers over HTTP/1.1 that are read slowly, or not at all."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.tls import server_context

DEADLINE_S = 60
STALL_S = 0.3
PIECE = bytes(1 << 16)


@dataclass
class Endless:
    """Writes until its reader is gone."""

    ended: asyncio.Event = field(default_factory=asyncio.Event)
    written: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(PIECE)
                self.written += len(PIECE)
        except ConnectionError:
            self.ended.set()
        return response


@asynccontextmanager
async def served(
    endless: Endless, context: ssl.SSLContext | None, stall_s: float = STALL_S
) -> AsyncIterator[tuple[TlsServer, asyncio.StreamReader, asyncio.StreamWriter]]:
    app = web.Application()
    app.router.add_get("/endless", endless.answer)
    server = TlsServer(host="127.0.0.1", port=0, context=context, app=app, rpc=[], grace_s=0.1, stall_s=stall_s)
    trusting = None if context is None else ssl._create_unverified_context()
    async with server, asyncio.timeout(DEADLINE_S):
        # A small window, so that the kernel does not take it all for a peer that does not.
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting, limit=1 << 10)
        try:
            writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            yield server, reader, writer
        finally:
            writer.transport.abort()


@pytest.mark.parametrize("tls", [False, True])
async def test_http1__answer_that_nobody_reads__is_given_up(tmp_path: Path, tls: bool) -> None:
    context = server_context(tmp_path / "tls.pem", "127.0.0.1", 0) if tls else None
    endless = Endless()
    async with served(endless, context):
        await endless.ended.wait()
    assert endless.written > 0


@pytest.mark.parametrize("tls", [False, True])
async def test_http1__answer_read_a_byte_at_a_time__is_given_up(tmp_path: Path, tls: bool) -> None:
    context = server_context(tmp_path / "tls.pem", "127.0.0.1", 0) if tls else None
    endless = Endless()
    async with served(endless, context) as (_, reader, _):
        assert await reader.readuntil(b"\r\n\r\n")
        while not endless.ended.is_set():
            # However often it comes back: what waits to be sent is not gone by then.
            await reader.read(1)
            await asyncio.sleep(STALL_S / 20)
    assert endless.written > 0


async def test_http1__answer_that_is_read__goes_on_however_long_it_is(tmp_path: Path) -> None:
    endless = Endless()
    async with served(endless, None, stall_s=DEADLINE_S) as (_, reader, _):
        read = 0
        while read < 64 << 20:
            read += len(await reader.read(1 << 20))
        assert not endless.ended.is_set()
