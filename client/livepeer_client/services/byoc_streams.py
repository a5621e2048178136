"""Streams of brought-along capabilities: started, updated, paid as they go, stopped (offchain-network 4.12).

A stream is a place of its capability, trickle channels, a worker that reads and writes them, and a meter. It needs a
minute's price in hand when it starts (402). Every 23 s what has passed is debited; a balance below zero brings one
warning, a second one in a row the end, so what is worked for without pay is bounded. It also ends when its gateway says
so, when a media channel is closed, or with the node. Then its worker is told, its channels are gone, and only then its
place is free.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any, Final, Protocol

from livepeer_client.codec import byoc_stream
from livepeer_client.codec.byoc_api import JobRequest, Registration
from livepeer_client.codec.byoc_stream import JSON_LINES, StreamParameters
from livepeer_client.codec.live_job import LiveUrls
from livepeer_client.codec.trickle import BASE_PATH, JSON, MPEGTS, encode_event
from livepeer_client.errors import Bug, InvalidInput, LivepeerError, MalformedMessage, StoreError
from livepeer_client.policy.streaming import BYOC_DEBIT_S, Overdraft
from livepeer_client.services.byoc import NO_CAPACITY, ByocWork, Meter, Started, metered
from livepeer_client.services.work import Refused
from livepeer_client.types import Address

WATCH_S: Final = 1.0
"""How often a stream looks whether its channels are still there."""
WORKER_S: Final = 30.0
"""For a worker to answer a start or an update, whatever the job allows."""
STOP_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 1 << 20
NOT_FOUND: Final = "stream not found"

_log = logging.getLogger(__name__)


class Channels(Protocol):
    """Trickle channels of this node; see `adapters.trickle_server.TrickleHub`."""

    def new_name(self) -> str: ...

    def open(self, name: str, mime_type: str) -> None:
        """:raises InvalidInput: there is no room for another."""

    def has(self, name: str) -> bool: ...

    def publish(self, name: str, data: bytes) -> None:
        """:raises LivepeerError: there is no room."""

    def close(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """What a worker said, the sender's balance after it, and for a stream that has just started its channels."""

    status: int
    content_type: str
    body: bytes
    balance: int
    urls: LiveUrls | None = None


class StreamMeter(Meter):
    """Charges a stream for its seconds after they have passed."""

    def __init__(self, work: ByocWork, sender: Address | None, entry: Registration, *, seq: int) -> None:
        super().__init__(work, sender, entry, seq=seq)
        self.warn: Callable[[Fraction], None] = lambda _: None
        """Told a balance below zero, the first time."""

    async def run(self) -> None:
        """Charge every `BYOC_DEBIT_S`; returns when that has left less than nothing twice in a row."""
        overdraft = Overdraft()
        while True:
            await self._clock.sleep(BYOC_DEBIT_S)
            await self._charge_until(floor(self.elapsed_s))
            overdraft = overdraft.after(self.balance)
            if overdraft.stops:
                self.exhausted = True
                return
            if overdraft.checks:
                self.warn(self.balance)


@dataclass(slots=True, eq=False)
class _Stream:
    job: JobRequest
    stream_id: str
    parameters: StreamParameters
    opening: bytes
    entry: Registration | None = None
    """Of a stream that runs; None before."""
    names: dict[str, str] = field(default_factory=dict)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    closing: bytes = b"{}"
    """What its gateway wants its worker to be told in the end."""
    goodbye: StreamAnswer | None = None
    task: asyncio.Task[None] | None = None

    @property
    def watched(self) -> list[str]:
        """Channels without which it cannot go on: media, or where there are none what its gateway keeps alive."""
        return [self.names[key] for key in ("publish", "subscribe") if key in self.names] or [self.names["control"]]


