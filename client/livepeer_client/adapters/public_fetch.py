"""Downloads from URLs that a peer named, without letting it reach into our network (offchain-network 4.6).

The addresses that a name resolves to are judged where the connection takes them from, so a name that resolves to
something else the second time gains nothing. Redirects are not followed, proxies not used, bodies bounded.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from livepeer_client.adapters.http import translated
from livepeer_client.errors import LivepeerError, MalformedMessage, PeerRefused, PeerTimeout, PeerUnreachable
from livepeer_client.policy.uri import is_literal, origin

_CHUNK_BYTES: Final = 64 * 1024
_CONNECT_TIMEOUT_S: Final = 2.0
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_public(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether an IP address is reached over the public Internet, or lies in a network that an operator allows.

    An IPv6 address that stands for an IPv4 one, mapped, translated or tunnelled, is judged by that.
    """
    try:
        parsed = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    if any(parsed in network for network in allowed if network.version == parsed.version):
        return True
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1]
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner), allowed)
    return parsed.is_global and not parsed.is_multicast


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class _PublicResolver(AbstractResolver):
    """Resolves as usual and drops what is not public."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._inner = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        public = [each for each in found if is_public(each["host"], self._allowed)]
        if not public:
            raise OSError(f"{host} is no public host")
        return public

    async def close(self) -> None:
        await self._inner.close()


class PublicFetcher:
    """`ports.UrlFetcher` over HTTP(S).

    :param allowed: networks that may be reached although they are not public.
    """

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "PublicFetcher":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def fetch(self, url: str, *, limit_bytes: int, timeout_s: float) -> bytes:
        """See `ports.UrlFetcher.fetch`."""
        if origin(url) is None:
            raise MalformedMessage("URL of a segment", "no http(s) URL of an ASCII host without a user name")
        host = urlsplit(url).hostname or ""
        if is_literal(host) and not is_public(host, self._allowed):
            raise PeerUnreachable(url, "no public host")
        try:
            async with asyncio.timeout(timeout_s):
                return await self._read(url, limit_bytes)
        except aiohttp.ClientError as error:
            raise translated(url, error) from error
        except TimeoutError as error:
            raise PeerTimeout(url, f"not downloaded within {timeout_s:g} s") from error
        except (UnicodeError, ValueError) as error:
            raise MalformedMessage("URL of a segment", "not a URL") from error

    async def _read(self, url: str, limit_bytes: int) -> bytes:
        async with self._opened().get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise PeerRefused(url, response.status, response.reason or "")
            body = bytearray()
            if (response.content_length or 0) > limit_bytes:
                raise _too_long(url, limit_bytes)
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                if len(body) + len(chunk) > limit_bytes:
                    raise _too_long(url, limit_bytes)
                body += chunk
            return bytes(body)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=_PublicResolver(self._allowed), ssl=False, use_dns_cache=False, force_close=True
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _too_long(url: str, limit_bytes: int) -> LivepeerError:
    return MalformedMessage(f"HTTP answer of {url}", f"more than {limit_bytes} bytes")
