"""Get segments transcoded: choose an orchestrator, pay it, check its work, and change it without losing a segment."""

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from livepeer_client.codec.capability import job_capabilities
from livepeer_client.codec.credentials import segment_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import AuthToken, SegmentCredentials, TranscodeResult, VideoProfile
from livepeer_client.codec.wire import payment_header, segment_header
from livepeer_client.errors import (
    BadResult,
    InvalidInput,
    LivepeerError,
    MediaError,
    NoOrchestrator,
    ParamsRejected,
    PeerRefused,
    RemoteProtocolError,
    TransportError,
)
from livepeer_client.facts import MediaInfo, Rendition
from livepeer_client.policy.balance import Outcome
from livepeer_client.policy.discovery import Rejection, RejectReason, Suspensions, suspend
from livepeer_client.policy.results import (
    DOWNLOAD_TIMEOUT_S,
    MAX_SEGMENT_BYTES,
    MAX_SEGMENT_MS,
    NON_RETRYABLE,
    check_claim,
    check_offered,
    check_rendition,
    check_signature,
    exchange_times,
    rendition_limit,
)
from livepeer_client.policy.selection import (
    GOOD_LATENCY_SCORE,
    Candidate,
    Criteria,
    Selection,
    Weights,
    latency_score,
    select,
)
from livepeer_client.ports import Clock, MediaProbe, SegmentTransport, Signer
from livepeer_client.services.discovery import DiscoveryReport, DiscoveryService
from livepeer_client.services.paying import Engagement, Payer, PreparedPayment
from livepeer_client.services.tasks import together
from livepeer_client.types import Address

_MANIFEST_ID_BYTES: Final = 4
_chance: Final = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class DispatchRules:
    """`ceiling`: highest price, wei per pixel; with `ceiling_yields` only as long as somebody is within it.

    Seconds: a failed orchestrator is out for `suspension_s`, one that broke the rules for `bar_s`; a discovery older
    than `report_ttl_s` is repeated before it is chosen from.
    """

    ceiling: Fraction | None = None
    ceiling_yields: bool = False
    weights: Weights = field(default_factory=Weights)
    max_attempts: int = 3
    suspension_s: float = 30.0
    bar_s: float = 1800.0
    report_ttl_s: float = 60.0
    timeout_multiplier: float = 1.0


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """One segment, transcoded and checked.

    `pixels`, `fee` (wei, exact) and `tickets` are those of the payment that was answered; `latency_s` runs from
    `submit` to here, failed attempts included. `renditions` are in the order of the profiles.
    """

    seq: int
    orchestrator: Address
    renditions: tuple[Rendition, ...]
    pixels: int
    fee: Fraction
    tickets: int
    latency_s: float
    attempts: int
    swaps: int
    uri: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """An orchestrator was chosen, or nobody; `candidates` says why."""

    seq: int
    orchestrator: Address | None
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Renewed:
    """A quote and auth token were renewed before their end."""

    seq: int
    orchestrator: Address
    why: str


@dataclass(frozen=True, slots=True)
class SegmentSent:
    """A segment is about to leave; its payment is in the books. `expected_value` of its tickets, wei."""

    seq: int
    orchestrator: Address
    uri: str
    attempt: int
    tickets: int
    expected_value: Fraction
    price: Fraction


@dataclass(frozen=True, slots=True)
class SegmentDone:
    result: SegmentResult


@dataclass(frozen=True, slots=True)
class Swapped:
    """An orchestrator failed on a segment and is dropped; the same segment goes to the next one."""

    seq: int
    orchestrator: Address
    uri: str
    attempt: int
    cause: LivepeerError


Event = Chosen | Renewed | SegmentSent | SegmentDone | Swapped
Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The observer of those who do not look."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment to be transcoded, as all attempts see it."""

    seq: int
    data: bytes
    duration_ms: int
    source: MediaInfo

    @property
    def duration_s(self) -> Fraction:
        return Fraction(self.duration_ms, 1000)


