"""One attempt at a segment: pay, send, fetch, check, settle. Who is tried and what follows a failure is dispatch's."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from livepeer_client.codec.credentials import segment_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import (
    AuthToken,
    Capabilities,
    SegmentCredentials,
    Slice,
    TranscodeResult,
    VideoProfile,
)
from livepeer_client.codec.wire import payment_header, segment_header
from livepeer_client.errors import BadResult, LivepeerError, MediaError, PeerRefused
from livepeer_client.facts import MediaInfo, Rendition
from livepeer_client.policy.balance import Outcome
from livepeer_client.policy.results import (
    DOWNLOAD_TIMEOUT_S,
    NON_RETRYABLE,
    check_claim,
    check_offered,
    check_rendition,
    check_signature,
    exchange_times,
    rendition_limit,
)
from livepeer_client.policy.workloads import TRANSCODING, Progress, Reaction, Step, cause_of
from livepeer_client.ports import MediaProbe, SegmentTransport, Signer
from livepeer_client.services.dispatch_events import Observer, Renewed, SegmentSent
from livepeer_client.services.own_signer import signed
from livepeer_client.services.paying import Engagement, Payer, PreparedPayment
from livepeer_client.services.tasks import together
from livepeer_client.types import Address

Compare = Callable[[Sequence[Rendition]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment to be transcoded, as all attempts see it; `source` is what is wanted of it, all or the slice."""

    seq: int
    data: bytes
    duration_ms: int
    source: MediaInfo
    slice: Slice | None = None

    @property
    def duration_s(self) -> Fraction:
        return Fraction(self.duration_ms, 1000)


@dataclass(slots=True)
class Job:
    """A segment's way through the table of its workload, and what failed on it so far."""

    progress: Progress = field(default_factory=lambda: TRANSCODING.start)
    failures: dict[Address, tuple[str, LivepeerError]] = field(default_factory=dict)

    def step(self, step: Step) -> None:
        self.progress = self.progress.on(step)

    def failed(self, error: LivepeerError) -> Reaction:
        self.progress, reaction = self.progress.failed(cause_of(error))
        return reaction


@dataclass(frozen=True, slots=True)
class Order:
    """What a stream wants of every segment."""

    manifest_id: str
    profiles: tuple[VideoProfile, ...]
    job: Capabilities
    timeout_multiplier: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Work:
    """What came of one attempt; `fee` in wei, exact."""

    renditions: tuple[Rendition, ...]
    uri: str
    pixels: int
    fee: Fraction
    tickets: int


