from __future__ import annotations

import pytest
from ape.contracts import ContractInstance
from eth_utils import keccak

LPT = 10**18


@pytest.fixture(scope="session")
def minter_role() -> bytes:
    return keccak(text="MINTER_ROLE")


@pytest.fixture
def burner_role() -> bytes:
    return keccak(text="BURNER_ROLE")


@pytest.fixture(scope="module")
def holder(delegator):
    """Has 1000 LPT."""
    return delegator


@pytest.fixture(scope="module")
def spender(transcoder):
    """Spends what others allow it to."""
    return transcoder


@pytest.fixture(scope="module")
def token(project, owner, holder, minter_role) -> ContractInstance:
    """The owner may mint; 1000 LPT exist."""
    instance = owner.deploy(project.LivepeerToken)
    instance.grantRole(minter_role, owner, sender=owner)
    instance.mint(holder, 1000 * LPT, sender=owner)
    return instance
