"""Inflation per round: up while too little is at stake, down while too much is (target here: 50 %)."""

import ape
import pytest

LPT = 10**18
HUNDRED_PERCENT = 10**9


@pytest.fixture
def supply(token, owner, receiver, data_cache, minter, register, stake):
    """400 LPT here, 600 on L1."""
    register("BondingManager", stake)
    token.mint(receiver, 400 * LPT, sender=owner)
    data_cache.set_supply(600 * LPT, sender=owner)


def test_get_global_total_supply__is_that_of_both_chains(minter, supply):
    assert minter.getGlobalTotalSupply() == 1000 * LPT


@pytest.mark.parametrize(
    ("bonded", "inflation"),
    [
        (0, 1050),
        (500 * LPT - 10**12, 1050),
        # Within one part in 1e9 of the target counts as equal.
        (500 * LPT, 1000),
        (500 * LPT + 10**12, 950),
        (1000 * LPT, 950),
    ],
)
def test_set_current_reward_tokens__per_bonding_rate__moves_inflation(
    minter, supply, stake, owner, rounds_manager, bonded, inflation
):
    stake.set_total_bonded(bonded, sender=owner)

    receipt = minter.setCurrentRewardTokens(sender=rounds_manager)

    mintable = 1000 * LPT * inflation // HUNDRED_PERCENT
    assert minter.inflation() == inflation
    assert minter.currentMintableTokens() == mintable
    assert minter.currentMintedTokens() == 0
    assert receipt.events == [minter.SetCurrentRewardTokens(currentMintableTokens=mintable, currentInflation=inflation)]


def test_set_current_reward_tokens__without_any_supply__counts_as_nothing_bonded(
    minter, register, stake, rounds_manager
):
    register("BondingManager", stake)

    minter.setCurrentRewardTokens(sender=rounds_manager)

    assert (minter.inflation(), minter.currentMintableTokens()) == (1050, 0)


def test_set_current_reward_tokens__near_zero__stops_at_zero(minter, supply, stake, owner, rounds_manager):
    minter.setInflationChange(1001, sender=owner)
    stake.set_total_bonded(1000 * LPT, sender=owner)

    minter.setCurrentRewardTokens(sender=rounds_manager)

    assert (minter.inflation(), minter.currentMintableTokens()) == (0, 0)


def test_set_current_reward_tokens__k23_near_hundred_percent__stops_there(minter, supply, owner, rounds_manager):
    minter.setInflationChange(HUNDRED_PERCENT, sender=owner)

    minter.setCurrentRewardTokens(sender=rounds_manager)
    minter.setCurrentRewardTokens(sender=rounds_manager)

    assert minter.inflation() == HUNDRED_PERCENT
    assert minter.currentMintableTokens() == 1000 * LPT


def test_set_current_reward_tokens__by_stranger__reverts(minter, supply, stranger):
    with ape.reverts("msg.sender not RoundsManager"):
        minter.setCurrentRewardTokens(sender=stranger)


def test_set_current_reward_tokens__while_paused__reverts(minter, supply, controller, owner, rounds_manager):
    controller.pause(sender=owner)

    with ape.reverts("system is paused"):
        minter.setCurrentRewardTokens(sender=rounds_manager)
