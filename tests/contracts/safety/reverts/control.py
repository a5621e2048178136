"""Reverts of the Controller, of the manager's guards, the proxy, the round clock, the registry and the votes."""

from __future__ import annotations

from eth_utils.crypto import keccak

from tests.contracts.safety.reverts.case import BARE, Table
from tests.support.artifacts import compile_all
from tests.support.evm import NOBODY
from tests.support.evm_abi import Interface
from tests.support.evm_suite import NO_COMMIT, contract_id
from tests.support.evm_world import DELEGATOR, LPT, STRANGER, TRANSCODER, Call, World

TABLE = Table()
SOMETHING = keccak(text="Something")


# --- Controller: no reasons at all ------------------------------------------------------------------------------------


@TABLE.reason("Controller", BARE)
def transfer_ownership_by_a_stranger(world: World) -> Call:
    return Call(world.controller, "transferOwnership", (STRANGER,), STRANGER)


@TABLE.reason("Controller", BARE)
def transfer_ownership_to_nobody(world: World) -> Call:
    return Call(world.controller, "transferOwnership", (NOBODY,), world.owner)


@TABLE.reason("Controller", BARE)
def pause_by_a_stranger(world: World) -> Call:
    return Call(world.controller, "pause", (), STRANGER)


@TABLE.reason("Controller", BARE)
def pause_while_paused(world: World) -> Call:
    world.pause()
    return Call(world.controller, "pause", (), world.owner)


@TABLE.reason("Controller", BARE)
def unpause_by_a_stranger(world: World) -> Call:
    world.pause()
    return Call(world.controller, "unpause", (), STRANGER)


@TABLE.reason("Controller", BARE)
def unpause_while_running(world: World) -> Call:
    return Call(world.controller, "unpause", (), world.owner)


@TABLE.reason("Controller", BARE)
def set_contract_info_by_a_stranger(world: World) -> Call:
    return Call(world.controller, "setContractInfo", (SOMETHING, STRANGER, NO_COMMIT), STRANGER)


@TABLE.reason("Controller", BARE)
def update_controller_by_a_stranger(world: World) -> Call:
    return Call(world.controller, "updateController", (contract_id("Minter"), STRANGER), STRANGER)


@TABLE.reason("Controller", BARE)
def update_controller_of_nothing(world: World) -> Call:
    return Call(world.controller, "updateController", (SOMETHING, STRANGER), world.owner)


@TABLE.reason("Controller", BARE)
def update_controller_of_an_account_without_code(world: World) -> Call:
    world.register("Something", STRANGER)
    return Call(world.controller, "updateController", (SOMETHING, STRANGER), world.owner)


# --- guards that all managers share -----------------------------------------------------------------------------------


@TABLE.reason("manager", "caller must be Controller")
def set_controller_of_a_proxy(world: World) -> Call:
    return Call(world.broker, "setController", (STRANGER,), world.owner)


@TABLE.reason("manager", "caller must be Controller")
def set_controller_of_the_minter(world: World) -> Call:
    return Call(world.minter, "setController", (STRANGER,), world.owner)


@TABLE.reason("manager", "caller must be Controller owner")
def set_a_parameter(world: World) -> Call:
    return Call(world.rounds, "setRoundLength", (50,), STRANGER)


@TABLE.reason("manager", "system is paused")
def bond_while_paused(world: World) -> Call:
    world.pause()
    return Call(world.bonding, "bond", (LPT, TRANSCODER), STRANGER)


@TABLE.reason("manager", "system is not paused")
def migrate_while_running(world: World) -> Call:
    return Call(world.minter, "migrateToNewMinter", (STRANGER,), world.owner)


# --- ManagerProxy -----------------------------------------------------------------------------------------------------


def through_proxy(world: World, target: str | None) -> Call:
    """A call through a proxy of its own, whose id names this target."""
    if target is not None:
        world.register("SomethingTarget", target)
    proxy = world.evm.deploy(
        world.code["ManagerProxy"], world.controller.address, contract_id("SomethingTarget"), sender=world.owner
    )
    mock = compile_all(["mocks/ProxyTargetMock"])["ProxyTargetMock"]
    return Call(world.evm.at(proxy.address, Interface.of(mock.name, mock.abi)), "set_number", (7,), STRANGER)


@TABLE.reason("ManagerProxy", "target contract must be registered")
def without_a_target(world: World) -> Call:
    return through_proxy(world, None)


@TABLE.reason("ManagerProxy", "target contract has no code")
def with_an_account_as_target(world: World) -> Call:
    return through_proxy(world, STRANGER)


@TABLE.reason("ManagerProxy", "answer of target contract is too long")
def with_an_answer_that_fills_the_bound(world: World) -> Call:
    target = world.deploy("ProxyTargetMock", world.controller.address)
    call = through_proxy(world, target.address)
    return call._replace(function="answer_of", args=(200,))


