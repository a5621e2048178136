"""What `ports.TicketStore` and `ports.GatewayBooks` promise, asked of every implementation."""

from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.errors import StoreError
from livepeer_client.facts import Debit, GatewayTotals, OrchestratorTotals, TicketState
from livepeer_client.policy import ticket_states
from livepeer_client.ports import GatewayBooks, TicketStore
from livepeer_client.types import MAX_UINT256, MAX_WIN_PROB, Address, Wei
from tests.client.adapters.stored_values import (
    EXPECTED_VALUE,
    RECIPIENT,
    SENDER,
    lease_of,
    make_batch,
    make_outcome,
    make_payment,
    make_sent,
    make_winner,
)
from tests.support.stores import books, store, under_test

__all__ = ["books", "store", "under_test"]  # the fixtures


# --- payments and debits --------------------------------------------------------------------------


async def test_record_payment__with_winners__returns_them_unchanged_oldest_first(store: TicketStore) -> None:
    winners = [make_winner(3), make_winner(1), make_winner(2)]
    await store.record_payment(make_payment(*winners[:2]))
    await store.record_payment(make_payment(winners[2]))
    tickets = await store.tickets()
    assert [ticket.winner for ticket in tickets] == winners
    assert [ticket.hash for ticket in tickets] == [winner.ticket.hash for winner in winners]
    assert {(ticket.state, ticket.paid, ticket.tx_hash) for ticket in tickets} == {(TicketState.HELD, 0, None)}


async def test_record_payment__without_credit_and_with_known_winners__changes_nothing(store: TicketStore) -> None:
    again = replace(make_payment(make_winner(1)), credited=Fraction(0))
    await store.record_payment(again)
    totals = await store.totals()
    await store.record_payment(again)
    assert await store.totals() == totals
    assert (totals.payments, totals.tickets_received) == (1, 3)
    await store.record_payment(replace(again, received=2, winners=(make_winner(1), make_winner(2))))
    assert (await store.totals()).tickets_received == 5


async def test_record_payment__widest_values__come_back_exactly(store: TicketStore) -> None:
    winner = make_winner(2**32 - 1, face_value=MAX_UINT256, rand=MAX_UINT256)
    await store.record_payment(make_payment(winner))
    assert (await store.tickets())[0].winner == winner
    assert (await store.totals()).winners_face_value == MAX_UINT256


