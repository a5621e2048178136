"""Killing a process that writes to a store, and looking at what it left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from livepeer_client.facts import OrchestratorTotals
from tests.client.adapters.killed_writer import CREDIT, FEE


def write_until_killed(lines: int, *place: str) -> set[int]:
    """Start `killed_writer.py` on a store, kill it after `lines` acknowledgements; all that it was given."""
    writer = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("killed_writer.py")), *place], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    with writer.stdout:
        seen = [writer.stdout.readline() for _ in range(lines)]
        os.kill(writer.pid, signal.SIGKILL)
        # A last line may have been cut off by the kill.
        seen += [line for line in writer.stdout if line.endswith(b"\n")]
    assert writer.wait(timeout=30) == -signal.SIGKILL
    return {int(line) for line in seen}


def require_whole(totals: OrchestratorTotals, acknowledged: set[int], kept: set[int]) -> None:
    """A payment, its winner and its sum are one: whatever is there is there completely."""
    assert acknowledged <= kept
    assert totals.payments == totals.winners == len(kept)
    assert totals.expected_value_credited == len(kept) * CREDIT
    assert totals.segments >= len(acknowledged)
    assert totals.fees_debited == totals.segments * FEE
