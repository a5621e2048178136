"""Tickets exported from one store and imported into another."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livepeer_client.adapters.fakes import ManualClock, MemoryTicketStore
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.codec.signature import sign_personal
from livepeer_client.errors import InvalidInput, MalformedMessage, StoreError
from livepeer_client.facts import BatchState, Restored, StoredBatch, TicketState
from livepeer_client.policy.ticket_export import read_document, write_document
from livepeer_client.ports import TicketStore
from livepeer_client.services.ticket_transfer import export_tickets, import_tickets
from livepeer_client.types import MAX_UINT256, WinProb
from tests.client.adapters.stored_values import (
    lease_of,
    make_batch,
    make_block,
    make_outcome,
    make_replacement,
    settle,
)
from tests.support.redemption import OTHER_SENDER, SENDER, SENDER_KEY, make_winner, payment_of
from tests.support.stores import store, under_test

__all__ = ["store", "under_test"]  # the fixtures


async def fill(source: TicketStore) -> None:
    """A ticket in every state, batches open, mined and final."""
    winners = [make_winner(nonce, face_value=MAX_UINT256 if nonce == 9 else 10**16) for nonce in range(10)]
    await source.record_payment(payment_of(*winners))
    lease = await lease_of(source)
    for number, members in enumerate((winners[0:2], winners[2:4], winners[4:5])):
        await source.begin_batch(make_batch(number, *members), lease=lease)
    final, mined, open_ = (stored.batch for stored in await source.batches())
    paid = make_outcome(winners[0], TicketState.PAID, 10**16, final.transaction.tx_hash)
    await settle(source, final, [paid])
    await source.finalize_batch(final.id, lease=await lease_of(source))
    under = make_outcome(winners[2], TicketState.UNDERPAID, 7, mined.transaction.tx_hash, "reserve empty")
    await settle(source, mined, [under, make_outcome(winners[3], TicketState.USED_ELSEWHERE)])
    lease = await lease_of(source)
    await source.add_replacement(open_.id, make_replacement(2, 1), lease=lease)
    await source.mark([make_outcome(winners[5], TicketState.EXPIRED)], lease=lease)
    await source.mark([make_outcome(winners[6], TicketState.INVALID, reason="forged")], lease=lease)
    await source.hold([winners[7].ticket.hash], "asked the sender")


@pytest.fixture
async def document() -> str:
    async with MemoryTicketStore(ManualClock()) as source:
        await fill(source)
        return await export_tickets(source)


async def test_export__then_import__makes_the_same_store(store: TicketStore, tmp_path: Path) -> None:
    async with await SqliteTicketStore.open(tmp_path / "source.sqlite", clock=ManualClock()) as source:
        await fill(source)
        assert {ticket.state for ticket in await source.tickets()} >= set(TicketState) - {
            TicketState.READY,
            TicketState.ASSIGNED,
            TicketState.DEFERRED,
        }
        document = await export_tickets(source)
        assert await import_tickets(store, document) == Restored(10, 0, 3, 0)
        assert await store.tickets() == await source.tickets()
        assert await store.batches() == await source.batches()
        # And back, through whatever kind of store it was.
        assert await export_tickets(store) == document
        # What was open goes on there.
        (open_,) = await store.batches(BatchState.OPEN)
        await settle(store, open_.batch, [])


async def test_import__twice__adds_nothing_the_second_time(store: TicketStore, document: str) -> None:
    await import_tickets(store, document)
    before = (await store.tickets(), await store.batches())
    assert await import_tickets(store, document) == Restored(0, 10, 0, 3)
    assert (await store.tickets(), await store.batches()) == before


async def test_import__into_a_store_that_went_further__changes_nothing_there(store: TicketStore, document: str) -> None:
    winner = make_winner(8)
    await store.record_payment(payment_of(winner))
    await store.mark([make_outcome(winner, TicketState.PAID, 10**16)], lease=await lease_of(store))
    assert (await import_tickets(store, document)).known_tickets == 1
    ticket = await store.ticket(winner.ticket.hash)
    assert ticket is not None
    assert ticket.state is TicketState.PAID


async def test_import__open_batch_of_a_ticket_held_here__sends_it(store: TicketStore, document: str) -> None:
    winner = make_winner(4)
    await store.record_payment(payment_of(winner))
    await import_tickets(store, document)
    ticket = await store.ticket(winner.ticket.hash)
    assert ticket is not None
    (open_,) = await store.batches(BatchState.OPEN)
    assert (ticket.state, ticket.batch, ticket.tx_hash) == (
        TicketState.SENT,
        open_.id,
        open_.batch.transaction.tx_hash,
    )


async def test_import__open_batch_with_a_nonce_in_use__is_refused_whole(store: TicketStore, document: str) -> None:
    winner = make_winner(20)
    await store.record_payment(payment_of(winner))
    taken = replace(make_batch(2, winner), transactions=(make_replacement(2, 9),))
    await store.begin_batch(taken, lease=await lease_of(store))
    with pytest.raises(StoreError):
        await import_tickets(store, document)
    assert len(await store.tickets()) == 1


async def test_export__of_some_tickets__leaves_their_batches_behind_and_holds_what_was_sent(
    store: TicketStore,
) -> None:
    async with MemoryTicketStore() as source:
        ours, theirs = make_winner(1), make_winner(2, sender=OTHER_SENDER)
        await source.record_payment(payment_of(ours, theirs))
        await source.begin_batch(make_batch(1, ours, theirs), lease=await lease_of(source))
        document = await export_tickets(source, TicketState.SENT, sender=SENDER)
    assert await import_tickets(store, document) == Restored(1, 0, 0, 0)
    assert [(t.winner, t.state, t.batch, t.tx_hash) for t in await store.tickets()] == [
        (ours, TicketState.HELD, None, None)
    ]


# --- documents that do not hold -------------------------------------------------------------------


def in_ticket(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["tickets"][1].update(changes)


def in_batch(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["batches"][1].update(changes)


LOSING = replace(make_winner(1).ticket, win_prob=WinProb(0))
LOSER = replace(make_winner(1), ticket=LOSING, sig=sign_personal(SENDER_KEY, LOSING.hash))


@pytest.mark.parametrize(
    "spoil",
    [
        in_ticket(hash="0x" + "00" * 32),
        in_ticket(faceValue="1"),
        in_ticket(winProb=str(2**256)),
        in_ticket(winProb=1),
        in_ticket(sender="0x" + "31" * 20),
        in_ticket(recipientRand="8"),
        in_ticket(sig="0x" + "00" * 65),
        in_ticket(sig="0x00"),
        in_ticket(sig="00" * 65),
        in_ticket(senderNonce=True),
        in_ticket(senderNonce=-1),
        in_ticket(creationRound=2**63),
        in_ticket(state="ready"),
        in_ticket(state="lost"),
        in_ticket(paid="-1"),
        in_ticket(paid="\u0661"),
        in_ticket(reason=None),
        in_ticket(receivedAt="now"),
        in_ticket(txHash="0x12"),
        in_ticket(hash=LOSER.ticket.hash.hex(), winProb="0", sig=LOSER.sig.hex()),
        in_ticket(hash="0x" + LOSER.ticket.hash.hex(), winProb="0", sig="0x" + LOSER.sig.hex()),
        in_batch(id="0x" + "00" * 32),
        in_batch(nonce=7),
        in_batch(tickets=[]),
        in_batch(tickets=[{"hash": "0x" + "11" * 32}]),
        in_batch(transactions="none"),
        in_batch(state="open"),
        in_batch(mined="0x" + "11" * 32),
        in_batch(outcomes=[{"hash": "0x" + "11" * 32, "state": "paid", "paid": "1", "reason": ""}]),
        lambda document: document.update(tickets={}),
        lambda document: document.update(tickets=[1]),
        lambda document: document.update(version=2),
        lambda document: document.update(version=True),
        lambda document: document.update(format="other"),
    ],
)
async def test_import__document_that_does_not_hold__is_refused_whole(
    document: str, spoil: Callable[[dict[str, Any]], None]
) -> None:
    parsed = json.loads(document)
    spoil(parsed)
    async with MemoryTicketStore() as target:
        with pytest.raises(MalformedMessage):
            await import_tickets(target, json.dumps(parsed))
        assert (await target.tickets(), await target.batches()) == ([], [])


# Nested deeper than the interpreter goes by itself, and no deeper than its stack if a package has raised that limit.
TOO_DEEP = "[" * 5_000


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"format": "livepeer-tickets"}', "1" * 5000, TOO_DEEP])
def test_read_document__other_text__is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        read_document(text)


async def test_import__batch_without_its_tickets__is_invalid(store: TicketStore, document: str) -> None:
    parsed = json.loads(document)
    del parsed["tickets"][0]
    with pytest.raises(InvalidInput):
        await import_tickets(store, json.dumps(parsed))
    assert await store.tickets() == []


def test_write_document__nothing__is_read_back_as_nothing() -> None:
    tickets, batches = read_document(write_document([], []))
    assert (tickets, batches) == ([], [])


async def test_write_document__what_was_read__is_the_same_text(document: str) -> None:
    tickets, batches = read_document(document)
    assert write_document(tickets, batches) == document
    assert [type(batch) for batch in batches] == [StoredBatch] * 3
    assert [batch.block for batch in batches] == [make_block(1), make_block(1), None]
