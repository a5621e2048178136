"""The governor and polls as typed calls (onchain 13, 14): propose, vote, queue, execute. See `docs/governance.md`."""

from collections.abc import Sequence
from typing import Final

from livepeer_client.errors import Reverted
from livepeer_client.facts.governance import GovernedCall, PollChoice, Proposal, Support, poll_contract
from livepeer_client.policy import governance as did
from livepeer_client.policy.governance import check_bounds
from livepeer_client.ports import Transactor
from livepeer_client.services.calls.result import Result, make
from livepeer_client.types import Address, Wei

GOVERNOR: Final = "LivepeerGovernor"
POLL_CREATOR: Final = "PollCreator"


class Council:
    """The governor. Calls by the key of `transactor`; every method raises as `result.make`.

    What the contract refuses by an error of its interface is in `Reverted.custom`: `VoteAlreadyCast`,
    `InvalidVoteType`; the rest are reasons of text.
    """

    def __init__(self, transactor: Transactor) -> None:
        self._transactor = transactor

    async def propose(
        self, calls: Sequence[GovernedCall], description: str, *, dry_run: bool = False
    ) -> Result[did.Proposed]:
        """Put calls of the treasury to the vote.

        :raises InvalidInput: the contract refused without a reason what is longer than this suite's governor takes.
        """
        try:
            args = [*_lists(calls), description]
            return await make(self._transactor, GOVERNOR, "propose", args, did.proposed, dry_run=dry_run)
        except Reverted as refusal:
            # Only then: the deployed network's governor has no such bounds.
            if not refusal.reason and refusal.custom is None:
                check_bounds(calls, description.encode())
            raise

    async def cast_vote(
        self, proposal_id: int, support: Support, reason: str = "", *, dry_run: bool = False
    ) -> Result[did.Voted]:
        """Vote with the weight one has at the snapshot; a delegator's vote overrides its transcoder's for its part."""
        if reason:
            args: list[object] = [proposal_id, int(support), reason]
            return await make(self._transactor, GOVERNOR, "castVoteWithReason", args, did.voted, dry_run=dry_run)
        return await make(
            self._transactor, GOVERNOR, "castVote", [proposal_id, int(support)], did.voted, dry_run=dry_run
        )

    async def queue(self, proposal: Proposal, *, dry_run: bool = False) -> Result[did.Queued]:
        """Hand a proposal that succeeded to the treasury. Anybody may."""
        return await make(self._transactor, GOVERNOR, "queue", _of(proposal), did.queued, dry_run=dry_run)

    async def execute(self, proposal: Proposal, *, value: Wei = Wei(0), dry_run: bool = False) -> Result[did.Executed]:
        """Make a proposal's calls once its delay is over. Anybody may; `value` goes to the treasury first."""
        return await make(
            self._transactor, GOVERNOR, "execute", _of(proposal), did.executed, value=value, dry_run=dry_run
        )

    async def cancel(self, proposal: Proposal, *, dry_run: bool = False) -> Result[did.ProposalCanceled]:
        """Take a proposal of one's own back before its snapshot."""
        return await make(
            self._transactor,
            GOVERNOR,
            "cancel",
            _of(proposal),
            did.proposal_canceled,
            dry_run=dry_run,
        )


class Polls:
    """Polls (LIP-16). Calls by the key of `transactor`; every method raises as `result.make`."""

    def __init__(self, transactor: Transactor) -> None:
        self._transactor = transactor

    async def create(self, proposal: bytes, *, dry_run: bool = False) -> Result[did.PollOpened]:
        """Open a poll; the key needs 100 LPT of stake, or as much delegated to it. Nothing is charged."""
        return await make(self._transactor, POLL_CREATOR, "createPoll", [proposal], did.poll_opened, dry_run=dry_run)

    async def vote(self, poll: Address, choice: PollChoice, *, dry_run: bool = False) -> Result[did.PollVoted]:
        """Vote, or vote again: the last one counts."""
        name = poll_contract(poll)
        return await make(self._transactor, name, "vote", [int(choice)], did.poll_voted, dry_run=dry_run)


def _lists(calls: Sequence[GovernedCall]) -> list[object]:
    return [[call.target for call in calls], [call.value for call in calls], [call.calldata for call in calls]]


def _of(proposal: Proposal) -> list[object]:
    return [*_lists(proposal.calls), proposal.description_hash]
