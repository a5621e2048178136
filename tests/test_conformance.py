"""The conformance table is complete, and every test it names ran and passed in the last full run.

`make test` runs this last. An entry either names the tests that show it, or says why it is left out.
"""

import json
import os
import tomllib
from pathlib import Path

import pytest

from tests.support.postgres import ABSENT as POSTGRES_ABSENT

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / ".cache" / "test-records"
SHARED_ABSENT = "conformance data not present"
"""Why a test named here may be skipped (`tests/support/vectors.py`)."""
ALLOWED = {f"skipped: {reason}" for reason in (SHARED_ABSENT, *([] if os.environ.get("CI") else [POSTGRES_ABSENT]))}
"""Those are skipped on a machine that cannot have PostgreSQL; in CI they fail instead (`tests/support/postgres.py`)."""

# Section letter -> how many entries it has, after the numbered lists of the specifications.
SECTIONS = {
    "K": 27,  # known hazards of the reference contracts
    "R": 16,  # hazards fixed in the reference, kept as regression tests
    "I": 25,  # invariants of the contracts
    "P": 37,  # invariants of the payments
    "N": 20,  # checklist of the network
}


def _table() -> dict[str, dict[str, object]]:
    with (ROOT / "tests" / "conformance.toml").open("rb") as file:
        return tomllib.load(file)


def _outcomes() -> dict[str, str]:
    merged: dict[str, str] = {}
    for record in sorted(RECORDS.glob("*.json")):
        merged.update(json.loads(record.read_text()))
    if not merged:
        pytest.fail("no test records: run `make test`, which records every suite before this test")
    return merged


def _tests_of(entry: dict[str, object]) -> list[str]:
    tests = entry.get("tests", [])
    assert isinstance(tests, list)
    return tests


def test_conformance_table__every_numbered_rule__has_an_entry() -> None:
    expected = {f"{letter}{number}" for letter, count in SECTIONS.items() for number in range(1, count + 1)}
    numbered = {name for name in _table() if name[:1] in SECTIONS and name[1:].isdigit()}
    assert numbered == expected


def test_conformance_table__every_entry__names_tests_or_a_reason() -> None:
    for name, entry in _table().items():
        assert entry.get("rule"), f"{name} does not say what it is about"
        assert bool(_tests_of(entry)) != bool(entry.get("left_out")), f"{name} needs either `tests` or `left_out`"


def test_conformance_table__every_named_test__ran_and_passed() -> None:
    outcomes = _outcomes()
    problems = []
    for name, entry in _table().items():
        for test in _tests_of(entry):
            # A name without parameters stands for all of its cases.
            found = {node: result for node, result in outcomes.items() if node == test or node.startswith(test + "[")}
            if not found:
                # Without the conformance data a test has no cases: its function is then recorded as skipped for that.
                function = test.split("[")[0]
                found = {node: why for node, why in outcomes.items() if node.split("[")[0] == function}
                found = {node: why for node, why in found.items() if why == f"skipped: {SHARED_ABSENT}"}
            if not found:
                problems.append(f"{name}: {test} was not collected")
            for node, result in found.items():
                if result != "passed" and result not in ALLOWED:
                    problems.append(f"{name}: {node} {result}")
    assert not problems, "\n".join(problems)
