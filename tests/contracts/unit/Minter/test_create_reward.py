import ape
import pytest
from ape.utils import ZERO_ADDRESS

LPT = 10**18


@pytest.fixture
def mintable(minter, token, owner, receiver, stake, register, rounds_manager, bonding_manager) -> int:
    """A round with 1.05 LPT to mint: 1050 parts of 1e9 of a million LPT."""
    token.mint(receiver, 10**6 * LPT, sender=owner)
    register("BondingManager", stake)
    minter.setCurrentRewardTokens(sender=rounds_manager)
    register("BondingManager", bonding_manager)
    return 105 * LPT // 100


@pytest.mark.parametrize(("part", "whole"), [(1, 4), (1, 3), (0, 7), (7, 7)])
def test_create_reward__for_share_of_stake__mints_its_share(minter, token, mintable, bonding_manager, part, whole):
    receipt = minter.createReward(part, whole, sender=bonding_manager)

    # First the share is rounded to parts of 1e9, then the amount.
    amount = mintable * (part * 10**9 // whole) // 10**9
    assert receipt.return_value == amount
    assert minter.currentMintedTokens() == amount
    assert token.balanceOf(minter) == amount
    assert receipt.events == [
        token.Transfer(_from=ZERO_ADDRESS, to=minter, value=amount),
        token.Mint(to=minter, amount=amount),
    ]


def test_create_reward__of_all_shares__mints_no_more_than_mintable(minter, mintable, bonding_manager):
    for _ in range(3):
        minter.createReward(1, 3, sender=bonding_manager)

    assert minter.currentMintedTokens() <= mintable == minter.currentMintableTokens()


def test_create_reward__above_mintable__reverts(minter, mintable, bonding_manager):
    minter.createReward(2, 3, sender=bonding_manager)

    with ape.reverts("minted tokens cannot exceed mintable tokens"):
        minter.createReward(2, 3, sender=bonding_manager)


def test_create_reward__of_no_stake_at_all__reverts(minter, mintable, bonding_manager):
    with ape.reverts():
        minter.createReward(1, 0, sender=bonding_manager)


def test_create_reward__in_next_round__starts_from_zero(
    minter, mintable, register, stake, rounds_manager, bonding_manager
):
    minter.createReward(1, 1, sender=bonding_manager)
    register("BondingManager", stake)

    minter.setCurrentRewardTokens(sender=rounds_manager)

    assert minter.currentMintedTokens() == 0


@pytest.mark.parametrize("caller", ["stranger", "jobs_manager", "owner"])
def test_create_reward__by_other_than_bonding_manager__reverts(minter, registered, request, caller):
    with ape.reverts("msg.sender not BondingManager"):
        minter.createReward(1, 1, sender=request.getfixturevalue(caller))


def test_create_reward__while_paused__reverts(minter, controller, owner, bonding_manager):
    controller.pause(sender=owner)

    with ape.reverts("system is paused"):
        minter.createReward(1, 1, sender=bonding_manager)
