"""Reverts of the Minter and of the token."""

from __future__ import annotations

from typing import Any

from coincurve import PrivateKey
from eth_abi import encode
from eth_utils.crypto import keccak

from scripts._protocol import MINTER_ROLE
from tests.contracts.safety.reverts.case import BARE, Table, error_bytes
from tests.support.evm import NOBODY
from tests.support.evm_world import (
    LPT,
    NEWCOMER,
    RECEIVER,
    SENDER,
    SENDER_KEY,
    STRANGER,
    TRANSCODER,
    Call,
    Deployment,
    World,
)
from tests.support.tickets import MAX_UINT256, word

TABLE = Table()
PPB = 10**9
BURNER_ROLE = bytes(keccak(text="BURNER_ROLE"))


# --- Minter -----------------------------------------------------------------------------------------------------------


@TABLE.reason("Minter", "mintable tokens exceed 128 bits")
def mintable_tokens_of_a_supply_out_of_this_world(world: World) -> Call:
    world.fund(STRANGER, lpt=2**150)
    world.next_round(initialize=False)
    return Call(world.rounds, "initializeRound", (), STRANGER)


def construct(world: World, *rates: int) -> Deployment:
    return Deployment(world.evm, world.code["Minter"], (world.controller.address, *rates))


@TABLE.reason("Minter", "_inflation is invalid percentage")
def construct_with_inflation_above_all(world: World) -> Deployment:
    return construct(world, PPB + 1, 0, 0)


@TABLE.reason("Minter", "_inflationChange is invalid percentage")
def construct_with_inflation_change_above_all(world: World) -> Deployment:
    return construct(world, 0, PPB + 1, 0)


@TABLE.reason("Minter", "_targetBondingRate is invalid percentage")
def construct_with_target_bonding_rate_above_all(world: World) -> Deployment:
    return construct(world, 0, 0, PPB + 1)


@TABLE.reason("Minter", "_targetBondingRate is invalid percentage")
def set_target_bonding_rate_above_all(world: World) -> Call:
    return Call(world.minter, "setTargetBondingRate", (PPB + 1,), world.owner)


@TABLE.reason("Minter", "_inflationChange is invalid percentage")
def set_inflation_change_above_all(world: World) -> Call:
    return Call(world.minter, "setInflationChange", (PPB + 1,), world.owner)


def migrate(world: World, to: str) -> Call:
    world.pause()
    return Call(world.minter, "migrateToNewMinter", (to,), world.owner)


def new_minter(world: World, controller: str) -> str:
    return world.evm.deploy(world.code["Minter"], controller, 0, 0, 0, sender=world.owner).address


@TABLE.reason("Minter", "new Minter cannot be current Minter")
def migrate_to_itself(world: World) -> Call:
    return migrate(world, world.minter.address)


@TABLE.reason("Minter", "new Minter cannot be null address")
def migrate_to_nobody(world: World) -> Call:
    return migrate(world, NOBODY)


@TABLE.reason("Minter", "new Minter Controller must be current Controller")
def migrate_to_another_protocol(world: World) -> Call:
    return migrate(world, new_minter(world, STRANGER))


@TABLE.reason("Minter", "new Minter must be registered")
def migrate_after_the_registration(world: World) -> Call:
    new = new_minter(world, world.controller.address)
    world.register("Minter", new)
    return migrate(world, new)


@TABLE.reason("Minter", "new Minter did not accept ETH")
def migrate_to_a_minter_that_says_false(world: World) -> Call:
    new = world.deploy("HostileMock", NOBODY, b"")
    new.call(
        "set_question",
        keccak(text="getController()")[:4],
        encode(["address"], [world.controller.address]),
        sender=STRANGER,
    )
    new.call("set_answer", keccak(text="depositETH()")[:4], word(0), sender=STRANGER)
    return migrate(world, new.address)


@TABLE.reason("Minter", "LPT transfer failed")
def migrate_with_a_token_that_says_false(world: World) -> Call:
    world.register("LivepeerToken", world.deploy("FalseTokenMock").address)
    return migrate(world, new_minter(world, world.controller.address))


@TABLE.reason("Minter", "minted tokens cannot exceed mintable tokens")
def create_reward_beyond_the_round(world: World) -> Call:
    return Call(world.minter, "createReward", (2, 1), world.bonding.address)


