"""Every compiled ABI against the ABI published for the deployed contract: what a caller can see is the same.

`scripts/compare_abi.py` says what is compared, and lists what is left out or there on purpose beyond it.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from scripts._abi import MERGED, OUTPUT, REFERENCE, Entry, compiled_abis, key_of, type_of
from scripts.compare_abi import (
    EXTRA_EVENTS,
    EXTRA_FUNCTIONS,
    LEFT_OUT,
    MOCKS,
    Comparison,
    compare,
    compared_names,
    comparisons,
    published,
    published_names,
)
from tests.support.vectors import ABSENT

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason=ABSENT)

COMPARED = compared_names()
SHIPPED = [name for name in COMPARED if name not in MOCKS]
# Functions and events of all compared contracts together. A floor under what the comparison reads.
LEAST_FUNCTIONS = 175
LEAST_EVENTS = 53
LEAST_ERRORS = 10
# Functions that answer with a Solidity enum, which a Vyper flag would turn into a uint256.
ENUMS = {"delegatorStatus(address)": "uint8", "transcoderStatus(address)": "uint8"}


@pytest.fixture(scope="module")
def compiled(fresh_build: None) -> dict[str, list[Entry]]:
    return compiled_abis(*MOCKS)


@pytest.fixture(scope="module")
def compared(fresh_build: None) -> dict[str, Comparison]:
    return {row.name: row for row in comparisons()}


def shipped(name: str) -> list[Entry]:
    entries: list[Entry] = json.loads((OUTPUT / f"{name}.json").read_text())
    return entries


def test_abi__published_contracts__are_here_or_left_out_for_a_reason(compiled: dict[str, list[Entry]]) -> None:
    assert set(published_names()) == set(COMPARED) | set(LEFT_OUT)
    assert set(COMPARED) <= set(compiled)
    assert set(LEFT_OUT).isdisjoint(compiled)
    assert set(EXTRA_FUNCTIONS) | set(EXTRA_EVENTS) <= set(COMPARED)


def about(row: Comparison, *kinds: str) -> list[str]:
    return [problem for problem in row.differences if problem.startswith(kinds)]


@pytest.mark.parametrize("name", COMPARED)
def test_abi__functions__have_the_published_types_and_mutability(compared: dict[str, Comparison], name: str) -> None:
    assert about(compared[name], "function") == []


@pytest.mark.parametrize("name", COMPARED)
def test_abi__functions__beyond_the_published_ones_are_on_the_list(compared: dict[str, Comparison], name: str) -> None:
    assert about(compared[name], "extra function") == []


@pytest.mark.parametrize("name", COMPARED)
def test_abi__events__have_the_published_topics_and_indexed_flags(compared: dict[str, Comparison], name: str) -> None:
    assert about(compared[name], "event", "extra event") == []


@pytest.mark.parametrize("name", COMPARED)
def test_abi__constructor__takes_the_published_types(compared: dict[str, Comparison], name: str) -> None:
    assert about(compared[name], "constructor") == []


@pytest.mark.parametrize("name", COMPARED)
def test_abi__compiled__differs_in_nothing(compared: dict[str, Comparison], name: str) -> None:
    assert compared[name].differences == ()


def test_abi__all_contracts__are_read_in_full(compared: dict[str, Comparison]) -> None:
    rows = compared.values()

    assert sum(row.functions for row in rows) >= LEAST_FUNCTIONS
    assert sum(row.events for row in rows) >= LEAST_EVENTS
    assert sum(row.errors for row in rows) >= LEAST_ERRORS


def test_abi__enums__stay_uint8(compiled: dict[str, list[Entry]]) -> None:
    outputs = {f"{e['name']}(address)": e["outputs"] for e in compiled["BondingManager"] if e["type"] == "function"}

    assert {name: type_of(outputs[name][0]) for name in ENUMS} == ENUMS


def changed(abi: list[Entry], kind: str, name: str, values: dict[str, Any]) -> list[Entry]:
    result = copy.deepcopy(abi)
    [entry] = [entry for entry in result if entry["type"] == kind and entry.get("name", "") == name]
    entry.update(values)
    return result


@pytest.mark.parametrize(
    ("kind", "name", "values", "expected"),
    [
        ("function", "fundReserve", {"stateMutability": "nonpayable"}, "function fundReserve()"),
        ("function", "usedTickets", {"outputs": [{"type": "uint256", "name": ""}]}, "function usedTickets(bytes32)"),
        ("function", "unlock", {"name": "unlok"}, "function unlock(): missing"),
        ("event", "Unlock", {"anonymous": True}, "event Unlock(address,uint256,uint256)"),
        ("event", "UnlockCancelled", {"inputs": [{"type": "address", "name": "sender"}]}, "event UnlockCancelled"),
        ("constructor", "", {"inputs": [{"type": "address", "name": "controller"}]}, "constructor: "),
        ("function", "withdraw", {"name": "withdrawAll"}, "extra function withdrawAll(): on no list"),
    ],
)
def test_compare__any_visible_change__is_a_difference(
    compiled: dict[str, list[Entry]], kind: str, name: str, values: dict[str, Any], expected: str
) -> None:
    row = compare("TicketBroker", changed(compiled["TicketBroker"], kind, name, values), published("TicketBroker"))

    assert any(problem.startswith(expected) for problem in row.differences), row.differences


def test_compare__a_fallback_that_takes_no_ether__is_a_difference(compiled: dict[str, list[Entry]]) -> None:
    abi = [entry for entry in compiled["ManagerProxy"] if entry["type"] != "fallback"]

    assert compare("ManagerProxy", abi, published("ManagerProxy")).differences == (
        "plain calls: not accepted as published",
    )


def test_shipped__files_that_were_merged__are_marked() -> None:
    marked = [line for line in (OUTPUT / MERGED).read_text().splitlines() if not line.startswith("#")]

    assert marked == [f"{name}.json" for name in SHIPPED]


def test_shipped__mocks__are_not_among_them() -> None:
    assert [name for name in MOCKS if (OUTPUT / f"{name}.json").exists()] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped__output_names__are_the_published_ones(name: str) -> None:
    def names(parameters: list[Entry]) -> list[Any]:
        return [(each["name"], names(each.get("components", []))) for each in parameters]

    ours = {key_of(entry): names(entry["outputs"]) for entry in shipped(name) if entry["type"] == "function"}
    theirs = {key_of(entry): names(entry["outputs"]) for entry in published(name) if entry["type"] == "function"}

    assert {key: ours[key] for key in theirs} == theirs


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped__errors_and_receive__are_the_published_ones(name: str) -> None:
    def keys(abi: list[Entry]) -> set[tuple[str, str]]:
        return {key_of(entry) for entry in abi if entry["type"] in ("error", "receive")}

    assert keys(shipped(name)) == keys(published(name))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped__everything_else__is_what_the_compiler_says(compiled: dict[str, list[Entry]], name: str) -> None:
    def without_names(entry: Entry) -> Entry:
        return {key: value for key, value in entry.items() if key != "outputs"} | {
            "outputs": [type_of(each) for each in entry.get("outputs", [])]
        }

    kept = [without_names(entry) for entry in shipped(name) if entry["type"] not in ("error", "receive")]

    assert kept == [without_names(entry) for entry in compiled[name]]
