"""An orchestrator's quotes and what it trusts a sender for (offchain-payments 2, 3, 11.1).

Invariants 6 to 8 and 25 to 27.
"""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from livepeer_client.codec.ticket import ExpirationParams, expected_value, recipient_rand_hash
from livepeer_client.errors import (
    InvalidInput,
    QuoteRefused,
)
from livepeer_client.policy.recipient import (
    available_funds,
    creation_params,
    derive_recipient_rand,
    max_float,
    quote_face_value,
    quote_win_prob,
    reserve_allocation,
    tx_cost_multiplier,
)
from livepeer_client.types import MAX_UINT256, MAX_WIN_PROB, ZERO_HASH, Address, Hash32, Round, Wei
from tests.support.payments import (
    EXPIRATION,
    GATEWAY,
    HEAD,
    SECRET,
    SEED,
    SENDER_INFO,
    make_config,
    make_quote,
    make_sender_info,
    rand_of,
)

amounts = st.integers(0, 10**21)

# --- randomness -----------------------------------------------------------------------------------

QUOTED = {
    "seed": SEED,
    "sender": GATEWAY,
    "face_value": 10**16,
    "win_prob": MAX_WIN_PROB // 10**6,
    "expiration_block": 1_040,
    "price": Fraction(7, 2),
    "expiration": EXPIRATION,
}


