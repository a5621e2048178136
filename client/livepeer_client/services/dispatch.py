"""Get segments transcoded: choose an orchestrator, pay it, check its work, and change it without losing a segment.

policy.workloads   what follows a failure          services.exchange          one attempt
policy.selection   who is chosen                   services.dispatch_events   rules, results, events
policy.sessions    who is kept
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from livepeer_client.codec.capability import job_capabilities
from livepeer_client.codec.messages import Capabilities, VideoCodec, VideoProfile
from livepeer_client.errors import (
    InvalidInput,
    LivepeerError,
    MediaError,
    NoOrchestrator,
    ParamsRejected,
    PeerRefused,
)
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.results import CODECS, MAX_SEGMENT_BYTES, MAX_SEGMENT_MS
from livepeer_client.policy.selection import Selection, latency_score
from livepeer_client.policy.sessions import InFlight
from livepeer_client.policy.trust import trust_of, wants_check
from livepeer_client.policy.workloads import TRANSCODING, Step, cause_of
from livepeer_client.ports import Clock, MediaProbe, SegmentTransport, Signer
from livepeer_client.services.checking import Check
from livepeer_client.services.choosing import PEERS, Choices, Chooser
from livepeer_client.services.discovery import DiscoveryReport, DiscoveryService
from livepeer_client.services.dispatch_events import (
    Chosen,
    DispatchRules,
    Event,
    Observer,
    Renewed,
    SegmentDone,
    SegmentResult,
    SegmentSent,
    Swapped,
    Verified,
    ignore,
)
from livepeer_client.services.exchange import Exchange, Job, Order, Segment, Work
from livepeer_client.services.paying import Engagement, Payer
from livepeer_client.types import Address

__all__ = [
    "Chosen",
    "DispatchRules",
    "Dispatcher",
    "Event",
    "Observer",
    "Renewed",
    "SegmentDone",
    "SegmentResult",
    "SegmentSent",
    "StreamSession",
    "Swapped",
    "Verified",
    "ignore",
]

_MANIFEST_ID_BYTES: Final = 4
_chance: Final = secrets.SystemRandom()


class Dispatcher(Choices):
    """What all streams of one gateway share. Parameters as `Choices`."""

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
        given_trust: Callable[[Offer], float] = lambda offer: offer.member.score,
        performance: Callable[[], Mapping[Address, float]] = dict,
    ) -> None:
        super().__init__(discovery, clock, rules, draw=draw, given_trust=given_trust, performance=performance)
        self.payer = payer
        self.media = media
        self.exchange = Exchange(payer, signer, transport, media)

    def stream(
        self, profiles: Sequence[VideoProfile], manifest_id: str | None = None, observer: Observer = ignore
    ) -> "StreamSession":
        """A stream into `profiles`; `manifest_id` defaults to 8 random hex characters (offchain-network 0).

        :raises InvalidInput: no profiles, or two of one name.
        """
        if not profiles or len({profile.name for profile in profiles}) != len(profiles):
            raise InvalidInput("a stream needs profiles, each with a name of its own")
        return StreamSession(self, tuple(profiles), manifest_id or secrets.token_hex(_MANIFEST_ID_BYTES), observer)

    async def explain(
        self, profiles: Sequence[VideoProfile], job: Capabilities | None = None
    ) -> tuple[DiscoveryReport, Selection]:
        """What a stream into `profiles`, or another `job`, would find now, and whom it would choose. Nobody is engaged.

        :raises ChainError: the pool cannot be read.
        """
        wanted = job or job_capabilities(profiles)
        report = await self.discover(wanted)
        return report, self.select(report.offers, report.rejections, self.criteria(job=wanted))


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
        self._codec = ""
        self._take(CODECS[VideoCodec.H264])

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
        self._take(source.codec)
        work = Segment(seq, segment, duration_ms, source)
        job = Job(TRANSCODING.with_attempts(self._shared.rules.max_attempts).start)
        while True:
            engagement = await self._chooser.engaged(seq, job.failures)
            job.step(Step.CHOSEN)
            if engagement.offer.price > 0:
                await self._shared.payer.check_funds()
            worked = await self._worked(engagement, work, job)
            if worked is not None:
                result = self._result(*worked, work, job, started_s)
                self._observe(SegmentDone(result))
                self._chooser.look_ahead()
                return result

    def _take(self, codec: str) -> None:
        """Look for those who decode what is sent; a stream that changes its codec starts anew with others.

        :raises MediaError: nobody has a name for it.
        """
        if codec == self._codec:
            return
        source = next((each for each, name in CODECS.items() if name == codec), None)
        if source is None:
            raise MediaError("Unsupported input codec", codec)
        self._codec, self._job = codec, job_capabilities(self.profiles, input_codec=source)
        shared = self._shared
        self._order = Order(self.manifest_id, self.profiles, self._job, lambda: shared.rules.timeout_multiplier)
        self._chooser = Chooser(
            shared, shared.payer, self._job, self._observe, workload=TRANSCODING, name=self.manifest_id
        )

    async def close(self) -> None:
        """End what runs beside the segments."""
        await self._chooser.close()

    def _result(self, engagement: Engagement, done: Work, work: Segment, job: Job, started_s: float) -> SegmentResult:
        return SegmentResult(
            seq=work.seq,
            orchestrator=engagement.address,
            renditions=done.renditions,
            pixels=done.pixels,
            fee=done.fee,
            tickets=done.tickets,
            latency_s=self._shared.clock.monotonic() - started_s,
            attempts=job.progress.attempts,
            swaps=job.progress.attempts - 1,
            uri=done.uri,
        )

    # --- working ----------------------------------------------------------------------------------

    async def _worked(self, engagement: Engagement, work: Segment, job: Job) -> tuple[Engagement, Work] | None:
        """Work of one orchestrator, on renewed terms and compared as need be, or that of the one it was compared with;
        None if the segment goes to another one."""
        check = self._check(engagement, work)
        try:
            while True:
                offer = engagement.offer
                try:
                    return engagement, await self._attempt(engagement, work, job, check)
                except (*PEERS, MediaError) as error:
                    failure: LivepeerError = error
                if await self._renewed(engagement, work, job, failure, offer):
                    continue
                reference = None if check is None else await check.result()
                if check is None or reference is None:
                    return None
                job.progress = replace(check.job.progress, attempts=job.progress.attempts + 1)
                return check.engagement, reference
        finally:
            if check is not None:
                await check.close()

    async def _attempt(self, engagement: Engagement, work: Segment, job: Job, check: Check | None) -> Work:
        clock, standing = self._shared.clock, self._chooser.standing(engagement.address)
        out = InFlight(clock.monotonic(), float(work.duration_s))
        standing.in_flight.append(out)
        try:
            compare = None if check is None else check.compare
            done = await self._shared.exchange.attempt(engagement, self._order, work, job, self._observe, compare)
        finally:
            standing.in_flight.remove(out)
        standing.scores.append(latency_score(clock.monotonic() - out.sent_s, out.duration_s))
        return done

    async def _renewed(
        self, engagement: Engagement, work: Segment, job: Job, failure: LivepeerError, offer: Offer
    ) -> bool:
        """React to a failure: True to try the same orchestrator on new terms, False to swap.

        :raises MediaError, NoOrchestrator: the table has it returned, or given up.
        """
        reaction = job.failed(failure)
        while reaction.then is Step.RENEW:
            try:
                await self._shared.payer.renew(engagement, self._job, instead_of=offer)
            except PEERS as again:
                failure, reaction = again, job.failed(again)
            else:
                why = failure.reason if isinstance(failure, (ParamsRejected, PeerRefused)) else str(failure)
                self._observe(Renewed(work.seq, engagement.address, why))
                return True
        if reaction.then is Step.RETURN:
            raise failure
        job.failures[engagement.address] = (engagement.offer.member.service_uri, failure)
        self.swaps += 1
        self._chooser.drop(engagement, failure, reaction.hold)
        self._observe(
            Swapped(
                work.seq, engagement.address, engagement.uri, job.progress.attempts, failure, code=cause_of(failure)
            )
        )
        if reaction.then is Step.GIVE_UP:
            raise NoOrchestrator([(uri, str(error)) for uri, error in job.failures.values()])
        return False

    # --- comparing --------------------------------------------------------------------------------

    def _check(self, engagement: Engagement, work: Segment) -> Check | None:
        """A trusted one at work on the same segment, if this segment is one to compare and there is one."""
        shared = self._shared
        frequency = shared.rules.verification
        if not frequency or shared.trusts_fully(engagement.address):
            return None
        verified = trust_of(shared.trusts, engagement.address).verified
        if not wants_check(frequency, verified=verified, draw=shared.draw()):
            return None
        trusted = self._chooser.trusted(engagement.address)
        if trusted is None:
            return None
        return Check(shared.exchange, engagement.address, trusted, self._order, work, self._observe, shared.compared)
