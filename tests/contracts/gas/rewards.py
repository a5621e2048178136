"""Scenarios of rewards and of claiming what was earned."""

from __future__ import annotations

from tests.contracts.gas.accounts import account
from tests.contracts.gas.stake import DELEGATOR, Gas, variants
from tests.contracts.gas.world import ETH, LPT, World

BROADCASTER = account("broadcaster")
TREASURY_CUT = 10**26
TREASURY_CEILING = 750_000 * LPT


def initialize(world: World, gas: Gas) -> None:
    """The round after the first one with an active set."""
    gas[f"initializeRound.{world.label}"] = world.next_round()


def reward(world: World, gas: Gas) -> None:
    """First and second reward of a transcoder, in consecutive rounds."""
    for place, position in world.positions.items():
        tail = f"{world.label}.{place}"
        for suffix, hint in variants(world.neighbours(position)).items():
            with world.branch():
                gas[f"reward.{tail}.round1.{suffix}"] = world.reward(position, hint)
        with world.branch():
            world.reward(position, world.neighbours(position))
            world.next_round()
            for suffix, hint in variants(world.neighbours(position)).items():
                with world.branch():
                    gas[f"reward.{tail}.round2.{suffix}"] = world.reward(position, hint)
                    if hint is not None:
                        name = f"transcoder.update_after_reward.{tail}"
                        gas[name] = world.change_rates(world.transcoders[position])


def reward_with_treasury(world: World, gas: Gas) -> None:
    """The treasury gets 10 % and is far from its ceiling, as in production."""
    world.register("Treasury", account("treasury"))
    bonding, owner = "BondingManager", world.suite.deployer
    world.suite.send(owner, bonding, "setTreasuryRewardCutRate(uint256)", TREASURY_CUT)
    world.suite.send(owner, bonding, "setTreasuryBalanceCeiling(uint256)", TREASURY_CEILING)
    right_hint = world.neighbours(world.subject)
    # The rate counts from the next round on.
    world.next_round()
    for turn in ("round1", "round2"):
        for suffix, hint in variants(right_hint).items():
            with world.branch():
                name = f"reward.treasury10pct.{world.label}.{world.subject_name}.{turn}.{suffix}"
                gas[name] = world.reward(world.subject, hint)
        world.reward(world.subject, right_hint)
        world.next_round()


def claim_nothing(world: World, gas: Gas) -> None:
    """One round since the delegator bonded, in which nothing was earned."""
    gas[f"claimEarnings.delegator.1_round.no_reward.{world.label}"] = world.claim(DELEGATOR)


def claim(world: World, gas: Gas) -> None:
    """After 1, 10 and 50 rounds with a reward and a redeemed ticket each; claims come in the last of them."""
    world.fund(BROADCASTER, 1000 * ETH, ETH)
    passed = 0
    for rounds in (1, 10, 50):
        while passed < rounds:
            if passed > 0:
                world.next_round()
            world.reward(world.subject, world.neighbours(world.subject))
            world.redeem(BROADCASTER)
            passed += 1
        tail = f"{rounds}_rounds.{world.label}"
        with world.branch():
            gas[f"claimEarnings.delegator.{tail}"] = world.claim(DELEGATOR)
        with world.branch():
            gas[f"claimEarnings.transcoder.{tail}"] = world.claim(world.transcoder)
            gas[f"withdrawFees.transcoder.after_claim.{tail}"] = world.withdraw_fees(world.transcoder)
        with world.branch():
            gas[f"withdrawFees.delegator.incl_claim.{tail}"] = world.withdraw_fees(DELEGATOR)
            gas[f"withdrawFees.delegator.same_round_again.{tail}"] = world.withdraw_fees(DELEGATOR)
