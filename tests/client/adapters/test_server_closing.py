"""A server closed while it accepts: asyncio leaves open what it accepted and has not yet given to the server."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest
from aiohttp import web

from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.tls import server_context


@pytest.mark.parametrize("turns", range(5))
async def test_server__closed_as_it_accepts__leaves_no_connection(tmp_path: Path, turns: int) -> None:
    server = TlsServer(
        host="127.0.0.1",
        port=0,
        context=server_context(tmp_path / "tls.pem", "127.0.0.1", time.time()),
        app=web.Application(),
        rpc=[],
        grace_s=0.1,
    )
    async with server:
        client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        for _ in range(turns):
            await asyncio.sleep(0)
    with client, contextlib.suppress(ConnectionError):
        assert await asyncio.to_thread(client.recv, 1) == b""
