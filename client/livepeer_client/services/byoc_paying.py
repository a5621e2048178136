"""A gateway's side of its accounts for brought-along capabilities (offchain-network 4.12, offchain-payments 9).

An orchestrator keeps one balance per sender and capability, whatever the session, and reports it after every job. Ours
is topped up to two minutes before each job and every 50 s of a stream. What was sent without an answer stays
unconfirmed until the orchestrator says what it credited; what it says is believed as long as all that was ever signed
for it is within what its work can have cost.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from livepeer_client.codec.messages import Capabilities
from livepeer_client.codec.wire import payment_header
from livepeer_client.errors import LivepeerError, PeerRefused, TransportError
from livepeer_client.policy.balance import Balance, Outcome, stage
from livepeer_client.policy.byoc import check_spending, seconds_begun, seconds_charged
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.price import fee
from livepeer_client.policy.streaming import (
    BYOC_PAY_S,
    BYOC_TOP_UP_S,
    Answer,
    Meter,
    Next,
    answer_of,
    settle_answer,
    sync,
)
from livepeer_client.policy.workloads import Step
from livepeer_client.ports import Clock
from livepeer_client.services.paying import Engagement, Payer, PreparedPayment

AskBalance = Callable[[str], Awaitable[int | None]]
"""What an orchestrator at a URI says that we have with it, wei; None if it does not say."""
T = TypeVar("T")

_log = logging.getLogger(__name__)


def header_of(prepared: PreparedPayment) -> str:
    """The `Livepeer-Payment` header; empty where the balance needs no tickets."""
    return payment_header(prepared.payment) if prepared.payment.tickets else ""


class ByocAccount:
    """Our account for one capability with one orchestrator. `signed` and `charged`, wei, are since it was opened."""

    def __init__(self, payer: Payer, job: Capabilities, capability: str, chosen: Engagement, ask: AskBalance) -> None:
        self.engagement = Engagement(chosen.offer, chosen.offer.price, borrowed=chosen.borrowed, account=capability)
        self.signed = Fraction(0)
        self.charged = Fraction(0)
        self._payer = payer
        self._job = job
        self._ask = ask
        self._seen = chosen.offer
        self._open: dict[str, Fraction] = {}
        self._seq = 0
        # What an earlier life of this gateway has left there is ours as well.
        self._knows = False
        self._believes = True
        self._turn = asyncio.Lock()
        self.taken_over = 0
        """How often the balance was set to what the orchestrator reported, by which no seconds were charged."""

    def use(self, chosen: Engagement) -> None:
        """Go on with the terms of whoever was chosen, if they are new. The balance stays."""
        if chosen.offer is self._seen:
            return
        self._seen = chosen.offer
        self.engagement.adopt(chosen.offer)
        self.engagement.initial_price = chosen.offer.price
        self.engagement.borrowed = chosen.borrowed

    async def renew(self, instead_of: Offer) -> None:
        """New terms. Raises as `Payer.renew`."""
        await self._payer.renew(self.engagement, self._job, instead_of=instead_of)

    def distrust(self) -> None:
        """It refused for want of balance: what it reported before is not counted on until it does a job again."""
        balance = self.engagement.balance
        self.engagement.balance = Balance(Fraction(0), balance.unconfirmed + max(balance.available, Fraction(0)))
        self._believes = False

    async def prepare(self, seconds: int) -> PreparedPayment:
        """A payment, in the books, that brings the balance up to so many seconds.

        :raises ParamsRejected: no acceptable quote is to be had, or our account is short.
        :raises SpendLimitReached: it would have us pay more than its work can have cost.
        :raises ChainError, StoreError, SignerRefused:
        """
        async with self._turn:
            engagement = self.engagement
            await self._payer.renew_if_due(engagement, self._job)
            price, ev = engagement.offer.price, engagement.offer.ticket_params.expected_value
            if price:
                await self._payer.check_funds()
                await self._learn()
            due = fee(seconds, price)
            _, credit = stage(engagement.balance, max(due, ev), ev)
            if credit.new:
                check_spending(
                    signed=self.signed + credit.new,
                    charged=self.charged,
                    under_way=[*self._open.values(), due],
                    price=price,
                    ticket_ev=ev,
                )
            self._seq += 1
            # What is beyond this one's need is left to those that come while it is under way.
            spare = max(engagement.balance.available - max(due, ev), Fraction(0))
            self._add(-spare)
            try:
                prepared = await self._payer.prepare_fee(engagement, self._seq, lambda each: fee(seconds, each))
            finally:
                self._add(spare)
            self.signed += prepared.credit.new
            self._open[prepared.payment_id] = due
            return prepared

    def _add(self, amount: Fraction) -> None:
        balance = self.engagement.balance
        self.engagement.balance = replace(balance, available=balance.available + amount)

    @property
    def _alone(self) -> bool:
        """Whether nothing is under way that would change a balance between its report and its reading."""
        return not self._open and not self._turn.locked()

    async def _learn(self) -> None:
        """Ask what we have there, where we cannot know and nothing is under way that would change it."""
        if self._knows or self._open or not self._believes:
            return
        reported = await self._ask(self.engagement.uri)
        self._knows = True
        if reported is not None:
            self._take_over(reported)

    def _take_over(self, reported: int) -> None:
        self.engagement.balance = sync(self.engagement.balance, Fraction(reported), Fraction(0)).balance
        self.taken_over += 1

    async def settle(self, prepared: PreparedPayment, seconds: int, reported: int | None = None) -> Fraction:
        """A payment was taken, and so many seconds were worked, by our clock. `reported`: the balance after them.

        :returns: the fee, wei.
        :raises StoreError: it is then still unanswered in books and balance.
        """
        del self._open[prepared.payment_id]
        alone = self._alone
        if alone:
            before = self.engagement.balance.available + prepared.credit.existing + prepared.credit.new
            seconds = seconds_charged(before, reported, prepared.price, seconds)
        try:
            charged = await self._payer.settle(self.engagement, prepared, seconds)
        except BaseException:
            self._knows = False
            raise
        self.charged += charged
        self._believes = True
        if alone and self._alone:
            self._heard(reported)
        return charged

    def hears(self, reported: int | None) -> None:
        """A balance that was reported while a stream goes on: what passed since its last debit is not in it, so it
        counts only where it is less than ours."""
        if reported is not None and self._alone and reported < self.engagement.balance.available:
            self._heard(reported)

    def _heard(self, reported: int | None) -> None:
        balance = self.engagement.balance
        if reported is not None and abs(reported - balance.available) >= 1:
            self._take_over(reported)

    async def charge(self, seconds: int, reported: int | None, *, told_apart: bool) -> None:
        """Charge the last seconds of a stream, which no payment went with. `reported`: the balance after all of them.

        :param told_apart: whether it differs from ours by these seconds alone.
        :raises StoreError: as `Payer.charge`.
        """
        engagement, alone = self.engagement, self._alone
        if alone and told_apart:
            seconds = seconds_charged(engagement.balance.available, reported, engagement.offer.price, seconds)
        self._seq += 1
        self.charged += await self._payer.charge(engagement, self._seq, seconds)
        if alone and self._alone:
            self._heard(reported)

    def give_up(self, prepared: PreparedPayment, outcome: Outcome) -> None:
        """No work came of it, or nobody knows."""
        del self._open[prepared.payment_id]
        credit = prepared.credit
        if credit.new or (outcome is Outcome.UNANSWERED and credit.existing):
            self._knows = False
        self._payer.give_up(self.engagement, prepared, outcome)


class ByocStreamPayer:
    """Pays for one stream: ahead at first, then every 50 s. What was not taken is owed until it is."""

    def __init__(
        self,
        account: ByocAccount,
        clock: Clock,
        send: Callable[[str], Awaitable[int | None]],
        *,
        stepped: Callable[[Step], None] = lambda _: None,
    ) -> None:
        """:param stepped: is told of every payment that was taken and of every one that is repeated on new terms."""
        self._stepped = stepped
        self._account = account
        self._clock = clock
        self._send = send
        self._meter = Meter(1, Fraction(clock.monotonic()))
        self._turn = asyncio.Lock()
        self._taken_over = 0

    async def begin(self, start: Callable[[str], Awaitable[tuple[int | None, T]]]) -> T:
        """Send the first payment with the request that starts the stream. Raises as `ByocAccount.prepare`, and what
        `start` does."""
        prepared = await self._account.prepare(BYOC_TOP_UP_S)
        outcome: Outcome | None = Outcome.UNANSWERED
        try:
            self._meter = Meter(1, Fraction(self._clock.monotonic()))
            reported, rest = await start(header_of(prepared))
            outcome = None
        except PeerRefused:
            outcome = Outcome.REFUSED
            raise
        finally:
            if outcome is not None:
                self._account.give_up(prepared, outcome)
        await self._account.settle(prepared, 0)
        self._taken_over = self._account.taken_over
        self._account.hears(reported)
        return rest

    async def follow(self) -> Next:
        """Pay for the time that passes until the stream ends; says why it did. Raises as `begin`."""
        while True:
            await self._clock.sleep(BYOC_PAY_S)
            then = await self.pay()
            if then is not Next.CONTINUE:
                return then

    async def pay(self) -> Next:
        """One payment for what has passed; one that is refused is repeated once with new tickets."""
        async with self._turn:
            renewed = False
            while True:
                then = await self._paid(renewed=renewed)
                if then is not Next.RENEW:
                    return then
                renewed = True
                self._stepped(Step.RENEW)
                await self._account.renew(self._account.engagement.offer)

    async def _paid(self, *, renewed: bool) -> Next:
        meter, seconds = self._meter.read(Fraction(self._clock.monotonic()))
        prepared = await self._account.prepare(seconds + BYOC_TOP_UP_S)
        settlement, reported = settle_answer(None, renewed=renewed), None
        try:
            try:
                reported = await self._send(header_of(prepared))
                settlement = settle_answer(Answer.ACCEPTED, renewed=renewed)
            except PeerRefused as refusal:
                _log.warning("stream payment refused status=%d reason=%s", refusal.status, refusal.reason)
                settlement = settle_answer(answer_of(refusal.status), renewed=renewed)
            except TransportError as error:
                _log.warning("stream payment not answered reason=%s", error)
        finally:
            if settlement.outcome is not Outcome.ANSWERED:
                self._account.give_up(prepared, settlement.outcome)
        if settlement.outcome is Outcome.ANSWERED:
            await self._account.settle(prepared, seconds)
            self._meter = meter
            self._account.hears(reported)
            self._stepped(Step.TOPPED_UP)
        return settlement.then

    async def idle(self) -> None:
        """Wait for the answer to a payment that is on its way: to be stopped then leaves both books equal."""
        async with self._turn:
            return

    async def finish(self, reported: int | None) -> None:
        """The stream is over: charge its last seconds, every one begun. `reported`: the balance after all of them."""
        now_s = Fraction(self._clock.monotonic())
        try:
            await self._account.charge(
                seconds_begun(float(now_s - self._meter.billed_until_s)),
                reported,
                told_apart=self._account.taken_over == self._taken_over,
            )
        except LivepeerError as error:
            _log.error("last seconds of a stream not in the books: %s", error)
