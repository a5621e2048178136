"""What `ports.TicketStore` and `ports.GatewayBooks` promise, asked of every implementation."""

from collections.abc import AsyncIterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.adapters.fakes import MemoryGatewayBooks, MemoryTicketStore
from livepeer_client.adapters.sqlite import SqliteGatewayBooks, SqliteTicketStore
from livepeer_client.errors import InvalidInput, StoreError
from livepeer_client.facts import Debit, GatewayTotals, OrchestratorTotals, TicketState
from livepeer_client.ports import GatewayBooks, TicketStore
from livepeer_client.types import MAX_UINT256, MAX_WIN_PROB, Address, Wei
from tests.client.adapters.stored_values import (
    EXPECTED_VALUE,
    RECIPIENT,
    SENDER,
    make_batch,
    make_outcome,
    make_payment,
    make_sent,
    make_transaction,
    make_winner,
)


@pytest.fixture(params=["sqlite", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TicketStore]:
    if request.param == "sqlite":
        async with await SqliteTicketStore.open(tmp_path / "tickets.sqlite") as on_disk:
            yield on_disk
    else:
        async with MemoryTicketStore() as in_memory:
            yield in_memory


@pytest.fixture(params=["sqlite", "memory"])
async def books(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[GatewayBooks]:
    if request.param == "sqlite":
        async with await SqliteGatewayBooks.open(tmp_path / "books.sqlite") as on_disk:
            yield on_disk
    else:
        async with MemoryGatewayBooks() as in_memory:
            yield in_memory


async def states(store: TicketStore) -> list[TicketState]:
    return [ticket.state for ticket in await store.tickets()]


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
    await store.mark([make_outcome(winner, TicketState.PAID, 10**15)])
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
    await store.begin_batch(make_batch(1, winners[1]))
    await store.mark(
        [
            make_outcome(winners[2], TicketState.PAID, 1002),
            make_outcome(winners[3], TicketState.UNDERPAID, 7),
            make_outcome(winners[4], TicketState.EXPIRED),
        ]
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
    }


async def test_totals__empty_store__are_zero(store: TicketStore) -> None:
    assert await store.totals() == OrchestratorTotals(
        0, 0, Fraction(0), 0, 0, Fraction(0), 0, Wei(0), Wei(0), dict.fromkeys(TicketState, 0)
    )


async def test_tickets__by_state__returns_only_those(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(3)]
    await store.record_payment(make_payment(*winners))
    await store.mark([make_outcome(winners[1], TicketState.EXPIRED, reason="validity over")])
    held = await store.tickets(TicketState.HELD)
    assert [ticket.winner for ticket in held] == [winners[0], winners[2]]
    assert [t.reason for t in await store.tickets(TicketState.EXPIRED, TicketState.PAID)] == ["validity over"]


# --- batches --------------------------------------------------------------------------------------


async def test_begin_batch__held_tickets__stores_the_transaction_and_marks_them_sent(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(3)]
    await store.record_payment(make_payment(*winners))
    batch = make_batch(1, winners[2], winners[0])
    await store.begin_batch(batch)
    assert await store.open_batches() == [batch]
    assert await states(store) == [TicketState.SENT, TicketState.HELD, TicketState.SENT]
    assert (await store.tickets(TicketState.SENT))[0].tx_hash == batch.transaction.tx_hash


async def test_begin_batch__ticket_in_an_open_batch__is_refused_whole(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(2)]
    await store.record_payment(make_payment(*winners))
    first = make_batch(1, winners[0])
    await store.begin_batch(first)
    with pytest.raises(StoreError):
        await store.begin_batch(make_batch(2, winners[1], winners[0]))
    assert await store.open_batches() == [first]
    assert await states(store) == [TicketState.SENT, TicketState.HELD]


async def test_begin_batch__unknown_or_settled_ticket__is_refused(store: TicketStore) -> None:
    winner = make_winner(1)
    with pytest.raises(StoreError):
        await store.begin_batch(make_batch(1, winner))
    await store.record_payment(make_payment(winner))
    await store.mark([make_outcome(winner, TicketState.PAID, 1)])
    with pytest.raises(StoreError):
        await store.begin_batch(make_batch(1, winner))
    assert await store.open_batches() == []


async def test_begin_batch__same_transaction_twice__is_refused(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(2)]
    await store.record_payment(make_payment(*winners))
    await store.begin_batch(make_batch(1, winners[0]))
    with pytest.raises(StoreError):
        await store.begin_batch(make_batch(1, winners[1]))


async def test_begin_batch__empty_or_with_a_ticket_twice__is_invalid(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    with pytest.raises(InvalidInput):
        await store.begin_batch(make_batch(1))
    with pytest.raises(InvalidInput):
        await store.begin_batch(make_batch(1, winner, winner))


async def test_settle_batch__with_evidence__records_it_and_holds_the_rest(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(4)]
    await store.record_payment(make_payment(*winners))
    batch = make_batch(1, *winners)
    await store.begin_batch(batch)
    tx_hash = batch.transaction.tx_hash
    await store.settle_batch(
        tx_hash,
        [
            make_outcome(winners[0], TicketState.PAID, 10**15, tx_hash),
            make_outcome(winners[1], TicketState.UNDERPAID, 5, tx_hash, "reserve empty"),
            make_outcome(winners[2], TicketState.USED_ELSEWHERE, reason="usedTickets"),
        ],
    )
    tickets = await store.tickets()
    assert await store.open_batches() == []
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
    await store.begin_batch(first)
    await store.settle_batch(first.transaction.tx_hash, [])
    await store.begin_batch(second)
    await store.settle_batch(first.transaction.tx_hash, [])
    assert await states(store) == [TicketState.SENT]
    assert await store.open_batches() == [second]


async def test_settle_batch__unknown_batch_or_ticket_outside_it__is_refused(store: TicketStore) -> None:
    winners = [make_winner(number) for number in range(2)]
    await store.record_payment(make_payment(*winners))
    batch = make_batch(1, winners[0])
    await store.begin_batch(batch)
    with pytest.raises(StoreError):
        await store.settle_batch(make_transaction(9).tx_hash, [])
    with pytest.raises(StoreError):
        await store.settle_batch(batch.transaction.tx_hash, [make_outcome(winners[1], TicketState.PAID, 1)])
    assert await store.open_batches() == [batch]


# --- evidence outside batches ---------------------------------------------------------------------


async def test_mark__same_evidence_twice__changes_nothing(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    for _ in range(2):
        await store.mark([make_outcome(winner, TicketState.EXPIRED, reason="validity over")])
    assert await states(store) == [TicketState.EXPIRED]


async def test_mark__used_elsewhere_then_found_paid__is_paid(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    await store.mark([make_outcome(winner, TicketState.USED_ELSEWHERE)])
    await store.mark([make_outcome(winner, TicketState.PAID, 5)])
    assert await states(store) == [TicketState.PAID]


@pytest.mark.parametrize("wrong", [TicketState.HELD, TicketState.EXPIRED, TicketState.USED_ELSEWHERE])
async def test_mark__against_a_final_state__is_refused_with_everything_beside_it(
    store: TicketStore, wrong: TicketState
) -> None:
    winners = [make_winner(number) for number in range(2)]
    await store.record_payment(make_payment(*winners))
    await store.mark([make_outcome(winners[1], TicketState.PAID, 5)])
    with pytest.raises(StoreError):
        await store.mark([make_outcome(winners[0], TicketState.EXPIRED), make_outcome(winners[1], wrong)])
    assert await states(store) == [TicketState.HELD, TicketState.PAID]


async def test_mark__ticket_in_an_open_batch_or_unknown__is_refused(store: TicketStore) -> None:
    winner = make_winner(1)
    with pytest.raises(StoreError):
        await store.mark([make_outcome(winner, TicketState.EXPIRED)])
    await store.record_payment(make_payment(winner))
    await store.begin_batch(make_batch(1, winner))
    with pytest.raises(StoreError):
        await store.mark([make_outcome(winner, TicketState.EXPIRED)])


async def test_mark__as_sent_or_twice_in_one_call__is_invalid(store: TicketStore) -> None:
    winner = make_winner(1)
    await store.record_payment(make_payment(winner))
    with pytest.raises(InvalidInput):
        await store.mark([make_outcome(winner, TicketState.SENT)])
    with pytest.raises(InvalidInput):
        await store.mark([make_outcome(winner, TicketState.PAID, 1), make_outcome(winner, TicketState.EXPIRED)])


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
