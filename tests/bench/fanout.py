"""Ask 100 orchestrators for their terms: this library against the official SDK, on the same TLS endpoints.

    python tests/bench/fanout.py [--repeats N] [--save]

All endpoints answer in 50 ms; then five never answer and five take two seconds. Measured are the time to the first 20
good answers and to the full table, with nothing connected yet (cold: certificates are known from disk, keys were
proven behind them before; or at first contact, where every key is challenged as well) and again at once (warm), and the
client's CPU. Both take turns within one run; ratios are of medians. The SDK knows no certificate when it starts and
proves no keys.

"Full table" ours: every endpoint that answers within its deadline of 5 s, which is the SDK's as well; a discovery as
the network does it stops earlier, at its first wake, which is shown too.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import grpc
import grpc.aio

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.grpc_probe import GET_ORCHESTRATOR, GrpcProbe
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.policy.discovery import ProbePlan
from livepeer_client.policy.pipelines import pipeline_job
from livepeer_client.services.discovery import DiscoveryReport, DiscoveryService
from livepeer_client.types import Address

HERE: Final = Path(__file__).resolve().parent
SDK: Final = HERE.parents[1] / ".tools" / "sdk" / "bin" / "python"
RESULTS: Final = HERE / "results" / "fanout.json"
COUNT: Final = 100
WANTED: Final = 20
SILENT: Final = 5
SLOW: Final = 5
DEADLINE_S: Final = 5.0
JOB: Final = pipeline_job(int(Capability.LIVE_VIDEO_TO_VIDEO), "noop")
FULL: Final = ProbePlan(wakes_s=(), cutoff_s=DEADLINE_S, probe_timeout_s=DEADLINE_S)
FIRST: Final = ProbePlan(wanted=WANTED, wakes_s=(), cutoff_s=DEADLINE_S, probe_timeout_s=DEADLINE_S)
FLOOR: Final = "full table, cold, gRPC by hand without any check"
QUIET: Final = 1.0
"""Load of the machine, one minute, up to which a missed goal counts as one: 200 TLS handshakes want both cores."""
GOALS: Final = {
    "all answer: full table, cold with known certificates": 10.0,
    "five silent, five slow: first 20, cold with known certificates": 50.0,
}


@dataclass
class Figures:
    """Seconds and CPU seconds of each case, one entry per repeat."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    def add(self, case: str, seconds: float, cpu: float) -> None:
        self.seconds.setdefault(case, []).append(seconds)
        self.cpu.setdefault(case, []).append(cpu)

    def median(self, case: str) -> float:
        return statistics.median(self.seconds[case])


class Members:
    """The endpoints as a pool."""

    def __init__(self, listing: Sequence[Sequence[str]]) -> None:
        self._members = [
            RegisteredOrchestrator(Address(bytes.fromhex(address)), uri, 1, True) for uri, address in listing
        ]

    async def orchestrators(self) -> Sequence[RegisteredOrchestrator]:
        return self._members


@contextmanager
def child(*command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)


def line_of(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a child ended without an answer")
    return json.loads(line)


def ask_sdk(process: subprocess.Popen[str], uris: Sequence[str]) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"uris": uris, "wanted": WANTED}) + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = line_of(process)
    return answer


async def timed(
    pool: Members, probe: GrpcProbe, signer: LocalSigner, plan: ProbePlan
) -> tuple[DiscoveryReport, float, float]:
    service = DiscoveryService(pool, probe, signer, SystemClock(), plan=plan, proofs=probe)
    started, cpu = time.perf_counter(), time.process_time()
    report = await service.refresh(JOB)
    return report, time.perf_counter() - started, time.process_time() - cpu


async def by_hand(figures: Figures, name: str, pool: Members, pins: Path) -> None:
    """The floor: a channel and a call each, nothing decoded or judged."""
    members = await pool.orchestrators()
    certificates = await asyncio.to_thread(
        lambda: [
            (place, (pins / f"{quote(place, safe='')}.pem").read_bytes())
            for place in (member.service_uri.removeprefix("https://") for member in members)
        ]
    )
    channels: list[grpc.aio.Channel] = []

    async def ask(target: str, certificate: bytes) -> bytes:
        credentials = grpc.ssl_channel_credentials(certificate)
        options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
        channels.append(grpc.aio.secure_channel(target, credentials, options))
        answer: bytes = await channels[-1].unary_unary(GET_ORCHESTRATOR)(b"", timeout=DEADLINE_S)
        return answer

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(ask(target, certificate) for target, certificate in certificates))
    figures.add(f"{name}: {FLOOR}", time.perf_counter() - started, time.process_time() - cpu)
    for channel in channels:
        await channel.close()


