"""Prices in other currencies (offchain-payments 7)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.errors import InvalidInput, PriceUnavailable
from livepeer_client.facts import FeedReading
from livepeer_client.policy.fiat import (
    MAX_AGE_S,
    PIXELS_720P_S,
    Amount,
    FeedPrice,
    Pair,
    check_fresh,
    feed_price,
    next_read_s,
    parse_amount,
    retry_s,
    runner_price,
    to_wei,
)

ETH_USD = FeedPrice(Pair("ETH", "USD"), Fraction(2_500), 1_000_000)


@given(st.fractions(min_value=Fraction(1, 10**6), max_value=10**6), st.fractions(min_value=0, max_value=10**9))
def test_to_wei__feed_quoted_either_way_round__is_the_same(price: Fraction, value: Fraction) -> None:
    inverse = FeedPrice(Pair("usd", "eth"), 1 / price, 0)
    direct = FeedPrice(Pair("ETH", "USD"), price, 0)
    assert to_wei(Amount(value, "USD"), direct) == to_wei(Amount(value, "Usd"), inverse) == value * 10**18 / price


def test_to_wei__wei_and_eth__need_no_feed() -> None:
    assert to_wei(Amount(Fraction(3)), None) == to_wei(Amount(Fraction(3), "wei"), None) == 3
    assert to_wei(Amount(Fraction(3), "ETH"), None) == 3 * 10**18


def test_to_wei__another_currency_without_a_feed__is_unavailable() -> None:
    with pytest.raises(PriceUnavailable) as trouble:
        to_wei(Amount(Fraction(1), "USD"), None)
    assert trouble.value.retryable


def test_to_wei__currency_the_feed_does_not_quote__is_refused_with_the_pair() -> None:
    with pytest.raises(InvalidInput, match=r"does not have GBP as a currency \(ETH/USD\)"):
        to_wei(Amount(Fraction(1), "GBP"), ETH_USD)
    with pytest.raises(InvalidInput, match=r"does not have ETH as a currency \(BTC/USD\)"):
        to_wei(Amount(Fraction(1), "USD"), FeedPrice(Pair("BTC", "USD"), Fraction(1), 0))


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1200", Amount(Fraction(1200))),
        (" 0.003ETH ", Amount(Fraction(3, 1000), "ETH")),
        ("1.5e-7 USD", Amount(Fraction(3, 2 * 10**7), "USD")),
    ],
)
def test_parse_amount__number_and_currency__are_told_apart(text: str, amount: Amount) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["", "-1", "USD 5", "1 U$D", "0x10", "1e9999"])
def test_parse_amount__anything_else__is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_amount(text)


def test_feed_price__absurd_decimals__are_refused() -> None:
    with pytest.raises(InvalidInput):
        feed_price(FeedReading("ETH / USD", 200, 1, 0))


def test_check_fresh__an_old_update__is_stale_with_its_age() -> None:
    assert check_fresh(ETH_USD, 1_000_000 + MAX_AGE_S) is ETH_USD
    with pytest.raises(PriceUnavailable) as trouble:
        check_fresh(ETH_USD, 1_000_001 + MAX_AGE_S)
    assert trouble.value.figures["age_s"] == MAX_AGE_S + 1


@pytest.mark.parametrize("answer", [0, -1])
def test_check_fresh__no_positive_price__is_unavailable(answer: int) -> None:
    with pytest.raises(PriceUnavailable):
        check_fresh(FeedPrice(ETH_USD.pair, Fraction(answer), 0), 0)


def test_runner_price__each_unit__is_exact_and_not_floored() -> None:
    assert runner_price(Amount(Fraction(36), "USD"), "hour", ETH_USD) == Fraction(4 * 10**12)
    assert runner_price(Amount(Fraction(1), "USD"), "720p", ETH_USD) == Fraction(4 * 10**14, 3600 * PIXELS_720P_S)
    assert runner_price(Amount(Fraction(1, 2)), "fixed", None) == Fraction(1, 2)


@pytest.mark.parametrize(("value", "unit"), [(1, "minute"), (0, "fixed")])
def test_runner_price__unknown_unit_or_nothing__is_refused(value: int, unit: str) -> None:
    with pytest.raises(InvalidInput):
        runner_price(Amount(Fraction(value)), unit, None)


def test_schedule__full_hours_and_five_tries_from_thirty_seconds__doubling() -> None:
    assert next_read_s(7_200.0) == 3_600
    assert next_read_s(7_201.5) == 3_598.5
    assert [retry_s(failures) for failures in range(1, 6)] == [30, 60, 120, 240, None]
