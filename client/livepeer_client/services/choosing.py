"""Who gets the next segment of a stream, and who stands by (offchain-network 3).

The rules are policy.selection's and policy.sessions'; live and AI jobs choose by the same `Choices` and `Chooser`.
"""

import asyncio
import logging
import secrets
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from livepeer_client.codec.gateway_api import KnownOrchestrator, Role, Use
from livepeer_client.codec.messages import Capabilities
from livepeer_client.errors import (
    ChainError,
    LivepeerError,
    NoOrchestrator,
    ParamsRejected,
    RemoteProtocolError,
    TransportError,
)
from livepeer_client.policy.discovery import Offer, Rejection, RejectReason, Suspensions, suspend, suspension
from livepeer_client.policy.selection import Criteria, How, Selection, select
from livepeer_client.policy.sessions import InFlight, ask_size, explores, keeps_up, wants_refresh
from livepeer_client.policy.trust import Pool, Trust, trust_of
from livepeer_client.policy.workloads import Hold, Table
from livepeer_client.ports import Clock
from livepeer_client.services.discovery import DiscoveryReport, DiscoveryService
from livepeer_client.services.dispatch_events import Chosen, DispatchRules, Observer
from livepeer_client.services.gateway_view import KnownOrchestrators
from livepeer_client.services.paying import Engagement, Payer
from livepeer_client.types import Address

_KEPT_SCORES: Final = 8
_log = logging.getLogger(__name__)
_chance: Final = secrets.SystemRandom()
PEERS: Final = (RemoteProtocolError, TransportError, ParamsRejected)


class Choices:
    """What all choices of one gateway have in common, whatever the work: rules, suspensions, trust and chance.

    `rules` may be replaced at any time.

    :param draw: yields numbers in [0, 1); with a seeded one every choice can be repeated.
    :param given_trust: the score in [0, 1] that an offer's source gave it.
    :param performance: scores in [0, 1] by an outside measurement, as of now.
    """

    def __init__(
        self,
        discovery: DiscoveryService,
        clock: Clock,
        rules: DispatchRules,
        *,
        draw: Callable[[], float] = _chance.random,
        given_trust: Callable[[Offer], float] = lambda offer: offer.member.score,
        performance: Callable[[], Mapping[Address, float]] = dict,
    ) -> None:
        self.discovery = discovery
        self.clock = clock
        self.rules = rules
        self.draw = draw
        self.suspensions: Suspensions = {}
        self._performance = performance
        self.trusts: dict[Address, Trust] = {}
        self._given_trust = given_trust
        self._background: set[asyncio.Task[None]] = set()
        self._known = KnownOrchestrators(clock)
        # Streams that nobody closes go with whoever held them.
        self._choosers: weakref.WeakSet[Chooser] = weakref.WeakSet()

    def known(self) -> tuple[KnownOrchestrator, ...]:
        """Every orchestrator met by discovery: its newest price, scores and trust, whether and why it is suspended,
        and which streams, models and live sessions use it now. Reads nothing but memory."""
        scores: dict[Address, float] = {}
        uses: defaultdict[Address, list[Use]] = defaultdict(list)
        for chooser in self._choosers:
            for address, score in chooser.scores().items():
                scores[address] = max(score, scores.get(address, score))
            for address, use in chooser.uses():
                uses[address].append(use)
        for each in uses.values():
            each.sort(key=lambda use: (use.workload, use.name, use.role.value))
        return self._known.view(self.suspensions, self.trusts, self.rules.trusted_from, scores, uses)

    def enter(self, chooser: "Chooser") -> None:
        """Show what a chooser uses."""
        self._choosers.add(chooser)

    def leave(self, chooser: "Chooser") -> None:
        """It uses nobody any more."""
        self._choosers.discard(chooser)

    async def close(self) -> None:
        """End what runs beside the streams."""
        await _ended(self._background)

    def beside(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something that no segment waits for, until it ends or `close`."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def discover(self, job: Capabilities) -> DiscoveryReport:
        """Who can do a job; whom nobody has judged yet gets the trust its source gives it."""
        report = await self.discovery.shared(job)
        self._known.note(report.offers, report.rejections)
        for offer in report.offers:
            self.trusts.setdefault(offer.member.address, Trust(self._given_trust(offer)))
        return report

    def select(self, offers: Sequence[Offer], rejections: Sequence[Rejection], criteria: Criteria) -> Selection:
        """One of the untrusted pool, else of the trusted one, which others' work is compared with."""
        first = select(offers, rejections, replace(criteria, pool=Pool.UNTRUSTED), self.draw())
        if first.chosen is not None and not first.last_resort:
            return first
        trusted = [offer for offer in offers if self._pool(offer.member.address) is Pool.TRUSTED]
        return select(offers, rejections, criteria, self.draw()) if trusted else first

    def _pool(self, address: Address) -> Pool:
        return trust_of(self.trusts, address).pool(self.rules.trusted_from)

    def trusts_fully(self, address: Address) -> bool:
        """Whether others' work is compared with this one's."""
        return self._pool(address) is Pool.TRUSTED

    def criteria(
        self,
        latency_scores: Mapping[Address, float] | None = None,
        tried: Collection[Address] = (),
        job: Capabilities | None = None,
    ) -> Criteria:
        """What a choice made now goes by."""
        rules = self.rules
        return Criteria(
            now_s=self.clock.monotonic(),
            ceiling=rules.ceiling if job is None else rules.ceiling_for(job),
            ceiling_yields=rules.ceiling_yields,
            weights=rules.weights,
            suspensions=self.suspensions,
            latency_scores=latency_scores or {},
            tried=tried,
            blocked=rules.blocked,
            trusts=self.trusts,
            trusted_from=rules.trusted_from,
            performance=self._performance(),
            min_performance=rules.min_performance,
        )

    def suspend(self, address: Address, cause: LivepeerError, hold: Hold) -> None:
        """Keep an orchestrator out for as long as the workload's table says."""
        if hold is Hold.NONE:
            return
        self.suspensions = suspend(
            self.suspensions,
            address,
            now_s=self.clock.monotonic(),
            for_s=self.rules.hold_s(hold),
            cause=str(cause),
            barred=hold is Hold.BAR,
        )

    def is_suspended(self, address: Address) -> bool:
        return suspension(self.suspensions, address, self.clock.monotonic()) is not None

    def compared(self, address: Address, *, agreed: bool) -> None:
        """Remember what a verification found."""
        self.trusts[address] = trust_of(self.trusts, address).after(agreed=agreed)


@dataclass(slots=True)
class Standing:
    """What a stream knows of one orchestrator: its latency scores, the newest last, and what is out with it."""

    scores: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_SCORES))
    in_flight: list[InFlight] = field(default_factory=list)


