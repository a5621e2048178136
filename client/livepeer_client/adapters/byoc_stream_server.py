"""Streams of brought-along capabilities over HTTP (offchain-network 4.12).

POST /ai/stream/start     POST /ai/stream/update
POST /ai/stream/stop      POST /ai/stream/payment
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, Protocol

from aiohttp import web

from livepeer_client.adapters.ai_server import read_all
from livepeer_client.adapters.bodies import bound_bodies
from livepeer_client.adapters.byoc_server import BODY_S, CAPABILITY_HEADER, JOB_HEADER, Refusal
from livepeer_client.adapters.http_server import PAYMENT_HEADER
from livepeer_client.adapters.worker_server import READ_ERRORS, BadPart
from livepeer_client.codec.byoc_stream import MAX_BODY_BYTES

STREAM_BALANCE_HEADER: Final = "Livepeer-Payment-Balance"
URL_HEADERS: Final = {
    "publish": "X-Publish-Url",
    "subscribe": "X-Subscribe-Url",
    "control": "X-Control-Url",
    "events": "X-Events-Url",
    "data": "X-Data-Url",
}


class StreamDesk(Protocol):
    """What the routes lead to; `services.byoc_streams.ByocStreams`."""

    def start(self, header: str, payment: str, capability: str, body: bytes) -> Awaitable[Any]: ...

    def update(self, header: str, body: bytes) -> Awaitable[Any]: ...

    def pay(self, header: str, payment: str) -> Awaitable["int | Refusal"]: ...

    def stop(self, header: str, body: bytes) -> Awaitable[Any]: ...


def mount_byoc_streams(app: web.Application, desk: StreamDesk) -> None:
    """The routes."""

    async def start(request: web.Request) -> web.Response:
        body = await _body(request)
        if isinstance(body, web.Response):
            return body
        capability = request.headers.get(CAPABILITY_HEADER, "")
        return _said(await desk.start(_job(request), request.headers.get(PAYMENT_HEADER, ""), capability, body))

    async def update(request: web.Request) -> web.Response:
        body = await _body(request)
        return body if isinstance(body, web.Response) else _said(await desk.update(_job(request), body))

    async def stop(request: web.Request) -> web.Response:
        body = await _body(request)
        return body if isinstance(body, web.Response) else _said(await desk.stop(_job(request), body))

    async def pay(request: web.Request) -> web.Response:
        balance = await desk.pay(_job(request), request.headers.get(PAYMENT_HEADER, ""))
        if not isinstance(balance, int):
            return _refused(balance)
        return web.Response(headers={STREAM_BALANCE_HEADER: str(balance)})

    bound_bodies(app)
    for name, route in (("start", start), ("update", update), ("stop", stop), ("payment", pay)):
        app.router.add_post(f"/ai/stream/{name}", route)


def _job(request: web.Request) -> str:
    return request.headers.get(JOB_HEADER, "")


async def _body(request: web.Request) -> bytes | web.Response:
    try:
        async with asyncio.timeout(BODY_S):
            return await read_all(request, MAX_BODY_BYTES)
    except (BadPart, *READ_ERRORS) as error:
        return web.Response(status=400, text=(str(error) or "request not read") + "\n")


def _said(answer: Any) -> web.Response:
    if not hasattr(answer, "balance"):
        return _refused(answer)
    headers = {"Content-Type": answer.content_type, STREAM_BALANCE_HEADER: str(answer.balance)}
    if answer.urls is not None and answer.status < 400:
        urls = {URL_HEADERS[key]: getattr(answer.urls, key) for key in URL_HEADERS}
        headers |= {name: url for name, url in urls.items() if url}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def _refused(refusal: Refusal) -> web.Response:
    return web.Response(status=refusal.status, text=refusal.reason + "\n")
