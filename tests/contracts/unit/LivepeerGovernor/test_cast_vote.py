"""Votes on a proposal, and how those of a transcoder and of its delegators add up (spec 13)."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from tests.support.artifacts import compile_all
from tests.support.ballots import SIGNER, ballot, extended_ballot, signature
from tests.support.evm import NOBODY, Reverted, custom_error
from tests.support.governance import (
    ABSTAIN,
    ACTIVE,
    AGAINST,
    ANN,
    BEN,
    CEM,
    DEFEATED,
    FIRST,
    FOR,
    LPT,
    SECOND,
    STAKES,
    STRANGER,
    SUCCEEDED,
    Council,
    Proposal,
)
from tests.support.tickets import word

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# Stake that FIRST and SECOND vote with while their delegators are silent.
BEHIND_FIRST = STAKES[FIRST] + STAKES[ANN] + STAKES[BEN]
BEHIND_SECOND = STAKES[SECOND] + STAKES[CEM]


@pytest.fixture
def proposal(council: Council) -> Proposal:
    """Open for votes."""
    made = council.propose([council.pay(ANN, 1)])
    council.reach(made, ACTIVE)
    return made


# --- who may vote, when, how ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("support", [AGAINST, FOR, ABSTAIN])
def test_cast_vote__while_active__is_counted_and_logged(council: Council, proposal: Proposal, support: int) -> None:
    receipt = council.vote(proposal, FIRST, support)

    assert receipt.result == BEHIND_FIRST
    assert [(event.name, event.args) for event in receipt.events] == [
        (
            "VoteCast",
            {
                "voter": FIRST,
                "proposalId": proposal.id,
                "support": support,
                "weight": BEHIND_FIRST,
                "reason": "",
            },
        )
    ]
    assert council.tally(proposal) == tuple(BEHIND_FIRST if option == support else 0 for option in range(3))
    assert council.governor.view("hasVoted", proposal.id, FIRST) is True
    assert council.governor.view("hasVoted", proposal.id, ANN) is False


def test_cast_vote__twice__reverts(council: Council, proposal: Proposal) -> None:
    council.vote(proposal, FIRST, FOR)

    with pytest.raises(Reverted) as failure:
        council.vote(proposal, FIRST, AGAINST)
    assert failure.value.data == custom_error("VoteAlreadyCast()")


@pytest.mark.parametrize("support", [3, 255])
def test_cast_vote__unknown_option__reverts(council: Council, proposal: Proposal, support: int) -> None:
    with pytest.raises(Reverted) as failure:
        council.vote(proposal, FIRST, support)
    assert failure.value.data == custom_error("InvalidVoteType(uint8)", support)


def test_cast_vote__before_the_vote_begins__reverts(council: Council) -> None:
    made = council.propose([council.pay(ANN, 1)])

    with pytest.raises(Reverted, match=r"^Governor: vote not currently active$"):
        council.vote(made, FIRST, FOR)


def test_cast_vote__in_the_last_round_and_after_it__counts_and_reverts(council: Council, proposal: Proposal) -> None:
    deadline = council.governor.view("proposalDeadline", proposal.id)
    council.suite.next_round(deadline - council.round)
    council.vote(proposal, SECOND, FOR)
    council.suite.next_round()

    with pytest.raises(Reverted, match=r"^Governor: vote not currently active$"):
        council.vote(proposal, FIRST, FOR)
    assert council.tally(proposal) == (0, BEHIND_SECOND, 0)


def test_cast_vote__unknown_proposal__reverts(council: Council) -> None:
    with pytest.raises(Reverted, match=r"^Governor: unknown proposal id$"):
        council.governor.call("castVote", 7, FOR, sender=FIRST)


def test_cast_vote__without_stake__counts_nothing(council: Council, proposal: Proposal) -> None:
    assert council.vote(proposal, STRANGER, FOR).result == 0
    assert council.tally(proposal) == (0, 0, 0)
    assert council.governor.view("hasVoted", proposal.id, STRANGER) is True


def test_cast_vote__stake_bonded_after_the_snapshot__counts_nothing(council: Council, proposal: Proposal) -> None:
    council.suite.fund(STRANGER, lpt=700 * LPT)
    council.suite.bonding.call("bond", 700 * LPT, FIRST, sender=STRANGER)
    council.suite.next_round()

    assert council.vote(proposal, STRANGER, FOR).result == 0
    assert council.vote(proposal, FIRST, FOR).result == BEHIND_FIRST


def test_cast_vote_with_reason__while_active__logs_it(council: Council, proposal: Proposal) -> None:
    reason = "because " * 512
    receipt = council.governor.call("castVoteWithReason", proposal.id, FOR, reason, sender=ANN)

    (event,) = receipt.events
    assert (event.name, event.args["reason"], event.args["weight"]) == ("VoteCast", reason, STAKES[ANN])


def test_cast_vote_with_reason_and_params__with_params__logs_both(council: Council, proposal: Proposal) -> None:
    receipt = council.governor.call(
        "castVoteWithReasonAndParams", proposal.id, AGAINST, "why", b"\x01" * 1024, sender=ANN
    )

    (event,) = receipt.events
    assert event.name == "VoteCastWithParams"
    assert event.args == {
        "voter": ANN,
        "proposalId": proposal.id,
        "support": AGAINST,
        "weight": STAKES[ANN],
        "reason": "why",
        "params": b"\x01" * 1024,
    }
    assert council.tally(proposal) == (STAKES[ANN], 0, 0)


def test_cast_vote_with_reason_and_params__without_params__logs_a_plain_vote(
    council: Council, proposal: Proposal
) -> None:
    receipt = council.governor.call("castVoteWithReasonAndParams", proposal.id, FOR, "why", b"", sender=ANN)

    assert [event.name for event in receipt.events] == ["VoteCast"]


# --- votes by signature -----------------------------------------------------------------------------------------------


@pytest.fixture
def signer_votes(council: Council) -> Proposal:
    """Open for votes; the signer has stake at FIRST."""
    council.suite.fund(SIGNER, lpt=LPT)
    council.suite.bonding.call("bond", LPT, FIRST, sender=SIGNER)
    made = council.propose([council.pay(ANN, 1)])
    council.reach(made, ACTIVE)
    return made


def test_cast_vote_by_sig__of_the_voter__counts_as_its_vote(council: Council, signer_votes: Proposal) -> None:
    parts = signature(council, ballot(signer_votes, FOR))
    receipt = council.governor.call("castVoteBySig", signer_votes.id, FOR, *parts, sender=STRANGER)

    (event,) = receipt.events
    assert (event.name, event.args["voter"], event.args["weight"]) == ("VoteCast", SIGNER, LPT)
    with pytest.raises(Reverted) as failure:
        council.governor.call("castVoteBySig", signer_votes.id, FOR, *parts, sender=STRANGER)
    assert failure.value.data == custom_error("VoteAlreadyCast()")


def test_cast_vote_by_sig__for_another_option__is_somebody_elses_vote(council: Council, signer_votes: Proposal) -> None:
    parts = signature(council, ballot(signer_votes, FOR))
    (event,) = council.governor.call("castVoteBySig", signer_votes.id, AGAINST, *parts, sender=STRANGER).events

    assert event.args["voter"] != SIGNER
    assert event.args["weight"] == 0


def test_cast_vote_by_sig__high_s__reverts(council: Council, signer_votes: Proposal) -> None:
    v, r, s = signature(council, ballot(signer_votes, FOR))
    twin = (SECP256K1_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")

    with pytest.raises(Reverted, match=r"^ECDSA: invalid signature 's' value$"):
        council.governor.call("castVoteBySig", signer_votes.id, FOR, 55 - v, r, twin, sender=STRANGER)


@pytest.mark.parametrize("v", [0, 1, 26, 29])
def test_cast_vote_by_sig__other_v__reverts(council: Council, signer_votes: Proposal, v: int) -> None:
    _, r, s = signature(council, ballot(signer_votes, FOR))

    with pytest.raises(Reverted, match=r"^ECDSA: invalid signature$"):
        council.governor.call("castVoteBySig", signer_votes.id, FOR, v, r, s, sender=STRANGER)


def test_cast_vote_with_reason_and_params_by_sig__of_the_voter__counts_as_its_vote(
    council: Council, signer_votes: Proposal
) -> None:
    parts = signature(council, extended_ballot(signer_votes, ABSTAIN, "why", b"\x02"))
    receipt = council.governor.call(
        "castVoteWithReasonAndParamsBySig", signer_votes.id, ABSTAIN, "why", b"\x02", *parts, sender=STRANGER
    )

    (event,) = receipt.events
    assert (event.name, event.args["voter"], event.args["params"]) == ("VoteCastWithParams", SIGNER, b"\x02")
    assert council.tally(signer_votes) == (0, 0, LPT)


# --- the override rule ------------------------------------------------------------------------------------------------


def test_cast_vote__delegator_before_its_transcoder__is_taken_out_of_its_vote(
    council: Council, proposal: Proposal
) -> None:
    council.vote(proposal, ANN, AGAINST)
    receipt = council.vote(proposal, FIRST, FOR)

    assert receipt.result == BEHIND_FIRST
    assert council.tally(proposal) == (STAKES[ANN], BEHIND_FIRST - STAKES[ANN], 0)


def test_cast_vote__delegator_after_its_transcoder__is_taken_out_of_its_vote(
    council: Council, proposal: Proposal
) -> None:
    council.vote(proposal, FIRST, FOR)
    council.vote(proposal, ANN, AGAINST)
    council.vote(proposal, BEN, ABSTAIN)

    assert council.tally(proposal) == (STAKES[ANN], STAKES[FIRST], STAKES[BEN])


def test_cast_vote__delegator_agrees_with_its_transcoder__counts_once(council: Council, proposal: Proposal) -> None:
    council.vote(proposal, ANN, FOR)
    council.vote(proposal, FIRST, FOR)
    council.vote(proposal, BEN, FOR)

    assert council.tally(proposal) == (0, BEHIND_FIRST, 0)


def test_cast_vote__everybody__adds_up_to_all_stake(council: Council, proposal: Proposal) -> None:
    for voter, support in ((BEN, FOR), (FIRST, AGAINST), (CEM, ABSTAIN), (SECOND, FOR), (ANN, FOR)):
        council.vote(proposal, voter, support)

    assert council.tally(proposal) == (
        STAKES[FIRST],
        STAKES[BEN] + STAKES[SECOND] + STAKES[ANN],
        STAKES[CEM],
    )


def test_cast_vote__k2_delegator_of_a_delegator__takes_nothing_from_it(council: Council) -> None:
    # ANN delegates to FIRST; STRANGER's stake is behind ANN, who is no transcoder.
    council.suite.fund(STRANGER, lpt=400 * LPT)
    council.suite.bonding.call("bond", 400 * LPT, ANN, sender=STRANGER)
    proposal = council.propose([council.pay(ANN, 1)])
    council.reach(proposal, ACTIVE)

    council.vote(proposal, ANN, FOR)
    assert council.vote(proposal, STRANGER, AGAINST).result == 0
    assert council.tally(proposal) == (0, STAKES[ANN], 0)


def test_cast_vote__k3_votes_count__exactly_where_bonding_knows_a_transcoder(council: Council) -> None:
    council.suite.bonding.call("unbond", STAKES[SECOND], sender=SECOND)
    council.suite.next_round()
    proposal = council.propose([council.pay(ANN, 1)])
    council.reach(proposal, ACTIVE)

    for voter in (FIRST, SECOND, ANN, CEM):
        delegate = council.suite.bonding.view("getDelegator", voter)[2]
        registered = council.suite.bonding.view("isRegisteredTranscoder", delegate)
        assert (council.vote(proposal, voter, FOR).result > 0) is registered
    assert not council.suite.bonding.view("isRegisteredTranscoder", SECOND)


def test_cast_vote__k3_between_a_registration_and_the_bump__asks_one_contract_for_both(
    council: Council, proposal: Proposal
) -> None:
    # What is registered now knows nobody's delegate; weights still come from the stored token.
    council.suite.register("BondingVotes", council.treasury.address)

    council.vote(proposal, ANN, AGAINST)
    council.vote(proposal, FIRST, FOR)
    assert council.tally(proposal) == (STAKES[ANN], BEHIND_FIRST - STAKES[ANN], 0)


def test_cast_vote__k4_delegator_of_a_transcoder_without_stake__counts_nothing_and_does_not_fail(
    council: Council,
) -> None:
    # A full slash, by whoever is registered as Verifier, leaves the delegator behind.
    council.suite.token.call(
        "grantRole", keccak(text="BURNER_ROLE"), council.suite.minter.address, sender=council.suite.owner
    )
    council.suite.register("Verifier", STRANGER)
    council.suite.bonding.call("slashTranscoder", SECOND, NOBODY, 1_000_000, 0, sender=STRANGER)
    proposal = council.propose([council.pay(ANN, 1)])
    council.reach(proposal, ACTIVE)

    assert council.vote(proposal, CEM, FOR).result == 0
    assert council.vote(proposal, SECOND, FOR).result == 0
    assert council.tally(proposal) == (0, 0, 0)


def test_cast_vote__k4_delegators_weigh_more_than_their_transcoder__take_what_it_has_and_fail_nothing(
    council: Council, proposal: Proposal
) -> None:
    """By a rounded wei it might be so; here by a BondingVotes that gives everybody 5 votes, all behind FIRST."""
    council.vote(proposal, ANN, AGAINST)
    token = council.evm.deploy(compile_all(["mocks/HostileMock"])["HostileMock"], NOBODY, b"")
    functions = council.suite.votes.interface.functions
    for function, arguments, answer in (
        ("clock", (), word(council.round)),
        ("getPastVotes", (FIRST, 0), word(5)),
        ("delegatedAt", (FIRST, 0), word(int(FIRST, 16))),
    ):
        token.call("set_question", functions[function].encode(arguments)[:4], answer, sender=STRANGER)
    council.suite.register("BondingVotes", token.address)
    council.governor.call("bumpGovernorVotesTokenAddress", sender=STRANGER)

    # 310 LPT were taken before FIRST comes with 5 wei.
    council.vote(proposal, FIRST, FOR)
    assert council.tally(proposal) == (STAKES[ANN], 0, 0)
    # And BEN's 5 wei are not there any more.
    council.vote(proposal, BEN, AGAINST)
    assert council.tally(proposal) == (STAKES[ANN] + 5, 0, 0)


# --- quorum and success -----------------------------------------------------------------------------------------------


def decided(council: Council, *votes: tuple[str, int]) -> int:
    proposal = council.propose([council.pay(ANN, 1)])
    council.reach(proposal, ACTIVE)
    for voter, support in votes:
        council.vote(proposal, voter, support)
    deadline = council.governor.view("proposalDeadline", proposal.id)
    while council.round <= deadline:
        council.suite.next_round()
    return council.state(proposal)


def test_state__nobody_voted__is_defeated(council: Council) -> None:
    assert decided(council) == DEFEATED


def test_state__quorum_missed__is_defeated(council: Council) -> None:
    # SECOND and CEM have 590 of 2070 LPT, less than a third.
    assert decided(council, (SECOND, FOR)) == DEFEATED


@pytest.mark.parametrize("support", [ABSTAIN, AGAINST])
def test_state__abstain_and_against__count_for_the_quorum(council: Council, support: int) -> None:
    assert decided(council, (SECOND, FOR), (ANN, support)) == SUCCEEDED


def test_state__half_for_and_half_against__is_succeeded(council: Council) -> None:
    bonding, fund = council.suite.bonding, council.suite.fund
    fund(STRANGER, lpt=BEHIND_FIRST - BEHIND_SECOND)
    bonding.call("bond", BEHIND_FIRST - BEHIND_SECOND, SECOND, sender=STRANGER)

    assert decided(council, (FIRST, FOR), (SECOND, AGAINST)) == SUCCEEDED


def test_state__k16_one_wei_short_of_the_quota__is_defeated(council: Council) -> None:
    bonding, fund = council.suite.bonding, council.suite.fund
    # One wei more against than for: the share is rounded up by nobody.
    fund(STRANGER, lpt=BEHIND_FIRST - BEHIND_SECOND + 1)
    bonding.call("bond", BEHIND_FIRST - BEHIND_SECOND + 1, SECOND, sender=STRANGER)

    assert decided(council, (FIRST, FOR), (SECOND, AGAINST)) == DEFEATED


@pytest.mark.parametrize("support", [AGAINST, ABSTAIN])
def test_state__k16_quorum_without_a_vote_for__is_defeated(council: Council, support: int) -> None:
    assert decided(council, (FIRST, support), (SECOND, ABSTAIN)) == DEFEATED


def test_state__k16_one_wei_against_and_none_for__is_defeated(council: Council) -> None:
    # floor(50 % of 1 wei) is 0: a rule that rounds passes this with no vote for it.
    council.suite.fund(STRANGER, lpt=1)
    council.suite.bonding.call("bond", 1, FIRST, sender=STRANGER)

    assert decided(council, (STRANGER, AGAINST), (FIRST, ABSTAIN), (SECOND, ABSTAIN)) == DEFEATED


def test_quorum__of_a_past_round__is_a_share_of_the_stake_at_its_end(council: Council) -> None:
    past = council.round - 1
    supply = council.suite.votes.view("getPastTotalSupply", past)

    assert supply == sum(STAKES.values())
    assert council.governor.view("quorum", past) == supply * 333_300 // 1_000_000
    assert council.governor.view("getVotes", FIRST, past) == BEHIND_FIRST
    assert council.governor.view("getVotesWithParams", ANN, past, b"\x01") == STAKES[ANN]
