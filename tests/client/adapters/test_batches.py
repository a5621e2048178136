"""Redemptions in a store: batches from broadcast to finality and back."""

from dataclasses import replace

import pytest

from livepeer_client.errors import InvalidInput, LeaseLost, StoreError, TicketStateRefused
from livepeer_client.facts import BatchState, TicketState
from livepeer_client.ports import TicketStore
from livepeer_client.types import Hash32
from tests.client.adapters.stored_values import (
    KEY,
    OTHER_KEY,
    begun,
    lease_of,
    make_batch,
    make_block,
    make_outcome,
    make_payment,
    make_replacement,
    make_transaction,
    make_winner,
    open_batches,
    settle,
    states,
)
from tests.support.stores import store, under_test

__all__ = ["store", "under_test"]  # the fixtures


# --- batches --------------------------------------------------------------------------------------


async def test_begin_batch__held_tickets__stores_the_transaction_and_marks_them_sent(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(3)]
    await store.record_payment(make_payment(*winners))
    batch = make_batch(1, winners[2], winners[0])
    await store.begin_batch(batch, lease=await lease_of(store))
    assert await open_batches(store) == [batch]
    assert await states(store) == [TicketState.SENT, TicketState.HELD, TicketState.SENT]
    assert (await store.tickets(TicketState.SENT))[0].tx_hash == batch.transaction.tx_hash


async def test_begin_batch__ticket_in_an_open_batch__is_refused_whole(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(2)]
    await store.record_payment(make_payment(*winners))
    first = make_batch(1, winners[0])
    await store.begin_batch(first, lease=await lease_of(store))
    with pytest.raises(StoreError):
        await store.begin_batch(make_batch(2, winners[1], winners[0]), lease=await lease_of(store))
    assert await open_batches(store) == [first]
    assert await states(store) == [TicketState.SENT, TicketState.HELD]


async def test_begin_batch__unknown_or_settled_ticket__is_refused(store: TicketStore) -> None:
    winner = make_winner(1)
    with pytest.raises(StoreError):
        await store.begin_batch(make_batch(1, winner), lease=await lease_of(store))
    await store.record_payment(make_payment(winner))
    await store.mark([make_outcome(winner, TicketState.PAID, 1)], lease=await lease_of(store))
    with pytest.raises(StoreError):
        await store.begin_batch(make_batch(1, winner), lease=await lease_of(store))
    assert await open_batches(store) == []


async def test_begin_batch__same_transaction_twice__is_refused(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(2)]
    await store.record_payment(make_payment(*winners))
    await store.begin_batch(make_batch(1, winners[0]), lease=await lease_of(store))
    with pytest.raises(StoreError):
        await store.begin_batch(make_batch(1, winners[1]), lease=await lease_of(store))


