"""The answer to a request for a live session, from peers that are honest and not."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.live_client import LiveHttp
from livepeer_client.codec.live_job import LiveRequest, LiveUrls
from livepeer_client.errors import MalformedMessage, PeerRefused
from tests.support.signing import serving

RELATIVE = {
    "manifest_id": "m",
    "publish_url": "/ai/trickle/m",
    "subscribe_url": "/ai/trickle/m-out",
    "control_url": "/ai/trickle/m-control",
    "events_url": "/ai/trickle/m-events",
}


@asynccontextmanager
async def answering(body: object, status: int = 200) -> AsyncIterator[str]:
    async def start(request: web.Request) -> web.Response:
        asked = await request.json()
        headers = request.headers
        assert (asked["model_id"], headers["Livepeer-Payment"], headers["Livepeer-Segment"]) == ("noop", "p", "c")
        return web.Response(text=json.dumps(body), status=status)

    app = web.Application()
    app.router.add_post("/live-video-to-video", start)
    async with serving(app) as url:
        yield url


async def start(uri: str) -> tuple[str, LiveUrls]:
    async with HttpTransport() as http:
        live = LiveHttp(http)
        try:
            return await live.start(uri, LiveRequest("noop"), credentials="c", payment="p", timeout_s=60)
        finally:
            await live.close()


async def test_start__relative_urls__are_the_orchestrators() -> None:
    async with answering(RELATIVE) as uri:
        manifest_id, urls = await start(uri)
    base = f"{uri.rstrip('/')}/ai/trickle/m"
    assert (manifest_id, urls) == ("m", LiveUrls(base, f"{base}-out", f"{base}-control", f"{base}-events"))


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "//elsewhere/x", "file:///etc/passwd"])
@pytest.mark.parametrize("name", [name for name in RELATIVE if name.endswith("_url")])
async def test_start__a_channel_at_another_host__is_malformed(name: str, url: str) -> None:
    async with answering({**RELATIVE, name: url}) as uri:
        with pytest.raises(MalformedMessage, match="another host"):
            await start(uri)


@pytest.mark.parametrize("body", [[], {}, {**RELATIVE, "events_url": 1}, {**RELATIVE, "manifest_id": ""}])
async def test_start__an_answer_that_is_none__is_malformed(body: object) -> None:
    async with answering(body) as uri:
        with pytest.raises(MalformedMessage):
            await start(uri)


async def test_start__refused__has_the_status() -> None:
    async with answering({}, status=402) as uri:
        with pytest.raises(PeerRefused) as refused:
            await start(uri)
    assert refused.value.status == 402