async def ours(figures: Figures, name: str, pool: Members, good: int, pins: Path, *, all_answer: bool) -> None:
    signer = LocalSigner(b"\x01" * 32)

    async def case(label: str, folder: Path | None, plan: ProbePlan, at_least: int) -> None:
        async with GrpcProbe(folder) as probe:
            for state in ("cold", "warm"):
                report, seconds, cpu = await timed(pool, probe, signer, plan)
                assert len(report.offers) >= at_least, (label, state, [each.text for each in report.rejections])
                figures.add(f"{name}: {label.format(state=state)}", seconds, cpu)

    if all_answer:
        await by_hand(figures, name, pool, pins)
    await case("first 20, {state} with known certificates", pins, FIRST, WANTED)
    await case("full table, {state} with known certificates", pins, FULL, good)
    if all_answer:
        await case("full table, {state} at first contact", None, FULL, good)
    else:
        await case("until the first wake, {state} with known certificates", pins, ProbePlan(), WANTED)


def sdks(figures: Figures, name: str, uris: Sequence[str], good: int) -> None:
    with child(str(SDK), str(HERE / "fanout_sdk.py")) as process:
        for state in ("cold", "warm"):
            answer = ask_sdk(process, uris)
            assert answer["good"] == good, answer
            figures.add(f"{name}: SDK, first 20, {state}", answer["first_s"], answer["cpu_s"])
            figures.add(f"{name}: SDK, full table, {state}", answer["all_s"], answer["cpu_s"])


async def measure(figures: Figures, name: str, silent: int, slow: int, repeats: int) -> None:
    command = (sys.executable, str(HERE / "fanout_servers.py"), str(COUNT), str(silent), str(slow))
    with child(*command) as servers, tempfile.TemporaryDirectory() as folder:
        listing = line_of(servers)
        pool, uris, good = Members(listing), [uri for uri, _ in listing], COUNT - silent
        async with GrpcProbe(Path(folder)) as probe:
            # Certificates get onto the disk; nothing of this connection is used again.
            await timed(pool, probe, LocalSigner(b"\x01" * 32), ProbePlan(wakes_s=(), cutoff_s=10.0))
        for repeat in range(repeats):
            await ours(figures, name, pool, good, Path(folder), all_answer=not silent)
            await asyncio.to_thread(sdks, figures, name, uris, good)
            print(f"{name}: {repeat + 1} of {repeats}", file=sys.stderr)


def ratios(figures: Figures) -> dict[str, float]:
    found = {}
    for case in figures.seconds:
        if "SDK" in case:
            continue
        name, what = case.split(": ", 1)
        kind = "first 20" if what.startswith("first 20") else "full table"
        state = "warm" if "warm" in what else "cold"
        found[case] = figures.median(f"{name}: SDK, {kind}, {state}") / figures.median(case)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--save", action="store_true", help=f"write the figures to {RESULTS.relative_to(HERE)}")
    args = parser.parse_args()
    if not SDK.exists():
        raise SystemExit("the official SDK is not there: make .tools/sdk/.ready")
    load = os.getloadavg()[0]
    figures = Figures()
    asyncio.run(measure(figures, "all answer", 0, 0, 2 * args.repeats))
    asyncio.run(measure(figures, "five silent, five slow", SILENT, SLOW, args.repeats))
    times = ratios(figures)
    missed = [case for case, goal in GOALS.items() if times[case] < goal]
    for case in figures.seconds:
        ratio = f"{times[case]:8.1f} x" if case in times else ""
        goal = f"   goal {GOALS[case]:g}" + ("   MISSED" if case in missed else "") if case in GOALS else ""
        cpu = statistics.median(figures.cpu[case])
        print(f"{case:76s} {figures.median(case) * 1000:9.0f} ms {cpu * 1000:7.0f} ms CPU {ratio}{goal}")
    if args.save:
        RESULTS.parent.mkdir(exist_ok=True)
        report = {
            "command": "make bench-fanout",
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            "load before and after, 1 min": [round(load, 2), round(os.getloadavg()[0], 2)],
            "endpoints": COUNT,
            "goals": GOALS,
            "median ms": {case: round(figures.median(case) * 1000, 1) for case in figures.seconds},
            "median CPU ms": {case: round(statistics.median(each) * 1000, 1) for case, each in figures.cpu.items()},
            "times faster than the SDK": {case: round(each, 1) for case, each in times.items()},
        }
        RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    if missed and load > QUIET:
        print(f"others used the machine (load {load:.1f}): misses are shown but do not count as failures")
        return 0
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
