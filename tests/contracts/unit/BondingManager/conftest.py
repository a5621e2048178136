"""A whole protocol in its first round, an account as the TicketBroker; changes of a test are rolled back."""

from __future__ import annotations

from typing import Any

import pytest
from ape.api import AccountAPI
from ape.contracts import ContractInstance

from scripts._params import LOCAL
from scripts._protocol import deploy, mint_tokens, start
from tests.support.bonding_stage import LPT, WEALTH, Stage

# No fixture: Ape looks fixtures up by name, and takes one of this name elsewhere for one of the session too.
PARAMS = LOCAL.override(num_active_transcoders=3, unbonding_period_rounds=2)


@pytest.fixture(scope="session")
def session_stage(
    project: Any,
    accounts: Any,
    chain: Any,
    fresh_build: None,
    owner: AccountAPI,
    transcoder: AccountAPI,
    other_transcoder: AccountAPI,
    delegator: AccountAPI,
    other_delegator: AccountAPI,
    broadcaster: AccountAPI,
    receiver: AccountAPI,
    stranger: AccountAPI,
) -> Stage:
    """Asks for every role, although it needs the owner only: ape wants session fixtures set up before the tests."""
    broker = accounts[19]
    protocol = deploy(project, owner, PARAMS)
    people = accounts[1:11]
    mint_tokens(protocol, owner, {account.address: WEALTH for account in people})
    for account in people:
        protocol.livepeer_token.approve(protocol.bonding_manager.address, WEALTH, sender=account)
    stage = Stage(protocol=protocol, owner=owner, broker=broker, chain=chain)
    # The Minter takes ETH from the one, the BondingManager fees from the other.
    stage.register("JobsManager", broker)
    stage.register("TicketBroker", broker)
    start(protocol, owner, chain.mine)
    return stage


@pytest.fixture
def stage(session_stage: Stage) -> Stage:
    """A protocol without any stake."""
    return session_stage


@pytest.fixture
def bonding(stage: Stage) -> ContractInstance:
    return stage.bonding


@pytest.fixture
def active(stage: Stage, transcoder: AccountAPI, delegator: AccountAPI) -> Stage:
    """An active transcoder with 1000 LPT of its own and 1000 LPT of a delegator; it shares half of everything."""
    stage.bond(transcoder, 1000 * LPT)
    stage.bonding.transcoder(500_000, 500_000, sender=transcoder)
    stage.bond(delegator, 1000 * LPT, transcoder)
    stage.next_round()
    return stage
