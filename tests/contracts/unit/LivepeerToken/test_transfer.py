import ape
import pytest
from ape.utils import ZERO_ADDRESS

LPT = 10**18
UNLIMITED = 2**256 - 1


@pytest.fixture
def allowed(token, holder, spender):
    token.approve(spender, 10 * LPT, sender=holder)


def test_constructor__by_anyone__describes_the_token_and_mints_nothing(project, stranger):
    token = stranger.deploy(project.LivepeerToken)

    assert (token.name(), token.symbol(), token.decimals(), token.totalSupply()) == ("Livepeer Token", "LPT", 18, 0)
    assert token.creation_metadata.receipt.events == [
        token.RoleGranted(role=bytes(32), account=stranger, sender=stranger)
    ]


@pytest.mark.parametrize("amount", [0, 1, 1000 * LPT])
def test_transfer__within_balance__moves(token, holder, receiver, amount):
    receipt = token.transfer(receiver, amount, sender=holder)

    assert receipt.return_value is True
    assert token.balanceOf(holder) == 1000 * LPT - amount
    assert token.balanceOf(receiver) == amount
    assert receipt.events == [token.Transfer(_from=holder, to=receiver, value=amount)]


def test_transfer__to_oneself__changes_nothing(token, holder):
    token.transfer(holder, LPT, sender=holder)

    assert token.balanceOf(holder) == 1000 * LPT


def test_transfer__above_balance__reverts(token, holder, receiver):
    with ape.reverts("ERC20: transfer amount exceeds balance"):
        token.transfer(receiver, 1000 * LPT + 1, sender=holder)


def test_transfer__to_zero__reverts(token, holder):
    with ape.reverts("ERC20: transfer to the zero address"):
        token.transfer(ZERO_ADDRESS, 1, sender=holder)


def test_transfer__from_zero__reverts(token, accounts, receiver):
    with ape.reverts("ERC20: transfer from the zero address"):
        token.transfer.call(receiver, 0, sender=ZERO_ADDRESS)


def test_transfer_from__within_allowance__moves_and_uses_it_up(token, allowed, holder, spender, receiver):
    receipt = token.transferFrom(holder, receiver, 3 * LPT, sender=spender)

    assert token.allowance(holder, spender) == 7 * LPT
    assert token.balanceOf(receiver) == 3 * LPT
    assert receipt.events == [
        token.Approval(owner=holder, spender=spender, value=7 * LPT),
        token.Transfer(_from=holder, to=receiver, value=3 * LPT),
    ]


def test_transfer_from__with_unlimited_allowance__does_not_use_it_up(token, holder, spender, receiver):
    token.approve(spender, UNLIMITED, sender=holder)

    receipt = token.transferFrom(holder, receiver, 3 * LPT, sender=spender)

    assert token.allowance(holder, spender) == UNLIMITED
    assert receipt.events == [token.Transfer(_from=holder, to=receiver, value=3 * LPT)]


def test_transfer_from__above_allowance__reverts(token, allowed, holder, spender, receiver):
    with ape.reverts("ERC20: insufficient allowance"):
        token.transferFrom(holder, receiver, 10 * LPT + 1, sender=spender)


def test_transfer_from__above_balance__reverts_and_keeps_allowance(token, spender, receiver, stranger):
    token.approve(spender, LPT, sender=stranger)

    with ape.reverts("ERC20: transfer amount exceeds balance"):
        token.transferFrom(stranger, receiver, 1, sender=spender)
    assert token.allowance(stranger, spender) == LPT
