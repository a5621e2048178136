"""Capabilities that somebody brings along: registered, advertised, sold by the second (offchain-network 4.12).

A job needs a minute's price in hand (400), and one of the capability's places (503), both reserved before it starts. It
is charged every five seconds while it runs and stopped when the balance no longer covers that; the last charge makes it
the price of every second begun.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Final, Generic, Protocol, TypeVar

from livepeer_client.codec import byoc_api, wire
from livepeer_client.codec.byoc_api import JobRequest, Registration
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import Capabilities, ModelConstraint
from livepeer_client.errors import (
    BadCredentials,
    ChainError,
    LivepeerError,
    MalformedMessage,
    PriceUnavailable,
    QuoteRefused,
    StoreError,
    StoreUnavailable,
)
from livepeer_client.facts.byoc import Reply
from livepeer_client.policy.pipelines import pipeline_job
from livepeer_client.policy.price_list import PriceList, Tariff, byoc_model
from livepeer_client.policy.streaming import BYOC_PREPAID_S
from livepeer_client.ports import Clock
from livepeer_client.ports.till import Till
from livepeer_client.services.ai_work import Hold
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.tasks import completed
from livepeer_client.services.work import Refused, WorkService
from livepeer_client.types import Address, Hash32

DEBIT_S: Final = 5
NO_CAPACITY: Final = "No capacity available for capability"
NO_BALANCE: Final = "Insufficient balance for request"
REPLAYED: Final = "job credentials were used before"
KEPT_SIGNATURES: Final = 100_000
MAX_CAPABILITIES: Final = 200

_log = logging.getLogger(__name__)


class Registry:
    """What is registered now; advertised through `board` and priced by `priced`.

    :param free: all of it costs nothing, whatever is asked.
    """

    def __init__(self, board: CapacityBoard, *, free: bool = False) -> None:
        self._board = board
        self._free = free
        self._entries: dict[str, Registration] = {}

    def register(self, entry: Registration) -> bool:
        """Take a capability in, or its new terms; False if there are too many."""
        if entry.name not in self._entries and len(self._entries) >= MAX_CAPABILITIES:
            return False
        self._entries[entry.name] = replace(entry, price=Fraction(0)) if self._free else entry
        number = int(Capability.BYOC)
        self._board.join(
            ("byoc", entry.name),
            Capabilities(
                frozenset({number}),
                capacities={number: entry.capacity},
                constraints={number: {entry.name: ModelConstraint(warm=True, capacity=entry.capacity)}},
            ),
        )
        return True

    def unregister(self, name: str) -> bool:
        """Jobs under way go on. False if it was not there."""
        if self._entries.pop(name, None) is None:
            return False
        self._board.leave(("byoc", name))
        return True

    def get(self, name: str) -> Registration | None:
        return self._entries.get(name)

    def priced(self, prices: PriceList) -> PriceList:
        """A price list with what is registered."""
        if not self._entries:
            return prices
        own = {byoc_model(entry.name): Tariff(entry.price) for entry in self._entries.values()}
        return replace(prices, models={**prices.models, **own})


class JobMemory(Protocol):
    """Which signatures of jobs were used: in memory (`JobsInMemory`), or on disk (`adapters.sqlite.jobs`)."""

    async def is_new(self, job: Hash32) -> bool:
        """Remember a job; False if it was there.

        :raises StoreError: nobody knows.
        """


class JobsInMemory:
    """The newest, as long as the process lives: enough where nothing outlives it that they could spend."""

    def __init__(self, kept: int = KEPT_SIGNATURES) -> None:
        self.jobs: OrderedDict[Hash32, None] = OrderedDict()
        self._kept = kept

    async def is_new(self, job: Hash32) -> bool:
        if job in self.jobs:
            return False
        self.jobs[job] = None
        if len(self.jobs) > self._kept:
            self.jobs.popitem(last=False)
        return True


class WorkerCall(Protocol):
    """Posts a job to whoever does it; see `adapters.byoc_client.ByocHttp`."""

    def __call__(
        self, entry: Registration, path: str, body: bytes, content_type: str, timeout_s: float, *, stream_id: str = ""
    ) -> AbstractAsyncContextManager[Reply]:
        """`stream_id`: of the stream that it is about, if it is about one.

        :raises LivepeerError: nobody there, or no answer.
        """


class Meter:
    """Charges a job for its seconds. `run` it beside the job; `finish` it after."""

    def __init__(self, work: "ByocWork", sender: Address | None, entry: Registration, *, seq: int) -> None:
        self._work = work
        self._sender = sender
        self._entry = entry
        self._seq = seq
        self._clock = work.clock
        self._began = work.clock.monotonic()
        self._charged = 0
        self.exhausted = False

    @property
    def balance(self) -> Fraction:
        return Fraction(0) if self._sender is None else self._work.balance(self._sender, self._entry.name)

    @property
    def cost(self) -> Fraction:
        """Wei charged so far."""
        return self._charged * self._entry.price

    @property
    def elapsed_s(self) -> float:
        return self._clock.monotonic() - self._began

    async def run(self) -> None:
        """Charge every `DEBIT_S`; returns when the balance does not cover the next ones."""
        while True:
            await self._clock.sleep(DEBIT_S)
            if self.balance < DEBIT_S * self._entry.price:
                self.exhausted = True
                return
            await self._charge(DEBIT_S)

    async def finish(self) -> None:
        """Charge what is left of the seconds begun."""
        await self._charge_until(max(1, ceil(self.elapsed_s)))

    async def _charge_until(self, seconds: int) -> None:
        await self._charge(max(0, seconds - self._charged))

    async def _charge(self, seconds: int) -> None:
        # A job that ends meanwhile cancels `run`; what was debited has to be known to `finish`.
        await completed(self._debit(seconds))

    async def _debit(self, seconds: int) -> None:
        if seconds and self._entry.price and self._sender is not None:
            try:
                await self._work.charge(self._sender, self._entry, self._seq, seconds)
            except StoreUnavailable:
                # It may be in the books; nobody pays for it twice.
                self._charged += seconds
                raise
        self._charged += seconds


AnyMeter = TypeVar("AnyMeter", bound=Meter)


@dataclass(slots=True)
class Started(Generic[AnyMeter]):
    """A job that may run: its place and its first minute are reserved."""

    job: JobRequest
    entry: Registration
    meter: AnyMeter


class ByocWork:
    """Sells what is registered."""

    def __init__(
        self,
        registry: Registry,
        *,
        service_uri: str,
        work: WorkService,
        payments: Till,
        board: CapacityBoard,
        call: WorkerCall,
        clock: Clock,
        memory: JobMemory | None = None,
    ) -> None:
        self.registry = registry
        self.call = call
        self.clock = clock
        self._service_uri = service_uri
        self._work = work
        self._payments = payments
        self._board = board
        self._held: dict[tuple[Address, str], Fraction] = {}
        self.memory = memory or JobsInMemory()
        self._jobs = 0

    def balance(self, sender: Address, account: str) -> Fraction:
        return self._payments.balance(sender, account)

    async def charge(self, sender: Address, entry: Registration, seq: int, seconds: int) -> None:
        """:raises StoreError: nothing was charged."""
        await self._payments.charge_fee(sender, entry.name, seq, seconds, entry.price)

    async def token(self, caller_header: str, capability: str) -> bytes | Refused:
        """A `GET /process/token`: terms, balance and room for one sender."""
        try:
            sender = byoc_api.decode_caller(caller_header)
        except MalformedMessage as error:
            return Refused(400, error.detail)
        except BadCredentials as error:
            return Refused(400, error.reason)
        entry = self.registry.get(capability)
        if entry is None:
            return Refused(400, "Could not get job price")
        try:
            price, params = await self._payments.quote(sender, job=pipeline_job(int(Capability.BYOC), capability))
        except QuoteRefused:
            return Refused(503, "insufficient sender reserve")
        except (ChainError, StoreError, PriceUnavailable) as error:
            _log.warning("no token sender=0x%s reason=%s", sender.hex(), error)
            return Refused(503, "Service Unavailable Error")
        await self._payments.session_price(sender, capability)
        balance = int(self.balance(sender, capability))
        return byoc_api.encode_token(sender, params, balance, price, self._service_uri, self._room(capability))

    def _room(self, capability: str) -> int:
        found = self._board.capabilities.constraints.get(int(Capability.BYOC), {}).get(capability)
        return 0 if found is None else found.capacity

    @staticmethod
    def read(header: str) -> JobRequest | Refused:
        """A `Livepeer` header, its signature checked."""
        try:
            return byoc_api.decode_job(header)
        except MalformedMessage as error:
            return Refused(400, error.detail)
        except BadCredentials as error:
            return Refused(400, error.reason)

    @asynccontextmanager
    async def start(self, header: str, payment: str, capability: str) -> AsyncIterator[Started[Meter] | Refused]:
        """Judge a job's headers, reserve its place, take its payment and reserve its first minute."""
        job = self.read(header)
        if isinstance(job, Refused):
            yield job
            return
        async with self.admit(job, payment, capability, Meter) as started:
            yield started

    @asynccontextmanager
    async def admit(
        self, job: JobRequest, payment: str, capability: str, meter: type[AnyMeter], *, short: int = 400
    ) -> AsyncIterator[Started[AnyMeter] | Refused]:
        """As `start`, of a header that was read. `short` is the status where the balance does not cover a minute."""
        entry = self.registry.get(capability)
        if entry is None or (job.capability and job.capability != capability):
            yield Refused(400, "Could not get job price")
            return
        number = int(Capability.BYOC)
        if not self._board.take(number, capability):
            yield Refused(503, NO_CAPACITY)
            return
        try:
            hold = await self._paid(job, payment, entry, short)
            if isinstance(hold, Refused):
                yield hold
                return
            self._jobs += 1
            with hold:
                yield Started(job, entry, meter(self, job.sender, entry, seq=self._jobs))
        finally:
            self._board.give_back(number, capability)

    async def _paid(self, job: JobRequest, payment: str, entry: Registration, short: int) -> "Hold | Refused":
        if job.sender is None:
            if entry.price:
                return Refused(400, byoc_api.UNVERIFIED)
            return Hold(self._held, Address(bytes(20)), entry.name, Fraction(0))
        credit = await self.pay(payment, job.sender, entry.name)
        if isinstance(credit, Refused):
            return credit
        need = BYOC_PREPAID_S * entry.price
        # Only for who can have it done: anybody can sign with keys of its own until all others are forgotten.
        if not self._covers(job.sender, entry, need):
            return Refused(short, NO_BALANCE)
        if entry.price and not await self.is_first(job, entry) and not credit:
            # Whoever overheard the header could spend what its sender has paid ahead.
            return Refused(403, REPLAYED)
        if not self._covers(job.sender, entry, need):
            return Refused(short, NO_BALANCE)
        return Hold(self._held, job.sender, entry.name, need)

    def _covers(self, sender: Address, entry: Registration, need: Fraction) -> bool:
        return self.balance(sender, entry.name) - self._held.get((sender, entry.name), Fraction(0)) >= need

    async def is_first(self, job: JobRequest, entry: Registration) -> bool:
        """Remember a job's header for the account that it can spend; False if it was used on it before. Nothing of the
        header that is not signed tells two jobs apart.

        :raises StoreError: nobody knows.
        """
        return await self.memory.is_new(Hash32(hashlib.sha256(job.sig + entry.name.encode()).digest()))

    async def pay(self, header: str, sender: Address, account: str) -> Fraction | Refused:
        """Take a payment for a sender's account; the credit, 0 where the header is empty."""
        # Also so that the balance is known again after a restart.
        await self._payments.session_price(sender, account)
        if not header:
            return Fraction(0)
        try:
            payment = wire.payment_from_header(header)
        except MalformedMessage as error:
            return Refused(402, error.detail)
        if payment.sender != sender:
            return Refused(403, "payment of another sender")
        return await self._work.take_payment(payment, sender, account)


async def metered(meter: Meter, work: Awaitable[None]) -> None:
    """Do a job while it is charged; ends early, with `meter.exhausted`, when the balance is used up.

    :raises LivepeerError: what `work` raises.
    """
    job, charges = asyncio.ensure_future(work), asyncio.ensure_future(meter.run())
    try:
        await asyncio.wait({job, charges}, return_when=asyncio.FIRST_COMPLETED)
        if charges.done():
            charges.result()
        if job.done():
            job.result()
    except StoreError as error:
        _log.error("job stopped, it cannot be charged: %s", error)
        raise
    finally:
        for task in (job, charges):
            task.cancel()
        await asyncio.gather(job, charges, return_exceptions=True)
        try:
            await meter.finish()
        except LivepeerError as error:
            _log.error("last seconds of a job not charged: %s", error)
