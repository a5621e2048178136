"""Prices and fees (offchain-payments 7 and 8, invariants 10 and 22)."""

from fractions import Fraction
from math import lcm

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.messages import PriceInfo, VideoProfile
from livepeer_client.errors import InvalidInput, ParamsRejected
from livepeer_client.policy.price import (
    DECIMALS,
    MAX_DENOMINATOR,
    check_price,
    estimate_fee,
    estimate_pixels,
    fee,
    info_to_price,
    is_countable,
    price_to_info,
    shown,
    with_overhead,
)

INT64 = 2**63 - 1
prices = st.fractions(min_value=0, max_value=10**12, max_denominator=10**9)
multipliers = st.fractions(min_value=Fraction(1, 1_000), max_value=10_000, max_denominator=10**6)


@given(st.builds(Fraction, st.integers(-INT64, INT64), st.integers(1, INT64)))
def test_price_to_info__price_that_fits__comes_back_exactly(price: Fraction) -> None:
    assert info_to_price(price_to_info(price)) == price


@pytest.mark.parametrize(
    ("price", "info"),
    [
        (Fraction(INT64), PriceInfo(INT64, 1)),
        (Fraction(1, INT64), PriceInfo(1, INT64)),
        (Fraction(7, 2**64), PriceInfo(1, 10**18)),
        (Fraction(5 * 2**64 + 1, 2**64), PriceInfo(5, 1)),
        (Fraction(2**64, 3 * 2**63 + 1), PriceInfo(333_333_333_333_333_333, 5 * 10**17)),
        (Fraction(10**15 * 2**64 + 1, 3 * 2**64), PriceInfo(3_333_333_333_333_333_333, 10**4)),
    ],
    ids=["largest", "smallest", "denominator over", "both over", "scaled by 10**18", "scaled by less"],
)
def test_price_to_info__pair_over_int64__is_scaled(price: Fraction, info: PriceInfo) -> None:
    assert price_to_info(price) == info


@given(st.fractions(min_value=Fraction(1, 10**40), max_value=INT64 - 1, max_denominator=10**60))
def test_price_to_info__any_price__never_becomes_nothing_and_loses_less_than_one_part_in_10_17(
    price: Fraction,
) -> None:
    found = info_to_price(price_to_info(price))
    assert found is not None
    assert found > 0
    assert abs(found - price) <= max(price / 10**17, Fraction(1, 10**18))
    assert found <= price or found == Fraction(1, 10**18)


def test_price_to_info__whole_wei_over_int64__is_refused() -> None:
    with pytest.raises(InvalidInput):
        price_to_info(Fraction(2**63))


def test_info_to_price__no_info__is_none() -> None:
    assert info_to_price(None) is None


def test_info_to_price__zero_denominator__is_refused() -> None:
    with pytest.raises(InvalidInput, match="pixels per unit is 0"):
        info_to_price(PriceInfo(1, 0))


@given(prices, multipliers)
def test_with_overhead__any_price__is_never_below_the_base_nor_above_the_exact_figure(
    base: Fraction, multiplier: Fraction
) -> None:
    raised = with_overhead(base, multiplier)
    assert base <= raised <= base * (1 + 1 / multiplier)
    assert raised > base * (1 + 1 / multiplier) - Fraction(1, 1_000)


@given(prices, multipliers, multipliers)
def test_with_overhead__a_larger_face_value__never_raises_the_price(
    base: Fraction, one: Fraction, two: Fraction
) -> None:
    small, large = sorted((one, two))
    assert with_overhead(base, large) <= with_overhead(base, small)


@pytest.mark.parametrize(("base", "multiplier"), [(0, 100), (-1, 100), (5, 0), (5, -1)])
def test_with_overhead__no_price_or_no_multiplier__adds_nothing(base: int, multiplier: int) -> None:
    assert with_overhead(Fraction(base), Fraction(multiplier)) == base


