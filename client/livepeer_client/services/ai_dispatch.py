"""Buy batch AI jobs: choose an orchestrator for a model, pay, send, and change it as `policy.workloads.AI` says."""

import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Protocol

from livepeer_client.codec.credentials import segment_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import Capabilities, SegmentCredentials
from livepeer_client.codec.wire import payment_header, segment_header
from livepeer_client.errors import InvalidInput, LivepeerError, NoOrchestrator, PeerRefused
from livepeer_client.facts.ai import AiFile, AiRequest, AiResult
from livepeer_client.policy.ai_request import DEFAULT_MAX_TOKENS, FileSize, check_fields, units_of
from livepeer_client.policy.balance import Outcome
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.pipelines import Pipeline, pipeline_job
from livepeer_client.policy.price_list import Model
from livepeer_client.policy.selection import Selection
from livepeer_client.policy.sessions import batch_score
from livepeer_client.policy.workloads import AI, Cause, Progress, Step, cause_of
from livepeer_client.ports import Signer
from livepeer_client.services.ai_work import file_field
from livepeer_client.services.choosing import PEERS, Choices, Chooser
from livepeer_client.services.discovery import DiscoveryReport
from livepeer_client.services.dispatch_events import Observer, Renewed, Swapped, ignore
from livepeer_client.services.own_signer import signed
from livepeer_client.services.paying import Engagement, Payer, PreparedPayment
from livepeer_client.types import Address

JOB_S: Final = 600.0
KEPT_S: Final = 600.0
"""The sessions of a model are kept for so long after its last job."""
_MANIFEST_ID_BYTES: Final = 4


class AiTransport(Protocol):
    """Sends one job; see `adapters.ai_client.AiHttp`."""

    async def submit(
        self, uri: str, request: AiRequest, *, credentials: str, payment: str, timeout_s: float
    ) -> AiResult:
        """:raises PeerRefused: any status but 200.
        :raises TransportError: no answer.
        :raises MalformedMessage: an answer that is none.
        """


@dataclass(frozen=True, slots=True)
class AiDone:
    """A job that was done; `fee` in wei, exact."""

    result: AiResult
    orchestrator: Address
    units: int
    fee: Fraction
    tickets: int
    attempts: int


@dataclass(slots=True)
class _Pool:
    chooser: Chooser
    used_at: float
    jobs: int = 0
    best_s_per_unit: float = math.inf

    def done(self, engagement: Engagement, took_s: float, units: int) -> None:
        """Remember how fast a job was done, against the fastest one seen."""
        self.best_s_per_unit = min(self.best_s_per_unit, took_s / max(units, 1))
        scores = self.chooser.standing(engagement.address).scores
        scores.append(batch_score(took_s, max(units, 1), self.best_s_per_unit))
        self.chooser.look_ahead()


