"""HTTP/2 for the routes of an aiohttp application: h2 speaks the protocol, this joins its streams to requests.

h2 has no I/O of its own, so it takes connections that were accepted, and looked at, elsewhere; a whole server such as
hypercorn would want the port for itself and an ASGI application in front of it. Every stream becomes a request of the
very application that serves HTTP/1.1: a route is mounted once.

The peer's windows bound what is held: `WINDOW_BYTES` of each body not yet read, `MAX_STREAMS` bodies.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import RawRequestMessage
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes, Settings
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from livepeer_client.adapters.http2_transport import StreamTransport

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler

WINDOW_BYTES: Final = 1 << 18
"""Of one body, sent ahead of what the handler has read."""
CONNECTION_WINDOW_BYTES: Final = 1 << 20
FRAME_BYTES: Final = 1 << 16
MAX_STREAMS: Final = 32
"""Requests at the same time on one connection, those included whose peer has given up on them."""
STALL_S: Final = 120.0
"""A peer that takes no byte of an answer for this long has given it up; what is held for it may be large."""
LINGER_S: Final = 10
"""A body that nobody wants is thrown away for this long, so that the answer is read before the stream is reset."""
_BUFFER_BYTES: Final = 1 << 16
_OF_THE_CONNECTION: Final = frozenset(
    ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te")
)
"""Headers that HTTP/2 does not have (RFC 9113 8.2.2)."""

_log = logging.getLogger(__name__)


class _Body(BaseProtocol):
    """What a request's `StreamReader` takes for its connection: opens the stream's window as the handler reads."""

    def __init__(self, connection: "Http2Connection", stream_id: int) -> None:
        super().__init__(asyncio.get_running_loop())
        self._connection = connection
        self._stream_id = stream_id
        self._owed = 0
        self.transport = StreamTransport(connection, stream_id)
        tls = connection.transport.get_extra_info("sslcontext")
        self.ssl_context = tls
        self.peername = connection.transport.get_extra_info("peername")
        self.sockname = connection.transport.get_extra_info("sockname")
        # As aiohttp's own limits of the parts of a multipart body.
        self.max_field_size = 8190
        self.max_headers = 128

    def took(self, count: int) -> None:
        self._owed += count
        if not self._reading_paused:
            self._pay()

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self, resume_parser: bool = True) -> None:
        self._reading_paused = False
        self._pay()

    def _pay(self) -> None:
        owed, self._owed = self._owed, 0
        self._connection.open_window(self._stream_id, owed)


class _Writer(AbstractStreamWriter):
    """An answer: headers, then as much of the body as the peer's windows allow."""

    def __init__(self, connection: "Http2Connection", stream_id: int, *, without_body: bool) -> None:
        self._connection = connection
        self._stream_id = stream_id
        self._without_body = without_body
        self.ended = False
        self.started = False

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        fields = [(":status", status_line.split(" ", 2)[1])]
        fields += [(name.lower(), value) for name, value in headers.items()]
        self._connection.send_headers(
            self._stream_id, [(name, value) for name, value in fields if name not in _OF_THE_CONNECTION]
        )
        self.started = True

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if not self._without_body:
            self.output_size += len(chunk)
            await self._connection.send_body(self._stream_id, chunk)

    async def write_eof(self, chunk: bytes = b"") -> None:
        if self.ended:
            return
        if chunk:
            await self.write(chunk)
        self.ended = True
        self._connection.end(self._stream_id)

    async def drain(self) -> None:
        await self._connection.writable()

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        raise NotImplementedError("answers are not compressed")

    def enable_chunking(self) -> None:
        """Frames do that."""


class _Stream:
    def __init__(self, body: _Body, reader: StreamReader) -> None:
        self.body = body
        self.reader = reader
        self.task: asyncio.Task[None] | None = None
        self.received = False


