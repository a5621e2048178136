"""`python -m scripts._beside TARGET -- TARGET...`: one target of the Makefile on one core, others on the other.

The others are shown as they run. The first one goes to a log, with a line a minute that it is alive; how it ended comes
last, and all that helps if it failed.
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


def make(*targets: str, log: Path | None = None) -> subprocess.Popen[bytes]:
    command = ["make", "--no-print-directory", *targets]
    if log is None:
        return subprocess.Popen(command, cwd=ROOT)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)


def main() -> int:
    beside, separator, shown = sys.argv[1], sys.argv[2], sys.argv[3:]
    if separator != "--" or not shown:
        raise SystemExit(__doc__)
    log, began = ROOT / ".cache" / f"{beside}.log", time.monotonic()
    print(f"--- {beside} runs beside, into {log.relative_to(ROOT)}", flush=True)
    first = make(beside, log=log)
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(_MINUTE_S):
            if first.poll() is None:
                words = log.read_bytes()[-200:].decode(errors="replace").split("\n")[-1].split("\r")[-1]
                print(f"\n    {beside}, {time.monotonic() - began:.0f} s: {words[-100:]}", flush=True)

    threading.Thread(target=tell, daemon=True).start()
    try:
        codes = [make(target).wait() for target in shown]
        codes.append(first.wait())
    finally:
        ended.set()
        if first.poll() is None:
            first.terminate()
            first.wait()
    lines = log.read_text(errors="replace").splitlines()
    print(f"--- how {beside} ended:", flush=True)
    print("\n".join(lines[-3:] if codes[-1] == 0 else lines[-_SHOWN_LINES:]), flush=True)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
