"""What each vector about ticket stores claims, asserted against the library."""

import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livepeer_client.adapters.fakes import MemoryTicketStore
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.errors import MalformedMessage, TicketStateRefused
from livepeer_client.facts import Lease, TicketOutcome, TicketState
from livepeer_client.policy.redemption import Action, RedemptionPolicy, plan
from livepeer_client.policy.ticket_export import read_document, write_document
from livepeer_client.ports import TicketStore
from livepeer_client.types import MAX_UINT32, MAX_UINT256, Wei
from tests.support.redemption import OTHER_SENDER, ROUND, SENDER, make_facts, make_stored, make_winner, payment_of
from tests.support.vectors import Check, Entry, Excluded

REMOVED = "removing an absent sig is not an error"


@asynccontextmanager
async def stores() -> AsyncIterator[list[TicketStore]]:
    """One on disk, one in memory."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            await SqliteTicketStore.open(Path(folder) / "tickets.sqlite") as on_disk,
            MemoryTicketStore() as in_memory,
        ):
            yield [on_disk, in_memory]


async def check_ticket_store(entry: Entry) -> None:
    if "nil" in entry["name"]:
        check_nil(entry)
        return
    async with stores() as both:
        for store in both:
            await _CLAIMS[entry["name"]](store, entry)


def check_nil(entry: Entry) -> None:
    """Nothing can be missing from a value here, but from a document it can."""
    document = json.loads(write_document([make_stored(1)], []))
    missing = entry["name"].removeprefix("nil ")
    assert entry["errorContains"] == f"nil {missing}"
    if missing == "ticket":
        document["tickets"][0] = None
    else:
        document["tickets"][0][missing] = None
    with pytest.raises(MalformedMessage, match=r"tickets\[0\]" if missing == "ticket" else f"`{missing}`"):
        read_document(json.dumps(document))


async def mark(store: TicketStore, state: TicketState, *hashes: Any) -> None:
    lease: Lease = await store.acquire_lease("redeem", "vectors", 60)
    await store.mark([TicketOutcome(hash_, state, Wei(0), None, "") for hash_ in hashes], lease=lease)


async def fill(store: TicketStore) -> list[int]:
    """Tickets too old, redeemed, of another sender, and two that count. :returns: the nonces of those, oldest first."""
    winners = [
        make_winner(1, creation_round=ROUND - 2),
        make_winner(2),
        make_winner(3, sender=OTHER_SENDER),
        make_winner(5),
        make_winner(4),
    ]
    await store.record_payment(payment_of(*winners))
    await mark(store, TicketState.PAID, winners[1].ticket.hash)
    # Below the lowest creation round is what can no longer be redeemed; the plan finds it.
    planned = plan(await store.tickets(TicketState.HELD), make_facts(), RedemptionPolicy())
    await mark(store, TicketState.EXPIRED, *(each.hash for each in planned.decisions if each.action is Action.EXPIRE))
    return [5, 4]


async def counts(store: TicketStore, _: Entry) -> None:
    nonces = await fill(store)
    assert {risk.sender: risk.tickets for risk in await store.value_at_risk()} == {
        SENDER: len(nonces),
        OTHER_SENDER: 1,
    }


async def selects_the_earliest(store: TicketStore, _: Entry) -> None:
    nonces = await fill(store)
    page = await store.page(TicketState.HELD, sender=SENDER, limit=1)
    assert [ticket.winner.ticket.sender_nonce for ticket in page.tickets] == nonces[:1]


async def refuses_the_unknown(store: TicketStore, entry: Entry) -> None:
    assert entry["error"].startswith("no record found")
    hash_ = make_winner(1).ticket.hash
    with pytest.raises(TicketStateRefused) as refused:
        await mark(store, TicketState.PAID, hash_)
    assert (refused.value.ticket, refused.value.state) == (hash_, None)


async def keeps_the_widest(store: TicketStore, _: Entry) -> None:
    widest = make_winner(MAX_UINT32, face_value=MAX_UINT256)
    assert widest.ticket.win_prob == MAX_UINT256
    widest = replace(widest, recipient_rand=MAX_UINT256)
    await store.record_payment(payment_of(widest))
    assert [ticket.winner for ticket in await store.tickets()] == [widest]


_CLAIMS: dict[str, Callable[[TicketStore, Entry], Awaitable[None]]] = {
    "count ignores other senders, redeemed rows and creationRound < min": counts,
    "mark unknown sig": refuses_the_unknown,
    "earliest = oldest createdAt with creationRound >= min and not redeemed": selects_the_earliest,
    "faceValue and winProb = 2^256-1, nonce = 2^32-1 round-trip": keeps_the_widest,
}

CHECKS: dict[str, Check] = {"ticket_store": check_ticket_store}

EXCLUDED: Excluded = {("ticket_store", REMOVED): "no store removes a winner: it ends in a state, with evidence"}
