"""Fees at first and when replaced, with their limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.errors import GasPriceTooHigh, InvalidInput, ReplacementTooExpensive
from livepeer_client.facts import Fees
from livepeer_client.policy.fees import FeeLimits, bumped, initial_fees, price_at, replacement_fees
from livepeer_client.types import Wei

prices = st.integers(0, 10**13)


def test_initial_fees__without_limits__leave_room_for_a_doubled_base_fee() -> None:
    assert initial_fees(1000, 100, FeeLimits()) == Fees(Wei(2100), Wei(100))


def test_initial_fees__over_the_cap__are_cut_to_it() -> None:
    assert initial_fees(1000, 1600, FeeLimits(max_fee_per_gas=Wei(1500))) == Fees(Wei(1500), Wei(1500))


@pytest.mark.parametrize("limits", [FeeLimits(max_base_fee=Wei(999)), FeeLimits(max_fee_per_gas=Wei(999))])
def test_initial_fees__above_a_limit__are_refused_with_it(limits: FeeLimits) -> None:
    with pytest.raises(GasPriceTooHigh) as refusal:
        initial_fees(1000, 0, limits)
    assert (refusal.value.base_fee, refusal.value.limit) == (1000, 999)


def test_initial_fees__at_the_base_fee_limit__may_still_offer_twice_that() -> None:
    assert initial_fees(1000, 0, FeeLimits(max_base_fee=Wei(1000))).cap == 2000


def test_bumped__a_negative_value__is_invalid() -> None:
    with pytest.raises(InvalidInput):
        bumped(-1)


@given(prices, prices, prices, prices)
def test_replacement_fees__whatever_the_market__rise_by_11_percent_and_by_one(
    cap: int, tip: int, market_cap: int, market_tip: int
) -> None:
    current = Fees(Wei(max(cap, tip)), Wei(tip))
    new = replacement_fees(current, Fees(Wei(market_cap), Wei(market_tip)), None)
    for old, raised in ((current.cap, new.cap), (current.tip, new.tip)):
        assert 100 * raised >= 111 * old
        assert raised > old
    assert new.tip <= new.cap
    assert new.cap >= market_cap


@given(prices, prices, prices)
def test_replacement_fees__with_a_ceiling__keep_it_or_refuse(cap: int, market_cap: int, ceiling: int) -> None:
    current = Fees(Wei(cap), Wei(0))
    market, least = Fees(Wei(market_cap), Wei(0)), max(bumped(cap), cap + 1)
    if least > ceiling:
        with pytest.raises(ReplacementTooExpensive) as refusal:
            replacement_fees(current, market, Wei(ceiling))
        assert (refusal.value.required, refusal.value.ceiling) == (least, ceiling)
    else:
        assert least <= replacement_fees(current, market, Wei(ceiling)).cap <= ceiling


def test_price_at__a_base_fee_over_the_cap__pays_the_cap() -> None:
    assert price_at(5000, Fees(Wei(2100), Wei(100))) == 2100
    assert price_at(1000, Fees(Wei(2100), Wei(100))) == 1100
