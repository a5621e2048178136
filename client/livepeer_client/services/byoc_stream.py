"""Buy streams of brought-along capabilities: started, paid every 50 s, updated, swapped and stopped as
`policy.workloads.BYOC_STREAM` says (offchain-network 4.12)."""

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from livepeer_client.codec.byoc_stream import StreamParameters, parameters_of
from livepeer_client.codec.live_job import LiveUrls
from livepeer_client.codec.trickle import is_channel_name
from livepeer_client.errors import InvalidInput, LivepeerError
from livepeer_client.facts.byoc import ByocAnswer
from livepeer_client.policy.byoc import SwapWindow, byoc_cause
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.streaming import BYOC_TIMEOUT_S
from livepeer_client.policy.workloads import BYOC_STREAM, Cause, Step
from livepeer_client.services.byoc_dispatch import FAILURES, ByocDispatcher, Terms, allowed, byoc_job
from livepeer_client.services.byoc_paying import ByocAccount, ByocStreamPayer
from livepeer_client.services.choosing import PEERS
from livepeer_client.services.dispatch_events import Observer, Renewed, ignore
from livepeer_client.services.live_serving import LiveServing
from livepeer_client.services.live_stream import BoughtStream, json_copy
from livepeer_client.services.paying import Engagement

START_S: Final = 35.0
"""Its worker may take 30 s to start."""
STOP_S: Final = 15.0
_ID_BYTES: Final = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Served:
    """Who serves it now, under which id."""

    account: ByocAccount
    wire_id: str


