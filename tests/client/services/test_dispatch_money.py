"""What a stream pays, what it refuses to pay, and whose fault is whose."""

import asyncio
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.codec.capability import job_capabilities
from livepeer_client.codec.messages import PriceInfo
from livepeer_client.errors import (
    ChainUnavailable,
    ParamsRejected,
    StoreError,
)
from livepeer_client.policy.balance import Balance
from livepeer_client.policy.discovery import Offer
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.services.dispatch import Swapped
from livepeer_client.services.paying import Engagement
from livepeer_client.types import Wei
from tests.support.market import PROFILES, Market, segment, send


async def test_submit__price_more_than_doubles__swaps_and_exactly_double_does_not() -> None:
    market = await Market("ada", "bob").open()
    stream = market.stream()
    market["ada"].before_answer = None
    await send(stream, 0)
    market["ada"].price = PriceInfo(2, 1000)
    assert await send(stream, 1, 2) == ["ada", "ada"]
    market["ada"].price = PriceInfo(2001, 1_000_000)
    assert await send(stream, 3, 4) == ["ada", "bob"]
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert isinstance(swap.cause, ParamsRejected)
    assert swap.cause.figures == {"price": Fraction(2001, 10**6), "initial_price": Fraction(1, 1000)}


async def test_submit__free_orchestrator__gets_payments_without_tickets_and_needs_no_deposit() -> None:
    market = await Market("ada").open()
    market["ada"].price = PriceInfo(0, 1)
    market.chain.senders.clear()
    result = await market.stream().submit(0, segment(0), 2000)
    assert (result.tickets, result.fee) == (0, Fraction(0))
    ((_, payment),) = market["ada"].received
    assert (payment.ticket_params, payment.sender) == (None, market.signer.address)
    assert payment.expected_price == PriceInfo(0, 1)


@pytest.mark.parametrize(
    ("deposit", "reserve", "reason"),
    [(0, 10**18, "no sender deposit"), (10**18, 0, "no sender reserve")],
)
async def test_submit__own_account_cannot_pay__goes_to_the_caller_and_suspends_nobody(
    deposit: int, reserve: int, reason: str
) -> None:
    market = await Market("ada", "bob").open()
    account = market.chain.senders[market.signer.address]
    market.chain.senders[market.signer.address] = replace(account, deposit=Wei(deposit), reserve=Wei(reserve))
    with pytest.raises(ParamsRejected) as rejected:
        await send(market.stream(), 0)
    assert rejected.value.reason == reason
    assert not market.happened(Swapped)
    assert not market["ada"].received


async def test_submit__ticket_beyond_our_limit__swaps_with_the_figures() -> None:
    market = await Market("ada", "bob").open()
    market["bob"].price = PriceInfo(0, 1)
    assert await send(market.stream(limits=SenderLimits(max_ev=Fraction(1))), 0) == ["bob"]
    (swap,) = market.happened(Swapped)
    assert isinstance(swap, Swapped)
    assert isinstance(swap.cause, ParamsRejected)
    assert swap.cause.figures["max_ev"] == 1
    assert not market["ada"].received


async def test_submit__books_refuse__nothing_is_sent_and_nobody_suspended() -> None:
    market = await Market("ada").open()
    stream = market.stream()
    market.books.failure = StoreError("disk full")
    with pytest.raises(StoreError):
        await send(stream, 0)
    assert market["ada"].received == []
    market.books.failure = None
    assert await send(stream, 0) == ["ada"]
    # The nonces drawn for the payment that never left are spent.
    assert market["ada"].nonces[0][1] > 1


async def test_submit__chain_does_not_answer__is_ours_and_suspends_nobody() -> None:
    market = await Market("ada").open()
    stream = market.stream()
    await send(stream, 0)
    market.chain.failure = ChainUnavailable("down")
    with pytest.raises(ChainUnavailable):
        await send(stream, 1)
    market.chain.failure = None
    assert await send(stream, 1) == ["ada"]


async def test_submit__cancelled_while_it_waits__leaves_the_payment_unanswered() -> None:
    market = await Market("ada").open()
    market["ada"].took_s = 5
    stream = market.stream()
    task = asyncio.create_task(stream.submit(0, segment(0), 2000))
    await market.clock.advance(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    totals = (await market.books.totals())[market["ada"].signer.address]
    assert totals.tickets_unanswered == totals.tickets_sent > 0


async def test_renew__quote_replaced_meanwhile__keeps_the_new_session_and_its_credit() -> None:
    market = await Market("ada").open()
    payer, job = market.dispatcher().payer, job_capabilities(PROFILES)
    outcome = await market.discovery().requote(market["ada"].member, job, timeout_s=1)
    assert isinstance(outcome, Offer)
    engagement = Engagement(outcome, outcome.price)
    await asyncio.gather(*(payer.renew(engagement, job, instead_of=outcome) for _ in range(3)))
    assert market["ada"].sessions == 2
    engagement.balance = Balance(Fraction(5))
    await payer.renew(engagement, job, instead_of=outcome)
    assert engagement.balance == Balance(Fraction(5))
    await payer.renew(engagement, job, instead_of=engagement.offer)
    assert (market["ada"].sessions, engagement.balance) == (3, Balance())
