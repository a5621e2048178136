"""`ape run compare_abi`: every compiled ABI against the one published for the deployed contract, counted.

What is compared is what a caller can see: selectors with input and output types and mutability, event topics with their
indexed and anonymous flags, constructor arguments in order, and whether plain calls are accepted. Output names, custom
errors and `receive` are beyond the compiler; `export_abi` merges them into what the client ships.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import click

from scripts._abi import REFERENCE, Entry, compiled_abis, signature_of, type_of

# Published contracts that this repository does not contain.
LEFT_OUT = {
    "SortedDoublyLL": "a library there, a module of the BondingManager here",
    "SortedDoublyLLFixture": "test fixture of that library",
}

# Published for tests only: mocks here, which no script deploys and the client does not ship.
MOCKS = ("AdjustableRoundsManager",)

# What is there on purpose beyond the published ABIs, by contract: signature -> why.
EXTRA_FUNCTIONS = {
    "AdjustableRoundsManager": {"roundState()": "round, initialized and locked in one call"},
    "BondingManager": {
        "currentRoundActiveTranscoders()": "K8: the divisor of a reserve",
        "updateTranscoderWithFeesBatch(address,uint256[],uint256)": "one call for the tickets of one recipient",
        "setRewardCaller(address)": "LIP-118",
        "transcoderToRewardCaller(address)": "LIP-118",
        "rewardForTranscoder(address)": "LIP-118",
        "rewardForTranscoderWithHint(address,address,address)": "LIP-118",
    },
    "TicketBroker": {
        "redeemWinningTicketsCompact(address,address,uint256,uint256,uint256,(uint256,uint256,bytes32,bytes32)[])": (
            "tickets that share their terms, with a quarter of the calldata"
        )
    },
    "RoundsManager": {"roundState()": "round, initialized and locked in one call"},
}
EXTRA_EVENTS = {"BondingManager": {"RewardCallerSet(address,address)": "LIP-118"}}

# Contracts that the deployed network does not have, with everything that can be called on them: signature -> why.
OWN_FUNCTIONS = {
    "Creator": {
        "create(bytes,bytes,uint256)": "creation and initialization in one transaction (K22)",
        "addressOf(address,bytes32,bytes32,uint256)": "where a contract will be, so that two can name each other",
    },
    "L2LPTDataCache": {"l1CirculatingSupply()": "what the Minter asks it"},
    "PoolHints": {
        "controller()": "where it looks the other contracts up",
        "bondHints(address,uint256,address)": "for bondWithHint and bondForWithHint",
        "unbondHints(address,uint256)": "for unbondWithHint",
        "rebondHints(address,uint256)": "for rebondWithHint",
        "rebondFromUnbondedHints(address,address,uint256)": "for rebondFromUnbondedWithHint",
        "transferBondHints(address,address,uint256)": "for transferBond",
        "transcoderHints(address)": "for transcoderWithHint",
        "rewardHints(address)": "for rewardWithHint and rewardForTranscoderWithHint",
    },
}

Functions = dict[str, tuple[tuple[str, ...], str]]
Events = dict[str, tuple[tuple[bool, ...], bool]]


def functions(abi: list[Entry]) -> Functions:
    """Signature -> (output types, mutability)."""
    return {
        signature_of(entry): (tuple(map(type_of, entry.get("outputs", []))), entry["stateMutability"])
        for entry in abi
        if entry["type"] == "function"
    }


def events(abi: list[Entry]) -> Events:
    """Signature -> (which arguments are indexed, anonymous)."""
    return {
        signature_of(entry): (
            tuple(bool(parameter.get("indexed")) for parameter in entry["inputs"]),
            bool(entry.get("anonymous")),
        )
        for entry in abi
        if entry["type"] == "event"
    }


def constructor(abi: list[Entry]) -> list[tuple[str, str]]:
    """(type, name) of the constructor's arguments; deployment scripts pass them by position."""
    return [
        (type_of(parameter), parameter["name"])
        for entry in abi
        if entry["type"] == "constructor"
        for parameter in entry.get("inputs", [])
    ]


def accepts_plain_calls(abi: list[Entry]) -> set[str]:
    """Mutability of the functions without a name. A published `receive` is a `fallback` here, the only form that the
    compiler knows; where no `fallback` was published it refuses calldata, as its tests show."""
    return {entry["stateMutability"] for entry in abi if entry["type"] in ("fallback", "receive")}


def published(name: str) -> list[Entry]:
    entries: list[Entry] = json.loads((REFERENCE / f"{name}.json").read_text())
    return entries


def published_names() -> list[str]:
    """Empty where the published ABIs are not at hand."""
    return sorted(path.stem for path in REFERENCE.glob("*.json"))


def compared_names() -> list[str]:
    return [name for name in published_names() if name not in LEFT_OUT]


class Comparison(NamedTuple):
    """One contract. `differences` is empty if everything published is there as it was and the rest is on the lists."""

    name: str
    functions: int
    events: int
    errors: int
    extra_functions: int
    extra_events: int
    differences: tuple[str, ...]


def compare(name: str, compiled: list[Entry], reference: list[Entry]) -> Comparison:
    ours, theirs = functions(compiled), functions(reference)
    our_events, their_events = events(compiled), events(reference)
    problems: list[str] = []
    for what, own, other, listed in (
        ("function", ours, theirs, EXTRA_FUNCTIONS.get(name, {})),
        ("event", our_events, their_events, EXTRA_EVENTS.get(name, {})),
    ):
        for signature, value in other.items():
            if signature not in own:
                problems.append(f"{what} {signature}: missing")
            elif own[signature] != value:
                problems.append(f"{what} {signature}: {own[signature]} instead of {value}")
        extra = own.keys() - other.keys()
        problems += [f"extra {what} {signature}: on no list" for signature in sorted(extra - listed.keys())]
        problems += [f"extra {what} {signature}: listed but absent" for signature in sorted(listed.keys() - extra)]
    if constructor(compiled) != constructor(reference):
        problems.append(f"constructor: {constructor(compiled)} instead of {constructor(reference)}")
    if accepts_plain_calls(compiled) != accepts_plain_calls(reference):
        problems.append("plain calls: not accepted as published")
    return Comparison(
        name=name,
        functions=len(theirs),
        events=len(their_events),
        errors=sum(entry["type"] == "error" for entry in reference),
        extra_functions=len(ours.keys() - theirs.keys()),
        extra_events=len(our_events.keys() - their_events.keys()),
        differences=tuple(problems),
    )


def comparisons() -> list[Comparison]:
    """Every published contract that is here, in the order of names."""
    compiled = compiled_abis(*MOCKS)
    return [compare(name, compiled[name], published(name)) for name in compared_names()]


@click.command()
def cli() -> None:
    """Print the comparison; fail if anything differs."""
    rows = comparisons()
    if not rows:
        raise click.ClickException(f"{REFERENCE} is absent: there is nothing to compare with")
    click.echo("| contract | functions | events | errors | extra functions | extra events | differences |")
    click.echo("|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        counts = (row.functions, row.events, row.errors, row.extra_functions, row.extra_events, len(row.differences))
        click.echo(f"| {row.name} | " + " | ".join(map(str, counts)) + " |")
    sums = [
        sum(getattr(row, field) for row in rows)
        for field in ("functions", "events", "errors", "extra_functions", "extra_events")
    ]
    problems = [f"{row.name}: {problem}" for row in rows for problem in row.differences]
    click.echo(f"| {len(rows)} contracts | " + " | ".join(map(str, [*sums, len(problems)])) + " |")
    if problems:
        raise click.ClickException("\n  ".join(["differences:", *problems]))
