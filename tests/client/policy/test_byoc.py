"""Buying brought-along capabilities: whose fault a failure is, what was charged, and how often a stream may swap."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.errors import PeerRefused, PeerTimeout, SpendLimitReached
from livepeer_client.policy.byoc import SwapWindow, byoc_cause, check_spending, seconds_begun, seconds_charged
from livepeer_client.policy.workloads import BYOC, BYOC_STREAM, Cause, Step


@pytest.mark.parametrize(
    ("status", "text", "cause", "then"),
    [
        (422, "no such prompt", Cause.CLIENT_ERROR, Step.RETURN),
        (400, "Could not get job price", Cause.CLIENT_ERROR, Step.RETURN),
        (499, "", Cause.CLIENT_ERROR, Step.RETURN),
        (500, "out of memory", Cause.REFUSED, Step.SWAP),
        (502, "the worker failed", Cause.REFUSED, Step.SWAP),
        (503, "No capacity available for capability", Cause.CAPPED, Step.SWAP),
        (402, "pay", Cause.BALANCE, Step.RENEW),
        (400, "Insufficient balance for request", Cause.BALANCE, Step.RENEW),
        (400, "TicketParams expired", Cause.PARAMS_EXPIRED, Step.RENEW),
    ],
)
def test_byoc_cause__a_status__below_500_goes_back_unless_it_is_about_money_or_places(
    status: int, text: str, cause: Cause, then: Step
) -> None:
    found = byoc_cause(PeerRefused("https://o.example", status, text))
    assert found is cause
    assert BYOC.reaction(found).then is then
    assert BYOC_STREAM.reaction(found).then is then


def test_byoc_cause__no_answer_or_our_limit__goes_to_another() -> None:
    for error in (PeerTimeout("o", "late"), SpendLimitReached(signed=2, limit=1, units=120)):
        assert BYOC.reaction(byoc_cause(error)).then is Step.SWAP


# --- swaps ----------------------------------------------------------------------------------------


def test_swap_window__a_third_swap_in_under_a_minute__is_too_many() -> None:
    swaps = SwapWindow().after(0).after(30)
    assert not swaps.too_many
    assert swaps.after(59.9).too_many
    # The first of them is a minute ago.
    assert not swaps.after(60).too_many


@given(st.lists(st.floats(0, 200), max_size=40))
def test_swap_window__any_times__is_too_many_just_where_three_lie_within_a_minute(times: list[float]) -> None:
    swaps, seen = SwapWindow(), []
    for now_s in sorted(times):
        swaps = swaps.after(now_s)
        seen.append(now_s)
        assert swaps.too_many == (len([at for at in seen if now_s - at < 60]) > 2)


# --- money ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("elapsed_s", "seconds"), [(0, 1), (0.2, 1), (1, 1), (1.01, 2), (59.5, 60)])
def test_seconds_begun__any_time__counts_every_second_begun(elapsed_s: float, seconds: int) -> None:
    assert seconds_begun(elapsed_s) == seconds


@pytest.mark.parametrize(
    ("reported", "seconds"),
    [(97_000, 3), (100_000, 0), (95_000, 5), (94_000, 5), (-1_000_000, 5), (101_000, 5), (None, 5)],
    ids=["less than ours", "nothing", "as ours", "more", "all of it", "a gift", "not said"],
)
def test_seconds_charged__by_a_report__is_believed_up_to_our_own_clock(reported: int | None, seconds: int) -> None:
    assert seconds_charged(Fraction(100_000), reported, Fraction(1000), 5) == seconds


def test_seconds_charged__at_price_0__is_our_own_clock() -> None:
    assert seconds_charged(Fraction(0), 0, Fraction(0), 7) == 7


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**9))
def test_check_spending__any_figures__allows_two_top_ups_and_tickets_beyond_what_the_work_cost(
    price: int, ev: int, charged: int, under_way: int
) -> None:
    limit = Fraction(charged + max(under_way, ev) + ev + 2 * (max(120 * price, ev) + ev))

    def check(signed: Fraction) -> None:
        check_spending(
            signed=signed,
            charged=Fraction(charged),
            under_way=[Fraction(under_way)],
            price=Fraction(price),
            ticket_ev=Fraction(ev),
        )

    check(limit)
    with pytest.raises(SpendLimitReached):
        check(limit + 1)
