"""One bound for all request bodies that are held at the same time, whoever sent them and over however many streams."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

MAX_BODIES_BYTES: Final = 1_000_000_000


class _Full(Exception):
    """There is no room for more of any body."""


class _Room:
    def __init__(self, left: int) -> None:
        self.left = left
        self.held: dict[int, int] = {}


_ROOM: Final = web.AppKey("livepeer_client.room", _Room)


def bound_bodies(app: web.Application, most: int = MAX_BODIES_BYTES) -> None:
    """Answer 503 where bodies would take more than `most` bytes together; what is mounted first says how many."""
    if _ROOM not in app:
        app[_ROOM] = _Room(most)
        app.middlewares.append(_released)


def hold(request: web.Request, count: int) -> None:
    """Count bytes of a body against the bound, until its request has been answered."""
    room = request.app.get(_ROOM)
    if room is None:
        return
    if count > room.left:
        raise _Full
    room.held[id(request)] = room.held.get(id(request), 0) + count
    room.left -= count


@web.middleware
async def _released(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except _Full:
        return web.Response(status=503, text="too much at once\n", headers={"Retry-After": "1"})
    finally:
        room = request.app[_ROOM]
        room.left += room.held.pop(id(request), 0)
