"""Quantiles of the gas prices of a day."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.errors import InvalidInput
from livepeer_client.policy.gas import GasHistory, GasPrices
from livepeer_client.types import Wei

shares = st.fractions(0, 1)
price_lists = st.lists(st.integers(0, 2**64), min_size=1, max_size=60)


def history(*prices: int, window_s: float = 100.0) -> GasHistory:
    return GasHistory([(float(at), Wei(price)) for at, price in enumerate(prices)], window_s=window_s)


def test_quantile__of_five_prices__is_the_nearest_rank() -> None:
    look = history(50, 10, 40, 20, 30).look()
    found = [look.quantile(Fraction(q)) for q in ("0", "1/5", "21/100", "1/2", "1")]
    assert found == [10, 10, 20, 30, 50]
    assert look.span_s == 4


def test_quantile__of_nothing__is_unknown() -> None:
    assert GasHistory().look() == GasPrices((), 0.0)
    assert GasHistory().look().quantile(Fraction(1, 2)) is None
    assert GasHistory().look().rank(5) is None


@pytest.mark.parametrize("q", [Fraction(-1, 9), Fraction(10, 9)])
def test_quantile__outside_zero_and_one__is_invalid(q: Fraction) -> None:
    with pytest.raises(InvalidInput):
        history(1).look().quantile(q)


@given(price_lists, shares)
def test_quantile__of_any_history__is_the_least_price_that_covers_the_share(prices: list[int], q: Fraction) -> None:
    found = history(*prices).look().quantile(q)
    assert found in prices
    assert sum(price <= found for price in prices) >= q * len(prices)
    assert sum(price < found for price in prices) < max(q * len(prices), 1)


@given(price_lists, st.integers(0, 2**64))
def test_rank__of_any_price__is_the_share_at_or_below_it(prices: list[int], price: int) -> None:
    assert history(*prices).look().rank(price) == Fraction(sum(each <= price for each in prices), len(prices))


@given(price_lists, st.integers(1, 20))
def test_add__beyond_the_window__forgets_what_is_older(prices: list[int], window: int) -> None:
    kept = prices[-window - 1 :]
    found = history(*prices, window_s=float(window))
    assert found.look().prices == tuple(sorted(kept))
    assert [price for _, price in found.samples] == kept


def test_add__with_the_clock_set_back__drops_what_would_lie_in_the_future() -> None:
    found = history(1, 2, 3)
    found.add(0.5, Wei(9))
    assert found.samples == ((0.0, 1), (0.5, 9))
    assert found.look().prices == (1, 9)


def test_add__a_negative_price__is_invalid_and_changes_nothing() -> None:
    found = history(1)
    with pytest.raises(InvalidInput):
        found.add(5.0, Wei(-1))
    assert len(found) == 1
