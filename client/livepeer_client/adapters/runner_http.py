"""Requests to live runners: those of buyers, passed on, and those for their health."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from livepeer_client.adapters.http import translated
from livepeer_client.adapters.runner_sockets import CLOSE_S, HEARTBEAT_S, MAX_MESSAGE_BYTES
from livepeer_client.errors import MalformedMessage, PeerRefused, PeerTimeout
from livepeer_client.policy.runner_targets import is_elsewhere

CONNECT_S: Final = 5.0
QUIET_S: Final = 300.0
"""A runner that says nothing for so long has hung."""


class _Elsewhere(AbstractResolver):
    """Resolves as usual and drops the addresses of this machine itself, however often a name changes its mind."""

    def __init__(self) -> None:
        self._inner = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = [each for each in await self._inner.resolve(host, port, family) if is_elsewhere(each["host"])]
        if not found:
            raise OSError(f"{host} is this machine, and port {port} is not open to proxies")
        return found

    async def close(self) -> None:
        await self._inner.close()


class RunnerHttp:
    """Passes requests on to runners. Whoever registers one knows the secret, so any host may be named."""

    def __init__(self) -> None:
        self._anywhere: aiohttp.ClientSession | None = None
        self._elsewhere: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "RunnerHttp":
        self._anywhere = _session(aiohttp.TCPConnector(ssl=False, limit=0))
        self._elsewhere = _session(
            aiohttp.TCPConnector(ssl=False, limit=0, resolver=_Elsewhere(), use_dns_cache=False, force_close=True)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in (self._anywhere, self._elsewhere):
            if session is not None:
                await session.close()

    @asynccontextmanager
    async def __call__(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: AsyncIterator[bytes] | None,
        *,
        outside: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """:param outside: whatever its name leads to, not to this machine.
        :raises LivepeerError: nobody there, or no answer.
        """
        session = self._elsewhere if outside else self._anywhere
        assert session is not None
        try:
            async with session.request(
                method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
            ) as response:
                yield response
        except TimeoutError as error:
            raise PeerTimeout("runner", "no answer in time") from error
        except aiohttp.ClientError as error:
            raise translated("runner", error) from error
        except ValueError as error:
            raise MalformedMessage("runner's URL", str(error)) from error

    @asynccontextmanager
    async def socket(
        self, url: str, headers: list[tuple[str, str]], protocols: list[str], *, outside: bool = False
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket. Parameters and errors as of a call.

        :raises PeerRefused: the runner does not want to, with its status.
        """
        session = self._elsewhere if outside else self._anywhere
        assert session is not None
        try:
            async with session.ws_connect(
                URL(url, encoded=True),
                headers=headers,
                protocols=protocols,
                max_msg_size=MAX_MESSAGE_BYTES,
                heartbeat=HEARTBEAT_S,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            ) as opened:
                yield opened
        except aiohttp.WSServerHandshakeError as error:
            raise PeerRefused("runner", error.status, error.message) from error
        except TimeoutError as error:
            raise PeerTimeout("runner", "no answer in time") from error
        except aiohttp.ClientError as error:
            raise translated("runner", error) from error
        except ValueError as error:
            raise MalformedMessage("runner's URL", str(error)) from error

    async def health(self, url: str, timeout_s: float) -> int:
        """The status that a URL answers with; its body is not read.

        :raises LivepeerError: nobody there, or no answer in time.
        """
        assert self._anywhere is not None
        try:
            async with self._anywhere.get(
                url, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=timeout_s)
            ) as response:
                return response.status
        except TimeoutError as error:
            raise PeerTimeout("runner", "no health in time") from error
        except aiohttp.ClientError as error:
            raise translated("runner", error) from error
        except ValueError as error:
            raise MalformedMessage("health_url", str(error)) from error


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=QUIET_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
