"""One TLS port for gRPC and HTTP, told apart by what the client negotiated (offchain-network 0, B.1).

    ALPN h2        raw bytes bridged to a gRPC server on a private unix socket
    anything else  the transport handed over to aiohttp, which reads it directly

`_Front.connection_made` is the only place that decides. A peer that speaks plain HTTP over HTTP/2 would have to be
told apart by its first HEADERS frame; `_Bridge.run` is where a connection still has no upstream and that frame could
be looked at.
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

IDLE_S: Final = 600
"""A connection without traffic is closed after this long."""
HANDSHAKE_S: Final = 10
"""For the TLS handshake, and again for the headers of the first HTTP request."""
POLL_S: Final = 0.01
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

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def _opposite(self) -> asyncio.Transport | None:
        return self.other.transport if self.other is not None else None

    def data_received(self, data: bytes) -> None:
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

    def __init__(self, accepted: asyncio.Transport, rpc_path: Path) -> None:
        self._accepted = accepted
        self._rpc_path = rpc_path
        self._near = _End()
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
        if self._accepted.is_closing():
            upstream.abort()
        else:
            self._accepted.resume_reading()

    def abort(self) -> None:
        self._accepted.abort()


class _Front(asyncio.Protocol):
    """A connection whose protocol is not yet known; an HTTP one stays here until its first headers are complete.

    aiohttp waits for those as long as it takes, so whoever sends none would keep a connection for nothing.
    """

    def __init__(self, server: "TlsServer") -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._head = bytearray()
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if not self._server.admit(transport):
            transport.abort()
            return
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            self._server.bridge(transport)
        else:
            self._transport = transport
            self._deadline = asyncio.get_running_loop().call_later(self._server.head_s, transport.abort)

    def data_received(self, data: bytes) -> None:
        searched = max(0, len(self._head) - len(_HEAD_END) + 1)
        self._head += data
        # Headers beyond all bounds are for aiohttp to refuse.
        if self._head.find(_HEAD_END, searched) < 0 and len(self._head) <= 2 * MAX_HEADER_BYTES:
            return
        assert self._transport is not None
        self._stop_waiting()
        self._server.hand_to_http(self._transport, bytes(self._head))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


class TlsServer:
    """`async with TlsServer(...) as server` serves until the block ends, then drains for `grace_s`."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        context: ssl.SSLContext,
        app: web.Application,
        rpc: Sequence[grpc.GenericRpcHandler],
        grace_s: float = 5,
        head_s: float = HANDSHAKE_S,
        max_connections: int = MAX_CONNECTIONS,
        max_connections_of_host: int = MAX_CONNECTIONS_OF_HOST,
    ) -> None:
        self.head_s = head_s
        self._max_connections = max_connections
        self._max_connections_of_host = max_connections_of_host
        self._host = host
        self._requested_port = port
        self._context = context
        self._app = app
        self._rpc = rpc
        self._grace_s = grace_s
        self._http: web.Server | None = None
        self._rpc_path: Path | None = None
        self._bridges: dict[asyncio.Task[None], _Bridge] = {}
        self._accepted = weakref.WeakKeyDictionary[asyncio.Transport, tuple[socket.socket, str]]()
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
                ],
            )
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
                listener = await asyncio.get_running_loop().create_server(
                    lambda: _Front(self),
                    self._host,
                    self._requested_port,
                    ssl=self._context,
                    ssl_handshake_timeout=HANDSHAKE_S,
                    ssl_shutdown_timeout=self._grace_s,
                )
                self._port = listener.sockets[0].getsockname()[1]
                try:
                    yield
                finally:
                    listener.close()
            finally:
                async with asyncio.TaskGroup() as closing:
                    closing.create_task(rpc.stop(self._grace_s))
                    closing.create_task(runner.cleanup())
                await self._drop_bridges()
                await self._close_connections()

    def admit(self, transport: asyncio.Transport) -> bool:
        """Remember a connection, to see it gone at the end whoever has it by then; False if there are too many."""
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if peer else ""
        hosts = [self._accepted[each][1] for each in self._still_open()]
        if len(hosts) >= self._max_connections or hosts.count(host) >= self._max_connections_of_host:
            _log.warning("connection refused host=%s connections=%d of it %d", host, len(hosts), hosts.count(host))
            return False
        self._accepted[transport] = (transport.get_extra_info("socket"), host)
        return True

    def hand_to_http(self, transport: asyncio.Transport, received: bytes) -> None:
        """Let aiohttp have the connection and what came on it; its bodies are then copied once."""
        assert self._http is not None
        handler = self._http()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(received)

    def bridge(self, transport: asyncio.Transport) -> None:
        """Join the connection to the gRPC server."""
        assert self._rpc_path is not None
        bridge = _Bridge(transport, self._rpc_path)
        task = asyncio.get_running_loop().create_task(bridge.run())
        self._bridges[task] = bridge
        task.add_done_callback(self._bridges.pop)

    async def _drop_bridges(self) -> None:
        pending = dict(self._bridges)
        for task, bridge in pending.items():
            bridge.abort()
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _close_connections(self) -> None:
        """Let last bytes and TLS farewells out, for `grace_s` at most, then cut."""
        for transport in list(self._accepted):
            transport.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._grace_s
        # Nobody tells of the end of a transport that was handed on, so this looks.
        while self._still_open() and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        for transport in self._still_open():
            transport.abort()
        # The loop closes an aborted socket at its next turn.
        await asyncio.sleep(POLL_S)

    def _still_open(self) -> list[asyncio.Transport]:
        return [transport for transport, (line, _) in self._accepted.items() if line.fileno() != -1]
