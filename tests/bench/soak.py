"""Ten streams at once, really transcoded, for as long as one likes: nothing lost, memory level, books equal to the wei.

    python tests/bench/soak.py [--minutes 10] [--streams 10] [--save]

Each stream pushes a segment of two seconds of 640x360 every two seconds, as a camera does, and has it made into one
rendition. Memory of both processes is sampled every five seconds; the samples are the data of a plot.
"""

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent))

from site_of_load import Site, opened, reconciled

from livepeer_client.adapters.media import GeneratedVideo
from livepeer_client.codec.messages import VideoProfile
from livepeer_client.errors import LivepeerError

RESULT: Final = Path(__file__).parent / "results" / "soak.json"
PROFILES: Final = (VideoProfile("P144p30fps16x9", 256, 144, 400_000, 30),)
SEGMENT_S: Final = 2.0
SAMPLE_S: Final = 5.0
SETTLED_S: Final = 60.0
ALLOWED_GROWTH: Final = 0.1
"""After the first minute resident memory may differ by so much from what it was then."""
DIFFERENT: Final = 30
"""Source segments; after them they come again, with other numbers and so with other signatures."""


async def sources() -> list[bytes]:
    return [
        data async for _, data, _ in GeneratedVideo(640, 360, 30, 2, count=DIFFERENT, preset="ultrafast").segments()
    ]


async def camera(site: Site, data: list[bytes], until_s: float, lost: list[str], took_s: list[float]) -> None:
    stream = site.dispatcher.stream(PROFILES)

    async def push(seq: int) -> None:
        began = time.monotonic()
        try:
            await stream.submit(seq, data[seq % len(data)], int(SEGMENT_S * 1000))
        except LivepeerError as error:
            lost.append(f"{seq}: {error}")
        took_s.append(time.monotonic() - began)

    seq, pushes = 0, set[asyncio.Task[None]]()
    began = time.monotonic()
    while time.monotonic() < until_s:
        task = asyncio.create_task(push(seq))
        pushes.add(task)
        task.add_done_callback(pushes.discard)
        seq += 1
        await asyncio.sleep(max(0.0, began + seq * SEGMENT_S - time.monotonic()))
    await asyncio.gather(*pushes)
    await stream.close()


async def sample(site: Site, samples: list[tuple[float, float, float]]) -> None:
    began = time.monotonic()
    while True:
        samples.append((round(time.monotonic() - began, 1), *(round(mib, 1) for mib in site.rss_mib())))
        await asyncio.sleep(SAMPLE_S)


async def measure(minutes: float, streams: int, patience: float) -> dict[str, object]:
    data = await sources()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    lost: list[str] = []
    took_s: list[float] = []
    samples: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder), port, real=True) as site:
            site.dispatcher.rules = replace(site.dispatcher.rules, timeout_multiplier=patience)
            sampling = asyncio.create_task(sample(site, samples))
            until_s = time.monotonic() + minutes * 60
            await asyncio.gather(*(camera(site, data, until_s, lost, took_s) for _ in range(streams)))
            sampling.cancel()
            cpu = await site.stop_orchestrator()
            books = await reconciled(site, complete=not lost)
    settled = [each for each in samples if each[0] >= min(SETTLED_S, minutes * 30)] or samples[-1:]
    ordered = sorted(took_s)
    return {
        "minutes": minutes,
        "streams": streams,
        "patience": patience,
        "segments": len(took_s),
        "lost": lost,
        "segment_p50_s": round(ordered[len(ordered) // 2], 3),
        "segment_p99_s": round(ordered[int(len(ordered) * 0.99)], 3),
        "orchestrator_cpu_s": cpu,
        "growth": {
            "gateway": round(max(each[1] for each in settled) / settled[0][1] - 1, 3),
            "orchestrator": round(max(each[2] for each in settled) / settled[0][2] - 1, 3),
        },
        "books_of_both_sides": books,
        "memory_mib": {"columns": ["seconds", "gateway", "orchestrator"], "rows": samples},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument(
        "--patience", type=float, default=1, help="multiplier of all time limits, for a machine that others use as well"
    )
    parser.add_argument("--save", action="store_true", help="write the figures to results/soak.json")
    given = parser.parse_args()
    result = asyncio.run(measure(given.minutes, given.streams, given.patience))
    print(json.dumps({name: value for name, value in result.items() if name != "memory_mib"}, indent=2))
    if given.save:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    growth = result["growth"]
    assert isinstance(growth, dict)
    return int(bool(result["lost"]) or max(growth.values()) > ALLOWED_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
