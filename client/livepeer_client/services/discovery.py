"""Find out who can do a job: ask the whole pool at once, and say of everybody why or why not."""

import asyncio
import secrets
from collections.abc import Callable, Collection, MutableSequence, Sequence
from dataclasses import dataclass, replace
from typing import Final

from livepeer_client.codec.credentials import AUTH_TOKEN_LIFETIME_S, orchestrator_request_digest, ping_digest
from livepeer_client.codec.messages import Capabilities, OrchestratorInfo, OrchestratorRequest, RegisteredOrchestrator
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.codec.wire import encode_capabilities
from livepeer_client.errors import PeerRefused, RemoteProtocolError, TransportError
from livepeer_client.policy.discovery import (
    Offer,
    ProbePlan,
    Rejection,
    RejectReason,
    Stop,
    Tally,
    classify,
    enough_of_each,
    pool_of,
    refuse_unasked,
    stop_after_answer,
    stop_at_wake,
)
from livepeer_client.policy.nodes import further, thinned
from livepeer_client.policy.sources import Origin
from livepeer_client.policy.trust import Pool
from livepeer_client.policy.uri import origin
from livepeer_client.ports import Clock, KeyProofs, OrchestratorProbe, OrchestratorSource, Signer
from livepeer_client.services.own_signer import signed
from livepeer_client.types import Address, Signature

# Shorter than anything else that an orchestrator's key signs, or an honest one would have to refuse.
_CHALLENGE_BYTES: Final = 16
PROOF_S: Final = 600.0
"""How long a key that was proven at a URI counts as being there, where nothing else says."""

_chance: Final = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class DiscoveryReport:
    """What one discovery found. `offers` by rising latency, `rejections` in the order of the pool."""

    offers: tuple[Offer, ...]
    rejections: tuple[Rejection, ...]
    stop: Stop
    took_s: float


@dataclass(frozen=True, slots=True)
class _Wake:
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class _Answer:
    outcome: Offer | Rejection
    info: OrchestratorInfo | None = None


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[DiscoveryReport]
    waiting: int = 0


