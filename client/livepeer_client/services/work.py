"""`POST /segment`: one exchange step by step, sessions with their order and limits (offchain-network 4.1, 4.3).

    admit        payment header 402, credentials 403, payment and balance 400; takes a place in the session
    check_body   hash 403
    work         after the 200 is out: transcode, charge, answer; what fails here is said inside the answer

A charge is stored before the renditions are offered, and both before the answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from fractions import Fraction
from typing import Final, NoReturn

from livepeer_client.codec import live_api, wire
from livepeer_client.codec.credentials import result_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import (
    AuthToken,
    Payment,
    PaymentResult,
    SegmentCredentials,
    TranscodedSegment,
    TranscodeResult,
)
from livepeer_client.errors import (
    BadCredentials,
    ChainError,
    InsufficientBalance,
    InvalidInput,
    LivepeerError,
    MalformedMessage,
    MediaError,
    PaymentRefused,
    PriceUnavailable,
    QuoteRefused,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    TicketRejected,
)
from livepeer_client.facts import Rendition
from livepeer_client.policy.results import MAX_SEGMENT_BYTES
from livepeer_client.ports import Clock, Signer, Transcoder, UrlFetcher
from livepeer_client.ports.till import Senders, Till
from livepeer_client.services.advertise import AdvertiseService
from livepeer_client.services.headers import Admitted as Admitted
from livepeer_client.services.headers import HeaderCheck
from livepeer_client.services.headers import Refused as Refused
from livepeer_client.services.renditions import RenditionStore
from livepeer_client.services.senders import SignedSenders
from livepeer_client.services.work_sessions import AUTO as AUTO
from livepeer_client.services.work_sessions import Auto as Auto
from livepeer_client.services.work_sessions import WorkSession
from livepeer_client.types import Address

QUEUE_LENGTH: Final = 4
"""Segments of one session that may wait for the one being worked on."""
WORK_S_PER_S: Final = 8
MIN_WORK_S: Final = 16
"""Seconds of work per announced second of video, and for any segment: twice what a gateway waits. Nobody is there for
what takes longer, and a source can be made so that it takes hours."""
SESSION_IDLE_S: Final = 70
SWEEP_S: Final = 5

FETCH_TIMEOUT_S: Final = 4.0
"""For a segment that is named by a URL (offchain-network 0)."""
DRAIN_POLL_S: Final = 0.1

BUSY: Final = "OrchestratorBusy"
CAPPED: Final = "OrchestratorCapped"
INTERNAL: Final = "Internal Server Error"

_log = logging.getLogger(__name__)


Renewer = Callable[[Address, str], Awaitable[bytes | Refused | None]]
"""New terms for a session by its sender and manifest id, from whoever else has sessions; None if it is not theirs."""


class WorkService:
    """Sells transcoding, session by session.

    :param max_sessions: sessions at the same time, or `AUTO` for as many as `capacity` says at each moment.
    :param fetcher: where segments come from that are named by a URL; without, such segments are refused.
    :param latency_s: added before each answer, to play a distant or busy orchestrator on a local network.
    :param session_ended: told the id of every session that closes.
    :param senders: tells who sends; without, by their signatures.
    :param troubles: what keeps gateways from coming, for the status.
    """

    def __init__(
        self,
        *,
        advertise: AdvertiseService,
        payments: Till,
        signer: Signer,
        transcoder: Transcoder,
        renditions: RenditionStore,
        clock: Clock,
        max_sessions: int | Auto,
        latency_s: float = 0,
        min_work_s: float = MIN_WORK_S,
        capacity: Callable[[], int] = lambda: 0,
        fetcher: UrlFetcher | None = None,
        session_ended: Callable[[str], None] = lambda _: None,
        troubles: Callable[[], Sequence[object]] = tuple,
        senders: Senders | None = None,
    ) -> None:
        self.live_accounts: set[tuple[Address, str]] = set()
        self._advertise = advertise
        self._payments = payments
        self._signer = signer
        self._transcoder = transcoder
        self._renditions = renditions
        self._clock = clock
        self._max_sessions = max_sessions
        self._capacity = capacity
        self._fetcher = fetcher
        self._draining = False
        self._latency_s = latency_s
        self._min_work_s = min_work_s
        self._troubles = troubles
        self._headers = HeaderCheck(advertise, senders or SignedSenders())
        self._session_ended = session_ended
        self._sessions: dict[str, WorkSession] = {}
        self.renewers: list[Renewer] = []
        self._segments = 0
        self._failed = asyncio.Event()

    # --- what a server calls ------------------------------------------------------------------------

    def exchange(self, payment: str, credentials: str) -> "SegmentExchange":
        """A `POST /segment` with these two headers."""
        return SegmentExchange(self, payment, credentials)

    async def pay(self, payment: str, credentials: str) -> bytes | Refused:
        """A `POST /payment` with these two headers: the encoded `PaymentResult`."""
        admitted = await self.admit(payment, credentials, work_follows=False)
        if isinstance(admitted, Refused):
            return admitted
        info = await self._advertise.next_terms(admitted.sender, admitted.token)
        return wire.encode_payment_result(PaymentResult(info))

    async def refresh_payment(self, body: bytes) -> bytes | Refused:
        """A `POST /refresh-payment`: a challenge with fresh terms for a session whose price is fixed."""
        try:
            sender, manifest_id = live_api.decode_refresh(body)
        except MalformedMessage as error:
            return Refused(400, error.detail)
        for renew in self.renewers:
            if (renewed := await renew(sender, manifest_id)) is not None:
                return renewed
        try:
            info = await self._advertise.renewed_terms(sender, manifest_id)
        except (QuoteRefused, ChainError, StoreError, PriceUnavailable) as error:
            self._stop_if_corrupt(error)
            _log.warning("no terms renewed sender=0x%s session=%s reason=%s", sender.hex(), manifest_id, error)
            return Refused(500, INTERNAL)
        if info is None:
            return Refused(409, "fixed price not found for session")
        uri = self._advertise.offer.service_uri
        return live_api.encode_challenge(
            live_api.PaymentChallenge(info, uri, manifest_id, f"{uri.rstrip('/')}/payment")
        )

    def rendition(self, session: str, profile: str, name: str) -> bytes | None:
        return self._renditions.get(session, profile, name)

    async def end_session(self, token: AuthToken | None) -> None:
        """Close a session at its gateway's wish.

        :raises BadCredentials: `Invalid auth token`.
        """
        try:
            session_id = self._advertise.check_token(token).session_id
        except BadCredentials as error:
            raise BadCredentials("Invalid auth token") from error
        self._close(session_id)

    def status(self) -> Mapping[str, object]:
        """What is safe to tell everybody."""
        return {
            "Version": self._advertise.offer.capabilities.version,
            "ServiceURI": self._advertise.offer.service_uri,
            "Address": f"0x{self._signer.address.hex()}",
            "Sessions": len(self._sessions),
            "MaxSessions": self.max_sessions,
            "Draining": self._draining,
            "Segments": self._segments,
            "Troubles": [str(trouble) for trouble in self._troubles()],
        }

    @property
    def max_sessions(self) -> int:
        """Sessions that are taken at the same time, as of now."""
        return self._capacity() if isinstance(self._max_sessions, Auto) else self._max_sessions

    def set_max_sessions(self, limit: int | Auto) -> None:
        """Change the limit; sessions beyond a lower one go on to their end.

        :raises InvalidInput: less than none.
        """
        if not isinstance(limit, Auto) and limit < 0:
            raise InvalidInput(f"{limit} sessions at most")
        self._max_sessions = limit

    def drain(self) -> None:
        """Take no new sessions; those that are there go on."""
        self._draining = True

    async def drained(self) -> None:
        """Wait until nothing is being worked on."""
        while any(session.present for session in self._sessions.values()):
            await self._clock.sleep(DRAIN_POLL_S)

    async def fetch(self, url: str) -> bytes | None:
        """A segment that its sender named by a URL, None if it cannot be had or may not be."""
        if self._fetcher is None:
            return None
        try:
            return await self._fetcher.fetch(url, limit_bytes=MAX_SEGMENT_BYTES, timeout_s=FETCH_TIMEOUT_S)
        except LivepeerError as error:
            _log.info("segment not fetched reason=%s", error)
            return None

    async def run(self) -> None:
        """Close idle sessions and forget what has expired, until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_S)
            self.close_idle()
            try:
                await self._payments.sweep()
            except (ChainError, StoreUnavailable) as error:
                _log.warning("nothing swept reason=%s", error)

    async def failure(self) -> NoReturn:
        """Wait for trouble after which nothing may be served any more.

        :raises StoreCorrupt: the store cannot be trusted.
        """
        await self._failed.wait()
        raise StoreCorrupt("the store failed while serving")

    def _stop_if_corrupt(self, error: LivepeerError) -> None:
        if isinstance(error, StoreCorrupt):
            self._failed.set()

    # --- steps of an exchange -----------------------------------------------------------------------

    async def admit(self, payment_header: str, segment_header: str, *, work_follows: bool) -> Admitted | Refused:
        """Judge both headers and take the payment, in the order and with the statuses of offchain-network 4.1."""
        checked = self.check_headers(payment_header, segment_header)
        if isinstance(checked, Refused):
            return checked
        payment, admitted = checked
        if work_follows and self._is_capped(admitted.token.session_id):
            return Refused(403, CAPPED)
        sender, session_id = admitted.sender, admitted.token.session_id
        manifest_id = admitted.credentials.manifest_id.decode(errors="replace")
        if not work_follows and (sender, manifest_id) in self.live_accounts:
            # A live job outlives its auth token; its account is its manifest's (offchain-network 4.2).
            session_id = manifest_id
        taken = await self.take_payment(payment, sender, session_id, transcoding=work_follows)
        if isinstance(taken, Refused):
            return taken
        return (self._short_of_balance(sender, session_id) if work_follows else None) or admitted

    def check_headers(self, payment_header: str, segment_header: str) -> tuple[Payment, Admitted] | Refused:
        """Judge both headers; nothing is taken yet."""
        return self._headers.check(payment_header, segment_header)

    async def take_payment(
        self, payment: Payment, sender: Address, account: str, *, transcoding: bool = False
    ) -> Fraction | Refused:
        """The credit of a payment for `account`: a session's id, or another name that work is paid under."""
        try:
            credit = await self._payments.receive(payment, account, transcoding=transcoding)
        except MalformedMessage as error:
            return Refused(400, error.detail)
        except (TicketRejected, PaymentRefused) as error:
            _log.info("payment refused sender=0x%s session=%s reason=%s", sender.hex(), account, error)
            return Refused(400, str(error))
        except (ChainError, StoreError, PriceUnavailable) as error:
            self._stop_if_corrupt(error)
            _log.error("payment not taken sender=0x%s session=%s reason=%s", sender.hex(), account, error)
            return Refused(500, INTERNAL)
        figures = sender.hex(), account, len(payment.tickets), int(credit)
        _log.info("payment sender=0x%s session=%s tickets=%d credit_wei=%d", *figures)
        return credit

    def _short_of_balance(self, sender: Address, account: str) -> Refused | None:
        try:
            self._payments.require_balance(sender, account)
        except InsufficientBalance as error:
            _log.info("no credit sender=0x%s session=%s reason=%s", sender.hex(), account, error)
            return Refused(400, "Insufficient balance")
        return None

    async def perform(self, admitted: Admitted, place: "WorkSession | str", body: bytes) -> TranscodeResult:
        """Do the work of an exchange in its session's turn, charge it and offer the renditions.

        :param place: what `enter` gave; if that is no place, it is the answer.
        """
        credentials, session_id = admitted.credentials, admitted.token.session_id
        segments: tuple[TranscodedSegment, ...] = ()
        sig = b""
        error = ""
        if isinstance(place, str):
            error = place
        else:
            try:
                # They come in the order in which they asked.
                async with place.turn:
                    done = place.answered(admitted.sender, credentials)
                    segments, sig = done or await self._transcode(admitted, body)
                    place.remember(admitted.sender, credentials, (segments, sig))
            except MediaError as refusal:
                error = refusal.reason
            except LivepeerError as trouble:
                self._stop_if_corrupt(trouble)
                _log.error("work not charged session=%s reason=%s", session_id, trouble)
                error = INTERNAL
        if error:
            _log.info("segment failed session=%s seq=%d reason=%s", session_id, credentials.seq, error)
        info = await self._advertise.next_terms(admitted.sender, admitted.token)
        return TranscodeResult(credentials.seq, error, segments, sig, info)

    async def _transcode(self, admitted: Admitted, body: bytes) -> tuple[tuple[TranscodedSegment, ...], bytes]:
        credentials, session_id = admitted.credentials, admitted.token.session_id
        try:
            async with asyncio.timeout(max(self._min_work_s, WORK_S_PER_S * credentials.duration_ms / 1000)):
                renditions = await self._transcoder.transcode(body, credentials)
        except TimeoutError as error:
            raise MediaError("TranscoderStopped", "out of time") from error
        _check_count(renditions, credentials)
        sig = await self._signer.sign(result_digest(keccak256(rendition.data) for rendition in renditions))
        if self._latency_s:
            await self._clock.sleep(self._latency_s)
        pixels = sum(rendition.pixels for rendition in renditions)
        fee = await self._payments.charge(admitted.sender, session_id, credentials.seq, pixels)
        self._segments += 1
        _log.info("segment session=%s seq=%d pixels=%d fee_wei=%d", session_id, credentials.seq, pixels, int(fee))
        store, seq, part = self._renditions, credentials.seq, credentials.slice
        segments = tuple(
            TranscodedSegment(store.put(session_id, each.profile, seq, each.data, part), each.pixels)
            for each in renditions
        )
        return segments, sig

    # --- sessions -----------------------------------------------------------------------------------

    def _is_capped(self, session_id: str) -> bool:
        self.close_idle()
        if session_id in self._sessions:
            return False
        return self._draining or len(self._sessions) >= self.max_sessions

    def _no_room(self, session_id: str) -> str:
        """The wire text of why a segment cannot be taken on, empty if it can."""
        if self._is_capped(session_id):
            return CAPPED
        session = self._sessions.get(session_id)
        return BUSY if session is not None and session.present > QUEUE_LENGTH else ""

    def enter(self, session_id: str) -> "WorkSession | str":
        """Take a place in a session, from before a body is read until its work is done; or the wire text of why not.

        So a sender has no more bodies in our memory than its session has places.
        """
        if no_room := self._no_room(session_id):
            return no_room
        session = self._sessions.setdefault(session_id, WorkSession())
        session.present += 1
        return session

    def leave(self, session_id: str, place: "WorkSession") -> None:
        """Give up a place."""
        place.present -= 1
        place.used_at = self._clock.monotonic()
        # Ended meanwhile: back it goes, so that its last renditions can be fetched and are then forgotten.
        self._sessions.setdefault(session_id, place)

    def close_idle(self) -> None:
        """Close sessions without a segment for 70 s."""
        now = self._clock.monotonic()
        for session_id, session in list(self._sessions.items()):
            if not session.present and now - session.used_at > SESSION_IDLE_S:
                self._close(session_id)

    def _close(self, session_id: str) -> None:
        if self._sessions.pop(session_id, None) is not None:
            _log.info("session closed session=%s", session_id)
        self._renditions.drop(session_id)
        self._session_ended(session_id)


