"""`python -m scripts._coverage`: which lines of the contracts run under the tests that use the EVM in this process.

These are the table of reverts, the unit tests of contracts that are tested there, and some random histories. Tests on a
node are left out: they are many, and what they run is run here too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts._own_tests import ROOT, use_own_tests

SUITES = (
    "tests/contracts/evm",
    "tests/contracts/safety/reverts",
    "tests/contracts/stateful/test_claims.py",
    *(f"tests/contracts/unit/{name}" for name in ("Creator", "Treasury", "MerkleSnapshot", "Governor")),
    *(f"tests/contracts/unit/{name}" for name in ("LivepeerGovernor", "PollCreator", "LivepeerTokenFaucet")),
)
HISTORIES = 4
STEPS = 250


def main() -> int:
    """Run, print a table; not zero if a test fails."""
    use_own_tests()
    import tests.support.evm
    from tests.support.coverage.engine import SEEN, RecordingEngine
    from tests.support.coverage.lines import report
    from tests.support.stateful.history import play

    tests.support.evm.new_engine = RecordingEngine
    suites = [suite for suite in SUITES if (ROOT / suite).exists()]
    # Far slower than with the fast EVM, so neither time limits nor many examples.
    outcome = pytest.main(["-q", "-p", "no:cacheprovider", "--timeout=0", "--hypothesis-profile=counting", *suites])
    for seed in range(HISTORIES):
        play(seed, STEPS, with_invariants=False)

    files = report(SEEN)
    print(f"\n{'file':<42}{'statements':>11}{'missed':>8}{'ran':>8}")
    for file in files:
        print(f"{Path(file.path).as_posix():<42}{file.statements:>11}{len(file.missed):>8}{file.percent:>7.1f}%")
        for each in file.missed:
            print(f"    line {each.first} in {each.function}")
    total, missed = sum(file.statements for file in files), sum(len(file.missed) for file in files)
    print(f"{'all':<42}{total:>11}{missed:>8}{100 * (total - missed) / total:>7.1f}%")
    return int(outcome)


if __name__ == "__main__":
    sys.exit(main())
