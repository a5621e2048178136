"""Reverts of the TicketBroker, of tickets, of the Minter and of the token."""

from __future__ import annotations

from typing import Any

from coincurve import PrivateKey
from eth_abi import encode
from eth_utils.crypto import keccak

from scripts._protocol import MINTER_ROLE
from tests.contracts.safety.reverts.case import BARE, Table, error_bytes
from tests.support.evm import NOBODY
from tests.support.evm_world import (
    ETH,
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
    address_of,
)
from tests.support.tickets import MAX_UINT256, Signed, batch, compact, high_s, word

TABLE = Table()
PPB = 10**9
BURNER_ROLE = bytes(keccak(text="BURNER_ROLE"))
BATCH = 100


# --- TicketBroker: funds and parameters -------------------------------------------------------------------------------


@TABLE.reason("TicketBroker", "unlockPeriod must be greater than 0")
def set_unlock_period_to_nothing(world: World) -> Call:
    return Call(world.broker, "setUnlockPeriod", (0,), world.owner)


@TABLE.reason("TicketBroker", "unlockPeriod exceeds 48 bits")
def set_unlock_period_beyond_48_bits(world: World) -> Call:
    return Call(world.broker, "setUnlockPeriod", (2**48,), world.owner)


@TABLE.reason("funds", "amount exceeds 96 bits")
def fund_beyond_96_bits(world: World) -> Call:
    world.evm.give(STRANGER, 2**96)
    return Call(world.broker, "fundReserve", (), STRANGER, 2**96)


@TABLE.reason("TicketBroker", "unlockPeriod must be greater than 0")
def unlock_before_the_period_is_set(world: World) -> Call:
    """A broker that nobody set up, in the place of the real one."""
    broker = world.evm.deploy(world.code["TicketBroker"], world.controller.address, sender=world.owner)
    world.register("JobsManager", broker.address)
    world.evm.give(STRANGER, 1)
    broker.call("fundDeposit", sender=STRANGER, value=1)
    return Call(broker, "unlock", (), STRANGER)


@TABLE.reason("TicketBroker", "ticketValidityPeriod must be greater than 0")
def set_ticket_validity_period_to_nothing(world: World) -> Call:
    return Call(world.broker, "setTicketValidityPeriod", (0,), world.owner)


def fund_both(world: World, deposit: int, reserve: int, value: int) -> Call:
    world.evm.give(STRANGER, value)
    return Call(world.broker, "fundDepositAndReserve", (deposit, reserve), STRANGER, value)


@TABLE.reason("TicketBroker", "msg.value does not equal sum of deposit amount and reserve amount")
def fund_with_less_than_the_sum(world: World) -> Call:
    return fund_both(world, 2, 3, 4)


@TABLE.reason("TicketBroker", "msg.value does not equal sum of deposit amount and reserve amount")
def fund_for_another_with_more_than_the_sum(world: World) -> Call:
    return fund_both(world, 2, 3, 6)._replace(function="fundDepositAndReserveFor", args=(SENDER, 2, 3))


@TABLE.reason("TicketBroker", BARE)
def fund_with_amounts_whose_sum_overflows(world: World) -> Call:
    return fund_both(world, MAX_UINT256, 2, 1)


@TABLE.reason("TicketBroker", BARE)
def fund_with_a_minter_that_says_false(world: World) -> Call:
    minter = world.deploy("HostileMock", NOBODY, b"")
    minter.call("set_answer", keccak(text="depositETH()")[:4], word(0), sender=STRANGER)
    world.register("Minter", minter.address)
    world.evm.give(STRANGER, 1)
    return Call(world.broker, "fundDeposit", (), STRANGER, 1)


@TABLE.reason("TicketBroker", "sender deposit and reserve are zero")
def unlock_without_funds(world: World) -> Call:
    return Call(world.broker, "unlock", (), STRANGER)


@TABLE.reason("TicketBroker", "unlock already initiated")
def unlock_twice(world: World) -> Call:
    world.broker.call("unlock", sender=SENDER)
    return Call(world.broker, "unlock", (), SENDER)


@TABLE.reason("TicketBroker", "no unlock request in progress")
def cancel_no_unlock(world: World) -> Call:
    return Call(world.broker, "cancelUnlock", (), SENDER)


@TABLE.reason("TicketBroker", "no unlock request in progress")
def withdraw_without_unlock(world: World) -> Call:
    return Call(world.broker, "withdraw", (), SENDER)


@TABLE.reason("TicketBroker", "sender deposit and reserve are zero")
def withdraw_without_funds(world: World) -> Call:
    return Call(world.broker, "withdraw", (), STRANGER)


@TABLE.reason("TicketBroker", "account is locked")
def withdraw_too_early(world: World) -> Call:
    world.broker.call("unlock", sender=SENDER)
    return Call(world.broker, "withdraw", (), SENDER)


# --- TicketBroker: tickets --------------------------------------------------------------------------------------------


def redeem(world: World, signed: Signed) -> Call:
    return Call(world.broker, "redeemWinningTicket", signed.arguments(), STRANGER)


def with_v(sig: bytes, v: int) -> bytes:
    return sig[:64] + bytes([v])


def unused_round(world: World) -> dict[str, Any]:
    return {"aux_data": word(world.round + 5) + b"\1" * 32}


@TABLE.reason("TicketBroker", "current round is not initialized")
def redeem_before_the_round_is_initialized(world: World) -> Call:
    signed = world.ticket()
    world.next_round(initialize=False)
    return redeem(world, signed)


@TABLE.reason("ticket", "ticket recipient is null address")
def ticket_to_nobody(world: World) -> Call:
    return redeem(world, world.ticket(recipient=NOBODY))