class SegmentExchange:
    """One `POST /segment`: `admit`, then `check_body`, then `work`, each once and in this order, inside a `with`."""

    def __init__(self, service: WorkService, payment: str, credentials: str) -> None:
        self._service = service
        self._headers = (payment, credentials)
        self._admitted: Admitted | None = None
        self._place: WorkSession | str = BUSY

    def __enter__(self) -> "SegmentExchange":
        return self

    def __exit__(self, *_: object) -> None:
        if self._admitted is not None and not isinstance(self._place, str):
            self._service.leave(self._admitted.token.session_id, self._place)

    @property
    def wants_body(self) -> bool:
        """Whether there is room to work on it. Without, `work` answers so whatever it is given."""
        return not isinstance(self._place, str)

    async def admit(self) -> Refused | None:
        """Judge the headers and take the payment; None to go on."""
        admitted = await self._service.admit(*self._headers, work_follows=True)
        if isinstance(admitted, Refused):
            return admitted
        self._admitted = admitted
        self._place = self._service.enter(admitted.token.session_id)
        return None

    async def fetch(self, url: str) -> bytes | Refused:
        """The segment that the body names by a URL."""
        data = await self._service.fetch(url)
        return Refused(400, "BadRequest") if data is None else data

    def check_body(self, body: bytes) -> Refused | None:
        """Whether `body` is what the sender signed, if one was wanted."""
        if self.wants_body and self._passed().credentials.hash != keccak256(body):
            return Refused(403, "Forbidden")
        return None

    async def work(self, body: bytes) -> bytes:
        """The encoded `TranscodeResult`, whatever became of the work."""
        return wire.encode_transcode_result(await self._service.perform(self._passed(), self._place, body))

    def _passed(self) -> Admitted:
        if self._admitted is None:
            raise RuntimeError("an exchange is admitted first")
        return self._admitted


def _check_count(renditions: Sequence[Rendition], credentials: SegmentCredentials) -> None:
    if not renditions:
        raise MediaError("ZeroSegments")
    if len(renditions) != len(credentials.profiles):
        raise MediaError("MismatchedSegments", f"{len(renditions)} of {len(credentials.profiles)}")
