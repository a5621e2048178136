"""Buy jobs of brought-along capabilities: choose, sign, pay, send, and change the orchestrator as
`policy.workloads.BYOC` says (offchain-network 4.12).

    byoc_paying.py    our accounts with orchestrators
    byoc_stream.py    streams
"""

import secrets
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from livepeer_client.codec import byoc_api
from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.credentials import orchestrator_request_digest
from livepeer_client.codec.live_job import LiveUrls
from livepeer_client.codec.messages import Capabilities
from livepeer_client.errors import InvalidInput, LivepeerError, NoOrchestrator, PeerRefused, SpendLimitReached
from livepeer_client.facts.byoc import ByocAnswer
from livepeer_client.policy.balance import Outcome
from livepeer_client.policy.byoc import byoc_cause, seconds_begun
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.pipelines import pipeline_job
from livepeer_client.policy.streaming import BYOC_TOP_UP_S
from livepeer_client.policy.workloads import BYOC, Cause, Progress, Step
from livepeer_client.ports import Signer
from livepeer_client.services.byoc_paying import ByocAccount, header_of
from livepeer_client.services.choosing import PEERS, Choices, Chooser
from livepeer_client.services.dispatch_events import Observer, Renewed, Swapped, ignore
from livepeer_client.services.live_serving import LiveTransport
from livepeer_client.services.live_stream import json_copy
from livepeer_client.services.own_signer import signed
from livepeer_client.services.paying import Engagement, Payer, PreparedPayment
from livepeer_client.services.tasks import completed
from livepeer_client.types import Address

KEPT_S: Final = 600.0
"""The sessions of a capability are kept for so long after its last job."""
GRACE_S: Final = 5.0
"""For an answer to come back, beyond what the job itself may take."""
FAILURES: Final = (*PEERS, SpendLimitReached)
_ID_BYTES: Final = 16


class ByocTransport(LiveTransport, Protocol):
    """Speaks with orchestrators; see `adapters.byoc_buyer.ByocBuyerHttp`. All raise PeerRefused at any status but 200,
    TransportError without an answer, MalformedMessage at one that is none."""

    async def balance(self, uri: str, caller: str, capability: str) -> int | None:
        """What we have there, wei; None if it does not say. Raises nothing of these."""

    async def job(
        self,
        uri: str,
        path: str,
        body: bytes,
        *,
        header: str,
        capability: str,
        payment: str,
        content_type: str,
        timeout_s: float,
    ) -> ByocAnswer: ...

    async def begin(
        self, uri: str, body: bytes, *, header: str, capability: str, payment: str, timeout_s: float
    ) -> tuple[LiveUrls, ByocAnswer]:
        """Start a stream: its channels, absolute, all of the orchestrator's own origin."""

    async def stream(
        self, uri: str, route: str, body: bytes, *, header: str, capability: str, payment: str = "", timeout_s: float
    ) -> ByocAnswer:
        """`update`, `payment` or `stop` of a stream."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a job or stream is: the objects that are signed, and which orchestrators may have it, by URI or address."""

    capability: str
    request: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: int = 60
    include: Collection[str] = ()
    exclude: Collection[str] = ()

    def __post_init__(self) -> None:
        if not self.capability or "/" in self.capability or not self.capability.isprintable():
            raise InvalidInput(f"no name of a capability: {self.capability!r:.140}")
        if not 1 <= self.timeout_s <= byoc_api.MAX_TIMEOUT_S:
            raise InvalidInput(f"timeout_s {self.timeout_s}: from 1 to {byoc_api.MAX_TIMEOUT_S}")
        json_copy(self.request)
        json_copy(self.parameters)

    def allows(self, engagement: Engagement) -> bool:
        """Whether an orchestrator is among those asked for."""
        names = {engagement.offer.member.service_uri.rstrip("/"), checksum_address(engagement.address).lower()}
        wanted, unwanted = (
            {name.rstrip("/").lower() if name[:2].lower() == "0x" else name.rstrip("/") for name in listed}
            for listed in (self.include, self.exclude)
        )
        return not names & unwanted and (not wanted or bool(names & wanted))


@dataclass(frozen=True, slots=True)
class ByocReply:
    """A job's answer: whole, or event by event while the job's context is open."""

    orchestrator: Address
    content_type: str
    metadata: str
    attempts: int
    balance: int | None
    """What is left with that orchestrator, wei, by its word."""
    body: bytes | AsyncIterator[bytes] = field(repr=False)

    async def read(self) -> bytes:
        """All of it."""
        if isinstance(self.body, bytes):
            return self.body
        return b"".join([piece async for piece in self.body])


