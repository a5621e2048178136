"""A gateway that buys streams of brought-along capabilities: over real sockets, by a clock under the test's control.

The worker is a process of its own that reads and writes trickle channels.
"""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from livepeer_client.adapters.byoc_buyer import ByocBuyerHttp
from livepeer_client.codec.byoc_stream import StreamParameters
from livepeer_client.errors import InvalidInput, NoOrchestrator, PeerRefused
from livepeer_client.facts.byoc import ByocAnswer
from livepeer_client.services.byoc_dispatch import Terms
from livepeer_client.services.byoc_stream import ByocStream
from livepeer_client.services.dispatch_events import Event, Renewed, Swapped
from tests.support.byoc import StreamWorker
from tests.support.byoc_market import ByocMarket, byoc_market

REVERSE = Terms("reverse")
MEDIA = StreamParameters(ingress=True, egress=True, data=True)
DATA = StreamParameters(data=True)
DEAR = 33_000


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
async def worker() -> StreamWorker:
    return StreamWorker()


async def pass_until(market: ByocMarket, holds: Callable[[], object]) -> None:
    """Let time pass until something holds, no faster than real time: discovery waits by the clock for real answers."""
    async with asyncio.timeout(100):
        while not holds():
            await market.clock.advance(0.2)
            for _ in range(20):
                if holds():
                    return
                await asyncio.sleep(0.01)


async def pass_time(market: ByocMarket, seconds: int) -> None:
    """Let time pass no faster than payments come and go: what is on its way over a socket takes no time."""
    async with asyncio.timeout(100):
        for _ in range(seconds):
            await market.clock.advance(1)
            await quiet(market)


async def quiet(market: ByocMarket) -> None:
    """Both sides wait for the clock again: nobody pays or is being paid."""
    for _ in range(4):
        await asyncio.sleep(0.001)
    accounts = market.byoc._accounts.values()
    while any(account._turn.locked() or account._open for account in accounts):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.001)


def stream(market: ByocMarket, channels: StreamParameters = MEDIA, **how: object) -> ByocStream:
    return ByocStream(market.byoc, REVERSE, channels, {"prompt": "x"}, **how)  # type: ignore[arg-type]


async def test_stream__bought__has_its_segments_worked_on_and_both_books_agree(
    market: ByocMarket, worker: StreamWorker
) -> None:
    (seller,) = market.sellers
    async with worker.serving() as url:
        await seller.register(url)
        async with stream(market) as bought:
            results, data, made = bought.results(), bought.data(), []
            for segment in (b"abc", b"defg"):
                await bought.publish(segment)
                made.append(((await anext(results)).data, json.loads(await anext(data))))
            answer = await bought.update({"prompt": "y"})
            bought.end_input()
            await pass_until(market, lambda: not len(seller.streams))
            rest = [piece async for piece in results]

    assert made == [(b"cba", {"bytes": 3}), (b"gfed", {"bytes": 4})]
    assert (answer, rest) == (b'{"did": "params"}', [])
    assert worker.names() == ["start", "params", "stop"]
    assert worker.told[0][2]["prompt"] == "x"
    assert market.charged == await market.fees() > 0
    (account,) = market.byoc._accounts.values()
    assert account.engagement.balance.available == seller.balance


async def test_stream__for_ten_minutes__is_paid_every_50_s_and_never_warned(
    market: ByocMarket, worker: StreamWorker
) -> None:
    (seller,) = market.sellers
    low = []
    async with worker.serving() as url:
        await seller.register(url, price_per_unit=DEAR)
        async with stream(market, DATA) as bought:
            for _ in range(600):
                await pass_time(market, 1)
                low.append(seller.balance)
            assert bought.orchestrator == seller.shop.shop.address
        await pass_until(market, lambda: not len(seller.streams))

    (account,) = market.byoc._accounts.values()
    ticket = account.engagement.offer.ticket_params.expected_value
    # Never less than half a minute in hand; never more signed than the time cost, two minutes and a ticket.
    assert min(low) > 30 * DEAR
    assert len(seller.shop.shop.store.payments) >= 600 // 50
    assert account.signed <= market.charged + 120 * DEAR + ticket
    assert 600 * DEAR <= market.charged == await market.fees() <= 602 * DEAR
    assert account.engagement.balance.available == seller.balance
    assert account.signed == sum(payment.credited for payment in seller.shop.shop.store.payments)


async def test_stream__its_orchestrator_ends_it__goes_on_with_another_on_the_newest_parameters(
    tmp_path: Path, worker: StreamWorker
) -> None:
    events: list[Event] = []
    async with byoc_market(tmp_path, sellers=2) as market, worker.serving() as url:
        for seller in market.sellers:
            await seller.register(url)
        async with stream(market, observer=events.append) as bought:
            first = market.seller(bought.orchestrator)
            await bought.update({"prompt": "y"})
            await first.streams.close()
            await pass_until(market, lambda: bought.orchestrator not in (None, first.shop.shop.address))
            results = bought.results()
            await bought.publish(b"abc")
            assert (await anext(results)).data == b"cba"

    starts = [said["prompt"] for name, _, said in worker.told if name == "start"]
    assert starts == ["x", "y"]
    assert [event.orchestrator for event in events if isinstance(event, Swapped)] == [first.shop.shop.address]


async def test_stream__a_third_swap_within_a_minute__ends_it(tmp_path: Path, worker: StreamWorker) -> None:
    async with byoc_market(tmp_path, sellers=4) as market, worker.serving() as url:
        for seller in market.sellers:
            await seller.register(url)
        async with stream(market, DATA) as bought:
            for _ in range(3):
                at = bought.orchestrator
                await market.seller(at).streams.close()
                await pass_until(market, lambda at=at: bought.orchestrator != at or bought._feed.over)  # type: ignore[misc]
                await pass_until(market, lambda: bought.orchestrator is not None or bought._feed.over)
            with pytest.raises(NoOrchestrator, match="too many swaps"):
                await bought.over()

    assert worker.names().count("start") == 3


