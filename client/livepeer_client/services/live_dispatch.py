"""Buy live video: choose an orchestrator, pay as time passes, watch it, and change it as `policy.workloads.LIVE` says.

    live_feed.py      what goes in and comes out, whoever serves it
    live_serving.py   one orchestrator at work

One task per session does everything; it and all it started are over once the session's context is left.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any, Final

from livepeer_client.codec.capability import Capability
from livepeer_client.codec.live_job import LiveRequest, LiveUrls
from livepeer_client.codec.trickle import MPEGTS
from livepeer_client.errors import InvalidInput, LivepeerError, NoOrchestrator
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.live import START_S, Swaps, live_cause
from livepeer_client.policy.pipelines import pipeline_job
from livepeer_client.policy.selection import How, Selection
from livepeer_client.policy.streaming import INTERVAL_S
from livepeer_client.policy.trickle import MAX_SEGMENT_BYTES
from livepeer_client.policy.workloads import LIVE, Cause, Progress, Step
from livepeer_client.ports import PaymentTransport, Signer
from livepeer_client.services.choosing import PEERS, Choices, Chooser
from livepeer_client.services.discovery import DiscoveryReport
from livepeer_client.services.dispatch_events import Observer, Renewed, Swapped, ignore
from livepeer_client.services.live_feed import QUEUED, Feed, LivePiece
from livepeer_client.services.live_payments import LivePayer
from livepeer_client.services.live_serving import CLOSE_S, LiveServing, LiveTransport
from livepeer_client.services.paying import Engagement, Payer
from livepeer_client.types import Address

READY_S: Final = 60.0
"""How often a live session looks after its standby."""
_CAPABILITY: Final = Capability.LIVE_VIDEO_TO_VIDEO
_log = logging.getLogger(__name__)


class LiveDispatcher:
    """Live sessions of one gateway, sharing `choices` and `payer` with whatever else it buys."""

    def __init__(
        self,
        choices: Choices,
        payer: Payer,
        signer: Signer,
        transport: LiveTransport,
        payments: PaymentTransport,
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.choices = choices
        self.payer = payer
        self.signer = signer
        self.transport = transport
        self.payments = payments
        self.interval_s = interval_s

    def session(
        self,
        model: str,
        params: Mapping[str, Any] | None = None,
        *,
        stream_id: str = "",
        max_total: Fraction | None = None,
        observer: Observer = ignore,
    ) -> "LiveStream":
        """A session to be entered with `async with`.

        :param params: of the model, as JSON.
        :param max_total: the most that one orchestrator may be paid for it, wei.
        :raises InvalidInput: no model, or `params` are not JSON.
        """
        if not model:
            raise InvalidInput("a live session needs a model")
        return LiveStream(self, model, _json(params or {}), stream_id, max_total, observer)

    async def explain(self, model: str) -> tuple[DiscoveryReport, Selection]:
        """What a session of `model` would find now, and whom it would choose. Nobody is engaged.

        :raises LivepeerError: the pool cannot be read.
        """
        return await self.choices.explained(pipeline_job(int(_CAPABILITY), model), How.NEAREST)


class LiveStream:
    """One live session, whoever serves it. Segments that were not taken when an orchestrator is left go to the next.

    Whoever reads slowly loses the oldest output and events, not the session.
    """

    def __init__(
        self,
        shared: LiveDispatcher,
        model: str,
        params: dict[str, Any],
        stream_id: str,
        max_total: Fraction | None,
        observer: Observer,
    ) -> None:
        self.orchestrator: Address | None = None
        """Who serves it now."""
        self._shared = shared
        self._clock = shared.choices.clock
        self._model = model
        self._params = params
        self._stream_id = stream_id
        self._max_total = max_total
        self._observe = observer
        self._job = pipeline_job(int(_CAPABILITY), model)
        self._chooser = Chooser(
            shared.choices,
            shared.payer,
            self._job,
            observer,
            How.NEAREST,
            workload=LIVE,
            name=f"{model} {stream_id}".strip(),
        )
        self._progress: Progress = LIVE.start
        self._failures: dict[Address, tuple[str, LivepeerError]] = {}
        self._swaps = Swaps(self._clock.monotonic())
        self._feed = Feed()
        self._running = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LiveStream":
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

    def control(self, message: Mapping[str, Any]) -> None:
        """Update the model's parameters; whoever takes the session over starts with them.

        :raises InvalidInput: it is not JSON.
        """
        update = _json(message)
        self._params |= update
        self._feed.controls.append(update)
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

    @property
    def dropped(self) -> int:
        """Segments of output that nobody read in time."""
        return self._feed.outputs.dropped

    # --- its course -------------------------------------------------------------------------------

    async def _run(self) -> None:
        error: LivepeerError | None = None
        try:
            while not self._progress.phase.is_end:
                engagement = await self._chooser.engaged(self._progress.attempts, self._failures)
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

    async def _served(self, engagement: Engagement) -> None:
        """One orchestrator, until it is left or the session ends."""
        if engagement.offer.price > 0:
            # Of no avail with anybody else either, so nobody is left for it.
            await self._shared.payer.check_funds()
        while True:
            offer = engagement.offer
            payer = LivePayer(
                self._shared.payer,
                engagement,
                self._job,
                self._shared.payments,
                self._shared.signer,
                self._clock,
                payment_url=f"{engagement.uri.rstrip('/')}/payment",
                interval_s=self._shared.interval_s,
                max_total=self._max_total,
                stepped=self._step,
            )
            try:
                urls = await self._started(engagement, payer)
            except PEERS as failure:
                if not await self._renewed(engagement, failure, offer):
                    return
                continue
            break
        self.orchestrator = engagement.address
        self._running.set()
        ready = self._chooser.run_beside(self._another_ready())
        try:
            serving = LiveServing(self._feed, self._shared.transport, self._clock, engagement, payer, urls)
            cause, error = await serving.run()
        finally:
            ready.cancel()
        self.orchestrator = None
        if self._feed.ending and not self._feed.segments:
            cause = Cause.INPUT_ENDED
        _log.info("live session left uri=%s cause=%s reason=%s", engagement.uri, cause.value, error)
        now_s = self._clock.monotonic()
        if cause is not Cause.INPUT_ENDED:
            swaps = self._swaps.after(now_s)
            if swaps.count == 1:
                self._failures.clear()
            self._swaps = swaps
        self._failed(engagement, cause, error)

    async def _another_ready(self) -> None:
        """Keep somebody ready to take over while one is at work."""
        while True:
            self._chooser.look_ahead()
            await self._clock.sleep(READY_S)

    async def _started(self, engagement: Engagement, payer: LivePayer) -> LiveUrls:
        request = LiveRequest(self._model, dict(self._params), stream_id=self._stream_id)
        self._step(Step.PAID)
        transport = self._shared.transport
        starting = asyncio.create_task(
            payer.begin(
                lambda payment, credentials: transport.start(
                    engagement.uri, request, credentials=credentials, payment=payment, timeout_s=START_S
                )
            )
        )
        try:
            urls = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Else the orchestrator would work on for nobody until the first payment is used up.
            with suppress(LivepeerError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await transport.publisher((await starting).publish, MPEGTS).close()
            raise
        self._step(Step.ANSWERED)
        return urls

    async def _renewed(self, engagement: Engagement, failure: LivepeerError, offer: Offer) -> bool:
        """React to a start that failed: True to try the same orchestrator on new terms."""
        cause = live_cause(failure)
        if LIVE.reaction(cause).then is Step.RENEW and not self._progress.renewed:
            self._progress, _ = self._progress.failed(cause)
            try:
                await self._shared.payer.renew(engagement, self._job, instead_of=offer)
            except PEERS as again:
                failure, cause = again, live_cause(again)
            else:
                self._observe(Renewed(self._progress.attempts, engagement.address, str(failure)))
                return True
        self._failed(engagement, cause, failure)
        return False

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


def _json(message: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of it as JSON has it.

    :raises InvalidInput: it has no such form.
    """
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(message)))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"not JSON: {error}") from error
    return copy
