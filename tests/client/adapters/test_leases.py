"""Leases, cursors, sessions, nonces and the views of a store."""

from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.errors import InvalidInput, LeaseHeld, LeaseLost, NoncesSeen
from livepeer_client.facts import BlockCursor, Debit, ReceivedNonces, TicketPage, TicketState
from livepeer_client.ports import TicketStore
from livepeer_client.types import MAX_UINT256, Address, BlockNumber, Hash32
from tests.client.adapters.stored_values import (
    EXPECTED_VALUE,
    SENDER,
    lease_of,
    make_batch,
    make_block,
    make_outcome,
    make_payment,
    make_winner,
)
from tests.support.stores import UnderTest, store, under_test

__all__ = ["store", "under_test"]  # the fixtures

OTHER_SENDER = Address(bytes([0xAB] * 20))
QUOTE = Hash32(bytes([1] * 32))
OTHER_QUOTE = Hash32(bytes([2] * 32))


# --- leases ---------------------------------------------------------------------------------------


async def test_acquire_lease__held_by_another__is_refused_until_it_expires(under_test: UnderTest) -> None:
    store = under_test.store
    first = await store.acquire_lease("name", "one", 10)
    with pytest.raises(LeaseHeld) as held:
        await store.acquire_lease("name", "two", 10)
    assert held.value.owner == "one"
    assert 0 < held.value.expires_in_s <= 10
    await under_test.elapse(11)
    second = await store.acquire_lease("name", "two", 10)
    assert second.token > first.token
    with pytest.raises(LeaseLost):
        await store.renew_lease(first, 10)


async def test_acquire_lease__by_its_owner_again__voids_the_earlier_one(store: TicketStore) -> None:
    first = await store.acquire_lease("name", "one", 10)
    second = await store.acquire_lease("name", "one", 10)
    assert second.token > first.token
    with pytest.raises(LeaseLost):
        await store.renew_lease(first, 10)
    assert (await store.renew_lease(second, 10)).token == second.token


async def test_renew_lease__before_or_after_expiry_untaken__lasts_from_now(under_test: UnderTest) -> None:
    store = under_test.store
    lease = await store.acquire_lease("name", "one", 10)
    await under_test.elapse(8)
    renewed = await store.renew_lease(lease, 10)
    assert renewed.expires_at > lease.expires_at
    await under_test.elapse(8)
    with pytest.raises(LeaseHeld):
        await store.acquire_lease("name", "two", 10)
    await under_test.elapse(8)
    await store.renew_lease(renewed, 10)
    with pytest.raises(LeaseHeld):
        await store.acquire_lease("name", "two", 10)


async def test_release_lease__twice_or_when_lost__lets_the_newest_be(store: TicketStore) -> None:
    first = await store.acquire_lease("name", "one", 10)
    for _ in range(2):
        await store.release_lease(first)
    second = await store.acquire_lease("name", "two", 10)
    await store.release_lease(first)
    with pytest.raises(LeaseHeld):
        await store.acquire_lease("name", "one", 10)
    await store.release_lease(second)
    third = await store.acquire_lease("name", "one", 10)
    assert first.token < second.token < third.token
    # Names do not touch each other.
    assert (await store.acquire_lease("other", "two", 10)).owner == "two"


@pytest.mark.parametrize("ttl_s", [0, -1, float("nan")])
async def test_acquire_lease__without_time__is_invalid(store: TicketStore, ttl_s: float) -> None:
    with pytest.raises(InvalidInput):
        await store.acquire_lease("name", "one", ttl_s)


# --- nonces ---------------------------------------------------------------------------------------


def used(*nonces: int, quote: Hash32 = QUOTE, block: int = 100) -> ReceivedNonces:
    return ReceivedNonces(quote, BlockNumber(block), nonces)


async def test_record_payment__nonces_seen_before__is_refused_whole(store: TicketStore) -> None:
    await store.record_payment(replace(make_payment(make_winner(1)), nonces=used(1, 2, 3)))
    totals = await store.totals()
    with pytest.raises(NoncesSeen) as seen:
        await store.record_payment(replace(make_payment(make_winner(4)), nonces=used(2, 3, 4)))
    assert (seen.value.recipient_rand_hash, seen.value.nonces) == (QUOTE, {2, 3})
    assert await store.totals() == totals
    assert await store.nonces(QUOTE) == {1, 2, 3}
    await store.record_payment(replace(make_payment(), nonces=used(2, 3, quote=OTHER_QUOTE)))
    assert await store.nonces(OTHER_QUOTE) == {2, 3}


async def test_nonces__widest_values_and_many__come_back(store: TicketStore) -> None:
    many = ReceivedNonces(QUOTE, BlockNumber(MAX_UINT256), (*range(599), 2**32 - 1))
    await store.record_payment(replace(make_payment(), nonces=many))
    assert await store.open_quotes() == [many]
    assert await store.nonces(OTHER_QUOTE) == frozenset()


async def test_forget_nonces__of_expired_quotes__keeps_the_others(store: TicketStore) -> None:
    await store.record_payment(replace(make_payment(), nonces=used(1, block=100)))
    await store.record_payment(replace(make_payment(), nonces=used(1, 2, quote=OTHER_QUOTE, block=101)))
    assert await store.forget_nonces(BlockNumber(99)) == 0
    assert await store.forget_nonces(BlockNumber(100)) == 1
    assert await store.open_quotes() == [used(1, 2, quote=OTHER_QUOTE, block=101)]
    # Forgotten is forgotten: the recipient refuses the quote by its block.
    await store.record_payment(replace(make_payment(), nonces=used(1, block=100)))


