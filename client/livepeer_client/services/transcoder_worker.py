"""A transcoder that works for an orchestrator elsewhere (offchain-network 4.4)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from random import Random
from typing import Protocol

from livepeer_client.codec.messages import Capabilities
from livepeer_client.codec.worker_api import SegmentTask, TranscoderJoins
from livepeer_client.errors import (
    LivepeerError,
    MediaError,
    ProtocolError,
    TransportError,
)
from livepeer_client.facts import Rendition
from livepeer_client.ports import Clock, Transcoder
from livepeer_client.services.worker_loop import DRAIN_S, WorkerLoop

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
        self._pixels = pixels
        self._joined = joined
        self._loop = WorkerLoop(self._segment_tasks, self._work, capacity=capacity, clock=clock, random=random)

    async def run(self, stop: asyncio.Event, *, drain_s: float = DRAIN_S) -> None:
        """See `WorkerLoop.run`."""
        await self._loop.run(stop, drain_s=drain_s)

    def _segment_tasks(self) -> AsyncGenerator[SegmentTask, None]:
        return self._link.segment_tasks(self._joins, self._joined)

    async def _work(self, task: SegmentTask) -> None:
        if not task.url:
            _log.info("session over session=%s", task.session_id)
            return
        try:
            try:
                segment = await self._link.fetch(task.url)
                pixels = await asyncio.to_thread(self._pixels, segment)
                renditions = await self._transcoder.transcode(segment, task.credentials)
            except MediaError as error:
                reason = error.reason
                await self._loop.deliver(lambda: self._link.report(task.task_id, reason))
            except (TransportError, ProtocolError) as error:
                _log.warning("segment not fetched task=%d: %s", task.task_id, error)
                await self._loop.deliver(lambda: self._link.report(task.task_id, "TranscoderUnavailable"))
            else:
                await self._loop.deliver(lambda: self._link.deliver(task.task_id, renditions, pixels))
        except LivepeerError as error:
            _log.warning("result not delivered task=%d: %s", task.task_id, error)
