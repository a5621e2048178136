"""Programs beside the tests, which are run as files: each finds what it imports, wherever it is started."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = (
    *(f"tests/bench/{name}.py" for name in ("fanout", "load", "redemption")),
    *("tests/bench/soak.py", "tests/bench/stores.py", "tests/bench/tickets.py", "tests/crash/run.py"),
)


def test_programs__started_elsewhere__find_their_modules(tmp_path: Path) -> None:
    def start(program: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(ROOT / program), "--help"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)

    with ThreadPoolExecutor(2) as pool:
        ended = dict(zip(PROGRAMS, pool.map(start, PROGRAMS), strict=True))
    assert {program: result.stderr for program, result in ended.items() if result.returncode} == {}
