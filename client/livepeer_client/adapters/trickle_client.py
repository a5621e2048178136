"""Publish to and subscribe from trickle channels of a peer (offchain-network 5).

Both go by sequence number, so that a broken connection is taken up where it broke: a subscriber asks again for the
number it misses, a publisher sends the whole segment again at the write head. The end of a channel (it says so, or is
gone) is not a loss (the peer does not answer), and the two end differently.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Final

import aiohttp

from livepeer_client.adapters.http import translated
from livepeer_client.codec import trickle as codec
from livepeer_client.errors import MalformedMessage, PeerRefused, PeerTimeout, TransportError
from livepeer_client.policy.trickle import CURRENT, MAX_SEGMENT_BYTES, NEXT

ATTEMPTS: Final = 5
RETRY_S: Final = 0.3
HELD_S: Final = 20.0
"""A read that is held so long without an answer is asked anew."""
PUBLISH_S: Final = 60.0
_PIECE_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class TrickleSegment:
    """One segment, whole. `missed`: how many before it the channel no longer had; `broken`: its end is missing."""

    seq: int
    data: bytes
    content_type: str
    missed: int = 0
    broken: bool = False


class TrickleSubscriber:
    """Reads a channel, segment by segment.

    :param start: a sequence number, -2 for the segment that is being written, -1 for the next.
    :param max_bytes: of one segment; what a peer sends beyond that ends the subscription.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        start: int = CURRENT,
        max_bytes: int = MAX_SEGMENT_BYTES,
        held_s: float = HELD_S,
        retry_s: float = RETRY_S,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._seq = start
        self._max_bytes = max_bytes
        self._held_s = held_s
        self._retry_s = retry_s
        self._attempts = attempts
        self._missed = 0

    async def segments(self) -> AsyncIterator[TrickleSegment]:
        """Until the channel ends.

        :raises TransportError: the peer is lost: it did not answer `attempts` times in a row.
        :raises PeerRefused: an answer outside the protocol, as often.
        :raises MalformedMessage: a segment without a number, or beyond `max_bytes`.
        """
        failures = 0
        while True:
            try:
                found = await self._read()
            except (TransportError, PeerRefused) as error:
                failures += 1
                if failures >= self._attempts:
                    raise error
                await asyncio.sleep(self._retry_s)
                continue
            if found is None:
                return
            if isinstance(found, TrickleSegment):
                failures = 0
                yield found
            else:
                # Behind: go to the live edge. Ahead of it: wait for it.
                if found > self._seq:
                    self._missed += found - self._seq if self._seq >= 0 else 0
                    self._seq = found
                else:
                    await asyncio.sleep(self._retry_s)

    async def _read(self) -> TrickleSegment | int | None:
        """A segment, the write head where there is none, or None at the end."""
        url = f"{self._url}/{self._seq}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=self._held_s)
        try:
            async with self._session.get(url, timeout=timeout, allow_redirects=False, ssl=False) as response:
                if response.status == 404:
                    return None
                if response.status == codec.NO_ENTRY_STATUS:
                    return _number(response, codec.LATEST_HEADER)
                if response.status != 200:
                    raise PeerRefused(self._url, response.status, "not a trickle answer")
                ended = codec.CLOSED_HEADER in response.headers
                if codec.SEQ_HEADER not in response.headers and ended:
                    return None
                seq = _number(response, codec.SEQ_HEADER)
                data, broken = await self._body(response)
                if ended and not data:
                    return None
                missed, self._missed = self._missed, 0
                self._seq = seq + 1
                return TrickleSegment(seq, data, response.headers.get("Content-Type", ""), missed, broken)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ServerTimeoutError):
                # Held at the live edge: the peer need not have anything to say.
                return max(self._seq, 0)
            raise PeerTimeout(self._url, "no answer in time") from error
        except aiohttp.ClientError as error:
            raise translated(self._url, error) from error

    async def _body(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        body = bytearray()
        try:
            async for piece in response.content.iter_chunked(_PIECE_BYTES):
                body += piece
                if len(body) > self._max_bytes:
                    raise MalformedMessage("trickle segment", f"more than {self._max_bytes} bytes")
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, TimeoutError):
            if not body:
                raise
            return bytes(body), True
        return bytes(body), False


class TricklePublisher:
    """Writes a channel, segment by segment; the first write asks where the channel is and ends what was open."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        mime_type: str,
        *,
        timeout_s: float = PUBLISH_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._mime_type = mime_type
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._seq = NEXT

    async def publish(self, data: bytes | AsyncIterable[bytes]) -> int | None:
        """Write one segment; its number, None if the channel has ended.

        Whole bytes are sent again, once, if the connection broke: at the write head, after ending what arrived of them.

        :raises TransportError: the peer does not answer.
        :raises PeerRefused: it does not take the segment.
        """
        headers = {"Content-Type": self._mime_type}
        if self._seq < 0:
            headed = await self._head()
            if headed is None:
                return None
            self._seq = headed
            headers[codec.RESET_HEADER] = "1"
        try:
            return await self._post(data, headers)
        except TransportError:
            if not isinstance(data, bytes):
                raise
        await asyncio.sleep(self._retry_s)
        # Whatever part of it arrived stays there as a segment of its own; readers get the whole one after it.
        head = await self._head()
        if head is None:
            return None
        self._seq = head
        return await self._post(data, headers | {codec.RESET_HEADER: "1"})

    async def close(self) -> None:
        """End the channel. One that is gone has ended already.

        :raises TransportError: the peer does not answer.
        """
        await self._request("DELETE", self._url)

    async def _head(self) -> int | None:
        status, headers = await self._request("GET", f"{self._url}/next")
        if status == 404 or codec.CLOSED_HEADER in headers:
            return None
        try:
            return codec.parse_seq(headers[codec.LATEST_HEADER])
        except KeyError as error:
            raise MalformedMessage("trickle head", "no Lp-Trickle-Latest") from error

    async def _post(self, data: bytes | AsyncIterable[bytes], headers: dict[str, str]) -> int | None:
        status, answer = await self._request("POST", f"{self._url}/{self._seq}", data=data, headers=headers)
        if status == 404 or codec.CLOSED_HEADER in answer:
            return None
        if status != 200:
            raise PeerRefused(self._url, status, "segment not taken")
        seq, self._seq = self._seq, self._seq + 1
        return seq

    async def _request(
        self,
        method: str,
        url: str,
        *,
        data: bytes | AsyncIterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str]]:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=2)
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, timeout=timeout, allow_redirects=False, ssl=False
            ) as response:
                return response.status, dict(response.headers)
        except TimeoutError as error:
            raise PeerTimeout(self._url, "no answer in time") from error
        except aiohttp.ClientError as error:
            raise translated(self._url, error) from error


def _number(response: aiohttp.ClientResponse, header: str) -> int:
    return codec.parse_seq(response.headers.get(header, ""))
