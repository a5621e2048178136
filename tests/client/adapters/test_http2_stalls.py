"""Answers over HTTP/2 that nobody takes."""

import asyncio

from aiohttp import web
from h2.events import DataReceived, ResponseReceived, StreamReset

from livepeer_client.adapters.server import TlsServer
from tests.client.adapters.test_trickle_http2 import BASE, DEADLINE_S, Peer

LARGE = bytes(1_000_000)


async def test_http2__answer_whose_window_is_never_opened__is_given_up_and_others_go_on() -> None:
    async def large(_: web.Request) -> web.Response:
        return web.Response(body=LARGE)

    async def small(_: web.Request) -> web.Response:
        return web.Response(body=b"small")

    app = web.Application()
    app.router.add_get(BASE + "large", large)
    app.router.add_get(BASE + "small", small)
    server = TlsServer(host="127.0.0.1", port=0, context=None, app=app, rpc=[], grace_s=0.1, stall_s=0.3)
    async with server, asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            peer = Peer(reader, writer)
            peer.h2.increment_flow_control_window(1 << 20)
            # It reads what comes, as it has to for its other requests, and lets no more come of this one.
            stream = peer.request("GET", "large")
            await peer.event(ResponseReceived, stream)
            await peer.event(StreamReset, stream)

            other = peer.request("GET", "small")
            await peer.event(DataReceived, other)
        finally:
            writer.transport.abort()
