"""Nothing moves stake, rewards or fees while the system is paused or before the round is initialized."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.support.bonding_stage import NOBODY, Stage

CALLS: dict[str, tuple[Any, ...]] = {
    "bond": (1, NOBODY),
    "bondWithHint": (1, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY),
    "bondForWithHint": (1, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY),
    "unbond": (1,),
    "unbondWithHint": (1, NOBODY, NOBODY),
    "rebond": (0,),
    "rebondWithHint": (0, NOBODY, NOBODY),
    "rebondFromUnbonded": (NOBODY, 0),
    "rebondFromUnbondedWithHint": (NOBODY, 0, NOBODY, NOBODY),
    "transferBond": (NOBODY, 1, NOBODY, NOBODY, NOBODY, NOBODY),
    "withdrawStake": (0,),
    "withdrawFees": (NOBODY, 0),
    "claimEarnings": (0,),
    "transcoder": (0, 0),
    "transcoderWithHint": (0, 0, NOBODY, NOBODY),
    "reward": (),
    "rewardWithHint": (NOBODY, NOBODY),
}


@pytest.mark.parametrize("function", CALLS)
def test_any_function__while_paused__reverts(stage: Stage, stranger: Any, function: str) -> None:
    stage.protocol.controller.pause(sender=stage.owner)
    with ape.reverts("system is paused"):
        getattr(stage.bonding, function)(*CALLS[function], sender=stranger)


@pytest.mark.parametrize("function", CALLS)
def test_any_function__before_the_round_is_initialized__reverts(stage: Stage, stranger: Any, function: str) -> None:
    stage.next_round(initialize=False)
    with ape.reverts("current round is not initialized"):
        getattr(stage.bonding, function)(*CALLS[function], sender=stranger)


@pytest.mark.parametrize("function", ["rewardForTranscoder", "rewardForTranscoderWithHint"])
def test_reward_for_transcoder__while_paused__reverts(
    active: Stage, transcoder: Any, stranger: Any, function: str
) -> None:
    active.bonding.setRewardCaller(stranger, sender=transcoder)
    active.protocol.controller.pause(sender=active.owner)
    hints = (NOBODY, NOBODY) if function.endswith("Hint") else ()
    with ape.reverts("system is paused"):
        getattr(active.bonding, function)(transcoder, *hints, sender=stranger)


def test_slash_transcoder__while_paused__reverts(active: Stage, transcoder: Any, stranger: Any) -> None:
    active.register("Verifier", stranger)
    active.protocol.controller.pause(sender=active.owner)
    with ape.reverts("system is paused"):
        active.bonding.slashTranscoder(transcoder, NOBODY, 1, 0, sender=stranger)
