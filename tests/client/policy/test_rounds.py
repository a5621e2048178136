"""When to initialise a round and when to call reward."""

from dataclasses import replace

import pytest

from livepeer_client.policy.rounds import RewardStep, RoundStep, reward_step, round_step
from livepeer_client.types import Round
from tests.support.redemption import ACTIVE, ROUND, make_round


def test_round_step__a_round_nobody_opened__initializes() -> None:
    assert round_step(make_round(initialized=False)) is RoundStep.INITIALIZE


def test_round_step__an_open_round__does_nothing() -> None:
    assert round_step(make_round()) is RoundStep.INITIALIZED


def test_round_step__after_skipped_rounds__initializes_the_current_one() -> None:
    assert round_step(replace(make_round(), last_initialized=Round(ROUND - 5))) is RoundStep.INITIALIZE


def test_round_step__round_zero__is_none_to_initialize() -> None:
    assert round_step(replace(make_round(0, initialized=False), last_initialized=Round(1))) is RoundStep.ROUND_ZERO


@pytest.mark.parametrize(
    ("active", "last_reward", "initialized", "step"),
    [
        (True, ROUND - 1, True, RewardStep.CALL),
        (True, 0, True, RewardStep.CALL),
        (True, ROUND, True, RewardStep.CALLED),
        (False, ROUND - 1, True, RewardStep.INACTIVE),
        (True, ROUND - 1, False, RewardStep.ROUND_NOT_INITIALIZED),
    ],
)
def test_reward_step__given_the_facts__says_what_to_do(
    active: bool, last_reward: int, initialized: bool, step: RewardStep
) -> None:
    orchestrator = replace(ACTIVE, active=active, last_reward_round=Round(last_reward))
    assert reward_step(make_round(initialized=initialized), orchestrator) is step
