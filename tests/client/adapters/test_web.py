"""Fetching small documents over HTTP: what comes back, and what is refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from livepeer_client.adapters.web import AiohttpWebClient
from livepeer_client.errors import MalformedMessage, PeerRefused, PeerTimeout, PeerUnreachable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/list", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/list?key=secret"))


async def test_get__any_success__gives_the_body_and_sends_the_headers() -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer x"
        return web.Response(status=203, body=b"[]")

    async with served(answer) as url, AiohttpWebClient() as client:
        assert await client.get(url, headers={"Authorization": "Bearer x"}, timeout_s=60) == b"[]"


async def test_post__json__is_sent_as_such_and_only_200_counts() -> None:
    status = 200

    async def answer(request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        return web.Response(status=status, body=await request.read())

    async with served(answer) as url, AiohttpWebClient() as client:
        assert await client.post(url, b'{"id":1}', timeout_s=60) == b'{"id":1}'
        status = 201
        with pytest.raises(PeerRefused):
            await client.post(url, b"{}", timeout_s=60)


async def test_get__redirect_or_error__is_refused_by_host_without_the_key_in_its_url() -> None:
    async def away(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://elsewhere.example/")

    async with served(away) as url, AiohttpWebClient() as client:
        with pytest.raises(PeerRefused) as caught:
            await client.get(url, timeout_s=60)
    assert caught.value.status == 302
    assert "secret" not in str(caught.value)


async def test_get__more_than_the_limit__is_refused_without_reading_it_all() -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(64 * 1024))
                sent += 64 * 1024
        except ConnectionError:
            return response

    async with served(endless) as url, AiohttpWebClient(limit_bytes=1 << 20) as client:
        with pytest.raises(MalformedMessage, match="more than"):
            await client.get(url, timeout_s=20)
    assert sent < 64 << 20


async def test_get__silent_server__is_a_timeout() -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with served(silent) as url, AiohttpWebClient() as client:
        with pytest.raises(PeerTimeout):
            await client.get(url, timeout_s=0.2)


async def test_get__nobody_there__is_unreachable() -> None:
    async with AiohttpWebClient() as client:
        with pytest.raises(PeerUnreachable):
            await client.get("http://127.0.0.1:1/x", timeout_s=60)
        with pytest.raises(MalformedMessage):
            await client.get("no URL", timeout_s=60)
