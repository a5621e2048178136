"""A council in which everybody's stake counts; each test starts from the same one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.governance import Council, deploy_council


@pytest.fixture(scope="package")
def deployed() -> Council:
    return deploy_council()


@pytest.fixture
def council(deployed: Council) -> Iterator[Council]:
    with deployed.evm.rolled_back():
        yield deployed
