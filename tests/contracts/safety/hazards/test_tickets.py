"""Hazards of deposits, reserves and tickets (spec 18), one by one; and I18 to I20."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak

from tests.contracts.safety.hazards.books import violations
from tests.support.evm import Reverted
from tests.support.evm_picture import domains, take_picture
from tests.support.evm_world import (
    ETH,
    NEWCOMER,
    SECOND,
    SENDER,
    STRANGER,
    TRANSCODER,
    Call,
    World,
    address_of,
    make_world,
)
from tests.support.tickets import Signed, batch, compact, high_s

POOR_KEY = keccak(text="a sender with a reserve of 9 wei")
POOR = address_of(POOR_KEY)
STIPEND = 2300


@pytest.fixture
def world() -> World:
    return make_world()


def with_small_reserve(world: World, wei: int = 9) -> None:
    """A sender without deposit."""
    world.evm.give(STRANGER, wei)
    world.broker.call("fundDepositAndReserveFor", POOR, 0, wei, sender=STRANGER, value=wei)


def poor_ticket(world: World, wei: int, recipient: str = TRANSCODER, **changes: Any) -> Signed:
    return world.ticket(key=POOR_KEY, sender=POOR, recipient=recipient, face_value_wei=wei, **changes)


def claimable(world: World, claimant: str = TRANSCODER, holder: str = POOR) -> int:
    return int(world.broker.view("claimableReserve", holder, claimant))


def is_used(world: World, signed: Signed) -> bool:
    return bool(world.broker.view("usedTickets", signed.ticket.hash()))


def redeem_batch(world: World, *signed: Signed) -> None:
    world.broker.call("batchRedeemWinningTickets", *batch(list(signed)), sender=STRANGER)


def refused(world: World, signed: Signed) -> str | None:
    """The reason."""
    with pytest.raises(Reverted) as failure:
        world.redeem(signed)
    return failure.value.reason


def test_claimable_reserve__k8_pool_grows_and_shrinks_after_a_claim__share_stays(world: World) -> None:
    with_small_reserve(world)
    assert claimable(world) == 4
    world.redeem(poor_ticket(world, 3))
    world.become_transcoder(NEWCOMER, 10**18)
    assert (claimable(world), claimable(world, SECOND)) == (1, 4)
    world.bonding.call("unbond", world.bonding.view("getDelegator", SECOND)[0], sender=SECOND)
    assert (claimable(world), claimable(world, SECOND)) == (1, 4)
    world.redeem(poor_ticket(world, 4, SECOND))
    world.redeem(poor_ticket(world, 1))
    assert (claimable(world), claimable(world, SECOND)) == (0, 0)
    assert violations(world) == []


def test_claimable_reserve__k8_more_claimants_than_counted__is_bounded_by_the_funds(world: World) -> None:
    """However wrong the count may be, the look-up answers and nobody gets what is not there."""
    with_small_reserve(world)
    mock = world.deploy("BondingManagerMock")
    world.register("BondingManager", mock.address)
    world.redeem(poor_ticket(world, 8))
    assert (claimable(world), claimable(world, SECOND)) == (1, 1)
    mock.call("setActiveTranscoders", 5, sender=STRANGER)
    assert (claimable(world), claimable(world, SECOND)) == (0, 1)
    mock.call("setActiveTranscoders", 0, sender=STRANGER)
    assert claimable(world) == 0


def test_redeem__k9_funds_short_of_face_value__keeps_ticket_and_funds(world: World) -> None:
    with_small_reserve(world)
    signed = poor_ticket(world, 5)
    reason = "sender deposit and reserve insufficient to cover ticket face value"
    assert refused(world, signed) == reason
    redeem_batch(world, signed)
    assert not is_used(world, signed)
    assert world.broker.view("getSenderInfo", POOR) == ((0, 0), (9, 0))
    world.evm.give(STRANGER, 1)
    world.broker.call("fundDepositAndReserveFor", POOR, 1, 0, sender=STRANGER, value=1)
    world.redeem(signed)
    assert is_used(world, signed)


def test_unlock_period__k20_nothing__is_refused(world: World) -> None:
    with pytest.raises(Reverted) as failure:
        world.broker.call("setUnlockPeriod", 0, sender=world.owner)
    assert failure.value.reason == "unlockPeriod must be greater than 0"


def test_withdraw_eth__k21_receiver__gets_the_gas_of_a_plain_transfer(world: World) -> None:
    meter = world.deploy("GasMeterMock")
    receipt = Call(world.minter, "trustedWithdrawETH", (meter.address, 1), world.bonding.address).make()
    [log] = [log for log in receipt.logs if log.address == meter.address]
    assert STIPEND - 200 < int.from_bytes(log.data, "big") <= STIPEND


def test_ticket_hash__k24_on_any_chain__covers_the_published_bytes_alone(world: World) -> None:
    """Kept: neither chain nor contract is part of it. The round's block hash ties a ticket to a chain."""
    signed = world.ticket()
    assert world.broker.view("getTicketHash", signed.ticket.astuple()) == signed.ticket.hash()
    other = make_world()
    assert other.broker.view("getTicketHash", signed.ticket.astuple()) == signed.ticket.hash()
    foreign = world.ticket(block_hash=keccak(text="another chain"))
    assert refused(world, foreign) == "ticket creationRoundBlockHash invalid for creationRound"


