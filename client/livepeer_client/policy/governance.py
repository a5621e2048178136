"""Rules of votes, pure: what a proposal needs, how a poll is counted, and what a call of governance did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from livepeer_client.errors import InvalidInput
from livepeer_client.facts import Log
from livepeer_client.facts.governance import Ballot, GovernedCall, PollChoice, Standing, Support, Votes
from livepeer_client.policy.event_args import argument, one_of
from livepeer_client.types import Address, BlockNumber, Round

PPM: Final = 1_000_000

MAX_CALLS: Final = 16
MAX_CALLDATA_BYTES: Final = 4096
MAX_DESCRIPTION_BYTES: Final = 32_768
MAX_REASON_BYTES: Final = 4096
MAX_POLL_BYTES: Final = 4096
"""What the contracts of this suite take; the deployed network's have no such bounds."""


def standing(votes: Votes, quorum: int, quota: int) -> Standing:
    """How a proposal fares: at least `quorum` votes cast, at least `quota` ppm of those for and against in favour.

    As in this suite: nothing is rounded away, and without a vote in favour nothing succeeds. The deployed network's
    contract rounds what is needed down; there the proposal's state has the last word.
    """
    decisive = votes.in_favour + votes.against
    return Standing(quorum, votes.total, max(1, -(-decisive * quota // PPM)), votes.in_favour)


@dataclass(frozen=True, slots=True)
class PollTally:
    """Stake behind each choice, LPT wei."""

    yes: int
    no: int

    def passes(self, *, quorum: int, quota: int, total_stake: int) -> bool:
        """LIP-16: `quorum` ppm of all stake voted, and `quota` ppm of that said yes."""
        voted = self.yes + self.no
        return voted * PPM >= total_stake * quorum and voted > 0 and self.yes * PPM >= voted * quota


def count_poll(ballots: Sequence[Ballot]) -> PollTally:
    """Count each voter's last choice (LIP-16).

    A transcoder votes with all that is bonded to it, less the stake of those of its delegators that voted themselves.
    Choices that mean nothing count for nothing, and take nothing from the transcoder either.
    """
    valid = [ballot for ballot in ballots if ballot.choice in tuple(PollChoice)]
    overridden: dict[Address, int] = {}
    for ballot in valid:
        if ballot.delegate != ballot.voter:
            overridden[ballot.delegate] = overridden.get(ballot.delegate, 0) + ballot.stake

    def weight(ballot: Ballot) -> int:
        return ballot.delegated - overridden.get(ballot.voter, 0) if ballot.delegated else ballot.stake

    yes, no = (sum(weight(each) for each in valid if each.choice == choice) for choice in PollChoice)
    return PollTally(yes, no)


def check_bounds(calls: Sequence[GovernedCall], description: bytes) -> None:
    """:raises InvalidInput: more than this suite's governor takes, with both figures."""
    longest = max((len(call.calldata) for call in calls), default=0)
    for what, found, most in (
        ("calls", len(calls), MAX_CALLS),
        ("bytes of calldata in one call", longest, MAX_CALLDATA_BYTES),
        ("bytes of description", len(description), MAX_DESCRIPTION_BYTES),
    ):
        if found > most:
            raise InvalidInput(f"the governor takes {most} {what}, not {found}")


# --- what calls did -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proposed:
    id: int
    snapshot: Round
    deadline: Round


@dataclass(frozen=True, slots=True)
class Voted:
    """`weight` is the voter's at the snapshot, before overrides."""

    proposal_id: int
    voter: Address
    support: Support
    weight: int


@dataclass(frozen=True, slots=True)
class Queued:
    """`eta`: Unix seconds from which it can be executed."""

    id: int
    eta: int


@dataclass(frozen=True, slots=True)
class Executed:
    id: int


@dataclass(frozen=True, slots=True)
class ProposalCanceled:
    id: int


@dataclass(frozen=True, slots=True)
class PollOpened:
    poll: Address
    end_block: BlockNumber


@dataclass(frozen=True, slots=True)
class PollVoted:
    voter: Address
    choice: int


def proposed(logs: Sequence[Log]) -> Proposed:
    log = one_of(logs, "ProposalCreated")
    start, end = Round(argument(log, "voteStart", int)), Round(argument(log, "voteEnd", int))
    return Proposed(argument(log, "proposalId", int), start, end)


def voted(logs: Sequence[Log]) -> Voted:
    log = one_of(logs, "VoteCast")
    return Voted(
        proposal_id=argument(log, "proposalId", int),
        voter=Address(argument(log, "voter", bytes)),
        support=Support(argument(log, "support", int)),
        weight=argument(log, "weight", int),
    )


def queued(logs: Sequence[Log]) -> Queued:
    log = one_of(logs, "ProposalQueued")
    return Queued(argument(log, "proposalId", int), argument(log, "eta", int))


def executed(logs: Sequence[Log]) -> Executed:
    return Executed(argument(one_of(logs, "ProposalExecuted"), "proposalId", int))


def proposal_canceled(logs: Sequence[Log]) -> ProposalCanceled:
    return ProposalCanceled(argument(one_of(logs, "ProposalCanceled"), "proposalId", int))


def poll_opened(logs: Sequence[Log]) -> PollOpened:
    log = one_of(logs, "PollCreated")
    return PollOpened(Address(argument(log, "poll", bytes)), BlockNumber(argument(log, "endBlock", int)))


def poll_voted(logs: Sequence[Log]) -> PollVoted:
    log = one_of(logs, "Vote")
    return PollVoted(Address(argument(log, "voter", bytes)), argument(log, "choiceID", int))
