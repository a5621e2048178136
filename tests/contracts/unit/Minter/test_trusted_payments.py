import ape
import pytest
from ape.utils import ZERO_ADDRESS
from eth_utils import keccak

LPT = 10**18


@pytest.fixture(autouse=True)
def funds(minter, token, owner, jobs_manager):
    """The Minter holds 10 LPT and 10 wei."""
    token.mint(minter, 10 * LPT, sender=owner)
    minter.depositETH(value=10, sender=jobs_manager)


# --- LPT ------------------------------------------------------------------------------------------


def test_trusted_transfer_tokens__by_bonding_manager__pays(minter, token, bonding_manager, receiver):
    receipt = minter.trustedTransferTokens(receiver, 3 * LPT, sender=bonding_manager)

    assert token.balanceOf(receiver) == 3 * LPT
    assert token.balanceOf(minter) == 7 * LPT
    assert receipt.events == [token.Transfer(_from=minter, to=receiver, value=3 * LPT)]


def test_trusted_transfer_tokens__by_jobs_manager__reverts(minter, jobs_manager, receiver):
    with ape.reverts("msg.sender not BondingManager"):
        minter.trustedTransferTokens(receiver, 1, sender=jobs_manager)


def test_trusted_transfer_tokens__while_paused__reverts(minter, controller, owner, bonding_manager, receiver):
    controller.pause(sender=owner)

    with ape.reverts("system is paused"):
        minter.trustedTransferTokens(receiver, 1, sender=bonding_manager)


def test_trusted_transfer_tokens__k23_token_says_false__reverts(
    project, minter, owner, register, bonding_manager, receiver
):
    register("LivepeerToken", owner.deploy(project.FalseTokenMock))

    with ape.reverts("LPT transfer failed"):
        minter.trustedTransferTokens(receiver, 1, sender=bonding_manager)


def test_trusted_burn_tokens__with_burner_role__burns(minter, token, owner, bonding_manager):
    token.grantRole(keccak(text="BURNER_ROLE"), minter, sender=owner)

    receipt = minter.trustedBurnTokens(4 * LPT, sender=bonding_manager)

    assert token.totalSupply() == 6 * LPT
    assert receipt.events == [
        token.Transfer(_from=minter, to=ZERO_ADDRESS, value=4 * LPT),
        token.Burn(burner=minter, amount=4 * LPT),
    ]


def test_trusted_burn_tokens__k23_without_burner_role__reverts(minter, bonding_manager):
    role = keccak(text="BURNER_ROLE").hex()

    with ape.reverts(f"AccessControl: account {minter.address.lower()} is missing role 0x{role}"):
        minter.trustedBurnTokens(1, sender=bonding_manager)


def test_trusted_burn_tokens__by_stranger__reverts(minter, stranger):
    with ape.reverts("msg.sender not BondingManager"):
        minter.trustedBurnTokens(1, sender=stranger)


def test_trusted_burn_tokens__while_paused__reverts(minter, controller, owner, bonding_manager):
    controller.pause(sender=owner)

    with ape.reverts("system is paused"):
        minter.trustedBurnTokens(1, sender=bonding_manager)


# --- ETH ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", ["bonding_manager", "jobs_manager"])
def test_trusted_withdraw_eth__by_trusted_contract__pays(minter, receiver, request, caller):
    before = receiver.balance

    receipt = minter.trustedWithdrawETH(receiver, 4, sender=request.getfixturevalue(caller))

    assert receiver.balance == before + 4
    assert minter.balance == 6
    assert receipt.events == []


def test_trusted_withdraw_eth__of_nothing__pays_nothing(minter, token, bonding_manager):
    minter.trustedWithdrawETH(token, 0, sender=bonding_manager)

    assert minter.balance == 10


def test_trusted_withdraw_eth__above_balance__reverts(minter, bonding_manager, receiver):
    with ape.reverts():
        minter.trustedWithdrawETH(receiver, 11, sender=bonding_manager)


def test_trusted_withdraw_eth__to_account_that_refuses__reverts(minter, token, bonding_manager):
    with ape.reverts():
        minter.trustedWithdrawETH(token, 1, sender=bonding_manager)
    assert minter.balance == 10


def test_trusted_withdraw_eth__by_stranger__reverts(minter, stranger):
    with ape.reverts("msg.sender not BondingManager or JobsManager"):
        minter.trustedWithdrawETH(stranger, 1, sender=stranger)


def test_trusted_withdraw_eth__while_paused__reverts(minter, controller, owner, bonding_manager, receiver):
    controller.pause(sender=owner)

    with ape.reverts("system is paused"):
        minter.trustedWithdrawETH(receiver, 1, sender=bonding_manager)


def test_deposit_eth__by_jobs_manager_even_while_paused__keeps_it(minter, controller, owner, jobs_manager):
    controller.pause(sender=owner)

    receipt = minter.depositETH(value=5, sender=jobs_manager)

    assert receipt.return_value is True
    assert minter.balance == 15
    assert receipt.events == []


@pytest.mark.parametrize("caller", ["stranger", "bonding_manager"])
def test_deposit_eth__by_other_than_minter_or_jobs_manager__reverts(minter, request, caller):
    with ape.reverts("msg.sender not Minter or JobsManager"):
        minter.depositETH(value=5, sender=request.getfixturevalue(caller))


def test_plain_transfer__of_ether__reverts(minter, owner):
    with ape.reverts():
        owner.transfer(minter, 1)