def test_batch__k25_arrays_differ_in_length__is_refused_by_name(world: World) -> None:
    tickets, sigs, rands = batch([world.ticket(), world.ticket()])
    for arrays in ((tickets, sigs[:1], rands), (tickets, sigs, rands[:1]), (tickets[:1], sigs, rands)):
        with pytest.raises(Reverted) as failure:
            world.broker.call("batchRedeemWinningTickets", *arrays, sender=STRANGER)
        assert failure.value.reason == "batch arrays must have equal lengths"


def test_batch__k25_credit_refused__leaves_no_trace_and_the_tickets_redeemable(world: World) -> None:
    with_small_reserve(world)
    to_nobody = [poor_ticket(world, 0, NEWCOMER), world.ticket(recipient=NEWCOMER), world.ticket(recipient=NEWCOMER)]
    paid = [world.ticket(), poor_ticket(world, 4)]
    before = world.broker.view("getSenderInfo", SENDER)

    redeem_batch(world, *paid[:1], *to_nobody[1:], *paid[1:])

    assert [is_used(world, each) for each in (*paid, *to_nobody)] == [True, True, False, False, False]
    after = world.broker.view("getSenderInfo", SENDER)
    assert before[0][0] - after[0][0] == paid[0].ticket.face_value_wei
    assert violations(world) == []
    world.become_transcoder(NEWCOMER, 10**18)
    world.next_round()
    for signed in to_nobody[1:]:
        world.redeem(signed)
        assert is_used(world, signed)


@pytest.mark.parametrize("credit_gas", [0, 10_000, 50_000, 100_000])
def test_batch__k25_starved_of_gas__tickets_are_paid_or_stay_redeemable(world: World, credit_gas: int) -> None:
    """A relay passes on so little gas that the credit, or all, fails."""
    mock = world.deploy("HostileMock", world.broker.address, b"")
    tickets = [world.ticket(), world.ticket(), world.ticket(recipient=SECOND)]
    data = world.broker.interface.functions["batchRedeemWinningTickets"].encode(batch(tickets))
    for gas in range(60_000 + credit_gas, 460_000, 40_000):
        with world.evm.rolled_back():
            mock.call("call_with_gas", world.broker.address, data, gas, sender=STRANGER)
            used = [is_used(world, signed) for signed in tickets]
            paid = ETH - world.broker.view("getSenderInfo", SENDER)[0][0]
            assert paid == sum(signed.ticket.face_value_wei for signed, done in zip(tickets, used, strict=True) if done)
            assert violations(world) == []
            redeem_batch(world, *tickets)
            assert all(is_used(world, signed) for signed in tickets)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (compact, "INVALID_SIGNATURE_LENGTH"),
        (high_s, "ECDSA: invalid signature 's' value"),
        (lambda sig: sig[:64] + bytes([sig[64] - 27]), "ECDSA: invalid signature"),
        (lambda sig: sig[:64] + bytes([sig[64] + 2]), "ECDSA: invalid signature"),
    ],
)
def test_redeem__r7_another_form_of_the_signature__is_refused(world: World, change: Any, reason: str) -> None:
    signed = world.ticket()
    other = signed.with_sig(change(signed.sig))
    assert refused(world, other) == reason
    redeem_batch(world, other)
    assert not is_used(world, signed)


def test_fund__r11_by_a_third_party__does_not_cancel_an_unlock(world: World) -> None:
    world.broker.call("unlock", sender=SENDER)
    world.evm.give(STRANGER, 2)
    world.broker.call("fundDepositAndReserveFor", SENDER, 1, 1, sender=STRANGER, value=2)
    assert world.broker.view("isUnlockInProgress", SENDER)
    world.fund_sender(1, 0)
    assert not world.broker.view("isUnlockInProgress", SENDER)


def test_redeem__i18_twice_in_any_way__pays_once(world: World) -> None:
    signed = world.ticket()
    redeem_batch(world, signed, signed)
    redeem_batch(world, signed)
    assert refused(world, signed) == "ticket is used"
    assert ETH - world.broker.view("getSenderInfo", SENDER)[0][0] == signed.ticket.face_value_wei
    world.next_round()
    assert is_used(world, signed)
    assert refused(world, signed) == "ticket is used"


def test_redeem__i18_failed_attempt__changes_nothing(world: World) -> None:
    faulty = [world.ticket(win_prob=0), world.ticket(recipient=NEWCOMER), world.ticket(face_value_wei=9 * ETH)]
    asked = domains(world, tickets=[signed.ticket.hash() for signed in faulty])
    before = take_picture(world, asked)
    for signed in faulty:
        assert refused(world, signed)
    redeem_batch(world, *faulty)
    assert take_picture(world, asked) == before


def test_redeem__i20_sender_unlocked_or_ticket_expired__is_refused(world: World) -> None:
    validity = world.params.ticket_validity_period_rounds
    signed = world.ticket()
    world.broker.call("unlock", sender=SENDER)
    world.redeem(world.ticket())
    world.next_round(validity - 1)
    with world.evm.rolled_back():
        world.redeem(signed)
    world.next_round()
    assert refused(world, signed) == "ticket is expired"
    world.next_round(max(0, world.params.unlock_period_rounds - validity) + 1)
    assert refused(world, world.ticket()) == "sender is unlocked"


def test_redeem__i20_in_the_round_of_the_withdrawal__is_refused(world: World) -> None:
    world.unlocked()
    assert world.round == world.broker.view("getSenderInfo", SENDER)[0][1]
    assert refused(world, world.ticket()) == "sender is unlocked"
