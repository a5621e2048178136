"""Who gets the next segment of a stream, and who stands by (offchain-network 3).

The rules are policy.selection's and policy.sessions'; live and AI jobs choose by the same `Choices` and `Chooser`.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from livepeer_client.codec.gateway_api import Role, Use
from livepeer_client.codec.messages import Capabilities
from livepeer_client.errors import Bug, LivepeerError, NoOrchestrator
from livepeer_client.policy.discovery import (
    Offer,
    Rejection,
    RejectReason,
    Suspensions,
    heeded_s,
    joined,
    suspend,
    suspension,
)
from livepeer_client.policy.price_list import Model
from livepeer_client.policy.selection import Criteria, How, Selection, select
from livepeer_client.policy.sessions import InFlight, ask_size, explores, keeps_up, wants_refresh
from livepeer_client.policy.trust import Pool
from livepeer_client.policy.workloads import Hold, Table
from livepeer_client.services.choices import PEERS, Choices, ended, retry_after_s
from livepeer_client.services.discovery import DiscoveryReport
from livepeer_client.services.dispatch_events import Chosen, Observer
from livepeer_client.services.paying import Engagement, Payer
from livepeer_client.types import Address

__all__ = ["PEERS", "Choices", "Chooser", "Standing"]

_KEPT_SCORES: Final = 8
T = TypeVar("T")
_log = logging.getLogger(__name__)
AGAIN_S: Final = 5.0
"""How long after a discovery that failed the next one is tried, while an older one's report will do."""


@dataclass(slots=True)
class Standing:
    """What a stream knows of one orchestrator: its latency scores, the newest last, and what is out with it."""

    scores: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT_SCORES))
    in_flight: list[InFlight] = field(default_factory=list)


