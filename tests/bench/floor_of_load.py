"""What a paid job costs before any code of ours has run: its two HTTP exchanges, four hashes and four commits.

The exchanges go through bare aiohttp to a process of its own, over TLS and with the same certificate; each commit is a
row that SQLite has on disk. All of them follow from one another: nobody signs a segment that is not hashed, sends a
payment that is not booked, or takes a rendition that does not carry the seller's signature.
"""

import asyncio
import contextlib
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from livepeer_client.adapters.tls import server_context
from livepeer_client.codec.keccak import keccak256

HASHES: Final = 4
"""Segment and rendition, each by both sides."""
COMMITS: Final = 4
"""Payment and charge, each by both sides."""
REPEATS: Final = 100
HEADERS: Final = {"Livepeer-Payment": "p" * 800, "Livepeer-Segment": "s" * 700}
ANSWER: Final = b"a" * 600


async def serve(folder: Path) -> None:
    """Keep what is posted and give it back, until the standard input ends; prints the port."""
    kept = b""

    async def take(request: web.Request) -> web.StreamResponse:
        nonlocal kept
        kept = await request.read()
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write_eof(ANSWER)
        return response

    async def give(_: web.Request) -> web.Response:
        return web.Response(body=kept)

    app = web.Application(client_max_size=1 << 30)
    app.add_routes([web.post("/", take), web.get("/", give)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = server_context(folder / "bare.pem", "127.0.0.1", time.time())
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@contextlib.asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, str(folder), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"https://127.0.0.1:{int(await process.stdout.readline())}/"
    finally:
        process.stdin.close()
        await process.wait()


def _hash_ms(data: bytes) -> float:
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        keccak256(data)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def _commit_ms(path: Path) -> float:
    took = []
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("PRAGMA synchronous=FULL")
        store.execute("CREATE TABLE rows (row BLOB)")
        for _ in range(REPEATS):
            began = time.perf_counter()
            store.execute("INSERT INTO rows VALUES (?)", (os.urandom(200),))
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


async def _exchanges_ms(session: aiohttp.ClientSession, url: str, data: bytes) -> float:
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        async with session.post(url, data=data, headers=HEADERS) as response:
            await response.read()
        async with session.get(url) as response:
            await response.read()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


async def measure(sizes: Sequence[int]) -> dict[int, dict[str, float]]:
    """Milliseconds of each part, medians, by bytes of a segment."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        connector = aiohttp.TCPConnector(ssl=False)
        async with _served(folder) as url, aiohttp.ClientSession(connector=connector) as session:
            for size in sizes:
                data = os.urandom(size)
                parts = {
                    "two exchanges over TLS": await _exchanges_ms(session, url, data),
                    "four hashes": HASHES * _hash_ms(data),
                    "four commits": COMMITS * _commit_ms(folder / f"{size}.sqlite"),
                }
                found[size] = {part: round(ms, 2) for part, ms in parts.items()} | {
                    "sum": round(sum(parts.values()), 2)
                }
    return found


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
