"""Paid jobs per minute without a codec, and where the time of one goes.

    python tests/bench/load.py [--seconds 20] [--streams 8] [--bytes 258000] [--save]

First one stream alone, whose time per job is all overhead: credentials, payment, transfer, checks, accounting. Then
`--streams` at once for the rate. A job is a segment into one rendition, paid with tickets, on disk on both sides. The
parts are the gateway's wall time; `exchange` holds the orchestrator's share.

A segment has as many bytes as the median one of `soak.py`, two seconds of 640x360, and so has its rendition, which a
codec would make smaller. `by_size` has the same for others, so that what grows with the bytes can be told from what
does not: 375 kB are the 1.5 Mbit/s that the profile asks for. `floor` is what `floor_of_load.py` measures.
"""

import argparse
import asyncio
import functools
import json
import os
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))

import floor_of_load
from site_of_load import Site, opened, reconciled

from livepeer_client.codec.messages import VideoProfile
from livepeer_client.services.dispatch import StreamSession

RESULT: Final = Path(__file__).parent / "results" / "load.json"
SEGMENT_BYTES: Final = 258_000
SIZES: Final = (10_000, 40_000, 100_000, 258_000, 375_000, 1_000_000)
PROFILES: Final = (VideoProfile("P360p30fps16x9", 640, 360, 1_500_000, 30),)
WARM_UP: Final = 20
ROUNDS: Final = 5
GOAL_PER_MINUTE: Final = 3000
GOAL_P50_MS: Final = 5.0

Timed = dict[str, list[float]]


def time_parts(site: Site) -> Timed:
    """Have the parts of a job measured. What was awaited inside another part counts in both, as the names say."""
    parts: Timed = defaultdict(list)

    def timed(owner: Any, method: str, name: str) -> None:
        call: Callable[..., Awaitable[Any]] = getattr(owner, method)

        @functools.wraps(call)
        async def measured(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return await call(*args, **kwargs)
            finally:
                parts[name].append((time.perf_counter() - began) * 1000)

        setattr(owner, method, measured)

    timed(site.payer, "prepare", "payment: tickets signed and booked")
    timed(site.dispatcher.exchange, "_credentials", "credentials: hash and signature")
    timed(site.dispatcher.exchange.transport, "submit_segment", "exchange: sent, judged, worked, answered")
    timed(site.dispatcher.exchange.transport, "fetch", "rendition fetched")
    timed(site.payer, "settle", "accounting: charged in the books")
    return parts


async def run_stream(stream: StreamSession, data: bytes, until_s: float, took_ms: list[float]) -> None:
    seq = len(took_ms)
    while time.perf_counter() < until_s:
        # Another segment each time, or its hash could be kept.
        segment = seq.to_bytes(8, "big") + data
        began = time.perf_counter()
        await stream.submit(seq, segment, 2000)
        took_ms.append((time.perf_counter() - began) * 1000)
        seq += 1


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def by_size(site: Site, seconds: float) -> tuple[dict[int, dict[str, float]], int]:
    """Milliseconds of jobs of one stream by the size of their segments, and how many jobs there were.

    They take turns, so that what else the machine does strikes all of them.
    """
    took_ms: dict[int, list[float]] = {size: [] for size in SIZES}
    streams = {size: site.dispatcher.stream(PROFILES) for size in SIZES}
    for _ in range(ROUNDS):
        for size, stream in streams.items():
            until_s = time.perf_counter() + seconds / ROUNDS / len(SIZES)
            await run_stream(stream, os.urandom(size - 8), until_s, took_ms[size])
    found = {
        size: {"p50_ms": round(percentile(each, 0.5), 2), "p99_ms": round(percentile(each, 0.99), 2)}
        for size, each in took_ms.items()
    }
    return found, sum(map(len, took_ms.values()))


async def measure(seconds: float, streams: int, segment_bytes: int) -> dict[str, object]:
    data = os.urandom(segment_bytes - 8)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder), port, real=False) as site:
            alone = site.dispatcher.stream(PROFILES)
            for seq in range(WARM_UP):
                await alone.submit(seq, data + bytes([seq]), 2000)
            sizes, sized = await by_size(site, seconds)
            parts = time_parts(site)
            took_ms: list[float] = []
            await run_stream(alone, data, time.perf_counter() + seconds / 2, took_ms)
            where = {name: round(statistics.median(values), 3) for name, values in parts.items()}
            p50, p99 = percentile(took_ms, 0.5), percentile(took_ms, 0.99)

            many: list[list[float]] = [[] for _ in range(streams)]
            began, cpu = time.perf_counter(), cpu_s()
            await asyncio.gather(
                *(run_stream(site.dispatcher.stream(PROFILES), data, began + seconds, each) for each in many)
            )
            elapsed = time.perf_counter() - began
            cpu = cpu_s() - cpu
            together = [value for each in many for value in each]
            orchestrator_cpu = await site.stop_orchestrator()
            books = await reconciled(site)
    jobs = WARM_UP + sized + len(took_ms) + len(together)
    return {
        "segment_bytes": segment_bytes,
        "jobs": jobs,
        "alone": {
            "jobs": len(took_ms),
            "p50_ms": round(p50, 2),
            "p99_ms": round(p99, 2),
            "median_ms_of_parts": where,
            "rest_ms": round(p50 - sum(where.values()), 3),
        },
        "by_size": sizes,
        "floor_ms_by_size": await floor_of_load.measure(SIZES),
        "together": {
            "streams": streams,
            "jobs": len(together),
            "jobs_per_minute": round(len(together) / elapsed * 60),
            "p50_ms": round(percentile(together, 0.5), 2),
            "p99_ms": round(percentile(together, 0.99), 2),
            "gateway_cpu_ms_per_job": round(cpu / len(together) * 1000, 2),
            "orchestrator_cpu_ms_per_job": round(orchestrator_cpu / jobs * 1000, 2),
        },
        "books_of_both_sides": books,
        "goals": {"jobs_per_minute": GOAL_PER_MINUTE, "alone_p50_ms": GOAL_P50_MS},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--bytes", type=int, default=SEGMENT_BYTES, help="of a segment; few show what does not grow")
    parser.add_argument("--save", action="store_true", help="write the figures to results/load.json")
    given = parser.parse_args()
    result = asyncio.run(measure(given.seconds, given.streams, given.bytes))
    text = json.dumps(result, indent=2)
    print(text)
    if given.save:
        RESULT.write_text(text + "\n")
    together = result["together"]
    assert isinstance(together, dict)
    return 0 if together["jobs_per_minute"] >= GOAL_PER_MINUTE else 1


if __name__ == "__main__":
    sys.exit(main())
