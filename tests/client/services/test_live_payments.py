"""A live job paid by the second: a real gateway's payer against a real orchestrator's till (offchain-payments 9)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import MemoryGatewayBooks
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.codec import wire
from livepeer_client.codec.capability import job_capabilities
from livepeer_client.codec.messages import OrchestratorInfo, OrchestratorRequest, PaymentResult, RegisteredOrchestrator
from livepeer_client.errors import InsufficientBalance, PeerRefused, PeerTimeout, SpendLimitReached
from livepeer_client.policy.discovery import Offer, classify
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.policy.streaming import PIXELS_PER_S, Next, Unit
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.services.live_payments import LiveAccountant, LivePayer
from livepeer_client.services.paying import Engagement, Payer
from livepeer_client.services.work import Refused
from tests.support.shop import GATEWAY, GATEWAY_KEY, PROFILES, SERVICE_URI, Shop

JOB = job_capabilities(PROFILES)
MILLIWEI = Fraction(1, 1_000)
PER_SECOND = PIXELS_PER_S * MILLIWEI


@dataclass
class Till:
    """`ports.PaymentTransport` straight into a shop. `say` answers instead of it, once each."""

    shop: Shop
    say: list[Exception] = field(default_factory=list)
    payments: list[str] = field(default_factory=list)

    async def submit_payment(self, url: str, *, payment: str, credentials: str, timeout_s: float) -> PaymentResult:
        assert url == f"{SERVICE_URI}/payment"
        self.payments.append(payment)
        if self.say:
            raise self.say.pop(0)
        answer = await self.shop.work.pay(payment, credentials)
        if isinstance(answer, Refused):
            raise PeerRefused(url, answer.status, answer.reason)
        return wire.decode_payment_result(answer)


@dataclass
class Probe:
    """`ports.OrchestratorProbe` straight into a shop."""

    shop: Shop

    async def get_info(self, uri: str, request: OrchestratorRequest, *, timeout_s: float) -> OrchestratorInfo:
        return await self.shop.advertise.get_orchestrator(request)

    async def ping(self, uri: str, value: bytes, *, timeout_s: float) -> bytes:
        return await self.shop.advertise.ping(value)

    async def close(self) -> None: ...


@dataclass
class Stream:
    shop: Shop
    till: Till
    engagement: Engagement
    payer: LivePayer

    @property
    def session_id(self) -> str:
        return self.engagement.token.session_id

    @property
    def orchestrators_balance(self) -> Fraction:
        return self.shop.payments.balance(GATEWAY, self.session_id)

    def tickets(self) -> list[tuple[bytes, int]]:
        """(commitment, nonce) of everything sent."""
        found = []
        for header in self.till.payments:
            payment = wire.payment_from_header(header)
            if payment.ticket_params is not None:
                commitment = payment.ticket_params.recipient_rand_hash
                found += [(commitment, ticket.sender_nonce) for ticket in payment.tickets]
        return found


async def stream(unit: Unit = Unit.PIXEL_720P, price: Fraction = MILLIWEI, max_total: Fraction | None = None) -> Stream:
    shop = Shop(price=price)
    signer = LocalSigner(GATEWAY_KEY.secret)
    member = RegisteredOrchestrator(shop.address, SERVICE_URI, 1, True)
    discovery = DiscoveryService(shop.chain, Probe(shop), signer, shop.clock, challenge=False)
    payer = Payer(shop.chain, signer, MemoryGatewayBooks(), shop.clock, discovery, SenderLimits())
    offer = classify(member, await shop.info(), JOB, 0.0)
    assert isinstance(offer, Offer)
    engagement, till = Engagement(offer, offer.price), Till(shop)
    live = LivePayer(
        payer,
        engagement,
        JOB,
        till,
        signer,
        shop.clock,
        payment_url=f"{SERVICE_URI}/payment",
        unit=unit,
        max_total=max_total,
    )
    return Stream(shop, till, engagement, live)


@contextlib.asynccontextmanager
async def running(live: Stream) -> AsyncIterator[asyncio.Task[Next]]:
    task = asyncio.create_task(live.payer.run())
    await settle()
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, SpendLimitReached):
            await task


async def settle() -> None:
    """Let everything happen that time has nothing to do with."""
    for _ in range(50):
        await asyncio.sleep(0)


async def pass_time(live: Stream, seconds: int) -> None:
    for second in range(seconds):
        if second % 12 == 0:
            live.shop.chain.mine()
        await live.shop.clock.advance(1, turns=40)


async def test_run__a_stream_of_two_minutes__stays_paid_on_both_sides_and_never_behind() -> None:
    live = await stream()
    accountant = LiveAccountant(live.shop.payments, live.shop.clock, GATEWAY, live.session_id)
    async with running(live) as task:
        counting = asyncio.create_task(accountant.run())
        await pass_time(live, 120)
        assert not task.done()
        assert not counting.done()
        counting.cancel()
        units = sum(debit.pixels for debit in live.shop.store.debits)
        assert units == 120 * PIXELS_PER_S
        # What was paid ahead is what the orchestrator has more than it needs.
        ahead = 60 * PER_SECOND
        assert live.orchestrators_balance == live.engagement.balance.available + ahead
        assert live.orchestrators_balance >= ahead
    assert len(set(live.tickets())) == len(live.tickets())
    assert live.payer.signed < 180 * PER_SECOND + 2 * live.engagement.offer.ticket_params.expected_value


async def test_pay__refused__leaves_its_credit_unconfirmed_and_pays_once_more_with_new_tickets() -> None:
    live = await stream()
    live.till.say.append(PeerRefused(SERVICE_URI, 400, "TicketParams expired"))
    assert await live.payer.pay(60 * PIXELS_PER_S) is Next.CONTINUE
    first, second = (wire.payment_from_header(header) for header in live.till.payments)
    assert first.ticket_params is not None
    assert second.ticket_params is not None
    assert first.ticket_params.recipient_rand_hash != second.ticket_params.recipient_rand_hash
    assert live.orchestrators_balance == len(second.tickets) * second.ticket_params.expected_value


async def test_pay__refused_again__stops_the_job() -> None:
    live = await stream()
    live.till.say += [PeerRefused(SERVICE_URI, 400, "no")] * 2
    assert await live.payer.pay(60 * PIXELS_PER_S) is Next.STOP
    assert live.engagement.balance.unconfirmed > 0
    assert live.engagement.balance.available == 0


@pytest.mark.parametrize(
    ("trouble", "then"),
    [
        (PeerTimeout(SERVICE_URI, "late"), Next.CONTINUE),
        (PeerRefused(SERVICE_URI, 503, "busy"), Next.CONTINUE),
        (PeerRefused(SERVICE_URI, 404, "released"), Next.END),
    ],
)
async def test_pay__no_verdict__counts_as_unconfirmed(trouble: Exception, then: Next) -> None:
    live = await stream()
    live.till.say.append(trouble)
    assert await live.payer.pay(60 * PIXELS_PER_S) is then
    assert len(live.till.payments) == 1
    assert live.engagement.balance.unconfirmed == live.payer.signed > 0
    # The next one pays for itself alone.
    await live.payer.pay(5 * PIXELS_PER_S)
    assert live.engagement.balance.available >= 0


async def test_run__an_orchestrator_that_takes_money_and_says_no__reaches_the_spend_limit() -> None:
    live = await stream()
    live.till.say += [PeerRefused(SERVICE_URI, 503, "busy")] * 1_000
    async with running(live) as task:
        await pass_time(live, 900)
        assert task.done()
        with pytest.raises(SpendLimitReached):
            task.result()
    assert live.payer.signed <= (900 + 120 + 15) * PER_SECOND + 2 * live.engagement.offer.ticket_params.expected_value


async def test_run__a_cap_on_the_whole__is_never_passed() -> None:
    live = await stream(max_total=Fraction(3_000_000))
    async with running(live) as task:
        await pass_time(live, 400)
        assert isinstance(task.exception(), SpendLimitReached)
    assert live.payer.signed <= 3_000_000


async def test_run__a_job_at_a_fixed_price__is_paid_once() -> None:
    live = await stream(Unit.JOB, Fraction(1_500_000))
    assert await live.payer.run() is Next.END
    assert len(live.till.payments) == 1
    assert live.orchestrators_balance >= 1_500_000


async def test_run__for_free__sends_nothing() -> None:
    live = await stream(price=Fraction(0))
    async with running(live) as task:
        await pass_time(live, 20)
        assert not task.done()
    assert live.till.payments == []


async def test_accountant__balance_gone__warns_once_and_then_closes_with_what_was_missing() -> None:
    live = await stream()
    await live.payer.pay(60 * PIXELS_PER_S)
    warned: list[InsufficientBalance] = []
    accountant = LiveAccountant(
        live.shop.payments, live.shop.clock, GATEWAY, live.session_id, grace=1, warn=warned.append
    )
    counting = asyncio.create_task(accountant.run())
    await asyncio.sleep(0)
    await pass_time(live, 120)
    missing = await counting
    assert len(warned) == 1
    assert warned[0].required == 5 * PER_SECOND
    assert missing.required == 10 * PER_SECOND
    assert 0 <= live.orchestrators_balance < 5 * PER_SECOND


async def test_accountant__a_late_payment_within_the_grace__charges_what_was_owed() -> None:
    live = await stream()
    await live.payer.pay(PIXELS_PER_S)
    covered = int(live.orchestrators_balance / PER_SECOND) // 5 * 5
    accountant = LiveAccountant(live.shop.payments, live.shop.clock, GATEWAY, live.session_id, grace=1)
    counting = asyncio.create_task(accountant.run())
    await asyncio.sleep(0)
    await pass_time(live, covered + 5)
    await live.payer.pay((covered + 60) * PIXELS_PER_S)
    await pass_time(live, 5)
    assert not counting.done()
    counting.cancel()
    assert sum(debit.pixels for debit in live.shop.store.debits) == (covered + 10) * PIXELS_PER_S
