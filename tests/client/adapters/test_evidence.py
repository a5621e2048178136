"""What moves a stored ticket outside any batch: evidence from the chain, and operators."""

import pytest

from livepeer_client.errors import InvalidInput, StoreError, TicketStateRefused
from livepeer_client.facts import TicketState
from livepeer_client.ports import TicketStore
from livepeer_client.types import Wei
from tests.client.adapters.stored_values import (
    begun,
    lease_of,
    make_batch,
    make_outcome,
    make_payment,
    make_winner,
    settle,
    states,
)
from tests.support.stores import store, under_test

__all__ = ["store", "under_test"]  # the fixtures


# --- evidence outside batches ---------------------------------------------------------------------


async def test_mark__same_evidence_twice__changes_nothing(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    for _ in range(2):
        await store.mark(
            [make_outcome(winner, TicketState.EXPIRED, reason="validity over")], lease=await lease_of(store)
        )
    assert await states(store) == [TicketState.EXPIRED]


async def test_mark__used_elsewhere_then_found_paid__is_paid(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    await store.mark([make_outcome(winner, TicketState.USED_ELSEWHERE)], lease=await lease_of(store))
    await store.mark([make_outcome(winner, TicketState.PAID, 5)], lease=await lease_of(store))
    assert await states(store) == [TicketState.PAID]


@pytest.mark.parametrize("wrong", [TicketState.HELD, TicketState.EXPIRED, TicketState.USED_ELSEWHERE])
async def test_mark__against_a_final_state__is_refused_with_everything_beside_it(
    store: TicketStore, wrong: TicketState
) -> None:
    winners = [make_winner(number) for number in range(2)]
    await store.record_payment(make_payment(*winners))
    await store.mark([make_outcome(winners[1], TicketState.PAID, 5)], lease=await lease_of(store))
    with pytest.raises(StoreError):
        await store.mark(
            [make_outcome(winners[0], TicketState.EXPIRED), make_outcome(winners[1], wrong)],
            lease=await lease_of(store),
        )
    assert await states(store) == [TicketState.HELD, TicketState.PAID]


async def test_mark__ticket_in_an_open_batch_or_unknown__is_refused(store: TicketStore) -> None:
    winner = make_winner(1)
    with pytest.raises(StoreError):
        await store.mark([make_outcome(winner, TicketState.EXPIRED)], lease=await lease_of(store))
    await store.record_payment(make_payment(winner))
    await store.begin_batch(make_batch(1, winner), lease=await lease_of(store))
    with pytest.raises(StoreError):
        await store.mark([make_outcome(winner, TicketState.EXPIRED)], lease=await lease_of(store))


async def test_mark__as_sent_or_twice_in_one_call__is_invalid(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    with pytest.raises(InvalidInput):
        await store.mark([make_outcome(winner, TicketState.SENT)], lease=await lease_of(store))
    with pytest.raises(InvalidInput):
        await store.mark(
            [make_outcome(winner, TicketState.PAID, 1), make_outcome(winner, TicketState.EXPIRED)],
            lease=await lease_of(store),
        )


# --- operators ------------------------------------------------------------------------------------


async def test_hold__then_release__keeps_a_ticket_out_of_batches_meanwhile(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    await store.hold([winner.ticket.hash], "asked the sender")
    assert [ticket.hold for ticket in await store.tickets()] == ["asked the sender"]
    with pytest.raises(TicketStateRefused):
        await store.begin_batch(make_batch(1, winner), lease=await lease_of(store))
    await store.release([winner.ticket.hash])
    await store.begin_batch(make_batch(1, winner), lease=await lease_of(store))
    assert [(t.state, t.hold) for t in await store.tickets()] == [(TicketState.SENT, None)]


async def test_hold__of_a_sent_ticket__bites_when_it_comes_back(store: TicketStore) -> None:
    batch = await begun(store, 1, 1)
    await store.hold(batch.tickets, "")
    await settle(store, batch, [])
    with pytest.raises(TicketStateRefused):
        await store.begin_batch(make_batch(2, make_winner(1)), lease=await lease_of(store))


async def test_hold_or_revive__unknown_ticket__is_refused_with_those_beside_it(store: TicketStore) -> None:
    known = make_winner(1)
    await store.record_payment(make_payment(known))
    hashes = [known.ticket.hash, make_winner(2).ticket.hash]
    for call in (store.hold(hashes, "note"), store.release(hashes), store.revive(hashes, "note")):
        with pytest.raises(TicketStateRefused) as refused:
            await call
        assert (refused.value.ticket, refused.value.state) == (hashes[1], None)
    assert [ticket.hold for ticket in await store.tickets()] == [None]


@pytest.mark.parametrize("proven", [TicketState.INVALID, TicketState.EXPIRED, TicketState.USED_ELSEWHERE])
async def test_revive__ticket_given_up__is_held_again(store: TicketStore, proven: TicketState) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    await store.mark([make_outcome(winner, proven)], lease=await lease_of(store))
    for _ in range(2):
        await store.revive([winner.ticket.hash], "the node lied")
    assert [(ticket.state, ticket.reason) for ticket in await store.tickets()] == [(TicketState.HELD, "the node lied")]


@pytest.mark.parametrize("proven", [TicketState.PAID, TicketState.UNDERPAID, TicketState.SENT])
async def test_revive__ticket_redeemed_or_sent__is_refused(store: TicketStore, proven: TicketState) -> None:
    batch = await begun(store, 1, 1)
    if proven is not TicketState.SENT:
        await settle(store, batch, [make_outcome(make_winner(1), proven, 5, batch.transaction.tx_hash)])
    with pytest.raises(TicketStateRefused):
        await store.revive(batch.tickets, "")
    assert await states(store) == [proven]


async def test_mark__stronger_evidence__replaces_weaker_and_never_the_reverse(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    rising = [TicketState.INVALID, TicketState.EXPIRED, TicketState.USED_ELSEWHERE, TicketState.PAID]
    for at, state in enumerate(rising):
        await store.mark([make_outcome(winner, state, 5)], lease=await lease_of(store))
        for weaker in rising[:at]:
            with pytest.raises(TicketStateRefused):
                await store.mark([make_outcome(winner, weaker)], lease=await lease_of(store))
        assert await states(store) == [state]
    with pytest.raises(TicketStateRefused):
        await store.mark([make_outcome(winner, TicketState.PAID, 6)], lease=await lease_of(store))


async def test_mark__held__records_why_the_ticket_waits(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    await store.mark([make_outcome(winner, TicketState.HELD, reason="gas")], lease=await lease_of(store))
    assert [(ticket.state, ticket.reason) for ticket in await store.tickets()] == [(TicketState.HELD, "gas")]


@pytest.mark.parametrize("derived", [TicketState.READY, TicketState.ASSIGNED, TicketState.DEFERRED])
async def test_derived_states__asked_for_or_marked__are_invalid(store: TicketStore, derived: TicketState) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    with pytest.raises(InvalidInput):
        await store.tickets(derived)
    with pytest.raises(InvalidInput):
        await store.page(derived)
    with pytest.raises(InvalidInput):
        await store.mark([make_outcome(winner, derived, Wei(0))], lease=await lease_of(store))