async def test_stream__swaps_a_minute_apart__goes_on(tmp_path: Path, worker: StreamWorker) -> None:
    async with byoc_market(tmp_path, sellers=4) as market, worker.serving() as url:
        for seller in market.sellers:
            await seller.register(url)
        async with stream(market, DATA) as bought:
            for _ in range(3):
                at = bought.orchestrator
                await market.seller(at).streams.close()
                await pass_until(market, lambda at=at: bought.orchestrator not in (None, at))  # type: ignore[misc]
                await pass_time(market, 31)
            assert bought.orchestrator is not None


class Door(ByocBuyerHttp):
    """Refuses payments of streams as often as it has reasons to."""

    refusals: list[tuple[int, str]]
    payments = 0

    async def stream(self, uri: str, route: str, body: bytes, **how: object) -> ByocAnswer:  # type: ignore[override]
        if route == "payment":
            self.payments += 1
            if self.refusals:
                raise PeerRefused(uri, *self.refusals.pop(0))
        return await super().stream(uri, route, body, **how)  # type: ignore[arg-type]


def doored(market: ByocMarket, *refusals: tuple[int, str]) -> Door:
    door = Door(market.byoc.transport._http)  # type: ignore[attr-defined]
    door.refusals = list(refusals)
    market.byoc.transport = door
    return door


async def test_stream__a_payment_is_refused__is_repeated_once_with_new_tickets_and_booked_when_accepted(
    market: ByocMarket, worker: StreamWorker
) -> None:
    (seller,) = market.sellers
    async with worker.serving() as url:
        await seller.register(url, price_per_unit=DEAR)
        door = doored(market, (400, "TicketParams expired"))
        async with stream(market, DATA):
            (account,) = market.byoc._accounts.values()
            first = account.signed
            await pass_time(market, 51)
            # The refused one has not been credited, and counts for nothing that could be spent.
            assert (door.payments, len(seller.shop.shop.store.payments)) == (2, 2)
            assert account.signed > first
            assert account.engagement.balance.available <= seller.balance
        await pass_until(market, lambda: not len(seller.streams))

    assert account.signed > sum(payment.credited for payment in seller.shop.shop.store.payments)


async def test_stream__its_payments_are_refused_again__is_left(market: ByocMarket, worker: StreamWorker) -> None:
    (seller,) = market.sellers
    events: list[Event] = []
    async with worker.serving() as url:
        await seller.register(url)
        doored(market, (400, "no"), (400, "no"))
        async with stream(market, DATA, observer=events.append) as bought:
            await pass_time(market, 49)
            await pass_until(market, lambda: bought._feed.over or any(isinstance(each, Swapped) for each in events))
        await pass_until(market, lambda: not len(seller.streams))

    (swap,) = [event for event in events if isinstance(event, Swapped)]
    assert swap.code.value == "payment"
    assert market.charged == await market.fees()


async def test_start__refused_by_the_worker__comes_back_to_whoever_asked(
    market: ByocMarket, worker: StreamWorker
) -> None:
    worker.status = 422
    async with worker.serving() as url:
        await market.sellers[0].register(url)
        with pytest.raises(PeerRefused) as refusal:
            async with stream(market):
                pass

    assert (refusal.value.status, refusal.value.reason) == (422, "not today")
    assert (market.choices.suspensions, market.sellers[0].room) == ({}, 1)


async def test_start__the_orchestrator_holds_less_than_we_believe__is_paid_anew_once(
    market: ByocMarket, worker: StreamWorker
) -> None:
    (seller,) = market.sellers
    events: list[Event] = []
    async with worker.serving() as url:
        # A minute's price is held by a stream of our own, so what is left does not cover another.
        await seller.register(url, price_per_unit=DEAR, capacity=2)
        async with stream(market, DATA), stream(market, DATA, observer=events.append) as second:
            assert second.orchestrator == seller.shop.shop.address
        await pass_until(market, lambda: not len(seller.streams))

    (account,) = market.byoc._accounts.values()
    assert len([event for event in events if isinstance(event, Renewed)]) <= 1
    assert abs(account.engagement.balance.available - seller.balance) < 1
    assert market.charged == await market.fees()


async def test_stream__its_owner_is_cancelled__is_stopped_at_the_orchestrator(
    market: ByocMarket, worker: StreamWorker
) -> None:
    (seller,) = market.sellers

    async def use() -> None:
        async with stream(market) as bought:
            await bought.over()

    async with worker.serving() as url:
        await seller.register(url)
        using = asyncio.create_task(use())
        await pass_until(market, lambda: len(worker.told) == 1 and len(seller.streams) == 1)
        using.cancel()
        await pass_until(market, using.done)
        assert using.cancelled()
        await pass_until(market, lambda: not len(seller.streams))

    assert worker.names() == ["start", "stop"]
    assert seller.room == 1


async def test_publish__to_a_stream_without_video__is_refused(market: ByocMarket, worker: StreamWorker) -> None:
    async with worker.serving() as url:
        await market.sellers[0].register(url)
        async with stream(market, DATA) as bought:
            with pytest.raises(InvalidInput):
                await bought.publish(b"abc")


@pytest.mark.parametrize("stream_id", ["a/b", "a b", "x" * 125, "a\r\nb"])
async def test_stream__an_id_that_cannot_stand_in_a_header__is_refused(market: ByocMarket, stream_id: str) -> None:
    with pytest.raises(InvalidInput):
        stream(market, stream_id=stream_id)
