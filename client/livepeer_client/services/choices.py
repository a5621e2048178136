"""What all choices of one gateway have in common (offchain-network 3): rules, suspensions, trust and chance."""

import asyncio
import logging
import secrets
import weakref
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from livepeer_client.codec.gateway_api import KnownOrchestrator, Use
from livepeer_client.codec.messages import Capabilities, RegisteredOrchestrator
from livepeer_client.errors import LivepeerError, ParamsRejected, PeerRefused, RemoteProtocolError, TransportError
from livepeer_client.policy.discovery import (
    Offer,
    Rejection,
    Suspensions,
    heeded_s,
    joined,
    suspend,
    suspension,
)
from livepeer_client.policy.selection import Criteria, How, Selection, select
from livepeer_client.policy.trust import Pool, Trust, trust_of
from livepeer_client.policy.workloads import Hold
from livepeer_client.ports import Clock
from livepeer_client.services.discovery import DiscoveryReport, DiscoveryService
from livepeer_client.services.dispatch_events import DispatchRules
from livepeer_client.services.gateway_view import KnownOrchestrators
from livepeer_client.types import Address

if TYPE_CHECKING:
    from livepeer_client.services.choosing import Chooser

PEERS: Final = (RemoteProtocolError, TransportError, ParamsRejected)
"""What an attempt with an orchestrator fails of; whose fault it is, the workload's table says."""
T = TypeVar("T")
_log = logging.getLogger(__name__)
_chance: Final = secrets.SystemRandom()


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
        self._background: set[asyncio.Task[Any]] = set()
        self._known = KnownOrchestrators(clock)
        # Streams that nobody closes go with whoever held them.
        self._choosers: weakref.WeakSet[Chooser] = weakref.WeakSet()
        self._fault: BaseException | None = None

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
        out = self.suspensions
        for chooser in self._choosers:
            out = joined(out, chooser.waits)
        for each in uses.values():
            each.sort(key=lambda use: (use.workload, use.name, use.role.value))
        return self._known.view(out, self.trusts, self.rules.trusted_from, scores, uses)

    def enter(self, chooser: "Chooser") -> None:
        """Show what a chooser uses."""
        self._choosers.add(chooser)

    def leave(self, chooser: "Chooser") -> None:
        """It uses nobody any more."""
        self._choosers.discard(chooser)

    async def close(self) -> None:
        """End what runs beside the streams."""
        await ended(self._background)

    def beside(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run something that no segment waits for, until it ends or `close`; what it raises is logged, and raised by
        the next choice, lest it be overlooked."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._background.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("what runs beside the streams failed", exc_info=fault)
            self._fault = fault

    def surface(self) -> None:
        """Raise what `beside` came to grief of, once."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    async def discover(self, job: Capabilities, *, everybody: bool = False) -> DiscoveryReport:
        """Who can do a job, or `everybody` with an answer; whom nobody has judged yet gets the trust its source gives
        it."""
        report = await (self.discovery.refresh(job, everybody=True) if everybody else self.discovery.shared(job))
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

    async def explained(self, job: Capabilities, how: How = How.LOTTERY) -> tuple[DiscoveryReport, Selection]:
        """What a choice for `job` would find now, and whom it would choose. Nobody is engaged.

        :raises LivepeerError: the pool cannot be read.
        """
        report = await self.discover(job, everybody=True)
        return report, self.select(report.offers, report.rejections, replace(self.criteria(job=job), how=how))

    def _pool(self, address: Address) -> Pool:
        return trust_of(self.trusts, address).pool(self.rules.trusted_from)

    def pool_of(self, member: RegisteredOrchestrator) -> Pool:
        """Of whoever has not made an offer yet, the one its source puts it into."""
        trust = self.trusts.get(member.address) or Trust(member.score)
        return trust.pool(self.rules.trusted_from)

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
        """Keep an orchestrator out for as long as the workload's table says, or it asks for itself."""
        if hold is Hold.NONE:
            return
        wanted_s, hold_s = retry_after_s(cause), self.rules.hold_s(hold)
        for_s = heeded_s(hold_s, wanted_s, self.rules.retry_after_s)
        self.suspensions = suspend(
            self.suspensions,
            address,
            now_s=self.clock.monotonic(),
            for_s=for_s,
            cause=str(cause),
            barred=hold is Hold.BAR,
            asked=wanted_s is not None,
        )

    def is_suspended(self, address: Address) -> bool:
        """Whether an orchestrator is out for everything that this gateway buys."""
        return suspension(self.suspensions, address, self.clock.monotonic()) is not None

    def compared(self, address: Address, *, agreed: bool) -> None:
        """Remember what a verification found."""
        self.trusts[address] = trust_of(self.trusts, address).after(agreed=agreed)


def retry_after_s(cause: LivepeerError) -> float | None:
    """The wait that a refusal asks for."""
    return cause.retry_after_s if isinstance(cause, PeerRefused) else None


async def ended(tasks: "set[asyncio.Task[Any]]") -> None:
    """Cancel tasks and wait until they are over."""
    running = list(tasks)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
