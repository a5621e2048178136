"""Listening sockets that bound how many connections are open, counted from the moment they are accepted.

A limit that sees a connection once its TLS handshake is done would let whoever makes none take every descriptor.
"""

import asyncio
import logging
import os
import socket
from typing import Any, Final

BACKLOG: Final = 100

_log = logging.getLogger(__name__)


class Door:
    """Who may come in.

    :param most: connections at the same time.
    :param of_host: of these from one address.
    """

    def __init__(self, most: int, of_host: int) -> None:
        self._most = most
        self._of_host = of_host
        self._inside: list[tuple[socket.socket, str]] = []
        self.is_shut = False

    async def shut(self) -> None:
        """Let nobody in any more, and those in who were accepted: asyncio forgets a connection, open, whose server is
        closed between the two."""
        self.is_shut = True
        await asyncio.sleep(0)

    def admits(self, connection: socket.socket, host: str) -> bool:
        """Whether there is room for a connection, which then counts until it is closed."""
        # Nobody tells of the end of a socket, so this looks.
        self._inside = [entry for entry in self._inside if _is_open(entry[0])]
        of_it = sum(other == host for _, other in self._inside)
        if len(self._inside) >= self._most or of_it >= self._of_host:
            _log.warning("connection refused host=%s connections=%d of it %d", host, len(self._inside), of_it)
            return False
        self._inside.append((connection, host))
        return True

    def inside(self) -> list[socket.socket]:
        """Every connection that is open, however far it has come."""
        return [connection for connection, _ in self._inside if _is_open(connection)]


def _is_open(connection: socket.socket) -> bool:
    return connection.fileno() != -1


class _Listener(socket.socket):
    door: Door

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that is admitted; others are closed at once."""
        while True:
            if self.door.is_shut:
                raise BlockingIOError
            connection, address = super().accept()
            if self.door.admits(connection, str(address[0])):
                return connection, address
            connection.close()


async def listeners(host: str, port: int, door: Door) -> list[socket.socket]:
    """Sockets that are bound to every address of `host`, for `loop.create_server(sock=...)`.

    :raises OSError: as `loop.create_server`.
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    opened: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listener = _Listener(family, kind, protocol)
            listener.door = door
            opened.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                listener.bind(address)
            except OSError as error:
                raise OSError(error.errno, f"{address}: {os.strerror(error.errno or 0)}") from None
    except OSError:
        for each in opened:
            each.close()
        raise
    return opened
