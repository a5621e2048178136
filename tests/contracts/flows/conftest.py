"""One network per flow; each test's changes are rolled back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.network import Network, build_network


@pytest.fixture(scope="session")
def network(project: Any, accounts: Any, chain: Any, fresh_build: None) -> Network:
    return build_network(project, accounts, chain)