class AiDispatcher:
    """Jobs of one gateway, sharing `choices` and `payer` with whatever else it buys."""

    def __init__(
        self, choices: Choices, payer: Payer, signer: Signer, transport: AiTransport, *, job_s: float = JOB_S
    ) -> None:
        self._choices = choices
        self._payer = payer
        self._signer = signer
        self._transport = transport
        self._job_s = job_s
        self._pools: dict[Model, _Pool] = {}

    async def run(
        self,
        pipeline: Pipeline,
        fields: Mapping[str, Any],
        file: AiFile | None = None,
        size: FileSize | None = None,
        observer: Observer = ignore,
    ) -> AiDone:
        """Have one job done.

        :param pipeline: its capability, name, model and unit; the price is the orchestrator's.
        :param size: what the file measures, where that decides the price.
        :raises InvalidInput: the request is at fault, or an orchestrator says so.
        :raises NoOrchestrator: nobody can do it, or nobody could within the budget; with each one's reason.
        :raises ParamsRejected, ChainError, StoreError: ours, not the orchestrator's.
        """
        if pipeline.name == "llm":
            fields = {"max_tokens": DEFAULT_MAX_TOKENS, **fields}
        check_fields(pipeline.name, fields, has_file=file is not None)
        units = units_of(pipeline.name, pipeline.capability, pipeline.unit, fields, size)
        request = AiRequest(
            pipeline.name, pipeline.model, {**fields, "model_id": pipeline.model}, file_field(pipeline.name), file
        )
        return await _Run(self, pipeline, request, units, observer).run()

    async def explain(self, pipeline: Pipeline) -> tuple[DiscoveryReport, Selection]:
        """What a job would find now, and whom it would choose, going by earlier jobs of its model. Nobody is engaged.

        :raises LivepeerError: the pool cannot be read.
        """
        pool = self._pools.get(pipeline.key)
        chooser = self._chooser(pipeline, ignore) if pool is None else pool.chooser
        return await chooser.explained()

    def _chooser(self, pipeline: Pipeline, observer: Observer) -> Chooser:
        job = pipeline_job(pipeline.capability, pipeline.model)
        return Chooser(self._choices, self._payer, job, observer, workload=AI, name=pipeline.app, warm=pipeline.key)

    def pool(self, pipeline: Pipeline, observer: Observer) -> _Pool:
        """The sessions of a model."""
        now = self._choices.clock.monotonic()
        for key in [key for key, pool in self._pools.items() if now - pool.used_at >= KEPT_S]:
            self._choices.beside(self._pools.pop(key).chooser.close())
        pool = self._pools.get(pipeline.key)
        if pool is None:
            pool = self._pools[pipeline.key] = _Pool(self._chooser(pipeline, observer), now)
        pool.used_at = now
        pool.jobs += 1
        return pool

    async def close(self) -> None:
        """End what runs beside the jobs."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.chooser.close()

    def now(self) -> float:
        return self._choices.clock.monotonic()

    async def check_funds(self, engagement: Engagement) -> None:
        """Before a job is tried with somebody who wants money, since nobody could be paid. Raises as
        `Payer.check_funds`."""
        if engagement.offer.price > 0:
            await self._payer.check_funds()

    async def renew(self, engagement: Engagement, job: Capabilities, offer: Offer) -> None:
        """Raises as `Payer.renew`."""
        await self._payer.renew(engagement, job, instead_of=offer)

    # --- one attempt ------------------------------------------------------------------------------

    async def attempt(
        self,
        engagement: Engagement,
        job: Capabilities,
        seq: int,
        request: AiRequest,
        units: int,
        step: Callable[[Step], None],
        done: Callable[[float], None],
    ) -> tuple[AiResult, Fraction, int]:
        """:param done: is told how many seconds the exchange took.
        :raises RemoteProtocolError, TransportError, ParamsRejected: this orchestrator did not do it."""
        await self._payer.renew_if_due(engagement, job)
        prepared = await self._payer.prepare_fee(engagement, seq, lambda price: units * price)
        step(Step.PAID)
        sent_s = self.now()
        result = await self._exchange(engagement, job, request, prepared)
        took_s = self.now() - sent_s
        step(Step.ANSWERED)
        fee = await self._payer.settle(engagement, prepared, units)
        step(Step.CHECKED)
        if result.events is None:
            # How long a stream takes is not known at its beginning.
            done(took_s)
        return result, fee, prepared.credit.tickets

    async def _exchange(
        self, engagement: Engagement, job: Capabilities, request: AiRequest, prepared: PreparedPayment
    ) -> AiResult:
        outcome: Outcome | None = Outcome.NOT_SENT
        try:
            credentials = await self._credentials(job, prepared)
            outcome = Outcome.UNANSWERED
            try:
                result = await self._transport.submit(
                    engagement.uri,
                    request,
                    credentials=segment_header(credentials),
                    payment=payment_header(prepared.payment),
                    timeout_s=self._job_s,
                )
            except PeerRefused:
                outcome = Outcome.REFUSED
                raise
            outcome = None
            return result
        finally:
            if outcome is not None:
                self._payer.give_up(engagement, prepared, outcome)

    async def _credentials(self, job: Capabilities, prepared: PreparedPayment) -> SegmentCredentials:
        manifest_id = secrets.token_hex(_MANIFEST_ID_BYTES).encode()
        hash_ = keccak256(b"")
        return SegmentCredentials(
            manifest_id=manifest_id,
            seq=0,
            hash=hash_,
            profiles=(),
            sig=await signed(self._signer, segment_digest(manifest_id, 0, hash_, ())),
            duration_ms=0,
            capabilities=job,
            auth_token=prepared.token,
        )


class _Run:
    """One job on its way through the table."""

    def __init__(
        self, shared: AiDispatcher, pipeline: Pipeline, request: AiRequest, units: int, observer: Observer
    ) -> None:
        self._shared = shared
        self._request = request
        self._units = units
        self._observe = observer
        self._job = pipeline_job(pipeline.capability, pipeline.model)
        self._pool = shared.pool(pipeline, observer)
        self._seq = self._pool.jobs
        self._progress: Progress = AI.start
        self._failures: dict[Address, tuple[str, LivepeerError]] = {}
        self._began = shared.now()

    async def run(self) -> AiDone:
        while True:
            engagement = await self._pool.chooser.engaged(self._seq, self._failures, self._observe)
            self._step(Step.CHOSEN)
            await self._shared.check_funds(engagement)
            done = await self._tried(engagement)
            if done is not None:
                return done

    def _step(self, step: Step) -> None:
        self._progress = self._progress.on(step)

    async def _tried(self, engagement: Engagement) -> AiDone | None:
        """The result of one orchestrator, on renewed terms if need be; None to go on to the next."""
        while True:
            offer = engagement.offer
            try:
                result, fee, tickets = await self._shared.attempt(
                    engagement,
                    self._job,
                    self._seq,
                    self._request,
                    self._units,
                    self._step,
                    lambda took_s: self._pool.done(engagement, took_s, self._units),
                )
            except PEERS as error:
                if not await self._renewed(engagement, error, offer):
                    return None
                continue
            return AiDone(result, engagement.address, self._units, fee, tickets, self._progress.attempts)

    async def _renewed(self, engagement: Engagement, failure: LivepeerError, offer: Offer) -> bool:
        """React to a failure: True to try the same orchestrator on new terms.

        :raises InvalidInput, NoOrchestrator: the table has it returned, or given up.
        :raises AccountShort: it is ours.
        """
        self._progress, reaction = self._progress.failed(cause_of(failure, own_request=True))
        while reaction.then is Step.RENEW:
            try:
                await self._shared.renew(engagement, self._job, offer)
            except PEERS as again:
                failure = again
                self._progress, reaction = self._progress.failed(cause_of(again, own_request=True))
            else:
                self._observe(Renewed(self._seq, engagement.address, str(failure)))
                return True
        if reaction.then is Step.RETURN and isinstance(failure, PeerRefused):
            raise InvalidInput(failure.reason)
        code: Cause = cause_of(failure, own_request=True)
        if AI.is_ours(code):
            raise failure
        self._failures[engagement.address] = (engagement.offer.member.service_uri, failure)
        # Whoever has no room for this model now is healthy, and its session too.
        self._pool.chooser.drop(engagement, failure, reaction.hold, void=code is not Cause.CAPPED)
        self._observe(
            Swapped(self._seq, engagement.address, engagement.uri, self._progress.attempts, failure, code=code)
        )
        budget_s = AI.limits.budget_s
        late = budget_s is not None and self._shared.now() - self._began > budget_s
        if reaction.then is Step.GIVE_UP or late:
            raise NoOrchestrator([(uri, str(error)) for uri, error in self._failures.values()])
        return False
