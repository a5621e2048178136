"""One network for all tests of the TicketBroker; each test's changes are rolled back."""

from __future__ import annotations

from typing import Any

import pytest

from scripts._protocol import contract_id
from tests.support.network import Network, build_network


@pytest.fixture(scope="session")
def network(project: Any, accounts: Any, chain: Any, fresh_build: None) -> Network:
    return build_network(project, accounts, chain)


@pytest.fixture
def paused(network: Network) -> None:
    network.protocol.controller.pause(sender=network.deployer)


@pytest.fixture
def bonding_mock(network: Network, project: Any) -> Any:
    """A BondingManager that does as it is told, in the place of the real one."""
    mock = network.deployer.deploy(project.BondingManagerMock)
    network.protocol.controller.setContractInfo(
        contract_id("BondingManager"), mock.address, bytes(20), sender=network.deployer
    )
    return mock
