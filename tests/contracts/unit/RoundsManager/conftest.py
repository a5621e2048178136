from __future__ import annotations

from collections.abc import Callable

import pytest
from ape.contracts import ContractInstance
from eth_utils import keccak

LENGTH = 20


@pytest.fixture(scope="module")
def unset_rounds(project, owner, controller) -> ContractInstance:
    """A RoundsManager without a round length."""
    return owner.deploy(project.RoundsManager, controller)


@pytest.fixture(scope="module")
def rounds(project, chain, owner, controller, register) -> ContractInstance:
    """Rounds of 20 blocks, the last 2 of them locked; the clock is past round 0."""
    instance = owner.deploy(project.RoundsManager, controller)
    register("RoundsManager", instance)
    instance.setRoundLength(LENGTH, sender=owner)
    instance.setRoundLockAmount(100_000, sender=owner)
    chain.mine(2 * LENGTH)
    return instance


@pytest.fixture
def go_to(rounds, chain) -> Callable[[int], None]:
    """`go_to(offset)` mines until views see that offset in a round; a transaction then runs one block later."""

    def mine(offset: int) -> None:
        length = rounds.roundLength()
        now = rounds.blockNum() - rounds.currentRoundStartBlock()
        if missing := (offset - now) % length:
            chain.mine(missing)

    return mine


@pytest.fixture(scope="module")
def stake(project, owner, register) -> ContractInstance:
    """Plays the BondingManager."""
    instance = owner.deploy(project.StakeMock)
    register("BondingManager", instance)
    return instance


@pytest.fixture(scope="module")
def minter(project, owner, controller, register, stake) -> ContractInstance:
    """A Minter over 1000 LPT, ready for rounds."""
    token = owner.deploy(project.LivepeerToken)
    token.grantRole(keccak(text="MINTER_ROLE"), owner, sender=owner)
    token.mint(owner, 1000 * 10**18, sender=owner)
    register("LivepeerToken", token)
    register("L2LPTDataCache", owner.deploy(project.L2LPTDataCache))
    instance = owner.deploy(project.Minter, controller, 1000, 50, 500_000_000)
    register("Minter", instance)
    return instance
