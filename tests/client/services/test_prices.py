"""Prices and price ceilings at the rate of the moment, and when there is none (offchain-payments 7)."""

import asyncio
import logging
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.errors import InvalidInput, PriceUnavailable
from livepeer_client.policy.fiat import MAX_AGE_S, Amount
from livepeer_client.policy.pipelines import pipeline_job
from livepeer_client.policy.price import is_countable
from livepeer_client.policy.price_book import Asked, PriceBook, per_unit
from livepeer_client.policy.price_list import Ceilings, Tariff
from livepeer_client.services.price_feed import PriceFeedService
from livepeer_client.services.prices import FREE_ONLY, LOOK_S, Limits, LimitsNow, PricesNow, TariffsNow
from livepeer_client.types import Address
from tests.client.services.test_price_feed import Feed

SENDER, OTHER = Address(b"\x11" * 20), Address(b"\x22" * 20)
MODEL = (27, "flux")
BOOK = PriceBook(
    Asked(per_unit(Amount(Fraction(3, 10**7), "USD"), 1), {SENDER: Fraction(5)}),
    {MODEL: Asked(Amount(Fraction(6, 10**6), "USD"))},
)


def feed(price: int | None = 2_000) -> tuple[Feed, PriceFeedService]:
    source = Feed(ManualClock(), price)
    return source, PriceFeedService(source, source.clock)


# --- an orchestrator's prices ---------------------------------------------------------------------


async def test_prices__in_dollars__follow_the_rate_and_leave_those_in_wei_alone() -> None:
    source, service = feed()
    await service.start()
    prices = PricesNow(BOOK, service)
    assert prices().price(OTHER) == 3 * 10**11 // 2_000
    assert prices().price(OTHER, pipeline_job(*MODEL)) == 6 * 10**12 // 2_000
    assert prices().price(SENDER) == 5
    assert prices() is prices()
    source.price = 3_000
    await service.start()
    assert prices().price(OTHER) == 3 * 10**11 // 3_000
    assert prices().price(SENDER) == 5


async def test_prices__at_a_rate_that_leaves_no_decimal__are_still_such_as_gateways_accept() -> None:
    source, service = feed(1_777)
    await service.start()
    price = PricesNow(BOOK, service)().price(OTHER)
    assert is_countable(price)
    assert 0 <= Fraction(3 * 10**11, 1_777) - price < Fraction(1, 10**18)
    assert source.reads


async def test_prices__stale_rate__are_told_until_the_limit_and_then_no_more_before_a_new_one() -> None:
    source, service = feed()
    await service.start()
    prices = PricesNow(BOOK, service)
    await source.clock.advance(MAX_AGE_S)
    assert prices().price(OTHER) == 3 * 10**11 // 2_000
    await source.clock.advance(1)
    for _ in range(2):
        with pytest.raises(PriceUnavailable, match="stale"):
            prices().price(OTHER)
    await service.start()
    assert prices().price(OTHER) == 3 * 10**11 // 2_000


async def test_prices__no_rate_at_the_start__are_told_from_the_first_one_on() -> None:
    _, service = feed()
    prices = PricesNow(BOOK, service)
    with pytest.raises(PriceUnavailable):
        prices().price(OTHER)
    await service.start()
    assert prices().price(OTHER) > 0


async def test_prices__stale_rate__leaves_those_in_wei_and_asks_the_base_price_for_no_model() -> None:
    source, service = feed()
    await service.start()
    mixed = PriceBook(
        Asked(Fraction(7), {SENDER: Amount(Fraction(3, 10**7), "USD")}),
        {MODEL: Asked(Amount(Fraction(6, 10**6), "USD"), {OTHER: Fraction(5)}), (33, "m"): Asked(Fraction(2))},
    )
    prices = PricesNow(mixed, service)
    third = Address(b"\x33" * 20)
    assert [info.constraint for info in prices().advertised(third)] == ["flux", "m"]
    await source.clock.advance(MAX_AGE_S + 1)
    told = prices()
    assert (told.price(third), told.price(third, pipeline_job(33, "m"))) == (7, 2)
    assert told.price(OTHER, pipeline_job(*MODEL)) == 5
    for sender, job in ((third, pipeline_job(*MODEL)), (SENDER, None), (SENDER, pipeline_job(*MODEL))):
        with pytest.raises(PriceUnavailable, match="stale"):
            told.price(sender, job)
    assert [info.constraint for info in told.advertised(third)] == ["m"]
    # What a webhook says of a sender needs no rate.
    assert told.with_base_for({SENDER: Fraction(4)}).price(SENDER) == 4


