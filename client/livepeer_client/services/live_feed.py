"""What goes into a live session and comes out of it, whoever serves it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from livepeer_client.errors import LivepeerError
from livepeer_client.types import Address

QUEUED: Final = 8
KEPT_OUTPUTS: Final = 5
KEPT_EVENTS: Final = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LivePiece:
    """One segment of output. `seq` counts anew with each orchestrator; `missed` of its channel before this one;
    `broken`: its end is missing."""

    orchestrator: Address
    seq: int
    data: bytes = field(repr=False)
    missed: int = 0
    broken: bool = False


class Changes:
    """Lets many wait until something holds; whoever changes it calls `tell`."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def until(self, holds: Callable[[], object]) -> None:
        while not holds():
            await self._changed.wait()


class Inbox(Generic[T]):
    """The newest `size` of what came; ends with the session, or with its error."""

    def __init__(self, size: int) -> None:
        self.dropped = 0
        self._items: deque[T] = deque(maxlen=size)
        self._changes = Changes()
        self._over = False
        self._error: LivepeerError | None = None

    def put(self, item: T) -> None:
        self.dropped += len(self._items) == self._items.maxlen
        self._items.append(item)
        self._changes.tell()

    def end(self, error: LivepeerError | None) -> None:
        self._over, self._error = True, error
        self._changes.tell()

    async def read(self) -> AsyncIterator[T]:
        """Until the end, which comes after what is still there."""
        while True:
            await self._changes.until(lambda: self._items or self._over)
            if self._items:
                yield self._items.popleft()
            elif self._error is not None:
                raise self._error
            else:
                return


class Feed:
    """A session's input (segments with the time they came), control messages, output, events and data."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.segments: deque[tuple[bytes, float]] = deque()
        self.controls: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self.ending = False
        self.over = False
        self.outputs: Inbox[LivePiece] = Inbox(KEPT_OUTPUTS)
        self.events: Inbox[dict[str, Any]] = Inbox(KEPT_EVENTS)
        self.data: Inbox[bytes] = Inbox(KEPT_EVENTS)

    def end(self, error: LivepeerError | None) -> None:
        """The session is over; whoever waits finds out."""
        self.over = True
        self.outputs.end(error)
        self.events.end(error)
        self.data.end(error)
        self.changes.tell()
