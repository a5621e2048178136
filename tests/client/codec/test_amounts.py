"""Amounts as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.amounts import format_units, parse_percent, parse_units
from livepeer_client.errors import InvalidInput


@given(st.integers(0, 10**40), st.integers(0, 30))
def test_parse_units__any_formatted_amount__comes_back(amount: int, decimals: int) -> None:
    assert parse_units(format_units(amount, decimals), decimals) == amount


@pytest.mark.parametrize("text", ["", "-1", "1e18", ".5", "1,5", "0x10", "١", "1.0000000000000000001"])
def test_parse_units__no_plain_decimal_of_the_token__is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_units(text)


def test_format_units__negative_amount__keeps_its_sign() -> None:
    assert format_units(-1_500, 3) == "-1.5"


@pytest.mark.parametrize(("text", "parts"), [("100", 1_000_000), ("0.05", 500), ("33.33333", 333_333), ("0", 0)])
def test_parse_percent__a_rate__is_in_parts_per_million_rounded_down(text: str, parts: int) -> None:
    assert parse_percent(text) == parts


@pytest.mark.parametrize("text", ["100.0001", "-1", "50%", ""])
def test_parse_percent__no_percentage__is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_percent(text)
