"""LivepeerGovernor.propose, cancel and the ids of proposals (spec 13)."""

from __future__ import annotations

import pytest

from tests.support.evm import Reverted
from tests.support.governance import (
    ANN,
    CANCELED,
    CEM,
    FIRST,
    LPT,
    PENDING,
    STRANGER,
    VOTING_DELAY_ROUNDS,
    VOTING_PERIOD_ROUNDS,
    Council,
    Proposal,
)


def test_propose__by_account_with_votes__is_pending_and_logged(council: Council) -> None:
    now = council.round
    call = council.pay(ANN, 5 * LPT)
    receipt = council.governor.call("propose", [call[0]], [call[1]], [call[2]], "Pay Ann", sender=FIRST)
    proposal = Proposal((call,), "Pay Ann")

    assert receipt.result == proposal.id
    (event,) = receipt.events
    assert (event.address, event.name) == (council.governor.address, "ProposalCreated")
    assert event.args == {
        "proposalId": proposal.id,
        "proposer": FIRST,
        "targets": (call[0],),
        "values": (0,),
        "signatures": ("",),
        "calldatas": (call[2],),
        "voteStart": now + VOTING_DELAY_ROUNDS,
        "voteEnd": now + VOTING_DELAY_ROUNDS + VOTING_PERIOD_ROUNDS,
        "description": "Pay Ann",
    }
    assert council.state(proposal) == PENDING
    governor = council.governor
    assert governor.view("proposalProposer", proposal.id) == FIRST
    assert governor.view("proposalSnapshot", proposal.id) == now + VOTING_DELAY_ROUNDS
    assert governor.view("proposalDeadline", proposal.id) == now + VOTING_DELAY_ROUNDS + VOTING_PERIOD_ROUNDS
    assert governor.view("proposalEta", proposal.id) == 0
    assert governor.view("hashProposal", *proposal.lists, proposal.description_hash) == proposal.id


@pytest.mark.parametrize("voter", [CEM, STRANGER])
def test_propose__with_too_few_votes__reverts(council: Council, voter: str) -> None:
    with pytest.raises(Reverted, match=r"^Governor: proposer votes below proposal threshold$"):
        council.propose([council.pay(ANN, 1)], sender=voter)


@pytest.mark.parametrize(("values", "calldatas"), [([], [b""]), ([0, 0], [b""]), ([0], []), ([0], [b"", b""])])
def test_propose__with_lists_of_different_lengths__reverts(
    council: Council, values: list[int], calldatas: list[bytes]
) -> None:
    with pytest.raises(Reverted, match=r"^Governor: invalid proposal length$"):
        council.governor.call("propose", [ANN], values, calldatas, "", sender=FIRST)


def test_propose__without_calls__reverts(council: Council) -> None:
    with pytest.raises(Reverted, match=r"^Governor: empty proposal$"):
        council.propose([])


def test_propose__twice__reverts(council: Council) -> None:
    council.propose([council.pay(ANN, 1)])

    with pytest.raises(Reverted, match=r"^Governor: proposal already exists$"):
        council.propose([council.pay(ANN, 1)])


def test_propose__same_calls_with_another_text__is_another_proposal(council: Council) -> None:
    one, other = council.propose([council.pay(ANN, 1)], "one"), council.propose([council.pay(ANN, 1)], "other")

    assert one.id != other.id


# --- the proposer named at the end of the text ------------------------------------------------------------------------


def suffix(address: str) -> str:
    return f"Pay#proposer={address}"


@pytest.mark.parametrize(
    "description",
    [
        suffix(FIRST),
        suffix("0x" + FIRST[2:].upper()),
        suffix(ANN) + " ",
        "#proposer=" + ANN[:-1],
        suffix(ANN[:-1] + "g"),
        f"#propose_={ANN}",
        "",
    ],
)
def test_propose__text_names_the_caller_or_nobody__is_accepted(council: Council, description: str) -> None:
    council.propose([council.pay(ANN, 1)], description)


@pytest.mark.parametrize("description", [suffix(ANN), "#proposer=" + ANN, suffix("0x" + "aB" * 20)])
def test_propose__text_names_somebody_else__reverts(council: Council, description: str) -> None:
    with pytest.raises(Reverted, match=r"^Governor: proposer restricted$"):
        council.propose([council.pay(ANN, 1)], description)


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_propose__as_long_as_the_bounds_allow__is_accepted_and_can_be_carried_out(council: Council) -> None:
    longest = council.pay(ANN, 1)[2]
    call = (council.suite.token.address, 0, longest + bytes(4096 - len(longest)))

    council.adopt([call] * 16, "x" * 32768)

    assert council.suite.token.view("balanceOf", ANN) == 16


@pytest.mark.parametrize(
    ("count", "size", "text"), [(17, 4, 0), (1, 4097, 0), (1, 4, 32769)], ids=["calls", "calldata", "description"]
)
def test_propose__beyond_a_bound__reverts_without_reason(council: Council, count: int, size: int, text: int) -> None:
    with pytest.raises(Reverted) as failure:
        council.propose([(ANN, 0, bytes(size))] * count, "x" * text)

    assert failure.value.is_bare


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_cancel__by_the_proposer_before_the_vote__is_canceled(council: Council) -> None:
    proposal = council.propose([council.pay(ANN, 1)])
    receipt = council.cancel(proposal)

    assert [(event.name, event.args) for event in receipt.events] == [("ProposalCanceled", {"proposalId": proposal.id})]
    assert receipt.result == proposal.id
    assert council.state(proposal) == CANCELED


def test_cancel__by_another__reverts(council: Council) -> None:
    proposal = council.propose([council.pay(ANN, 1)])

    with pytest.raises(Reverted, match=r"^Governor: only proposer can cancel$"):
        council.cancel(proposal, sender=ANN)


def test_cancel__once_the_vote_has_begun__reverts(council: Council) -> None:
    proposal = council.propose([council.pay(ANN, 1)])
    council.suite.next_round(VOTING_DELAY_ROUNDS + 1)

    with pytest.raises(Reverted, match=r"^Governor: too late to cancel$"):
        council.cancel(proposal)


def test_cancel__twice__reverts(council: Council) -> None:
    proposal = council.propose([council.pay(ANN, 1)])
    council.cancel(proposal)

    with pytest.raises(Reverted, match=r"^Governor: too late to cancel$"):
        council.cancel(proposal)


def test_cancel__unknown_proposal__reverts(council: Council) -> None:
    with pytest.raises(Reverted, match=r"^Governor: unknown proposal id$"):
        council.cancel(Proposal((council.pay(ANN, 1),), "never proposed"))