class Exchange:
    """The means of an attempt; one for all streams of a gateway."""

    def __init__(self, payer: Payer, signer: Signer, transport: SegmentTransport, media: MediaProbe) -> None:
        self.payer = payer
        self.signer = signer
        self.transport = transport
        self.media = media

    async def attempt(
        self,
        engagement: Engagement,
        order: Order,
        segment: Segment,
        job: Job,
        observe: Observer,
        compare: Compare | None = None,
    ) -> Work:
        """Pay for a segment, have it transcoded, check what comes back and charge it.

        :param compare: raises `ResultMismatch` where somebody trusted made something else of the segment.

        :raises RemoteProtocolError, TransportError, ParamsRejected: this orchestrator did not do it.
        :raises MediaError: it says that the segment is at fault.
        :raises ChainError, StoreError: ours, not the orchestrator's.
        """
        why = await self.payer.renew_if_due(engagement, order.job)
        if why is not None:
            observe(Renewed(segment.seq, engagement.address, why))
        prepared = await self.payer.prepare(engagement, segment.seq, order.profiles, segment.duration_s)
        job.step(Step.PAID)
        uri, credit = engagement.uri, prepared.credit
        observe(
            SegmentSent(
                seq=segment.seq,
                orchestrator=engagement.address,
                uri=uri,
                attempt=job.progress.attempts,
                tickets=credit.tickets,
                expected_value=credit.new,
                price=prepared.price,
            )
        )
        renditions = await self._exchange(engagement, uri, order, segment, prepared, job, compare)
        pixels = sum(rendition.pixels for rendition in renditions)
        fee = await self.payer.settle(engagement, prepared, pixels)
        job.step(Step.CHECKED)
        return Work(renditions, uri, pixels, fee, credit.tickets)

    async def _credentials(self, order: Order, segment: Segment, token: AuthToken) -> SegmentCredentials:
        manifest_id = order.manifest_id.encode()
        hash_ = keccak256(segment.data)
        return SegmentCredentials(
            manifest_id=manifest_id,
            seq=segment.seq,
            hash=hash_,
            profiles=order.profiles,
            sig=await signed(self.signer, segment_digest(manifest_id, segment.seq, hash_, order.profiles)),
            duration_ms=segment.duration_ms,
            capabilities=order.job,
            auth_token=token,
            slice=segment.slice,
        )

    async def _exchange(
        self,
        engagement: Engagement,
        uri: str,
        order: Order,
        segment: Segment,
        prepared: PreparedPayment,
        job: Job,
        compare: Compare | None,
    ) -> tuple[Rendition, ...]:
        """Send the segment with its payment and take in what comes back; on any failure the payment is given up."""
        times = exchange_times(float(segment.duration_s), order.timeout_multiplier())
        outcome: Outcome | None = Outcome.NOT_SENT
        try:
            credentials = await self._credentials(order, segment, prepared.token)
            outcome = Outcome.UNANSWERED
            try:
                answer = await self.transport.submit_segment(
                    uri,
                    segment.data,
                    credentials=segment_header(credentials),
                    payment=payment_header(prepared.payment),
                    upload_timeout_s=times.upload_s,
                    timeout_s=times.total_s,
                )
            except PeerRefused:
                outcome = Outcome.REFUSED
                raise
            engagement.adopt_result(answer.info, order.job)
            if answer.error:
                # The exchange was accepted, so the payment was credited, though the work failed (offchain-network 4.1).
                outcome = Outcome.ANSWERED
                if answer.error in NON_RETRYABLE:
                    raise MediaError(answer.error, f"segment {segment.seq}")
                raise PeerRefused(uri, 200, answer.error)
            if answer.seq != segment.seq:
                raise BadResult("segment number", segment.seq, answer.seq)
            job.step(Step.ANSWERED)
            renditions = await self._received(engagement.address, uri, order, segment, answer, job)
            if compare is not None:
                await compare(renditions)
            outcome = None
            return renditions
        finally:
            if outcome is not None:
                self.payer.give_up(engagement, prepared, outcome)

    async def _received(
        self, address: Address, uri: str, order: Order, segment: Segment, answer: TranscodeResult, job: Job
    ) -> tuple[Rendition, ...]:
        """Fetch the renditions and check that they are what was ordered, signed and will be charged."""
        check_offered(answer.segments, order.profiles, uri)
        duration_s = float(segment.duration_s)
        pairs = list(zip(order.profiles, answer.segments, strict=True))
        timeout_s = DOWNLOAD_TIMEOUT_S * order.timeout_multiplier()
        datas = await together(
            *(
                self.transport.fetch(each.url, limit_bytes=rendition_limit(profile, duration_s), timeout_s=timeout_s)
                for profile, each in pairs
            )
        )
        job.step(Step.FETCHED)
        check_signature(datas, answer.sig, address)
        for profile, each in pairs:
            check_claim(profile, each.pixels, segment.source)
        renditions: list[Rendition] = []
        for (profile, each), data in zip(pairs, datas, strict=True):
            try:
                # No further than it is charged for: a small file may hold hours of decoding.
                found = await self.media.inspect(data, max_pixels=each.pixels)
            except MediaError as error:
                raise BadResult(f"rendition {profile.name}", "video that decodes", str(error)) from error
            check_rendition(profile, each.pixels, found, segment.source)
            renditions.append(Rendition(profile, data, each.pixels))
        return tuple(renditions)
