"""Get segments transcoded: choose an orchestrator, pay it, check its work, and change it without losing a segment.

policy.workloads   what follows a failure          services.exchange          one attempt
policy.selection   who is chosen                   services.dispatch_events   rules, results, events
policy.sessions    who is kept
"""

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from livepeer_client.codec.capability import job_capabilities
from livepeer_client.codec.messages import Capabilities, Slice, VideoCodec, VideoProfile
from livepeer_client.errors import (
    Bug,
    InvalidInput,
    LivepeerError,
    MediaError,
    NoOrchestrator,
    ParamsRejected,
    PeerRefused,
)
from livepeer_client.facts import Rendition
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.results import CODECS, MAX_SEGMENT_BYTES, MAX_SEGMENT_MS, sliced
from livepeer_client.policy.selection import Selection, latency_score
from livepeer_client.policy.sessions import InFlight
from livepeer_client.policy.trust import Pool, trust_of, works_alone
from livepeer_client.policy.workloads import TRANSCODING, Phase, Reaction, Step, cause_of
from livepeer_client.ports import Clock, MediaProbe, SegmentTransport, Signer
from livepeer_client.services.checking import Check, Plan, Side
from livepeer_client.services.choosing import PEERS, Choices, Chooser
from livepeer_client.services.discovery import DiscoveryReport, DiscoveryService
from livepeer_client.services.dispatch_events import (
    AS_ALL,
    Chosen,
    DispatchRules,
    Event,
    Observer,
    Renewed,
    SegmentDone,
    SegmentResult,
    SegmentSent,
    StreamRules,
    Swapped,
    Verified,
    ignore,
)
from livepeer_client.services.exchange import Compare, Exchange, Job, Order, Segment, Work
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
_log = logging.getLogger(__name__)
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
        self,
        profiles: Sequence[VideoProfile],
        manifest_id: str | None = None,
        observer: Observer = ignore,
        own: StreamRules = AS_ALL,
    ) -> "StreamSession":
        """A stream into `profiles`; `manifest_id` defaults to 8 random hex characters (offchain-network 0).

        :param own: what is otherwise for it than the rules say.
        :raises InvalidInput: no profiles, or two of one name.
        """
        if not profiles or len({profile.name for profile in profiles}) != len(profiles):
            raise InvalidInput("a stream needs profiles, each with a name of its own")
        name = manifest_id or secrets.token_hex(_MANIFEST_ID_BYTES)
        return StreamSession(self, tuple(profiles), name, observer, own)

    async def explain(
        self, profiles: Sequence[VideoProfile], job: Capabilities | None = None
    ) -> tuple[DiscoveryReport, Selection]:
        """What a stream into `profiles`, or another `job`, would find now, and whom it would choose. Nobody is engaged.

        :raises ChainError: the pool cannot be read.
        """
        return await self.explained(job or job_capabilities(profiles))


