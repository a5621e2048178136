"""The demo in small: real chain, processes and video; it ends with books that agree and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SEGMENTS = 15
pytestmark = pytest.mark.timeout(700)


def demo(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "scripts._demo", "--folder", str(folder), *options]


def processes_of(folder: Path) -> list[str]:
    """Command lines of live processes that mention the demo's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            # It ended while we looked.
            continue
        if str(folder) in line and entry.parent.name != str(os.getpid()):
            found.append(line)
    return found


def left_of(folder: Path) -> list[str]:
    """What is left a while after the end; the kernel takes a moment to clear a process away."""
    end = time.monotonic() + 60
    while (left := processes_of(folder)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("demo") / "run"
    done = subprocess.run(
        demo(folder, "--segments", str(SEGMENTS)), cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert left_of(folder) == []
    return done.stdout


def test_demo__in_small__every_figure_agrees(shown: str) -> None:
    assert "Everything agrees, to the wei." in shown
    assert shown.count("agrees") >= 17
    assert "DIFFERS" not in shown


def test_demo__two_of_four_orchestrators__are_refused_with_the_reason(shown: str) -> None:
    assert re.search(r"Cleo .*refused .*MPEGTS", shown)
    assert re.search(r"Dora .*refused .*price", shown)
    assert len(re.findall(r"│ (?:Ana|Ben) +│.*│ fits +│", shown)) == 2


def test_demo__orchestrator_killed_in_a_segment__loses_no_segment_and_redeems_after_its_restart(shown: str) -> None:
    assert "SIGKILL of" in shown
    assert "restart of" in shown
    assert f"{SEGMENTS} segments in, {SEGMENTS} back" in shown
    assert re.search(r"payments in flight at the kill.*│ +1 │.*│ +1 │ agrees", shown)


def test_demo__round_boundary__is_crossed_by_tickets_of_the_old_round(shown: str) -> None:
    assert "meanwhile the chain went from round 2 to round 3" in shown


def test_demo__interrupted__takes_chain_and_nodes_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    child = subprocess.Popen(demo(folder), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 180
        while not (folder / "ana" / "node.log").exists():
            assert child.poll() is None, child.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(processes_of(folder)) > 1
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=120)
    finally:
        child.kill()
    assert child.returncode == 130, output
    assert "the chain and all nodes are gone" in output
    assert left_of(folder) == []
