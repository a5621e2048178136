"""Every compiled ABI against the ABI published for the deployed contract: what a caller can see is the same.

Compared are selectors with input and output types, mutability, and event topics with their indexed flags. Output names,
custom errors and `receive` are beyond the compiler; `scripts/export_abi.py` merges them into what the client ships.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.export_abi import REFERENCE, Entry, signature_of, type_of
from tests.support.vectors import ABSENT

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason=ABSENT)

# Published contracts that this repository does not contain.
LEFT_OUT = {
    "AdjustableRoundsManager": "lets anybody set the block number; tests mine blocks",
    "Governor": "ownership of the Controller is not part of the payment protocol",
    "LivepeerGovernor": "treasury governance is not part of the payment protocol",
    "LivepeerTokenFaucet": "local networks mint on deployment",
    "MerkleSnapshot": "served the migration from L1",
    "Poll": "off-chain governance",
    "PollCreator": "off-chain governance",
    "SortedDoublyLL": "a library there, a module of the BondingManager here",
    "SortedDoublyLLFixture": "test fixture of that library",
    "Treasury": "treasury governance is not part of the payment protocol",
}

# What is there on purpose beyond the published ABIs.
EXTRAS = {
    "BondingManager": {
        "currentRoundActiveTranscoders()": "K8: the divisor of a reserve",
        "updateTranscoderWithFeesBatch(address,uint256[],uint256)": "one call for the tickets of one recipient",
        "setRewardCaller(address)": "LIP-118",
        "transcoderToRewardCaller(address)": "LIP-118",
        "rewardForTranscoder(address)": "LIP-118",
        "rewardForTranscoderWithHint(address,address,address)": "LIP-118",
    },
    "RoundsManager": {"roundState()": "round, initialized and locked in one call"},
}

EXTRA_EVENTS = {"BondingManager": {"RewardCallerSet(address,address)": "LIP-118"}}

MISSING: dict[str, dict[str, str]] = {}


def contracts(project: Any) -> dict[str, list[Entry]]:
    return {
        name: [entry.model_dump(mode="json", by_alias=True, exclude_none=True) for entry in contract.abi]
        for name, contract in project.load_contracts().items()
        if "mocks/" not in (contract.source_id or "")
    }


def functions(abi: list[Entry]) -> dict[str, tuple[tuple[str, ...], str]]:
    """Signature -> (output types, mutability)."""
    return {
        signature_of(entry): (tuple(map(type_of, entry.get("outputs", []))), entry["stateMutability"])
        for entry in abi
        if entry["type"] == "function"
    }


def events(abi: list[Entry]) -> dict[str, tuple[bool, ...]]:
    """Signature -> which arguments are indexed."""
    return {
        signature_of(entry): tuple(bool(parameter.get("indexed")) for parameter in entry["inputs"])
        for entry in abi
        if entry["type"] == "event"
    }


def constructor(abi: list[Entry]) -> tuple[str, ...]:
    return tuple(type_of(p) for entry in abi if entry["type"] == "constructor" for p in entry.get("inputs", []))


def published(name: str) -> list[Entry]:
    entries: list[Entry] = json.loads((REFERENCE / f"{name}.json").read_text())
    return entries


REFERENCE_NAMES = sorted(path.stem for path in Path(REFERENCE).glob("*.json"))
COMPARED = [name for name in REFERENCE_NAMES if name not in LEFT_OUT]


def test_abi__published_contracts__are_here_or_left_out_for_a_reason(project: Any, fresh_build: None) -> None:
    assert set(COMPARED) <= set(contracts(project))
    assert set(LEFT_OUT).isdisjoint(contracts(project))


@pytest.mark.parametrize("name", COMPARED)
def test_abi__functions__have_the_published_types_and_mutability(project: Any, name: str) -> None:
    ours, theirs = functions(contracts(project)[name]), functions(published(name))

    missing = MISSING.get(name, {})
    assert {signature: ours.get(signature) for signature in theirs if signature not in missing} == {
        signature: value for signature, value in theirs.items() if signature not in missing
    }
    assert set(missing).isdisjoint(ours)


@pytest.mark.parametrize("name", COMPARED)
def test_abi__functions__beyond_the_published_ones_are_on_the_list(project: Any, name: str) -> None:
    ours, theirs = functions(contracts(project)[name]), functions(published(name))

    assert set(ours) - set(theirs) == set(EXTRAS.get(name, {}))


@pytest.mark.parametrize("name", COMPARED)
def test_abi__events__have_the_published_topics_and_indexed_flags(project: Any, name: str) -> None:
    ours, theirs = events(contracts(project)[name]), events(published(name))

    assert {signature: ours.get(signature) for signature in theirs} == theirs
    assert set(ours) - set(theirs) == set(EXTRA_EVENTS.get(name, {}))


@pytest.mark.parametrize("name", COMPARED)
def test_abi__constructor__takes_the_published_types(project: Any, name: str) -> None:
    assert constructor(contracts(project)[name]) == constructor(published(name))
