"""Several calls tried one after the other, on the real contracts."""

from collections.abc import Sequence
from typing import Any

import pytest

from livepeer_client.adapters.chain.rpc import Call, NodeError
from livepeer_client.adapters.chain.sequence import simulate_sequence
from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.errors import Reverted
from livepeer_client.policy.outcomes import approved, bonded
from tests.support.anvil import ALICE, BOB, LPT, Stage


async def test_simulate_sequence__a_bond_after_its_approval__sees_what_that_leaves(stage: Stage) -> None:
    bonding, height = await stage.suite.address("BondingManager"), await stage.suite.height()
    steps = await simulate_sequence(
        stage.suite,
        ALICE.address,
        [("LivepeerToken", "approve", [bonding, LPT]), ("BondingManager", "bond", [LPT, ALICE.address])],
    )
    assert steps is not None
    assert approved(steps[0].logs).amount == LPT
    assert (bonded(steps[1].logs).added, bonded(steps[1].logs).bonded) == (LPT, 1001 * LPT)
    assert min(step.gas for step in steps) > 21_000
    assert await stage.suite.height() == height


async def test_simulate_sequence__the_second_is_refused__is_reverted_by_its_name(stage: Stage) -> None:
    bonding = await stage.suite.address("BondingManager")
    with pytest.raises(Reverted) as refusal:
        await simulate_sequence(
            stage.suite,
            ALICE.address,
            [("LivepeerToken", "approve", [bonding, LPT]), ("BondingManager", "bond", [LPT, BOB.address])],
        )
    assert refusal.value.call == "BondingManager.bond"
    assert refusal.value.reason == "registered transcoders can't delegate towards other addresses"


async def test_simulate_sequence__by_a_node_that_simulates_nothing__is_none(stage: Stage) -> None:
    class Old:
        async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
            if method == "eth_simulateV1":
                raise NodeError(method, -32601, "the method does not exist")
            return await stage.rpc.call(method, params)

        async def batch(self, calls: Sequence[Call]) -> list[Any]:
            return await stage.rpc.batch(calls)

    old = Suite(Old(), stage.suite.addresses)
    assert await simulate_sequence(old, ALICE.address, [("BondingManager", "claimEarnings", [0])]) is None
