"""Send segments and fetch renditions over HTTP (offchain-network 4.1).

Certificates go unchecked, as among all peers of the network: they are self-signed, and who answers is settled by
signatures (offchain-network 0). Redirects are never followed and bodies never decompressed: a peer decides neither
where we connect nor how much we hold.
"""

import asyncio
import errno
import io
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from livepeer_client.adapters.deadline import Deadline
from livepeer_client.codec import wire
from livepeer_client.codec.messages import PaymentResult, TranscodeResult
from livepeer_client.errors import (
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    PeerRefused,
    PeerTimeout,
    PeerUnreachable,
)
from livepeer_client.policy.workloads import OutOfResources

MAX_RESULT_BYTES: Final = 4 * 1024 * 1024
MAX_REFUSAL_BYTES: Final = 4096
Body = bytes | aiohttp.Payload | AsyncIterator[bytes]
_CONNECT_TIMEOUT_S: Final = 2.0
_BUFFER_BYTES: Final = 1 << 18
"""Of an answer, before its reader is waited for; twice as much at most."""


def _malformed(peer: str, detail: str) -> LivepeerError:
    return MalformedMessage(f"HTTP answer of {peer}", detail)


# The first entry along an error's class hierarchy holds, so the last one makes the map complete.
CLIENT_ERRORS: Final[Mapping[type[Exception], Callable[[str, str], LivepeerError]]] = {
    aiohttp.ServerTimeoutError: PeerTimeout,
    aiohttp.InvalidURL: _malformed,
    aiohttp.NonHttpUrlClientError: _malformed,
    aiohttp.ClientResponseError: _malformed,
    aiohttp.ClientPayloadError: PeerUnreachable,
    aiohttp.ClientConnectionError: PeerUnreachable,
    aiohttp.ClientError: PeerUnreachable,
}

# In our own words: aiohttp's name its internals. The chained error keeps them.
_TEXTS: Final[Mapping[type[Exception], str]] = {
    aiohttp.ServerTimeoutError: "no answer in time",
    aiohttp.InvalidURL: "not a URL",
    aiohttp.NonHttpUrlClientError: "not an HTTP URL",
    aiohttp.ClientResponseError: "what came is not HTTP",
    aiohttp.ClientPayloadError: "connection broke off while the answer was read",
    aiohttp.ClientConnectorDNSError: "host not found",
    aiohttp.ClientSSLError: "no TLS connection",
    aiohttp.ClientConnectorError: "no connection",
    aiohttp.ServerDisconnectedError: "connection closed before an answer came",
    aiohttp.ClientConnectionError: "connection broke off",
    aiohttp.ClientError: "the exchange failed",
}


_RETRY_LATER: Final = frozenset({429, 503})
_MAX_HEADER: Final = 64
# What this machine has run out of: open files, memory, buffers. Nothing that an address of a peer's choice may lead to.
_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def translated(peer: str, error: aiohttp.ClientError) -> LivepeerError:
    """The library's error for one of aiohttp's; `OutOfResources` where the peer has no part in it."""
    if isinstance(error, OSError) and error.errno in _OURS:
        return OutOfResources(f"{peer} was not reached: {errno.errorcode[error.errno]}")
    kind = next(CLIENT_ERRORS[kind] for kind in type(error).__mro__ if kind in CLIENT_ERRORS)
    return kind(peer, next(_TEXTS[kind] for kind in type(error).__mro__ if kind in _TEXTS))