class Http2Connection(asyncio.Protocol):
    """One connection of a peer that speaks HTTP/2 and wants no gRPC.

    :param server: whose application answers.
    :param idle_s: without a byte from the peer for this long, the connection is closed.
    """

    def __init__(self, server: web.Server, *, max_header_bytes: int, idle_s: float, stall_s: float = STALL_S) -> None:
        self.transport: asyncio.Transport
        self.tasks: set[asyncio.Task[None]] = set()
        """Requests being answered."""
        self._server = server
        self._idle_s = idle_s
        self._stall_s = stall_s
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, _Stream] = {}
        self._unacknowledged = 0
        self._sendable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = False
        self._draining = False
        self._heard_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW_BYTES,
                SettingCodes.MAX_FRAME_SIZE: FRAME_BYTES,
                SettingCodes.MAX_HEADER_LIST_SIZE: max_header_bytes,
            },
        )
        self._h2.max_inbound_frame_size = FRAME_BYTES
        self._h2.decoder.max_header_list_size = max_header_bytes

    # --- the transport's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW_BYTES - 65_535)
        self._flush()
        self._watch()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            events = self._h2.receive_data(data)
        except (ProtocolError, UnicodeDecodeError) as error:
            # h2 has put the reason into what is sent last.
            _log.info("http2 connection ended: %s", type(error).__name__)
            self._flush()
            self._hang_up()
            return
        for event in events:
            self._handle(event)
        self._flush()

    def pause_writing(self) -> None:
        self._writable.clear()
        # Who does not read gets no answers to whatever else it sends.
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable.set()
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._timer is not None:
            self._timer.cancel()
        self._sendable.set()
        self._writable.set()
        for stream in self._streams.values():
            stream.body.transport = None
            if not stream.received:
                stream.reader.set_exception(ConnectionResetError("connection lost"))
        self._streams.clear()

    def _watch(self) -> None:
        left = self._heard_at + self._idle_s - self._loop.time()
        if left <= 0:
            self.close()
        else:
            self._timer = self._loop.call_later(left, self._watch)

    async def drain(self, grace_s: float) -> None:
        """Take no new requests, give those under way `grace_s` seconds, and close."""
        self._draining = True
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """Say goodbye; the connection ends when what is written is out."""
        if not self._lost and not self.transport.is_closing():
            with suppress(H2Error):
                self._h2.close_connection()
            self._flush()
            self._hang_up()

    def _hang_up(self) -> None:
        self.transport.close()
        # Who does not read would keep it open.
        self._loop.call_later(LINGER_S, self.transport.abort)

    def _flush(self) -> None:
        if not self._lost and (data := self._h2.data_to_send()):
            self.transport.write(data)

    # --- events -------------------------------------------------------------------------------------

    def _handle(self, event: object) -> None:
        match event:
            case RequestReceived(stream_id=stream_id, headers=headers) if stream_id is not None and headers is not None:
                self._begin(stream_id, cast(list[tuple[str, str]], headers))
            case DataReceived(stream_id=stream_id, data=data, flow_controlled_length=length) if (
                stream_id is not None and data is not None and length is not None
            ):
                self._take(stream_id, data, length)
            case StreamEnded(stream_id=stream_id) if stream_id is not None:
                if (stream := self._streams.get(stream_id)) is not None:
                    self._end_of_body(stream_id, stream)
            case StreamReset(stream_id=stream_id) if stream_id is not None:
                if (stream := self._streams.pop(stream_id, None)) is not None:
                    stream.reader.set_exception(ConnectionResetError("the peer gave up the request"))
                self._sendable.set()
            case WindowUpdated() | RemoteSettingsChanged():
                self._sendable.set()
            case ConnectionTerminated():
                self._hang_up()
            case _:
                pass

    def _end_of_body(self, stream_id: int, stream: _Stream) -> None:
        stream.received = True
        if stream.task is None:
            del self._streams[stream_id]
        else:
            stream.reader.feed_eof()

    def _begin(self, stream_id: int, headers: list[tuple[str, str]]) -> None:
        if self._draining or len(self.tasks) >= MAX_STREAMS:
            # A peer that opens and gives up streams faster than they are answered (RFC 9113 10.5).
            self._reset(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        body = _Body(self, stream_id)
        reader = StreamReader(body, _BUFFER_BYTES, loop=self._loop)
        stream = _Stream(body, reader)
        message = _message(headers)
        if message is None:
            self._reset(stream_id, ErrorCodes.PROTOCOL_ERROR)
            return
        self._streams[stream_id] = stream
        if any(name == "expect" and value.lower() == "100-continue" for name, value in headers):
            self.say_continue(stream_id)
        writer = _Writer(self, stream_id, without_body=message.method == "HEAD")
        task = self._loop.create_task(self._answer(stream_id, stream, message, writer))
        stream.task = task
        self.tasks.add(task)
        task.add_done_callback(partial(self._ended, stream_id, writer))

    def _take(self, stream_id: int, data: bytes, length: int) -> None:
        self._unacknowledged += length
        if self._unacknowledged >= CONNECTION_WINDOW_BYTES // 2:
            # The windows of the streams are what bounds memory; that of the connection must not let one hold up others.
            self._h2.increment_flow_control_window(self._unacknowledged)
            self._unacknowledged = 0
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if stream.task is None:
            self.open_window(stream_id, length)
            return
        stream.reader.feed_data(data)
        stream.body.took(length)

    async def _answer(self, stream_id: int, stream: _Stream, message: RawRequestMessage, writer: _Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        request = self._server.request_factory(
            message, stream.reader, cast("RequestHandler", stream.body), writer, cast("asyncio.Task[None]", task)
        )
        try:
            try:
                response = await self._server.request_handler(request)
            except web.HTTPException as error:
                response = error
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            pass
        except asyncio.CancelledError:
            self._reset(stream_id, ErrorCodes.CANCEL)
            raise
        finally:
            self._leave(stream_id, stream)

    def _ended(self, stream_id: int, writer: _Writer, task: asyncio.Task[None]) -> None:
        """Forget a request; one that failed ends its stream, as aiohttp ends a connection, and no other."""
        self.tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("request failed", exc_info=error)
        if self._lost or writer.ended:
            return
        if writer.started:
            self._reset(stream_id, ErrorCodes.INTERNAL_ERROR)
            return
        # The peer may have given it up in the meantime.
        with suppress(H2Error):
            self._h2.send_headers(stream_id, [(":status", "500")], end_stream=True)
        self._flush()

    def _leave(self, stream_id: int, stream: _Stream) -> None:
        """Have done with a request; what still comes of its body is thrown away for a while."""
        stream.task = None
        if self._streams.get(stream_id) is not stream:
            return
        if stream.received:
            del self._streams[stream_id]
            return
        stream.reader.set_exception(ConnectionResetError("the request was answered"))
        self.open_window(stream_id, WINDOW_BYTES)
        self._loop.call_later(LINGER_S, self._give_up, stream_id)

    def _give_up(self, stream_id: int) -> None:
        if (stream := self._streams.pop(stream_id, None)) is not None and not stream.received:
            self._reset(stream_id, ErrorCodes.NO_ERROR)

    # --- what a request calls -----------------------------------------------------------------------

    def open_window(self, stream_id: int, count: int) -> None:
        """Let the peer send `count` bytes more of a body."""
        stream = self._streams.get(stream_id)
        if count and not self._lost and stream is not None and not stream.received:
            # It may have ended within the bytes just read, whose later events are still to come.
            with suppress(H2Error):
                self._h2.increment_flow_control_window(count, stream_id)
            self._flush()

    def is_wanted(self, stream_id: int) -> bool:
        """Whether the peer still waits for this answer."""
        return not self._lost and stream_id in self._streams and not self.transport.is_closing()

    def say_continue(self, stream_id: int) -> None:
        """Send 100 before the answer."""
        if self.is_wanted(stream_id):
            # Harmless where the answer has begun: h2 refuses, and nothing is sent.
            with suppress(H2Error):
                self._h2.send_headers(stream_id, [(":status", "100")])
            self._flush()

    def abort(self, stream_id: int) -> None:
        """End a stream so that its peer knows that the answer is not whole."""
        if (stream := self._streams.pop(stream_id, None)) is not None:
            if not stream.received:
                stream.reader.set_exception(ConnectionResetError("the request was given up"))
            self._reset(stream_id, ErrorCodes.INTERNAL_ERROR)
            self._sendable.set()

    def send_headers(self, stream_id: int, headers: list[tuple[str, str]]) -> None:
        with self._sending(stream_id):
            self._h2.send_headers(stream_id, headers)

    async def send_body(self, stream_id: int, chunk: bytes | bytearray | memoryview) -> None:
        rest = memoryview(chunk).cast("B")
        try:
            while rest:
                async with asyncio.timeout(self._stall_s):
                    rest = await self._send_some(stream_id, rest)
        except TimeoutError:
            _log.info("http2 answer not taken for %g s", self._stall_s)
            self.abort(stream_id)
            raise ConnectionResetError("the peer takes none of the answer") from None

    async def _send_some(self, stream_id: int, rest: memoryview) -> memoryview:
        """Send as much as fits, once something does; what is left."""
        while True:
            await self._writable.wait()
            with self._sending(stream_id):
                window = self._h2.local_flow_control_window(stream_id)
                allowed = max(0, min(window, self._h2.max_outbound_frame_size, len(rest)))
                if allowed:
                    self._h2.send_data(stream_id, bytes(rest[:allowed]))
            if allowed:
                return rest[allowed:]
            self._sendable.clear()
            await self._sendable.wait()

    async def writable(self) -> None:
        await self._writable.wait()

    def end(self, stream_id: int) -> None:
        with self._sending(stream_id):
            self._h2.end_stream(stream_id)

    @contextmanager
    def _sending(self, stream_id: int) -> Iterator[None]:
        """:raises ConnectionResetError: nobody waits for this answer any more."""
        if self._lost or stream_id not in self._streams:
            raise ConnectionResetError("the peer gave up the request")
        try:
            yield
        except H2Error as error:
            raise ConnectionResetError("the connection has ended") from error
        self._flush()

    def _reset(self, stream_id: int, code: ErrorCodes) -> None:
        if self._lost:
            return
        # The peer may have closed it in the meantime.
        with suppress(H2Error):
            self._h2.reset_stream(stream_id, code)
        self._flush()


def _message(fields: list[tuple[str, str]]) -> RawRequestMessage | None:
    """The head of a request as aiohttp's own parser would give it, or None if it is none of ours."""
    pseudo = {name: value for name, value in fields if name.startswith(":")}
    path, method = pseudo.get(":path", ""), pseudo.get(":method", "")
    if not path.startswith("/") or method == "CONNECT":
        return None
    headers: CIMultiDict[str] = CIMultiDict()
    if authority := pseudo.get(":authority"):
        headers["Host"] = authority
    for name, value in fields:
        # "expect" is answered here.
        if not name.startswith(":") and name != "expect":
            headers.add(name, value)
    before, _, query = path.partition("#")[0].partition("?")
    raw: Any = tuple((name.encode(), value.encode()) for name, value in headers.items())
    return RawRequestMessage(
        method=method,
        path=path,
        version=HttpVersion11,
        headers=CIMultiDictProxy(headers),
        raw_headers=raw,
        should_close=False,
        compression=None,
        upgrade=False,
        chunked=False,
        url=URL.build(path=before, query_string=query, encoded=True),
    )
