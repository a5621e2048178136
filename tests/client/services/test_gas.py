"""The gas price monitor: minimum, maximum, trouble, history."""

import asyncio
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import FakeChain, ManualClock
from livepeer_client.errors import ChainUnavailable, GasPriceTooHigh, InvalidInput
from livepeer_client.facts import Head
from livepeer_client.services.gas import GasPriceMonitor
from livepeer_client.types import BlockNumber, Wei


async def test_poll__below_the_minimum__tells_the_minimum_and_not_an_older_price() -> None:
    chain, told = FakeChain(), []
    monitor = GasPriceMonitor(chain, ManualClock(), min_price=Wei(10), on_change=told.append)
    for price in (777, 555, 888, 1, 1):
        chain.gas_price = Wei(price)
        await monitor.poll()
    assert told == [777, 555, 888, 10]
    assert monitor.price == 10
    assert monitor.look().prices[0] == 1


async def test_suggest__above_the_maximum__is_refused_with_both_figures() -> None:
    chain = FakeChain()
    monitor = GasPriceMonitor(chain, ManualClock(), max_price=Wei(100))
    chain.gas_price = Wei(100)
    await monitor.poll()
    assert monitor.suggest() == 100
    chain.gas_price = Wei(101)
    await monitor.poll()
    with pytest.raises(GasPriceTooHigh) as refusal:
        monitor.suggest()
    assert (refusal.value.base_fee, refusal.value.limit) == (101, 100)
    assert monitor.price == 101


async def test_run__first_look_fails__raises() -> None:
    chain = FakeChain()
    chain.failure = ChainUnavailable("down")
    with pytest.raises(ChainUnavailable):
        await GasPriceMonitor(chain, ManualClock()).run()


async def test_run__later_looks_fail__keeps_the_last_price_and_goes_on() -> None:
    chain, clock = FakeChain(), ManualClock()
    monitor = GasPriceMonitor(chain, clock, poll_interval_s=5)
    task = asyncio.create_task(monitor.run())
    await clock.advance(1)
    chain.failure, before = ChainUnavailable("down"), monitor.price
    await clock.advance(10)
    assert monitor.price == before
    chain.failure, chain.gas_price = None, Wei(3)
    await clock.advance(5)
    assert monitor.price == 3
    task.cancel()


async def test_look__after_a_day__has_the_quantiles_of_that_day_only() -> None:
    chain = FakeChain()
    monitor = GasPriceMonitor(chain, ManualClock())
    for hour in range(48):
        chain.gas_price = Wei(1000 + hour)
        await monitor.poll()
        chain.mine(1, seconds_per_block=3600)
    look = monitor.look()
    assert look.prices == tuple(range(1023, 1048))
    assert look.span_s == 24 * 3600
    assert look.quantile(Fraction(1, 5)) == 1027


async def test_monitor__started_from_former_samples__knows_them() -> None:
    chain, clock = FakeChain(), ManualClock(start=1000)
    first = GasPriceMonitor(chain, clock)
    await first.poll()
    await clock.advance(60)
    chain.gas_price = Wei(2)
    second = GasPriceMonitor(chain, clock, samples=first.samples)
    await second.poll()
    assert second.look().prices == (2, 10**9)


async def test_price__before_the_first_look__is_refused() -> None:
    with pytest.raises(InvalidInput):
        _ = GasPriceMonitor(FakeChain(), ManualClock()).price


def test_monitor__with_a_minimum_over_the_maximum__is_refused() -> None:
    with pytest.raises(InvalidInput):
        GasPriceMonitor(FakeChain(), ManualClock(), min_price=Wei(2), max_price=Wei(1))


async def test_see__for_the_first_time__fills_the_day_before_from_what_blocks_charged() -> None:
    chain = FakeChain()
    chain.base_fees = [(at, chain.timestamp - 7200 + 3600 * at, Wei(100 + at)) for at in range(2)]
    monitor = GasPriceMonitor(chain, ManualClock())
    chain.gas_price = Wei(500)
    assert await monitor.poll() == 500
    assert monitor.look().prices == (100, 101, 500)
    assert monitor.look().span_s == 7200


async def test_see__after_somebody_noted_a_head__still_looks_back_before_it() -> None:
    chain = FakeChain()
    # The last of them is the block that was noted.
    chain.base_fees = [(chain.block - at, chain.timestamp - 3600 * at, Wei(100 + at)) for at in (2, 1, 0)]
    monitor = GasPriceMonitor(chain, ManualClock())
    monitor.note(await chain.head())
    chain.mine()
    await monitor.poll()
    assert monitor.look().prices == (101, 102, 10**9, 10**9)


async def test_note__a_head_that_several_have_read__counts_once() -> None:
    chain = FakeChain()
    monitor = GasPriceMonitor(chain, ManualClock())
    for _ in range(3):
        monitor.note(await chain.head())
    assert len(monitor.samples) == 1


async def test_poll__before_the_past_can_be_read__looks_back_the_next_time() -> None:
    class Forgetful(FakeChain):
        async def past_base_fees(self, head: Head, span_s: float, samples: int) -> list[tuple[int, Wei]]:
            if self.block < 5:
                raise ChainUnavailable("not now")
            return await super().past_base_fees(head, span_s, samples)

    chain = Forgetful()
    chain.block = BlockNumber(4)
    chain.base_fees = [(3, chain.timestamp - 60, Wei(7))]
    monitor = GasPriceMonitor(chain, ManualClock())
    with pytest.raises(ChainUnavailable):
        await monitor.poll()
    chain.mine()
    await monitor.poll()
    assert monitor.look().prices == (7, 10**9)


async def test_see__blocks_of_the_second_in_which_somebody_noted_a_head__are_in_the_day_before() -> None:
    chain = FakeChain()
    chain.base_fees = [(fee, chain.timestamp, Wei(fee)) for fee in (5, 6, 7)]
    monitor = GasPriceMonitor(chain, ManualClock())
    monitor.note(await chain.head())
    await monitor.poll()
    assert monitor.look().prices == (5, 6, 7, 10**9)


async def test_see__by_two_at_once__counts_the_day_before_once() -> None:
    class Slow(FakeChain):
        async def past_base_fees(self, head: Head, span_s: float, samples: int) -> list[tuple[int, Wei]]:
            found = await super().past_base_fees(head, span_s, samples)
            await asyncio.sleep(0)
            return found

    chain = Slow()
    chain.base_fees = [(fee, chain.timestamp, Wei(fee)) for fee in (5, 6, 7)]
    monitor = GasPriceMonitor(chain, ManualClock())
    await asyncio.gather(monitor.poll(), monitor.poll())
    assert monitor.look().prices == (5, 6, 7, 10**9)
