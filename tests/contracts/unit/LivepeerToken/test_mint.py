import ape
import pytest
from ape.utils import ZERO_ADDRESS

LPT = 10**18


def missing_role(account, role: bytes) -> str:
    return f"AccessControl: account {str(account).lower()} is missing role 0x{role.hex()}"


@pytest.mark.parametrize("amount", [0, 5 * LPT])
def test_mint__with_role__creates_tokens(token, owner, receiver, amount):
    receipt = token.mint(receiver, amount, sender=owner)

    assert token.totalSupply() == 1000 * LPT + amount
    assert token.balanceOf(receiver) == amount
    assert receipt.events == [
        token.Transfer(_from=ZERO_ADDRESS, to=receiver, value=amount),
        token.Mint(to=receiver, amount=amount),
    ]


def test_mint__without_role__reverts(token, stranger, minter_role):
    with ape.reverts(missing_role(stranger.address, minter_role)):
        token.mint(stranger, 1, sender=stranger)


def test_mint__to_zero__reverts(token, owner):
    with ape.reverts("ERC20: mint to the zero address"):
        token.mint(ZERO_ADDRESS, 1, sender=owner)


def test_mint__past_the_largest_supply__reverts(token, owner, receiver):
    with ape.reverts():
        token.mint(receiver, 2**256 - 1000 * LPT, sender=owner)


@pytest.fixture
def burner(token, owner, burner_role, holder):
    """The holder may burn."""
    token.grantRole(burner_role, holder, sender=owner)
    return holder


def test_burn__with_role__destroys_tokens(token, burner):
    receipt = token.burn(LPT, sender=burner)

    assert token.totalSupply() == 999 * LPT
    assert token.balanceOf(burner) == 999 * LPT
    assert receipt.events == [
        token.Transfer(_from=burner, to=ZERO_ADDRESS, value=LPT),
        token.Burn(burner=burner, amount=LPT),
    ]


def test_burn__without_role__reverts(token, holder, burner_role):
    with ape.reverts(missing_role(holder.address, burner_role)):
        token.burn(1, sender=holder)


def test_burn__above_balance__reverts(token, burner):
    with ape.reverts("ERC20: burn amount exceeds balance"):
        token.burn(1000 * LPT + 1, sender=burner)


def test_burn_from__within_allowance__destroys_and_uses_it_up(token, owner, burner_role, holder, spender):
    token.grantRole(burner_role, spender, sender=owner)
    token.approve(spender, 3 * LPT, sender=holder)

    receipt = token.burnFrom(holder, LPT, sender=spender)

    assert token.totalSupply() == 999 * LPT
    assert receipt.events == [
        token.Approval(owner=holder, spender=spender, value=2 * LPT),
        token.Transfer(_from=holder, to=ZERO_ADDRESS, value=LPT),
        token.Burn(burner=holder, amount=LPT),
    ]


def test_burn_from__without_role__reverts(token, holder, spender, burner_role):
    token.approve(spender, LPT, sender=holder)

    with ape.reverts(missing_role(spender.address, burner_role)):
        token.burnFrom(holder, 1, sender=spender)


def test_burn_from__above_allowance__reverts(token, burner, owner, burner_role, spender):
    token.grantRole(burner_role, spender, sender=owner)

    with ape.reverts("ERC20: insufficient allowance"):
        token.burnFrom(burner, 1, sender=spender)


def test_burn_from__of_zero__reverts(token, owner, burner_role, burner):
    # Zero never approves, so nothing but an empty burn reaches the check of the allowance's owner.
    with ape.reverts("ERC20: approve from the zero address"):
        token.burnFrom(ZERO_ADDRESS, 0, sender=burner)


def test_burn__by_zero__reverts(token, owner, burner_role):
    token.grantRole(burner_role, ZERO_ADDRESS, sender=owner)

    with ape.reverts("ERC20: burn from the zero address"):
        token.burn.call(0, sender=ZERO_ADDRESS)
