"""Reverts of compact tickets: what fails for all of them fails with the reason of a single one."""

from __future__ import annotations

from tests.contracts.safety.reverts.case import BARE, Table
from tests.support.evm import NOBODY
from tests.support.evm_world import STRANGER, Call, World
from tests.support.tickets import MAX_UINT256, Signed, compact_batch

TABLE = Table()
BATCH = 100


def redeem_compactly(world: World, *changes: tuple[int, object], signed: Signed | None = None) -> Call:
    """One ticket, with some arguments changed by their position."""
    arguments = list(compact_batch([signed or world.ticket()]))
    for position, value in changes:
        arguments[position] = value
    return Call(world.broker, "redeemWinningTicketsCompact", tuple(arguments), STRANGER)


@TABLE.reason("TicketBroker", "current round is not initialized")
def compact_tickets_before_the_round_is_initialized(world: World) -> Call:
    call = redeem_compactly(world)
    world.next_round(initialize=False)
    return call


@TABLE.reason("ticket", "ticket recipient is null address")
def compact_tickets_to_nobody(world: World) -> Call:
    return redeem_compactly(world, (1, NOBODY))


@TABLE.reason("ticket", "ticket sender is null address")
def compact_tickets_from_nobody(world: World) -> Call:
    return redeem_compactly(world, (0, NOBODY))


@TABLE.reason("ticket", "ticket creationRound does not have a block hash")
def compact_tickets_of_an_unknown_round(world: World) -> Call:
    return redeem_compactly(world, (4, MAX_UINT256))


@TABLE.reason("ticket", "ticket is expired")
def compact_tickets_that_are_expired(world: World) -> Call:
    return redeem_compactly(world, (4, world.round - 2))


@TABLE.reason("ticket", "sender is unlocked")
def compact_tickets_of_an_unlocked_sender(world: World) -> Call:
    world.unlocked()
    return redeem_compactly(world)


@TABLE.reason("ticket", "sender deposit and reserve are zero")
def compact_tickets_of_a_sender_without_funds(world: World) -> Call:
    return redeem_compactly(world, (0, STRANGER))


@TABLE.reason("BondingManager", "transcoder must be active")
def compact_tickets_to_an_inactive_recipient(world: World) -> Call:
    return redeem_compactly(world, signed=world.ticket(recipient=STRANGER))


@TABLE.reason("TicketBroker", BARE)
def compact_batch_of_101_tickets(world: World) -> Call:
    return Call(world.broker, "redeemWinningTicketsCompact", compact_batch([world.ticket()] * (BATCH + 1)), STRANGER)