@TABLE.reason("ticket", "ticket sender is null address")
def ticket_of_nobody(world: World) -> Call:
    return redeem(world, world.ticket(sender=NOBODY))


@TABLE.reason("ticket", "invalid length for ticket auxData: must be 64 bytes")
def ticket_with_aux_data_of_65_bytes(world: World) -> Call:
    return redeem(world, world.ticket(aux_data=bytes(65)))


@TABLE.reason("ticket", "invalid length for ticket auxData: must be 64 bytes")
def ticket_without_aux_data(world: World) -> Call:
    return redeem(world, world.ticket(aux_data=b""))


@TABLE.reason("TicketBroker", BARE)
def ticket_with_aux_data_beyond_the_bound(world: World) -> Call:
    return redeem(world, world.ticket(aux_data=bytes(97)))


@TABLE.reason("ticket", "ticket creationRound does not have a block hash")
def ticket_of_a_round_to_come(world: World) -> Call:
    return redeem(world, world.ticket(**unused_round(world)))


@TABLE.reason("ticket", "ticket creationRoundBlockHash invalid for creationRound")
def ticket_of_another_chain(world: World) -> Call:
    return redeem(world, world.ticket(block_hash=b"\1" * 32))


@TABLE.reason("ticket", "ticket is expired")
def ticket_of_a_round_too_old(world: World) -> Call:
    return redeem(world, world.ticket(creation_round=world.round - world.params.ticket_validity_period_rounds))


@TABLE.reason("ticket", "recipientRand does not match recipientRandHash")
def ticket_with_another_rand(world: World) -> Call:
    return redeem(world, world.ticket(recipient_rand_hash=bytes(32)))


@TABLE.reason("ticket", "ticket is used")
def ticket_twice(world: World) -> Call:
    signed = world.ticket()
    world.redeem(signed)
    return redeem(world, signed)


@TABLE.reason("ticket", "INVALID_SIGNATURE_LENGTH")
def ticket_with_a_compact_signature(world: World) -> Call:
    signed = world.ticket()
    return redeem(world, signed.with_sig(compact(signed.sig)))


@TABLE.reason("ticket", "INVALID_SIGNATURE_LENGTH")
def ticket_without_signature(world: World) -> Call:
    return redeem(world, world.ticket().with_sig(b""))


@TABLE.reason("ticket", "ECDSA: invalid signature 's' value")
def ticket_with_a_high_s(world: World) -> Call:
    signed = world.ticket()
    return redeem(world, signed.with_sig(high_s(signed.sig)))


@TABLE.reason("ticket", "ECDSA: invalid signature")
def ticket_with_v_of_zero(world: World) -> Call:
    signed = world.ticket()
    return redeem(world, signed.with_sig(with_v(signed.sig, signed.sig[64] - 27)))


@TABLE.reason("ticket", "ECDSA: invalid signature")
def ticket_with_a_signature_of_nobody(world: World) -> Call:
    """r = 0 is no point of the curve."""
    return redeem(world, world.ticket().with_sig(bytes(32) + word(1) + bytes([27])))


@TABLE.reason("ticket", "invalid signature over ticket hash")
def ticket_signed_by_another(world: World) -> Call:
    return redeem(world, world.ticket(key=keccak(text="another")))


@TABLE.reason("ticket", "ticket did not win")
def ticket_that_lost(world: World) -> Call:
    return redeem(world, world.ticket(win_prob=0))


@TABLE.reason("ticket", "sender is unlocked")
def ticket_of_an_unlocked_sender(world: World) -> Call:
    world.unlocked()
    return redeem(world, world.ticket())


@TABLE.reason("ticket", "sender deposit and reserve are zero")
def ticket_of_a_sender_without_funds(world: World) -> Call:
    key = keccak(text="a sender without funds")
    return redeem(world, world.ticket(key=key, sender=address_of(key)))


@TABLE.reason("ticket", "sender deposit and reserve insufficient to cover ticket face value")
def ticket_beyond_the_funds(world: World) -> Call:
    # Half of the reserve is another transcoder's share.
    return redeem(world, world.ticket(face_value_wei=ETH + ETH // 2 + 1))


@TABLE.reason("BondingManager", "transcoder must be active")
def ticket_to_an_account_without_stake(world: World) -> Call:
    return redeem(world, world.ticket(recipient=STRANGER))


@TABLE.reason("TicketBroker", "batch arrays must have equal lengths")
def batch_with_a_missing_signature(world: World) -> Call:
    tickets, sigs, rands = batch([world.ticket(), world.ticket()])
    return Call(world.broker, "batchRedeemWinningTickets", (tickets, sigs[:1], rands), STRANGER)


@TABLE.reason("TicketBroker", "batch arrays must have equal lengths")
def batch_with_a_surplus_rand(world: World) -> Call:
    tickets, sigs, rands = batch([world.ticket()])
    return Call(world.broker, "batchRedeemWinningTickets", (tickets, sigs, [*rands, 7]), STRANGER)


@TABLE.reason("TicketBroker", "BondingManager must be registered")
def batch_without_a_bonding_manager(world: World) -> Call:
    arguments = batch([world.ticket()])
    world.register("BondingManager", NOBODY)
    return Call(world.broker, "batchRedeemWinningTickets", arguments, STRANGER)


@TABLE.reason("TicketBroker", BARE)
def batch_of_101_tickets(world: World) -> Call:
    return Call(world.broker, "batchRedeemWinningTickets", batch([world.ticket()] * (BATCH + 1)), STRANGER)


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