async def test_prices__in_wei__need_no_rate() -> None:
    prices = PricesNow(PriceBook(Asked(Fraction(7, 3))))
    assert prices().price(OTHER) == Fraction(7, 3)


async def test_ask__currency_that_there_is_no_rate_for__is_refused_and_changes_nothing() -> None:
    _, service = feed()
    await service.start()
    prices = PricesNow(BOOK, service)
    with pytest.raises(InvalidInput, match="does not have EUR"):
        prices.ask(PriceBook(Asked(Amount(Fraction(1), "EUR"))))
    assert prices.book is BOOK
    plain = PricesNow(PriceBook(Asked(Fraction(1))))
    with pytest.raises(InvalidInput, match="no price feed"):
        plain.ask(BOOK)
    assert plain().price(OTHER) == 1


async def test_prices__feed_of_another_currency_than_was_waited_for__is_no_price_and_no_crash() -> None:
    _, service = feed()
    prices = PricesNow(PriceBook(Asked(Amount(Fraction(1), "EUR"))), service)
    await service.start()
    with pytest.raises(PriceUnavailable, match="does not have EUR"):
        prices().price(OTHER)


async def test_tariffs__of_a_capabilitys_models__follow_the_rate() -> None:
    _, service = feed()
    tariffs = TariffsNow(PricesNow(BOOK, service), 27, ("flux",))
    assert ("flux" in tariffs, "other" in tariffs, list(tariffs), len(tariffs)) == (True, False, ["flux"], 1)
    with pytest.raises(PriceUnavailable):
        tariffs["flux"].for_sender(OTHER)
    await service.start()
    assert tariffs["flux"] == Tariff(Fraction(6 * 10**12, 2_000))
    with pytest.raises(KeyError):
        _ = tariffs["other"]


# --- a gateway's ceilings -------------------------------------------------------------------------


def limits(service: PriceFeedService | None, clock: ManualClock, asked: Limits) -> tuple[list[Ceilings], LimitsNow]:
    """What was told, and who tells it."""
    told: list[Ceilings] = []
    return told, LimitsNow(asked, service, clock, told.append)


IN_DOLLARS = Limits(Amount(Fraction(3, 10**7), "USD"), {MODEL: Fraction(9)})


async def test_limits__in_dollars__are_ceilings_at_the_rate_and_told_when_they_change() -> None:
    source, service = feed()
    await service.start()
    told, kept = limits(service, source.clock, IN_DOLLARS)
    assert (told[-1].general, told[-1].models) == (3 * 10**11 // 2_000, {MODEL: 9})
    kept.follow()
    assert len(told) == 1
    source.price = 3_000
    await service.start()
    kept.follow()
    assert told[-1].general == 3 * 10**11 // 3_000


async def test_limits__stale_rate__only_what_is_free_is_bought_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, service = feed()
    await service.start()
    told, kept = limits(service, source.clock, IN_DOLLARS)
    await source.clock.advance(MAX_AGE_S + 1)
    with caplog.at_level(logging.ERROR):
        kept.follow()
        kept.follow()
    assert (told[-1].general, told[-1].models) == (FREE_ONLY, {MODEL: 9})
    assert len([each for each in caplog.records if "price ceiling not known" in each.message]) == 1
    await service.start()
    kept.follow()
    assert told[-1].general == 3 * 10**11 // 2_000


async def test_limits__as_time_passes__are_looked_after() -> None:
    source, service = feed()
    told, kept = limits(service, source.clock, IN_DOLLARS)
    assert told[-1].general == FREE_ONLY
    running = asyncio.create_task(kept.run())
    try:
        await asyncio.sleep(0)
        await service.start()
        await source.clock.advance(LOOK_S)
        assert told[-1].general == 3 * 10**11 // 2_000
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_pay__currency_that_there_is_no_rate_for__is_refused_and_changes_nothing() -> None:
    told, kept = limits(None, ManualClock(), Limits(Fraction(7), {}))
    for asked in (IN_DOLLARS, Limits(None, {MODEL: Amount(Fraction(1), "USD")})):
        with pytest.raises(InvalidInput, match="no price feed"):
            kept.pay(asked)
    assert (told[-1].general, kept.limits) == (7, Limits(Fraction(7), {}))
    kept.pay(Limits(None, {}))
    assert told[-1].general is None
