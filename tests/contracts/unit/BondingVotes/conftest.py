from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ape.api import AccountAPI, ReceiptAPI
from ape.contracts import ContractInstance

FIRST_ROUND = 100


@pytest.fixture(scope="module")
def clock(project, owner, register) -> ContractInstance:
    """Plays the RoundsManager; round 100 to begin with."""
    instance = owner.deploy(project.RoundsMock)
    instance.set_round(FIRST_ROUND, sender=owner)
    register("RoundsManager", instance)
    return instance


@pytest.fixture(scope="module")
def stake(project, owner, register) -> ContractInstance:
    """Plays the BondingManager in look-ups."""
    instance = owner.deploy(project.StakeMock)
    register("BondingManager", instance)
    return instance


@pytest.fixture(scope="module")
def bonding_manager(stake, accounts) -> AccountAPI:
    """The same contract as a caller."""
    account = accounts[stake.address]
    account.balance = 10**18
    return account


@pytest.fixture(scope="module")
def votes(project, owner, controller, clock) -> ContractInstance:
    return owner.deploy(project.BondingVotes, controller)


@pytest.fixture
def go_to(clock, owner) -> Callable[[int], None]:
    def move(number: int) -> None:
        clock.set_round(number, sender=owner)

    return move


@pytest.fixture
def record(votes, clock, bonding_manager) -> Callable[..., ReceiptAPI]:
    """`record(account, bonded, delegate, delegated)` writes a checkpoint for the round after the current one."""

    def write(
        account: Any, bonded: int, delegate: Any, delegated: int = 0, claimed: int | None = None, rewarded: int = 0
    ) -> ReceiptAPI:
        now = clock.currentRound()
        return votes.checkpointBondingState(
            account,
            now + 1,
            bonded,
            delegate,
            delegated,
            now if claimed is None else claimed,
            rewarded,
            sender=bonding_manager,
        )

    return write