def _rand(secret: bytes = SECRET, **changes: object) -> int:
    return derive_recipient_rand(secret, **(QUOTED | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"secret": b"\x34" * 32},
        {"seed": SEED + 1},
        {"sender": Address(b"\x01" * 20)},
        {"face_value": 10**16 + 1},
        {"win_prob": MAX_WIN_PROB // 10**6 + 1},
        {"expiration_block": 1_041},
        {"price": Fraction(7, 3)},
        {"price": Fraction(8, 2)},
        {"price": Fraction(-7, 2)},
        {"expiration": replace(EXPIRATION, creation_round=Round(6))},
        {"expiration": replace(EXPIRATION, creation_round_block_hash=ZERO_HASH)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_derive_recipient_rand__any_single_input_changed__differs(change: dict[str, object]) -> None:
    assert _rand(**change) != _rand()  # type: ignore[arg-type]


def test_derive_recipient_rand__price_in_other_terms__is_the_same() -> None:
    assert _rand(price=Fraction(14, 4)) == _rand()


@given(st.binary(min_size=4, max_size=40), st.integers(1, 31), st.integers(1, 31))
def test_derive_recipient_rand__same_bytes_split_elsewhere__differs(data: bytes, one: int, two: int) -> None:
    # The reference joins minimal integers: 0x0102|0x03 and 0x01|0x0203 commit to the same number there.
    splits = [(int.from_bytes(data[:at], "big"), int.from_bytes(data[at:], "big")) for at in (one, two)]
    assume(splits[0] != splits[1] and all(number <= MAX_UINT256 for split in splits for number in split))
    rands = {_rand(face_value=face_value, win_prob=win_prob) for face_value, win_prob in splits}
    assert len(rands) == 2


@pytest.mark.parametrize(
    "change", [{"secret": b"short"}, {"sender": b"short"}, {"seed": 2**256}, {"price": Fraction(2**255)}], ids=str
)
def test_derive_recipient_rand__input_over_its_width__is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        _rand(**change)  # type: ignore[arg-type]


# --- quotes ---------------------------------------------------------------------------------------


@given(
    ev=st.integers(1, 10**13),
    redeem_gas=st.integers(1, 2_000_000),
    cap=st.just(0) | amounts,
    gas_price=st.integers(0, 10**12),
    trusted=st.integers(-(10**20), 10**21),
)
def test_quote__any_terms__is_worth_the_expected_value_within_all_limits_or_refused(
    ev: int, redeem_gas: int, cap: int, gas_price: int, trusted: int
) -> None:
    config = make_config(ev=ev, redeem_gas=redeem_gas, max_face_value=cap)
    tx_cost = redeem_gas * gas_price
    wanted = tx_cost * 100 if tx_cost * 100 >= ev else ev * 100
    clamped = min(wanted, trusted, cap) if cap else min(wanted, trusted)
    under_both_floors = clamped < tx_cost and clamped < redeem_gas * 3_000_000_000
    if clamped <= ev or under_both_floors:
        with pytest.raises(QuoteRefused) as refusal:
            make_quote(config=config, gas_price=gas_price, max_float=trusted)
        assert refusal.value.figures["max_float"] == trusted
        return
    params = make_quote(config=config, gas_price=gas_price, max_float=trusted)
    assert params.face_value == clamped
    assert params.win_prob < MAX_WIN_PROB
    assert ev <= params.expected_value <= ev * (1 + Fraction(params.face_value, MAX_UINT256))
    assert params.expected_value < params.face_value  # or the sender would refuse it


@given(st.integers(1, 2**96), st.integers(1, 2**96))
def test_quote_win_prob__any_face_value__is_the_least_that_is_worth_it(ev: int, extra: int) -> None:
    face_value = Wei(ev + extra)
    win_prob = quote_win_prob(Wei(ev), face_value)
    assert expected_value(face_value, win_prob) >= ev
    assert win_prob <= MAX_WIN_PROB


def test_quote__float_equal_to_the_expected_value__is_refused() -> None:
    # A certain winner: the sender would not accept it.
    with pytest.raises(QuoteRefused) as refusal:
        make_quote(config=make_config(ev=5), gas_price=0, max_float=5)
    assert refusal.value.reason == "insufficient sender reserve"
    assert refusal.value.figures["max_float"] == 5
    assert make_quote(config=make_config(ev=5), gas_price=0, max_float=6).face_value == 6


@pytest.mark.parametrize("price", [Fraction(0), Fraction(-1)])
def test_quote__no_price__is_worthless_whatever_the_float(price: Fraction) -> None:
    params = make_quote(price=price, max_float=-1)
    assert (params.face_value, params.win_prob) == (0, 0)


def test_quote__worked_example__has_the_documented_figures() -> None:
    config = make_config(ev=8_000_000_000, redeem_gas=1_200_000)
    params = make_quote(config=config, gas_price=100_000_000, max_float=10**18)
    assert params.face_value == 12 * 10**15
    assert round(Fraction(params.win_prob, MAX_WIN_PROB) * 10**9) == 667


def test_quote__any__commits_to_its_own_randomness_and_echoes_the_seed() -> None:
    params = make_quote()
    assert params.recipient_rand_hash == recipient_rand_hash(rand_of(params))
    assert (params.seed, params.expiration, params.expiration_block) == (SEED, EXPIRATION, HEAD + 40)


enough = st.integers(10_000 * 3_000_000_000, 10**21)


@given(st.integers(0, 10**12), enough, enough)
def test_tx_cost_multiplier__more_float__never_lowers_it(gas_price: int, one: int, two: int) -> None:
    small, large = (
        tx_cost_multiplier(make_config(redeem_gas=10_000), gas_price=Wei(gas_price), max_float=trusted)
        for trusted in sorted((one, two))
    )
    assert small <= large


def test_quote_face_value__gas_dearer_than_usual__accepts_what_covers_the_usual_cost() -> None:
    config = make_config(redeem_gas=10_000)
    usual = 10_000 * 3_000_000_000
    assert quote_face_value(config, gas_price=Wei(10**12), max_float=usual) == usual
    with pytest.raises(QuoteRefused):
        quote_face_value(config, gas_price=Wei(10**12), max_float=usual - 1)


def test_creation_params__hash_of_the_round_not_known_yet__is_the_round_before() -> None:
    previous = ExpirationParams(Round(4), Hash32(b"\x04" * 32))
    assert creation_params(EXPIRATION, previous) == EXPIRATION
    assert creation_params(replace(EXPIRATION, creation_round_block_hash=ZERO_HASH), previous) == previous


@pytest.mark.parametrize(
    "change",
    [{"ev": 0}, {"ev": 2**128}, {"redeem_gas": 0}, {"max_face_value": -1}, {"address": Address(bytes(20))}],
    ids=str,
)
def test_recipient_config__impossible_terms__are_refused(change: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        make_config(**change)  # type: ignore[arg-type]


# --- float ----------------------------------------------------------------------------------------


@given(amounts, st.integers(-(10**21), 10**21), amounts)
def test_max_float__any_funds__is_at_most_the_allocation_and_what_is_available(
    deposit: int, allocation: int, open_winners: int
) -> None:
    funds = {"deposit": Wei(deposit), "allocation": allocation, "open_winners": Wei(open_winners)}
    trusted = max_float(**funds)  # type: ignore[arg-type]
    assert trusted <= allocation
    assert trusted <= available_funds(**funds)  # type: ignore[arg-type]


def test_max_float__winners_beyond_a_third_of_the_deposit__come_off_the_allocation() -> None:
    assert max_float(deposit=Wei(300), allocation=500, open_winners=Wei(100)) == 500
    assert max_float(deposit=Wei(300), allocation=500, open_winners=Wei(101)) == 499


def test_max_float__negative_funds__are_refused() -> None:
    with pytest.raises(InvalidInput):
        max_float(deposit=Wei(-1), allocation=0, open_winners=Wei(0))


@given(amounts, amounts, st.integers(1, 100), st.integers(0, 100))
def test_reserve_allocation__one_per_recipient__adds_up_to_no_more_than_the_reserve(
    reserve: int, claimed: int, pool_size: int, recipients: int
) -> None:
    info = make_sender_info(reserve=reserve, claimed=claimed)
    share = reserve_allocation(info, Wei(0), pool_size)
    assert share * min(recipients, pool_size) <= reserve + claimed


def test_reserve_allocation__empty_pool__is_nothing() -> None:
    assert reserve_allocation(SENDER_INFO, Wei(0), 0) == 0
