"""A transcoder that works for an orchestrator elsewhere: joins, works, joins again (offchain-network 4.4)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from random import Random
from typing import Final, Protocol

from livepeer_client.codec.messages import Capabilities
from livepeer_client.codec.worker_api import SegmentTask, TranscoderJoins
from livepeer_client.errors import (
    LivepeerError,
    MalformedMessage,
    MediaError,
    PeerRefused,
    ProtocolError,
    TransportError,
)
from livepeer_client.facts import Rendition
from livepeer_client.ports import Clock, Transcoder

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 60.0
"""Between two attempts to join; it doubles from one to the other."""
STEADY_S: Final = 10.0
"""After a stream of this length the pauses begin anew."""
DRAIN_S: Final = 60.0
POST_ATTEMPTS: Final = 3
FATAL: Final = frozenset(("invalid secret", "zero capacity"))
"""Refusals that would be the same for ever."""

_log = logging.getLogger(__name__)


class TranscoderLink(Protocol):
    """The orchestrator; see `adapters.worker_client.OrchestratorLink`."""

    def segment_tasks(
        self, joins: TranscoderJoins, joined: Callable[[], None]
    ) -> AsyncGenerator[SegmentTask, None]: ...

    async def fetch(self, url: str) -> bytes: ...

    async def deliver(self, task_id: int, renditions: Sequence[Rendition], pixels: int) -> None: ...

    async def report(self, task_id: int, reason: str) -> None: ...


class TranscoderWorker:
    """Works on `capacity` sessions, and never on more segments than that at once.

    :param pixels: of a source segment, without decoding it.
    :param random: spreads the attempts of many to join again.
    :param joined: called each time that the orchestrator has taken this worker.
    """

    def __init__(
        self,
        link: TranscoderLink,
        transcoder: Transcoder,
        *,
        secret: str,
        capacity: int,
        capabilities: Capabilities,
        pixels: Callable[[bytes], int],
        clock: Clock,
        random: Random,
        joined: Callable[[], None] = lambda: None,
    ) -> None:
        self._link = link
        self._transcoder = transcoder
        self._joins = TranscoderJoins(secret, capacity, capabilities)
        self._places = asyncio.Semaphore(capacity)
        self._pixels = pixels
        self._clock = clock
        self._joined = joined
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
            async with aclosing(self._link.segment_tasks(self._joins, self._joined)) as tasks:
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

    def _take(self, task: SegmentTask) -> None:
        if not task.url:
            _log.info("session over session=%s", task.session_id)
            return
        work = asyncio.get_running_loop().create_task(self._work(task))
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    async def _work(self, task: SegmentTask) -> None:
        async with self._places:
            try:
                try:
                    segment = await self._link.fetch(task.url)
                    pixels = await asyncio.to_thread(self._pixels, segment)
                    renditions = await self._transcoder.transcode(segment, task.credentials)
                except MediaError as error:
                    reason = error.reason
                    await self._post(lambda: self._link.report(task.task_id, reason))
                except (TransportError, ProtocolError) as error:
                    _log.warning("segment not fetched task=%d: %s", task.task_id, error)
                    await self._post(lambda: self._link.report(task.task_id, "TranscoderUnavailable"))
                else:
                    await self._post(lambda: self._link.deliver(task.task_id, renditions, pixels))
            except LivepeerError as error:
                _log.warning("result not delivered task=%d: %s", task.task_id, error)

    async def _post(self, post: Callable[[], Awaitable[None]]) -> None:
        """A result that comes twice is taken once, so it may be sent again."""
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
        _log.info("finishing %d segments", len(self._tasks))
        _, late = await asyncio.wait(self._tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
