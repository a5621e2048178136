from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ape.contracts import ContractInstance
from eth_utils import keccak

LPT = 10**18


@pytest.fixture(scope="session")
def bonding_manager(accounts: Any):
    """An account that plays the BondingManager."""
    return accounts[10]


@pytest.fixture(scope="session")
def jobs_manager(accounts: Any):
    """An account that plays the TicketBroker."""
    return accounts[11]


@pytest.fixture(scope="session")
def rounds_manager(accounts: Any):
    """An account that plays the RoundsManager."""
    return accounts[12]


@pytest.fixture(scope="module")
def registered(register, bonding_manager, jobs_manager, rounds_manager) -> None:
    register("BondingManager", bonding_manager)
    register("JobsManager", jobs_manager)
    register("RoundsManager", rounds_manager)


@pytest.fixture(scope="module")
def token(project, owner, register) -> ContractInstance:
    instance = owner.deploy(project.LivepeerToken)
    instance.grantRole(keccak(text="MINTER_ROLE"), owner, sender=owner)
    register("LivepeerToken", instance)
    return instance


@pytest.fixture(scope="module")
def data_cache(project, owner, register) -> ContractInstance:
    instance = owner.deploy(project.SupplyMock)
    register("L2LPTDataCache", instance)
    return instance


@pytest.fixture(scope="module")
def new_minter(project, owner, controller, token) -> Callable[..., ContractInstance]:
    """`new_minter(inflation)` gives one that may mint but is not registered."""

    def make(inflation: int = 1000, change: int = 50, target: int = 500_000_000) -> ContractInstance:
        instance = owner.deploy(project.Minter, controller, inflation, change, target)
        token.grantRole(keccak(text="MINTER_ROLE"), instance, sender=owner)
        return instance

    return make


@pytest.fixture(scope="module")
def minter(new_minter, registered, register, data_cache) -> ContractInstance:
    instance = new_minter()
    register("Minter", instance)
    return instance


@pytest.fixture(scope="module")
def stake(project, owner, register) -> ContractInstance:
    """Answers how much is bonded; register it where a test needs that."""
    return owner.deploy(project.StakeMock)
