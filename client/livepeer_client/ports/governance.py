"""What is read of proposals, votes, treasury and polls."""

from collections.abc import Sequence
from typing import Protocol

from livepeer_client.facts.governance import (
    Ballot,
    GovernedCall,
    GovernorSettings,
    NamedCall,
    Poll,
    PollVote,
    Proposal,
    TreasuryState,
    VoteCast,
    VotingPower,
)
from livepeer_client.types import Address, BlockNumber, Round


class Governance(Protocol):
    """Typed reads of governance; one block per call where several values are read.

    What somebody wrote into an event never keeps the rest from being read: a row that does not fit is left out, and
    text that is no UTF-8 appears with U+FFFD. Every method raises `ChainUnavailable` if no node answers or the network
    has no such contract, and `Reverted` if a contract refuses.
    """

    async def settings(self) -> GovernorSettings: ...

    async def treasury(self) -> TreasuryState: ...

    async def proposals(
        self, from_block: BlockNumber | None = None, to_block: BlockNumber | None = None
    ) -> list[Proposal]:
        """Proposals made in these blocks of the chain's own count, oldest first, each as it is now; without a first
        block from the deployment's on."""

    async def named_calls(self, calls: Sequence[GovernedCall]) -> list[NamedCall | None]:
        """What each call says, None where its target is no contract of the suite or the calldata does not fit one."""

    async def votes_cast(self, proposal_id: int | None = None, from_block: BlockNumber | None = None) -> list[VoteCast]:
        """Votes in chain order, of one proposal or of all."""

    async def voting_power(self, accounts: Sequence[Address], round_: Round | None = None) -> list[VotingPower]:
        """Votes and delegates at the end of a round, in order; without a round the last one that is over.

        :raises Reverted: with the custom error `FutureLookup` for a round that is not over.
        """

    async def total_votes(self, rounds: Sequence[Round]) -> list[int]:
        """Active stake at the end of each round: what a quorum is a share of. Raises as `voting_power`."""

    async def quorums(self, rounds: Sequence[Round]) -> list[int]:
        """Votes that a proposal with its snapshot at that round needs. Raises as `voting_power`."""

    async def has_voted(self, proposal_id: int, accounts: Sequence[Address]) -> list[bool]: ...

    async def polls(self, from_block: BlockNumber | None = None, to_block: BlockNumber | None = None) -> list[Poll]:
        """Polls opened in these blocks, oldest first."""

    async def poll_votes(self, poll: Poll) -> list[PollVote]:
        """Every vote in chain order, also those that a later one of the same voter replaces."""

    async def ballots(self, poll: Poll) -> list[Ballot]:
        """Each voter's last vote and what its weight follows from: `policy.governance.count_poll` counts them.

        Stakes are those of the poll's last block, or of the head while it is open.

        :raises ChainUnavailable: also where the node has dropped the state of the poll's last block.
        """
