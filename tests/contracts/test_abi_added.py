"""What can be called is on a list: a function that is added to a contract goes there with its reason, or a test fails.

Beside the published ABIs that is `test_abi`'s. Here without them: contracts of this repository's own by the list in
`scripts/compare_abi.py`, all others by the ABIs that the client ships.
"""

from __future__ import annotations

import copy
import json

import pytest

from scripts._abi import MERGED, OUTPUT, Entry, compiled_abis, identities
from scripts.compare_abi import OWN_FUNCTIONS, functions


@pytest.fixture(scope="module")
def compiled(fresh_build: None) -> dict[str, list[Entry]]:
    return compiled_abis()


def shipped(name: str) -> list[Entry]:
    entries: list[Entry] = json.loads((OUTPUT / f"{name}.json").read_text())
    return entries


def test_abi__every_contract__is_published_or_has_a_list(compiled: dict[str, list[Entry]]) -> None:
    merged = {line.removesuffix(".json") for line in (OUTPUT / MERGED).read_text().split() if line.endswith(".json")}

    assert set(compiled) == merged | set(OWN_FUNCTIONS)
    assert merged.isdisjoint(OWN_FUNCTIONS)
    assert {path.stem for path in OUTPUT.glob("*.json")} == set(compiled)


@pytest.mark.parametrize("name", OWN_FUNCTIONS)
def test_abi__functions_of_ones_own__are_those_on_the_list(compiled: dict[str, list[Entry]], name: str) -> None:
    assert set(functions(compiled[name])) == set(OWN_FUNCTIONS[name])


def test_abi__shipped__has_the_functions_and_events_of_the_sources(compiled: dict[str, list[Entry]]) -> None:
    differing = [
        f"{name}.{signature}"
        for name, abi in compiled.items()
        for _, signature, _ in sorted(identities(abi) ^ identities(shipped(name)))
    ]

    assert differing == [], "if this is wanted: `ape run export_abi`, and a reason in scripts/compare_abi.py"


def test_identities__a_view_that_was_added__differ(compiled: dict[str, list[Entry]]) -> None:
    more = copy.deepcopy(compiled["PoolHints"])
    more.append({"type": "function", "name": "version", "inputs": [], "outputs": [], "stateMutability": "view"})

    added = identities(more) - identities(shipped("PoolHints"))
    assert [(kind, signature) for kind, signature, _ in added] == [("function", "version()")]