def test_with_overhead__price_below_a_thousandth_of_a_wei__stays_charged() -> None:
    assert with_overhead(Fraction(1, 5_000), Fraction(100)) == Fraction(1, 5_000)


def test_check_price__exactly_doubled__passes() -> None:
    assert check_price(PriceInfo(4, 3), Fraction(2, 3)) == Fraction(4, 3)


def test_check_price__a_little_more_than_doubled__is_rejected_with_both_prices() -> None:
    with pytest.raises(ParamsRejected) as rejection:
        check_price(PriceInfo(4_001, 3_000), Fraction(2, 3))
    assert rejection.value.figures == {"price": Fraction(4_001, 3_000), "initial_price": Fraction(2, 3)}
    assert not rejection.value.refresh


def test_check_price__first_price_of_a_session__passes() -> None:
    assert check_price(PriceInfo(4_001, 3), None) == Fraction(4_001, 3)


@pytest.mark.parametrize("offered", [None, PriceInfo(1, 0)])
def test_check_price__no_usable_price__is_rejected(offered: PriceInfo | None) -> None:
    with pytest.raises(ParamsRejected):
        check_price(offered, None)


def test_estimate_pixels__fraction_of_a_second_and_of_a_frame__are_rounded_up() -> None:
    profile = VideoProfile("p", 100, 50, 0, fps=30_000, fps_den=1_001)
    assert estimate_pixels([profile], Fraction(21, 10)) == 100 * 50 * 30 * 3


def test_estimate_pixels__passthrough_frame_rate__counts_60() -> None:
    assert estimate_pixels([VideoProfile("p", 100, 50, 0)], Fraction(2)) == 100 * 50 * 60 * 2


def test_estimate_pixels__no_profiles__is_nothing() -> None:
    assert estimate_pixels([], Fraction(2)) == 0


def test_estimate_fee__any_segment__exceeds_the_plain_fee_by_two_percent() -> None:
    profile = VideoProfile("p", 100, 50, 0, fps=30)
    plain = fee(estimate_pixels([profile], Fraction(2)), Fraction(3))
    assert 0 < estimate_fee([profile], Fraction(2), Fraction(3)) / plain - Fraction(102, 100) < Fraction(1, 10**15)


@given(st.integers(0, 10**12), st.integers(0, 10**12), prices)
def test_fee__of_two_parts__adds_up(one: int, two: int, price: Fraction) -> None:
    assert fee(one + two, price) == fee(one, price) + fee(two, price)


def test_fee__negative_pixels__is_refused() -> None:
    with pytest.raises(InvalidInput):
        fee(-1, Fraction(1))


@pytest.mark.parametrize(
    "price", [Fraction(3), Fraction(1, 3), Fraction(7, 1000), Fraction(1, MAX_DENOMINATOR), Fraction(1, 10**18)]
)
def test_is_countable__small_denominator_or_decimals__is(price: Fraction) -> None:
    assert is_countable(price)
    assert check_price(PriceInfo(price.numerator, price.denominator), None) == price


@pytest.mark.parametrize("denominator", [MAX_DENOMINATOR + 1, 10**18 + 9, 2**63 - 25, 2 * 10**18])
def test_is_countable__peculiar_denominator__is_not_and_is_never_paid(denominator: int) -> None:
    assert not is_countable(Fraction(1, denominator))
    with pytest.raises(ParamsRejected):
        check_price(PriceInfo(1, denominator), None)


def test_is_countable__a_sum_over_all_such_prices__stays_small() -> None:
    together = lcm(DECIMALS, *range(1, MAX_DENOMINATOR + 1))
    assert together.bit_length() < 15_000


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Fraction(10**10, 3), "3,333,333,333"),
        (Fraction(3_630_377_272), "3,630,377,272"),
        (Fraction(12, 10_000), "0.0012"),
        (Fraction(3, 2), "1.5"),
        (Fraction(0), "0"),
    ],
)
def test_shown__amount__is_a_plain_figure(amount: Fraction, text: str) -> None:
    assert shown(amount) == text