class Chooser:
    """Who gets the next segment of one stream. Engagements are never shared with another stream.

    `workload` and `name` say what for, to whoever looks at the gateway. `compares`: whether a trusted orchestrator is
    kept at hand for comparisons; as the rules say if nobody says otherwise.
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
        warm: Model | None = None,
        compares: Callable[[], bool] | None = None,
    ) -> None:
        self.current: Engagement | None = None
        self._how = how
        self._warm = warm
        self._compares = compares or (lambda: shared.rules.verification > 0)
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
        self._background: set[asyncio.Task[Any]] = set()
        self._refreshing = False
        self._failed_at_s: float | None = None
        self.waits: Suspensions = {}
        """Who asked this stream to come back later, though it is not to blame for anything."""
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

    def drop(self, engagement: Engagement, cause: LivepeerError, hold: Hold, *, void: bool = True) -> None:
        """Whoever failed works for this stream no more until it makes a new offer, or unless `void`, until it is chosen
        again."""
        address = engagement.address
        self._shared.suspend(address, cause, hold)
        wanted_s = retry_after_s(cause)
        if hold is Hold.NONE and wanted_s is not None:
            for_s = heeded_s(0.0, wanted_s, self._shared.rules.retry_after_s)
            now_s = self._shared.clock.monotonic()
            self.waits = suspend(self.waits, address, now_s=now_s, for_s=for_s, cause=str(cause), asked=True)
        if self.current is engagement:
            self.current = None
        if not void:
            return
        self._failed[address] = Rejection(engagement.offer.member, RejectReason.FAILED, {"cause": cause})
        if self._engagements.get(address) is engagement:
            del self._engagements[address]
        self.standing(address).scores.clear()

    def is_out(self, address: Address) -> bool:
        """Whether it is suspended, for this stream or for all."""
        now_s = self._shared.clock.monotonic()
        return self._shared.is_suspended(address) or suspension(self.waits, address, now_s) is not None

    def beside(self, pool: Pool, others: Collection[Address]) -> Engagement | None:
        """Somebody of a pool who works on the same segment as `others`, so that their work can be compared; the standby
        first, since its terms are fresh."""
        if self._report is None:
            return None
        standby = None if self._standby is None else self._standby[0]
        usable = standby is not None and standby.address not in others and self._is_good(standby)
        if standby is not None and usable and self._shared.pool_of(standby.offer.member) is pool:
            return standby
        criteria = replace(self._criteria({}), pool=pool, in_use=set(others))
        selection = select(self._usable(self._report), (), criteria, self._shared.draw())
        if selection.chosen is None or selection.last_resort:
            return None
        return self._engagement(selection.chosen)

    async def close(self) -> None:
        """End what runs beside the segments."""
        self._shared.leave(self)
        await ended(self._background)

    async def explained(self) -> tuple[DiscoveryReport, Selection]:
        """What the next choice would find now, and whom it would choose, going by what is known of them here. Nobody is
        engaged.

        :raises LivepeerError: the pool cannot be read.
        """
        report = await self._shared.discover(self._job, everybody=True)
        # A new offer makes up for an old one's failure.
        return report, self._shared.select(report.offers, report.rejections, self._criteria({}))

    async def engaged(self, seq: int, tried: Mapping[Address, object], observe: Observer | None = None) -> Engagement:
        """Whoever works on segment `seq`; `tried` have failed on it.

        :param observe: is told of this choice and later ones, where each job has an observer of its own.
        :raises NoOrchestrator: nobody is left; with each one's reason.
        :raises LivepeerError: the pool cannot be read, and never was.
        """
        self._shared.surface()
        async with self._choosing:
            self._observe = observe or self._observe
            current = self.current
            if current is None or current.address in tried or self.is_out(current.address):
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
        scores = self.scores()
        # Asked with every segment; a whole choice among a large pool takes milliseconds.
        if report is None or all(offer.member.address in scores for offer in self._usable(report)):
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
        if report is None:
            report, fresh = await self._discover(), True
        elif now_s - self._report_at_s > self._shared.rules.report_ttl_s:
            report, fresh = await self._rediscovered(report), True
        criteria = replace(self._criteria(tried), in_use=in_use)
        selection = self._select(report, criteria)
        if not fresh and (selection.chosen is None or selection.last_resort):
            selection = self._select(await self._rediscovered(self._report or report), criteria)
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
        criteria = self._shared.criteria(self.scores(), tried, self._job)
        return replace(criteria, how=self._how, warm=self._warm, suspensions=joined(criteria.suspensions, self.waits))

    async def _discover(self) -> DiscoveryReport:
        self._report = await self._shared.discover(self._job)
        self._report_at_s = self._shared.clock.monotonic()
        self._failed_at_s = None
        self._failed.clear()
        return self._report

    async def _rediscovered(self, stale: DiscoveryReport) -> DiscoveryReport:
        """A new report, or the one there is where none can be had."""
        if self._failed_at_s is not None and self._shared.clock.monotonic() - self._failed_at_s < AGAIN_S:
            return stale
        try:
            return await self._discover()
        except Bug:
            raise
        except (LivepeerError, OSError) as error:
            # A source that is away does not make those it named go away.
            _log.warning("orchestrators not looked for again, keeping those known reason=%s", error)
            self._failed_at_s = self._shared.clock.monotonic()
            return stale

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
        address = standby[0].address
        return None if address in tried or address in in_use or not self._is_good(standby[0]) else standby

    def _is_good(self, standby: Engagement) -> bool:
        """Whether it can still take over at once: nothing speaks against it that would have spoken against choosing
        it. What it offers itself is renewed as it ends."""
        address, ceiling = standby.address, self._shared.rules.ceiling_for(self._job)
        if address in self._failed or address in self._shared.rules.blocked or self.is_out(address):
            return False
        return ceiling is None or self._shared.rules.ceiling_yields or standby.offer.price <= ceiling

    def look_ahead(self) -> None:
        """Between two segments: keep a standby warm, and look for more sessions while few are left."""
        self._served += 1
        if not self._shared.rules.warm_standby or self.current is None or self._report is None:
            return
        report, current = self._report, self.current
        age_s = self._shared.clock.monotonic() - self._report_at_s
        if age_s > self._shared.rules.report_ttl_s and not self._refreshing and self._wants_more(report):
            self._refreshing = True
            self.run_beside(self._refreshed(report))
        standby = None if self._standby is None else self._standby[0]
        if standby is not None and (standby.address == current.address or not self._is_good(standby)):
            self._standby = None
        if self._standby is None and any(offer.member.address != current.address for offer in self._usable(report)):
            selection = self._select(report, replace(self._criteria({}), in_use={current.address}))
            if selection.chosen is not None and not selection.last_resort:
                self._standby = (self._engagement(selection.chosen), selection)
        if self._standby is not None:
            self.run_beside(self._kept_warm(self._standby[0]))

    def _wants_more(self, report: DiscoveryReport) -> bool:
        """Whether too few of a pool are left that work may go to."""
        members = [*(offer.member for offer in report.offers), *(no.member for no in report.rejections)]
        sizes = Counter(self._shared.pool_of(member) for member in members)
        held = Counter(
            self._shared.pool_of(offer.member)
            for offer in self._usable(report)
            if not self.is_out(offer.member.address)
        )
        pools = [Pool.UNTRUSTED] if sizes[Pool.UNTRUSTED] else [Pool.TRUSTED]
        if self._compares() and pools == [Pool.UNTRUSTED]:
            pools.append(Pool.TRUSTED)
        return any(wants_refresh(held[pool], ask_size(pool, sizes[pool])) for pool in pools)

    def run_beside(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run something that no segment has to wait for, until it ends or the stream does."""
        task = self._shared.beside(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _refreshed(self, stale: DiscoveryReport) -> None:
        try:
            await self._rediscovered(stale)
        finally:
            self._refreshing = False

    async def _kept_warm(self, standby: Engagement) -> None:
        try:
            await self._payer.renew_if_due(standby, self._job)
        except PEERS as error:
            _log.info("standby given up uri=%s reason=%s", standby.uri, error)
            if self._standby is not None and self._standby[0] is standby:
                self._standby = None
            self._failed[standby.address] = Rejection(standby.offer.member, RejectReason.FAILED, {"cause": error})
        except Bug:
            raise
        except (LivepeerError, OSError) as error:
            # Ours: the next segment tries again, or meets the same and says so.
            _log.warning("standby not renewed uri=%s reason=%s", standby.uri, error)


def _nobody(selection: Selection, tried: Mapping[Address, object]) -> NoOrchestrator:
    """With each one's reason; of those tried, what they failed of."""
    lines = []
    for line in selection.candidates:
        failure = tried.get(line.address)
        lines.append((line.uri, str(failure[1]) if isinstance(failure, tuple) else line.reason))
    return NoOrchestrator(lines)
