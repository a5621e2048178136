"""`ports.WebClient`: webhooks, subgraph and score files over one aiohttp session.

Unlike peers, these are services that the operator named by URL, so their certificates are verified. Redirects are not
followed and bodies not decompressed.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Self

import aiohttp

from livepeer_client.adapters.http import translated
from livepeer_client.errors import InvalidInput, MalformedMessage, PeerRefused, PeerTimeout

MAX_BODY_BYTES: Final = 4 << 20
MAX_REFUSAL_BYTES: Final = 300
_CHUNK_BYTES: Final = 64 * 1024
_OK: Final = 200
_ANY_SUCCESS: Final = range(200, 300)


class AiohttpWebClient:
    """Open with `async with`. `verify` False takes any certificate, for services of peers and not the operator's."""

    def __init__(self, *, verify: bool = True, limit_bytes: int = MAX_BODY_BYTES) -> None:
        self._verify = verify
        self._limit = limit_bytes
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._verify),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        """See `ports.WebClient.get`."""
        return await self._exchange("GET", url, None, headers or {}, timeout_s, _ANY_SUCCESS)

    async def post(self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None, timeout_s: float) -> bytes:
        """See `ports.WebClient.post`."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        return await self._exchange("POST", url, body, sent, timeout_s, (_OK,))

    async def _exchange(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout_s: float,
        good: range | tuple[int, ...],
    ) -> bytes:
        if self._session is None:
            raise InvalidInput("a web client is used inside its `async with`")
        # The URL may hold a key, so errors name the host.
        peer = _host(url)
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                if response.status not in good:
                    text = await response.content.read(MAX_REFUSAL_BYTES)
                    raise PeerRefused(peer, response.status, text.decode(errors="replace"))
                answer = bytearray()
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    answer += chunk
                    if len(answer) > self._limit:
                        raise MalformedMessage(f"HTTP answer of {peer}", f"more than {self._limit} bytes")
                return bytes(answer)
        except TimeoutError as error:
            raise PeerTimeout(peer, f"no answer in {timeout_s:g} s") from error
        except aiohttp.ClientError as error:
            raise translated(peer, error) from error
        except UnicodeError as error:
            raise MalformedMessage(f"HTTP answer of {peer}", "not a URL") from error


def _host(url: str) -> str:
    # What comes after the host may be secret, and so may what comes before it.
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2] or "no host"