class Dispatcher:
    """What all streams of one gateway share: the means, and who is suspended. `draw` yields numbers in [0, 1)."""

    def __init__(
        self,
        discovery: DiscoveryService,
        payer: Payer,
        signer: Signer,
        transport: SegmentTransport,
        media: MediaProbe,
        clock: Clock,
        rules: DispatchRules,
        *,
        draw: Callable[[], float] = _chance.random,
    ) -> None:
        self.discovery = discovery
        self.payer = payer
        self.signer = signer
        self.transport = transport
        self.media = media
        self.clock = clock
        self.rules = rules
        self.draw = draw
        self.suspensions: Suspensions = {}

    def stream(
        self, profiles: Sequence[VideoProfile], manifest_id: str | None = None, observer: Observer = ignore
    ) -> "StreamSession":
        """A stream into `profiles`; `manifest_id` defaults to 8 random hex characters (offchain-network 0).

        :raises InvalidInput: no profiles, or two of one name.
        """
        if not profiles or len({profile.name for profile in profiles}) != len(profiles):
            raise InvalidInput("a stream needs profiles, each with a name of its own")
        return StreamSession(self, tuple(profiles), manifest_id or secrets.token_hex(_MANIFEST_ID_BYTES), observer)

    async def explain(self, profiles: Sequence[VideoProfile]) -> tuple[DiscoveryReport, Selection]:
        """What a stream into `profiles` would find now, and whom it would choose. Nobody is engaged.

        :raises ChainError: the pool cannot be read.
        """
        report = await self.discovery.refresh(job_capabilities(profiles))
        return report, select(report.offers, report.rejections, self.criteria(), self.draw())

    def criteria(
        self, latency_scores: Mapping[Address, float] | None = None, tried: Collection[Address] = ()
    ) -> Criteria:
        """What a choice made now goes by."""
        return Criteria(
            now_s=self.clock.monotonic(),
            ceiling=self.rules.ceiling,
            ceiling_yields=self.rules.ceiling_yields,
            weights=self.rules.weights,
            suspensions=self.suspensions,
            latency_scores=latency_scores or {},
            tried=tried,
        )

    def suspend(self, address: Address, cause: LivepeerError) -> None:
        """Keep an orchestrator out for a while, longer if it broke the rules than if it failed."""
        barred = isinstance(cause, BadResult)
        self.suspensions = suspend(
            self.suspensions,
            address,
            now_s=self.clock.monotonic(),
            for_s=self.rules.bar_s if barred else self.rules.suspension_s,
            cause=str(cause),
            barred=barred,
        )