class HttpTransport:
    """`ports.SegmentTransport` and `ports.PaymentTransport` over one aiohttp session, opened by the first call.

    :param verify_certificates: by the system's authorities, or by those of a context.
    """

    def __init__(self, *, verify_certificates: bool | ssl.SSLContext = False) -> None:
        self._verify = verify_certificates
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def __aenter__(self) -> "HttpTransport":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def submit_segment(
        self, uri: str, segment: bytes, *, credentials: str, payment: str, upload_timeout_s: float, timeout_s: float
    ) -> TranscodeResult:
        """See `ports.SegmentTransport.submit_segment`.

        `upload_timeout_s` bounds the time until the answer's headers, which a peer sends once it has read the segment
        and taken the payment; `timeout_s` bounds the whole exchange.
        """
        url = f"{uri.rstrip('/')}/segment"
        headers = {"Livepeer-Segment": credentials, "Livepeer-Payment": payment, "Content-Type": "video/MP2T"}
        async with self._exchange(
            "POST", url, data=segment, headers=headers, header_timeout_s=upload_timeout_s, timeout_s=timeout_s
        ) as response:
            body = await _read(response, MAX_RESULT_BYTES)
        return wire.decode_transcode_result(body)

    async def submit_payment(self, url: str, *, payment: str, credentials: str, timeout_s: float) -> PaymentResult:
        """See `ports.PaymentTransport.submit_payment`."""
        headers = {"Livepeer-Segment": credentials, "Livepeer-Payment": payment}
        async with self._exchange(
            "POST", url, data=b"", headers=headers, header_timeout_s=timeout_s, timeout_s=timeout_s
        ) as response:
            return wire.decode_payment_result(await _read(response, MAX_RESULT_BYTES))

    async def fetch(self, url: str, *, limit_bytes: int, timeout_s: float) -> bytes:
        """See `ports.SegmentTransport.fetch`. Which URLs may be fetched is the caller's decision."""
        async with self._exchange("GET", url, header_timeout_s=timeout_s, timeout_s=timeout_s) as response:
            return await _read(response, limit_bytes)

    async def post(
        self, url: str, *, data: Body, headers: Mapping[str, str], limit_bytes: int, timeout_s: float
    ) -> bytes:
        """Post a body and read the answer's. Which URLs may be posted to is the caller's decision.

        :raises PeerRefused: any status but 200.
        :raises TransportError: nobody there, or no answer in time.
        :raises MalformedMessage: an answer of more than `limit_bytes`.
        """
        async with self._exchange(
            "POST", url, data=data, headers=headers, header_timeout_s=timeout_s, timeout_s=timeout_s
        ) as response:
            return await _read(response, limit_bytes)

    async def post_typed(
        self, url: str, *, data: Body, headers: Mapping[str, str], limit_bytes: int, timeout_s: float
    ) -> tuple[str, bytes | AsyncIterator[bytes]]:
        """As `post`, with the answer's content type; server-sent events come one by one, to be read to their end."""
        said, body = await self.post_answer(
            url, data=data, headers=headers, limit_bytes=limit_bytes, timeout_s=timeout_s
        )
        return _media_type(said), body

    async def post_answer(
        self, url: str, *, data: Body, headers: Mapping[str, str], limit_bytes: int, timeout_s: float
    ) -> tuple[Mapping[str, str], bytes | AsyncIterator[bytes]]:
        """As `post_typed`, with all of the answer's headers, whose names may be in any case."""
        opened = AsyncExitStack()
        try:
            response = await opened.enter_async_context(
                self._exchange("POST", url, data=data, headers=headers, header_timeout_s=timeout_s, timeout_s=timeout_s)
            )
            if response.content_type == "text/event-stream":
                return response.headers, _events(opened.pop_all(), response, limit_bytes)
            return response.headers, await _read(response, limit_bytes)
        finally:
            await opened.aclose()

    async def get(self, url: str, *, headers: Mapping[str, str], limit_bytes: int, timeout_s: float) -> bytes:
        """As `post`, without a body."""
        async with self._exchange(
            "GET", url, headers=headers, header_timeout_s=timeout_s, timeout_s=timeout_s
        ) as response:
            return await _read(response, limit_bytes)

    async def close(self) -> None:
        """Close the session; calls in flight end as unreachable."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise InvalidInput("the transport is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._verify, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=_BUFFER_BYTES,
                headers={"Accept-Encoding": "identity"},
            )
        return self._session

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        url: str,
        *,
        header_timeout_s: float,
        timeout_s: float,
        data: Body | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An accepted exchange, its body still unread; a refusal is raised with its text."""
        session = self._opened()
        stage = "header timeout"
        response: aiohttp.ClientResponse | None = None
        try:
            began = asyncio.get_running_loop().time()
            async with Deadline(began + timeout_s):
                async with Deadline(began + header_timeout_s):
                    response = await session.request(method, url, data=data, headers=headers, allow_redirects=False)
                stage = "body timeout"
                if response.status != 200:
                    raise PeerRefused(url, response.status, await _refusal(response), _retry_after_s(response))
                yield response
        except aiohttp.ClientError as error:
            raise translated(url, error) from error
        except UnicodeError as error:
            # A host that is no host name; asyncio finds out only when it looks the name up.
            raise _malformed(url, "not a URL") from error
        except TimeoutError as error:
            raise PeerTimeout(url, f"{stage}: {timeout_s:g} s in all, {header_timeout_s:g} s for headers") from error
        finally:
            if response is not None:
                # An unread body makes the connection unfit for another exchange; release() closes it then.
                response.release()


def _media_type(headers: Mapping[str, str]) -> str:
    """As aiohttp has it: without parameters, and octets where nothing is said."""
    return headers.get("Content-Type", "application/octet-stream").partition(";")[0].strip().lower()


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """Seconds until a peer without room wants to be asked again, by either form of its header; None if it says
    nothing of use. How much of it is heeded is the caller's decision."""
    text = response.headers.get("Retry-After", "").strip()
    if response.status not in _RETRY_LATER or not text or len(text) > _MAX_HEADER:
        return None
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        # Its own clock, if it shows one: only the difference is meant.
        now = parsedate_to_datetime(response.headers["Date"]) if "Date" in response.headers else datetime.now(UTC)
        return max((at - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


async def _refusal(response: aiohttp.ClientResponse) -> str:
    """The beginning of a refusal's text."""
    text = await response.content.read(MAX_REFUSAL_BYTES)
    return text.decode("utf-8", "replace").strip() or (response.reason or "")


async def _events(opened: AsyncExitStack, response: aiohttp.ClientResponse, limit_bytes: int) -> AsyncIterator[bytes]:
    async with opened:
        async for chunk in response.content.iter_any():
            limit_bytes -= len(chunk)
            if limit_bytes < 0:
                raise _malformed(str(response.url), "more events than are taken")
            yield chunk


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """The whole body.

    :raises MalformedMessage: it is longer than `limit_bytes`.
    """
    if (response.content_length or 0) > limit_bytes:
        raise _malformed(str(response.url), f"{response.content_length} bytes announced, at most {limit_bytes} taken")
    # What it returns shares its buffer, where a bytearray would be copied.
    body = io.BytesIO()
    async for piece in response.content.iter_any():
        if body.tell() + len(piece) > limit_bytes:
            raise _malformed(str(response.url), f"more than {limit_bytes} bytes")
        body.write(piece)
    return body.getvalue()
