"""The table of what governance costs is true. After a wanted change: `make gas`."""

from __future__ import annotations

import pytest

from tests.contracts.gas.governance import Gas, committed, measure_governance

# Ids of proposals and signatures are hashes, whose zero bytes cost 12 to 30 gas less each.
HASH_TOLERANCE = 150


@pytest.fixture(scope="module")
def measured() -> Gas:
    return measure_governance()


def test_gas_of_governance__every_scenario__is_what_the_table_says(measured: Gas) -> None:
    table = committed()
    moved = {
        name: (table.get(name), used)
        for name, used in measured.items()
        if abs(used - table.get(name, 0)) > HASH_TOLERANCE
    }
    assert moved == {}, "run `make gas` if this is wanted"
    assert set(measured) == set(table)


def test_gas_of_governance__to_vote__costs_at_most_180_000_and_in_a_poll_25_000() -> None:
    votes = {name: used for name, used in committed().items() if name.startswith("castVote")}
    polls = {name: used for name, used in committed().items() if name.startswith("poll.vote")}
    assert (len(votes), len(polls)) == (7, 2)
    assert max(votes.values()) <= 180_000
    assert max(polls.values()) <= 25_000


def test_gas_of_governance__further_calls_of_a_proposal__cost_little_beside_the_first() -> None:
    table = committed()
    for function in ("propose", "queue", "execute"):
        assert table[f"{function}.4_calls"] < 1.15 * table[f"{function}.1_call"], function
