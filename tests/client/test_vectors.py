"""The reference's conformance vectors: each entry is asserted, or left out for a stated reason.

Each layer has a module of its own in `tests/support`, with `CHECKS` by group and `EXCLUDED` by (group, entry).
"""

import inspect
from typing import Final

import pytest

from tests.support import (
    chain_vectors,
    codec_vectors,
    live_vectors,
    price_vectors,
    recipient_vectors,
    redemption_vectors,
    sender_vectors,
    signer_vectors,
    store_vectors,
)
from tests.support.vectors import Check, Entry, Excluded, entry_name, vectors

__all__ = ["vectors"]  # the fixture

LAYERS = (
    codec_vectors,
    recipient_vectors,
    sender_vectors,
    price_vectors,
    live_vectors,
    signer_vectors,
    redemption_vectors,
    store_vectors,
    chain_vectors,
)
MAX_EXCLUDED: Final = 40

CHECKS: dict[str, Check] = {group: check for layer in LAYERS for group, check in layer.CHECKS.items()}
EXCLUDED: Excluded = {entry: why for layer in LAYERS for entry, why in layer.EXCLUDED.items()}
LEFT_OUT = {group for group, _ in EXCLUDED} - CHECKS.keys()
"""Groups of which no entry holds."""


@pytest.mark.parametrize("group", CHECKS)
async def test_vectors__every_entry_of_a_group__holds(group: str, vectors: dict[str, list[Entry]]) -> None:
    asserted = excluded = 0
    for index, entry in enumerate(vectors[group]):
        name = entry_name(entry, index)
        if (group, name) in EXCLUDED:
            excluded += 1
            continue
        try:
            outcome = CHECKS[group](entry)
            if inspect.isawaitable(outcome):
                await outcome
        except AssertionError as error:
            error.add_note(f"vector {group} / {name}: {entry.get('source')}")
            raise
        asserted += 1
    assert asserted + excluded == len(vectors[group])


def test_vectors__all_groups_and_exclusions__are_accounted_for(vectors: dict[str, list[Entry]]) -> None:
    assert len(CHECKS) == sum(len(layer.CHECKS) for layer in LAYERS)
    groups = [*CHECKS, *LEFT_OUT]
    assert set(vectors) == set(groups)
    known = [(group, entry_name(entry, at)) for group in groups for at, entry in enumerate(vectors[group])]
    assert len(set(known)) == len(known)
    assert set(known) >= EXCLUDED.keys()
    assert all(
        (group, entry_name(entry, at)) in EXCLUDED for group in LEFT_OUT for at, entry in enumerate(vectors[group])
    )
    assert len(EXCLUDED) <= MAX_EXCLUDED
    total = sum(len(entries) for entries in vectors.values())
    assert total == len(known)
    print(f"vectors: {total} in all, {total - len(EXCLUDED)} asserted, {len(EXCLUDED)} left out")
