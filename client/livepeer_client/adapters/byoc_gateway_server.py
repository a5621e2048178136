"""A gateway's routes for brought-along capabilities (offchain-network 4.12). Bind them where only those who may spend
reach them.

POST /process/request/{path}          POST /process/stream/{id}/update   GET  /process/stream/{id}/status
POST /process/stream/start            POST /process/stream/{id}/stop     GET  /process/stream/{id}/data

RTMP, WHIP and WHEP of streams are refused with a reason.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from aiohttp import web

from livepeer_client.adapters.ai_server import read_all
from livepeer_client.adapters.bodies import bound_bodies
from livepeer_client.adapters.byoc_server import BALANCE_HEADER, BODY_S, JOB_HEADER, MAX_BODY_BYTES
from livepeer_client.adapters.ingest import is_of_a_page
from livepeer_client.adapters.worker_server import READ_ERRORS, BadPart
from livepeer_client.codec.byoc_stream import MAX_BODY_BYTES as MAX_STREAM_BODY_BYTES
from livepeer_client.errors import LivepeerError
from livepeer_client.facts.ingest import Unserved

_log = logging.getLogger(__name__)
NOT_SERVED: Final = "RTMP, WHIP and WHEP are not served: video of streams is fed by the library (Gateway.byoc_stream)"


class ByocDesk(Protocol):
    """What the routes lead to; `services.byoc_front.ByocFront`."""

    def job(
        self, url: str, header: str, path: str, body: bytes, content_type: str
    ) -> AbstractAsyncContextManager[Any]: ...

    def start(self, url: str, header: str, body: bytes) -> Awaitable[dict[str, Any] | Unserved]: ...

    def update(self, stream_id: str, body: bytes) -> Awaitable[bytes | Unserved]: ...

    def status(self, stream_id: str) -> dict[str, Any] | Unserved: ...

    def stop(self, stream_id: str) -> Awaitable[dict[str, Any] | Unserved]: ...

    def data(self, stream_id: str) -> AsyncIterator[bytes] | Unserved: ...


def mount_byoc_gateway(app: web.Application, desk: ByocDesk, *, pages_may_spend: bool = False) -> None:
    """The routes. `pages_may_spend` as in `adapters.ingest.build_ingest`."""
    bound_bodies(app)
    routes = _Routes(desk, pages_may_spend)
    app.router.add_post("/process/request/{path:.+}", routes.job)
    app.router.add_post("/process/stream/start", routes.start)
    app.router.add_post("/process/stream/{id}/update", routes.update)
    app.router.add_post("/process/stream/{id}/stop", routes.stop)
    app.router.add_get("/process/stream/{id}/status", routes.status)
    app.router.add_get("/process/stream/{id}/data", routes.data)
    for name in ("rtmp", "whip", "whep"):
        app.router.add_route("*", f"/process/stream/{{id}}/{name}", routes.not_served)


class _Routes:
    def __init__(self, desk: ByocDesk, pages_may_spend: bool) -> None:
        self._desk = desk
        self._pages_may_spend = pages_may_spend

    def _is_of_a_page(self, request: web.Request) -> bool:
        return not self._pages_may_spend and is_of_a_page(request)

    async def job(self, request: web.Request) -> web.StreamResponse:
        if self._is_of_a_page(request):
            return _text(403, "not for pages of a browser")
        body = await _body(request, MAX_BODY_BYTES)
        if isinstance(body, web.Response):
            return body
        header = request.headers.get(JOB_HEADER, "")
        kind = request.headers.get("Content-Type", "application/json")
        async with self._desk.job(str(request.url), header, request.match_info["path"], body, kind) as reply:
            if isinstance(reply, Unserved):
                return _text(reply.status, reply.reason)
            headers = {"Content-Type": reply.content_type}
            if reply.metadata:
                headers["X-Metadata"] = reply.metadata
            if reply.balance is not None:
                headers[BALANCE_HEADER] = str(reply.balance)
            if isinstance(reply.body, bytes):
                return web.Response(body=reply.body, headers=headers)
            return await _passed_on(request, headers, reply.body)

    async def start(self, request: web.Request) -> web.Response:
        if self._is_of_a_page(request):
            return _text(403, "not for pages of a browser")
        body = await _body(request, MAX_STREAM_BODY_BYTES)
        if isinstance(body, web.Response):
            return body
        answer = await self._desk.start(str(request.url), request.headers.get(JOB_HEADER, ""), body)
        if isinstance(answer, dict) and (request.transport is None or request.transport.is_closing()):
            # Who asked has gone, and might not even know the stream's id: it would be paid for until we stop.
            await self._desk.stop(answer["stream_id"])
        return _json(answer)

    async def update(self, request: web.Request) -> web.Response:
        if self._is_of_a_page(request):
            return _text(403, "not for pages of a browser")
        body = await _body(request, MAX_STREAM_BODY_BYTES)
        if isinstance(body, web.Response):
            return body
        answer = await self._desk.update(request.match_info["id"], body)
        if isinstance(answer, Unserved):
            return _text(answer.status, answer.reason)
        return web.Response(body=answer, content_type="application/json")

    async def stop(self, request: web.Request) -> web.Response:
        if self._is_of_a_page(request):
            return _text(403, "not for pages of a browser")
        return _json(await self._desk.stop(request.match_info["id"]))

    async def status(self, request: web.Request) -> web.Response:
        return _json(self._desk.status(request.match_info["id"]))

    async def data(self, request: web.Request) -> web.StreamResponse:
        lines = self._desk.data(request.match_info["id"])
        if isinstance(lines, Unserved):
            return _text(lines.status, lines.reason)
        return await _passed_on(request, {"Content-Type": "text/event-stream"}, _events(lines))

    async def not_served(self, request: web.Request) -> web.Response:
        return _text(501, NOT_SERVED)


async def _events(segments: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """JSON lines as server-sent events, one each."""
    async for segment in segments:
        for line in segment.splitlines():
            if line.strip():
                yield b"data: " + line + b"\n\n"


async def _passed_on(request: web.Request, headers: dict[str, str], pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        async for piece in pieces:
            await response.write(piece)
    except LivepeerError as error:
        _log.warning("events broken off: %s", error)
        await response.write(b"event: error\ndata: {}\n\n")
    await response.write_eof()
    return response


async def _body(request: web.Request, limit: int) -> bytes | web.Response:
    try:
        async with asyncio.timeout(BODY_S):
            return await read_all(request, limit)
    except (BadPart, *READ_ERRORS) as error:
        return _text(400, str(error) or "request not read")


def _json(answer: dict[str, Any] | Unserved) -> web.Response:
    return _text(answer.status, answer.reason) if isinstance(answer, Unserved) else web.json_response(answer)


def _text(status: int, reason: str) -> web.Response:
    return web.Response(status=status, text=reason + "\n")
