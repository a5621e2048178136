"""HTTP of live-video-to-video: the route that starts a session, and the runner behind it (offchain-network 4.10)."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import aiohttp
from aiohttp import web

from livepeer_client.adapters.ai_server import Refusal, read_all, refused
from livepeer_client.adapters.bodies import bound_bodies
from livepeer_client.adapters.http import translated
from livepeer_client.adapters.http_server import PAYMENT_HEADER, SEGMENT_HEADER
from livepeer_client.adapters.worker_server import BadPart
from livepeer_client.codec.live_job import MAX_REQUEST_BYTES, LiveRequest, LiveUrls, encode_request
from livepeer_client.errors import PeerRefused, PeerTimeout

PATH: Final = "/live-video-to-video"
START_S: Final = 4.0
"""A gateway waits 5 s for its answer."""


class LiveDesk(Protocol):
    @property
    def start(self) -> Callable[[str, str, bytes], Awaitable[bytes | Refusal]]: ...


def mount_live(app: web.Application, desk: LiveDesk) -> None:
    """The route that starts a session."""

    async def start(request: web.Request) -> web.StreamResponse:
        try:
            body = await read_all(request, MAX_REQUEST_BYTES)
        except BadPart:
            return web.json_response({"error": {"message": "request too large"}}, status=413)
        headers = request.headers
        answer = await desk.start(headers.get(PAYMENT_HEADER, ""), headers.get(SEGMENT_HEADER, ""), body)
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="application/json")
        return refused(answer)

    bound_bodies(app)
    app.router.add_post(PATH, start)


class HttpLiveRunner:
    """`services.live_sessions.LiveRunner`: a process that is told over HTTP where to read and write."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, start_s: float = START_S) -> None:
        self._session = session
        self._url = url.rstrip("/") + PATH
        self._start_s = start_s

    async def start(self, request: LiveRequest, urls: LiveUrls) -> None:
        timeout = aiohttp.ClientTimeout(total=self._start_s)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(
                self._url, data=encode_request(request, urls), headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise PeerRefused(self._url, response.status, "live runner")
        except TimeoutError as error:
            raise PeerTimeout(self._url, "no answer in time") from error
        except aiohttp.ClientError as error:
            raise translated(self._url, error) from error
