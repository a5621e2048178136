"""Balances of both sides (offchain-payments 8, invariants 18 to 21)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.errors import InsufficientBalance, InvalidInput
from livepeer_client.policy.balance import (
    Account,
    Balance,
    Outcome,
    StagedCredit,
    complete,
    credited,
    debited,
    require_balance,
    stage,
)
from livepeer_client.policy.price import fee

amounts = st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=1_000)
naturals = st.fractions(min_value=0, max_value=10**9, max_denominator=1_000)
evs = st.fractions(min_value=Fraction(1, 1_000), max_value=10**6, max_denominator=1_000)
balances = st.builds(Balance, amounts, naturals)


@given(balances, naturals, evs)
def test_stage__any_balance__buys_the_fewest_tickets_that_suffice(
    balance: Balance, min_credit: Fraction, ev: Fraction
) -> None:
    after, staged = stage(balance, min_credit, ev)
    assert staged.existing == balance.available
    assert staged.new == staged.tickets * ev
    assert staged.existing + staged.new >= min_credit
    assert staged.tickets == 0 or staged.existing + (staged.tickets - 1) * ev < min_credit
    assert after == Balance(Fraction(0), balance.unconfirmed)


@given(balances, naturals)
def test_stage__without_expected_value__buys_nothing(balance: Balance, min_credit: Fraction) -> None:
    for ev in (None, Fraction(0)):
        _, staged = stage(balance, min_credit, ev)
        assert (staged.tickets, staged.new) == (0, 0)


@given(balances, naturals, evs, naturals)
def test_complete__answered__is_old_plus_new_less_the_charge(
    balance: Balance, min_credit: Fraction, ev: Fraction, charged: Fraction
) -> None:
    after, staged = stage(balance, min_credit, ev)
    done = complete(after, staged, Outcome.ANSWERED, charged)
    assert done == Balance(balance.available + staged.tickets * ev - charged, balance.unconfirmed)


@given(balances, naturals, evs)
def test_complete__not_sent__leaves_the_balance_as_it_was(balance: Balance, min_credit: Fraction, ev: Fraction) -> None:
    after, staged = stage(balance, min_credit, ev)
    assert complete(after, staged, Outcome.NOT_SENT) == balance


@given(balances, naturals, evs)
def test_complete__refused__returns_the_old_credit_and_keeps_the_new_as_unconfirmed(
    balance: Balance, min_credit: Fraction, ev: Fraction
) -> None:
    after, staged = stage(balance, min_credit, ev)
    done = complete(after, staged, Outcome.REFUSED)
    assert done == Balance(balance.available, balance.unconfirmed + staged.new)


@given(balances, naturals, evs)
def test_complete__unanswered__spends_nothing_twice_and_forgets_nothing(
    balance: Balance, min_credit: Fraction, ev: Fraction
) -> None:
    after, staged = stage(balance, min_credit, ev)
    done = complete(after, staged, Outcome.UNANSWERED)
    assert done.available == 0
    assert done.available + done.unconfirmed == balance.available + balance.unconfirmed + staged.new


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.ANSWERED])
def test_complete__charge_without_an_answer__is_refused(outcome: Outcome) -> None:
    with pytest.raises(InvalidInput):
        complete(Balance(), StagedCredit(1, Fraction(5), Fraction(0)), outcome, Fraction(1))


def test_complete__negative_charge__is_refused() -> None:
    with pytest.raises(InvalidInput):
        complete(Balance(), StagedCredit(1, Fraction(5), Fraction(0)), Outcome.ANSWERED, Fraction(-1))


jobs = st.lists(st.tuples(naturals, st.integers(0, 10**6)), max_size=12)


@given(jobs, evs, st.fractions(min_value=Fraction(1, 100), max_value=100, max_denominator=100))
def test_balances__every_payment_answered_at_one_price__are_equal_on_both_sides(
    history: list[tuple[Fraction, int]], ev: Fraction, price: Fraction
) -> None:
    gateway, account = Balance(), None
    for estimate, pixels in history:
        left, staged = stage(gateway, max(estimate, ev), ev)
        account = credited(account, staged.new, price)
        account, charged = debited(account, pixels)
        gateway = complete(left, staged, Outcome.ANSWERED, fee(pixels, price))
        assert gateway == Balance(account.balance)
        assert charged > max(estimate, ev) or gateway.available >= 0


def test_credited__first_credit__fixes_the_price() -> None:
    assert credited(None, Fraction(5), Fraction(7, 2)) == Account(Fraction(5), Fraction(7, 2))


def test_credited__a_later_price__does_not_change_it() -> None:
    account = credited(None, Fraction(5), Fraction(7, 2))
    assert credited(account, Fraction(3), Fraction(0)) == Account(Fraction(8), Fraction(7, 2))


def test_debited__more_than_the_balance__goes_below_zero() -> None:
    assert debited(Account(Fraction(5), Fraction(7, 2)), 2) == (Account(Fraction(-2), Fraction(7, 2)), 7)


def test_require_balance__exactly_enough__passes() -> None:
    require_balance(Account(Fraction(5), Fraction(1)), Fraction(5))


def test_require_balance__a_little_less__is_refused_with_both_figures() -> None:
    with pytest.raises(InsufficientBalance) as refusal:
        require_balance(Account(Fraction(9, 2), Fraction(1)), Fraction(5))
    assert (refusal.value.balance, refusal.value.required) == (Fraction(9, 2), 5)


def test_require_balance__no_account__is_refused() -> None:
    with pytest.raises(InsufficientBalance):
        require_balance(None, Fraction(0))


def test_require_balance__session_at_price_0__needs_none() -> None:
    require_balance(Account(Fraction(0), Fraction(0)), Fraction(5))