class ByocStream(BoughtStream):
    """One stream, whoever serves it, to be entered with `async with`.

    `channels` says which of video in, video out and data it has. `terms.parameters` are sent along with them.

    :raises InvalidInput: an id that cannot stand in a header, or a body that is not JSON.
    """

    def __init__(
        self,
        shared: ByocDispatcher,
        terms: Terms,
        channels: StreamParameters,
        body: Mapping[str, Any] | None = None,
        *,
        stream_id: str = "",
        observer: Observer = ignore,
    ) -> None:
        self.stream_id = stream_id or secrets.token_hex(_ID_BYTES)
        if not is_channel_name(f"{self.stream_id}-0000"):
            raise InvalidInput(f"no id of a stream: {stream_id!r:.140}")
        super().__init__(
            shared.choices,
            shared.payer,
            byoc_job(terms.capability),
            observer,
            table=BYOC_STREAM,
            swaps=SwapWindow(),
            name=f"{terms.capability} {self.stream_id}",
        )
        self.starts = 0
        """Orchestrators that have been asked to serve it."""
        self._shared = shared
        self._channels = channels
        self._terms = replace(
            terms, parameters={**terms.parameters, **parameters_of(channels, terms.include, terms.exclude)}
        )
        self._body = json_copy(body or {})
        self._served_by: _Served | None = None

    # --- for its owner ----------------------------------------------------------------------------

    async def publish(self, segment: bytes) -> None:
        """As `BoughtStream.publish`.

        :raises InvalidInput: it has no video going in.
        """
        if not self._channels.ingress:
            raise InvalidInput("the stream has no video going in")
        await super().publish(segment)

    async def update(self, message: Mapping[str, Any]) -> bytes | None:
        """New parameters, for whoever serves it now and for whoever takes it over. The worker's answer, None if nobody
        serves it at the moment.

        :raises InvalidInput: it is not JSON.
        :raises PeerRefused, TransportError, MalformedMessage: the present one did not take them.
        """
        update = json_copy(message)
        self._body |= update
        served = self._served_by
        if served is None:
            return None
        answer = await self._ask(served, "update", json.dumps(update).encode(), START_S)
        return answer.body if isinstance(answer.body, bytes) else b""

    def data(self) -> AsyncIterator[bytes]:
        """Segments of the data channel, JSON lines, until the stream ends. Raises as `results`."""
        return self._feed.data.read()

    @property
    def swaps(self) -> int:
        """Swaps in the last minute before the newest one."""
        return self._swaps.count

    # --- its course -------------------------------------------------------------------------------

    async def _chosen(self) -> Engagement:
        return await allowed(self._chooser, self._terms, self._progress.attempts, self._failures)

    async def _served(self, engagement: Engagement) -> None:
        shared = self._shared
        account = shared.account(self._terms.capability, self._job, engagement)
        while True:
            offer = account.engagement.offer
            self.starts += 1
            served = _Served(account, f"{self.stream_id}-{self.starts}")
            payer = ByocStreamPayer(account, self._clock, partial(self._pay, served), stepped=self._step)
            try:
                urls = await self._started(served, payer)
            except FAILURES as failure:
                if not await self._renewed(engagement, account, failure, offer):
                    return
                continue
            break
        self.orchestrator = engagement.address
        self._served_by = served
        self._running.set()
        try:
            serving = LiveServing(
                self._feed, shared.transport, self._clock, account.engagement, payer, urls, expects_events=False
            )
            cause, error = await self._with_another_ready(serving)
        finally:
            self._served_by = None
            await self._stopped(served, payer)
        self._left(engagement, cause, error)

    async def _started(self, served: _Served, payer: ByocStreamPayer) -> LiveUrls:
        body = json.dumps(self._body).encode()
        header = await self._header(served)
        self._step(Step.PAID)

        async def start(payment: str) -> tuple[int | None, LiveUrls]:
            urls, answer = await self._shared.transport.begin(
                served.account.engagement.uri,
                body,
                header=header,
                capability=self._terms.capability,
                payment=payment,
                timeout_s=START_S,
            )
            return answer.balance, urls

        starting = asyncio.create_task(payer.begin(start))
        try:
            urls = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Else the orchestrator would work on for nobody until the first payment is used up.
            with suppress(LivepeerError, TimeoutError):
                async with asyncio.timeout(START_S):
                    await starting
                await self._stopped(served, payer)
            raise
        self._step(Step.ANSWERED)
        return urls

    async def _pay(self, served: _Served, payment: str) -> int | None:
        return (await self._ask(served, "payment", b"", float(BYOC_TIMEOUT_S), payment)).balance

    async def _stopped(self, served: _Served, payer: ByocStreamPayer) -> None:
        """Tell an orchestrator that it is over, and enter the last seconds; one that is gone needs no telling."""
        reported = None
        try:
            async with asyncio.timeout(STOP_S):
                reported = (await self._ask(served, "stop", b"{}", STOP_S)).balance
        except (LivepeerError, TimeoutError) as error:
            _log.info("stream not stopped uri=%s reason=%s", served.account.engagement.uri, error)
        await payer.finish(reported)

    async def _ask(self, served: _Served, route: str, body: bytes, timeout_s: float, payment: str = "") -> ByocAnswer:
        return await self._shared.transport.stream(
            served.account.engagement.uri,
            route,
            body,
            header=await self._header(served),
            capability=self._terms.capability,
            payment=payment,
            timeout_s=timeout_s,
        )

    async def _header(self, served: _Served) -> str:
        request = {**self._terms.request, "stream_id": served.wire_id}
        return await self._shared.header(self._terms, served.wire_id, request)

    async def _renewed(
        self, engagement: Engagement, account: ByocAccount, failure: LivepeerError, offer: Offer
    ) -> bool:
        """React to a start that failed: True to try the same orchestrator on new terms."""
        cause = byoc_cause(failure)
        if cause is Cause.BALANCE:
            account.distrust()
        if self._table.reaction(cause).then is Step.RENEW and not self._progress.renewed:
            self._progress, _ = self._progress.failed(cause)
            try:
                await account.renew(offer)
            except PEERS as again:
                failure, cause = again, byoc_cause(again)
            else:
                self._observe(Renewed(self._progress.attempts, engagement.address, str(failure)))
                return True
        self._failed(engagement, cause, failure)
        return False