async def test_begin_batch__empty_or_with_a_ticket_twice__is_invalid(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    with pytest.raises(InvalidInput):
        await store.begin_batch(make_batch(1), lease=await lease_of(store))
    with pytest.raises(InvalidInput):
        await store.begin_batch(make_batch(1, winner, winner), lease=await lease_of(store))


async def test_settle_batch__with_evidence__records_it_and_holds_the_rest(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(4)]
    await store.record_payment(make_payment(*winners))
    batch = make_batch(1, *winners)
    await store.begin_batch(batch, lease=await lease_of(store))
    tx_hash = batch.transaction.tx_hash
    await settle(
        store,
        batch,
        [
            make_outcome(winners[0], TicketState.PAID, 10**15, tx_hash),
            make_outcome(winners[1], TicketState.UNDERPAID, 5, tx_hash, "reserve empty"),
            make_outcome(winners[2], TicketState.USED_ELSEWHERE, reason="usedTickets"),
        ],
    )
    tickets = await store.tickets()
    assert await open_batches(store) == []
    assert [(t.state, t.paid, t.tx_hash) for t in tickets] == [
        (TicketState.PAID, 10**15, tx_hash),
        (TicketState.UNDERPAID, 5, tx_hash),
        (TicketState.USED_ELSEWHERE, 0, None),
        (TicketState.HELD, 0, None),
    ]
    assert tickets[1].reason == "reserve empty"


async def test_settle_batch__twice__does_not_touch_a_ticket_in_its_next_batch(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    first, second = make_batch(1, winner), make_batch(2, winner)
    await store.begin_batch(first, lease=await lease_of(store))
    await settle(store, first, [])
    await store.begin_batch(second, lease=await lease_of(store))
    await settle(store, first, [])
    assert await states(store) == [TicketState.SENT]
    assert await open_batches(store) == [second]


async def test_settle_batch__unknown_batch_or_ticket_outside_it__is_refused(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(2)]
    await store.record_payment(make_payment(*winners))
    batch = make_batch(1, winners[0])
    await store.begin_batch(batch, lease=await lease_of(store))
    with pytest.raises(StoreError):
        await settle(store, make_batch(9, *winners), [])
    with pytest.raises(StoreError):
        await settle(store, batch, [make_outcome(winners[1], TicketState.PAID, 1)])
    assert await open_batches(store) == [batch]


# --- identity, replacement, finality --------------------------------------------------------------


async def test_begin_batch__again_while_open__changes_nothing(store: TicketStore) -> None:
    batch = await begun(store, 1, 1, 2)
    before = await store.tickets()
    await store.begin_batch(batch, lease=await lease_of(store))
    assert await open_batches(store) == [batch]
    assert await store.tickets() == before


async def test_begin_batch__settled_once__is_refused_under_the_same_identity(store: TicketStore) -> None:
    batch = await begun(store, 1, 1)
    await settle(store, batch, [])
    with pytest.raises(StoreError):
        await store.begin_batch(batch, lease=await lease_of(store))
    assert await states(store) == [TicketState.HELD]


async def test_begin_batch__nonce_of_an_open_batch__is_refused(store: TicketStore) -> None:
    await begun(store, 1, 1)
    winner = make_winner(2)
    await store.record_payment(make_payment(winner))
    raw = make_replacement(1, 7)
    with pytest.raises(StoreError):
        await store.begin_batch(replace(make_batch(1, winner), transactions=(raw,)), lease=await lease_of(store))
    # Another key has nonces of its own.
    other = replace(make_batch(1, winner, key=OTHER_KEY), transactions=(raw,))
    await store.begin_batch(other, lease=await lease_of(store, OTHER_KEY))
    assert len(await open_batches(store)) == 2


async def test_begin_batch__transaction_with_another_nonce_or_a_foreign_lease__is_invalid(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    with pytest.raises(InvalidInput):
        await store.begin_batch(replace(make_batch(1, winner), nonce=2), lease=await lease_of(store))
    with pytest.raises(InvalidInput):
        await store.begin_batch(make_batch(1, winner), lease=await lease_of(store, OTHER_KEY))
    assert await states(store) == [TicketState.HELD]


def test_batch_id__depends_on_key_nonce_kind_and_tickets__not_on_transactions() -> None:
    winners = [make_winner(1), make_winner(2)]
    batch = make_batch(1, *winners)
    assert replace(batch, transactions=(make_replacement(1, 1),)).id == batch.id
    others = {
        make_batch(1, *winners, key=OTHER_KEY).id,
        make_batch(2, *winners).id,
        make_batch(1, *reversed(winners)).id,
        make_batch(1, winners[0]).id,
        batch.id,
    }
    assert len(others) == 5


async def test_add_replacement__twice__is_appended_once_and_is_the_tickets_transaction(store: TicketStore) -> None:
    batch = await begun(store, 1, 1, 2)
    bumped = make_replacement(1, 1)
    for _ in range(2):
        await store.add_replacement(batch.id, bumped, lease=await lease_of(store))
    (stored,) = await store.batches()
    assert stored.batch.transactions == (*batch.transactions, bumped)
    assert stored.batch.id == batch.id
    assert {ticket.tx_hash for ticket in await store.tickets()} == {bumped.tx_hash}


async def test_add_replacement__wrong_nonce_known_elsewhere_or_settled__is_refused(store: TicketStore) -> None:
    first, second = await begun(store, 1, 1), await begun(store, 2, 2)
    lease = await lease_of(store)
    with pytest.raises(InvalidInput):
        await store.add_replacement(first.id, make_transaction(9), lease=lease)
    stolen = replace(second.transaction, nonce=1)
    with pytest.raises(StoreError):
        await store.add_replacement(first.id, stolen, lease=lease)
    with pytest.raises(StoreError):
        await store.add_replacement(Hash32(bytes(32)), make_replacement(1, 1), lease=lease)
    await settle(store, first, [])
    with pytest.raises(StoreError):
        await store.add_replacement(first.id, make_replacement(1, 1), lease=await lease_of(store))


async def test_settle_batch__by_the_first_of_two_transactions__records_which(store: TicketStore) -> None:
    batch = await begun(store, 1, 1)
    await store.add_replacement(batch.id, make_replacement(1, 1), lease=await lease_of(store))
    first = batch.transactions[0].tx_hash
    outcome = make_outcome(make_winner(1), TicketState.PAID, 10**15, first)
    await store.settle_batch(batch.id, [outcome], mined=first, block=make_block(5), lease=await lease_of(store))
    (stored,) = await store.batches()
    assert (stored.state, stored.mined, stored.block) == (BatchState.MINED, first, make_block(5))
    assert stored.outcomes == (outcome,)
    (ticket,) = await store.tickets()
    assert (ticket.state, ticket.tx_hash, ticket.batch) == (TicketState.PAID, first, batch.id)


async def test_settle_batch__same_block_twice_or_another_block__counts_once_or_is_refused(store: TicketStore) -> None:
    batch = await begun(store, 1, 1)
    outcome = make_outcome(make_winner(1), TicketState.PAID, 10**15, batch.transaction.tx_hash)
    for _ in range(2):
        await settle(store, batch, [outcome])
    with pytest.raises(StoreError):
        await settle(store, batch, [outcome], fork=1)
    assert (await store.totals()).paid == 10**15


async def test_settle_batch__by_a_stranger_transaction__is_refused(store: TicketStore) -> None:
    batch = await begun(store, 1, 1)
    with pytest.raises(StoreError):
        await store.settle_batch(
            batch.id, [], mined=make_transaction(9).tx_hash, block=make_block(1), lease=await lease_of(store)
        )
    assert await states(store) == [TicketState.SENT]


async def test_settle_batch__outcome_that_no_batch_gives__is_refused(store: TicketStore) -> None:
    batch = await begun(store, 1, 1)
    with pytest.raises(TicketStateRefused):
        await settle(store, batch, [make_outcome(make_winner(1), TicketState.INVALID)])
    assert await states(store) == [TicketState.SENT]


async def test_reopen_batch__its_block_vanished__undoes_every_outcome(store: TicketStore) -> None:
    batch = await begun(store, 1, 1, 2, 3, 4)
    tx_hash = batch.transaction.tx_hash
    await settle(
        store,
        batch,
        [
            make_outcome(make_winner(1), TicketState.PAID, 10**15, tx_hash),
            make_outcome(make_winner(2), TicketState.UNDERPAID, 1, tx_hash),
            make_outcome(make_winner(3), TicketState.USED_ELSEWHERE),
        ],
    )
    for _ in range(2):
        await store.reopen_batch(batch.id, lease=await lease_of(store))
    (stored,) = await store.batches()
    assert (stored.batch, stored.state, stored.mined, stored.block, stored.outcomes) == (
        batch,
        BatchState.OPEN,
        None,
        None,
        (),
    )
    tickets = await store.tickets()
    assert {(t.state, t.paid, t.tx_hash, t.batch) for t in tickets} == {(TicketState.SENT, 0, tx_hash, batch.id)}
    await settle(store, batch, [make_outcome(make_winner(4), TicketState.PAID, 10**15, tx_hash)], block=2, fork=1)
    assert await states(store) == [TicketState.HELD] * 3 + [TicketState.PAID]


async def test_reopen_batch__a_ticket_went_into_a_later_batch__stays_there_until_proven_paid(
    store: TicketStore,
) -> None:
    first = await begun(store, 1, 1, 2)
    await settle(store, first, [make_outcome(make_winner(1), TicketState.PAID, 10**15, first.transaction.tx_hash)])
    second = make_batch(2, make_winner(2))
    await store.begin_batch(second, lease=await lease_of(store))
    await store.reopen_batch(first.id, lease=await lease_of(store))
    assert [ticket.batch for ticket in await store.tickets()] == [first.id, second.id]
    # Mined again, and now it redeems both.
    paid = [make_outcome(make_winner(nonce), TicketState.PAID, 10**15, first.transaction.tx_hash) for nonce in (1, 2)]
    await settle(store, first, paid, block=3, fork=1)
    assert await states(store) == [TicketState.PAID] * 2
    # The later batch finds the ticket used, which says less than what is known.
    await settle(store, second, [make_outcome(make_winner(2), TicketState.USED_ELSEWHERE)], block=4)
    assert [(ticket.state, ticket.batch) for ticket in await store.tickets()] == [(TicketState.PAID, first.id)] * 2
    assert (await store.totals()).paid == 2 * 10**15


async def test_finalize_batch__mined__is_final_and_cannot_be_reopened(store: TicketStore) -> None:
    batch = await begun(store, 1, 1)
    with pytest.raises(StoreError):
        await store.finalize_batch(batch.id, lease=await lease_of(store))
    await settle(store, batch, [])
    for _ in range(2):
        await store.finalize_batch(batch.id, lease=await lease_of(store))
    assert [stored.state for stored in await store.batches()] == [BatchState.FINAL]
    with pytest.raises(StoreError):
        await store.reopen_batch(batch.id, lease=await lease_of(store))


async def test_batches__by_state_and_page__come_oldest_first(store: TicketStore) -> None:
    batches = [await begun(store, number, number) for number in range(1, 6)]
    await settle(store, batches[1], [])
    await settle(store, batches[3], [])
    await store.finalize_batch(batches[3].id, lease=await lease_of(store))
    assert [stored.id for stored in await store.batches()] == [batch.id for batch in batches]
    assert [stored.batch.nonce for stored in await store.batches(BatchState.MINED, BatchState.FINAL)] == [2, 4]
    assert [stored.batch.nonce for stored in await store.batches(BatchState.OPEN, after=batches[0].id, limit=1)] == [3]
    with pytest.raises(StoreError):
        await store.batches(after=Hash32(bytes(32)))


# --- fencing --------------------------------------------------------------------------------------


async def test_redemption_writes__under_a_lease_taken_over__are_refused_and_change_nothing(
    store: TicketStore,
) -> None:
    open_, mined = await begun(store, 1, 1), await begun(store, 2, 2)
    await settle(store, mined, [])
    winner = make_winner(3)
    await store.record_payment(make_payment(winner))
    stale = await lease_of(store)
    newest = await lease_of(store)
    before = (await store.tickets(), await store.batches())
    writes = [
        store.begin_batch(make_batch(3, winner), lease=stale),
        store.add_replacement(open_.id, make_replacement(1, 1), lease=stale),
        store.settle_batch(open_.id, [], mined=None, block=make_block(1), lease=stale),
        store.finalize_batch(mined.id, lease=stale),
        store.reopen_batch(mined.id, lease=stale),
        store.mark([make_outcome(winner, TicketState.EXPIRED)], lease=stale),
    ]
    for write in writes:
        with pytest.raises(LeaseLost) as lost:
            await write
        assert (lost.value.token, lost.value.current) == (stale.token, newest.token)
    assert (await store.tickets(), await store.batches()) == before
    await store.begin_batch(make_batch(3, winner), lease=newest)


async def test_settle_batch__under_another_keys_lease__is_invalid(store: TicketStore) -> None:
    batch = await begun(store, 1, 1)
    with pytest.raises(InvalidInput):
        await store.settle_batch(batch.id, [], mined=None, block=make_block(1), lease=await lease_of(store, OTHER_KEY))
    assert (await store.batches())[0].batch.key == KEY