@TABLE.reason("Minter", BARE)
def create_reward_without_active_stake(world: World) -> Call:
    """A division by zero there, a panic; without data here (spec 21)."""
    return Call(world.minter, "createReward", (1, 0), world.bonding.address)


@TABLE.reason("Minter", "msg.sender not BondingManager")
def create_reward_by_a_stranger(world: World) -> Call:
    return Call(world.minter, "createReward", (1, 1), STRANGER)


@TABLE.reason("Minter", "msg.sender not BondingManager")
def transfer_tokens_by_the_broker(world: World) -> Call:
    return Call(world.minter, "trustedTransferTokens", (RECEIVER, 1), world.broker.address)


@TABLE.reason("Minter", "msg.sender not BondingManager")
def burn_tokens_by_a_stranger(world: World) -> Call:
    return Call(world.minter, "trustedBurnTokens", (1,), STRANGER)


@TABLE.reason("Minter", "msg.sender not BondingManager or JobsManager")
def withdraw_eth_by_a_stranger(world: World) -> Call:
    return Call(world.minter, "trustedWithdrawETH", (STRANGER, 1), STRANGER)


@TABLE.reason("Minter", BARE)
def withdraw_eth_to_an_account_that_refuses(world: World) -> Call:
    return Call(world.minter, "trustedWithdrawETH", (world.token.address, 1), world.bonding.address)


@TABLE.reason("Minter", "msg.sender not Minter or JobsManager")
def deposit_eth_by_a_stranger(world: World) -> Call:
    world.evm.give(STRANGER, 1)
    return Call(world.minter, "depositETH", (), STRANGER, 1)


@TABLE.reason("Minter", "msg.sender not RoundsManager")
def set_reward_tokens_by_a_stranger(world: World) -> Call:
    return Call(world.minter, "setCurrentRewardTokens", (), STRANGER)


# --- LivepeerToken ----------------------------------------------------------------------------------------------------


@TABLE.reason("LivepeerToken", "ERC20: transfer from the zero address")
def transfer_by_nobody(world: World) -> Call:
    """The zero address cannot sign on a chain; here any address may call."""
    return Call(world.token, "transfer", (STRANGER, 0), NOBODY)


@TABLE.reason("LivepeerToken", "ERC20: transfer to the zero address")
def transfer_to_nobody(world: World) -> Call:
    return Call(world.token, "transfer", (NOBODY, 0), STRANGER)


@TABLE.reason("LivepeerToken", "ERC20: transfer amount exceeds balance")
def transfer_more_than_there_is(world: World) -> Call:
    return Call(world.token, "transfer", (RECEIVER, 1), STRANGER)


@TABLE.reason("LivepeerToken", "ERC20: approve from the zero address")
def approve_by_nobody(world: World) -> Call:
    return Call(world.token, "approve", (STRANGER, 1), NOBODY)


@TABLE.reason("LivepeerToken", "ERC20: approve from the zero address")
def transfer_from_nobody(world: World) -> Call:
    return Call(world.token, "transferFrom", (NOBODY, STRANGER, 0), STRANGER)


@TABLE.reason("LivepeerToken", "ERC20: approve to the zero address")
def approve_nobody(world: World) -> Call:
    return Call(world.token, "approve", (NOBODY, 1), STRANGER)


@TABLE.reason("LivepeerToken", "ERC20: insufficient allowance")
def transfer_from_without_allowance(world: World) -> Call:
    world.fund(RECEIVER, lpt=LPT)
    return Call(world.token, "transferFrom", (RECEIVER, STRANGER, 1), STRANGER)


@TABLE.reason("LivepeerToken", "ERC20: decreased allowance below zero")
def decrease_an_allowance_below_zero(world: World) -> Call:
    return Call(world.token, "decreaseAllowance", (RECEIVER, 1), STRANGER)


@TABLE.reason("LivepeerToken", "ERC20: mint to the zero address")
def mint_to_nobody(world: World) -> Call:
    return Call(world.token, "mint", (NOBODY, 1), world.minter.address)


@TABLE.reason("LivepeerToken", BARE)
def mint_beyond_256_bits(world: World) -> Call:
    return Call(world.token, "mint", (STRANGER, MAX_UINT256), world.minter.address)


