"""Payments of a live job, on both sides of it (offchain-payments 9). The media are somebody else's."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Final, TypeVar

from livepeer_client.codec.credentials import segment_digest
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import AuthToken, Capabilities, SegmentCredentials
from livepeer_client.codec.wire import payment_header, segment_header
from livepeer_client.errors import InsufficientBalance, PeerRefused, TransportError
from livepeer_client.policy.balance import Outcome, stage
from livepeer_client.policy.price import fee
from livepeer_client.policy.streaming import (
    INTERVAL_S,
    PREPAID_S,
    REQUEST_TIMEOUT_S,
    Answer,
    Meter,
    Next,
    SpendLimit,
    Unit,
    answer_of,
    settle_answer,
)
from livepeer_client.policy.workloads import Step
from livepeer_client.ports import Clock, PaymentTransport, Signer
from livepeer_client.ports.till import Till
from livepeer_client.services.own_signer import signed
from livepeer_client.services.paying import Engagement, Payer, PreparedPayment
from livepeer_client.types import Address

AHEAD: Final = 2
"""Intervals by which a gateway is ahead of what has passed, so that a late payment does not cut a stream."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class LivePayer:
    """Pays one orchestrator for one live job: ahead at first, then for the time that passes, one payment at a time.

    The orchestrator keeps the balance under the session of its auth token, which is the job's manifest id as well; that
    of a job begun by `begin` is the one its answer names, whatever token a later payment carries.
    """

    def __init__(
        self,
        payer: Payer,
        engagement: Engagement,
        job: Capabilities,
        transport: PaymentTransport,
        signer: Signer,
        clock: Clock,
        *,
        payment_url: str,
        unit: Unit = Unit.PIXEL_720P,
        interval_s: float = INTERVAL_S,
        prepaid_s: int = PREPAID_S,
        max_total: Fraction | None = None,
        stepped: Callable[[Step], None] = lambda _: None,
    ) -> None:
        """:param stepped: is told of every payment that was taken and of every one that is repeated on new terms."""
        self._stepped = stepped
        self._payer = payer
        self._engagement = engagement
        self._job = job
        self._transport = transport
        self._signer = signer
        self._clock = clock
        self._payment_url = payment_url
        self._unit = unit
        self._interval_s = interval_s
        self._prepaid_units = prepaid_s * unit.rate or 1
        # Room for the payments that run ahead, and for one that is repeated.
        ahead = (AHEAD + 1) * int(interval_s) * unit.rate
        self._limit = SpendLimit(engagement.initial_price, 2 * self._prepaid_units + ahead, max_total)
        self._signed = Fraction(0)
        self._units = 0
        self._seq = 0
        self._manifest_id: str | None = None
        self._started_s = Fraction(0)
        self._turn = asyncio.Lock()

    @property
    def signed(self) -> Fraction:
        """Expected value of all tickets signed for the job, wei."""
        return self._signed

    async def run(self) -> Next:
        """Pay until the job ends; says why it did.

        :raises SpendLimitReached: the orchestrator would have us pay more than the time can have cost.
        :raises ParamsRejected: no acceptable quote is to be had.
        :raises ChainError, StoreError:
        """
        self._started_s = Fraction(self._clock.monotonic())
        then = await self.pay(self._prepaid_units)
        if not self._unit.rate:
            return Next.END if then is Next.CONTINUE else then
        return await self.follow() if then is Next.CONTINUE else then

    async def begin(self, start: Callable[[str, str], Awaitable[tuple[str, T]]]) -> T:
        """Send the first payment with the request that starts the job. Raises as `run`, and what `start` does.

        :param start: sends the request with payment and credentials, in the form of headers; its answer is the
            manifest id and whatever else.
        """
        self._started_s = Fraction(self._clock.monotonic())
        await self._payer.renew_if_due(self._engagement, self._job)
        self._units += self._prepaid_units
        prepared = await self._prepared(self._prepaid_units)
        outcome: Outcome | None = Outcome.NOT_SENT
        try:
            credentials = segment_header(await self._credentials(prepared.token))
            outcome = Outcome.UNANSWERED
            try:
                answer = await start(payment_header(prepared.payment), credentials)
            except PeerRefused:
                outcome = Outcome.REFUSED
                raise
            outcome = None
        finally:
            if outcome is not None:
                self._payer.give_up(self._engagement, prepared, outcome)
        await self._payer.settle(self._engagement, prepared, self._prepaid_units)
        self._manifest_id, rest = answer
        return rest

    async def follow(self) -> Next:
        """Pay for the time that passes, after `begin`. As `run`."""
        then, meter = Next.CONTINUE, Meter(self._unit.rate, self._started_s)
        while then is Next.CONTINUE:
            await self._clock.sleep(self._interval_s)
            meter, units = meter.read(Fraction(self._clock.monotonic()), Fraction(self._interval_s))
            if units:
                then = await self.pay(units)
        return then

    async def pay(self, units: int) -> Next:
        """One payment for `units`; one that is refused is repeated once with new tickets. Raises as `run`."""
        async with self._turn:
            return await self._pay(units)

    async def idle(self) -> None:
        """Wait for the answer to a payment that is on its way: to be stopped then leaves both books equal."""
        async with self._turn:
            return

    async def _pay(self, units: int) -> Next:
        renewed = False
        self._units += units
        while True:
            await self._payer.renew_if_due(self._engagement, self._job)
            offer = self._engagement.offer
            if offer.price == 0:
                return Next.CONTINUE
            prepared = await self._prepared(units)
            settlement = settle_answer(await self._sent(prepared), renewed=renewed)
            if settlement.outcome is Outcome.ANSWERED:
                await self._payer.settle(self._engagement, prepared, units)
                self._stepped(Step.TOPPED_UP)
            else:
                self._payer.give_up(self._engagement, prepared, settlement.outcome)
            if settlement.then is not Next.RENEW:
                return settlement.then
            renewed = True
            self._stepped(Step.RENEW)
            await self._payer.renew(self._engagement, self._job, instead_of=offer)

    async def _prepared(self, units: int) -> PreparedPayment:
        ev = self._engagement.offer.ticket_params.expected_value
        due = fee(units, self._engagement.offer.price)
        if due:
            _, credit = stage(self._engagement.balance, max(due, ev), ev)
            self._limit.check(self._signed + credit.new, self._units, ev)
        self._seq += 1
        prepared = await self._payer.prepare_fee(self._engagement, self._seq, lambda price: fee(units, price))
        self._signed += prepared.credit.new
        return prepared

    async def _sent(self, prepared: PreparedPayment) -> Answer | None:
        """What the orchestrator said to a payment, None if nothing came."""
        credentials = await self._credentials(prepared.token)
        try:
            result = await self._transport.submit_payment(
                self._payment_url,
                payment=payment_header(prepared.payment),
                credentials=segment_header(credentials),
                timeout_s=REQUEST_TIMEOUT_S,
            )
        except PeerRefused as refusal:
            _log.warning("live payment refused status=%d reason=%s", refusal.status, refusal.reason)
            return answer_of(refusal.status)
        except TransportError as error:
            _log.warning("live payment not answered reason=%s", error)
            return None
        self._engagement.adopt_result(result.info, self._job)
        return Answer.ACCEPTED

    async def _credentials(self, token: AuthToken) -> SegmentCredentials:
        manifest_id, nothing = (self._manifest_id or token.session_id).encode(), keccak256(b"")
        return SegmentCredentials(
            manifest_id=manifest_id,
            seq=0,
            hash=nothing,
            profiles=(),
            sig=await signed(self._signer, segment_digest(manifest_id, 0, nothing, ())),
            duration_ms=0,
            capabilities=self._job,
            auth_token=token,
        )


