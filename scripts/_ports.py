"""Ports for processes that must be told theirs before they listen.

One that the kernel gave and that was let go again can be gone before its user listens: the kernel gives it to the next
who asks, be it for a connection. So these are taken from below what the kernel gives out, and no two processes hand out
the same: each holds the first port of a block of its own, for as long as it lives.
"""

from __future__ import annotations

import atexit
import random
import socket
from pathlib import Path

_FIRST, _BLOCK = 10_000, 50
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def _ephemeral() -> int:
    """The first port that the kernel gives out by itself; 32768 where Linux does not tell."""
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except OSError:
        return 32_768


def _bound(port: int) -> socket.socket | None:
    """A socket bound there, or None where somebody is."""
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.close()
        return None
    return probe


class _Ports:
    def __init__(self) -> None:
        self._left: list[int] = []

    def next(self) -> int:
        while True:
            while self._left:
                if (probe := _bound(port := self._left.pop())) is not None:
                    probe.close()
                    return port
            self._claim()

    def _claim(self) -> None:
        blocks = list(range(_FIRST, _ephemeral() - _BLOCK, _BLOCK))
        random.shuffle(blocks)
        for first in blocks:
            if (held := _bound(first)) is not None:
                atexit.register(held.close)
                self._left = list(range(first + _BLOCK - 1, first, -1))
                return
        raise OSError("no block of ports is free")


_PORTS = _Ports()


def free_port() -> int:
    """A TCP port on loopback where nobody listens, which no other process is given here.

    :raises OSError: none is left.
    """
    return _PORTS.next()
