"""The EVM in this process answers as a chain does, and holds the protocol that the deploy script deploys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ape.api import AccountAPI

from scripts._protocol import MINTER_ROLE, Protocol
from tests.support.artifacts import compile_all
from tests.support.evm import FIRST_BLOCK, NOBODY, OWNER, Evm, Reverted, addresses, custom_error
from tests.support.evm_suite import EvmSuite, contract_id, deploy_suite

ALICE, BOB = addresses(2)
LPT = 10**18
# These depend on the block of the deployment.
OF_THE_CLOCK = {
    "blockNum",
    "currentRound",
    "currentRoundStartBlock",
    "currentRoundLocked",
    "lastRoundLengthUpdateRound",
    "lastRoundLengthUpdateStartBlock",
}


@pytest.fixture(scope="module")
def deployed() -> EvmSuite:
    return deploy_suite()


@pytest.fixture
def suite(deployed: EvmSuite) -> Iterator[EvmSuite]:
    with deployed.evm.rolled_back():
        deployed.start()
        yield deployed


def test_call__bond__returns_the_events_in_order(suite: EvmSuite) -> None:
    suite.fund(ALICE, lpt=LPT)

    receipt = suite.bonding.call("bond", LPT, ALICE, sender=ALICE)

    assert [(event.address, event.name) for event in receipt.events][:4] == [
        (suite.bonding.address, "EarningsClaimed"),
        (suite.bonding.address, "TranscoderActivated"),
        (suite.token.address, "Transfer"),
        (suite.bonding.address, "Bond"),
    ]
    assert receipt.events[3].args == {
        "newDelegate": ALICE,
        "oldDelegate": NOBODY,
        "delegator": ALICE,
        "additionalAmount": LPT,
        "bondedAmount": LPT,
    }


def test_call__refused_with_a_reason__raises_it_and_changes_nothing(suite: EvmSuite) -> None:
    with pytest.raises(Reverted) as failure:
        suite.bonding.call("bond", 0, BOB, sender=ALICE)

    assert failure.value.reason == "delegation amount must be greater than 0"
    assert suite.bonding.view("getDelegator", ALICE)[5] == 0


def test_call__custom_error__raises_its_bytes(suite: EvmSuite) -> None:
    with pytest.raises(Reverted) as failure:
        suite.votes.call("checkpointTotalActiveStake", 1, 1, sender=ALICE)

    assert failure.value.reason is None
    assert failure.value.data == custom_error("InvalidCaller(address,address)", ALICE, suite.bonding.address)


def test_call__bare_revert__is_told_from_a_halt(suite: EvmSuite) -> None:
    with pytest.raises(Reverted) as refused:
        suite.controller.call("pause", sender=ALICE)
    assert refused.value.is_bare

    with pytest.raises(Reverted) as poor:
        suite.broker.call("fundDeposit", sender=ALICE, value=1)
    assert not poor.value.is_bare
    assert "LackOfFund" in str(poor.value)


def test_call__two_calls_to_a_nonreentrant_function__each_is_a_transaction(suite: EvmSuite) -> None:
    for _ in range(2):
        suite.bonding.call("withdrawFees", ALICE, 0, sender=ALICE)


def test_view__function_that_writes__is_refused(suite: EvmSuite) -> None:
    with pytest.raises(Reverted):
        suite.controller.view("pause", sender=OWNER)
    assert not suite.controller.view("paused")


def test_restore__outer_of_two_snapshots__undoes_state_ether_and_blocks(suite: EvmSuite) -> None:
    evm, round_, block = suite.evm, suite.rounds.view("currentRound"), suite.evm.block
    outer = evm.snapshot()
    suite.next_round()
    inner = evm.snapshot()
    suite.fund(ALICE, lpt=1, eth=5)

    evm.restore(outer)

    assert (evm.block, evm.balance(ALICE), suite.token.view("balanceOf", ALICE)) == (block, 0, 0)
    assert suite.rounds.view("currentRound") == round_
    with pytest.raises(ValueError, match="used up"):
        evm.restore(inner)


def test_restore__thousands_of_times__never_runs_out_of_call_depth(suite: EvmSuite) -> None:
    for _ in range(3000):
        with suite.evm.rolled_back():
            suite.evm.snapshot()
    assert suite.rounds.view("currentRoundInitialized")


def test_block_hash__as_the_contract_sees_it__is_the_predicted_one(suite: EvmSuite) -> None:
    assert suite.rounds.view("blockHash", suite.evm.block - 1) == suite.evm.block_hash(suite.evm.block - 1)
    assert suite.evm.block >= FIRST_BLOCK


def test_deploy__mock__works_beside_the_suite() -> None:
    mock = Evm().deploy(compile_all(["mocks/RoundsMock"])["RoundsMock"])
    assert mock.address != NOBODY


def test_deploy_suite__beside_the_deploy_script__agrees_in_every_parameter(
    protocol: Protocol, owner: AccountAPI
) -> None:
    twin = deploy_suite(protocol.params, owner=str(owner.address).lower())
    by_address = {str(value).lower(): name for name, value in protocol.addresses().items()}
    by_twin_address = {contract.address: name for name, contract in twin.contracts().items()}
    handles = {
        "Controller": protocol.controller,
        "Minter": protocol.minter,
        "LivepeerToken": protocol.livepeer_token,
        "L2LPTDataCache": protocol.l2_lpt_data_cache,
        "TicketBroker": protocol.ticket_broker,
        "BondingManager": protocol.bonding_manager,
        "BondingVotes": protocol.bonding_votes,
        "RoundsManager": protocol.rounds_manager,
        "ServiceRegistry": protocol.service_registry,
    }
    compared = 0
    for name, contract in twin.contracts().items():
        registered = contract_id(name), contract_id(f"{name}Target")
        if name != "Controller":
            assert twin.controller.view("getContract", registered[0]) == contract.address
        has_target = protocol.controller.getContract(registered[1]) != NOBODY
        assert has_target == (name in twin.targets)
        for function in contract.interface.own_functions():
            if function.inputs.kinds or function.mutability not in ("view", "pure") or function.name in OF_THE_CLOCK:
                continue
            if len(function.outputs.kinds) != 1 or function.outputs.kinds[0] not in ("uint256", "bool", "address"):
                continue
            theirs, ours = getattr(handles[name], function.name)(), contract.view(function.name)
            if function.outputs.kinds[0] == "address":
                theirs, ours = str(theirs).lower(), str(ours)
                theirs, ours = by_address.get(theirs, theirs), by_twin_address.get(ours, ours)
            assert theirs == ours, (name, function.name)
            compared += 1
    assert compared > 30
    assert protocol.livepeer_token.hasRole(MINTER_ROLE, protocol.minter.address)
    assert twin.token.view("hasRole", MINTER_ROLE, twin.minter.address)
    assert twin.controller.view("getContract", contract_id("JobsManager")) == twin.broker.address
