"""Which test shows which rule, as a page."""

import tomllib
from typing import Any

from scripts._environment import ROOT


def provenance_page() -> str:
    """Every numbered rule with the tests that show it."""
    table: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "tests" / "conformance.toml").read_text())
    rows = "\n".join(f"| {name} | {_cell(entry)} |" for name, entry in table.items())
    return f"""# Rules and their tests

Made from `tests/conformance.toml`, whose entries `make test` checks: every numbered rule is there, and every test
named ran and passed. K are known hazards of the reference contracts, R regressions of its history, I invariants.

| | rule | tests | not shown |
|---|---|---:|---|
{rows}
"""


def _cell(entry: dict[str, Any]) -> str:
    missing = entry.get("partly") or entry.get("left_out") or ""
    return f"{entry.get('rule', '')} | {len(entry.get('tests', []))} | {' '.join(missing.split())}".replace("\n", " ")
