"""One orchestrator at work on a live session, by a clock that only these tests turn; the payments are real."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from livepeer_client.codec.live_job import LiveRequest, LiveUrls
from livepeer_client.codec.trickle import encode_event
from livepeer_client.errors import LivepeerError, PeerRefused, PeerUnreachable
from livepeer_client.policy.live import LiveSessionLost
from livepeer_client.policy.workloads import Cause
from livepeer_client.services.live_feed import Feed
from livepeer_client.services.live_serving import LiveServing
from tests.client.services.test_live_payments import Stream, pass_time, settle, stream

URLS = LiveUrls("publish", "subscribe", "control", "events")
EVENT = encode_event({"queue_event_type": "segment", "event": {}})


@dataclass
class Wire:
    """`LiveTransport` under a test's control: what is written is kept, what is put is read, None ends a channel."""

    written: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    closed: list[str] = field(default_factory=list)
    read: dict[str, "asyncio.Queue[bytes | Exception | None]"] = field(
        default_factory=lambda: defaultdict(asyncio.Queue)
    )
    stuck: bool = False
    full: list[str] = field(default_factory=list)
    """Channels that take nothing."""

    async def start(
        self, uri: str, request: LiveRequest, *, credentials: str, payment: str, timeout_s: float
    ) -> tuple[str, LiveUrls]:
        raise AssertionError("these sessions have begun")

    def publisher(self, url: str, mime_type: str) -> "Writer":
        return Writer(self, url)

    async def pieces(self, url: str) -> AsyncIterator[tuple[int, bytes, int, bool]]:
        seq = 0
        while (data := await self.read[url].get()) is not None:
            if isinstance(data, Exception):
                raise data
            yield seq, data, 0, False
            seq += 1


@dataclass
class Writer:
    wire: Wire
    url: str

    async def publish(self, data: bytes) -> int | None:
        if self.wire.stuck and self.url == "publish":
            await asyncio.Event().wait()
        if self.url in self.wire.full:
            raise PeerRefused(self.url, 503, "Service Unavailable Error")
        self.wire.written[self.url].append(data)
        return len(self.wire.written[self.url]) - 1

    async def close(self) -> None:
        self.wire.closed.append(self.url)


@dataclass
class Served:
    live: Stream
    wire: Wire
    feed: Feed
    task: "asyncio.Task[tuple[Cause, LivepeerError]]"

    async def seconds(self, count: int, *, event: bool = True, output: bool = True) -> None:
        """Time in which the orchestrator tells, and shows, that it works."""
        for _ in range(count):
            if event:
                self.wire.read["events"].put_nowait(EVENT)
            if output:
                self.wire.read["subscribe"].put_nowait(b"out")
            await pass_time(self.live, 1)

    def feed_one(self) -> None:
        self.feed.segments.append((b"in", self.live.shop.clock.monotonic()))
        self.feed.changes.tell()


@asynccontextmanager
async def served(*, stuck: bool = False) -> AsyncIterator[Served]:
    live, wire, feed = await stream(), Wire(stuck=stuck), Feed()

    async def start(payment: str, credentials: str) -> tuple[str, None]:
        return live.session_id, None

    await live.payer.begin(start)
    serving = LiveServing(feed, wire, live.shop.clock, live.engagement, live.payer, URLS)
    task = asyncio.create_task(serving.run())
    await settle()
    try:
        yield Served(live, wire, feed, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert wire.closed[-1] == "publish"


async def test_run__a_minute_of_work__pays_every_5_s_and_keeps_the_session_alive_every_10() -> None:
    async with served() as it:
        for _ in range(60):
            it.feed_one()
            await it.seconds(1)
        assert not it.task.done()
        assert len(it.live.till.payments) == 12
        assert [json.loads(each) for each in it.wire.written["control"]] == 6 * [{"keep": "alive"}]
        assert it.wire.written["publish"] == 60 * [b"in"]


async def test_run__keep_alive_that_finds_no_room__ends_nothing_and_the_next_is_sent() -> None:
    async with served() as it:
        it.wire.full.append("control")
        await it.seconds(10)
        assert not it.task.done()
        assert it.wire.written["control"] == []
        it.wire.full.clear()
        await it.seconds(10)
        assert not it.task.done()
        assert [json.loads(each) for each in it.wire.written["control"]] == [{"keep": "alive"}]


async def test_run__no_event_for_30_s__leaves() -> None:
    async with served() as it:
        await it.seconds(29, event=False)
        assert not it.task.done()
        await it.seconds(2, event=False)
        assert (await it.task)[0] is Cause.NO_EVENTS


async def test_run__input_without_output_for_30_s__leaves() -> None:
    async with served() as it:
        for _ in range(31):
            it.feed_one()
            await it.seconds(1, output=False)
        assert (await it.task)[0] is Cause.NO_OUTPUT


async def test_run__three_segments_that_it_does_not_take__leaves_and_keeps_them_for_the_next() -> None:
    async with served(stuck=True) as it:
        for _ in range(3):
            it.feed_one()
        await it.seconds(2)
        assert not it.task.done()
        await it.seconds(2)
        assert (await it.task)[0] is Cause.BACKLOG
        assert len(it.feed.segments) == 3


async def test_run__stopped_for_want_of_balance__leaves_with_the_reason_it_gave() -> None:
    async with served() as it:
        told = {"queue_event_type": "stopped", "event": {"type": "stopped", "reason": "balance 1, required 2"}}
        it.wire.read["events"].put_nowait(encode_event(told))
        it.wire.read["subscribe"].put_nowait(None)
        await it.seconds(1, output=False)
        cause, error = await it.task
        assert cause is Cause.GONE
        assert isinstance(error, LiveSessionLost)
        assert error.said == "balance 1, required 2"


@pytest.mark.parametrize(("refusals", "left"), [(1, False), (2, True)])
async def test_run__a_payment_refused__is_repeated_once_and_the_second_time_leaves(refusals: int, left: bool) -> None:
    async with served() as it:
        it.live.till.say = [PeerRefused("o", 402, "no") for _ in range(refusals)]
        await it.seconds(6)
        assert len(it.live.till.payments) == 2
        assert it.task.done() is left
        if left:
            assert (await it.task)[0] is Cause.PAYMENT
        # New tickets, not the same again.
        assert len(set(it.live.tickets())) == len(it.live.tickets())


async def test_run__input_ends__closes_it_once_the_output_has_come() -> None:
    async with served() as it:
        it.feed_one()
        await settle()
        it.feed.ending = True
        it.feed.changes.tell()
        await it.seconds(1, output=False)
        assert not it.task.done()
        await it.seconds(1)
        assert (await it.task)[0] is Cause.INPUT_ENDED


async def test_run__its_output_cannot_be_read__leaves_with_that_error() -> None:
    async with served() as it:
        it.wire.read["subscribe"].put_nowait(PeerUnreachable("o", "gone"))
        await settle()
        cause, error = await it.task
        assert (cause, type(error)) == (Cause.UNREACHABLE, PeerUnreachable)
