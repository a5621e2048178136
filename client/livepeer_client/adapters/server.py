"""One port for gRPC, HTTP/2 and HTTP/1.1, with TLS or in clear text (offchain-network 0, B.1).

    HTTP/2, `application/grpc`  raw bytes bridged to a gRPC server on a private unix socket
    HTTP/2, anything else       `adapters.http2`, over the same application
    HTTP/1.1                    the transport handed over to aiohttp, which reads it directly; `adapters.http1` bounds
                                how long its answers wait to be read

HTTP/2 is what ALPN says, or the preface where nothing was negotiated: clear text with prior knowledge (h2c). Peers use
one connection for gRPC and another one for the rest, so the first request decides for all of a connection.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
import tempfile
import weakref
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import grpc
import grpc.aio
from aiohttp import web

from livepeer_client.adapters.http1 import Paced
from livepeer_client.adapters.http2 import STALL_S, Http2Connection
from livepeer_client.adapters.http2_preface import GREETING, PREFACE, Kind, Opening
from livepeer_client.adapters.listening import BACKLOG, Door, listeners

IDLE_S: Final = 600
"""A connection without traffic is closed after this long."""
KEEPALIVE_MS: Final = 20_000
"""Between two pings of a gRPC connection, and for the answer to one."""
HANDSHAKE_S: Final = 10
"""For the TLS handshake, and again for the headers of the first HTTP request."""
POLL_S: Final = 0.01
TURNS: Final = 100
"""Of the loop, until a connection that was cut is closed; it takes a few."""
MAX_RPC_BYTES: Final = 1 << 20
"""No request of `net.Orchestrator` comes near this."""
MAX_HEADER_BYTES: Final = 1 << 18
"""A payment of 600 tickets is 60 kB of base64 in one header."""
MAX_STREAMS: Final = 64
"""Calls at the same time on one gRPC connection."""
MAX_CONNECTIONS: Final = 300
"""One that speaks gRPC takes three descriptors, and a process commonly has 1,024 of them."""
MAX_CONNECTIONS_OF_HOST: Final = 150
"""So that no single host can keep all others out."""
_HEAD_END: Final = b"\r\n\r\n"

_log = logging.getLogger(__name__)


class _End(asyncio.Protocol):
    """One end of a bridge: what arrives here is written at the other end, no faster than that end takes it."""

    def __init__(self, opening: Opening | None = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self._opening = opening

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def _opposite(self) -> asyncio.Transport | None:
        return self.other.transport if self.other is not None else None

    def data_received(self, data: bytes) -> None:
        if self._opening is not None:
            data = self._opening.feed(data)
            if self._opening.kind is Kind.BROKEN and self.transport is not None:
                self.transport.abort()
            elif self._opening.done:
                self._opening = None
        if (opposite := self._opposite()) is not None:
            opposite.write(data)

    def pause_writing(self) -> None:
        if (opposite := self._opposite()) is not None:
            opposite.pause_reading()

    def resume_writing(self) -> None:
        if (opposite := self._opposite()) is not None and not opposite.is_closing():
            opposite.resume_reading()

    def eof_received(self) -> bool:
        opposite = self._opposite()
        if opposite is not None and opposite.can_write_eof():
            # TLS to unix socket: say so, then asyncio ends the TLS side, which knows no half-close.
            opposite.write_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if (opposite := self._opposite()) is not None:
            # Flushes what is still to be written there.
            opposite.close()


class _Bridge:
    """Joins one accepted connection to the private socket, in both directions."""

    def __init__(self, accepted: asyncio.Transport, rpc_path: Path, opening: Opening, received: bytes) -> None:
        self._accepted = accepted
        self._rpc_path = rpc_path
        self._received = received
        self._near = _End(None if opening.done else opening)
        # Nothing is read, and so nothing has to be kept, until there is somewhere to write it.
        accepted.pause_reading()
        accepted.set_protocol(self._near)
        self._near.connection_made(accepted)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        far = _End()
        far.other = self._near
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                upstream, _ = await loop.create_unix_connection(lambda: far, str(self._rpc_path))
        except OSError as error:
            _log.warning("rpc socket refused a connection: %s", error)
            self._accepted.abort()
            return
        self._near.other = far
        upstream.write(self._received)
        self._received = b""
        if self._accepted.is_closing():
            upstream.abort()
        else:
            self._accepted.resume_reading()

    def abort(self) -> None:
        self._accepted.abort()


class _Front(asyncio.Protocol):
    """A connection until it is known what is spoken on it, and for HTTP until its first headers are complete.

    aiohttp waits for those as long as it takes, so whoever sends none would keep a connection for nothing.
    """

    def __init__(self, server: "TlsServer") -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._head = bytearray()
        self._opening: Opening | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._server.remember(transport)
        self._transport = transport
        self._wait(self._server.head_s)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            self._open(transport)

    def _open(self, transport: asyncio.Transport) -> None:
        self._opening = Opening(MAX_HEADER_BYTES)
        transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if self._opening is None:
            searched = max(0, len(self._head) - len(_HEAD_END) + 1)
            self._head += data
            if not self._head.startswith(PREFACE):
                self._read_head(self._transport, searched)
                return
            self._open(self._transport)
            data = bytes(self._head)
        assert self._opening is not None
        self._read_opening(self._transport, self._opening, data)

    def _read_head(self, transport: asyncio.Transport, searched: int) -> None:
        # Headers beyond all bounds are for aiohttp to refuse.
        if PREFACE.startswith(self._head) or (
            self._head.find(_HEAD_END, searched) < 0 and len(self._head) <= 2 * MAX_HEADER_BYTES
        ):
            return
        self._stop_waiting()
        self._server.hand_to_http(transport, bytes(self._head))

    def _read_opening(self, transport: asyncio.Transport, opening: Opening, data: bytes) -> None:
        received = opening.feed(data)
        if opening.reply:
            transport.write(bytes(opening.reply))
            opening.reply.clear()
        match opening.kind:
            case None:
                if opening.greeted:
                    # Go's clients may dial for one request and use the connection for a later one.
                    self._wait(IDLE_S)
            case Kind.BROKEN:
                transport.abort()
            case Kind.GRPC:
                self._stop_waiting()
                self._server.bridge(transport, opening, received)
            case Kind.HTTP:
                self._stop_waiting()
                self._server.hand_to_http2(transport, received)

    def pause_writing(self) -> None:
        # Who does not read what it is answered, and pings are, is not listened to.
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()

    def _wait(self, seconds: float) -> None:
        assert self._transport is not None
        self._stop_waiting()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class TlsServer:
    """`async with TlsServer(...) as server` serves until the block ends, then drains for `grace_s`.

    :param context: None to serve clear text, for service URIs that start with `http://`.
    :param head_s: for the TLS handshake, and again for the headers of the first request.
    :param stall_s: how long a peer may leave an answer unread.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        context: ssl.SSLContext | None,
        app: web.Application,
        rpc: Sequence[grpc.GenericRpcHandler],
        grace_s: float = 5,
        head_s: float = HANDSHAKE_S,
        stall_s: float = STALL_S,
        max_connections: int = MAX_CONNECTIONS,
        max_connections_of_host: int = MAX_CONNECTIONS_OF_HOST,
    ) -> None:
        self.head_s = head_s
        self._stall_s = stall_s
        self._door = Door(max_connections, max_connections_of_host)
        self._host = host
        self._requested_port = port
        self._context = context
        self._app = app
        self._rpc = rpc
        self._grace_s = grace_s
        self._http: web.Server | None = None
        self._rpc_path: Path | None = None
        self._http2 = weakref.WeakSet[Http2Connection]()
        self._bridges: dict[asyncio.Task[None], _Bridge] = {}
        self._accepted = weakref.WeakKeyDictionary[asyncio.Transport, socket.socket]()
        self._port = 0
        self._running: contextlib.AbstractAsyncContextManager[None] | None = None

    @property
    def port(self) -> int:
        """The port listened on, also where 0 was asked for."""
        return self._port

    async def __aenter__(self) -> "TlsServer":
        if self._running is not None:
            raise RuntimeError("a TlsServer is opened once")
        self._running = self._serve()
        await self._running.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._running is not None
        await self._running.__aexit__(None, None, None)

    @contextlib.asynccontextmanager
    async def _serve(self) -> AsyncIterator[None]:
        # mkdtemp makes the directory 0700: nobody else can reach the socket, which trusts whoever does.
        with tempfile.TemporaryDirectory(prefix="livepeer-", ignore_cleanup_errors=True) as directory:
            self._rpc_path = Path(directory) / "rpc"
            rpc = grpc.aio.server(
                handlers=list(self._rpc),
                options=[
                    ("grpc.max_receive_message_length", MAX_RPC_BYTES),
                    ("grpc.max_connection_idle_ms", IDLE_S * 1000),
                    ("grpc.max_concurrent_streams", MAX_STREAMS),
                    # A worker says nothing for hours: ask whether it is still there, and let it ask.
                    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
                    ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
                    ("grpc.http2.max_pings_without_data", 0),
                    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
                ],
            )
            # After what the application does to end its long requests, and before it lets go of what they need.
            self._app.on_shutdown.append(self._drain_http2)
            rpc.add_insecure_port(f"unix:{self._rpc_path}")
            runner = web.AppRunner(
                self._app,
                handle_signals=False,
                access_log=None,
                keepalive_timeout=IDLE_S,
                max_field_size=MAX_HEADER_BYTES,
                # A peer does not decide how much a piece of its body grows here.
                auto_decompress=False,
                shutdown_timeout=self._grace_s,
            )
            await rpc.start()
            try:
                await runner.setup()
                self._http = runner.server
                async with contextlib.AsyncExitStack() as listening:
                    bound = await listeners(self._host, self._requested_port, self._door)
                    for each in bound:
                        listening.callback(each.close)
                    for each in bound:
                        listener = await asyncio.get_running_loop().create_server(
                            lambda: _Front(self),
                            sock=each,
                            backlog=BACKLOG,
                            ssl=self._context,
                            ssl_handshake_timeout=self.head_s if self._context else None,
                            ssl_shutdown_timeout=self._grace_s if self._context else None,
                        )
                        listening.callback(listener.close)
                        self._port = self._port or listener.sockets[0].getsockname()[1]
                    listening.push_async_callback(self._door.shut)
                    yield
            finally:
                async with asyncio.TaskGroup() as closing:
                    closing.create_task(rpc.stop(self._grace_s))
                    closing.create_task(runner.cleanup())
                await self._drop_bridges()
                await self._close_connections()

    def remember(self, transport: asyncio.Transport) -> None:
        """Keep sight of a connection, to see it gone at the end whoever has it by then."""
        self._accepted[transport] = transport.get_extra_info("socket")

    def hand_to_http(self, transport: asyncio.Transport, received: bytes) -> None:
        """Let aiohttp have the connection and what came on it; its bodies are then copied once."""
        assert self._http is not None
        paced = Paced(self._http(), self._stall_s)
        transport.set_protocol(paced)
        paced.connection_made(transport)
        paced.data_received(received)

    def hand_to_http2(self, transport: asyncio.Transport, received: bytes) -> None:
        """Answer what comes on the connection as HTTP/2, beginning with what came already."""
        assert self._http is not None
        connection = Http2Connection(
            self._http, max_header_bytes=MAX_HEADER_BYTES, idle_s=IDLE_S, stall_s=self._stall_s
        )
        self._http2.add(connection)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        connection.data_received(received)

    def bridge(self, transport: asyncio.Transport, opening: Opening, received: bytes) -> None:
        """Join the connection to the gRPC server, beginning with what came already."""
        assert self._rpc_path is not None
        bridge = _Bridge(transport, self._rpc_path, opening, received)
        task = asyncio.get_running_loop().create_task(bridge.run())
        self._bridges[task] = bridge
        task.add_done_callback(self._bridges.pop)

    async def _drain_http2(self, _: web.Application) -> None:
        await asyncio.gather(*(connection.drain(self._grace_s) for connection in list(self._http2)))

    async def _drop_bridges(self) -> None:
        pending = dict(self._bridges)
        for task, bridge in pending.items():
            bridge.abort()
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _close_connections(self) -> None:
        """Let last bytes and TLS farewells out, for `grace_s` at most, then cut; when this returns none is left."""
        for transport in list(self._accepted):
            transport.close()
        self._cut_handshakes()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._grace_s
        # Nobody tells of the end of a transport that was handed on, so this looks.
        while self._door.inside() and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        for transport in list(self._accepted):
            transport.abort()
        self._cut_handshakes()
        # The loop closes an aborted socket at its next turn, and one that was cut once it has read so.
        for _ in range(TURNS):
            if not self._door.inside():
                return
            await asyncio.sleep(POLL_S)
        _log.warning("%d connections do not close", len(self._door.inside()))

    def _cut_handshakes(self) -> None:
        """End connections that are not ours yet: their handshake would be done when nobody closes them any more."""
        ours = {line.fileno() for line in self._accepted.values()}
        for connection in self._door.inside():
            if connection.fileno() not in ours:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