class LiveAccountant:
    """An orchestrator's meter on one live job: debits what has passed, and ends when the balance does.

    :param grace: checks in a row that may find too little; the job goes on, and what passed meanwhile is still owed.
    """

    def __init__(
        self,
        payments: Till,
        clock: Clock,
        sender: Address,
        session_id: str,
        *,
        unit: Unit = Unit.PIXEL_720P,
        interval_s: float = INTERVAL_S,
        grace: int = 1,
        warn: Callable[[InsufficientBalance], None] = lambda _: None,
    ) -> None:
        self._payments = payments
        self._clock = clock
        self._sender = sender
        self._session_id = session_id
        self._unit = unit
        self._interval_s = interval_s
        self._grace = grace
        self._warn = warn

    async def run(self) -> InsufficientBalance:
        """Debit every interval, until the balance does not cover it; says what was missing.

        :raises StoreError: nothing more can be charged.
        """
        meter = Meter(self._unit.rate, Fraction(self._clock.monotonic()))
        seq = short = 0
        while True:
            await self._clock.sleep(self._interval_s)
            after, units = meter.read(Fraction(self._clock.monotonic()), Fraction(self._interval_s))
            if not units:
                continue
            seq += 1
            try:
                await self._payments.charge_ahead(self._sender, self._session_id, seq, units)
            except InsufficientBalance as missing:
                short += 1
                _log.warning("insufficient balance, mid=%s, reason=%s", self._session_id, missing)
                if short > self._grace:
                    return missing
                self._warn(missing)
            else:
                # Only what was charged leaves the meter.
                meter, short = after, 0
