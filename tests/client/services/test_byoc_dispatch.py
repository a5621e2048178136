"""A gateway that buys jobs of brought-along capabilities, over real sockets from orchestrators that judge its payments.

Both sides' books are compared to the wei.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from aiohttp import web

from livepeer_client.adapters.byoc_buyer import ByocBuyerHttp
from livepeer_client.errors import InvalidInput, NoOrchestrator, PeerRefused, PeerTimeout
from livepeer_client.facts.byoc import ByocAnswer
from livepeer_client.policy.price_list import DEFAULT_MODEL
from livepeer_client.services.byoc_dispatch import ByocDispatcher, ByocReply, Terms
from livepeer_client.services.dispatch_events import DispatchRules, Event, Renewed, Swapped
from tests.support.ai import TwoEvents, model_runner, until
from tests.support.byoc import PRICE, Bazaar, Held, reverse
from tests.support.byoc_market import ByocMarket, byoc_market, gateway_signer
from tests.support.shop import GATEWAY

BODY = b'{"text": "abc"}'
REVERSE = Terms("reverse")


# A connection with TLS is now and then still open when the loop of a test ends, on one side or the other; what a test
# has asserted by then holds. It is collected here, so that no other test is blamed for it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[ByocMarket]:
    async with byoc_market(tmp_path) as opened:
        yield opened


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[ByocMarket]:
    async with byoc_market(tmp_path, sellers=2) as opened:
        yield opened


async def buy(market: ByocMarket, terms: Terms = REVERSE, *, byoc: ByocDispatcher | None = None) -> ByocReply:
    async with (byoc or market.byoc).job(terms, BODY) as reply:
        await reply.read()
        return reply


def ours(market: ByocMarket, seller: Bazaar, byoc: ByocDispatcher | None = None) -> Fraction:
    """What the gateway believes to have with a seller."""
    account = (byoc or market.byoc)._accounts["reverse", seller.shop.shop.address]
    return account.engagement.balance.available


def signed(market: ByocMarket) -> Fraction:
    return sum((account.signed for account in market.byoc._accounts.values()), Fraction(0))


def credited(market: ByocMarket) -> Fraction:
    payments = [payment for seller in market.sellers for payment in seller.shop.shop.store.payments]
    return sum((payment.credited for payment in payments), Fraction(0))


# --- what is bought -------------------------------------------------------------------------------


async def test_job__bought__is_paid_done_and_charged_and_both_books_agree(market: ByocMarket) -> None:
    (seller,) = market.sellers
    async with model_runner("/reverse", reverse) as url:
        await seller.register(url)
        replies = [await buy(market) for _ in range(4)]

    assert [reply.body for reply in replies] == [b'{"text": "cba"}'] * 4
    assert {reply.metadata for reply in replies} == {"made here"}
    assert market.charged == await market.fees() == 4 * PRICE
    assert seller.balance == ours(market, seller) == signed(market) - 4 * PRICE
    assert signed(market) == credited(market)


async def test_job__by_events__are_passed_on_as_they_come_and_charged_to_their_end(market: ByocMarket) -> None:
    (seller,) = market.sellers
    talk = TwoEvents()

    async with model_runner("/reverse", talk.answer) as url:
        await seller.register(url)
        async with market.byoc.job(REVERSE, BODY) as reply:
            assert not isinstance(reply.body, bytes)
            first = await anext(reply.body)
            await market.clock.advance(7)
            talk.go_on.set()
            rest = b"".join([piece async for piece in reply.body])
        await until(lambda: seller.room == 1)

    assert (first, rest) == (talk.FIRST, talk.SECOND)
    assert market.charged == await market.fees() == 7 * PRICE
    assert seller.balance == ours(market, seller)


async def test_job__several_at_once__each_has_its_own_minutes_and_the_books_agree(market: ByocMarket) -> None:
    (seller,) = market.sellers
    async with model_runner("/reverse", reverse) as url:
        await seller.register(url, capacity=5)
        replies = await asyncio.gather(*(buy(market) for _ in range(5)))

    assert len(replies) == 5
    assert market.charged == await market.fees() == 5 * PRICE
    assert signed(market) == credited(market)
    assert seller.balance == ours(market, seller)


async def test_job__for_nothing__is_bought_and_charged_nothing(market: ByocMarket) -> None:
    async with model_runner("/reverse", reverse) as url:
        await market.sellers[0].register(url, price_per_unit=0)
        reply = await buy(market)

    assert reply.body == b'{"text": "cba"}'
    assert (market.charged, await market.fees()) == (0, 0)


# --- what goes to another, and what comes back ------------------------------------------------------


async def answer_with(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text)


async def test_job__a_status_below_500__comes_back_and_nobody_else_is_asked(two: ByocMarket) -> None:
    asked = []

    async def unwilling(_: web.Request) -> web.Response:
        asked.append(1)
        return await answer_with(422, "no such prompt")

    async with model_runner("/reverse", unwilling) as url:
        for seller in two.sellers:
            await seller.register(url)
        with pytest.raises(PeerRefused) as refusal:
            await buy(two)

    assert (refusal.value.status, refusal.value.reason, len(asked)) == (422, "no such prompt", 1)
    assert two.choices.suspensions == {}


async def test_job__a_status_from_500_on__goes_to_the_next_orchestrator(two: ByocMarket) -> None:
    events: list[Event] = []
    failing = iter([True])

    async def fails_once(request: web.Request) -> web.Response:
        return await answer_with(500, "out of memory") if next(failing, False) else await reverse(request)

    async with model_runner("/reverse", fails_once) as url:
        for seller in two.sellers:
            await seller.register(url)
        async with two.byoc.job(REVERSE, BODY, observer=events.append) as reply:
            assert reply.attempts == 2

    (swap,) = [event for event in events if isinstance(event, Swapped)]
    assert swap.orchestrator != reply.orchestrator
    assert list(two.choices.suspensions) == [swap.orchestrator]


async def test_job__no_place_left__goes_to_the_next_orchestrator(two: ByocMarket) -> None:
    held = Held()
    async with model_runner("/reverse", held.answer) as url:
        for seller in two.sellers:
            await seller.register(url)
        first = asyncio.ensure_future(buy(two))
        await asyncio.wait_for(held.begun.wait(), 60)
        held.go_on.set()
        second = await buy(two)
        done = await first

    assert {done.orchestrator, second.orchestrator} <= {seller.shop.shop.address for seller in two.sellers}
    assert two.charged == await two.fees() == 2 * PRICE


async def test_job__dearer_than_the_ceiling__is_bought_of_nobody_and_nothing_is_signed(market: ByocMarket) -> None:
    market.choices.rules = DispatchRules(model_ceilings={(37, DEFAULT_MODEL): Fraction(PRICE - 1)})
    await market.sellers[0].register("http://127.0.0.1:1")
    with pytest.raises(NoOrchestrator, match="price"):
        await buy(market)

    assert (await market.books.totals(), market.byoc._accounts) == ({}, {})


@pytest.mark.parametrize("by", ["include", "exclude"])
async def test_job__asked_for_of_some__goes_to_no_other(two: ByocMarket, by: str) -> None:
    first, second = two.sellers
    listed = first.shop.uri if by == "include" else f"0x{second.shop.shop.address.hex()}"
    async with model_runner("/reverse", reverse) as url:
        for seller in two.sellers:
            await seller.register(url)
        terms = Terms("reverse", **{by: [listed]})  # type: ignore[arg-type]
        got = {(await buy(two, terms)).orchestrator for _ in range(3)}

    assert got == {first.shop.shop.address}


@pytest.mark.parametrize("path", ["../admin", "reverse//x", "reverse/..", "."])
async def test_job__a_path_out_of_the_workers__is_not_sent(market: ByocMarket, path: str) -> None:
    with pytest.raises(InvalidInput):
        async with market.byoc.job(REVERSE, BODY, path=path):
            pass


# --- money ----------------------------------------------------------------------------------------


async def test_job__the_orchestrator_has_lost_our_balance__is_paid_anew_once(market: ByocMarket) -> None:
    (seller,) = market.sellers
    events: list[Event] = []
    async with model_runner("/reverse", reverse) as url:
        await seller.register(url)
        for _ in range(2):
            await buy(market)
        lost = int(seller.balance)
        await seller.shop.shop.payments.charge_fee(GATEWAY, "reverse", 99, 1, Fraction(lost))
        before = signed(market)
        async with market.byoc.job(REVERSE, BODY, observer=events.append) as reply:
            assert reply.attempts == 1

    assert len([event for event in events if isinstance(event, Renewed)]) <= 1
    # One ticket is worth more than two minutes.
    assert signed(market) == credited(market) == before * 3 / 2
    assert abs(seller.balance - ours(market, seller)) < 1


async def test_job__a_gateway_that_was_started_anew__uses_what_is_left_before_it_pays(market: ByocMarket) -> None:
    (seller,) = market.sellers
    async with model_runner("/reverse", reverse) as url:
        await seller.register(url)
        for _ in range(2):
            await buy(market)
        spent = credited(market)
        later = ByocDispatcher(market.choices, market.payer, gateway_signer(), market.byoc.transport)
        await buy(market, byoc=later)
        await later.close()

    assert credited(market) == spent
    assert abs(seller.balance - ours(market, seller, later)) < 1


class Lossy(ByocBuyerHttp):
    """Loses the answer of the first job it sends."""

    lost = False

    async def job(self, *args: object, **how: object) -> ByocAnswer:
        answer = await super().job(*args, **how)  # type: ignore[arg-type]
        if not self.lost:
            self.lost = True
            raise PeerTimeout("o", "no answer in time")
        return answer


async def test_job__its_answer_is_lost__the_credit_is_asked_about_and_not_paid_again(market: ByocMarket) -> None:
    (seller,) = market.sellers
    market.byoc.transport = Lossy(market.byoc.transport._http)  # type: ignore[attr-defined]
    async with model_runner("/reverse", reverse) as url:
        await seller.register(url)
        with pytest.raises(NoOrchestrator):
            await buy(market)
        (account,) = market.byoc._accounts.values()
        # Nobody knows whether it arrived.
        assert (account.engagement.balance.available, account.engagement.balance.unconfirmed) == (0, account.signed)
        await market.clock.advance(60)
        # What is left of it is short of a ticket's worth, so one more is bought, not two.
        before = account.signed
        await buy(market)

    assert account.signed == 2 * before == credited(market)
    assert abs(seller.balance - account.engagement.balance.available) < 1
    assert account.engagement.balance.unconfirmed == 0


class Liar(ByocBuyerHttp):
    """Brings word that nothing is left, whatever was paid."""

    async def balance(self, uri: str, caller: str, capability: str) -> int | None:
        return 0

    async def job(self, *args: object, **how: object) -> ByocAnswer:
        answer = await super().job(*args, **how)  # type: ignore[arg-type]
        return ByocAnswer(answer.content_type, answer.metadata, 0, answer.body)


async def test_job__an_orchestrator_says_each_time_that_nothing_is_left__is_paid_no_more_than_its_work_can_have_cost(
    market: ByocMarket,
) -> None:
    market.byoc.transport = Liar(market.byoc.transport._http)  # type: ignore[attr-defined]
    done = 0
    async with model_runner("/reverse", reverse) as url:
        await market.sellers[0].register(url, price_per_unit=10_000)

        async def buy_on() -> None:
            nonlocal done
            for _ in range(100):
                await buy(market)
                done += 1

        with pytest.raises(NoOrchestrator, match="spend limit"):
            await buy_on()

    (account,) = market.byoc._accounts.values()
    ticket = account.engagement.offer.ticket_params.expected_value
    assert 0 < done < 10
    assert account.signed <= done * 10_000 + 3 * (120 * 10_000 + ticket)


async def test_job__several_at_once_after_a_long_pause__forget_other_capabilities_without_tripping(
    market: ByocMarket,
) -> None:
    closed = 0

    class Slow:
        async def close(self) -> None:
            nonlocal closed
            closed += 1
            await asyncio.sleep(0)

    pools = market.byoc._pools
    for name in ("one", "two", "three"):
        pools[name] = Slow(), market.byoc.now()  # type: ignore[assignment]
    await market.clock.advance(601)
    async with model_runner("/reverse", reverse) as url:
        await market.sellers[0].register(url, capacity=3)
        await asyncio.gather(*(buy(market) for _ in range(3)))

    assert (closed, set(pools)) == (3, {"reverse"})
