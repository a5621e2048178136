"""Live runners: prices, challenges, debits."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.runner_api import RunnerReport
from livepeer_client.codec.signer_api import read_ceiling
from livepeer_client.errors import InvalidInput, PriceUnavailable
from livepeer_client.policy.fiat import FeedPrice, parse_pair
from livepeer_client.policy.runners import (
    CHALLENGE_S,
    HEARTBEAT_S,
    answers_challenge,
    challenge_id,
    debit,
    price_of,
)
from livepeer_client.policy.streaming import PIXELS_PER_S, Meter, Unit
from livepeer_client.types import Address

REPORT = RunnerReport("", "http://r", "echo", "persistent", 1, Fraction(7200), "wei", "hour")
KEY, PAYER, NOW = b"k" * 32, Address(b"\x11" * 20), 1_800_000_000
MANIFEST = challenge_id(KEY, b"n" * 8, NOW + CHALLENGE_S, "runner", PAYER, Fraction(7))
amounts = st.fractions(min_value=0, max_value=10**6, max_denominator=1000)


@pytest.mark.parametrize(
    ("price", "unit", "wei", "paid_in"),
    [
        (Fraction(7200), "hour", Fraction(2), Unit.SECOND),
        (Fraction(7201), "hour", Fraction(3), Unit.SECOND),
        (Fraction(1, 2), "fixed", Fraction(1), Unit.JOB),
        (Fraction(3600 * PIXELS_PER_S, 4), "720p", Fraction(1, 4), Unit.PIXEL_720P),
    ],
)
def test_price_of__each_unit__is_exact_for_pixels_and_whole_wei_for_the_rest(
    price: Fraction, unit: str, wei: Fraction, paid_in: Unit
) -> None:
    found = price_of(replace(REPORT, price=price, unit=unit), None)
    assert (found.wei, found.unit) == (wei, paid_in)
    assert wei <= found.advertised < wei + 1


def test_price_of__another_currency__takes_the_feed_or_is_unavailable() -> None:
    report = replace(REPORT, price=Fraction(3600), currency="usd")
    feed = FeedPrice(parse_pair("ETH / USD"), Fraction(2000), 0)
    assert price_of(report, feed).wei == 10**18 // 2000
    with pytest.raises(PriceUnavailable):
        price_of(report, None)
    with pytest.raises(InvalidInput):
        price_of(replace(REPORT, unit="year"), None)


def test_answers_challenge__as_it_was_given__until_it_is_over() -> None:
    assert answers_challenge(KEY, MANIFEST, NOW, "runner", PAYER, Fraction(7))
    assert not answers_challenge(KEY, MANIFEST, NOW + CHALLENGE_S, "runner", PAYER, Fraction(7))


@pytest.mark.parametrize(
    ("key", "runner", "payer", "price"),
    [
        (b"x" * 32, "runner", PAYER, Fraction(7)),
        (KEY, "runner2", PAYER, Fraction(7)),
        (KEY, "runner", Address(b"\x12" * 20), Fraction(7)),
        (KEY, "runner", PAYER, Fraction(6)),
    ],
)
def test_answers_challenge__of_another_key_runner_payer_or_price__does_not(
    key: bytes, runner: str, payer: Address, price: Fraction
) -> None:
    assert not answers_challenge(key, MANIFEST, NOW, runner, payer, price)


@given(st.text(max_size=80) | st.binary(max_size=40).map(bytes.hex))
def test_answers_challenge__anything_else__does_not(text: str) -> None:
    assert not answers_challenge(KEY, text, NOW, "runner", PAYER, Fraction(7))


@given(st.integers(0, len(MANIFEST) // 2 - 1), st.integers(1, 255))
def test_answers_challenge__any_byte_changed__does_not(index: int, by: int) -> None:
    changed = bytearray.fromhex(MANIFEST)
    changed[index] ^= by
    assert not answers_challenge(KEY, changed.hex(), NOW, "runner", PAYER, Fraction(7))


@given(amounts, amounts, amounts, amounts)
def test_debit__whatever_passed__never_takes_more_than_there_is_nor_time_without_the_runner(
    price: Fraction, balance: Fraction, now: Fraction, heard: Fraction
) -> None:
    due = debit(Meter(1, Fraction(0)), price, balance, now, heard)
    assert 0 <= due.units <= min(now, heard + HEARTBEAT_S)
    assert due.units * price <= balance
    # What is covered is charged in full.
    passed = int(max(Fraction(0), min(now, heard + HEARTBEAT_S)))
    assert due.covered is (passed * price <= balance)
    if due.covered:
        assert due.units == passed


@pytest.mark.parametrize(
    ("said", "text"), [(1.012e16, "10120000000000000"), (1e-7, "0.0000001"), (5.5, "5.5"), (7, "7")]
)
def test_read_ceiling__a_float__is_written_without_an_exponent(said: float, text: str) -> None:
    ceiling = read_ceiling({"price": said, "currency": "wei", "unit": "seconds"})
    assert ceiling is not None
    assert ceiling.price == text