def with_burner(world: World, account: str) -> None:
    world.token.call("grantRole", BURNER_ROLE, account, sender=world.owner)


@TABLE.reason("LivepeerToken", "ERC20: burn amount exceeds balance")
def burn_more_than_there_is(world: World) -> Call:
    with_burner(world, STRANGER)
    return Call(world.token, "burn", (1,), STRANGER)


@TABLE.reason("LivepeerToken", "ERC20: burn from the zero address")
def burn_by_nobody(world: World) -> Call:
    with_burner(world, NOBODY)
    return Call(world.token, "burn", (0,), NOBODY)


@TABLE.reason("LivepeerToken", "ERC20: insufficient allowance")
def burn_from_without_allowance(world: World) -> Call:
    with_burner(world, STRANGER)
    return Call(world.token, "burnFrom", (TRANSCODER, 1), STRANGER)


@TABLE.reason("LivepeerToken", "AccessControl: can only renounce roles for self")
def renounce_for_another(world: World) -> Call:
    return Call(world.token, "renounceRole", (MINTER_ROLE, world.minter.address), STRANGER)


def missing_role(account: str, role: bytes) -> str:
    return f"AccessControl: account {account} is missing role 0x{role.hex()}"


@TABLE.data("LivepeerToken", "AccessControl", lambda _: error_bytes(missing_role(STRANGER, MINTER_ROLE)))
def mint_without_role(world: World) -> Call:
    return Call(world.token, "mint", (STRANGER, 1), STRANGER)


@TABLE.data("LivepeerToken", "AccessControl", lambda world: error_bytes(missing_role(world.owner, BURNER_ROLE)))
def burn_without_role(world: World) -> Call:
    return Call(world.token, "burn", (1,), world.owner)


@TABLE.data("LivepeerToken", "AccessControl", lambda _: error_bytes(missing_role(SENDER, BURNER_ROLE)))
def burn_from_without_role(world: World) -> Call:
    return Call(world.token, "burnFrom", (TRANSCODER, 1), SENDER)


@TABLE.data("LivepeerToken", "AccessControl", lambda _: error_bytes(missing_role(STRANGER, bytes(32))))
def grant_without_role(world: World) -> Call:
    return Call(world.token, "grantRole", (MINTER_ROLE, STRANGER), STRANGER)


@TABLE.data("LivepeerToken", "AccessControl", lambda world: error_bytes(missing_role(world.minter.address, bytes(32))))
def revoke_without_role(world: World) -> Call:
    return Call(world.token, "revokeRole", (MINTER_ROLE, world.owner), world.minter.address)


PERMIT_TYPE = keccak(text="Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


def permit(world: World, deadline: int = MAX_UINT256, key: bytes = SENDER_KEY, **changes: Any) -> Call:
    message = keccak(
        encode(
            ["bytes32", "address", "address", "uint256", "uint256", "uint256"],
            [PERMIT_TYPE, SENDER, STRANGER, 5, 0, deadline],
        )
    )
    digest = keccak(b"\x19\x01" + world.token.view("DOMAIN_SEPARATOR") + message)
    sig = PrivateKey(key).sign_recoverable(digest, hasher=None)
    values = {"v": sig[64] + 27, "r": sig[:32], "s": sig[32:64], **changes}
    return Call(world.token, "permit", (SENDER, STRANGER, 5, deadline, values["v"], values["r"], values["s"]), NEWCOMER)


@TABLE.reason("LivepeerToken", "ERC20Permit: expired deadline")
def permit_after_the_deadline(world: World) -> Call:
    return permit(world, deadline=12 * world.evm.block - 1)


@TABLE.reason("LivepeerToken", "ECDSA: invalid signature 's' value")
def permit_with_a_high_s(world: World) -> Call:
    return permit(world, s=word(2**255))


@TABLE.reason("LivepeerToken", "ECDSA: invalid signature")
def permit_with_a_signature_of_nobody(world: World) -> Call:
    return permit(world, r=bytes(32))


@TABLE.reason("LivepeerToken", "ERC20Permit: invalid signature")
def permit_signed_by_another(world: World) -> Call:
    return permit(world, key=keccak(text="another"))
