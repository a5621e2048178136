"""Tables of mutants (`tests/mutants/SUITE.toml`): which bad rule, by which edit, seen by which tests."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT / "tests" / "mutants"


class Unusable(Exception):
    """A mutant that cannot be applied: what it looks for is not there exactly once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the one occurrence of a text in a file."""

    file: str
    find: str
    put: str

    def of(self, text: str) -> str:
        """:raises Unusable: no occurrence, or several."""
        if (count := text.count(self.find)) != 1:
            raise Unusable(f"snippet occurs {count} times in {self.file}, must be once: {self.find!r}")
        return text.replace(self.find, self.put)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bad rule."""

    suite: str
    rule: str
    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    because: str | None
    """Pattern that the failure must show."""

    @property
    def id(self) -> str:
        return f"{self.rule}-{self.name}"

    def sources(self, root: Path) -> dict[str, str]:
        """The changed files as they are after the edits.

        :raises Unusable: see there.
        """
        changed: dict[str, str] = {}
        for edit in self.edits:
            if edit.file not in changed:
                path = root / edit.file
                if not path.is_file():
                    raise Unusable(f"there is no {edit.file}")
                changed[edit.file] = path.read_text()
            changed[edit.file] = edit.of(changed[edit.file])
        return changed


@dataclass(frozen=True, slots=True)
class Suite:
    """A table of mutants."""

    name: str
    mutants: tuple[Mutant, ...]
    left_out: dict[str, str]
    """Rules without a mutant, and why."""


def suite_names() -> list[str]:
    return sorted(path.stem for path in TABLES.glob("*.toml"))


def load(name: str) -> Suite:
    """Read a table."""
    with (TABLES / f"{name}.toml").open("rb") as file:
        table: dict[str, Any] = tomllib.load(file)
    mutants = tuple(
        Mutant(
            suite=name,
            rule=entry["rule"],
            name=entry["name"],
            edits=tuple(Edit(**edit) for edit in entry["edit"]),
            tests=tuple(entry["tests"]),
            because=entry.get("because"),
        )
        for entry in table["mutant"]
    )
    return Suite(name, mutants, table.get("left_out", {}))
