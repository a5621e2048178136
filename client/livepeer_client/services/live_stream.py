"""A session that a gateway buys by the second, whoever serves it: its course and what its owner does with it.

One task per session does everything; it and all it started are over once the session's context is left.
"""

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol, Self

from livepeer_client.codec.messages import Capabilities
from livepeer_client.errors import InvalidInput, LivepeerError, NoOrchestrator
from livepeer_client.policy.selection import How
from livepeer_client.policy.trickle import MAX_SEGMENT_BYTES
from livepeer_client.policy.workloads import Cause, Progress, Step, Table
from livepeer_client.services.choosing import Choices, Chooser
from livepeer_client.services.dispatch_events import Observer, Swapped
from livepeer_client.services.live_feed import QUEUED, Feed, LivePiece
from livepeer_client.services.live_serving import LiveServing
from livepeer_client.services.paying import Engagement, Payer
from livepeer_client.types import Address

READY_S: Final = 60.0
"""How often a session looks after its standby."""

_log = logging.getLogger(__name__)


class SwapCount(Protocol):
    """Counts swaps; see `policy.live.Swaps`."""

    def after(self, now_s: float) -> Self:
        """One more swap."""

    @property
    def count(self) -> int: ...

    @property
    def too_many(self) -> bool: ...


class BoughtStream(ABC):
    """One session. Segments that were not taken when an orchestrator is left go to the next.

    Whoever reads slowly loses the oldest output and events, not the session.
    """

    def __init__(
        self,
        choices: Choices,
        payer: Payer,
        job: Capabilities,
        observer: Observer,
        *,
        table: Table,
        swaps: SwapCount,
        name: str,
    ) -> None:
        self.orchestrator: Address | None = None
        """Who serves it now."""
        self._clock = choices.clock
        self._job = job
        self._observe = observer
        self._table = table
        self._chooser = Chooser(choices, payer, job, observer, How.NEAREST, workload=table, name=name)
        self._progress: Progress = table.start
        self._failures: dict[Address, tuple[str, LivepeerError]] = {}
        self._swaps = swaps
        self._feed = Feed()
        self._running = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start it.

        :raises NoOrchestrator: nobody can do it, with each one's reason.
        :raises ParamsRejected, ChainError, StoreError: ours, not the orchestrator's.
        """
        self._task = asyncio.create_task(self._run())
        started = asyncio.create_task(self._running.wait())
        try:
            await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
            if self._task.done():
                self._task.result()
        except BaseException:
            await self._closed()
            raise
        finally:
            started.cancel()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closed()

    async def _closed(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._chooser.close()

    # --- for its owner ----------------------------------------------------------------------------

    async def publish(self, segment: bytes) -> None:
        """Send one whole segment of MPEG-TS; waits while `QUEUED` of them have not been taken.

        :raises InvalidInput: it is too large, or the input or the session has ended.
        """
        if len(segment) > MAX_SEGMENT_BYTES:
            raise InvalidInput(f"a segment of {len(segment)} bytes, at most {MAX_SEGMENT_BYTES}")
        feed = self._feed
        await feed.changes.until(lambda: len(feed.segments) < QUEUED or feed.over or feed.ending)
        if feed.over or feed.ending:
            raise InvalidInput("the live session takes no more segments")
        feed.segments.append((segment, self._clock.monotonic()))
        feed.changes.tell()

    def end_input(self) -> None:
        """No more segments will come: what was published is sent, then the session ends, without a swap."""
        self._feed.ending = True
        self._feed.changes.tell()

    def results(self) -> AsyncIterator[LivePiece]:
        """Output until the session ends.

        :raises NoOrchestrator: it could not go on; with what each orchestrator failed of.
        :raises ParamsRejected, ChainError, StoreError: ours, not the orchestrator's.
        """
        return self._feed.outputs.read()

    def events(self) -> AsyncIterator[dict[str, Any]]:
        """What orchestrator and runner tell, `{"queue_event_type", "event"}` each. Raises as `results`."""
        return self._feed.events.read()

    async def over(self) -> None:
        """Wait until the session has ended. Raises as `results`."""
        if self._task is not None:
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.result()

    @property
    def dropped(self) -> int:
        """Segments of output that nobody read in time."""
        return self._feed.outputs.dropped

    # --- its course -------------------------------------------------------------------------------

    async def _run(self) -> None:
        error: LivepeerError | None = None
        try:
            while not self._progress.phase.is_end:
                engagement = await self._chosen()
                self._step(Step.CHOSEN)
                await self._served(engagement)
        except LivepeerError as failure:
            error = failure
            raise
        finally:
            self.orchestrator = None
            self._feed.end(error)

    def _step(self, step: Step) -> None:
        self._progress = self._progress.on(step)

    async def _chosen(self) -> Engagement:
        return await self._chooser.engaged(self._progress.attempts, self._failures)

    @abstractmethod
    async def _served(self, engagement: Engagement) -> None:
        """One orchestrator, until it is left or the session ends."""

    async def _with_another_ready(self, serving: LiveServing) -> tuple[Cause, LivepeerError]:
        """Have it served until it is over, while somebody is kept ready to take over."""
        ready = self._chooser.run_beside(self._another_ready())
        try:
            return await serving.run()
        finally:
            ready.cancel()

    async def _another_ready(self) -> None:
        while True:
            self._chooser.look_ahead()
            await self._clock.sleep(READY_S)

    def _left(self, engagement: Engagement, cause: Cause, error: LivepeerError) -> None:
        """An orchestrator that served it is left. Raises as `_failed`."""
        self.orchestrator = None
        if self._feed.ending and not self._feed.segments:
            cause = Cause.INPUT_ENDED
        _log.info("session left uri=%s cause=%s reason=%s", engagement.uri, cause.value, error)
        if cause is not Cause.INPUT_ENDED:
            self._swaps = self._swaps.after(self._clock.monotonic())
            if self._swaps.count == 1:
                self._failures.clear()
        self._failed(engagement, cause, error)

    def _failed(self, engagement: Engagement, cause: Cause, error: LivepeerError) -> None:
        """Leave an orchestrator, as the table says.

        :raises LivepeerError: the session cannot go on.
        """
        self._progress, reaction = self._progress.failed(cause, renewable=False)
        if reaction.then is Step.END:
            self._chooser.current = None
            return
        if reaction.then is not Step.SWAP:
            raise error
        self._failures[engagement.address] = (engagement.offer.member.service_uri, error)
        self._chooser.drop(engagement, error, reaction.hold)
        attempts = self._progress.attempts
        self._observe(Swapped(attempts, engagement.address, engagement.uri, attempts, error, code=cause))
        if self._swaps.too_many:
            raise NoOrchestrator([(uri, f"too many swaps: {failure}") for uri, failure in self._failures.values()])


def json_copy(message: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of it as JSON has it.

    :raises InvalidInput: it has no such form.
    """
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(message)))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"not JSON: {error}") from error
    return copy
