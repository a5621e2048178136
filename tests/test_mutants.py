"""The tables of mutants fit the sources: every snippet is there exactly once, every named test exists, no rule is
forgotten. Whether the tests kill the mutants takes minutes: `make mutants`."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from scripts._mutant_tables import Mutant, Suite, Unusable, load, suite_names

ROOT = Path(__file__).resolve().parents[1]
# Rules of tests/conformance.toml that a suite answers for.
RULES = {"contracts": ("K", "R", "I"), "client": ("P",)}
SUITES = suite_names()
MUTANTS = [mutant for name in SUITES for mutant in load(name).mutants]


@cache
def functions_of(file: str) -> frozenset[str]:
    """Test functions of a file, by name."""
    tree = ast.parse((ROOT / file).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.suite}-{mutant.id}")
def test_mutant__snippets__are_there_exactly_once(mutant: Mutant) -> None:
    try:
        changed = mutant.sources(ROOT)
    except Unusable as error:
        pytest.fail(str(error))
    assert changed
    for name, text in changed.items():
        assert text != (ROOT / name).read_text()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.suite}-{mutant.id}")
def test_mutant__named_tests__exist(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert name.partition("[")[0] in functions_of(file), test


@pytest.mark.parametrize("name", SUITES)
def test_suite__rules__have_a_mutant_or_a_reason(name: str) -> None:
    suite: Suite = load(name)
    conformance = tomllib.loads((ROOT / "tests" / "conformance.toml").read_text())
    rules = {rule for rule in conformance if rule[:1] in RULES[name] and rule[1:].isdigit()}
    covered = {mutant.rule for mutant in suite.mutants}

    assert covered | suite.left_out.keys() == rules
    assert covered.isdisjoint(suite.left_out)
    assert all(suite.left_out.values())


@pytest.mark.parametrize("name", SUITES)
def test_suite__names__are_used_once(name: str) -> None:
    counts = Counter(mutant.id for mutant in load(name).mutants)

    assert [each for each, count in counts.items() if count > 1] == []