class ByocStreams:
    """All streams of a node. One is known by its sender and its id, so nobody takes another's."""

    def __init__(self, work: ByocWork, channels: Channels, service_uri: str) -> None:
        self._work = work
        self._channels = channels
        self._base = service_uri.rstrip("/") + BASE_PATH
        self._streams: dict[tuple[Address | None, str], _Stream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    # --- what the routes call -----------------------------------------------------------------------

    async def start(self, header: str, payment: str, capability: str, body: bytes) -> StreamAnswer | Refused:
        """Begin a stream. A refused request opens nothing; what it paid stays on its sender's account.

        A worker's own refusal, 400 and above, is passed on as its answer.
        """
        job = self._work.read(header)
        if isinstance(job, Refused):
            return job
        try:
            stream_id = byoc_stream.stream_id_of(job)
            parameters = byoc_stream.decode_parameters(job.parameters)
            # Only to find out now whether it can be passed on: nothing is paid for what cannot.
            byoc_stream.encode_worker_start(body, "", "", LiveUrls("", "", "", ""))
        except MalformedMessage as error:
            return Refused(400, f"{error.what}: {error.detail}")
        key = (job.sender, stream_id)
        if key in self._streams:
            return Refused(409, "stream already exists")
        stream = self._streams[key] = _Stream(job, stream_id, parameters, body)
        verdict: asyncio.Future[StreamAnswer | Refused] = asyncio.get_running_loop().create_future()
        stream.task = asyncio.create_task(self._run(key, stream, payment, capability or job.capability, verdict))
        # What it fails with before it has begun is this request's failure.
        either: set[asyncio.Future[Any]] = {stream.task, verdict}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # Nobody is there any more to be told its channels.
            stream.stopping.set()
            raise
        if not verdict.done():
            stream.task.result()
            raise Bug("a stream ended without a verdict")
        return verdict.result()

    async def update(self, header: str, body: bytes) -> StreamAnswer | Refused:
        """Pass new parameters on to a stream's worker."""
        stream = await self._of(header)
        if isinstance(stream, Refused):
            return stream
        try:
            return await self._ask(stream, "params", body, WORKER_S)
        except LivepeerError as error:
            _log.warning("stream not updated stream=%s reason=%s", stream.stream_id, error)
            return Refused(502, "the worker failed")

    async def pay(self, header: str, payment: str) -> int | Refused:
        """Take a payment for a stream that runs; the balance after it, wei."""
        stream = await self._of(header)
        if isinstance(stream, Refused):
            return stream
        if stream.job.sender is not None and stream.entry is not None:
            credit = await self._work.pay(payment, stream.job.sender, stream.entry.name)
            if isinstance(credit, Refused):
                return credit
        return self._balance(stream)

    async def stop(self, header: str, body: bytes) -> StreamAnswer | Refused:
        """End a stream. Answers with what its worker said once its last second is charged and its place is free."""
        stream = await self._of(header)
        if isinstance(stream, Refused):
            return stream
        if body:
            stream.closing = body
        stream.stopping.set()
        if stream.task is None:
            raise Bug("a stream without a task")
        await asyncio.wait({stream.task})
        return stream.goodbye or Refused(502, "the worker failed")

    async def close(self) -> None:
        """End all streams; their workers are told."""
        tasks = [stream.task for stream in self._streams.values() if stream.task is not None]
        for stream in self._streams.values():
            stream.stopping.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _of(self, header: str) -> _Stream | Refused:
        """The stream that a header is about, of whoever signed it."""
        job = self._work.read(header)
        if isinstance(job, Refused):
            return job
        try:
            stream = self._streams.get((job.sender, byoc_stream.stream_id_of(job)))
        except MalformedMessage as error:
            return Refused(400, f"{error.what}: {error.detail}")
        if stream is None or stream.entry is None:
            return Refused(404, NOT_FOUND)
        if job.sender is not None and stream.entry.price:
            try:
                # It is of the form of any job's: whoever overheard it could have another one done with it.
                await self._work.is_first(job, stream.entry)
            except StoreError as error:
                # No reason to work on for somebody who wants it to end.
                _log.warning("header not remembered stream=%s reason=%s", stream.stream_id, error)
        return stream

    # --- its course ---------------------------------------------------------------------------------

    async def _run(
        self,
        key: tuple[Address | None, str],
        stream: _Stream,
        payment: str,
        capability: str,
        verdict: "asyncio.Future[StreamAnswer | Refused]",
    ) -> None:
        try:
            async with self._work.admit(stream.job, payment, capability, StreamMeter, short=402) as started:
                if isinstance(started, Refused):
                    verdict.set_result(started)
                    return
                try:
                    answer = await self._opened(stream, started)
                    if isinstance(answer, StreamAnswer) and answer.status < 400:
                        stream.entry = started.entry
                        verdict.set_result(answer)
                        await self._live(stream, started)
                    else:
                        verdict.set_result(answer)
                finally:
                    for name in stream.names.values():
                        self._channels.close(name)
        finally:
            del self._streams[key]

    async def _opened(self, stream: _Stream, started: Started[StreamMeter]) -> StreamAnswer | Refused:
        wanted = stream.parameters
        kinds = {
            "control": JSON,
            "events": JSON,
            **({"publish": MPEGTS} if wanted.ingress else {}),
            **({"subscribe": MPEGTS} if wanted.egress else {}),
            **({"data": JSON_LINES} if wanted.data else {}),
        }
        try:
            for key, mime_type in kinds.items():
                # No channel's name follows from another's: who may read one cannot write the next.
                name = f"{self._channels.new_name()}-{key}"
                self._channels.open(name, mime_type)
                stream.names[key] = name
        except InvalidInput as error:
            _log.warning("no channels for stream=%s reason=%s", stream.stream_id, error)
            return Refused(503, NO_CAPACITY)
        places = {key: self._base + name for key, name in stream.names.items()}
        urls = LiveUrls(*(places.get(key, "") for key in ("publish", "subscribe", "control", "events", "data")))
        body = byoc_stream.encode_worker_start(stream.opening, stream.stream_id, stream.job.id, urls)
        timeout_s = min(float(stream.job.timeout_s), WORKER_S)
        try:
            return await self._ask(stream, "start", body, timeout_s, entry=started.entry, urls=urls)
        except LivepeerError as error:
            _log.warning("worker did not start stream=%s reason=%s", stream.stream_id, error)
            # It may have begun all the same, with its answer lost.
            await self._told(stream, started.entry)
            return Refused(502, "the worker failed")

    async def _live(self, stream: _Stream, started: Started[StreamMeter]) -> None:
        meter = started.meter
        meter.warn = lambda balance: self._say(stream, "balance_low", f"balance {int(balance)} wei")
        reason = "stopped"
        try:
            await metered(meter, self._until_over(stream))
            if meter.exhausted:
                reason = "insufficient balance"
        except LivepeerError as error:
            # What cannot be charged is not worked for.
            _log.error("stream not charged stream=%s reason=%s", stream.stream_id, error)
            reason = "Internal Server Error"
        finally:
            self._say(stream, "stopped", reason)
            await self._told(stream, started.entry)
        _log.info("stream ended stream=%s reason=%s cost_wei=%d", stream.stream_id, reason, int(meter.cost))

    async def _until_over(self, stream: _Stream) -> None:
        asked = asyncio.ensure_future(stream.stopping.wait())
        watching = asyncio.ensure_future(self._watch(stream))
        try:
            await asyncio.wait({asked, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            watching.cancel()
            await asyncio.gather(asked, watching, return_exceptions=True)

    async def _watch(self, stream: _Stream) -> None:
        while all(self._channels.has(name) for name in stream.watched):
            await self._work.clock.sleep(WATCH_S)

    async def _told(self, stream: _Stream, entry: Registration) -> None:
        """Have a worker stop."""
        try:
            stream.goodbye = await self._ask(stream, "stop", stream.closing, STOP_S, entry=entry)
        except LivepeerError as error:
            _log.warning("worker not told to stop stream=%s reason=%s", stream.stream_id, error)

    async def _ask(
        self,
        stream: _Stream,
        what: str,
        body: bytes,
        timeout_s: float,
        *,
        entry: Registration | None = None,
        urls: LiveUrls | None = None,
    ) -> StreamAnswer:
        """:raises LivepeerError: the worker is not there, or says too much."""
        entry = entry or stream.entry
        if entry is None:
            raise Bug("a stream of nobody's capability")
        held = bytearray()
        async with self._work.call(
            entry, f"stream/{what}", body or b"{}", JSON, timeout_s, stream_id=stream.stream_id
        ) as reply:
            async for piece in reply.body:
                held += piece
                if len(held) > MAX_ANSWER_BYTES:
                    raise MalformedMessage("worker's answer", f"over {MAX_ANSWER_BYTES} bytes")
        return StreamAnswer(reply.status, reply.content_type, bytes(held), self._balance(stream, entry), urls)

    def _balance(self, stream: _Stream, entry: Registration | None = None) -> int:
        entry = entry or stream.entry
        if stream.job.sender is None or entry is None:
            return 0
        return int(self._work.balance(stream.job.sender, entry.name))

    def _say(self, stream: _Stream, kind: str, reason: str) -> None:
        event = {"queue_event_type": kind, "event": {"type": kind, "reason": reason}}
        try:
            self._channels.publish(stream.names["events"], encode_event(event))
        except LivepeerError as error:
            _log.warning("gateway not told stream=%s reason=%s", stream.stream_id, error)
