"""Asks orchestrators which live runners they have: `GET {uri}/discovery` (offchain-network 1.5)."""

from typing import Final

import aiohttp

from livepeer_client.adapters.http import translated
from livepeer_client.errors import MalformedMessage, PeerRefused, PeerTimeout

TIMEOUT_S: Final = 2.0
MAX_BYTES: Final = 1 << 20


class RunnerListHttp:
    """`services.directory.RunnerLists`. Certificates are not checked, as everywhere between peers."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "RunnerListHttp":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=False),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def __call__(self, uri: str) -> bytes:
        """The body of its answer.

        :raises PeerTimeout, PeerUnreachable, PeerRefused: no such answer within 2 s.
        :raises MalformedMessage: more than 1 MiB.
        """
        assert self._session is not None
        try:
            async with self._session.get(f"{uri.rstrip('/')}/discovery", allow_redirects=False) as response:
                if response.status != 200:
                    raise PeerRefused(uri, response.status, "no list of runners")
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > MAX_BYTES:
                        raise MalformedMessage("list of runners", f"more than {MAX_BYTES} bytes")
                return bytes(body)
        except TimeoutError as error:
            raise PeerTimeout(uri, "no answer in time") from error
        except aiohttp.ClientError as error:
            raise translated(uri, error) from error