# --- balances -------------------------------------------------------------------------------------


async def test_session__credited_and_debited__adds_up_exactly_and_keeps_its_first_price(store: TicketStore) -> None:
    assert await store.session(SENDER, "session") is None
    price = Fraction(7, 3)
    first = await store.record_payment(replace(make_payment(), price=price))
    assert (first.credited, first.price, first.balance) == (3 * EXPECTED_VALUE, price, 3 * EXPECTED_VALUE)
    await store.record_payment(replace(make_payment(), price=Fraction(9)))
    after = await store.record_debit(Debit(SENDER, "session", 1, 10, Fraction(1, 3)))
    assert after == await store.session(SENDER, "session")
    assert (after.credited, after.debited, after.price) == (6 * EXPECTED_VALUE, Fraction(1, 3), price)
    assert after.balance == 6 * EXPECTED_VALUE - Fraction(1, 3)
    assert [session.session_id for session in await store.open_sessions()] == ["session"]


async def test_write_off_idle__unused_for_long__starts_anew_while_totals_stay(under_test: UnderTest) -> None:
    store = under_test.store
    await store.record_payment(replace(make_payment(session_id="old"), price=Fraction(1)))
    await store.record_debit(Debit(SENDER, "old", 1, 1, Fraction(1)))
    await under_test.elapse(50)
    await store.record_payment(make_payment(session_id="young"))
    totals = await store.totals()
    assert await store.write_off_idle(100) == []
    (dropped,) = await store.write_off_idle(40)
    assert (dropped.session_id, dropped.balance) == ("old", 3 * EXPECTED_VALUE - 1)
    assert await store.write_off_idle(40) == []
    closed = await store.session(SENDER, "old")
    assert closed is not None
    assert (closed.open, closed.price, closed.balance) == (False, None, 0)
    assert [session.session_id for session in await store.open_sessions()] == ["young"]
    again = await store.record_payment(replace(make_payment(session_id="old"), price=Fraction(2)))
    assert (again.open, again.price, again.balance) == (True, Fraction(2), 3 * EXPECTED_VALUE)
    assert (await store.totals()).expected_value_credited == totals.expected_value_credited + 3 * EXPECTED_VALUE


# --- cursors --------------------------------------------------------------------------------------


async def test_cursor__saved_again__replaces_what_was_there(store: TicketStore) -> None:
    assert await store.cursor("rounds") is None
    await store.save_cursor(BlockCursor("rounds", make_block(3), tuple(make_block(number) for number in range(4))))
    after_reorg = BlockCursor("rounds", make_block(2, fork=1), (make_block(1), make_block(2, fork=1)))
    await store.save_cursor(after_reorg)
    other = BlockCursor("senders", make_block(9))
    await store.save_cursor(other)
    assert await store.cursor("rounds") == after_reorg
    assert await store.cursor("senders") == other


# --- views ----------------------------------------------------------------------------------------


async def test_page__through_a_filtered_list__sees_each_ticket_once(store: TicketStore) -> None:
    winners = [make_winner(number, sender=OTHER_SENDER if number % 3 else SENDER) for number in range(12)]
    await store.record_payment(make_payment(*winners))
    await store.mark([make_outcome(winners[4], TicketState.EXPIRED)], lease=await lease_of(store))
    wanted = [winner for number, winner in enumerate(winners) if number % 3 and number != 4]
    seen, after, pages = [], 0, 0
    while True:
        page = await store.page(TicketState.HELD, sender=OTHER_SENDER, after=after, limit=3)
        seen += [ticket.winner for ticket in page.tickets]
        pages += 1
        if page.next is None:
            break
        after = page.next
    assert (seen, pages) == (wanted, 3)
    everything = await store.page(limit=12)
    assert everything == TicketPage(tuple(await store.tickets()), None)
    with pytest.raises(InvalidInput):
        await store.page(limit=0)


async def test_ticket__by_hash__is_found_or_none(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    assert await store.ticket(winner.ticket.hash) == (await store.tickets())[0]
    assert await store.ticket(make_winner(2).ticket.hash) is None


async def test_value_at_risk__by_sender__splits_held_from_sent_with_the_oldest_age(under_test: UnderTest) -> None:
    store = under_test.store
    early = [make_winner(1, face_value=10), make_winner(2, face_value=20, sender=OTHER_SENDER)]
    await store.record_payment(make_payment(*early))
    await under_test.elapse(100)
    late = [make_winner(3, face_value=30), make_winner(4, face_value=40)]
    await store.record_payment(make_payment(*late))
    await store.begin_batch(make_batch(1, late[0]), lease=await lease_of(store))
    await store.mark([make_outcome(early[1], TicketState.PAID, 20)], lease=await lease_of(store))
    (risk,) = await store.value_at_risk()
    assert (risk.sender, risk.tickets, risk.held, risk.sent) == (SENDER, 3, 50, 30)
    ages = [ticket.received_at for ticket in await store.tickets()]
    assert risk.oldest_received_at == ages[0]
    assert ages[2] - ages[0] >= 99
