"""What aiohttp leaves open for HTTP/1.1: how long a peer may take to read its answer.

aiohttp waits for a peer as long as it keeps its connection. One that reads a byte a minute would hold an answer, and
whoever writes it, for ever.
"""

import asyncio
import logging
import socket
from typing import Final

STALL_S: Final = 120.0
"""What waits to be sent, half a megabyte at most over TLS, has to be mostly gone by then: 3 kB a second."""
_MS: Final = 1000

_log = logging.getLogger(__name__)


class Paced(asyncio.Protocol):
    """One connection of a protocol that cannot write more until its peer has read: after `stall_s` it is cut off."""

    def __init__(self, inner: asyncio.Protocol, stall_s: float = STALL_S) -> None:
        self._inner = inner
        self._stall_s = stall_s
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        # Bodies are read as if there were nothing in between.
        self.data_received = inner.data_received  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # A peer that takes nothing at all is the kernel's to give up, also what is closed and not yet sent.
        line = transport.get_extra_info("socket")
        if line is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._stall_s * _MS))
        self._inner.connection_made(transport)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._stop_waiting()
        self._deadline = asyncio.get_running_loop().call_later(self._stall_s, self._give_up)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._stop_waiting()
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._inner.connection_lost(exc)

    def _give_up(self) -> None:
        assert self._transport is not None
        _log.info("answer given up: its reader takes too long")
        self._transport.abort()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
