"""Initialise the round? Call reward? Given what the chain shows."""

from enum import Enum

from livepeer_client.facts import OrchestratorState, RoundState


class RoundStep(Enum):
    INITIALIZE = "the current round waits to be initialized"
    INITIALIZED = "the current round is initialized"
    ROUND_ZERO = "round 0 cannot be initialized"


class RewardStep(Enum):
    CALL = "reward is due"
    CALLED = "reward was called in this round"
    INACTIVE = "not active in this round"
    ROUND_NOT_INITIALIZED = "the current round is not initialized"


def round_step(state: RoundState) -> RoundStep:
    """Whether somebody should call `initializeRound` (onchain 6)."""
    if state.initialized:
        return RoundStep.INITIALIZED
    return RoundStep.INITIALIZE if state.current > 0 else RoundStep.ROUND_ZERO


def reward_step(state: RoundState, orchestrator: OrchestratorState) -> RewardStep:
    """Whether an orchestrator should call `reward` (onchain 10.4). Rewards of a round not called are lost."""
    if not state.initialized:
        return RewardStep.ROUND_NOT_INITIALIZED
    if not orchestrator.active:
        return RewardStep.INACTIVE
    return RewardStep.CALLED if orchestrator.last_reward_round >= state.current else RewardStep.CALL