class ByocDispatcher:
    """Jobs and streams of one gateway, sharing `choices` and `payer` with whatever else it buys."""

    def __init__(self, choices: Choices, payer: Payer, signer: Signer, transport: ByocTransport) -> None:
        self.choices = choices
        self.payer = payer
        self.transport = transport
        self._signer = signer
        self._accounts: dict[tuple[str, Address], ByocAccount] = {}
        self._pools: dict[str, tuple[Chooser, float]] = {}
        self._login = ""

    @asynccontextmanager
    async def job(
        self,
        terms: Terms,
        body: bytes,
        *,
        path: str = "",
        content_type: str = "application/json",
        observer: Observer = ignore,
    ) -> AsyncIterator[ByocReply]:
        """Have one job done; events may be read inside, and it is charged when they end or the context is left.

        :param path: below the worker's URL; the capability's name if empty.
        :raises InvalidInput: a path that leads elsewhere.
        :raises PeerRefused: an orchestrator or its worker blames the request: a status below 500.
        :raises NoOrchestrator: nobody can do it, or nobody could within the attempts; with each one's reason.
        :raises ParamsRejected, ChainError, StoreError, SignerRefused: ours, not the orchestrator's.
        """
        place = path or terms.capability
        if any(part in ("", ".", "..") for part in place.split("/")):
            raise InvalidInput(f"path: {place!r:.140}")
        bought = await _Job(self, terms, body, place, content_type, observer).run()
        if isinstance(bought.answer.body, bytes):
            yield bought.reply
            return
        try:
            yield bought.reply
        finally:
            # Whoever leaves early has had what was worked until then.
            await bought.answer.body.aclose()  # type: ignore[attr-defined]
            await completed(bought.settle(self.now()))

    def now(self) -> float:
        return self.choices.clock.monotonic()

    def account(self, capability: str, job: Capabilities, chosen: Engagement) -> ByocAccount:
        """Ours with an orchestrator, on the terms it has been chosen for."""
        key = capability, chosen.address
        found = self._accounts.get(key)
        if found is None:

            async def ask(uri: str) -> int | None:
                return await self.transport.balance(uri, await self._caller(), capability)

            found = self._accounts[key] = ByocAccount(self.payer, job, capability, chosen, ask)
        found.use(chosen)
        return found

    async def header(self, terms: Terms, job_id: str, request: Mapping[str, Any]) -> str:
        """A `Livepeer` header of ours. No two of them are alike, so none can pass for another's repetition.

        :raises SignerRefused: our signer failed.
        """
        said = byoc_api.json_text({**request, "id": secrets.token_hex(_ID_BYTES)})
        parameters = byoc_api.json_text(terms.parameters) if terms.parameters else ""
        sig = await signed(self._signer, byoc_api.job_digest(said, parameters))
        return byoc_api.encode_job(
            job_id, terms.capability, said, parameters, terms.timeout_s, self._signer.address, sig
        )

    async def _caller(self) -> str:
        if not self._login:
            address = self._signer.address
            sig = await signed(self._signer, orchestrator_request_digest(address))
            self._login = byoc_api.encode_caller(address, sig)
        return self._login

    async def chooser(self, capability: str, job: Capabilities, observer: Observer) -> Chooser:
        """Who gets the jobs of a capability."""
        now_s = self.now()
        unused = [name for name, (_, used_at) in self._pools.items() if now_s - used_at >= KEPT_S]
        # Out before anything is awaited: meanwhile others look here as well, and use what they find.
        gone = [self._pools.pop(name)[0] for name in unused if name != capability]
        found = self._pools.get(capability)
        if found is None:
            chooser = Chooser(self.choices, self.payer, job, observer, workload=BYOC, name=capability)
        else:
            chooser = found[0]
        self._pools[capability] = (chooser, now_s)
        for each in gone:
            await each.close()
        return chooser

    async def close(self) -> None:
        """End what runs beside the jobs."""
        pools, self._pools = self._pools, {}
        for chooser, _ in pools.values():
            await chooser.close()


@dataclass(slots=True)
class _Bought:
    account: ByocAccount
    prepared: PreparedPayment
    answer: ByocAnswer
    attempts: int
    began_s: float

    @property
    def reply(self) -> ByocReply:
        answer, engagement = self.answer, self.account.engagement
        return ByocReply(
            engagement.address, answer.content_type, answer.metadata, self.attempts, answer.balance, answer.body
        )

    async def settle(self, now_s: float) -> None:
        """:raises StoreError:"""
        whole = isinstance(self.answer.body, bytes)
        # What comes with events was said before them.
        reported = self.answer.balance if whole else None
        await self.account.settle(self.prepared, seconds_begun(now_s - self.began_s), reported)


