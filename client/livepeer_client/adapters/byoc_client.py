"""Posts jobs to the workers of brought-along capabilities."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import aiohttp

from livepeer_client.adapters.http import translated
from livepeer_client.codec.byoc_api import Registration
from livepeer_client.errors import PeerTimeout
from livepeer_client.facts.byoc import Reply

CONNECT_S: Final = 5.0
MAX_REPLY_BYTES: Final = 200_000_000


class ByocHttp:
    """`services.byoc.WorkerCall` over HTTP. Whoever registers a worker knows the secret, so any host may be named."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "ByocHttp":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=False, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def __call__(
        self, entry: Registration, path: str, body: bytes, content_type: str, timeout_s: float, *, stream_id: str = ""
    ) -> AsyncIterator[Reply]:
        assert self._session is not None
        headers = {"Content-Type": content_type}
        if entry.token:
            headers["Authorization"] = entry.token
        if stream_id:
            headers["X-Stream-Id"] = stream_id
        url = f"{entry.url}/{quote(path)}"
        try:
            async with self._session.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S),
            ) as response:
                yield Reply(
                    response.status,
                    response.headers.get("Content-Type", "application/octet-stream"),
                    response.headers.get("X-Metadata", ""),
                    response.content.iter_any(),
                )
        except TimeoutError as error:
            raise PeerTimeout(entry.name, "no answer in time") from error
        except aiohttp.ClientError as error:
            raise translated(entry.name, error) from error
