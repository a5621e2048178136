"""Ports for processes that must be told theirs: no two are given the same."""

import socket
import subprocess
import sys
from pathlib import Path

from scripts._ports import free_port

ROOT = Path(__file__).resolve().parents[2]
COUNT = 120
"""More than a block of them."""
PROGRAM = f"from scripts._ports import free_port; print(*(free_port() for _ in range({COUNT})), flush=True); input()"


def test_free_port__asked_in_several_processes_at_once__gives_each_port_to_one() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    given = [free_port() for _ in range(COUNT)]
    for process in processes:
        assert process.stdout is not None
        given += map(int, process.stdout.readline().split())
    for process in processes:
        process.communicate("\n", timeout=60)
    assert len(set(given)) == len(given) == 4 * COUNT


def test_free_port__somebody_listens_on_the_next__gives_another() -> None:
    with socket.socket() as taken:
        for _ in range(COUNT):
            port = free_port()
            try:
                taken.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            taken.listen()
            break
        assert taken.getsockname()[1] == port + 1
        assert free_port() != port + 1


def test_free_port__of_any_process__is_none_that_the_kernel_gives_by_itself() -> None:
    ports = [free_port() for _ in range(COUNT)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert max(ports) < probe.getsockname()[1]
