"""What `python -m scripts._analysis` makes of its readers' answers; `make check` runs the readers themselves."""

from __future__ import annotations

import pytest

from scripts._analysis import DOCUMENT, Finding, accepted, lint_problems, logical_lines, read_with
from scripts._environment import ROOT

TABLE = """
| Rule | Where | Why |
|---|---|---|
| NTX11 | everywhere | Names are published |
| NTX1 | `TicketBroker.vy` `batch` `compact` | Bounded |
"""


def test_lint_problems__everything_accepted__none() -> None:
    found = {
        Finding("NTX11", "Minter.vy", "mint"),
        Finding("NTX1", "TicketBroker.vy", "batch"),
        Finding("NTX1", "TicketBroker.vy", "compact"),
    }

    assert lint_problems(found, TABLE) == []


@pytest.mark.parametrize(
    "finding",
    [
        Finding("NTX1", "TicketBroker.vy", "withdraw"),
        Finding("NTX1", "Minter.vy", "batch"),
        Finding("NTX7", "TicketBroker.vy", "batch"),
    ],
)
def test_lint_problems__finding_nobody_looked_at__is_named(finding: Finding) -> None:
    known = accepted(TABLE)[1]

    (problem,) = lint_problems({*known, finding}, TABLE)
    assert str(finding) in problem


def test_lint_problems__accepted_but_gone__is_named() -> None:
    (problem,) = lint_problems({Finding("NTX1", "TicketBroker.vy", "batch")}, TABLE)

    assert "not found any more: NTX1 TicketBroker.vy: compact" in problem


def test_document__has_a_reason_for_every_row() -> None:
    off, single = accepted(DOCUMENT.read_text())

    assert off == {"NTX4", "NTX11"}
    assert len(single) > 20


def test_read_with__contract__is_all_that_it_imports() -> None:
    contracts = ROOT / "contracts"
    found = {str(path.relative_to(contracts)) for path in read_with(contracts / "ManagerProxy.vy")}

    assert found == {
        "ManagerProxy.vy",
        "modules/manager.vy",
        "interfaces/IController.vyi",
        "interfaces/IRoundsManager.vyi",
    }


SOURCE = '''
"""
Documentation (with a bracket.
"""
def f(_a: uint256) -> uint256:
    """
    @notice `x = 1`.
    """
    # A comment.
    assert _a > 0, "not ( a bracket"
    return g(_a, 1)
'''


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return g(_a, 1)", "return g(\n        _a, 1\n    )"),
        ("return g(_a, 1)", "return g(\n        _a,\n        1,  # one\n    )"),
        ("    # A comment.\n", "\n\n"),
        ("Documentation", "Other words"),
    ],
)
def test_logical_lines__other_breaks_comments_or_documentation__are_equal(before: str, after: str) -> None:
    assert list(logical_lines(SOURCE)) == list(logical_lines(SOURCE.replace(before, after)))


@pytest.mark.parametrize(
    ("before", "after"),
    [("_a > 0", "_a>0"), ("    return", "     return"), ("(_a, 1)", "(_a,1)")],
)
def test_logical_lines__other_spacing_or_indentation__differ(before: str, after: str) -> None:
    assert list(logical_lines(SOURCE)) != list(logical_lines(SOURCE.replace(before, after)))