class _Job:
    """One job on its way through the table."""

    def __init__(
        self, shared: ByocDispatcher, terms: Terms, body: bytes, path: str, content_type: str, observer: Observer
    ) -> None:
        self._shared = shared
        self._terms = terms
        self._body = body
        self._path = path
        self._content_type = content_type
        self._observe = observer
        self._job = byoc_job(terms.capability)
        self._table = BYOC.with_attempts(shared.choices.rules.max_attempts)
        self._progress: Progress = self._table.start
        self._failures: dict[Address, tuple[str, LivepeerError]] = {}
        self._id = secrets.token_hex(_ID_BYTES)

    async def run(self) -> _Bought:
        chooser = await self._shared.chooser(self._terms.capability, self._job, self._observe)
        while True:
            engagement = await allowed(chooser, self._terms, self._progress.attempts, self._failures, self._observe)
            self._step(Step.CHOSEN)
            done = await self._tried(chooser, engagement)
            if done is not None:
                chooser.look_ahead()
                return done

    def _step(self, step: Step) -> None:
        self._progress = self._progress.on(step)

    async def _tried(self, chooser: Chooser, engagement: Engagement) -> _Bought | None:
        """What came of one orchestrator, on renewed terms if need be; None to go on to the next."""
        account = self._shared.account(self._terms.capability, self._job, engagement)
        while True:
            offer = account.engagement.offer
            try:
                return await self._attempt(account)
            except FAILURES as error:
                if not await self._renewed(chooser, engagement, account, error, offer):
                    return None

    async def _attempt(self, account: ByocAccount) -> _Bought:
        shared, terms, engagement = self._shared, self._terms, account.engagement
        header = await shared.header(terms, self._id, terms.request)
        prepared = await account.prepare(BYOC_TOP_UP_S)
        self._step(Step.PAID)
        outcome: Outcome | None = Outcome.UNANSWERED
        began_s = shared.now()
        try:
            answer = await shared.transport.job(
                engagement.uri,
                self._path,
                self._body,
                header=header,
                capability=terms.capability,
                payment=header_of(prepared),
                content_type=self._content_type,
                timeout_s=terms.timeout_s + GRACE_S,
            )
            outcome = None
        except PeerRefused:
            outcome = Outcome.REFUSED
            raise
        finally:
            if outcome is not None:
                account.give_up(prepared, outcome)
        self._step(Step.ANSWERED)
        bought = _Bought(account, prepared, answer, self._progress.attempts, began_s)
        if isinstance(answer.body, bytes):
            await completed(bought.settle(shared.now()))
        self._step(Step.CHECKED)
        return bought

    async def _renewed(
        self, chooser: Chooser, engagement: Engagement, account: ByocAccount, failure: LivepeerError, offer: Offer
    ) -> bool:
        """React to a failure: True to try the same orchestrator on new terms.

        :raises PeerRefused, NoOrchestrator: the table has it returned, or given up.
        """
        cause = byoc_cause(failure)
        self._progress, reaction = self._progress.failed(cause)
        if cause is Cause.BALANCE:
            account.distrust()
        while reaction.then is Step.RENEW:
            try:
                await account.renew(offer)
            except PEERS as again:
                failure, cause = again, byoc_cause(again)
                self._progress, reaction = self._progress.failed(cause)
            else:
                self._observe(Renewed(self._progress.attempts, engagement.address, str(failure)))
                return True
        if reaction.then is Step.RETURN:
            raise failure
        self._failures[engagement.address] = (engagement.offer.member.service_uri, failure)
        # Whoever has no room for this capability now is healthy, and its terms too.
        chooser.drop(engagement, failure, reaction.hold, void=cause is not Cause.CAPPED)
        attempts = self._progress.attempts
        self._observe(Swapped(attempts, engagement.address, engagement.uri, attempts, failure, code=cause))
        if reaction.then is Step.GIVE_UP:
            if self._table.is_ours(cause):
                raise failure
            raise NoOrchestrator([(uri, str(error)) for uri, error in self._failures.values()])
        return False


def byoc_job(capability: str) -> Capabilities:
    """What a job of a brought-along capability asks for."""
    return pipeline_job(int(Capability.BYOC), capability)


async def allowed(
    chooser: Chooser,
    terms: Terms,
    seq: int,
    failures: dict[Address, tuple[str, LivepeerError]],
    observe: Observer | None = None,
) -> Engagement:
    """Whoever is chosen among those that may have it. Raises as `Chooser.engaged`."""
    while True:
        engagement = await chooser.engaged(seq, failures, observe)
        if terms.allows(engagement):
            return engagement
        failures[engagement.address] = (
            engagement.offer.member.service_uri,
            InvalidInput("not among the orchestrators asked for"),
        )
