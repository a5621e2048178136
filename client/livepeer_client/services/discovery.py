"""Find out who can do a job: ask the whole on-chain pool at once, and say of everybody why or why not."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from livepeer_client.codec.credentials import orchestrator_request_digest, ping_digest
from livepeer_client.codec.messages import Capabilities, OrchestratorRequest, RegisteredOrchestrator
from livepeer_client.codec.signature import is_signed_by
from livepeer_client.errors import PeerRefused, RemoteProtocolError, TransportError
from livepeer_client.policy.discovery import (
    Offer,
    ProbePlan,
    Rejection,
    RejectReason,
    Stop,
    classify,
    refuse_unasked,
    stop_after_answer,
    stop_at_wake,
)
from livepeer_client.ports import Chain, Clock, OrchestratorProbe, Signer
from livepeer_client.types import Signature

# Shorter than anything else that an orchestrator's key signs, or an honest one would have to refuse.
_CHALLENGE_BYTES: Final = 16


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


class DiscoveryService:
    """Probes the pool of `chain`.

    With `challenge`, everybody who makes an offer must also sign a random value with the registered key: an answer
    alone proves nothing, since terms can be copied (offchain-network 2.4, A).
    """

    def __init__(
        self,
        chain: Chain,
        probe: OrchestratorProbe,
        signer: Signer,
        clock: Clock,
        *,
        plan: ProbePlan | None = None,
        challenge: bool = True,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._chain = chain
        self._probe = probe
        self._signer = signer
        self._clock = clock
        self._plan = plan or ProbePlan()
        self._challenge = challenge
        self._random_bytes = random_bytes
        self._signature: Signature | None = None

    async def refresh(self, job: Capabilities) -> DiscoveryReport:
        """Ask everybody in the pool for `job`, all at once; end early as the plan says.

        An empty pool is a normal answer.

        :raises ChainError: the pool cannot be read.
        """
        pool = await self._chain.orchestrators()
        outcomes: list[Offer | Rejection] = [out for member in pool if (out := refuse_unasked(member)) is not None]
        probed = [member for member in pool if refuse_unasked(member) is None]
        request = await self._request(job)
        started = self._clock.monotonic()
        answers: asyncio.Queue[Offer | Rejection | _Wake] = asyncio.Queue()

        async def ask(member: RegisteredOrchestrator) -> None:
            answers.put_nowait(await self._ask(member, request, job, self._plan.probe_timeout_s))

        async def wake() -> None:
            for at in (*self._plan.wakes_s, self._plan.cutoff_s):
                await self._clock.sleep(max(0.0, started + at - self._clock.monotonic()))
                answers.put_nowait(_Wake(at))

        stop = None if probed else Stop.ALL_ANSWERED
        unasked = len(outcomes)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(member)) for member in probed]
            tasks.append(group.create_task(wake()))
            while stop is None:
                event = await answers.get()
                if not isinstance(event, _Wake):
                    outcomes.append(event)
                good = sum(isinstance(outcome, Offer) for outcome in outcomes)
                if isinstance(event, _Wake):
                    stop = stop_at_wake(self._plan, good=good, elapsed_s=event.elapsed_s)
                else:
                    stop = stop_after_answer(
                        self._plan, good=good, answered=len(outcomes) - unasked, probed=len(probed)
                    )
            for task in tasks:
                task.cancel()
        return _report(pool, outcomes, stop, self._clock.monotonic() - started)

    async def requote(
        self, member: RegisteredOrchestrator, job: Capabilities, *, timeout_s: float
    ) -> Offer | Rejection:
        """Ask one orchestrator again: new ticket params, a new auth token. Its key was proven before."""
        return await self._ask(member, await self._request(job), job, timeout_s, challenge=False)

    async def _request(self, job: Capabilities) -> OrchestratorRequest:
        if self._signature is None:
            # Bound to neither time nor peer, so once is enough (offchain-network 1.3).
            self._signature = await self._signer.sign(orchestrator_request_digest(self._signer.address))
        return OrchestratorRequest(self._signer.address, self._signature, job)

    async def _ask(
        self,
        member: RegisteredOrchestrator,
        request: OrchestratorRequest,
        job: Capabilities,
        timeout_s: float,
        *,
        challenge: bool | None = None,
    ) -> Offer | Rejection:
        uri = member.service_uri
        started = self._clock.monotonic()
        try:
            info = await self._probe.get_info(uri, request, timeout_s=timeout_s)
            took_s = self._clock.monotonic() - started
            outcome = classify(member, info, job, took_s)
            if isinstance(outcome, Offer) and (self._challenge if challenge is None else challenge):
                return await self._proven(outcome, timeout_s - took_s)
            return outcome
        except TransportError as error:
            return Rejection(member, RejectReason.NO_ANSWER, {type(error).__name__: error.detail})
        except PeerRefused as error:
            return Rejection(member, RejectReason.REFUSED, {"status": error.status, "text": repr(error.reason)})
        except RemoteProtocolError as error:
            return Rejection(member, RejectReason.MALFORMED, {type(error).__name__: error})

    async def _proven(self, offer: Offer, timeout_s: float) -> Offer | Rejection:
        value = self._random_bytes(_CHALLENGE_BYTES)
        sig = await self._probe.ping(offer.member.service_uri, value, timeout_s=max(timeout_s, 0.0))
        if is_signed_by(offer.member.address, sig, ping_digest(value)):
            return offer
        return Rejection(offer.member, RejectReason.KEY_NOT_PROVEN)


def _report(
    pool: Sequence[RegisteredOrchestrator], outcomes: Sequence[Offer | Rejection], stop: Stop, took_s: float
) -> DiscoveryReport:
    answered = {outcome.member.address: outcome for outcome in outcomes}
    rejections: list[Rejection] = []
    for member in pool:
        outcome = answered.get(member.address)
        if outcome is None:
            rejections.append(Rejection(member, RejectReason.NOT_AWAITED, {"after": f"{took_s:.2f} s"}))
        elif isinstance(outcome, Rejection):
            rejections.append(outcome)
    offers = sorted((o for o in outcomes if isinstance(o, Offer)), key=lambda offer: offer.latency_s)
    return DiscoveryReport(tuple(offers), tuple(rejections), stop, took_s)
