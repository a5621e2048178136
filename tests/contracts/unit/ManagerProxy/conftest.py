from __future__ import annotations

from collections.abc import Callable

import pytest
from ape.contracts import ContractInstance

from scripts._protocol import contract_id


@pytest.fixture(scope="module")
def target(project, owner, controller, register) -> ContractInstance:
    """Code behind the proxy."""
    instance = owner.deploy(project.ProxyTargetMock, controller)
    register("SomethingTarget", instance)
    return instance


@pytest.fixture(scope="module")
def proxy(project, owner, controller, target) -> ContractInstance:
    return owner.deploy(project.ManagerProxy, controller, contract_id("SomethingTarget"))


@pytest.fixture(scope="module")
def through(project, proxy) -> Callable[[str], ContractInstance]:
    """`through(name)` calls the proxy as if it were the contract of that name."""

    def at(name: str) -> ContractInstance:
        return ContractInstance(proxy.address, project.get_contract(name).contract_type)

    return at


@pytest.fixture(scope="module")
def something(through) -> ContractInstance:
    return through("ProxyTargetMock")
