"""Payments stored per second: one commit each, and commits shared by callers that wait at once.

    python tests/bench/stores.py [--save]

Each payment brings a winner, a nonce and credit, and is on disk when its call returns: SQLite with `synchronous=FULL`,
PostgreSQL with `fsync` and `synchronous_commit`, in files beside each other. The cases are interleaved, and a ratio is
the median over the repeats. `two processes` are two PostgreSQL stores in this one, with a connection each.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Final

from livepeer_client.adapters.postgres import PostgresTicketStore
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.facts import ReceivedNonces, ReceivedPayment
from livepeer_client.ports import TicketStore
from livepeer_client.types import BlockNumber, Hash32

ROOT: Final = Path(__file__).resolve().parents[2]
# Some package installs a `tests` of its own, which would hide ours from a script.
_ours = ModuleType("tests")
_ours.__path__ = [str(ROOT / "tests")]
sys.modules["tests"] = _ours

from tests.client.adapters.stored_values import SENDER, make_winner  # noqa: E402 - only now can it be found
from tests.support.postgres import Server, find_binaries  # noqa: E402

RESULT: Final = Path(__file__).parent / "results" / "stores.json"
REPEATS: Final = 7
ALONE: Final = 100
"""Payments one after the other."""
TOGETHER: Final = 1000
"""Payments by `CALLERS` at once."""
CALLERS: Final = 100
_numbers = itertools.count()


def payment() -> ReceivedPayment:
    """A payment like no other, in one of ten sessions."""
    number = next(_numbers)
    nonces = ReceivedNonces(Hash32((number // 600).to_bytes(32, "big")), BlockNumber(2**40), (number % 600,))
    return ReceivedPayment(SENDER, f"session {number % 10}", 1, Fraction(10**15, 7), (make_winner(number),), nonces)


async def rate(stores: Sequence[TicketStore], callers: int, count: int) -> float:
    """Payments per second."""
    payments = [payment() for _ in range(count)]
    queue = iter(payments)

    async def caller(store: TicketStore) -> None:
        for each in queue:
            await store.record_payment(each)

    start = time.perf_counter()
    await asyncio.gather(*(caller(stores[number % len(stores)]) for number in range(callers)))
    return count / (time.perf_counter() - start)


async def measure(folder: Path, server: Server) -> dict[str, list[float]]:
    dsn = server.dsn
    async with (
        await SqliteTicketStore.open(folder / "tickets.sqlite") as sqlite,
        await PostgresTicketStore.open(dsn) as postgres,
        await PostgresTicketStore.open(dsn) as second,
    ):
        cases: dict[str, tuple[Sequence[TicketStore], int, int]] = {
            "SQLite, a commit each": ([sqlite], 1, ALONE),
            "SQLite, shared commits": ([sqlite], CALLERS, TOGETHER),
            "PostgreSQL, a commit each": ([postgres], 1, ALONE),
            "PostgreSQL, shared commits": ([postgres], CALLERS, TOGETHER),
            "PostgreSQL, shared commits, two processes": ([postgres, second], CALLERS, TOGETHER),
        }
        found: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(REPEATS):
            for name, (stores, callers, count) in cases.items():
                found[name].append(await rate(stores, callers, count))
        for store in (sqlite, postgres):
            totals = await store.totals()
            assert totals.payments == totals.winners
        return found


def ratios(found: dict[str, list[float]]) -> dict[str, float]:
    return {
        f"{name}: shared / one each": statistics.median(
            shared / alone
            for shared, alone in zip(found[f"{name}, shared commits"], found[f"{name}, a commit each"], strict=True)
        )
        for name in ("SQLite", "PostgreSQL")
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.relative_to(ROOT)}")
    save = parser.parse_args().save
    binaries = find_binaries()
    if binaries is None:
        sys.exit("PostgreSQL's programs are not installed")
    server = Server(binaries, durable=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(measure(Path(folder), server))
    finally:
        server.stop()
    per_second = {name: round(statistics.median(rates)) for name, rates in found.items()}
    shown = {name: round(ratio, 1) for name, ratio in ratios(found).items()}
    for name, figure in per_second.items():
        print(f"{name:45} {figure:>8} payments per second")
    for name, figure in shown.items():
        print(f"{name:45} {figure:>8}")
    if save:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps({"payments_per_second": per_second, "ratios": shown}, indent=1) + "\n")


if __name__ == "__main__":
    main()
