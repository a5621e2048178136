"""Trickle channels over HTTP (offchain-network 5). What a channel is stands in `policy.trickle`.

POST   {ch}         200 for a channel that is there; nobody creates one from outside
POST   {ch}/{seq}   write, held open until there are bytes
GET    {ch}/{seq}   read, held until there are bytes
GET    {ch}/next    the write head
DELETE {ch}/{seq}   end one segment
DELETE {ch}         close and remove

Whoever knows a channel's name may use it, so names are 128 random bits. Every request that waits is bounded in number,
every one that moves bytes in the time between two pieces, and the bytes held in all by `max_bytes`.
"""

import asyncio
import logging
import secrets
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from livepeer_client.adapters.http2_transport import StreamTransport
from livepeer_client.codec import trickle as codec
from livepeer_client.errors import InvalidInput, MalformedMessage
from livepeer_client.policy.trickle import (
    IDLE_S,
    MAX_SEGMENT_BYTES,
    NEXT,
    NOT_FOUND,
    TERMINATED,
    Channel,
    Miss,
    Segment,
    TrickleRefused,
    Write,
)
from livepeer_client.ports import Clock

NAME_BYTES: Final = 16
MAX_CHANNELS: Final = 400
MAX_BYTES: Final = 512 << 20
MAX_READERS: Final = 16
MAX_WRITERS: Final = 4
"""Requests of one channel at the same time. A publisher has two open: the segment it writes and the next."""
FIRST_BYTE_S: Final = 10
"""A publisher that waits so long with its first byte is told to go on waiting."""
PIECE_S: Final = 30
"""Between two pieces of a segment, and for a reader to take one."""
SWEEP_S: Final = 60
_PIECE_BYTES: Final = 1 << 16
_PRESENCE_S: Final = 2.0
"""How often a held request looks whether its peer is still there."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Open:
    channel: Channel
    started_s: float
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    readers: int = 0
    writers: int = 0

    def notify(self) -> None:
        """Wake all who wait; those who wait from now on get a new event."""
        self.changed.set()
        self.changed = asyncio.Event()


class TrickleHub:
    """The channels of one node.

    :param max_bytes: held in all channels together.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_channels: int = MAX_CHANNELS,
        max_segment_bytes: int = MAX_SEGMENT_BYTES,
        max_bytes: int = MAX_BYTES,
        max_readers: int = MAX_READERS,
        max_writers: int = MAX_WRITERS,
        first_byte_s: float = FIRST_BYTE_S,
        piece_s: float = PIECE_S,
    ) -> None:
        self._clock = clock
        self._max_channels = max_channels
        self._max_segment_bytes = max_segment_bytes
        self._max_bytes = max_bytes
        self.max_readers = max_readers
        self.max_writers = max_writers
        self.first_byte_s = first_byte_s
        self.piece_s = piece_s
        self._open: dict[str, _Open] = {}
        self._closed: list[tuple[float, _Open]] = []
        """Channels that are closed, with the time, and still being read."""

    def __len__(self) -> int:
        return len(self._open)

    @property
    def size(self) -> int:
        """Bytes held in all channels, those included that are closed and still being read."""
        self._closed = [(at, entry) for at, entry in self._closed if entry.readers]
        return sum(each.channel.size for each in (*self._open.values(), *(entry for _, entry in self._closed)))

    @staticmethod
    def new_name() -> str:
        """A name that nobody guesses."""
        return secrets.token_hex(NAME_BYTES)

    def open(self, name: str, mime_type: str) -> None:
        """Make a channel.

        :raises InvalidInput: a name that no channel can have, or that one has; or there are `max_channels`.
        """
        if not codec.is_channel_name(name) or name in self._open:
            raise InvalidInput(f"no name for a new channel: {name!r:.140}")
        if len(self._open) >= self._max_channels:
            raise InvalidInput(f"{len(self._open)} channels are open, at most {self._max_channels}")
        channel = Channel(mime_type, max_segment_bytes=self._max_segment_bytes)
        self._open[name] = _Open(channel, self._clock.monotonic())

    def close(self, name: str) -> None:
        """Close and remove a channel, if it is there. Who reads on gets what was written and then its end."""
        if (entry := self._open.pop(name, None)) is not None:
            entry.channel.close()
            entry.notify()
            self._closed.append((self._clock.monotonic(), entry))

    def publish(self, name: str, data: bytes) -> None:
        """Write one whole segment of our own; to a channel that is gone, nothing.

        :raises TrickleRefused: beyond what a segment or all channels may hold.
        """
        if (entry := self._open.get(name)) is not None:
            write = entry.channel.write(NEXT)
            self.append(entry, write, data)
            entry.channel.finish(write)
            entry.notify()

    def has(self, name: str) -> bool:
        return name in self._open

    def next_seq(self, name: str) -> int | None:
        """The write head of a channel, None if there is none: what a watchdog looks at."""
        entry = self._open.get(name)
        return None if entry is None else entry.channel.next_seq

    def entry(self, name: str) -> _Open:
        """:raises TrickleRefused: 404, no such channel."""
        try:
            return self._open[name]
        except KeyError:
            raise TrickleRefused(404, NOT_FOUND) from None

    def append(self, entry: _Open, write: Write, piece: bytes) -> None:
        """:raises TrickleRefused: as `Channel.append`; 503 if it would hold more than is left for all others, so that
        none keeps them out."""
        began = write.segment is None
        if entry.channel.size + len(piece) > self._max_bytes - self.size:
            raise TrickleRefused(503, "Service Unavailable Error")
        try:
            entry.channel.append(write, piece)
        finally:
            entry.notify()
        if began:
            entry.started_s = self._clock.monotonic()

    def now(self) -> float:
        return self._clock.monotonic()

    def sweep(self) -> None:
        """Close channels whose last segment started over five minutes ago; names that start with `_` are exempt. What
        is still being read of closed ones is dropped after `piece_s`."""
        now = self._clock.monotonic()
        for name, entry in list(self._open.items()):
            if now - entry.started_s > IDLE_S and not name.startswith("_"):
                _log.info("trickle channel idle, closed")
                self.close(name)
        for at, entry in self._closed:
            if now - at > self.piece_s:
                # Who reads on so slowly would hold what is no longer to be had by anybody else.
                entry.channel.clear()
                entry.notify()

    async def run(self) -> None:
        """Sweep every minute, until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_S)
            self.sweep()


def add_trickle_routes(app: web.Application, hub: TrickleHub) -> None:
    """Serve the channels of `hub` under `/ai/trickle/`."""
    routes = _Routes(hub)
    channel = codec.BASE_PATH + "{channel}"
    app.add_routes(
        [
            web.post(channel, routes.create),
            web.delete(channel, routes.remove),
            web.get(channel + "/next", routes.head),
            # aiohttp would answer HEAD as GET and hold it.
            web.get(channel + "/{seq}", routes.read, allow_head=False),
            web.post(channel + "/{seq}", routes.write),
            web.delete(channel + "/{seq}", routes.end_segment),
        ]
    )


class _Routes:
    def __init__(self, hub: TrickleHub) -> None:
        self._hub = hub

    async def create(self, request: web.Request) -> web.StreamResponse:
        try:
            self._hub.entry(request.match_info["channel"])
        except TrickleRefused as refusal:
            return _refuse(refusal)
        return web.Response()

    async def remove(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["channel"]
        if not self._hub.has(name):
            return _refuse(TrickleRefused(400, "Invalid stream"))
        self._hub.close(name)
        return web.Response()

    async def head(self, request: web.Request) -> web.StreamResponse:
        try:
            channel = self._hub.entry(request.match_info["channel"]).channel
        except TrickleRefused as refusal:
            return _refuse(refusal)
        return web.Response(text=str(channel.next_seq), headers=_latest(channel))

    async def end_segment(self, request: web.Request) -> web.StreamResponse:
        try:
            entry = self._hub.entry(request.match_info["channel"])
            entry.channel.end_segment(_seq(request))
        except TrickleRefused as refusal:
            return _refuse(refusal)
        entry.notify()
        return web.Response()

    # --- writing ------------------------------------------------------------------------------------

    async def write(self, request: web.Request) -> web.StreamResponse:
        try:
            entry = self._hub.entry(request.match_info["channel"])
            if entry.writers >= self._hub.max_writers:
                raise TrickleRefused(429, "Too many writers")
            seq = _seq(request)
            write = entry.channel.write(seq)
        except TrickleRefused as refusal:
            return _refuse(refusal)
        if codec.RESET_HEADER in request.headers:
            entry.channel.reset(write.seq)
            entry.notify()
        entry.writers += 1
        try:
            return await self._written(request, entry, write)
        finally:
            entry.writers -= 1

    async def _written(self, request: web.Request, entry: _Open, write: Write) -> web.StreamResponse:
        empty = True
        try:
            while piece := await self._piece(request, entry, started=not empty):
                empty = False
                self._hub.append(entry, write, piece)
            entry.channel.finish(write)
        except TrickleRefused as refusal:
            entry.channel.abandon(write)
            return _refuse(refusal)
        except (TimeoutError, web.HTTPException, ConnectionError) as error:
            entry.channel.abandon(write)
            _log.info("trickle body not read: %s", type(error).__name__)
            return web.Response(status=500, text="Internal Server Error\n", headers={"Connection": "close"})
        finally:
            entry.notify()
        headers = {codec.SEQ_HEADER: str(write.seq)}
        if empty:
            entry.started_s = self._hub.now()
            headers["Connection"] = "close"
            if entry.channel.closed:
                headers[codec.CLOSED_HEADER] = TERMINATED
        return web.Response(headers=headers)

    async def _piece(self, request: web.Request, entry: _Open, *, started: bool) -> bytes:
        """The next bytes of a body, none at its end.

        :raises TimeoutError: nothing for `piece_s`, once something had come.
        """
        if started:
            async with asyncio.timeout(self._hub.piece_s):
                return await request.content.readany()
        # A publisher connects ahead of its next segment. That is held as long as its channel is open.
        reading = asyncio.ensure_future(request.content.readany())
        try:
            waited = 0.0
            while not reading.done():
                changed = asyncio.ensure_future(entry.changed.wait())
                try:
                    await asyncio.wait(
                        {reading, changed}, timeout=self._hub.first_byte_s, return_when=asyncio.FIRST_COMPLETED
                    )
                    waited = waited + self._hub.first_byte_s if not changed.done() else 0.0
                finally:
                    changed.cancel()
                if entry.channel.closed and not reading.done():
                    return b""
                if waited and not reading.done():
                    _say_continue(request)
            return await reading
        finally:
            reading.cancel()

    # --- reading ------------------------------------------------------------------------------------

    async def read(self, request: web.Request) -> web.StreamResponse:
        try:
            entry = self._hub.entry(request.match_info["channel"])
            if entry.readers >= self._hub.max_readers:
                raise TrickleRefused(429, "Too many readers")
            seq = entry.channel.read_seq(_seq(request))
        except TrickleRefused as refusal:
            return _refuse(refusal)
        entry.readers += 1
        try:
            return await self._read(request, entry, seq)
        finally:
            entry.readers -= 1

    async def _read(self, request: web.Request, entry: _Open, seq: int) -> web.StreamResponse:
        channel = entry.channel
        while (found := channel.look(seq)) is Miss.WAIT:
            if not await _change(request, entry):
                return web.Response(status=499)
        if isinstance(found, Segment):
            return await self._sent(request, entry, found)
        if found is Miss.TERMINATED:
            return web.Response(text=TERMINATED, headers={codec.CLOSED_HEADER: TERMINATED})
        return web.Response(
            status=codec.NO_ENTRY_STATUS,
            reason="No entry",
            text="Entry not found\n",
            headers={codec.SEQ_HEADER: str(seq), codec.LATEST_HEADER: str(channel.next_seq)},
        )

    async def _sent(self, request: web.Request, entry: _Open, segment: Segment) -> web.StreamResponse:
        channel = entry.channel
        while not segment.data and not segment.closed:
            if not await _change(request, entry):
                return web.Response(status=499)
        headers = {codec.SEQ_HEADER: str(segment.seq), "Content-Type": channel.mime_type, **_latest(channel)}
        if segment.data or not channel.closed:
            headers.pop(codec.CLOSED_HEADER, None)
        response = web.StreamResponse(headers=headers)
        try:
            await response.prepare(request)
            sent = 0
            while True:
                while sent < len(segment.data):
                    piece = bytes(memoryview(segment.data)[sent : sent + _PIECE_BYTES])
                    async with asyncio.timeout(self._hub.piece_s):
                        await response.write(piece)
                    sent += len(piece)
                if segment.dropped:
                    # Too slow: an end without the last chunk, so that the reader knows that it has lost something.
                    _abort(request)
                    return response
                if segment.closed:
                    break
                if not await _change(request, entry):
                    return response
            await response.write_eof()
        except TimeoutError:
            _log.info("trickle reader too slow seq=%d", segment.seq)
            _abort(request)
        except ConnectionError:
            pass  # A reader that wants no more says so in this way.
        return response


async def _change(request: web.Request, entry: _Open) -> bool:
    """Wait for a change of the channel; False once the peer is gone."""
    changed = entry.changed
    while not changed.is_set():
        if request.transport is None or request.transport.is_closing():
            return False
        try:
            async with asyncio.timeout(_PRESENCE_S):
                await changed.wait()
        except TimeoutError:
            continue
    return True


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _say_continue(request: web.Request) -> None:
    if request.transport is None or request.transport.is_closing():
        return
    if isinstance(request.transport, StreamTransport):
        request.transport.say_continue()
    elif request.version >= (1, 1):
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _latest(channel: Channel) -> dict[str, str]:
    headers = {codec.LATEST_HEADER: str(channel.next_seq)}
    if channel.closed:
        headers[codec.CLOSED_HEADER] = TERMINATED
    return headers


def _seq(request: web.Request) -> int:
    try:
        return codec.parse_seq(request.match_info["seq"])
    except MalformedMessage as error:
        raise TrickleRefused(400, "Invalid idx") from error


def _refuse(refusal: TrickleRefused) -> web.Response:
    response = web.Response(status=refusal.status, text=refusal.reason + "\n")
    if refusal.status == 404:
        response.headers["Connection"] = "close"
    return response
