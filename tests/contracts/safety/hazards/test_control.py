"""Hazards of rounds, of the Minter, of proxies and of votes (spec 18), one by one; and I21."""

from __future__ import annotations

import pytest

from scripts._params import LOCAL
from tests.contracts.safety.hazards.books import pending_stake, votes
from tests.support.evm import Reverted
from tests.support.evm_world import (
    DELEGATOR,
    ETH,
    LPT,
    NEWCOMER,
    RECEIVER,
    SENDER,
    STRANGER,
    TRANSCODER,
    World,
    make_world,
)

PPB = 10**9


@pytest.fixture
def world() -> World:
    return make_world()


def test_proxy__k14_target_without_code__takes_no_ether(world: World) -> None:
    world.register("TicketBrokerTarget", STRANGER)
    world.evm.give(SENDER, 5)
    with pytest.raises(Reverted) as failure:
        world.broker.call("fundDeposit", sender=SENDER, value=5)
    assert failure.value.reason == "target contract has no code"
    assert world.evm.balance(SENDER) == 5


@pytest.mark.parametrize("length", [1, 7, 19, 20, 40])
@pytest.mark.parametrize("age", [0, 1, 6, 7, 19])
def test_set_round_length__k17_at_any_age_of_the_round__leaves_its_number(world: World, length: int, age: int) -> None:
    world.evm.block += age
    before = world.round
    world.rounds.call("setRoundLength", length, sender=world.owner)
    assert world.round == before
    world.evm.block += length
    assert world.round == before + 1


def test_inflation__k23_near_hundred_percent__stops_there() -> None:
    rates = {"inflation_ppb": PPB - 1, "inflation_change_ppb": PPB, "target_bonding_rate_ppb": PPB}
    world = make_world(LOCAL.override(**rates))
    assert world.minter.view("inflation") == PPB
    world.next_round()
    assert world.minter.view("inflation") == PPB


def test_token__k23_that_says_false__moves_no_money(world: World) -> None:
    world.after_lock()
    world.register("LivepeerToken", world.deploy("FalseTokenMock").address)
    with pytest.raises(Reverted) as failure:
        world.bonding.call("withdrawStake", 0, sender=DELEGATOR)
    assert failure.value.reason == "LPT transfer failed"
    assert world.bonding.view("isValidUnbondingLock", DELEGATOR, 0)


def test_migrate__k26_while_running__is_refused_and_while_paused_keeps_all_assets(world: World) -> None:
    new = world.evm.deploy(world.code["Minter"], world.controller.address, 0, 0, 0, sender=world.owner)
    stake, ether = world.token.view("balanceOf", world.minter.address), world.evm.balance(world.minter.address)
    with pytest.raises(Reverted) as failure:
        world.minter.call("migrateToNewMinter", new.address, sender=world.owner)
    assert failure.value.reason == "system is not paused"
    world.pause()

    world.minter.call("migrateToNewMinter", new.address, sender=world.owner)

    assert (world.token.view("balanceOf", new.address), world.evm.balance(new.address)) == (stake, ether)
    assert (world.token.view("balanceOf", world.minter.address), world.evm.balance(world.minter.address)) == (0, 0)
    assert (stake, ether) == (2500 * LPT, 2 * ETH)


def test_mintable__r4_follows_the_supply_of_both_chains(world: World) -> None:
    cache = world.deploy("SupplyMock")
    cache.call("set_supply", 10**6 * LPT, sender=STRANGER)
    world.register("L2LPTDataCache", cache.address)
    world.next_round()
    supply = world.token.view("totalSupply") + 10**6 * LPT
    assert world.minter.view("getGlobalTotalSupply") == supply
    assert world.minter.view("currentMintableTokens") == supply * world.minter.view("inflation") // PPB


def test_votes__k4_behind_an_account_without_own_stake__are_none(world: World) -> None:
    """Through the BondingManager no such record can come; the votes do not rely on it."""
    world.evm.let_call(world.bonding.address)
    for account, bonded, delegate, delegated in ((NEWCOMER, 0, NEWCOMER, LPT), (STRANGER, LPT, NEWCOMER, 0)):
        record = (account, world.round + 1, bonded, delegate, delegated, world.round, 0)
        world.votes.call("checkpointBondingState", *record, sender=world.bonding.address)
    assert (votes(world, NEWCOMER), votes(world, STRANGER)) == (0, 0)
    world.bond(RECEIVER, LPT, DELEGATOR)
    assert votes(world, RECEIVER) == 0


def test_votes__r13_whatever_the_fee_factors__are_found(world: World) -> None:
    world.earn_fee()
    world.bonding.call("reward", sender=TRANSCODER)
    world.bond(NEWCOMER, LPT, TRANSCODER)
    for _ in range(3):
        world.next_round()
        world.bonding.call("reward", sender=TRANSCODER)
        assert votes(world, DELEGATOR) == pending_stake(world, DELEGATOR)
        assert votes(world, NEWCOMER) == pending_stake(world, NEWCOMER)
    nonsense = world.deploy("StakeMock")
    nonsense.call("set_reward_factor", TRANSCODER, world.round, 10**27, sender=STRANGER)
    world.register("BondingManager", nonsense.address)
    assert votes(world, DELEGATOR) > 0


def test_rounds__i21_started_once__never_go_back(world: World) -> None:
    hash_ = world.rounds.view("blockHashForRound", world.round)
    world.evm.block += 1
    with pytest.raises(Reverted) as failure:
        world.rounds.call("initializeRound", sender=STRANGER)
    assert failure.value.reason == "round already initialized"
    assert world.rounds.view("blockHashForRound", world.round) == hash_
    seen = world.round
    for length in (3, 50, 1, 20):
        world.rounds.call("setRoundLength", length, sender=world.owner)
        world.evm.block += 7
        assert world.round >= seen
        assert world.rounds.view("lastInitializedRound") <= world.round
        seen = world.round