@TABLE.error("ManagerProxy", "Refused(address)", lambda _: (STRANGER,))
def with_a_target_that_fails_with_its_own_error(world: World) -> Call:
    call = through_proxy(world, world.deploy("ProxyTargetMock", world.controller.address).address)
    return call._replace(function="fail_with_custom_error", args=())


@TABLE.reason("ManagerProxy", BARE)
def with_a_target_that_fails_without_data(world: World) -> Call:
    call = through_proxy(world, world.deploy("ProxyTargetMock", world.controller.address).address)
    return call._replace(function="fail_silently", args=())


# --- RoundsManager ----------------------------------------------------------------------------------------------------


@TABLE.reason("round_clock", "round length cannot be 0")
def set_round_length_to_nothing(world: World) -> Call:
    return Call(world.rounds, "setRoundLength", (0,), world.owner)


@TABLE.reason("round_clock", "round length exceeds 56 bits")
def set_round_length_beyond_56_bits(world: World) -> Call:
    return Call(world.rounds, "setRoundLength", (2**56,), world.owner)


@TABLE.reason("round_clock", "round lock amount must be a valid percentage")
def set_round_lock_amount_above_all(world: World) -> Call:
    return Call(world.rounds, "setRoundLockAmount", (10**6 + 1,), world.owner)


@TABLE.reason("round_clock", "LIP upgrade round already set")
def set_lip_upgrade_round_twice(world: World) -> Call:
    world.rounds.call("setLIPUpgradeRound", 36, 5, sender=world.owner)
    return Call(world.rounds, "setLIPUpgradeRound", (36, 6), world.owner)


@TABLE.reason("round_clock", "round already initialized")
def initialize_round_twice(world: World) -> Call:
    return Call(world.rounds, "initializeRound", (), STRANGER)


@TABLE.reason("RoundsManager", "can only retrieve past block hashes")
def block_hash_of_the_present(world: World) -> Call:
    return Call(world.rounds, "blockHash", (world.evm.block,), STRANGER)


@TABLE.reason("RoundsManager", "can only retrieve hashes for last 256 blocks")
def block_hash_of_the_distant_past(world: World) -> Call:
    return Call(world.rounds, "blockHash", (world.evm.block - 257,), STRANGER)


# --- ServiceRegistry --------------------------------------------------------------------------------------------------


@TABLE.reason("ServiceRegistry", BARE)
def set_service_uri_beyond_the_bound(world: World) -> Call:
    return Call(world.registry, "setServiceURI", ("x" * 1025,), STRANGER)


# --- BondingVotes -----------------------------------------------------------------------------------------------------

MAX_AMOUNT = 2**104 - 1
MAX_TOTAL = 2**208 - 1
MAX_ROUND = 2**48 - 1


def checkpoint(world: World, **changes: object) -> Call:
    """A checkpoint of the stranger, which the BondingManager could send."""
    values: dict[str, object] = {
        "account": STRANGER,
        "start_round": world.round + 1,
        "bonded": LPT,
        "delegate": TRANSCODER,
        "delegated": 0,
        "last_claim_round": world.round,
        "last_reward_round": 0,
    }
    assert changes.keys() <= values.keys()
    return Call(world.votes, "checkpointBondingState", tuple({**values, **changes}.values()), world.bonding.address)


def with_clock_at(world: World, round_: int) -> None:
    """A clock that stands at any round; the real one never goes back."""
    clock = world.deploy("RoundsMock")
    clock.call("set_round", round_, sender=STRANGER)
    world.register("RoundsManager", clock.address)


@TABLE.error("BondingVotes", "InvalidCaller(address,address)", lambda world: (STRANGER, world.bonding.address))
def checkpoint_by_a_stranger(world: World) -> Call:
    return checkpoint(world)._replace(sender=STRANGER)


@TABLE.error("BondingVotes", "InvalidCaller(address,address)", lambda world: (STRANGER, world.bonding.address))
def checkpoint_total_by_a_stranger(world: World) -> Call:
    return Call(world.votes, "checkpointTotalActiveStake", (LPT, world.round), STRANGER)


@TABLE.error("BondingVotes", "InvalidStartRound(uint256,uint256)", lambda world: (world.round, world.round + 1))
def checkpoint_of_the_present_round(world: World) -> Call:
    return checkpoint(world, start_round=world.round)


@TABLE.error("BondingVotes", "FutureLastClaimRound(uint256,uint256)", lambda world: (world.round + 1, world.round))
def checkpoint_with_a_claim_in_the_future(world: World) -> Call:
    return checkpoint(world, last_claim_round=world.round + 1)


@TABLE.error(
    "BondingVotes", "InvalidTotalStakeCheckpointRound(uint256,uint256)", lambda world: (world.round + 1, world.round)
)
def checkpoint_total_of_another_round(world: World) -> Call:
    return Call(world.votes, "checkpointTotalActiveStake", (LPT, world.round + 1), world.bonding.address)


