"""Debian's Chromium for the tests: installed if it is missing and this is root.

`CHROMIUM` names another one. Where none can be had the tests that need it are skipped, for `ABSENT`; with `CI` set they
fail instead.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ABSENT = "Chromium is not here and cannot be installed"
ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path(__file__).with_name("browser.mjs")


@pytest.fixture(scope="session")
def chromium() -> Path:
    found = find() or _install()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(ABSENT)
        pytest.skip(ABSENT)
    return found


def find() -> Path | None:
    wanted = os.environ.get("CHROMIUM")
    if wanted:
        return Path(wanted) if Path(wanted).exists() else None
    found = shutil.which("chromium")
    return None if found is None else Path(found)


def _install() -> Path | None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0 or "CHROMIUM" in os.environ:
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        subprocess.run([apt, *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return find()


def visit(chromium: Path, url: str, profile: Path, steps: Sequence[str]) -> None:
    """Open a page in a browser of its own and take some steps there; see `browser.mjs`."""
    done = subprocess.run(
        ["node", str(DRIVER), str(chromium), url, str(profile), *steps],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [f"done {step}" for step in steps]
