"""The exchange rate kept current (offchain-payments 7)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.errors import ChainUnavailable, PriceUnavailable
from livepeer_client.facts import FeedReading
from livepeer_client.policy.fiat import MAX_AGE_S, Amount
from livepeer_client.services.price_feed import PriceFeedService

USD = Amount(Fraction(1), "USD")


@dataclass
class Feed:
    """A feed whose answers a test sets; it fails while there is none."""

    clock: ManualClock
    price: int | None = 2_000
    age_s: int = 0
    reads: list[float] = field(default_factory=list)

    async def read(self) -> FeedReading:
        self.reads.append(self.clock.monotonic())
        if self.price is None:
            raise ChainUnavailable("no node")
        return FeedReading("ETH / USD", 0, self.price, int(self.clock.time()) - self.age_s)


@contextlib.asynccontextmanager
async def running(feed: Feed) -> AsyncIterator[PriceFeedService]:
    service = PriceFeedService(feed, feed.clock)
    await service.start()
    task = asyncio.create_task(service.run())
    await asyncio.sleep(0)
    try:
        yield service
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_run__a_new_price_on_the_hour__changes_what_is_asked() -> None:
    feed = Feed(ManualClock(start=3_600.0 * 1_000 + 600))
    async with running(feed) as service:
        assert service.wei(USD) == 10**18 / Fraction(2_000)
        feed.price = 4_000
        await feed.clock.advance(2_999)
        assert service.wei(USD) == 10**18 / Fraction(2_000)
        await feed.clock.advance(1)
        assert service.wei(USD) == 10**18 / Fraction(4_000)
        assert feed.reads == [0, 3_000]


async def test_run__a_feed_that_fails__is_tried_five_times_and_again_on_the_next_hour() -> None:
    feed = Feed(ManualClock(start=3_600.0 * 1_000))
    async with running(feed) as service:
        feed.price = None
        await feed.clock.advance(7_200)
        assert feed.reads == [0, 3_600, 3_630, 3_690, 3_810, 4_050, 7_200]
        assert service.wei(USD) == 10**18 / Fraction(2_000)


async def test_wei__the_last_reading_grown_stale__is_unavailable_while_eth_is_not() -> None:
    feed = Feed(ManualClock(), age_s=MAX_AGE_S - 10)
    service = PriceFeedService(feed, feed.clock)
    await service.start()
    service.wei(USD)
    await feed.clock.advance(11)
    with pytest.raises(PriceUnavailable):
        service.wei(USD)
    assert service.wei(Amount(Fraction(2), "eth")) == 2 * 10**18


async def test_start__a_stale_feed__is_refused() -> None:
    feed = Feed(ManualClock(), age_s=MAX_AGE_S + 1)
    with pytest.raises(PriceUnavailable):
        await PriceFeedService(feed, feed.clock).start()
