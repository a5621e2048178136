"""No chain and no Ape needed: `python -m pytest -p no:ape_test tests/contracts/stateful` runs the tests here."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def fresh_build() -> None:
    """In the place of Ape's build: artifacts are compiled by `tests.support.artifacts`, which is never stale."""


@pytest.fixture(scope="session", autouse=True)
def roles() -> None:
    """In the place of accounts on a chain."""
