"""The official SDK in a process of its own, asked line by line (`tests/sdk/peer.py`)."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".tools" / "sdk" / "bin" / "python"
SDK_ABSENT = "the official SDK is not installed: it needs a Python 3.12 or 3.13"


class Sdk:
    """A process that runs the SDK."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, do: str, **order: object) -> dict[str, Any]:
        """One call's result; an error of the SDK's fails the test."""
        answer = self.try_to(do, **order)
        assert "raised" not in answer, answer["raised"]
        return answer

    def try_to(self, do: str, **order: object) -> dict[str, Any]:
        """One call's result, or what it `raised`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the SDK's process has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def official_sdk() -> Iterator[Sdk]:
    """Skipped where it is absent, but not in CI, where it has to be there."""
    if not PYTHON.exists():
        assert not os.environ.get("CI"), SDK_ABSENT
        pytest.skip(SDK_ABSENT)
    with subprocess.Popen(
        [str(PYTHON), str(ROOT / "tests" / "sdk" / "peer.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Sdk(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(20)
            finally:
                process.kill()
