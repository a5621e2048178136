"""`python -m scripts._beside TARGET... -- TARGET...`: targets of the Makefile on one core, others on the other.

The others are shown as they run. Each of the first goes to a log, with a line a minute that it is alive; how they ended
comes last, and all that helps if one failed.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from scripts._environment import ROOT

_MINUTE_S = 60.0
_SHOWN_LINES = 300


def make(target: str, log: Path | None = None) -> subprocess.Popen[bytes]:
    command = ["make", "--no-print-directory", target]
    if log is None:
        return subprocess.Popen(command, cwd=ROOT)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)


class Beside:
    """Targets that run one after the other in a thread, into logs."""

    def __init__(self, targets: list[str]) -> None:
        self._targets = targets
        self._now: tuple[str, subprocess.Popen[bytes]] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.codes: dict[str, int] = {}

    def log(self, target: str) -> Path:
        return ROOT / ".cache" / f"{target}.log"

    def __enter__(self) -> Beside:
        names = ", ".join(str(self.log(target).relative_to(ROOT)) for target in self._targets)
        print(f"--- {', '.join(self._targets)} beside, into {names}", flush=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        for target in self._targets:
            if self._stopped.is_set():
                return
            began, process = time.monotonic(), make(target, self.log(target))
            self._now = target, process
            while True:
                try:
                    self.codes[target] = process.wait(_MINUTE_S)
                    break
                except subprocess.TimeoutExpired:
                    words = self.log(target).read_bytes()[-200:].decode(errors="replace")
                    last = words.split("\n")[-1].split("\r")[-1]
                    print(f"\n    {target}, {time.monotonic() - began:.0f} s: {last[-100:]}", flush=True)

    def wait(self) -> None:
        self._thread.join()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            if self._now is not None:
                self._now[1].terminate()
            self._thread.join(1)


def main() -> int:
    at = sys.argv.index("--") if "--" in sys.argv else 0
    beside, shown = sys.argv[1:at], sys.argv[at + 1 :]
    if not beside or not shown:
        raise SystemExit(__doc__)
    with Beside(beside) as others:
        codes = [make(target).wait() for target in shown]
        others.wait()
    for target in beside:
        code = others.codes[target]
        print(f"--- how {target} ended:", flush=True)
        lines = others.log(target).read_text(errors="replace").splitlines()
        print("\n".join(lines[-3:] if code == 0 else lines[-_SHOWN_LINES:]), flush=True)
    return max(*codes, *others.codes.values())


if __name__ == "__main__":
    sys.exit(main())
