"""With hints, a place far away costs the same in a large pool as in a small one."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode, encode

from tests.contracts.gas.accounts import account
from tests.contracts.gas.chain import Chain, calldata, opened
from tests.contracts.gas.world import LPT, Hint, World, populated_world, stake_of
from tests.support.anvil import ROOT, compile_suite
from tests.support.artifacts import compile_all

# Addresses with a zero byte more or less, in two hints.
CALLDATA_TOLERANCE = 4 * 12


def fall_almost_to_the_end(chain: Chain, bytecode: dict[str, str], size: int) -> tuple[int, int]:
    """Gas of a transcoder's unbonding that takes it from the second place to the one before the last,
    with hints and without. The last place itself is found without a walk."""
    world = populated_world(chain, bytecode, "proxy", label="", size=size)
    code = compile_all(["PoolHints"])["PoolHints"].bytecode + encode(["address"], [world.suite.controller])
    view, _ = chain.create(account("deployer").address, "0x" + code.hex())
    who = world.transcoders[1]
    amount = stake_of(1) - stake_of(size - 1) - LPT
    answer = chain.call(view, calldata("unbondHints(address,uint256)", who.address, amount))
    hint: Hint = decode(["address", "address"], answer)
    assert hint == (world.transcoders[-2].address.lower(), world.transcoders[-1].address.lower())
    return unbond(world, 1, amount, hint), unbond(world, 1, amount, None)


def unbond(world: World, position: int, amount: int, hint: Hint | None) -> int:
    who = world.transcoders[position]
    with world.branch():
        gas = world.act(who, "unbond", amount, hints=None if hint is None else [hint])
        above = world.transcoders[-2].address
        follower = world.suite.read("BondingManager", "getNextTranscoderInPool(address)", above)
        assert follower == int(who.address, 16)
    return gas


@pytest.mark.timeout(300)
def test_hinted_call__far_away_place__costs_the_same_in_any_pool() -> None:
    bytecode = compile_suite(ROOT / ".cache" / "compiled")
    with opened() as chain:
        small, small_walk = fall_almost_to_the_end(chain, bytecode, 10)
    with opened() as chain:
        large, large_walk = fall_almost_to_the_end(chain, bytecode, 60)

    assert abs(large - small) <= CALLDATA_TOLERANCE
    # Without hints every member in between costs a read of storage.
    assert large_walk - small_walk > 40 * 2100
    assert large < large_walk