class StreamSession:
    """One stream. `submit` may be called again before it has returned; results then come in any order.

    Quotes are never shared with another stream: each discovers for itself.
    """

    def __init__(
        self, dispatcher: Dispatcher, profiles: tuple[VideoProfile, ...], manifest_id: str, observer: Observer
    ) -> None:
        self.manifest_id = manifest_id
        self.profiles = profiles
        self.swaps = 0
        self._shared = dispatcher
        self._observe = observer
        self._job = job_capabilities(profiles)
        self._report: DiscoveryReport | None = None
        self._report_at_s = 0.0
        self._failed: dict[Address, Rejection] = {}
        self._engagements: dict[Address, Engagement] = {}
        self._scores: dict[Address, float] = {}
        self._current: Engagement | None = None
        self._choosing = asyncio.Lock()

    async def submit(self, seq: int, segment: bytes, duration_ms: int) -> SegmentResult:
        """Have one MPEG-TS segment transcoded. An orchestrator that fails is replaced and the same segment sent again.

        :raises InvalidInput: wrong size, number or duration.
        :raises MediaError: the segment itself is at fault; nobody is suspended for it.
        :raises ParamsRejected: our own account cannot pay.
        :raises NoOrchestrator: nobody is left, or `max_attempts` failed; with each one's reason.
        :raises ChainError, StoreError: ours, not the orchestrator's.
        """
        if seq < 0 or not 0 < len(segment) <= MAX_SEGMENT_BYTES or not 0 < duration_ms <= MAX_SEGMENT_MS:
            raise InvalidInput(f"segment {seq} of {len(segment)} bytes and {duration_ms} ms")
        started_s = self._shared.clock.monotonic()
        # A segment that does not decode is refused here, before anybody is paid for trying.
        source = await self._shared.media.inspect(segment)
        work = _Segment(seq, segment, duration_ms, source)
        failures: dict[Address, tuple[str, LivepeerError]] = {}
        for attempt in range(1, self._shared.rules.max_attempts + 1):
            engagement = await self._engaged(seq, failures)
            if engagement.offer.price > 0:
                await self._shared.payer.check_funds()
            try:
                result = await self._attempt(engagement, work, attempt, started_s)
            except (RemoteProtocolError, TransportError, ParamsRejected) as error:
                failures[engagement.address] = (engagement.offer.member.service_uri, error)
                self._drop(engagement, error)
                self._observe(Swapped(seq, engagement.address, engagement.uri, attempt, error))
            else:
                self._observe(SegmentDone(result))
                return result
        raise NoOrchestrator([(uri, str(error)) for uri, error in failures.values()])

    # --- choosing ---------------------------------------------------------------------------------

    async def _engaged(self, seq: int, tried: Mapping[Address, object]) -> Engagement:
        async with self._choosing:
            current = self._current
            if current is None or current.address in tried or self._is_slow(current):
                current = self._current = await self._choose(seq, tried)
            return current

    def _is_slow(self, engagement: Engagement) -> bool:
        return self._scores.get(engagement.address, 0.0) > GOOD_LATENCY_SCORE

    async def _choose(self, seq: int, tried: Mapping[Address, object]) -> Engagement:
        now_s = self._shared.clock.monotonic()
        report, fresh = self._report, False
        if report is None or now_s - self._report_at_s > self._shared.rules.report_ttl_s:
            report, fresh = await self._discover(), True
        selection = self._select(report, tried)
        if not fresh and (selection.chosen is None or selection.last_resort):
            selection = self._select(await self._discover(), tried)
        chosen = selection.chosen
        self._observe(Chosen(seq, chosen.member.address if chosen else None, selection.candidates))
        if chosen is None:
            raise NoOrchestrator([(line.uri, line.reason) for line in selection.candidates])
        return self._engagements.setdefault(chosen.member.address, Engagement(chosen, chosen.price))

    async def _discover(self) -> DiscoveryReport:
        self._report = await self._shared.discovery.refresh(self._job)
        self._report_at_s = self._shared.clock.monotonic()
        self._failed.clear()
        return self._report

    def _select(self, report: DiscoveryReport, tried: Mapping[Address, object]) -> Selection:
        # An offer that failed is void until the orchestrator makes a new one: it may have restarted since.
        offers = [offer for offer in report.offers if offer.member.address not in self._failed]
        criteria = self._shared.criteria(self._scores, tried)
        return select(offers, [*report.rejections, *self._failed.values()], criteria, self._shared.draw())

    def _drop(self, engagement: Engagement, cause: LivepeerError) -> None:
        address = engagement.address
        self.swaps += 1
        self._shared.suspend(address, cause)
        self._failed[address] = Rejection(engagement.offer.member, RejectReason.FAILED, {"cause": cause})
        if self._engagements.get(address) is engagement:
            del self._engagements[address]
        self._scores.pop(address, None)
        if self._current is engagement:
            self._current = None

    # --- one attempt ------------------------------------------------------------------------------

    async def _attempt(self, engagement: Engagement, work: _Segment, attempt: int, started_s: float) -> SegmentResult:
        shared = self._shared
        sent_s = shared.clock.monotonic()
        prepared = await self._paid(engagement, work)
        tickets, value = prepared.credit.tickets, prepared.credit.new
        uri = engagement.uri
        self._observe(SegmentSent(work.seq, engagement.address, uri, attempt, tickets, value, prepared.price))
        renditions = await self._exchange(engagement, uri, work, prepared)
        pixels = sum(rendition.pixels for rendition in renditions)
        fee = await shared.payer.settle(engagement, prepared, pixels)
        now_s = shared.clock.monotonic()
        self._scores[engagement.address] = latency_score(now_s - sent_s, float(work.duration_s))
        return SegmentResult(
            seq=work.seq,
            orchestrator=engagement.address,
            renditions=renditions,
            pixels=pixels,
            fee=fee,
            tickets=tickets,
            latency_s=now_s - started_s,
            attempts=attempt,
            swaps=attempt - 1,
            uri=uri,
        )

    async def _paid(self, engagement: Engagement, work: _Segment) -> PreparedPayment:
        payer = self._shared.payer
        why = await payer.renew_if_due(engagement, self._job)
        if why is not None:
            self._observe(Renewed(work.seq, engagement.address, why))
        offer = engagement.offer
        try:
            return await payer.prepare(engagement, work.seq, self.profiles, work.duration_s)
        except ParamsRejected as error:
            if not error.refresh:
                raise
            why = error.reason
        await payer.renew(engagement, self._job, instead_of=offer)
        self._observe(Renewed(work.seq, engagement.address, why))
        return await payer.prepare(engagement, work.seq, self.profiles, work.duration_s)

    async def _credentials(self, work: _Segment, token: AuthToken) -> SegmentCredentials:
        manifest_id = self.manifest_id.encode()
        hash_ = keccak256(work.data)
        return SegmentCredentials(
            manifest_id=manifest_id,
            seq=work.seq,
            hash=hash_,
            profiles=self.profiles,
            sig=await self._shared.signer.sign(segment_digest(manifest_id, work.seq, hash_, self.profiles)),
            duration_ms=work.duration_ms,
            capabilities=self._job,
            auth_token=token,
        )

    async def _exchange(
        self, engagement: Engagement, uri: str, work: _Segment, prepared: PreparedPayment
    ) -> tuple[Rendition, ...]:
        """Send the segment with its payment and take in what comes back; on any failure the payment is given up."""
        times = exchange_times(float(work.duration_s), self._shared.rules.timeout_multiplier)
        outcome: Outcome | None = Outcome.NOT_SENT
        try:
            credentials = await self._credentials(work, prepared.token)
            outcome = Outcome.UNANSWERED
            try:
                answer = await self._shared.transport.submit_segment(
                    uri,
                    work.data,
                    credentials=segment_header(credentials),
                    payment=payment_header(prepared.payment),
                    upload_timeout_s=times.upload_s,
                    timeout_s=times.total_s,
                )
            except PeerRefused:
                outcome = Outcome.REFUSED
                raise
            engagement.adopt_result(answer.info, self._job)
            if answer.error:
                # The exchange was accepted, so the payment was credited, though the work failed (offchain-network 4.1).
                outcome = Outcome.ANSWERED
                if answer.error in NON_RETRYABLE:
                    raise MediaError(answer.error, f"segment {work.seq}")
                raise PeerRefused(uri, 200, answer.error)
            if answer.seq != work.seq:
                raise BadResult("segment number", work.seq, answer.seq)
            renditions = await self._received(engagement.address, uri, work, answer)
            outcome = None
            return renditions
        finally:
            if outcome is not None:
                self._shared.payer.give_up(engagement, prepared, outcome)

    async def _received(
        self, address: Address, uri: str, work: _Segment, answer: TranscodeResult
    ) -> tuple[Rendition, ...]:
        """Fetch the renditions and check that they are what was ordered, signed and will be charged."""
        check_offered(answer.segments, self.profiles, uri)
        transport, duration_s = self._shared.transport, float(work.duration_s)
        pairs = list(zip(self.profiles, answer.segments, strict=True))
        timeout_s = DOWNLOAD_TIMEOUT_S * self._shared.rules.timeout_multiplier
        datas = await together(
            *(
                transport.fetch(each.url, limit_bytes=rendition_limit(profile, duration_s), timeout_s=timeout_s)
                for profile, each in pairs
            )
        )
        check_signature(datas, answer.sig, address)
        for profile, each in pairs:
            check_claim(profile, each.pixels, work.source)
        renditions: list[Rendition] = []
        for (profile, each), data in zip(pairs, datas, strict=True):
            try:
                # No further than it is charged for: a small file may hold hours of decoding.
                found = await self._shared.media.inspect(data, max_pixels=each.pixels)
            except MediaError as error:
                raise BadResult(f"rendition {profile.name}", "video that decodes", str(error)) from error
            check_rendition(profile, each.pixels, found, work.source)
            renditions.append(Rendition(profile, data, each.pixels))
        return tuple(renditions)
