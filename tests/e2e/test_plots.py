"""The plots in docs/ are those of the data in git."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.test_demo import ROOT


def plots(*options: str, at: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts._plots", *options], cwd=at, capture_output=True, text=True, check=False
    )


def copied(folder: Path) -> Path:
    """What plots are drawn from, in a checkout of its own."""
    for path in ("scripts/_plots.py", "tests/contracts/gas.json", "tests/contracts/gas_reference.json"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    shutil.copytree(ROOT / "tests" / "bench", folder / "tests" / "bench")
    shutil.copytree(ROOT / "docs" / "plots", folder / "docs" / "plots")
    return folder


def test_plots__as_committed__are_current() -> None:
    done = plots("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_plots__after_another_measurement__are_not_current_until_drawn(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    data = folder / "tests" / "bench" / "redemption.json"
    data.write_text(data.read_text().replace('"transactions": 104', '"transactions": 105'))
    stale = plots("--check", at=folder)
    assert (stale.returncode, stale.stdout) == (1, "docs/plots/redemption.svg is not current: make plots\n")
    assert plots(at=folder).stdout == "docs/plots/redemption.svg drawn\n"
    assert "105 of 1,000" in (folder / "docs" / "plots" / "redemption.svg").read_text()
    assert plots("--check", at=folder).returncode == 0
