"""What a journal of transactions promises, on disk and in memory."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from livepeer_client.adapters.fakes import MemoryTransactionJournal
from livepeer_client.adapters.sqlite import SqliteTransactionJournal
from livepeer_client.codec.keccak import keccak256
from livepeer_client.errors import StoreError
from livepeer_client.facts import Lane, Outgoing, SignedTransaction
from livepeer_client.ports import TransactionJournal
from livepeer_client.types import Address

KEY, OTHER = Address(b"\x01" * 20), Address(b"\x02" * 20)


def signed(raw: bytes, nonce: int) -> SignedTransaction:
    return SignedTransaction(raw, keccak256(raw), nonce)


def entry(nonce: int, key: Address = KEY) -> Outgoing:
    return Outgoing(key, nonce, Lane.FUNDS, (signed(b"first %d" % nonce, nonce),), signed_at=1.5)


@pytest.fixture(params=["sqlite", "memory"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TransactionJournal]:
    if request.param == "memory":
        yield MemoryTransactionJournal()
        return
    async with await SqliteTransactionJournal.open(tmp_path / "journal.sqlite") as found:
        yield found


async def test_outgoing__of_one_key__comes_in_order_of_nonce(journal: TransactionJournal) -> None:
    for each in (entry(7), entry(3), entry(5, OTHER)):
        await journal.record(each)
    assert await journal.outgoing(KEY) == [entry(3), entry(7)]


async def test_record__again__takes_the_place_of_the_former(journal: TransactionJournal) -> None:
    await journal.record(entry(3))
    after = replace(
        entry(3), transactions=(*entry(3).transactions, signed(b"second", 3)), sent=True, cancelled=1, lane=Lane.ROUND
    )
    await journal.record(after)
    assert await journal.outgoing(KEY) == [after]
    assert after.cancelled_by(signed(b"second", 3).tx_hash)
    assert not after.cancelled_by(signed(b"first 3", 3).tx_hash)


async def test_forget__known_or_not__leaves_the_others(journal: TransactionJournal) -> None:
    await journal.record(entry(3))
    await journal.record(entry(4))
    await journal.forget(KEY, 3)
    await journal.forget(KEY, 99)
    assert await journal.outgoing(KEY) == [entry(4)]


async def test_sqlite_journal__opened_again__has_what_was_recorded(tmp_path: Path) -> None:
    async with await SqliteTransactionJournal.open(tmp_path / "journal.sqlite") as first:
        await first.record(entry(3))
        with pytest.raises(StoreError):
            await SqliteTransactionJournal.open(tmp_path / "journal.sqlite")
    async with await SqliteTransactionJournal.open(tmp_path / "journal.sqlite") as second:
        assert await second.outgoing(KEY) == [entry(3)]
