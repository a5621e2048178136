"""Any history of calls, told to a store in memory, one in SQLite and one in PostgreSQL: they give the same answers."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from livepeer_client.adapters.fakes import ManualClock, MemoryTicketStore
from livepeer_client.adapters.postgres import PostgresTicketStore
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.errors import InvalidInput, StoreError
from livepeer_client.facts import BatchState, ReceivedNonces, TicketState
from livepeer_client.policy.ticket_states import REDEEMED, STORED, TRANSITIONS
from livepeer_client.ports import TicketStore
from livepeer_client.types import BlockNumber, Hash32
from tests.client.adapters.stored_values import (
    lease_of,
    make_batch,
    make_block,
    make_outcome,
    make_payment,
    make_replacement,
    make_winner,
)
from tests.support.postgres import TABLES, Server, new_namespace
from tests.support.stores import memory_folder

__all__ = ["memory_folder"]  # the fixture

QUOTE = Hash32(bytes([1] * 32))
WINNERS = [make_winner(number) for number in range(4)]
BATCHES = [make_batch(number, *WINNERS[at : at + 2]) for number, at in enumerate((0, 1, 2, 0, 1))]
OUTCOMES = [state for state in STORED if state is not TicketState.SENT]
MOVES = frozenset((entry.source, entry.target) for entry in TRANSITIONS)

KINDS = (
    *("pay", "begin", "begin", "begin", "replace", "settle", "settle", "settle", "settle"),
    *("reopen", "reopen", "finalize", "finalize", "replace", "mark", "hold", "revive", "revive"),
)
"""A batch goes through several steps, so those are told more often."""

HISTORIES = 25

Call = Callable[[TicketStore], Awaitable[Any]]


def any_call(chance: random.Random) -> tuple[str, Call]:
    """One call with its name; what it is called on may refuse it."""
    kind = chance.choice(KINDS)
    batch, winner = chance.choice(BATCHES), chance.choice(WINNERS)
    hash_ = winner.ticket.hash

    async def pay(store: TicketStore) -> Any:
        nonces = ReceivedNonces(QUOTE, BlockNumber(9), (winner.ticket.sender_nonce,))
        session = await store.record_payment(replace(make_payment(winner), nonces=nonces))
        return session.balance

    async def begin(store: TicketStore) -> None:
        await store.begin_batch(batch, lease=await lease_of(store))

    bump = chance.randint(1, 2)

    async def add(store: TicketStore) -> None:
        await store.add_replacement(batch.id, make_replacement(batch.nonce, bump), lease=await lease_of(store))

    outcomes = []
    for member in batch.tickets:
        state = chance.choice((None, TicketState.PAID, *OUTCOMES))
        if state is not None:
            paid = 7 if state in REDEEMED else 0
            tx_hash = batch.transaction.tx_hash if state in REDEEMED else None
            known = next(each for each in WINNERS if each.ticket.hash == member)
            outcomes.append(make_outcome(known, state, paid, tx_hash))
    block = make_block(chance.randint(1, 2))
    mined = chance.choice((None, batch.transaction.tx_hash))

    async def settle(store: TicketStore) -> None:
        await store.settle_batch(batch.id, outcomes, mined=mined, block=block, lease=await lease_of(store))

    async def reopen(store: TicketStore) -> None:
        await store.reopen_batch(batch.id, lease=await lease_of(store))

    async def finalize(store: TicketStore) -> None:
        await store.finalize_batch(batch.id, lease=await lease_of(store))

    evidence = make_outcome(winner, chance.choice(OUTCOMES), chance.randint(0, 1))

    async def mark(store: TicketStore) -> None:
        await store.mark([evidence], lease=await lease_of(store))

    held = chance.randrange(4) == 0

    async def hold(store: TicketStore) -> None:
        await (store.hold([hash_], "note") if held else store.release([hash_]))

    async def revive(store: TicketStore) -> None:
        await store.revive([hash_], "again")

    found: dict[str, Call] = {
        "pay": pay,
        "begin": begin,
        "replace": add,
        "settle": settle,
        "reopen": reopen,
        "finalize": finalize,
        "mark": mark,
        "hold": hold,
        "revive": revive,
    }
    return kind, found[kind]


async def answer(call: Call, store: TicketStore) -> Any:
    try:
        return await call(store)
    except (StoreError, InvalidInput) as refusal:
        return type(refusal)


async def look(store: TicketStore) -> Any:
    return (
        [replace(ticket, received_at=0.0) for ticket in await store.tickets()],
        [replace(batch, began_at=0.0) for batch in await store.batches()],
        await store.totals(),
        [(risk.sender, risk.tickets, risk.held, risk.sent) for risk in await store.value_at_risk()],
    )


async def tell(history: list[tuple[str, Call]], stores: Sequence[TicketStore], applied: Counter[str]) -> None:
    before = {ticket.hash: ticket.state for ticket in await stores[0].tickets()}
    for name, call in history:
        answers = [await answer(call, store) for store in stores]
        assert all(each == answers[0] for each in answers), (name, answers)
        looks = [await look(store) for store in stores]
        assert all(each == looks[0] for each in looks), name
        after = {ticket.hash: ticket.state for ticket in looks[0][0]}
        moved = {(before.get(hash_), state) for hash_, state in after.items() if before.get(hash_) is not state}
        assert moved <= MOVES, (name, moved)
        if not isinstance(answers[0], type):
            applied[name] += 1
        before = after
        require_invariants(*looks[0][:2])


def require_invariants(tickets: list[Any], stored: list[Any]) -> None:
    """A ticket is SENT by one open batch that lists it, and what is paid is what some settled batch or mark says."""
    open_ = {batch.id: batch.batch for batch in stored if batch.state is BatchState.OPEN}
    for ticket in tickets:
        if ticket.state is TicketState.SENT:
            assert ticket.hash in open_[ticket.batch].tickets
            assert ticket.tx_hash == open_[ticket.batch].transaction.tx_hash
        if ticket.paid:
            assert ticket.state in (*REDEEMED, *OUTCOMES)
    nonces = [(batch.key, batch.nonce) for batch in open_.values()]
    assert len(set(nonces)) == len(nonces)


@pytest.mark.timeout(300)
def test_stores__any_history__agree_and_every_move_is_in_the_table(
    postgres_server: Server, memory_folder: Path
) -> None:
    applied: Counter[str] = Counter()
    numbers = itertools.count()

    async def play(history: list[tuple[str, Call]], shared: PostgresTicketStore, admin: Any) -> None:
        for table in TABLES:
            await admin.execute(f"DELETE FROM {table}")
        path = memory_folder / f"{next(numbers)}.sqlite"
        async with (
            await SqliteTicketStore.open(path, clock=ManualClock()) as on_disk,
            MemoryTicketStore(ManualClock()) as in_memory,
        ):
            stores = [on_disk, in_memory, shared]
            # With tickets and a batch from the start the rest is worth telling.
            for store in stores:
                await store.record_payment(make_payment(*WINNERS[:3]))
                await store.begin_batch(BATCHES[0], lease=await lease_of(store))
            await tell(history, stores, applied)

    with asyncio.Runner() as runner:
        opened = AsyncExitStack()
        namespace = runner.run(opened.enter_async_context(new_namespace(postgres_server)))
        shared = runner.run(PostgresTicketStore.open(postgres_server.dsn, namespace=namespace))
        admin = runner.run(asyncpg.connect(postgres_server.dsn, server_settings={"search_path": namespace}))

        try:
            # Calls drawn evenly: what finds small examples would repeat the same few. The same in every run.
            for seed in range(HISTORIES):
                print("history", seed)
                chance = random.Random(seed)
                runner.run(play([any_call(chance) for _ in range(35)], shared, admin))
        finally:
            runner.run(admin.close())
            runner.run(shared.close())
            runner.run(opened.aclose())
    print(dict(applied))
    # It moved: every kind of call was accepted some times.
    assert set(applied) == set(KINDS)
    assert min(applied.values()) >= 3
