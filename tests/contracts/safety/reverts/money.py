"""Reverts of the TicketBroker and of tickets."""

from __future__ import annotations

from typing import Any

from eth_utils.crypto import keccak

from tests.contracts.safety.reverts.case import BARE, Table
from tests.support.evm import NOBODY
from tests.support.evm_world import (
    ETH,
    SENDER,
    STRANGER,
    Call,
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