@TABLE.error("BondingVotes", "DecreasingValues(uint256,uint256)", lambda world: (6, 101))
def checkpoint_before_the_last_one(world: World) -> Call:
    with_clock_at(world, 100)
    checkpoint(world, start_round=101).make()
    with_clock_at(world, 5)
    return checkpoint(world, start_round=6, last_claim_round=5)


@TABLE.error("BondingVotes", "DecreasingValues(uint256,uint256)", lambda world: (5, 100))
def checkpoint_total_before_the_last_one(world: World) -> Call:
    with_clock_at(world, 100)
    Call(world.votes, "checkpointTotalActiveStake", (LPT, 100), world.bonding.address).make()
    with_clock_at(world, 5)
    return Call(world.votes, "checkpointTotalActiveStake", (LPT, 5), world.bonding.address)


@TABLE.error("BondingVotes", "FutureLookup(uint256,uint256)", lambda world: (world.round, world.round - 1))
def past_votes_of_the_present(world: World) -> Call:
    return Call(world.votes, "getPastVotes", (TRANSCODER, world.round), STRANGER)


@TABLE.error("BondingVotes", "FutureLookup(uint256,uint256)", lambda world: (0, 0))
def past_votes_in_round_zero(world: World) -> Call:
    with_clock_at(world, 0)
    return Call(world.votes, "getPastVotes", (TRANSCODER, 0), STRANGER)


@TABLE.error("BondingVotes", "FutureLookup(uint256,uint256)", lambda world: (world.round + 2, world.round + 1))
def votes_after_the_next_round(world: World) -> Call:
    return Call(world.votes, "getVotesAndDelegateAtRoundStart", (TRANSCODER, world.round + 2), STRANGER)


@TABLE.error("BondingVotes", "FutureLookup(uint256,uint256)", lambda world: (world.round + 2, world.round + 1))
def total_after_the_next_round(world: World) -> Call:
    return Call(world.votes, "getTotalActiveStakeAt", (world.round + 2,), STRANGER)


@TABLE.error("BondingVotes", "MissingEarningsPool(address,uint256)", lambda world: (TRANSCODER, world.round))
def votes_of_a_delegator_whose_transcoder_has_no_earnings_pool(world: World) -> Call:
    world.bonding.call("reward", sender=TRANSCODER)
    world.register("BondingManager", world.deploy("StakeMock").address)
    return Call(world.votes, "getVotes", (DELEGATOR,), STRANGER)


@TABLE.error("BondingVotes", "MustCallBondingManager(string)", lambda _: ("bond",))
def delegate(world: World) -> Call:
    return Call(world.votes, "delegate", (TRANSCODER,), STRANGER)


@TABLE.error("BondingVotes", "MustCallBondingManager(string)", lambda _: ("bondFor",))
def delegate_by_sig(world: World) -> Call:
    return Call(world.votes, "delegateBySig", (TRANSCODER, 0, 0, 27, bytes(32), bytes(32)), STRANGER)


@TABLE.reason("BondingVotes", "stake is too large")
def checkpoint_with_more_stake_than_fits(world: World) -> Call:
    return checkpoint(world, bonded=MAX_AMOUNT + 1)


@TABLE.reason("BondingVotes", "stake is too large")
def checkpoint_with_more_delegated_stake_than_fits(world: World) -> Call:
    return checkpoint(world, delegated=MAX_AMOUNT + 1)


@TABLE.reason("BondingVotes", "stake is too large")
def checkpoint_total_with_more_stake_than_fits(world: World) -> Call:
    return Call(world.votes, "checkpointTotalActiveStake", (MAX_TOTAL + 1, world.round), world.bonding.address)


@TABLE.reason("BondingVotes", "round is too large")
def checkpoint_with_a_later_round_than_fits(world: World) -> Call:
    return checkpoint(world, last_reward_round=MAX_ROUND + 1)


@TABLE.reason("BondingVotes", "round is too large")
def checkpoint_total_with_a_later_round_than_fits(world: World) -> Call:
    with_clock_at(world, MAX_ROUND + 1)
    return Call(world.votes, "checkpointTotalActiveStake", (LPT, MAX_ROUND + 1), world.bonding.address)


@TABLE.reason("BondingVotes", "SafeCast: value doesn't fit in 48 bits")
def clock_beyond_48_bits(world: World) -> Call:
    with_clock_at(world, MAX_ROUND + 1)
    return Call(world.votes, "clock", (), STRANGER)


@TABLE.reason("BondingVotes", BARE)
def look_up_while_the_clock_is_not_set(world: World) -> Call:
    """A division by zero there, a panic; without data here (spec 21)."""
    fresh = world.evm.deploy(world.code["RoundsManager"], world.controller.address)
    world.register("RoundsManager", fresh.address)
    return Call(world.votes, "getVotes", (DELEGATOR,), STRANGER)
