"""Processes killed at every moment of every write, and what the store is found with."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from livepeer_client.adapters.postgres import PostgresTicketStore
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.facts import TicketState
from tests.client.adapters.kills import require_whole, write_until_killed
from tests.client.adapters.stored_values import make_payment, make_winner
from tests.support.postgres import Server, new_namespace
from tests.support.store_story import Story
from tests.support.stores import memory_folder

__all__ = ["memory_folder"]  # the fixture


async def chapters(folder: Path) -> list[object]:
    """What there is to see before the first step and after each."""
    async with await SqliteTicketStore.open(folder / "chapters.sqlite") as store:
        story = Story(store)
        seen = [await story.ending()]
        for step in story.steps:
            await step()
            seen.append(await story.ending())
        return seen


async def test_sqlite__killed_at_every_statement_of_every_write__is_before_or_after_it_and_goes_on(
    memory_folder: Path,
) -> None:
    script = Path(__file__).with_name("killed_story.py")
    told = await asyncio.to_thread(
        subprocess.run, [sys.executable, script, memory_folder], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    moments = [json.loads(line) for line in told.stdout.splitlines()]
    expected = await chapters(memory_folder)
    steps = len(expected) - 1
    assert moments.count("COMMIT") == moments.count("ANSWER") == steps
    assert len(moments) > 5 * steps
    commits = 0
    for number, moment in enumerate(moments):
        path = memory_folder / f"{number}.sqlite"
        log = path.with_suffix(".log")
        acknowledged = len(log.read_bytes().splitlines()) if log.exists() else 0
        async with await SqliteTicketStore.open(path) as store:
            story = Story(store)
            found = await story.ending()
            # An answer that was given, or that only the kill prevented, stands; without a commit nothing has happened.
            assert acknowledged <= commits
            commits += moment == "COMMIT"
            committed = commits - 1 if moment == "COMMIT" else commits
            assert found == expected[committed], f"killed at moment {number}: {moment}"
            await story.resume(min(acknowledged, steps))
            assert await story.ending() == expected[-1], f"resumed after moment {number}: {moment}"
    print(f"{len(moments)} kill points")


@pytest.mark.parametrize("acknowledged_before_kill", [1, 100])
async def test_postgres__client_killed_while_writing__loses_nothing_acknowledged(
    postgres_server: Server, acknowledged_before_kill: int
) -> None:
    async with new_namespace(postgres_server) as namespace:
        place = (postgres_server.dsn, namespace)
        acknowledged = await asyncio.to_thread(write_until_killed, acknowledged_before_kill, *place)
        assert len(acknowledged) >= acknowledged_before_kill
        async with await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) as store:
            kept = {ticket.winner.ticket.sender_nonce for ticket in await store.tickets()}
            require_whole(await store.totals(), acknowledged, kept)


async def test_postgres__two_redeemers_of_one_key__write_one_after_the_other_and_settle_each_ticket_once(
    postgres_server: Server,
) -> None:
    winners = [make_winner(number) for number in range(60)]
    script = Path(__file__).with_name("contending_redeemer.py")
    async with (
        new_namespace(postgres_server) as namespace,
        await PostgresTicketStore.open(postgres_server.dsn, namespace=namespace) as store,
    ):
        await store.record_payment(make_payment(*winners))
        redeemers = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, script, postgres_server.dsn, namespace, name),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for name in ("one", "two")
        ]
        for redeemer in redeemers:
            assert redeemer.stdout is not None
            assert await redeemer.stdout.readline() == b"ready\n"
        answers = await asyncio.gather(*(redeemer.communicate(b"go\n") for redeemer in redeemers))
        said = [out.decode().splitlines() for out, _ in answers]
        assert [redeemer.returncode for redeemer in redeemers] == [0, 0]
        batches = await store.batches()
        tickets = await store.tickets()
    # It happened: both had the lease, and each wrote too late at least once.
    assert all(lines.count("lost") for lines in said)
    leases = [{line for line in lines if line.startswith("token")} for lines in said]
    assert all(leases)
    assert not leases[0] & leases[1]
    # Once a newer token has written, no older one does.
    tokens = [int(batch.batch.transaction.raw.split()[1]) for batch in batches]
    assert tokens == sorted(tokens)
    assert len(set(tokens)) > 2
    assert [batch.batch.nonce for batch in batches] == list(range(60))
    assert {ticket.state for ticket in tickets} == {TicketState.PAID}
    assert sum(ticket.paid for ticket in tickets) == 60 * 10**15