class Chooser:
    """Who gets the next segment of one stream. Engagements are never shared with another stream.

    `workload` and `name` say what for, to whoever looks at the gateway.
    """

    def __init__(
        self,
        shared: Choices,
        payer: Payer,
        job: Capabilities,
        observe: Observer,
        how: How = How.LOTTERY,
        *,
        workload: Table,
        name: str,
    ) -> None:
        self.current: Engagement | None = None
        self._how = how
        self._shared = shared
        self._payer = payer
        self._job = job
        self._observe = observe
        self._report: DiscoveryReport | None = None
        self._report_at_s = 0.0
        self._failed: dict[Address, Rejection] = {}
        self._engagements: dict[Address, Engagement] = {}
        self._standings: dict[Address, Standing] = {}
        self._standby: tuple[Engagement, Selection] | None = None
        self._choosing = asyncio.Lock()
        self._served = 0
        self._explored = 0
        self._background: set[asyncio.Task[None]] = set()
        self._refreshing = False
        self._workload = workload
        self._name = name
        shared.enter(self)

    def uses(self) -> list[tuple[Address, Use]]:
        """Who works and who stands by."""
        standby = None if self._standby is None else self._standby[0]
        roles = ((self.current, Role.WORKING), (standby, Role.STANDBY))
        return [
            (engagement.address, Use(self._workload.name, self._name, role))
            for engagement, role in roles
            if engagement is not None
        ]

    def standing(self, address: Address) -> "Standing":
        """What this stream knows of an orchestrator."""
        return self._standings.setdefault(address, Standing())

    def drop(self, engagement: Engagement, cause: LivepeerError, hold: Hold) -> None:
        """Whoever failed works for this stream no more until it makes a new offer."""
        address = engagement.address
        self._shared.suspend(address, cause, hold)
        self._failed[address] = Rejection(engagement.offer.member, RejectReason.FAILED, {"cause": cause})
        if self._engagements.get(address) is engagement:
            del self._engagements[address]
        self.standing(address).scores.clear()
        if self.current is engagement:
            self.current = None

    def trusted(self, besides: Address) -> Engagement | None:
        """Somebody trusted, to compare the work of `besides` with."""
        if self._report is None:
            return None
        criteria = replace(self._criteria({}), pool=Pool.TRUSTED, in_use={besides})
        selection = select(self._usable(self._report), (), criteria, self._shared.draw())
        if selection.chosen is None or selection.last_resort:
            return None
        return self._engagement(selection.chosen)

    async def close(self) -> None:
        """End what runs beside the segments."""
        self._shared.leave(self)
        await _ended(self._background)

    async def engaged(self, seq: int, tried: Mapping[Address, object]) -> Engagement:
        """Whoever works on segment `seq`; `tried` have failed on it.

        :raises NoOrchestrator: nobody is left; with each one's reason.
        :raises ChainError: the pool cannot be read.
        """
        async with self._choosing:
            current = self.current
            if current is None or current.address in tried or self._shared.is_suspended(current.address):
                self.current = None
                current = self.current = await self._choose(seq, tried)
                return current
            standing = self.standing(current.address)
            if not keeps_up(standing.in_flight, self._shared.clock.monotonic(), self._patience):
                return await self._relieved(seq, current, tried)
            if self._shared.rules.hysteresis.leaves(tuple(standing.scores)):
                current = self.current = await self._faster(seq, current, tried)
            elif explores(self._served, self._explored, self._shared.rules.explore):
                return self._explored_one(seq, current)
            return current

    async def _relieved(self, seq: int, current: Engagement, tried: Mapping[Address, object]) -> Engagement:
        """Somebody else for a segment, because the current one is behind; itself if it is not too far behind and there
        is nobody."""
        try:
            self.current = await self._choose(seq, tried, in_use={current.address})
        except NoOrchestrator:
            in_flight = self.standing(current.address).in_flight
            if not keeps_up(in_flight, self._shared.clock.monotonic(), 2 * self._patience):
                raise
        return self.current or current

    async def _faster(self, seq: int, current: Engagement, tried: Mapping[Address, object]) -> Engagement:
        """Whom to go on with where the current one has become too slow: itself, unless another is clearly faster or
        unknown."""
        other = await self._choose(seq, tried)
        scores = self.scores()
        mine, its = scores.get(current.address), scores.get(other.address)
        if mine is not None and its is not None and not self._shared.rules.hysteresis.moves(mine, its):
            return current
        return other

    def _explored_one(self, seq: int, current: Engagement) -> Engagement:
        """A stranger for one segment, if there is one; the current one stays what it is."""
        report = self._report
        if report is None:
            return current
        selection = self._select(report, replace(self._criteria({}), explore=True))
        if selection.chosen is None or not selection.explored:
            return current
        self._explored += 1
        self._observe(Chosen(seq, selection.chosen.member.address, selection.candidates))
        return self._engagement(selection.chosen)

    async def _choose(self, seq: int, tried: Mapping[Address, object], in_use: Collection[Address] = ()) -> Engagement:
        ready = self._ready(tried, in_use)
        if ready is not None:
            engagement, selection = ready
            self._observe(Chosen(seq, engagement.address, selection.candidates))
            return engagement
        now_s = self._shared.clock.monotonic()
        report, fresh = self._report, False
        if report is None or now_s - self._report_at_s > self._shared.rules.report_ttl_s:
            report, fresh = await self._discover(), True
        criteria = replace(self._criteria(tried), in_use=in_use)
        selection = self._select(report, criteria)
        if not fresh and (selection.chosen is None or selection.last_resort):
            selection = self._select(await self._discover(), criteria)
        chosen = selection.chosen
        self._observe(Chosen(seq, chosen.member.address if chosen else None, selection.candidates))
        if chosen is None:
            raise _nobody(selection, tried)
        return self._engagement(chosen)

    @property
    def _patience(self) -> float:
        """A gateway that gives everybody more time does so here as well, but never less."""
        return max(1.0, self._shared.rules.timeout_multiplier)

    def _engagement(self, offer: Offer) -> Engagement:
        known = self._engagements.get(offer.member.address)
        if known is None:
            borrowed = not self._shared.discovery.take(offer)
            known = self._engagements[offer.member.address] = Engagement(offer, offer.price, borrowed=borrowed)
        return known

    def scores(self) -> dict[Address, float]:
        """Latency scores of those who worked, the newest of each."""
        return {address: its.scores[-1] for address, its in self._standings.items() if its.scores}

    def _criteria(self, tried: Mapping[Address, object]) -> Criteria:
        return replace(self._shared.criteria(self.scores(), tried, self._job), how=self._how)

    async def _discover(self) -> DiscoveryReport:
        self._report = await self._shared.discover(self._job)
        self._report_at_s = self._shared.clock.monotonic()
        self._failed.clear()
        return self._report

    def _usable(self, report: DiscoveryReport) -> list[Offer]:
        # An offer that failed is void until the orchestrator makes a new one: it may have restarted since.
        return [offer for offer in report.offers if offer.member.address not in self._failed]

    def _select(self, report: DiscoveryReport, criteria: Criteria) -> Selection:
        return self._shared.select(self._usable(report), [*report.rejections, *self._failed.values()], criteria)

    # --- ahead of need ----------------------------------------------------------------------------

    def _ready(
        self, tried: Mapping[Address, object], in_use: Collection[Address]
    ) -> tuple[Engagement, Selection] | None:
        """The standby, where the current one has failed and it may be used as it is; it is the standby no more."""
        if self._standby is None or self.current is not None:
            return None
        standby, self._standby = self._standby, None
        address, ceiling = standby[0].address, self._shared.rules.ceiling_for(self._job)
        too_dear = ceiling is not None and standby[0].offer.price > ceiling
        out = address in tried or address in in_use or address in self._failed or self._shared.is_suspended(address)
        return None if out or too_dear else standby

    def look_ahead(self) -> None:
        """Between two segments: keep a standby warm, and look for more sessions while few are left."""
        self._served += 1
        if not self._shared.rules.warm_standby or self.current is None or self._report is None:
            return
        report, current = self._report, self.current
        held = sum(not self._shared.is_suspended(offer.member.address) for offer in self._usable(report))
        asked = ask_size(Pool.UNTRUSTED, len(report.offers) + len(report.rejections))
        age_s = self._shared.clock.monotonic() - self._report_at_s
        if wants_refresh(held, asked) and age_s > self._shared.rules.report_ttl_s and not self._refreshing:
            self._refreshing = True
            self._beside(self._refreshed())
        if self._standby is not None and self._standby[0].address == current.address:
            self._standby = None
        if self._standby is None:
            selection = self._select(report, replace(self._criteria({}), in_use={current.address}))
            if selection.chosen is not None and not selection.last_resort:
                self._standby = (self._engagement(selection.chosen), selection)
        if self._standby is not None:
            self._beside(self._kept_warm(self._standby[0]))

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._shared.beside(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _refreshed(self) -> None:
        try:
            await self._discover()
        except ChainError as error:
            _log.info("no more sessions looked for reason=%s", error)
        finally:
            self._refreshing = False

    async def _kept_warm(self, standby: Engagement) -> None:
        try:
            await self._payer.renew_if_due(standby, self._job)
        except (*PEERS, ChainError) as error:
            _log.info("standby given up uri=%s reason=%s", standby.uri, error)
            if self._standby is not None and self._standby[0] is standby:
                self._standby = None
            self._failed[standby.address] = Rejection(standby.offer.member, RejectReason.FAILED, {"cause": error})


def _nobody(selection: Selection, tried: Mapping[Address, object]) -> NoOrchestrator:
    """With each one's reason; of those tried, what they failed of."""
    lines = []
    for line in selection.candidates:
        failure = tried.get(line.address)
        lines.append((line.uri, str(failure[1]) if isinstance(failure, tuple) else line.reason))
    return NoOrchestrator(lines)


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    running = list(tasks)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
