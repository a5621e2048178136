"""What every store does with the orchestrators that a gateway has seen (offchain-network 1.2)."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

from livepeer_client.adapters.sqlite import SqliteGatewayBooks
from livepeer_client.adapters.sqlite.books import BOOKS_SCHEMA
from livepeer_client.adapters.sqlite.schema import Schema
from livepeer_client.adapters.sqlite.writer import Database
from livepeer_client.facts import KnownOrchestrator
from livepeer_client.ports import GatewayBooks, OrchestratorCache
from livepeer_client.types import NEVER_DEACTIVATES, Address, Round
from tests.support.stores import books, under_test

__all__ = ["books", "under_test"]  # the fixtures

ADA = KnownOrchestrator(
    Address(b"\xaa" * 20), "https://a.example:8935", 10**24, Round(90), NEVER_DEACTIVATES, Fraction(10**12, 3)
)
BOB = KnownOrchestrator(Address(b"\xbb" * 20), "", 7, Round(101), Round(120))


def plain(rows: list[KnownOrchestrator]) -> list[KnownOrchestrator]:
    return [replace(row, updated_at=0.0) for row in rows]


def cache(books: GatewayBooks) -> OrchestratorCache:
    """Both ports are one store."""
    return cast(OrchestratorCache, books)


async def test_known_orchestrators__saved_ones__come_back_by_falling_stake(books: GatewayBooks) -> None:
    store = cache(books)
    await store.save_orchestrators([BOB, ADA])
    rows = await store.known_orchestrators(Round(100))
    assert plain(rows) == [ADA, BOB]
    assert all(row.updated_at > 0 for row in rows)


async def test_known_orchestrators__left_before_the_round__are_not_told(books: GatewayBooks) -> None:
    store = cache(books)
    await store.save_orchestrators([ADA, BOB])
    assert plain(await store.known_orchestrators(Round(119))) == [ADA, BOB]
    assert plain(await store.known_orchestrators(Round(120))) == [ADA]


async def test_save_orchestrators__empty_uri_stake_or_price__keeps_the_old_one(books: GatewayBooks) -> None:
    store = cache(books)
    await store.save_orchestrators([ADA])
    await store.save_orchestrators([replace(ADA, service_uri="", stake=0, price=None, deactivation_round=Round(200))])
    assert plain(await store.known_orchestrators(Round(100))) == [replace(ADA, deactivation_round=Round(200))]


async def test_save_orchestrators__one_twice_and_none__stores_the_last(books: GatewayBooks) -> None:
    store = cache(books)
    await store.save_orchestrators([])
    await store.save_orchestrators([ADA, replace(ADA, stake=5)])
    assert plain(await store.known_orchestrators(Round(100))) == [replace(ADA, stake=5)]


async def test_open__books_of_the_first_schema__keep_their_payments_and_can_remember_orchestrators(
    tmp_path: Path,
) -> None:
    path = tmp_path / "books.sqlite"
    first = Schema(BOOKS_SCHEMA.name, BOOKS_SCHEMA.application_id, BOOKS_SCHEMA.migrations[:1])
    async with await Database.open(path, first) as database:
        await database.run(
            lambda connection: connection.execute(
                "INSERT INTO recipients VALUES (?, 1, 2, '3/1', 1, 10, '1/1')", (b"\xaa" * 20,)
            )
        )
    async with await SqliteGatewayBooks.open(path) as store:
        assert (await store.totals())[ADA.address].tickets_sent == 2
        await store.save_orchestrators([ADA])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
