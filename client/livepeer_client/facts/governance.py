"""What people decide together: proposals and their votes, the treasury, polls (onchain 12 to 14).

Rounds, not blocks, are the governor's clock; polls count L1 blocks. Votes, stakes and LPT in LPT wei, ETH in wei;
shares in ppm unless said otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei


class ProposalState(IntEnum):
    """As the governor numbers them."""

    PENDING = 0
    ACTIVE = 1
    CANCELED = 2
    DEFEATED = 3
    SUCCEEDED = 4
    QUEUED = 5
    EXPIRED = 6
    EXECUTED = 7


class Support(IntEnum):
    """What a vote on a proposal says."""

    AGAINST = 0
    FOR = 1
    ABSTAIN = 2


class PollChoice(IntEnum):
    """What a vote in a poll says; any other number means nothing."""

    YES = 0
    NO = 1


@dataclass(frozen=True, slots=True)
class GovernedCall:
    """One call of a proposal: whom the treasury calls, with how much wei and with which calldata."""

    target: Address
    value: Wei
    calldata: bytes


@dataclass(frozen=True, slots=True)
class NamedCall:
    """What a call says in the words of the suite: `Contract.function(types)` and the arguments by name. Addresses and
    hashes as bytes, structs as tuples."""

    function: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Votes:
    """Counted weights: what is left once delegators have overridden their transcoder."""

    against: int
    in_favour: int
    abstain: int

    @property
    def total(self) -> int:
        return self.against + self.in_favour + self.abstain


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal as it is in one block.

    :ivar description: the text; bytes that are no UTF-8 appear as U+FFFD, so only `description_hash` is exact.
    :ivar snapshot: weights are those of the end of this round; votes are taken from the round after it.
    :ivar deadline: the last round in which votes are taken.
    :ivar eta: Unix seconds from which a queued one can be executed, 0 if it is not queued.
    :ivar block: in which it was made, by the chain's own height.
    """

    id: int
    proposer: Address
    calls: tuple[GovernedCall, ...]
    description: str
    description_hash: Hash32
    snapshot: Round
    deadline: Round
    state: ProposalState
    votes: Votes
    eta: int
    block: BlockNumber
    tx_hash: Hash32


@dataclass(frozen=True, slots=True)
class Standing:
    """What a proposal needs and has: `quorum` of all votes, and `needed` of those for and against."""

    quorum: int
    cast: int
    needed: int
    in_favour: int

    @property
    def reached(self) -> bool:
        return self.cast >= self.quorum

    @property
    def succeeds(self) -> bool:
        return self.reached and self.in_favour >= self.needed


@dataclass(frozen=True, slots=True)
class VoteCast:
    """One vote. `weight` is the voter's whole weight at the snapshot, which overrides may reduce when counted."""

    proposal_id: int
    voter: Address
    support: Support
    weight: int
    reason: str
    block: BlockNumber
    tx_hash: Hash32


@dataclass(frozen=True, slots=True)
class VotingPower:
    """An account's votes and delegate at the end of a round; a delegate of zero is none."""

    account: Address
    round: Round
    votes: int
    delegate: Address

    @property
    def is_transcoder(self) -> bool:
        """Delegated to itself, so that its delegators may override its vote."""
        return self.delegate == self.account


@dataclass(frozen=True, slots=True)
class GovernorSettings:
    """Rounds between proposal and snapshot and in which votes are taken; LPT wei to propose; shares in ppm."""

    voting_delay: int
    voting_period: int
    proposal_threshold: int
    quorum: int
    quota: int
    timelock: Address
    votes: Address


@dataclass(frozen=True, slots=True)
class TreasuryState:
    """What the treasury holds, and what reaches it.

    :ivar reward_cut: share of each reward that goes to it, of 10**27; set to 0 once it holds `ceiling` LPT wei.
    :ivar next_reward_cut: the share from the next round on.
    :ivar min_delay_s: between queueing and executing.
    """

    address: Address
    eth: Wei
    lpt: int
    reward_cut: int
    next_reward_cut: int
    ceiling: int
    min_delay_s: int


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll (LIP-16). Votes are taken through L1 block `end_block`; quorum and quota in ppm are for whoever counts."""

    address: Address
    proposal: bytes
    end_block: BlockNumber
    quorum: int
    quota: int
    active: bool
    block: BlockNumber
    tx_hash: Hash32


@dataclass(frozen=True, slots=True)
class PollVote:
    """One vote in a poll; a later one of the same voter replaces it. `choice` as in `PollChoice`, or meaningless."""

    voter: Address
    choice: int
    block: BlockNumber
    index: int


@dataclass(frozen=True, slots=True)
class Ballot:
    """A voter's last word in a poll, with what its weight follows from.

    :ivar stake: its own, with rewards.
    :ivar delegate: to whom it is bonded; zero for nobody.
    :ivar delegated: all stake bonded to it if it is a registered transcoder, otherwise 0.
    """

    voter: Address
    choice: int
    stake: int
    delegate: Address
    delegated: int


POLL_CONTRACT: Final = "Poll"


def poll_contract(poll: Address) -> str:
    """The name under which the one poll at this address is called, there being many."""
    return f"{POLL_CONTRACT}@0x{poll.hex()}"
