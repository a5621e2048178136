import ape
import pytest
from ape.utils import ZERO_ADDRESS

UNLIMITED = 2**256 - 1


@pytest.mark.parametrize("amount", [0, 5, UNLIMITED])
def test_approve__any_amount__sets_it(token, holder, spender, amount):
    receipt = token.approve(spender, amount, sender=holder)

    assert receipt.return_value is True
    assert token.allowance(holder, spender) == amount
    assert receipt.events == [token.Approval(owner=holder, spender=spender, value=amount)]


def test_approve__of_zero__reverts(token, holder):
    with ape.reverts("ERC20: approve to the zero address"):
        token.approve(ZERO_ADDRESS, 1, sender=holder)


def test_approve__by_zero__reverts(token, spender):
    with ape.reverts("ERC20: approve from the zero address"):
        token.approve.call(spender, 1, sender=ZERO_ADDRESS)


def test_increase_allowance__adds_to_it(token, holder, spender):
    token.approve(spender, 5, sender=holder)

    receipt = token.increaseAllowance(spender, 2, sender=holder)

    assert token.allowance(holder, spender) == 7
    assert receipt.events == [token.Approval(owner=holder, spender=spender, value=7)]


def test_increase_allowance__past_the_largest_number__reverts(token, holder, spender):
    token.approve(spender, UNLIMITED, sender=holder)

    with ape.reverts():
        token.increaseAllowance(spender, 1, sender=holder)


def test_decrease_allowance__takes_from_it(token, holder, spender):
    token.approve(spender, 5, sender=holder)

    receipt = token.decreaseAllowance(spender, 5, sender=holder)

    assert token.allowance(holder, spender) == 0
    assert receipt.events == [token.Approval(owner=holder, spender=spender, value=0)]


def test_decrease_allowance__below_zero__reverts(token, holder, spender):
    token.approve(spender, 5, sender=holder)

    with ape.reverts("ERC20: decreased allowance below zero"):
        token.decreaseAllowance(spender, 6, sender=holder)
