"""What errors say to people."""

from fractions import Fraction

from livepeer_client.errors import InsufficientBalance, ParamsRejected

LONG = Fraction(8 * 10**9 * (2**256 - 1) + 1, 2**256 - 1)


def test_insufficient_balance__exact_fractions__are_said_in_whole_wei() -> None:
    error = InsufficientBalance(balance=LONG, required=Fraction(9 * 10**9))
    assert str(error) == "Insufficient balance: have 8000000000 wei, need 9000000000 wei"
    assert error.balance == LONG


def test_params_rejected__exact_fractions__are_said_plainly_and_kept_exactly() -> None:
    error = ParamsRejected("too much", ev=LONG, price=Fraction(1, 3), nonce=7)
    assert str(error) == "too much ev=8000000000… price=0.3333 nonce=7"
    assert error.figures["ev"] == LONG


def test_params_rejected__figures_that_differ_below_a_wei__do_not_look_alike() -> None:
    error = ParamsRejected("ticket EV > max ticket EV", ev=Fraction(10**15) + Fraction(1, 3), max_ev=Fraction(10**15))
    assert str(error) == f"ticket EV > max ticket EV ev={10**15}… max_ev={10**15}"
