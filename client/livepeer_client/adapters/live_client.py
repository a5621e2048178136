"""Start live sessions of an orchestrator and open their channels (offchain-network 4.10, 5)."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from urllib.parse import urljoin

import aiohttp

from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.trickle_client import TricklePublisher, TrickleSubscriber
from livepeer_client.codec.live_job import MAX_REQUEST_BYTES, LiveRequest, LiveUrls, decode_answer, encode_request
from livepeer_client.errors import MalformedMessage
from livepeer_client.policy.uri import origin


class LiveHttp:
    """`services.live_dispatch.LiveTransport`. Certificates go unchecked, as in `adapters.http`."""

    def __init__(self, http: HttpTransport) -> None:
        self._http = http
        self._session: aiohttp.ClientSession | None = None

    async def start(
        self, uri: str, request: LiveRequest, *, credentials: str, payment: str, timeout_s: float
    ) -> tuple[str, LiveUrls]:
        """See `LiveTransport.start`."""
        base = uri.rstrip("/")
        body = await self._http.post(
            f"{base}/live-video-to-video",
            data=encode_request(request),
            headers={
                "Livepeer-Segment": credentials,
                "Livepeer-Payment": payment,
                "Content-Type": "application/json",
            },
            limit_bytes=MAX_REQUEST_BYTES,
            timeout_s=timeout_s,
        )
        manifest_id, urls = decode_answer(body)
        places = [urljoin(f"{base}/", url) for url in (urls.publish, urls.subscribe, urls.control, urls.events)]
        if any(origin(place) is None or origin(place) != origin(uri) for place in places):
            # A peer that could name any host would see what this one can reach.
            raise MalformedMessage(f"live answer of {uri}", "a channel at another host")
        return manifest_id, LiveUrls(*places)

    def publisher(self, url: str, mime_type: str) -> TricklePublisher:
        return TricklePublisher(self._opened(), url, mime_type)

    async def pieces(self, url: str) -> AsyncIterator[tuple[int, bytes, int, bool]]:
        """See `LiveTransport.pieces`."""
        async with aclosing(TrickleSubscriber(self._opened(), url).segments()) as segments:  # type: ignore[type-var]
            async for each in segments:
                yield each.seq, each.data, each.missed, each.broken

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return self._session
