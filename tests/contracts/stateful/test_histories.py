"""Random histories of the whole suite: contracts and model agree after every call, and the invariants hold.

Seeds are fixed, so that a red test is red again; `make fuzz` plays others for as long as one likes.
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.support.artifacts import suite_artifacts
from tests.support.evm_abi import Interface
from tests.support.model.state import require
from tests.support.stateful.history import Failure, Tally, play, replay, setup_of, shrink, story
from tests.support.stateful.operations import Setup
from tests.support.stateful.rules_money import RULES
from tests.support.stateful.world import World

CHUNKS = 16
HISTORIES_PER_CHUNK = 8
STEPS = 600
APPLIED_AT_LEAST = 50_000

# Functions that only a contract of the suite may call: tried by strangers, never with success.
REFUSED_TO_ALL = {
    *("Minter.createReward", "Minter.trustedTransferTokens", "Minter.trustedBurnTokens", "Minter.trustedWithdrawETH"),
    *("Minter.depositETH", "Minter.setCurrentRewardTokens", "BondingManager.setCurrentRoundTotalActiveStake"),
    *("BondingManager.updateTranscoderWithFees", "BondingManager.updateTranscoderWithFeesBatch"),
    *("BondingVotes.checkpointBondingState", "BondingVotes.checkpointTotalActiveStake"),
}
# Rules that never succeed, or do so under other rules' names.
NOTHING_APPLIED = {"mine", "trespass", "redeem_faulty", "next_round_with_rewards", "skip_rounds", "initialize_round"}
OFTEN = {
    *("BondingManager.bond", "BondingManager.bondWithHint", "BondingManager.bondForWithHint", "BondingManager.unbond"),
    *("BondingManager.unbondWithHint", "BondingManager.rebond", "BondingManager.rebondWithHint"),
    *("BondingManager.rebondFromUnbonded", "BondingManager.rebondFromUnbondedWithHint", "BondingManager.transferBond"),
    *("BondingManager.withdrawStake", "BondingManager.withdrawFees", "BondingManager.claimEarnings"),
    *("BondingManager.reward", "BondingManager.rewardWithHint", "BondingManager.rewardForTranscoder"),
    *("BondingManager.rewardForTranscoderWithHint", "BondingManager.transcoder", "BondingManager.transcoderWithHint"),
    *("TicketBroker.redeemWinningTicket", "TicketBroker.batchRedeemWinningTickets", "TicketBroker.fundDeposit"),
    *("TicketBroker.fundReserve", "TicketBroker.fundDepositAndReserve", "TicketBroker.fundDepositAndReserveFor"),
    *(
        "TicketBroker.redeemWinningTicketsCompact",
        "TicketBroker.unlock",
        "TicketBroker.withdraw",
        "RoundsManager.initializeRound",
    ),
}


@cache
def played(chunk: int) -> Tally:
    """One part of all histories."""
    total = Tally()
    for seed in range(chunk * HISTORIES_PER_CHUNK, (chunk + 1) * HISTORIES_PER_CHUNK):
        try:
            total.add(play(seed, STEPS))
        except Failure as failure:
            pytest.fail(story(shrink(failure, seconds=45)), pytrace=False)
    return total


# 13 seconds on an idle machine; a failure takes 45 more to shrink.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_history__random_calls__contracts_and_model_agree_and_invariants_hold(chunk: int) -> None:
    tally = played(chunk)

    assert tally.calls > 0.6 * HISTORIES_PER_CHUNK * STEPS


# Histories in which contracts and model once disagreed: seed, steps.
FOUND = [(1000036, 1830)]


@pytest.mark.parametrize(("seed", "steps"), FOUND)
def test_history__once_found_a_difference__finds_none(seed: int, steps: int) -> None:
    """1000036: the credit of compact tickets overflows, which fails the whole call as it does every single one."""
    assert play(seed, steps).calls > 0


def state_changing_functions() -> set[str]:
    return {
        f"{name}.{function.name}"
        for name, artifact in suite_artifacts().items()
        if name not in ("ManagerProxy", "L2LPTDataCache")
        for function in Interface.of(name, artifact.abi).own_functions()
        # Every manager has setController, which the Controller alone may call: `updateController` does.
        if function.mutability not in ("view", "pure") and function.name != "setController"
    }


@pytest.mark.timeout(1800)
def test_history__all_together__every_function_and_every_rule_was_applied_often_enough() -> None:
    total = Tally()
    for chunk in range(CHUNKS):
        total.add(played(chunk))

    assert total.calls >= APPLIED_AT_LEAST
    assert set(total.functions) == state_changing_functions() - REFUSED_TO_ALL
    assert {name: count for name, count in total.functions.items() if count < 15} == {}
    assert {name: total.functions[name] for name in OFTEN if total.functions[name] < 100} == {}
    assert {name for name in RULES if total.applied[name] < 15} - NOTHING_APPLIED == set()
    # Nobody but the contracts themselves; and every kind of bad ticket was offered.
    assert min(total.refused["trespass"], total.refused["redeem_faulty"]) > 300
    assert min(total.held.values()) >= CHUNKS * HISTORIES_PER_CHUNK


class Miser(World):
    """Its model takes no reserve above 9 wei: a mistake to be found."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        fund = self.model.broker.fundReserve

        def refuse(sender: str, value: int) -> None:
            require(value < 10)
            fund(sender, value)

        self.model.broker.fundReserve = refuse  # type: ignore[method-assign]


def test_shrink__model_with_a_mistake__leaves_the_one_step_that_shows_it() -> None:
    with pytest.raises(Failure) as found:
        play(0, STEPS, Miser)

    shortest = shrink(found.value, 60, Miser)

    assert [step.function for step in shortest.steps] == ["fundReserve"]
    assert "fundReserve" in story(shortest)
    with pytest.raises(Failure, match="fundReserve"):
        replay(shortest.setup, shortest.steps, Miser)
    assert replay(shortest.setup, shortest.steps).calls == 1


def test_play__same_seed__is_the_same_history() -> None:
    first, second = play(7, 100), play(7, 100)

    assert (first.functions, first.refused) == (second.functions, second.refused)
    assert setup_of(7) == setup_of(7) != setup_of(8)
