"""Buy live video: choose an orchestrator, pay as time passes, watch it, and change it as `policy.workloads.LIVE` says.

live_feed.py      what goes in and comes out, whoever serves it
live_serving.py   one orchestrator at work
live_stream.py    a session, whoever serves it

"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any, Final

from livepeer_client.codec.capability import Capability
from livepeer_client.codec.live_job import LiveRequest, LiveUrls
from livepeer_client.codec.trickle import MPEGTS
from livepeer_client.errors import InvalidInput, LivepeerError
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.live import START_S, Swaps, live_cause
from livepeer_client.policy.pipelines import pipeline_job
from livepeer_client.policy.selection import How, Selection
from livepeer_client.policy.streaming import INTERVAL_S
from livepeer_client.policy.workloads import LIVE, Step
from livepeer_client.ports import PaymentTransport, Signer
from livepeer_client.services.choosing import PEERS, Choices
from livepeer_client.services.discovery import DiscoveryReport
from livepeer_client.services.dispatch_events import Observer, Renewed, ignore
from livepeer_client.services.live_payments import LivePayer
from livepeer_client.services.live_serving import CLOSE_S, LiveServing, LiveTransport
from livepeer_client.services.live_stream import BoughtStream, json_copy
from livepeer_client.services.paying import Engagement, Payer

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
        return LiveStream(self, model, json_copy(params or {}), stream_id, max_total, observer)

    async def explain(self, model: str) -> tuple[DiscoveryReport, Selection]:
        """What a session of `model` would find now, and whom it would choose. Nobody is engaged.

        :raises LivepeerError: the pool cannot be read.
        """
        return await self.choices.explained(pipeline_job(int(_CAPABILITY), model), How.NEAREST)


class LiveStream(BoughtStream):
    """One live session, whoever serves it."""

    def __init__(
        self,
        shared: LiveDispatcher,
        model: str,
        params: dict[str, Any],
        stream_id: str,
        max_total: Fraction | None,
        observer: Observer,
    ) -> None:
        super().__init__(
            shared.choices,
            shared.payer,
            pipeline_job(int(_CAPABILITY), model),
            observer,
            table=LIVE,
            swaps=Swaps(shared.choices.clock.monotonic()),
            name=f"{model} {stream_id}".strip(),
        )
        self._shared = shared
        self._model = model
        self._params = params
        self._stream_id = stream_id
        self._max_total = max_total

    def control(self, message: Mapping[str, Any]) -> None:
        """Update the model's parameters; whoever takes the session over starts with them.

        :raises InvalidInput: it is not JSON.
        """
        update = json_copy(message)
        self._params |= update
        self._feed.controls.append(update)
        self._feed.changes.tell()

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
        serving = LiveServing(self._feed, self._shared.transport, self._clock, engagement, payer, urls)
        cause, error = await self._with_another_ready(serving)
        self._left(engagement, cause, error)

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
