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
POLL_S: Final = 0.01
MAX_RPC_BYTES: Final = 1 << 20
"""No request of `net.Orchestrator` comes near this."""
MAX_HEADER_BYTES: Final = 1 << 18
"""A payment of 600 tickets is 60 kB of base64 in one header."""

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
    """A connection whose protocol is not yet known."""

    def __init__(self, server: "TlsServer") -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._server.watch(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            self._server.bridge(transport)
        else:
            self._server.hand_to_http(transport)


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
    ) -> None:
        self._host = host
        self._requested_port = port
        self._context = context
        self._app = app
        self._rpc = rpc
        self._grace_s = grace_s
        self._http: web.Server | None = None
        self._rpc_path: Path | None = None
        self._bridges: dict[asyncio.Task[None], _Bridge] = {}
        self._accepted: weakref.WeakKeyDictionary[asyncio.Transport, socket.socket] = weakref.WeakKeyDictionary()
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
                ],
            )
            rpc.add_insecure_port(f"unix:{self._rpc_path}")
            runner = web.AppRunner(
                self._app,
                handle_signals=False,
                access_log=None,
                keepalive_timeout=IDLE_S,
                max_field_size=MAX_HEADER_BYTES,
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

    def watch(self, transport: asyncio.Transport) -> None:
        """Remember a connection, to see it gone at the end whoever has it by then."""
        self._accepted[transport] = transport.get_extra_info("socket")

    def hand_to_http(self, transport: asyncio.Transport) -> None:
        """Let aiohttp have the connection; its bodies are then copied once."""
        assert self._http is not None
        handler = self._http()
        transport.set_protocol(handler)
        handler.connection_made(transport)

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
        return [transport for transport, line in self._accepted.items() if line.fileno() != -1]
