"""LivepeerGovernor.queue and execute, what a proposal may change here, and what nobody else may (spec 13)."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from tests.support.artifacts import suite_artifacts
from tests.support.evm import OWNER, Reverted
from tests.support.evm_suite import contract_id
from tests.support.governance import (
    ACTIVE,
    AGAINST,
    ANN,
    CANCELED,
    CANCELLER_ROLE,
    CEM,
    DEFEATED,
    EXECUTED,
    EXECUTOR_ROLE,
    FIRST,
    FOR,
    LPT,
    NONE,
    PROPOSER_ROLE,
    QUEUED,
    QUORUM_PPM,
    SECOND,
    STRANGER,
    SUCCEEDED,
    THRESHOLD,
    VOTING_DELAY_ROUNDS,
    VOTING_PERIOD_ROUNDS,
    Council,
    Proposal,
    deploy_council,
)

# --- queue ------------------------------------------------------------------------------------------------------------


def test_queue__succeeded__schedules_in_the_treasury(council: Council) -> None:
    proposal = council.propose([council.pay(ANN, 5), council.pay(FIRST, 6)])
    council.pass_(proposal)
    receipt = council.queue(proposal)

    eta = 12 * council.evm.block
    scheduled = receipt.events[:2]
    assert [(event.address, event.name, event.args["index"], event.args["target"]) for event in scheduled] == [
        (council.treasury.address, "CallScheduled", index, council.suite.token.address) for index in range(2)
    ]
    assert [event.args["id"] for event in scheduled] == [proposal.operation] * 2
    assert [(event.name, event.args) for event in receipt.events[2:]] == [
        ("CallSalt", {"id": proposal.operation, "salt": proposal.description_hash}),
        ("ProposalQueued", {"proposalId": proposal.id, "eta": eta}),
    ]
    assert receipt.result == proposal.id
    assert council.state(proposal) == QUEUED
    assert council.governor.view("proposalEta", proposal.id) == eta


def test_queue__pending_active_and_defeated__reverts(council: Council) -> None:
    proposal = council.propose([council.pay(ANN, 5)])
    for reach in (None, ACTIVE, DEFEATED):
        if reach is not None:
            council.reach(proposal, reach)
        with pytest.raises(Reverted, match=r"^Governor: proposal not successful$"):
            council.queue(proposal)


def test_queue__twice__reverts(council: Council) -> None:
    proposal = council.propose([council.pay(ANN, 5)])
    council.pass_(proposal)
    council.queue(proposal)

    with pytest.raises(Reverted, match=r"^Governor: proposal not successful$"):
        council.queue(proposal)


def test_state__operation_cancelled_in_the_treasury__is_canceled(council: Council) -> None:
    proposal = council.propose([council.treasury_call("grantRole", CANCELLER_ROLE, STRANGER)], "guardian")
    council.pass_(proposal)
    council.queue(proposal)
    council.evm.block += 1
    council.execute(proposal)
    second = council.propose([council.pay(ANN, 5)])
    council.pass_(second)
    council.queue(second)
    council.treasury.call("cancel", second.operation, sender=STRANGER)

    assert council.state(second) == CANCELED


# --- execute ----------------------------------------------------------------------------------------------------------


def test_execute__queued__moves_the_treasurys_tokens(council: Council) -> None:
    before = council.suite.token.view("balanceOf", council.treasury.address)
    proposal = council.propose([council.pay(ANN, 5 * LPT)])
    council.pass_(proposal)
    council.queue(proposal)
    receipt = council.execute(proposal)

    assert [event.name for event in receipt.events] == ["ProposalExecuted", "Transfer", "CallExecuted"]
    assert receipt.result == proposal.id
    assert council.suite.token.view("balanceOf", ANN) == 5 * LPT
    assert council.suite.token.view("balanceOf", council.treasury.address) == before - 5 * LPT
    assert council.state(proposal) == EXECUTED
    assert council.governor.view("proposalEta", proposal.id) == 0


def test_execute__with_ether__moves_it_with_what_the_caller_adds(council: Council) -> None:
    council.evm.give(council.treasury.address, 10)
    council.evm.give(STRANGER, 5)
    proposal = council.propose([(ANN, 12, b"")])
    council.pass_(proposal)
    council.queue(proposal)
    council.execute(proposal, value=5)

    assert council.evm.balance(ANN) == 12
    assert council.evm.balance(council.treasury.address) == 3
    assert council.evm.balance(council.governor.address) == 0


def test_execute__not_queued__reverts(council: Council) -> None:
    proposal = council.propose([council.pay(ANN, 5)])
    council.pass_(proposal)

    with pytest.raises(Reverted, match=r"^TimelockController: operation is not ready$"):
        council.execute(proposal)


def test_execute__twice__reverts(council: Council) -> None:
    proposal = council.propose([council.pay(ANN, 5)])
    council.pass_(proposal)
    council.queue(proposal)
    council.execute(proposal)

    with pytest.raises(Reverted, match=r"^Governor: proposal not successful$"):
        council.execute(proposal)


def test_execute__before_the_treasurys_delay_is_over__reverts() -> None:
    council = deploy_council(min_delay_s=100)
    proposal = council.propose([council.pay(ANN, 5)])
    council.pass_(proposal)
    council.queue(proposal)
    council.evm.block += 8

    with pytest.raises(Reverted, match=r"^TimelockController: operation is not ready$"):
        council.execute(proposal)
    council.evm.block += 1
    council.execute(proposal)


def test_execute__a_call_fails__nothing_happens(council: Council) -> None:
    proposal = council.propose([council.pay(ANN, 5), council.pay(ANN, 2**200)])
    council.pass_(proposal)
    council.queue(proposal)

    with pytest.raises(Reverted, match=r"^TimelockController: underlying transaction reverted$"):
        council.execute(proposal)
    assert council.state(proposal) == QUEUED
    assert council.suite.token.view("balanceOf", ANN) == 0


# --- settings ---------------------------------------------------------------------------------------------------------

SETTINGS = [
    ("setVotingDelay", "votingDelay", 3, "VotingDelaySet", ("oldVotingDelay", "newVotingDelay"), VOTING_DELAY_ROUNDS),
    (
        "setVotingPeriod",
        "votingPeriod",
        4,
        "VotingPeriodSet",
        ("oldVotingPeriod", "newVotingPeriod"),
        VOTING_PERIOD_ROUNDS,
    ),
    (
        "setProposalThreshold",
        "proposalThreshold",
        5 * LPT,
        "ProposalThresholdSet",
        ("oldProposalThreshold", "newProposalThreshold"),
        THRESHOLD,
    ),
    (
        "updateQuorumNumerator",
        "quorumNumerator()",
        1_000_000,
        "QuorumNumeratorUpdated",
        ("oldQuorumNumerator", "newQuorumNumerator"),
        QUORUM_PPM,
    ),
    ("updateTimelock", "timelock", ANN, "TimelockChange", ("oldTimelock", "newTimelock"), None),
]


@pytest.mark.parametrize(
    ("function", "getter", "value", "event", "names", "old"), SETTINGS, ids=[s[0] for s in SETTINGS]
)
def test_settings__by_proposal__change_and_are_logged(
    council: Council, function: str, getter: str, value: object, event: str, names: tuple[str, str], old: object
) -> None:
    receipt = council.adopt([council.setting(function, value)])

    found = [log for log in receipt.events if log.name == event]
    assert [(log.address, log.args) for log in found] == [
        (council.governor.address, {names[0]: council.treasury.address if old is None else old, names[1]: value})
    ]
    assert council.governor.view(getter) == value


@pytest.mark.parametrize(("function", "value"), [(s[0], s[2]) for s in SETTINGS])
@pytest.mark.parametrize("caller", [OWNER, FIRST, STRANGER])
def test_settings__by_anybody_else__revert(council: Council, function: str, value: object, caller: str) -> None:
    with pytest.raises(Reverted, match=r"^Governor: onlyGovernance$"):
        council.governor.call(function, value, sender=caller)


def test_settings__by_the_treasury_outside_of_a_proposal__revert(council: Council) -> None:
    """Another proposer of the treasury cannot make it change the governor."""
    council.adopt([council.treasury_call("grantRole", role, STRANGER) for role in (PROPOSER_ROLE, EXECUTOR_ROLE)])
    target, value, data = council.setting("setVotingPeriod", 1)
    council.treasury.call("schedule", target, value, data, NONE, NONE, 0, sender=STRANGER)

    with pytest.raises(Reverted, match=r"^TimelockController: underlying transaction reverted$"):
        council.treasury.call("execute", target, value, data, NONE, NONE, sender=STRANGER)


def test_settings__several_in_one_proposal__all_change(council: Council) -> None:
    council.adopt(
        [
            council.setting("setVotingDelay", 2),
            council.pay(ANN, 1),
            council.setting("setVotingPeriod", 3),
            council.setting("setVotingDelay", 5),
        ]
    )

    assert council.governor.view("votingDelay") == 5
    assert council.governor.view("votingPeriod") == 3


def test_settings__calldata_with_something_after_it__never_match(council: Council) -> None:
    target, value, data = council.setting("setVotingDelay", 2)
    proposal = council.propose([(target, value, data + b"\x01")])
    council.pass_(proposal)
    council.queue(proposal)
    council.evm.block += 1

    with pytest.raises(Reverted, match=r"^TimelockController: underlying transaction reverted$"):
        council.execute(proposal)
    assert council.governor.view("votingDelay") == VOTING_DELAY_ROUNDS
    assert council.state(proposal) == QUEUED


@pytest.mark.parametrize(("function", "value"), [("setVotingPeriod", 0), ("updateQuorumNumerator", 1_000_001)])
def test_settings__out_of_range__revert(council: Council, function: str, value: int) -> None:
    with pytest.raises(Reverted, match=r"^TimelockController: underlying transaction reverted$"):
        council.adopt([council.setting(function, value)])


def test_update_quorum_numerator__later_rounds__do_not_change_earlier_ones(council: Council) -> None:
    first_round = council.round
    council.adopt([council.setting("updateQuorumNumerator", 400_000)], "one")
    second_round = council.round
    council.adopt(
        [council.setting("updateQuorumNumerator", 1), council.setting("updateQuorumNumerator", 500_000)], "two"
    )
    third_round = council.round
    council.adopt([council.setting("updateQuorumNumerator", 600_000)], "three")

    numerator = council.governor.interface.functions["quorumNumerator(uint256)"].signature
    read = [
        council.governor.view(numerator, round_)
        for round_ in (0, first_round, second_round - 1, second_round, third_round - 1, third_round, council.round)
    ]
    assert read == [0, QUORUM_PPM, QUORUM_PPM, 400_000, 400_000, 500_000, 600_000]
    assert council.governor.view("quorumNumerator()") == 600_000


# --- relay ------------------------------------------------------------------------------------------------------------


def test_relay__by_proposal__calls_in_the_governors_name(council: Council) -> None:
    council.suite.fund(STRANGER, lpt=7)
    council.suite.token.call("transfer", council.governor.address, 7, sender=STRANGER)
    target, _, data = council.pay(ANN, 7)
    council.adopt([council.setting("relay", target, 0, data)])

    assert council.suite.token.view("balanceOf", ANN) == 7


def test_relay__by_anybody_else__reverts(council: Council) -> None:
    with pytest.raises(Reverted, match=r"^Governor: onlyGovernance$"):
        council.governor.call("relay", ANN, 0, b"", sender=FIRST)


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_default__plain_ether__reverts(council: Council) -> None:
    council.evm.give(STRANGER, 1)

    with pytest.raises(Reverted, match=r"^Governor: must send to executor$"):
        council.evm.transact(STRANGER, council.governor.address, b"", value=1)


def test_default__unknown_function__reverts_without_reason(council: Council) -> None:
    with pytest.raises(Reverted) as failure:
        council.evm.transact(STRANGER, council.governor.address, b"\x01\x02\x03\x04")
    assert failure.value.is_bare


def test_initialize__k22_again__reverts(council: Council) -> None:
    with pytest.raises(Reverted, match=r"^Initializable: contract is already initialized$"):
        council.governor.call("initialize", 1, 1, 1, 1, 1, sender=OWNER)


def test_initialize__k22_code_behind_the_proxy__reverts(council: Council) -> None:
    with pytest.raises(Reverted, match=r"^Initializable: contract is already initialized$"):
        council.governor_code.call("initialize", 1, 1, 1, 1, 1, sender=OWNER)


def test_bump_governor_votes_token_address__after_a_new_registration__takes_it_over(council: Council) -> None:
    code = council.suite.votes.address
    council.suite.register("BondingVotes", ANN)
    assert (council.governor.view("votes"), council.governor.view("token")) == (ANN, code)

    council.governor.call("bumpGovernorVotesTokenAddress", sender=STRANGER)
    assert council.governor.view("token") == ANN


def test_state__k16_token_without_a_record_of_the_snapshot__is_defeated(council: Council) -> None:
    """A BondingVotes at another address knows no past: its quorum of nothing must not pass what was turned down."""
    refused = council.propose([council.pay(CEM, 500 * LPT)])
    council.reach(refused, ACTIVE)
    council.vote(refused, CEM, FOR)
    council.reach(refused, DEFEATED)

    code = contract_id("BondingVotesTarget")
    fresh = council.evm.deploy(suite_artifacts()["ManagerProxy"], council.suite.controller.address, code)
    council.suite.register("BondingVotes", fresh.address)
    council.governor.call("bumpGovernorVotesTokenAddress", sender=CEM)
    for _ in range(3):
        assert council.governor.view("quorum", council.governor.view("proposalSnapshot", refused.id)) == 0
        assert council.state(refused) == DEFEATED
        with pytest.raises(Reverted, match=r"^Governor: proposal not successful$"):
            council.queue(refused)
        council.suite.next_round()


def test_metadata__of_the_governor__is_the_published_one(council: Council) -> None:
    view = council.governor.view
    assert (view("name"), view("version")) == ("LivepeerGovernor", "1")
    assert view("COUNTING_MODE") == "support=bravo&quorum=for,abstain,against"
    assert (view("CLOCK_MODE"), view("clock")) == ("mode=livepeer_round", council.round)
    assert view("BALLOT_TYPEHASH") == keccak(text="Ballot(uint256 proposalId,uint8 support)")
    assert view("EXTENDED_BALLOT_TYPEHASH") == keccak(
        text="ExtendedBallot(uint256 proposalId,uint8 support,string reason,bytes params)"
    )
    assert (view("quorumDenominator"), view("quota")) == (1_000_000, 500_000)
    assert view("targetContractId") == contract_id("LivepeerGovernorTarget")
    fields, name, version, _, contract, salt, extensions = view("eip712Domain")
    assert (fields, name, version, contract, salt, extensions) == (
        b"\x0f",
        "LivepeerGovernor",
        "1",
        council.governor.address,
        NONE,
        (),
    )


@pytest.mark.parametrize(
    ("interface", "expected"),
    [
        ("01ffc9a7", True),
        ("bf26d897", True),
        ("79dd796f", True),
        ("51159c06", True),
        ("6e665ced", True),
        ("4e2312e0", True),
        ("ffffffff", False),
        ("150b7a02", False),
    ],
)
def test_supports_interface__published_ids__are_known(council: Council, interface: str, expected: bool) -> None:
    assert council.governor.view("supportsInterface", bytes.fromhex(interface)) is expected


@pytest.mark.parametrize("contract", ["governor", "treasury"])
def test_on_received__any_token__is_accepted(council: Council, contract: str) -> None:
    holder = getattr(council, contract)
    who = (STRANGER, ANN)

    assert holder.call("onERC721Received", *who, 1, b"data", sender=STRANGER).result.hex() == "150b7a02"
    assert holder.call("onERC1155Received", *who, 1, 2, b"data", sender=STRANGER).result.hex() == "f23a6e61"
    batch = holder.call("onERC1155BatchReceived", *who, [1, 2], [3, 4], b"data", sender=STRANGER)
    assert batch.result.hex() == "bc197c81"


def test_vote__against_by_more_stake__spends_nothing(council: Council) -> None:
    proposal: Proposal = council.propose([council.pay(ANN, 5)])
    council.reach(proposal, ACTIVE)
    council.vote(proposal, FIRST, AGAINST)
    council.vote(proposal, SECOND, FOR)
    council.reach(proposal, DEFEATED)

    with pytest.raises(Reverted, match=r"^Governor: proposal not successful$"):
        council.execute(proposal)


def test_execute__succeeded_but_scheduled_by_hand__is_executed_through_the_governor(council: Council) -> None:
    """Without `queue` the governor does not know of the operation, but the treasury does: same id, same calls."""
    council.adopt([council.treasury_call("grantRole", PROPOSER_ROLE, STRANGER)])
    proposal = council.propose([council.pay(ANN, 5)], "by hand")
    council.pass_(proposal)
    council.treasury.call("scheduleBatch", *proposal.lists, NONE, proposal.description_hash, 0, sender=STRANGER)

    assert council.state(proposal) == SUCCEEDED
    council.execute(proposal)
    assert council.suite.token.view("balanceOf", ANN) == 5
