"""Payments by the second (offchain-payments 9, invariants 23 and 36)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.errors import InsufficientBalance, InvalidInput, PaymentRefused, SpendLimitReached
from livepeer_client.policy.balance import Account, Balance, Outcome
from livepeer_client.policy.streaming import (
    PIXELS_PER_S,
    PREPAID_S,
    Answer,
    Meter,
    Next,
    Overdraft,
    SpendLimit,
    Unit,
    answer_of,
    byoc_tickets,
    byoc_top_up,
    check_follow_up,
    require_units,
    settle_answer,
    sync,
)

steps = st.lists(st.fractions(min_value=0, max_value=100, max_denominator=10**6), min_size=1, max_size=30)
rates = st.sampled_from([1, 7, PIXELS_PER_S])


@given(rates, steps, st.fractions(min_value=0, max_value=10))
def test_meter__read_at_any_moments__never_bills_more_than_rate_times_time(
    rate: int, waits: list[Fraction], interval: Fraction
) -> None:
    meter, now, billed = Meter(rate, Fraction(0)), Fraction(0), 0
    for wait in waits:
        now += wait
        meter, units = meter.read(now, interval)
        billed += units
        assert billed <= rate * now
        assert meter.billed_until_s == Fraction(billed, rate)
    _, rest = meter.read(now)
    assert billed + rest > rate * now - 1


@given(rates, steps)
def test_meter__intervals_split_anyhow__change_the_total_by_less_than_one_unit_each(
    rate: int, waits: list[Fraction]
) -> None:
    whole = Meter(rate, Fraction(0)).read(sum(waits, Fraction(0)))[1]
    meter, now, billed = Meter(rate, Fraction(0)), Fraction(0), 0
    for wait in waits:
        now += wait
        meter, units = meter.read(now)
        billed += units
    assert 0 <= whole - billed < len(waits)


def test_meter__before_the_interval_has_passed__bills_nothing() -> None:
    meter = Meter(1, Fraction(0))
    assert meter.read(Fraction(49, 10), Fraction(5)) == (meter, 0)
    assert meter.read(Fraction(5), Fraction(5)) == (Meter(1, Fraction(5)), 5)


def test_meter__a_clock_that_went_back__bills_nothing_and_keeps_its_place() -> None:
    meter = Meter(1, Fraction(100))
    assert meter.read(Fraction(90)) == (meter, 0)


def test_meter__at_no_rate__is_refused() -> None:
    with pytest.raises(InvalidInput):
        Meter(Unit.JOB.rate, Fraction(0))


def test_unit__live_video__prepays_the_pixels_of_a_minute() -> None:
    assert Unit.PIXEL_720P.rate * PREPAID_S == 1_658_880_000


# --- gateway --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, Answer.ACCEPTED),
        (400, Answer.REFUSED),
        (402, Answer.REFUSED),
        (404, Answer.RELEASED),
        (408, Answer.BUSY),
        (409, Answer.REFUSED),
        (429, Answer.BUSY),
        (500, Answer.BUSY),
    ],
)
def test_answer_of__each_status__has_its_meaning(status: int, answer: Answer) -> None:
    assert answer_of(status) is answer


def test_settle_answer__only_an_accepted_payment__counts_as_paid() -> None:
    paid = {answer for answer in (*Answer, None) if settle_answer(answer, renewed=False).outcome is Outcome.ANSWERED}
    assert paid == {Answer.ACCEPTED}


def test_settle_answer__refused__renews_once_and_then_stops() -> None:
    assert settle_answer(Answer.REFUSED, renewed=False).then is Next.RENEW
    assert settle_answer(Answer.REFUSED, renewed=True).then is Next.STOP


@pytest.mark.parametrize(
    ("answer", "outcome", "then"),
    [
        (None, Outcome.UNANSWERED, Next.CONTINUE),
        (Answer.BUSY, Outcome.REFUSED, Next.CONTINUE),
        (Answer.RELEASED, Outcome.REFUSED, Next.END),
    ],
)
def test_settle_answer__no_verdict_on_the_payment__leaves_its_credit_unconfirmed(
    answer: Answer | None, outcome: Outcome, then: Next
) -> None:
    found = settle_answer(answer, renewed=False)
    assert (found.outcome, found.then) == (outcome, then)


LIMIT = SpendLimit(Fraction(3), prepaid_units=60)


def test_spend_limit__exactly_the_fees_and_two_tickets__passes() -> None:
    LIMIT.check(Fraction(3 * 70 + 2 * 35), 10, Fraction(35))


def test_spend_limit__a_wei_more__is_refused_with_the_figures() -> None:
    with pytest.raises(SpendLimitReached) as trouble:
        LIMIT.check(Fraction(3 * 70 + 2 * 35 + 1), 10, Fraction(35))
    assert (trouble.value.signed, trouble.value.limit, trouble.value.units) == (281, 280, 10)


def test_spend_limit__a_cap_on_the_whole__holds_however_much_time_passes() -> None:
    capped = SpendLimit(Fraction(3), 60, max_total=Fraction(100))
    capped.check(Fraction(100), 10**9, Fraction(1))
    with pytest.raises(SpendLimitReached):
        capped.check(Fraction(101), 10**9, Fraction(1))


# --- bring your own capability --------------------------------------------------------------------


@given(st.fractions(min_value=-10, max_value=1000), st.fractions(min_value=0, max_value=100))
def test_byoc_top_up__any_balance__reaches_two_minutes_and_not_more(balance: Fraction, price: Fraction) -> None:
    assert balance + byoc_top_up(balance, price) == max(balance, 120 * price)


def test_byoc_tickets__more_than_a_quote_credits__are_capped() -> None:
    assert byoc_tickets(Fraction(10**9), Fraction(1)) == 600


def test_sync__with_unconfirmed_credit__is_what_the_orchestrator_says() -> None:
    found = sync(Balance(Fraction(5), unconfirmed=Fraction(7)), Fraction(10), Fraction(11))
    assert found.balance == Balance(Fraction(10))
    assert (found.difference, found.covered) == (5, False)


def test_overdraft__two_negative_checks_in_a_row__stop() -> None:
    first = Overdraft().after(Fraction(-1))
    assert not first.stops
    assert first.after(Fraction(-1)).stops
    assert not first.after(Fraction(0)).after(Fraction(-1)).stops


# --- orchestrator ---------------------------------------------------------------------------------


def test_require_units__balance_of_exactly_the_fee__suffices() -> None:
    assert require_units(Account(Fraction(30), Fraction(3)), 10) == 30


@pytest.mark.parametrize("account", [None, Account(Fraction(29), Fraction(3))])
def test_require_units__less_or_no_account__closes_the_session(account: Account | None) -> None:
    with pytest.raises(InsufficientBalance):
        require_units(account, 10)


def test_check_follow_up__second_payment_of_a_fixed_price__is_refused() -> None:
    check_follow_up(Unit.JOB, 0)
    check_follow_up(Unit.SECOND, 3)
    with pytest.raises(PaymentRefused, match="do not accept follow-up payments"):
        check_follow_up(Unit.JOB, 1)