class DiscoveryService:
    """Probes the pool of `source`, which may be the chain itself.

    With `challenge`, everybody who makes an offer must also sign a random value with the registered key: an answer
    alone proves nothing, since terms can be copied (offchain-network 2.4, A). The challenge goes out beside the
    request, so it costs no time; where a key was proven before, `proofs` says (without them, for ten minutes).

    :param blocked: addresses that are never used, as orchestrator or as recipient.
    :param extra_nodes: further nodes asked per answer, and used per operator.
    :param shuffle: the order in which a pool larger than the plan's fan-out is asked.
    """

    def __init__(
        self,
        source: OrchestratorSource,
        probe: OrchestratorProbe,
        signer: Signer,
        clock: Clock,
        *,
        plan: ProbePlan | None = None,
        challenge: bool = True,
        blocked: Collection[bytes] = (),
        extra_nodes: int = 0,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
        shuffle: Callable[[MutableSequence[RegisteredOrchestrator]], None] = _chance.shuffle,
        proofs: KeyProofs | None = None,
    ) -> None:
        self._source = source
        self._probe = probe
        self._signer = signer
        self.clock = clock
        self.plan = plan or ProbePlan()
        self._challenge = challenge
        self.blocked = frozenset(blocked)
        self.extra_nodes = extra_nodes
        self._random_bytes = random_bytes
        self.shuffle = shuffle
        self._signature: Signature | None = None
        self._proofs = proofs or _Proofs(clock)
        self._flights: dict[bytes, _Flight] = {}
        self._taken: dict[tuple[Address, str], float] = {}

    async def refresh(self, job: Capabilities, *, survey: bool = False, everybody: bool = False) -> DiscoveryReport:
        """Ask everybody in the pool for `job`, all at once; end early as the plan says, but with `everybody` not for
        having enough of those that the network asks for.

        An empty pool is a normal answer. With `survey` everybody is asked for all they offer, whether they have room
        now or not, and judged by `job` all the same.

        :raises LivepeerError: the pool cannot be told; `ChainError` if it is the chain's.
        """
        pool = await self._source.orchestrators()
        request = await self._request(None if survey else job, ignore_capacity=survey)
        plan = replace(self.plan, everybody=True) if survey or everybody else self.plan
        return await _Round(self, pool, request, job, plan).run()

    async def shared(self, job: Capabilities) -> DiscoveryReport:
        """As `refresh`, but all who ask for the same job at the same time get one report. Before a
        stream uses an offer of it, it has to `take` it, and ask for terms of its own (`requote`) if it comes too late:
        a quote and its session are one stream's."""
        key = encode_capabilities(job)
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(self.refresh(job)))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.task.done() or not flight.waiting:
                # With the last one who waits the probes end as well.
                flight.task.cancel()
                if self._flights.get(key) is flight:
                    del self._flights[key]

    def take(self, offer: Offer) -> bool:
        """Whether a stream may use the quote and session of an offer: yes to whoever asks first."""
        token = offer.info.auth_token
        now = self.clock.monotonic()
        self._taken = {key: at for key, at in self._taken.items() if now - at < AUTH_TOKEN_LIFETIME_S}
        key = offer.member.address, token.session_id if token is not None else ""
        if key in self._taken:
            return False
        self._taken[key] = now
        return True

    async def requote(
        self, member: RegisteredOrchestrator, job: Capabilities, *, timeout_s: float
    ) -> Offer | Rejection:
        """Ask one orchestrator again: new ticket params, a new auth token. Its key was proven before."""
        answer = await self.ask(member, await self._request(job), job, timeout_s, challenge=False)
        return answer.outcome

    async def _request(self, job: Capabilities | None, *, ignore_capacity: bool = False) -> OrchestratorRequest:
        if self._signature is None:
            # Bound to neither time nor peer, so once is enough (offchain-network 1.3).
            self._signature = await signed(self._signer, orchestrator_request_digest(self._signer.address))
        return OrchestratorRequest(self._signer.address, self._signature, job, ignore_capacity)

    async def ask(
        self,
        member: RegisteredOrchestrator,
        request: OrchestratorRequest,
        job: Capabilities,
        timeout_s: float,
        *,
        challenge: bool | None = None,
    ) -> _Answer:
        """One probe, judged."""
        uri, started = member.service_uri, self.clock.monotonic()
        challenged = self._challenge if challenge is None else challenge
        value = self._random_bytes(_CHALLENGE_BYTES)
        proof: asyncio.Task[bytes] | None = None
        info: OrchestratorInfo | None = None
        try:
            if challenged and await self._proofs.recall(uri) is None:
                proof = asyncio.create_task(self._probe.ping(uri, value, timeout_s=timeout_s))
            info = await self._probe.get_info(uri, request, timeout_s=timeout_s)
            took_s = self.clock.monotonic() - started
            outcome = classify(member, info, job, took_s, self.blocked)
            if not challenged or not isinstance(outcome, Offer):
                return _Answer(outcome, info)
            address = outcome.member.address
            if await self._proofs.recall(uri) == address:
                return _Answer(outcome, info)
            if proof is None:
                # Another key was proven here before, or over another certificate.
                proof = asyncio.create_task(self._probe.ping(uri, value, timeout_s=max(timeout_s - took_s, 0.0)))
            if not is_signed_by(address, await proof, ping_digest(value)):
                return _Answer(Rejection(outcome.member, RejectReason.KEY_NOT_PROVEN))
            await self._proofs.remember(uri, address)
            return _Answer(outcome, info)
        except TransportError as error:
            return _Answer(Rejection(member, RejectReason.NO_ANSWER, {type(error).__name__: error.detail}))
        except PeerRefused as error:
            figures = {"status": error.status, "text": repr(error.reason)}
            return _Answer(Rejection(member, RejectReason.REFUSED, figures))
        except RemoteProtocolError as error:
            return _Answer(Rejection(member, RejectReason.MALFORMED, {type(error).__name__: error}))
        finally:
            if proof is not None:
                proof.cancel()
                await asyncio.gather(proof, return_exceptions=True)


