"""One orchestrator at work on a live session: input, output, control, events, payments and the watch over it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, Final, NoReturn, Protocol

from livepeer_client.codec.live_job import LiveRequest, LiveUrls
from livepeer_client.codec.trickle import JSON, MPEGTS, decode_events, encode_event
from livepeer_client.errors import LivepeerError, PeerRefused
from livepeer_client.policy.live import KEEP_ALIVE_S, LiveSessionLost, Watched, fault, live_cause
from livepeer_client.policy.streaming import Next
from livepeer_client.policy.workloads import LIVE, Cause
from livepeer_client.ports import Clock
from livepeer_client.services.live_feed import Feed, LivePiece
from livepeer_client.services.paying import Engagement

WATCH_S: Final = 1.0
LAST_OUTPUT_S: Final = 5.0
"""How long the output of the last input is waited for before the input channel is closed."""
CLOSE_S: Final = 2.0


_log = logging.getLogger(__name__)


class LivePublisher(Protocol):
    async def publish(self, data: bytes) -> int | None:
        """Write one segment; None if the channel has ended.

        :raises TransportError, PeerRefused:
        """

    async def close(self) -> None:
        """End the channel.

        :raises TransportError:
        """


class LiveTransport(Protocol):
    """Starts sessions and opens their channels; see `adapters.live_client.LiveHttp`."""

    async def start(
        self, uri: str, request: LiveRequest, *, credentials: str, payment: str, timeout_s: float
    ) -> tuple[str, LiveUrls]:
        """Manifest id and absolute URLs, all of the orchestrator's own origin.

        :raises PeerRefused, TransportError, MalformedMessage:
        """

    def publisher(self, url: str, mime_type: str) -> LivePublisher: ...

    def pieces(self, url: str) -> AsyncIterator[tuple[int, bytes, int, bool]]:
        """Segments until the channel ends: number, data, how many were missed before it, whether its end is missing.

        :raises TransportError, PeerRefused, MalformedMessage:
        """


class Paying(Protocol):
    """Pays for the time that passes; see `services.live_payments.LivePayer`."""

    async def follow(self) -> Next:
        """:raises LivepeerError: paying cannot go on."""

    async def idle(self) -> None:
        """Wait for the answer to a payment that is on its way."""


class LiveServing:
    """One orchestrator at work on a session, over those of the channels that `urls` has.

    :param expects_events: whether silence on the events channel is a fault.
    """

    def __init__(
        self,
        feed: Feed,
        transport: LiveTransport,
        clock: Clock,
        engagement: Engagement,
        payer: Paying,
        urls: LiveUrls,
        *,
        expects_events: bool = True,
    ) -> None:
        self._feed = feed
        self._engagement = engagement
        self._payer = payer
        self._urls = urls
        self._clock = clock
        self._transport = transport
        self._expects_events = expects_events
        self._media = transport.publisher(urls.publish, MPEGTS) if urls.publish else None
        self._control = transport.publisher(urls.control, JSON)
        self._control_turn = asyncio.Lock()
        now_s = self._clock.monotonic()
        self._started_s = self._event_s = self._output_s = now_s
        self._input_s: float | None = None
        self._sent = self._received = 0
        self._said = ""

    async def run(self) -> tuple[Cause, LivepeerError]:
        """Why it is over; when this returns or is cancelled, all of its tasks have ended and its input is closed."""
        works: list[Coroutine[Any, Any, Cause]] = [
            self._pay(),
            self._until_ended() if self._media is None else self._publish(self._media),
            *([self._subscribe()] if self._urls.subscribe else []),
            *([self._listen_for_data()] if self._urls.data else []),
            self._listen(),
            self._tell(),
            self._keep_alive(),
            self._watch(),
        ]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return self._why(next(task for task in tasks if task in done))
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._payer.idle()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # Its meter runs until it knows; one that is gone needs no telling.
            if self._media is not None:
                with suppress(LivepeerError, TimeoutError):
                    async with asyncio.timeout(CLOSE_S):
                        await self._media.close()

    def _why(self, task: asyncio.Task[Cause]) -> tuple[Cause, LivepeerError]:
        try:
            cause = task.result()
        except LivepeerError as error:
            return live_cause(error), error
        return cause, LiveSessionLost(self._engagement.uri, LIVE.reaction(cause).why, self._said)

    async def _pay(self) -> Cause:
        then = await self._payer.follow()
        return Cause.PAYMENT if then is Next.STOP else Cause.GONE

    async def _until_ended(self) -> Cause:
        await self._feed.changes.until(lambda: self._feed.ending)
        return Cause.INPUT_ENDED

    async def _publish(self, media: LivePublisher) -> Cause:
        feed = self._feed
        while True:
            await feed.changes.until(lambda: feed.segments or feed.ending)
            if not feed.segments:
                break
            if await media.publish(feed.segments[0][0]) is None:
                return await self._gone()
            self._sent += 1
            self._input_s = self._clock.monotonic()
            feed.segments.popleft()
            feed.changes.tell()
        ended_s = self._clock.monotonic()
        awaited_s = LAST_OUTPUT_S if self._urls.subscribe else 0.0
        while self._received < self._sent and self._clock.monotonic() - ended_s < awaited_s:
            await self._clock.sleep(WATCH_S / 10)
        await media.close()
        return Cause.INPUT_ENDED

    async def _subscribe(self) -> Cause:
        async for seq, data, missed, broken in self._transport.pieces(self._urls.subscribe):
            if not data:
                continue
            self._output_s = self._clock.monotonic()
            self._received += 1
            self._feed.outputs.put(LivePiece(self._engagement.address, seq, data, missed, broken))
        return await self._gone()

    async def _listen_for_data(self) -> Cause:
        async for _, data, _, _ in self._transport.pieces(self._urls.data):
            if data:
                self._feed.data.put(data)
        return await self._gone()

    async def _listen(self) -> NoReturn:
        async for _, data, _, _ in self._transport.pieces(self._urls.events):
            for event in decode_events(data):
                self._event_s = self._clock.monotonic()
                told = event.get("event")
                if event.get("queue_event_type") == "stopped" and isinstance(told, dict):
                    self._said = str(told.get("reason", ""))
                self._feed.events.put(event)
        # Its reason, if there was one, has been read: the media channels end the session, the watch if they do not.
        while True:
            await asyncio.Event().wait()

    async def _gone(self) -> Cause:
        """A media channel has ended; the reason may still be on its way."""
        await self._clock.sleep(WATCH_S / 10)
        return Cause.GONE

    async def _tell(self) -> Cause:
        feed = self._feed
        while True:
            await feed.changes.until(lambda: feed.controls)
            if not await self._say(feed.controls[0]):
                return await self._gone()
            feed.controls.popleft()

    async def _keep_alive(self) -> Cause:
        while True:
            await self._clock.sleep(KEEP_ALIVE_S)
            try:
                heard = await self._say({"keep": "alive"})
            except PeerRefused as refusal:
                # Its channels are full for a moment: the next will do, and what it works on shows that it does.
                _log.info("keep-alive not taken uri=%s reason=%s", self._engagement.uri, refusal)
                continue
            if not heard:
                return await self._gone()

    async def _say(self, message: dict[str, Any]) -> bool:
        async with self._control_turn:
            return await self._control.publish(encode_event(message)) is not None

    async def _watch(self) -> Cause:
        waiting = self._feed.segments
        while True:
            await self._clock.sleep(WATCH_S)
            now_s = self._clock.monotonic()
            watched = Watched(
                self._started_s,
                self._event_s if self._expects_events else now_s,
                self._output_s,
                self._input_s if self._urls.subscribe else None,
                len(waiting),
                waiting[0][1] if waiting else 0.0,
            )
            found = fault(watched, now_s)
            if found is not None:
                return found