async def test_record_payment__winner_known_and_paid__stays_paid(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    await store.mark([make_outcome(winner, TicketState.PAID, 10**15)], lease=await lease_of(store))
    await store.record_payment(make_payment(winner))
    (ticket,) = await store.tickets()
    assert (ticket.state, ticket.paid) == (TicketState.PAID, 10**15)
    assert (await store.totals()).payments == 2


async def test_totals__many_payments_and_debits__are_exact_fractions(store: TicketStore) -> None:
    for number in range(7):
        await store.record_payment(make_payment(session_id=f"session {number % 2}", received=number))
        await store.record_debit(
            Debit(SENDER, f"session {number % 2}", number, 100 + number, Fraction(number, 3 + number))
        )
    totals = await store.totals()
    assert totals.expected_value_credited == 21 * EXPECTED_VALUE
    assert totals.expected_value_credited.denominator > 1
    assert totals.fees_debited == sum(Fraction(number, 3 + number) for number in range(7))
    assert (totals.payments, totals.tickets_received, totals.segments, totals.pixels) == (7, 21, 7, 721)


async def test_totals__with_winners__count_states_and_amounts(store: TicketStore) -> None:
    winners = [make_winner(number, face_value=1000 + number) for number in range(5)]
    await store.record_payment(make_payment(*winners))
    await store.begin_batch(make_batch(1, winners[1]), lease=await lease_of(store))
    await store.mark(
        [
            make_outcome(winners[2], TicketState.PAID, 1002),
            make_outcome(winners[3], TicketState.UNDERPAID, 7),
            make_outcome(winners[4], TicketState.EXPIRED),
        ],
        lease=await lease_of(store),
    )
    totals = await store.totals()
    assert (totals.winners, totals.winners_face_value, totals.paid) == (5, 5010, 1009)
    assert totals.by_state == {
        TicketState.HELD: 1,
        TicketState.SENT: 1,
        TicketState.PAID: 1,
        TicketState.UNDERPAID: 1,
        TicketState.USED_ELSEWHERE: 0,
        TicketState.EXPIRED: 1,
        TicketState.INVALID: 0,
    }


async def test_totals__empty_store__are_zero(store: TicketStore) -> None:
    assert await store.totals() == OrchestratorTotals(
        0, 0, Fraction(0), 0, 0, Fraction(0), 0, Wei(0), Wei(0), dict.fromkeys(ticket_states.STORED, 0)
    )


async def test_tickets__by_state__returns_only_those(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(3)]
    await store.record_payment(make_payment(*winners))
    await store.mark(
        [make_outcome(winners[1], TicketState.EXPIRED, reason="validity over")], lease=await lease_of(store)
    )
    held = await store.tickets(TicketState.HELD)
    assert [ticket.winner for ticket in held] == [winners[0], winners[2]]
    assert [t.reason for t in await store.tickets(TicketState.EXPIRED, TicketState.PAID)] == ["validity over"]


# --- the end --------------------------------------------------------------------------------------


async def test_any_method__after_close__is_refused(store: TicketStore) -> None:
    await store.close()
    await store.close()
    with pytest.raises(StoreError):
        await store.tickets()


# --- a gateway's books ----------------------------------------------------------------------------


async def test_books__sent_and_answered__add_up_per_recipient(books: GatewayBooks) -> None:
    other = Address(bytes([0xCC] * 20))
    await books.record_sent(make_sent(1))
    await books.record_sent(make_sent(2, tickets=3))
    await books.record_sent(make_sent(3, tickets=0, recipient=other))
    await books.record_answer("payment-1", pixels=1000, fee=Fraction(1000, 7))
    assert await books.totals() == {
        RECIPIENT: GatewayTotals(
            payments=2,
            tickets_sent=5,
            expected_value_sent=5 * EXPECTED_VALUE,
            tickets_unanswered=3,
            expected_value_unanswered=3 * EXPECTED_VALUE,
            segments=1,
            pixels=1000,
            fees=Fraction(1000, 7),
        ),
        other: GatewayTotals(1, 0, Fraction(0), 0, Fraction(0), 0, 0, Fraction(0)),
    }


async def test_books__same_call_twice__counts_once(books: GatewayBooks) -> None:
    for _ in range(2):
        await books.record_sent(make_sent(1))
    for _ in range(2):
        await books.record_answer("payment-1", pixels=10, fee=Fraction(1, 3))
    await books.record_sent(make_sent(1))
    totals = (await books.totals())[RECIPIENT]
    assert (totals.payments, totals.segments, totals.fees, totals.tickets_unanswered) == (1, 1, Fraction(1, 3), 0)


async def test_books__same_id_other_figures__is_refused(books: GatewayBooks) -> None:
    await books.record_sent(make_sent(1))
    with pytest.raises(StoreError):
        await books.record_sent(make_sent(1, tickets=9))
    await books.record_answer("payment-1", pixels=10, fee=Fraction(1))
    with pytest.raises(StoreError):
        await books.record_answer("payment-1", pixels=11, fee=Fraction(1))


async def test_books__answer_to_an_unknown_payment__is_refused(books: GatewayBooks) -> None:
    with pytest.raises(StoreError):
        await books.record_answer("payment-1", pixels=10, fee=Fraction(1))
    assert await books.totals() == {}


async def test_books__fractions_beyond_any_decimal_limit__stay_exact(books: GatewayBooks) -> None:
    # 20,000 bits: more digits than Python converts to decimal.
    fee = Fraction(MAX_WIN_PROB**80, 3)
    await books.record_sent(make_sent(1))
    await books.record_answer("payment-1", pixels=1, fee=fee)
    assert (await books.totals())[RECIPIENT].fees == fee
