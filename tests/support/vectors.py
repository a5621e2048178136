"""Conformance vectors of the reference implementation, kept outside this repository."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT.parent / "shared" / "vectors" / "go-livepeer.json"
ABSENT = "conformance data not present"

Entry = Mapping[str, Any]
Check = Callable[[Entry], Awaitable[None] | None]
"""Asserts what one entry claims, itself or when awaited."""
Excluded = dict[tuple[str, str], str]
"""(group, entry) -> why it cannot hold here: a defect of the reference that is closed, or prose without values."""


def load_vectors() -> dict[str, list[Entry]]:
    """Group -> entries, each with its `source`. Empty where the file is not there."""
    if not VECTORS.exists():
        return {}
    groups: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return {name: entries for name, entries in groups.items() if name != "_meta"}


@pytest.fixture(scope="session")
def vectors() -> dict[str, list[Entry]]:
    """All groups; skips, for this one reason, where the file is absent."""
    groups = load_vectors()
    if not groups:
        pytest.skip(ABSENT)
    return groups


def entry_name(entry: Entry, index: int) -> str:
    """How an entry is called in the list of exclusions and in messages."""
    return str(entry.get("name", f"#{index}"))


def from_hex(text: str) -> bytes:
    """Bytes of `0x`-hex; null is nothing."""
    return bytes.fromhex(text.removeprefix("0x")) if text else b""
