"""The tests' own PostgreSQL leaves nothing behind, however the session that started it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.postgres import ABSENT, Server

ROOT = Path(__file__).resolve().parents[2]
SESSION = """
import sys, time
sys.path.insert(0, "tests/support")
from postgres import Server, find_binaries
server = Server(find_binaries())
print(server.folder, flush=True)
time.sleep(600)
"""


def processes_of(folder: Path) -> list[str]:
    """Command lines of living processes that have to do with the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in line:
                found.append(line)
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are looked up in /proc")
def test_server__its_session_interrupted_terminated_or_killed__is_gone_with_its_folder(
    postgres_server: Server,
) -> None:
    # All at once: sessions that run beside each other share nothing.
    sessions = {
        how: subprocess.Popen(
            [sys.executable, "-c", SESSION],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    }
    folders = {}
    for how, session in sessions.items():
        assert session.stdout is not None
        folders[how] = Path(session.stdout.readline().strip())
        assert processes_of(folders[how])
    assert len(set(folders.values())) == 3
    for how, session in sessions.items():
        # To the whole group, as a terminal does.
        os.killpg(session.pid, how)
        session.communicate(timeout=30)
    until = time.monotonic() + 30
    while time.monotonic() < until and any(processes_of(folder) for folder in folders.values()):
        time.sleep(0.05)
    for folder in folders.values():
        assert not folder.exists()
        assert processes_of(folder) == []
    # Ours is as it was.
    assert processes_of(postgres_server.folder)


@pytest.mark.parametrize("ci", [True, False])
def test_postgres_server__its_programs_absent__fails_in_ci_and_is_skipped_elsewhere(tmp_path: Path, ci: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"POSTGRES_BIN": str(tmp_path), **({"CI": "true"} if ci else {})}
    tests = "tests/client/adapters/test_stores.py::test_totals__empty_store__are_zero"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:ape_test", "-p", "no:cacheprovider", "-q", "-rs", tests],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ABSENT in done.stdout
    assert done.returncode == (1 if ci else 0)
    assert ("2 passed, 1 error" if ci else "2 passed, 1 skipped") in done.stdout
