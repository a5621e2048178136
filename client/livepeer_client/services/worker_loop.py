"""How a worker stays with its orchestrator: joins, takes tasks, joins again, finishes (offchain-network 4.4)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from random import Random
from typing import Final, Generic, TypeVar

from livepeer_client.errors import MalformedMessage, PeerRefused, TransportError
from livepeer_client.ports import Clock

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 60.0
"""Between two attempts to join; it doubles from one to the other."""
STEADY_S: Final = 10.0
"""After a stream of this length the pauses begin anew."""
DRAIN_S: Final = 60.0
POST_ATTEMPTS: Final = 3
FATAL: Final = frozenset(("invalid secret", "zero capacity"))
"""Refusals that would be the same for ever."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class WorkerLoop(Generic[T]):
    """`tasks` joins anew each time that it is called; `work` does one task, `capacity` of them at once.

    :param random: spreads the attempts of many to join again.
    """

    def __init__(
        self,
        tasks: Callable[[], AsyncGenerator[T, None]],
        work: Callable[[T], Awaitable[None]],
        *,
        capacity: int,
        clock: Clock,
        random: Random,
    ) -> None:
        self._source = tasks
        self._do = work
        self._places = asyncio.Semaphore(capacity)
        self._clock = clock
        self._random = random
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, *, drain_s: float = DRAIN_S) -> None:
        """Work until `stop` is set; then take nothing more and finish what was taken, for `drain_s` at most.

        :raises PeerRefused: the orchestrator does not want this worker, now or ever.
        """
        try:
            pause = FIRST_PAUSE_S
            while not stop.is_set():
                began = self._clock.monotonic()
                try:
                    await self._attend(stop)
                except PeerRefused as error:
                    if error.reason in FATAL:
                        raise
                    _log.warning("not taken: %s", error)
                except (TransportError, MalformedMessage) as error:
                    _log.warning("stream lost: %s", error)
                if self._clock.monotonic() - began >= STEADY_S:
                    pause = FIRST_PAUSE_S
                await self._pause(stop, pause * self._random.uniform(0.5, 1))
                pause = min(2 * pause, LONGEST_PAUSE_S)
        finally:
            await self._drain(drain_s if stop.is_set() else 0)

    async def _attend(self, stop: asyncio.Event) -> None:
        """Take tasks until the stream or this worker ends."""
        stopped = asyncio.ensure_future(stop.wait())
        try:
            async with aclosing(self._source()) as tasks:
                while not stopped.done():
                    coming = asyncio.ensure_future(anext(tasks))
                    try:
                        await asyncio.wait({coming, stopped}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        if not coming.done():
                            coming.cancel()
                            await asyncio.wait({coming})
                    if not coming.cancelled():
                        self._take(coming.result())
        finally:
            stopped.cancel()

    async def _pause(self, stop: asyncio.Event, seconds: float) -> None:
        stopped = asyncio.ensure_future(stop.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({stopped, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            slept.cancel()

    def _take(self, task: T) -> None:
        work = asyncio.get_running_loop().create_task(self._work(task))
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    async def _work(self, task: T) -> None:
        async with self._places:
            await self._do(task)

    async def deliver(self, post: Callable[[], Awaitable[None]]) -> None:
        """Post a result; one that comes twice is taken once, so it may be sent again.

        :raises LivepeerError: it was not taken.
        """
        for attempt in range(1, POST_ATTEMPTS):
            try:
                await post()
            except TransportError as error:
                _log.info("result posted again: %s", error)
                await self._clock.sleep(FIRST_PAUSE_S * attempt)
            else:
                return
        await post()

    async def _drain(self, grace_s: float) -> None:
        if not self._tasks:
            return
        _log.info("finishing %d tasks", len(self._tasks))
        _, late = await asyncio.wait(self._tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
