"""WebSockets of live runners: a buyer's joined to one at the runner, message by message, until either is closed.

Over HTTP/1.1 alone: HTTP/2 has no upgrade.
"""

import asyncio
from typing import Final

import aiohttp
from aiohttp import web

from livepeer_client.adapters.http2_transport import StreamTransport

MAX_MESSAGE_BYTES: Final = 4 << 20
HEARTBEAT_S: Final = 60.0
"""Between two pings to either side; who answers none is gone."""
CLOSE_S: Final = 5.0
_UNSENDABLE: Final = frozenset({1005, 1006, 1015})
"""Closing codes that say what was seen and are never on the wire (RFC 6455 7.4.1)."""
_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


def wants_socket(request: web.Request) -> bool:
    """Whether a request asks to become a WebSocket, and can."""
    named = {each.strip().lower() for each in request.headers.get("Connection", "").split(",")}
    return (
        request.method == "GET"
        and request.headers.get("Upgrade", "").lower() == "websocket"
        and "upgrade" in named
        and not isinstance(request.transport, StreamTransport)
    )


def protocols_of(request: web.Request) -> list[str]:
    """The subprotocols that a buyer would speak."""
    asked = request.headers.get("Sec-WebSocket-Protocol", "")
    return [each.strip() for each in asked.split(",") if each.strip()]


async def join(request: web.Request, far: aiohttp.ClientWebSocketResponse, answered: list[web.StreamResponse]) -> None:
    """Answer a buyer's request with a WebSocket and pass messages both ways.

    :param answered: gets the answer once it has begun.
    """
    spoken = (far.protocol,) if far.protocol else ()
    near = web.WebSocketResponse(
        protocols=spoken, max_msg_size=MAX_MESSAGE_BYTES, heartbeat=HEARTBEAT_S, compress=False, timeout=CLOSE_S
    )
    await near.prepare(request)
    answered.append(near)
    ways = [asyncio.ensure_future(_pass(near, far)), asyncio.ensure_future(_pass(far, near))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        code = far.close_code if ways[1].done() else near.close_code
        sent = 1001 if code is None or code in _UNSENDABLE else code
        await asyncio.gather(near.close(code=sent), far.close(code=sent))
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pass(source: _Socket, sink: _Socket) -> None:
    """Messages from one to the other, no faster than that takes them, until `source` is closed."""
    while True:
        message = await source.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        else:
            return
