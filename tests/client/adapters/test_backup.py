"""Copies of a store made while its owner writes."""

import asyncio
import os
from pathlib import Path

import pytest

from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.adapters.sqlite.backup import backup
from livepeer_client.errors import StoreCorrupt, StoreError
from tests.client.adapters.stored_values import make_payment, make_winner


async def test_backup__while_the_owner_writes__holds_all_that_was_acknowledged_before(tmp_path: Path) -> None:
    path, copy = tmp_path / "tickets.sqlite", tmp_path / "copies" / "tickets.sqlite"
    copy.parent.mkdir()
    async with await SqliteTicketStore.open(path) as owner:
        for number in range(50):
            await owner.record_payment(make_payment(make_winner(number)))
        stop = asyncio.Event()

        async def write_on() -> int:
            number = 50
            while not stop.is_set():
                await owner.record_payment(make_payment(make_winner(number)))
                number += 1
            return number

        writing = asyncio.create_task(write_on())
        await backup(path, copy)
        stop.set()
        written = await writing
    assert os.listdir(copy.parent) == ["tickets.sqlite"]
    async with await SqliteTicketStore.open(copy) as restored:
        tickets, totals = await restored.tickets(), await restored.totals()
    # One moment: as many payments as winners, the first ones, without a gap.
    assert 50 <= len(tickets) <= written
    assert [ticket.winner.ticket.sender_nonce for ticket in tickets] == list(range(len(tickets)))
    assert totals.payments == len(tickets)


async def test_backup__onto_a_file_or_from_none__is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path, copy = tmp_path / "tickets.sqlite", tmp_path / "copy.sqlite"
    with pytest.raises(StoreError):
        await backup(path, copy)
    await (await SqliteTicketStore.open(path)).close()
    copy.write_text("mine")
    with pytest.raises(StoreError):
        await backup(path, copy)
    assert copy.read_text() == "mine"
    with pytest.raises(StoreError):
        await backup(path, tmp_path / "none" / "copy.sqlite")
    assert sorted(each for each in os.listdir(tmp_path) if "copy" in each) == ["copy.sqlite"]


async def test_backup__of_a_damaged_store__is_corrupt_and_leaves_no_copy(tmp_path: Path) -> None:
    path, copy = tmp_path / "tickets.sqlite", tmp_path / "copy.sqlite"
    async with await SqliteTicketStore.open(path) as store:
        await store.record_payment(make_payment(*(make_winner(number) for number in range(200))))
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt):
        await backup(path, copy)
    assert not copy.exists()