class _Proofs:
    """`ports.KeyProofs` of one process: not bound to a certificate, so they count for ten minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[Address, float]] = {}

    async def recall(self, uri: str) -> Address | None:
        address, at = self._known.get(uri, (None, 0.0))
        return address if self._clock.monotonic() - at < PROOF_S else None

    async def remember(self, uri: str, address: Address) -> None:
        self._known[uri] = address, self._clock.monotonic()


class _Round:
    """One discovery: its probes, what came of them, and the nodes that answers lead to."""

    def __init__(
        self,
        service: DiscoveryService,
        pool: Sequence[RegisteredOrchestrator],
        request: OrchestratorRequest,
        job: Capabilities,
        plan: ProbePlan,
    ) -> None:
        self._service = service
        self._plan = plan
        self._clock = service.clock
        self._request = request
        self._job = job
        self._started = self._clock.monotonic()
        self._room = asyncio.Semaphore(self._plan.fan_out)
        self._events: asyncio.Queue[_Answer | _Wake] = asyncio.Queue()
        # In the order of the pool, nodes after it; None while there is no answer.
        self._members: list[RegisteredOrchestrator] = list(pool)
        self._outcomes: dict[int, Offer | Rejection] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._answered = self._good = 0
        self._pools = {each: Tally() for each in Pool}
        self._seen: set[Origin] = set()

    async def run(self) -> DiscoveryReport:
        asked: list[int] = []
        for place, member in enumerate(self._members):
            refusal = refuse_unasked(member, self._service.blocked)
            if refusal is None:
                asked.append(place)
                self._note(member)
            else:
                self._outcomes[place] = refusal
        stop = None if asked else Stop.ALL_ANSWERED
        async with asyncio.TaskGroup() as group:
            for place in self._in_order(asked):
                self._start(place, group)
            wakes = group.create_task(self._wake())
            while stop is None:
                event = await self._events.get()
                if isinstance(event, _Wake):
                    stop = stop_at_wake(self._plan, good=self._good, elapsed_s=event.elapsed_s)
                    continue
                self._count(event)
                self._follow(event, group)
                stop = stop_after_answer(self._plan, good=self._good, answered=self._answered, probed=len(self._tasks))
                if stop is None and self._plan.wanted is None and not self._plan.everybody:
                    stop = enough_of_each(self._pools)
            for task in (wakes, *self._tasks):
                task.cancel()
        return self._report(stop)

    def _start(self, place: int, group: asyncio.TaskGroup) -> None:
        self._pools[pool_of(self._members[place])].probed += 1
        self._tasks.append(group.create_task(self._ask(place)))

    def _count(self, answer: _Answer) -> None:
        its, good = self._pools[pool_of(answer.outcome.member)], isinstance(answer.outcome, Offer)
        self._answered += 1
        self._good += good
        its.answered += 1
        its.good += good

    def _in_order(self, asked: list[int]) -> list[int]:
        if len(asked) <= self._plan.fan_out:
            return asked
        # Those who come last have the least time, and that should not always be the same ones.
        members = [self._members[place] for place in asked]
        self._service.shuffle(members)
        places = {id(self._members[place]): place for place in asked}
        return [places[id(member)] for member in members]

    async def _ask(self, place: int) -> None:
        async with self._room:
            answer = await self._service.ask(self._members[place], self._request, self._job, self._plan.probe_timeout_s)
        self._outcomes[place] = answer.outcome
        self._events.put_nowait(answer)

    async def _wake(self) -> None:
        for at in (*self._plan.wakes_s, self._plan.cutoff_s):
            await self._clock.sleep(max(0.0, self._started + at - self._clock.monotonic()))
            self._events.put_nowait(_Wake(at))

    def _note(self, member: RegisteredOrchestrator) -> None:
        place = origin(member.service_uri)
        if place is not None:
            self._seen.add(place)

    def _follow(self, answer: _Answer, group: asyncio.TaskGroup) -> None:
        """Ask the nodes of an answer, if it is not one of a node itself."""
        member = answer.outcome.member
        if answer.info is None or member.node:
            return
        limit = self._service.extra_nodes
        for node in further(answer.outcome, answer.info, seen=self._seen, limit=limit):
            self._note(node)
            self._members.append(node)
            self._start(len(self._members) - 1, group)

    def _report(self, stop: Stop) -> DiscoveryReport:
        took_s = self._clock.monotonic() - self._started
        offers = [outcome for outcome in self._outcomes.values() if isinstance(outcome, Offer)]
        kept, crowded = thinned(offers, 1 + self._service.extra_nodes)
        rejections: list[Rejection] = []
        for place, member in enumerate(self._members):
            outcome = self._outcomes.get(place)
            if outcome is None:
                rejections.append(Rejection(member, RejectReason.NOT_AWAITED, {"after": f"{took_s:.2f} s"}))
            elif isinstance(outcome, Rejection):
                rejections.append(outcome)
        return DiscoveryReport(tuple(kept), (*rejections, *crowded), stop, took_s)
