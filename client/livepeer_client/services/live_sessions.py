"""An orchestrator's live-video-to-video sessions: paid ahead, metered, and ended with a reason (offchain-network 4.10).

A session is four trickle channels, a runner that reads and writes them, and a meter. It ends when the balance no longer
covers the time that passes, when its gateway or the sweep closes a media channel, or when the node does; then all four
channels are gone, and its place is free.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from livepeer_client.codec import live_job
from livepeer_client.codec.live_job import LiveRequest, LiveUrls
from livepeer_client.codec.trickle import BASE_PATH, JSON, MPEGTS, encode_event
from livepeer_client.errors import (
    InsufficientBalance,
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    PriceUnavailable,
)
from livepeer_client.policy.price_list import Tariff
from livepeer_client.policy.streaming import INTERVAL_S, Unit
from livepeer_client.ports import Clock
from livepeer_client.ports.till import Till
from livepeer_client.services.live_payments import LiveAccountant
from livepeer_client.services.work import Admitted, Refused, WorkService
from livepeer_client.types import Address

MAX_SESSIONS: Final = 50
WATCH_S: Final = 1.0
"""How often a session looks whether its media channels are still there."""
NO_CAPACITY: Final = "insufficient capacity"
OLD_QUOTE: Final = "TicketParams expired"

_log = logging.getLogger(__name__)


class Channels(Protocol):
    """Trickle channels of this node."""

    def new_name(self) -> str: ...

    def open(self, name: str, mime_type: str) -> None:
        """:raises InvalidInput: there is no room for another."""

    def has(self, name: str) -> bool: ...

    def publish(self, name: str, data: bytes) -> None:
        """Write one whole segment; to a channel that is gone, nothing.

        :raises LivepeerError: there is no room.
        """

    def close(self, name: str) -> None: ...


class LiveRunner(Protocol):
    """Who works on the frames."""

    async def start(self, request: LiveRequest, urls: LiveUrls) -> None:
        """Have it read and write the channels.

        :raises LivepeerError: it does not.
        """


@dataclass(slots=True)
class _Session:
    sender: Address
    model: str
    names: tuple[str, str, str, str]
    task: asyncio.Task[None] | None = None

    @property
    def media(self) -> tuple[str, str]:
        return self.names[:2]

    @property
    def events(self) -> str:
        return self.names[3]


class LiveSessions:
    """Sells live video by the pixel.

    :param models: that the runner has, with their prices, wei per pixel.
    :param take: reserves one job of a model; False if there is no room. `give_back` ends that.
    :param interval_s: between two debits; a session has to be paid for as long ahead when it starts.
    """

    def __init__(
        self,
        *,
        work: WorkService,
        payments: Till,
        channels: Channels,
        runner: LiveRunner,
        clock: Clock,
        service_uri: Callable[[], str],
        models: Mapping[str, Tariff],
        take: Callable[[str], bool] = lambda _: True,
        give_back: Callable[[str], None] = lambda _: None,
        max_sessions: int = MAX_SESSIONS,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._work = work
        self._payments = payments
        self._channels = channels
        self._runner = runner
        self._clock = clock
        self._service_uri = service_uri
        self._models = models
        self._take = take
        self._give_back = give_back
        self._max_sessions = max_sessions
        self._interval_s = interval_s
        self._sessions: dict[str, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    async def start(self, payment: str, credentials: str, body: bytes) -> bytes | Refused:
        """A `POST /live-video-to-video`: the answer's JSON. A refused request opens nothing.

        What it paid, if it got that far, stays on its session's account.
        """
        try:
            request = live_job.decode_request(body)
        except MalformedMessage as error:
            return Refused(400, error.detail)
        checked = self._work.check_headers(payment, credentials)
        if isinstance(checked, Refused):
            return checked
        paid, admitted = checked
        if request.model not in self._models:
            return Refused(400, "no such model of live-video-to-video")
        session_id = admitted.token.session_id
        if session_id in self._sessions:
            # A token is for one session, whoever sends it again.
            return Refused(409, "session already exists")
        try:
            least = self._models[request.model].for_sender(admitted.sender)
        except PriceUnavailable as error:
            _log.warning("no price model=%s reason=%s", request.model, error)
            return Refused(503, "no price now")
        if least is None:
            return Refused(400, f"{request.model} is not sold to this sender")
        expected = paid.expected_price
        if least and (expected is None or not expected.pixels_per_unit or expected.wei_per_pixel < least):
            # Else the quote of something cheaper would fix this one's price. Who reads this asks for a new one.
            return Refused(400, f"{OLD_QUOTE}: expected price below {least} wei per pixel")
        if len(self._sessions) >= self._max_sessions or not self._take(request.model):
            return Refused(503, NO_CAPACITY)
        # Taken before anything is awaited: two requests with one token do not both get here.
        session = self._sessions[session_id] = _Session(admitted.sender, request.model, self._names())
        try:
            refusal = await self._paid(admitted, await self._work.take_payment(paid, admitted.sender, session_id))
            answer = refusal or await self._opened(session_id, session, request)
        except BaseException:
            self.end(session_id)
            raise
        if isinstance(answer, Refused):
            self.end(session_id)
        return answer

    async def _paid(self, admitted: Admitted, taken: object) -> Refused | None:
        if isinstance(taken, Refused):
            return taken
        sender, session_id = admitted.sender, admitted.token.session_id
        price = await self._payments.session_price(sender, session_id)
        due = (price or 0) * Unit.PIXEL_720P.rate * int(self._interval_s)
        if due and self._payments.balance(sender, session_id) < due:
            return Refused(402, "Insufficient balance")
        return None

    async def _opened(self, session_id: str, session: _Session, request: LiveRequest) -> bytes | Refused:
        try:
            for name, mime_type in zip(session.names, (MPEGTS, MPEGTS, JSON, JSON), strict=True):
                self._channels.open(name, mime_type)
        except InvalidInput as error:
            _log.warning("no channels for session=%s reason=%s", session_id, error)
            return Refused(503, NO_CAPACITY)
        base = self._service_uri().rstrip("/") + BASE_PATH
        urls = LiveUrls(*(base + name for name in session.names))
        try:
            await self._runner.start(request, urls)
        except LivepeerError as error:
            _log.warning("runner did not start session=%s reason=%s", session_id, error)
            return Refused(503, NO_CAPACITY)
        self._work.live_accounts.add((session.sender, session_id))
        session.task = asyncio.get_running_loop().create_task(self._run(session_id, session))
        return live_job.encode_answer(session_id, urls)

    async def _run(self, session_id: str, session: _Session) -> None:
        meter = LiveAccountant(
            self._payments,
            self._clock,
            session.sender,
            session_id,
            interval_s=self._interval_s,
            warn=lambda missing: self._say(session, "balance_low", str(missing)),
        )
        metering = asyncio.ensure_future(meter.run())
        watching = asyncio.ensure_future(self._watch(session))
        try:
            await asyncio.wait({metering, watching}, return_when=asyncio.FIRST_COMPLETED)
            reason = "a media channel was closed"
            if metering.done():
                missing: InsufficientBalance = metering.result()
                reason = str(missing)
                self._say(session, "stopped", reason)
        except LivepeerError as error:
            # What cannot be charged is not worked for.
            _log.error("live job not charged session=%s reason=%s", session_id, error)
            reason = "Internal Server Error"
        finally:
            metering.cancel()
            watching.cancel()
            await asyncio.gather(metering, watching, return_exceptions=True)
            self.end(session_id)
        _log.info("live session ended session=%s reason=%s", session_id, reason)

    async def _watch(self, session: _Session) -> None:
        while all(self._channels.has(name) for name in session.media):
            await self._clock.sleep(WATCH_S)

    def _say(self, session: _Session, kind: str, reason: str) -> None:
        event = {"queue_event_type": kind, "event": {"type": kind, "reason": reason}}
        try:
            self._channels.publish(session.events, encode_event(event))
        except LivepeerError as error:
            # A notice for which there is no room is no reason to end what is paid for.
            _log.warning("live session not told event=%s reason=%s", kind, error)

    def end(self, session_id: str) -> None:
        """Close a session's channels and give up its place."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        self._give_back(session.model)
        self._work.live_accounts.discard((session.sender, session_id))
        for name in session.names:
            self._channels.close(name)

    async def close(self) -> None:
        """End all sessions."""
        tasks = [session.task for session in self._sessions.values() if session.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _names(self) -> tuple[str, str, str, str]:
        # No channel's name follows from another's: who may read one is not thereby able to write the next.
        new = self._channels.new_name
        return new(), new() + "-out", new() + "-control", new() + "-events"
