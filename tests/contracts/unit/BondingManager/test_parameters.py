"""Owner's setters, the start of a round, slashing, and what the deployed ABI and the size limit demand."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_utils import keccak

from tests.support.bonding_stage import LPT, NOBODY, ONE, PPM, Stage, arguments

LIMIT = 24_576


@pytest.mark.parametrize(
    ("setter", "value", "getter", "param"),
    [
        ("setUnbondingPeriod", 9, "unbondingPeriod", "unbondingPeriod"),
        ("setUnbondingPeriod", 2**64 - 1, "unbondingPeriod", "unbondingPeriod"),
        ("setNumActiveTranscoders", 9, "getTranscoderPoolMaxSize", "numActiveTranscoders"),
        (
            "setTreasuryRewardCutRate",
            ONE,
            "nextRoundTreasuryRewardCutRate",
            "nextRoundTreasuryRewardCutRate",
        ),
        ("setTreasuryBalanceCeiling", 2**256 - 1, "treasuryBalanceCeiling", "treasuryBalanceCeiling"),
    ],
)
def test_setters__by_the_owner__store_the_value(stage: Stage, setter: str, value: int, getter: str, param: str) -> None:
    others = {
        name: getattr(stage.bonding, name)()
        for name in (
            "unbondingPeriod",
            "getTranscoderPoolMaxSize",
            "treasuryRewardCutRate",
            "nextRoundTreasuryRewardCutRate",
            "treasuryBalanceCeiling",
        )
        if name != getter
    }
    receipt = getattr(stage.bonding, setter)(value, sender=stage.owner)
    assert arguments(receipt, stage.bonding.ParameterUpdate) == [{"param": param}]
    assert getattr(stage.bonding, getter)() == value
    assert {name: getattr(stage.bonding, name)() for name in others} == others


@pytest.mark.parametrize(
    "setter",
    ["setUnbondingPeriod", "setNumActiveTranscoders", "setTreasuryRewardCutRate", "setTreasuryBalanceCeiling"],
)
def test_setters__by_a_stranger__revert(stage: Stage, stranger: Any, setter: str) -> None:
    with ape.reverts("caller must be Controller owner"):
        getattr(stage.bonding, setter)(9, sender=stranger)


def test_set_num_active_transcoders__smaller__reverts(stage: Stage) -> None:
    with ape.reverts("new max size must be greater than old max size"):
        stage.bonding.setNumActiveTranscoders(3, sender=stage.owner)


def test_set_num_active_transcoders__beyond_16_bits__reverts(stage: Stage) -> None:
    with ape.reverts("new max size exceeds 16 bits"):
        stage.bonding.setNumActiveTranscoders(2**16, sender=stage.owner)


def test_set_treasury_reward_cut_rate__above_all__reverts(stage: Stage) -> None:
    with ape.reverts("_cutRate is invalid precise percentage"):
        stage.bonding.setTreasuryRewardCutRate(ONE + 1, sender=stage.owner)


def test_set_current_round_total_active_stake__by_a_stranger__reverts(stage: Stage, stranger: Any) -> None:
    with ape.reverts("caller must be RoundsManager"):
        stage.bonding.setCurrentRoundTotalActiveStake(sender=stranger)


def test_set_current_round_total_active_stake__at_the_round_start__fixes_total_and_size(
    stage: Stage, transcoder: Any, other_transcoder: Any
) -> None:
    stage.bond(transcoder, 10 * LPT)
    stage.next_round()
    assert stage.bonding.currentRoundTotalActiveStake() == 10 * LPT
    assert stage.bonding.getTotalBonded() == 10 * LPT
    assert stage.bonding.currentRoundActiveTranscoders() == 1
    stage.bond(other_transcoder, LPT)
    assert stage.bonding.getTranscoderPoolSize() == 2
    assert stage.bonding.currentRoundActiveTranscoders() == 1
    assert stage.bonding.nextRoundTotalActiveStake() == 11 * LPT
    assert stage.protocol.bonding_votes.getTotalActiveStakeAt(stage.round) == 10 * LPT


def test_slash_transcoder__without_a_verifier__reverts(active: Stage, transcoder: Any, stranger: Any) -> None:
    with ape.reverts("caller must be Verifier"):
        active.bonding.slashTranscoder(transcoder, NOBODY, PPM, 0, sender=stranger)


@pytest.mark.parametrize("share", [PPM // 2, PPM])
def test_slash_transcoder__k27_by_a_verifier__books_balance(
    active: Stage, transcoder: Any, delegator: Any, stranger: Any, receiver: Any, share: int
) -> None:
    token = active.protocol.livepeer_token
    role = keccak(text="BURNER_ROLE")
    active.register("Verifier", stranger)
    token.grantRole(role, active.protocol.minter, sender=active.owner)
    before = token.balanceOf(receiver)
    receipt = active.bonding.slashTranscoder(transcoder, receiver, share, PPM // 4, sender=stranger)

    penalty = 1000 * LPT * share // PPM
    assert arguments(receipt, active.bonding.TranscoderSlashed) == [
        {
            "transcoder": transcoder.address,
            "finder": receiver.address,
            "penalty": penalty,
            "finderReward": penalty // 4,
        }
    ]
    assert token.balanceOf(receiver) == before + penalty // 4
    assert active.delegator(transcoder).bonded_amount == 1000 * LPT - penalty
    assert active.bonding.transcoderTotalStake(transcoder) == 2000 * LPT - penalty
    assert token.balanceOf(active.protocol.minter) == 2000 * LPT - penalty
    assert active.members() == []
    assert active.bonding.nextRoundTotalActiveStake() == 0
    assert active.bonding.isRegisteredTranscoder(transcoder) == (share < PPM)
    assert active.delegator(transcoder).delegate_address == (transcoder.address if share < PPM else NOBODY)


def test_slash_transcoder__without_stake__logs_a_zero_penalty(active: Stage, stranger: Any, receiver: Any) -> None:
    active.register("Verifier", stranger)
    receipt = active.bonding.slashTranscoder(receiver, NOBODY, PPM, 0, sender=stranger)
    assert arguments(receipt, active.bonding.TranscoderSlashed) == [
        {"transcoder": receiver.address, "finder": NOBODY, "penalty": 0, "finderReward": 0}
    ]


def test_runtime_code__size__is_within_the_limit_of_contracts(project: Any, fresh_build: None) -> None:
    runtime = project.BondingManager.contract_type.runtime_bytecode.bytecode
    assert (len(runtime) - 2) // 2 <= LIMIT
