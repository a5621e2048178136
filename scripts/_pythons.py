"""`python -m scripts._pythons`: the client's tests on every working interpreter that is here, with newest packages.

`make test-client` runs them beside Ape, on the Python and with the web3 that Ape holds back. Here every other Python
runs them in an environment of its own from requirements/client.txt, which knows no Ape: current web3, eth-abi,
eth-account. Looked for are pythons on PATH and those of pyenv; one counts if it starts and can do TLS and SQLite. If
there is no other, or with `--all`, the same Python runs them once more with those packages.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from scripts._environment import ROOT

SUPPORTED = ((3, 11), (3, 12), (3, 13))
LOCK = ROOT / "requirements" / "client.txt"
UV = ROOT / ".venv" / "bin" / "uv"
_ASK = "import json, sqlite3, ssl, sys, venv; print(json.dumps([sys.version_info[:3], sys.executable]))"

# What says nothing about interpreters or packages: the same story killed at every one of its points, which takes long,
# wheels, documentation, programs beside the tests, and generated files, whose generator Ape's environment has.
LEFT_OUT = (
    "tests/client/adapters/test_crashes.py",
    "tests/client/adapters/chain/test_redemption_crash.py",
    "tests/client/adapters/chain/test_redemption_reorg.py",
    "tests/client/adapters/chain/test_redemption_shared.py",
    "tests/client/adapters/test_postgres.py",
    "tests/client/codec/test_proto.py",
    "tests/client/test_package.py",
    "tests/client/test_postgres_starter.py",
    "tests/client/test_programs.py",
    "tests/client/test_readme.py",
)


def candidates() -> Iterable[Path]:
    """Where a Python may be, the most particular first."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from sorted(pyenv.glob("3.*/bin/python"), reverse=True)
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for major, minor in SUPPORTED:
            yield Path(folder) / f"python{major}.{minor}"
    yield Path(sys.base_prefix) / "bin" / "python3"


def working() -> dict[tuple[int, int], tuple[str, str]]:
    """(executable, version) by minor; a shim without an interpreter behind it does not start and is passed over."""
    found: dict[tuple[int, int], tuple[str, str]] = {}
    for path in candidates():
        if not path.exists():
            continue
        asked = subprocess.run([str(path), "-c", _ASK], capture_output=True, text=True, check=False, timeout=60)
        if asked.returncode != 0:
            continue
        numbers, executable = json.loads(asked.stdout)
        minor = (numbers[0], numbers[1])
        if minor in SUPPORTED:
            found.setdefault(minor, (executable, ".".join(map(str, numbers))))
    return dict(sorted(found.items()))


def environment(executable: str, version: str) -> Path:
    """An environment with what the lock file names; made once for each state of it. :returns: its folder."""
    folder = ROOT / ".tools" / f"client-{version}"
    ready = folder / ".ready"
    if ready.exists() and ready.read_text() == LOCK.read_text():
        return folder
    print(f"Setting up Python {version} ...", flush=True)
    python = folder / "bin" / "python"
    for command in (
        ["venv", "--clear", "--python", executable, str(folder)],
        ["pip", "install", "--python", str(python), "--require-hashes", "-r", str(LOCK)],
        ["pip", "install", "--python", str(python), "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
    ):
        subprocess.run([str(UV), *command[:1], "--quiet", *command[1:]], check=True)
    ready.write_text(LOCK.read_text())
    return folder


def run(folder: Path, arguments: list[str], log: Path | None) -> int:
    """The tests in that environment, shown or written to a log. :returns: pytest's exit code."""
    paths = [str(ROOT / "scripts" / "_bin"), str(folder / "bin"), os.environ.get("PATH", "")]
    ignored = [f"--ignore={path}" for path in LEFT_OUT]
    command = [str(folder / "bin" / "python"), "-m", "pytest", "-q", *ignored, *(arguments or ["tests/client"])]
    variables = {**os.environ, "PATH": os.pathsep.join(paths)}
    if log is None:
        return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        code = subprocess.run(command, cwd=ROOT, env=variables, check=False, stdout=out, stderr=out).returncode
    lines = log.read_text().splitlines()
    print("\n".join(lines[-1:] if code == 0 else lines[-200:]), flush=True)
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="VERSION", help="a minor version, such as 3.13")
    parser.add_argument("--all", action="store_true", help="the Python that runs Ape as well")
    parser.add_argument("--log", action="store_true", help="keep the tests' output in .cache and show how it ended")
    parser.add_argument("arguments", nargs="*", help="for pytest, instead of all tests of the client")
    options = parser.parse_args()
    found, results = working(), []
    others = {minor: where for minor, where in found.items() if minor != sys.version_info[:2]}
    for minor, (executable, version) in (found if options.all or options.only or not others else others).items():
        if options.only and options.only != ".".join(map(str, minor)):
            continue
        folder = environment(executable, version)
        began = time.monotonic()
        print(f"--- the client's tests on Python {version}, web3 {_web3(folder)}", flush=True)
        log = ROOT / ".cache" / f"tests-python-{version}.log" if options.log else None
        code = run(folder, options.arguments, log)
        results.append((version, code, time.monotonic() - began))
    for version, code, took in results:
        print(f"Python {version}: {'passed' if code == 0 else f'failed ({code})'} in {took:.0f} s")
    if missing := [f"{major}.{minor}" for major, minor in SUPPORTED if (major, minor) not in found]:
        print(f"not found here: Python {', '.join(missing)}")
    return 0 if results and all(code == 0 for _, code, _ in results) else 1


def _web3(folder: Path) -> str:
    ask = "from importlib.metadata import version; print(version('web3'))"
    return subprocess.run(
        [str(folder / "bin" / "python"), "-c", ask], capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
