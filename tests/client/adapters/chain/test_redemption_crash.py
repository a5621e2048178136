"""A redeemer killed at every point between the arrival of its tickets and the final block (invariant 30)."""

import json
import subprocess
import sys

import pytest

from tests.support.anvil import ROOT

SCENARIOS = ("single", "batch", "replaced")


@pytest.mark.timeout(900)
def test_redemption__killed_at_every_point__ends_as_if_nothing_had_happened() -> None:
    """One seed here, the others by `make crash`."""
    run = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "crash" / "run.py"), "--seeds", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert [result["scenario"] for result in results] == list(SCENARIOS), run.stderr
    assert {str(result["different"]) for result in results} == {"{}"}
    assert run.returncode == 0, run.stderr
    # Every point was one: fewer would mean that something escaped the count.
    assert all(result["killed"] == result["points"] for result in results)
    assert [result["points"] >= least for result, least in zip(results, (40, 75, 105), strict=True)] == [True] * 3