class StreamSession:
    """One stream. `submit` may be called again before it has returned; results then come in any order.

    Quotes are never shared with another stream: each discovers for itself.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        profiles: tuple[VideoProfile, ...],
        manifest_id: str,
        observer: Observer,
        own: StreamRules = AS_ALL,
    ) -> None:
        self.manifest_id = manifest_id
        self.profiles = profiles
        self.swaps = 0
        self._shared = dispatcher
        self._observe = observer
        self._own = own
        self._codec = ""
        self._slicing = False
        self._chooser: Chooser
        self._take(CODECS[VideoCodec.H264])

    async def submit(self, seq: int, segment: bytes, duration_ms: int, part: Slice | None = None) -> SegmentResult:
        """Have one MPEG-TS segment transcoded. An orchestrator that fails is replaced and the same segment sent again.

        :param part: which part of it is wanted, if not all.
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
        wanted = sliced(source, part)
        self._take(source.codec, slicing=part is not None)
        work = Segment(seq, segment, duration_ms, wanted, part)
        job = Job(TRANSCODING.with_attempts(self._shared.rules.max_attempts).start)
        while True:
            engagement = await self._chooser.engaged(seq, job.failures)
            job.step(Step.CHOSEN)
            plan = self._plan(engagement, job)
            if any(each.offer.price > 0 for each in plan.all):
                await self._shared.payer.check_funds()
            worked = await self._worked(plan, work, job)
            if worked is not None:
                result = self._result(*worked, work, job, started_s)
                self._observe(SegmentDone(result))
                self._chooser.look_ahead()
                return result

    def _take(self, codec: str, *, slicing: bool = False) -> None:
        """Look for those who decode what is sent, and cut it where that has once been wanted; a stream that changes
        what it needs starts anew with others.

        :raises MediaError: nobody has a name for it.
        """
        slicing = slicing or self._slicing
        if codec == self._codec and slicing == self._slicing:
            return
        source = next((each for each, name in CODECS.items() if name == codec), None)
        if source is None:
            raise MediaError("Unsupported input codec", codec)
        if self._codec:
            self._shared.beside(self._chooser.close())
        self._slicing = slicing
        self._codec, self._job = codec, job_capabilities(self.profiles, input_codec=source, slicing=slicing)
        shared = self._shared
        self._order = Order(self.manifest_id, self.profiles, self._job, lambda: self.patience)
        self._chooser = Chooser(
            shared,
            shared.payer,
            self._job,
            self._observe,
            workload=TRANSCODING,
            name=self.manifest_id,
            compares=lambda: self.verification > 0,
        )

    @property
    def patience(self) -> float:
        """What the time limits of its segments are multiplied by."""
        own = self._own.timeout_multiplier
        return self._shared.rules.timeout_multiplier if own is None else own

    @property
    def verification(self) -> int:
        """One segment in so many is compared, 0 none."""
        own = self._own.verification
        return self._shared.rules.verification if own is None else own

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

    async def _worked(self, plan: Plan, work: Segment, job: Job) -> tuple[Engagement, Work] | None:
        """Work of the one it is meant for, on renewed terms and compared as need be, or that of one beside it; None if
        the segment goes to another one."""
        engagement, check = plan.first, self._check(plan, work)
        compare = None if check is None else partial(check.compare, engagement.address)
        while True:
            offer = engagement.offer
            try:
                return engagement, await self._attempt(engagement, work, job, compare)
            except (*PEERS, MediaError) as error:
                failure: LivepeerError = error
            if isinstance(failure, MediaError) and check is not None and await check.reference() is not None:
                # What it says of the segment is not so; to the caller it would be the end of it.
                failure = PeerRefused(engagement.uri, 200, f"{failure.reason}, which a trusted one does not find")
            if await self._renewed(engagement, work, job, failure, offer):
                continue
            side = None if check is None else await check.instead()
            if side is not None:
                job.progress = replace(side.progress, attempts=job.progress.attempts + 1)
                return side.engagement, side.work
            if job.progress.phase is Phase.FAILED:
                raise NoOrchestrator([(uri, str(error)) for uri, error in job.failures.values()])
            return None

    async def _attempt(self, engagement: Engagement, work: Segment, job: Job, compare: Compare | None) -> Work:
        """One attempt, timed from when the segment leaves until its result is checked: neither our own preparations nor
        how long the one it is compared with takes are its fault."""
        clock, standing = self._shared.clock, self._chooser.standing(engagement.address)
        out: InFlight | None = None

        def observe(event: Event) -> None:
            nonlocal out
            if isinstance(event, SegmentSent):
                out = InFlight(clock.monotonic(), float(work.duration_s))
                standing.in_flight.append(out)
            self._observe(event)

        def back() -> None:
            nonlocal out
            if out is not None:
                standing.in_flight.remove(out)
                out = None

        async def judged(renditions: Sequence[Rendition]) -> None:
            if out is not None:
                standing.scores.append(latency_score(clock.monotonic() - out.sent_s, out.duration_s))
            back()
            if compare is not None:
                await compare(renditions)

        try:
            return await self._shared.exchange.attempt(engagement, self._order, work, job, observe, judged)
        finally:
            back()

    async def _beside(self, engagement: Engagement, compare: Compare | None, work: Segment) -> Side | None:
        """Work of somebody for a comparison. Who fails is dropped as ever; the segment itself does not depend on it."""
        job = Job()
        job.step(Step.CHOSEN)
        try:
            while True:
                offer = engagement.offer
                try:
                    return Side(engagement, await self._attempt(engagement, work, job, compare), job.progress)
                except (*PEERS, MediaError) as error:
                    failure: LivepeerError = error
                renewed, failure, reaction = await self._reacted(engagement, work, job, failure, offer)
                if renewed:
                    continue
                _log.info("no comparison segment=%d uri=%s reason=%s", work.seq, engagement.uri, failure)
                if reaction.then is Step.SWAP:
                    self._chooser.drop(engagement, failure, reaction.hold)
                return None
        except Bug:
            raise
        except LivepeerError as error:
            # Ours: whoever the segment is meant for meets it as well, and says so.
            _log.warning("no comparison segment=%d reason=%s", work.seq, error)
            return None

    async def _reacted(
        self, engagement: Engagement, work: Segment, job: Job, failure: LivepeerError, offer: Offer
    ) -> tuple[bool, LivepeerError, Reaction]:
        """What the table says of a failure; whether there are new terms to go on with, and of what it failed else."""
        reaction = job.failed(failure)
        while reaction.then is Step.RENEW:
            try:
                await self._shared.payer.renew(engagement, self._job, instead_of=offer)
            except PEERS as again:
                failure, reaction = again, job.failed(again)
            else:
                why = failure.reason if isinstance(failure, (ParamsRejected, PeerRefused)) else str(failure)
                self._observe(Renewed(work.seq, engagement.address, why))
                return True, failure, reaction
        return False, failure, reaction

    async def _renewed(
        self, engagement: Engagement, work: Segment, job: Job, failure: LivepeerError, offer: Offer
    ) -> bool:
        """React to a failure: True to try the same orchestrator on new terms, False to go on without it, if the table
        does not have it given up.

        :raises MediaError: the table has it returned.
        :raises AccountShort: it is ours.
        """
        renewed, failure, reaction = await self._reacted(engagement, work, job, failure, offer)
        if renewed:
            return True
        if reaction.then is Step.RETURN or TRANSCODING.is_ours(cause_of(failure)):
            raise failure
        job.failures[engagement.address] = (engagement.offer.member.service_uri, failure)
        self.swaps += 1
        self._chooser.drop(engagement, failure, reaction.hold)
        self._observe(
            Swapped(
                work.seq, engagement.address, engagement.uri, job.progress.attempts, failure, code=cause_of(failure)
            )
        )
        return False

    # --- comparing --------------------------------------------------------------------------------

    def _plan(self, engagement: Engagement, job: Job) -> Plan:
        """Who works on a segment of a stream that is in the hands of `engagement`."""
        shared, trusts = self._shared, self._shared.trusts
        frequency, draw = self.verification, shared.draw
        if not frequency or shared.trusts_fully(engagement.address):
            return Plan(engagement)
        drawn = draw()
        if works_alone(frequency, [trust_of(trusts, engagement.address).verified], drawn) is not None:
            return Plan(engagement)
        second = self._chooser.beside(Pool.UNTRUSTED, {engagement.address, *job.failures})
        untrusted = [engagement] if second is None else [engagement, second]
        alone = works_alone(frequency, [trust_of(trusts, each.address).verified for each in untrusted], drawn)
        if alone is not None:
            return Plan(untrusted[alone])
        trusted = self._chooser.beside(Pool.TRUSTED, {*(each.address for each in untrusted), *job.failures})
        return Plan(engagement) if trusted is None else Plan(engagement, second, trusted)

    def _check(self, plan: Plan, work: Segment) -> Check | None:
        if plan.trusted is None:
            return None
        return Check(
            work.seq,
            plan.trusted,
            plan.second,
            self._shared.media,
            partial(self._beside, work=work),
            self._observe,
            self._shared.compared,
            self._chooser.run_beside,
        )
