"""Governance of the deployed suite: `ports.Governance` over any `Rpc`.

Proposals and polls are found by their events; what changes about them is read in batches, all of one block. PollCreator
is not known to the Controller: its address comes with the deployment's file.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from livepeer_client.adapters.chain.abi import SELECTOR_BYTES, encode_values, load_abi
from livepeer_client.adapters.chain.contracts import CONTRACTS, Read, Tag, value_of
from livepeer_client.adapters.chain.json_values import data_bytes, member, quantity, to_hex
from livepeer_client.adapters.chain.rpc import BadAnswer, Rpc
from livepeer_client.adapters.chain.suite import Addresses, Suite
from livepeer_client.codec.keccak import keccak256
from livepeer_client.errors import ChainError, ChainUnavailable, InvalidInput, MalformedMessage
from livepeer_client.facts import Block
from livepeer_client.facts.governance import (
    Ballot,
    GovernedCall,
    GovernorSettings,
    NamedCall,
    Poll,
    PollVote,
    Proposal,
    ProposalState,
    Support,
    TreasuryState,
    VoteCast,
    Votes,
    VotingPower,
    poll_contract,
)
from livepeer_client.policy.ranges import LogSpan
from livepeer_client.types import HASH_BYTES, ZERO_ADDRESS, Address, BlockNumber, Hash32, Round, Wei

GOVERNOR: Final = "LivepeerGovernor"
TREASURY: Final = "Treasury"
POLL_CREATOR: Final = "PollCreator"
VOTES: Final = "BondingVotes"
BONDING: Final = "BondingManager"
EVENT_BLOCKS: Final = 1 << 24
"""The widest range of one query for events of governance."""

Entry = tuple[str, dict[str, Any], Any]
"""An event's name, its arguments with text as bytes, and the node's log object."""


class GovernanceReader(Suite):
    """`ports.Governance`, and all of `Suite`. Holds no connection of its own."""

    def __init__(self, rpc: Rpc, addresses: Addresses) -> None:
        super().__init__(rpc, addresses)
        # Such events are rare and far apart, so nodes answer for years at once, or else say that they do not.
        self._rare = LogSpan(EVENT_BLOCKS)

    async def settings(self) -> GovernorSettings:
        (delay,), (period,), (threshold,), (quorum,), (quota,), (timelock,), (votes,) = await self.read(
            [
                (GOVERNOR, "votingDelay", []),
                (GOVERNOR, "votingPeriod", []),
                (GOVERNOR, "proposalThreshold", []),
                (GOVERNOR, "quorumNumerator()", []),
                (GOVERNOR, "quota", []),
                (GOVERNOR, "timelock", []),
                (GOVERNOR, "votes", []),
            ]
        )
        return GovernorSettings(delay, period, threshold, quorum, quota, Address(timelock), Address(votes))

    async def treasury(self) -> TreasuryState:
        address = await self.address(TREASURY)

        async def at(block: Tag) -> TreasuryState:
            results = await self._read(
                [
                    ("LivepeerToken", "balanceOf", [address]),
                    (BONDING, "treasuryRewardCutRate", []),
                    (BONDING, "nextRoundTreasuryRewardCutRate", []),
                    (BONDING, "treasuryBalanceCeiling", []),
                    (TREASURY, "getMinDelay", []),
                ],
                block,
            )
            (lpt,), (cut,), (next_cut,), (ceiling,), (delay,) = (value_of(result) for result in results)
            eth = quantity(await self._rpc.call("eth_getBalance", [to_hex(address), block]))
            return TreasuryState(address, Wei(eth), lpt, cut, next_cut, ceiling, delay)

        return await self._pinned(at)

    # --- proposals

    async def proposals(
        self, from_block: BlockNumber | None = None, to_block: BlockNumber | None = None
    ) -> list[Proposal]:
        created = await self._events(GOVERNOR, ["ProposalCreated"], from_block, to_block)

        async def at(block: Tag) -> list[Proposal]:
            reads: list[Read] = []
            for _, args, _ in created:
                reads += [(GOVERNOR, name, [args["proposalId"]]) for name in ("state", "proposalVotes", "proposalEta")]
            results = await self._read(reads, block) if reads else []
            rows = (results[start : start + 3] for start in range(0, len(results), 3))
            found = (_proposal(args, entry, row) for (_, args, entry), row in zip(created, rows, strict=True))
            return [proposal for proposal in found if proposal is not None]

        return await self._pinned(at)

    async def named_calls(self, calls: Sequence[GovernedCall]) -> list[NamedCall | None]:
        await self.resolve((*CONTRACTS, GOVERNOR, TREASURY))
        names = {self.address_of(name): name for name in self.names}
        return [_named_call(names.get(call.target), call) for call in calls]

    async def votes_cast(self, proposal_id: int | None = None, from_block: BlockNumber | None = None) -> list[VoteCast]:
        found = []
        for _, args, entry in await self._events(GOVERNOR, ["VoteCast", "VoteCastWithParams"], from_block, None):
            # The contract takes no other vote.
            if args["support"] in tuple(Support) and proposal_id in (None, args["proposalId"]):
                found.append(
                    VoteCast(
                        proposal_id=args["proposalId"],
                        voter=Address(args["voter"]),
                        support=Support(args["support"]),
                        weight=args["weight"],
                        reason=_text(args["reason"]),
                        block=_block(entry),
                        tx_hash=_tx_hash(entry),
                    )
                )
        return found

    async def has_voted(self, proposal_id: int, accounts: Sequence[Address]) -> list[bool]:
        reads: list[Read] = [(GOVERNOR, "hasVoted", [proposal_id, account]) for account in accounts]
        return [voted for (voted,) in await self.read(reads)] if reads else []

    # --- votes

    async def voting_power(self, accounts: Sequence[Address], round_: Round | None = None) -> list[VotingPower]:
        async def at(block: Tag) -> list[VotingPower]:
            round_at = round_
            if round_at is None:
                (now,) = value_of((await self._read([(VOTES, "clock", [])], block))[0])
                round_at = Round(max(now - 1, 0))
            reads: list[Read] = []
            for account in accounts:
                reads += [(VOTES, name, [account, round_at]) for name in ("getPastVotes", "delegatedAt")]
            values = [value_of(result)[0] for result in (await self._read(reads, block) if reads else [])]
            return [
                VotingPower(account, round_at, votes, Address(delegate))
                for account, votes, delegate in zip(accounts, values[::2], values[1::2], strict=True)
            ]

        return await self._pinned(at)

    async def total_votes(self, rounds: Sequence[Round]) -> list[int]:
        reads: list[Read] = [(VOTES, "getPastTotalSupply", [round_]) for round_ in rounds]
        return [int(total) for (total,) in await self.read(reads)] if reads else []

    async def quorums(self, rounds: Sequence[Round]) -> list[int]:
        reads: list[Read] = [(GOVERNOR, "quorum", [round_]) for round_ in rounds]
        return [int(quorum) for (quorum,) in await self.read(reads)] if reads else []

    # --- polls

    async def polls(self, from_block: BlockNumber | None = None, to_block: BlockNumber | None = None) -> list[Poll]:
        created = await self._events(POLL_CREATOR, ["PollCreated"], from_block, to_block)
        # What is sent now is in a later block than the head.
        now = (await self.head()).l1_block if created else BlockNumber(0)
        return [
            Poll(
                address=Address(args["poll"]),
                proposal=args["proposal"],
                end_block=BlockNumber(args["endBlock"]),
                quorum=args["quorum"],
                quota=args["quota"],
                active=now < args["endBlock"],
                block=_block(entry),
                tx_hash=_tx_hash(entry),
            )
            for _, args, entry in created
        ]

    async def poll_votes(self, poll: Poll) -> list[PollVote]:
        votes = await self._events(poll_contract(poll.address), ["Vote"], poll.block, None)
        return [
            PollVote(Address(args["voter"]), args["choiceID"], _block(entry), quantity(member(entry, "logIndex")))
            for _, args, entry in votes
        ]

    async def ballots(self, poll: Poll) -> list[Ballot]:
        last = {vote.voter: vote.choice for vote in await self.poll_votes(poll)}
        if not last:
            return []
        closing = await self._last_of(poll)
        suite = self if closing is None else self.at(closing.hash)
        return await suite._ballots(last)  # noqa: SLF001 - of the same class

    async def _ballots(self, choices: dict[Address, int]) -> list[Ballot]:
        reads: list[Read] = []
        for voter in choices:
            reads += [
                (BONDING, "pendingStake", [voter, 0]),
                (BONDING, "getDelegator", [voter]),
                (BONDING, "isRegisteredTranscoder", [voter]),
                (BONDING, "transcoderTotalStake", [voter]),
            ]

        async def at(block: Tag) -> list[Any]:
            return await self._read(reads, block)

        results = await self._pinned(at)
        found = []
        for position, (voter, choice) in enumerate(choices.items()):
            row = results[4 * position : 4 * position + 4]
            if any(isinstance(value, ChainError) for value in row):
                continue
            (stake,), delegator, (registered,), (delegated,) = row
            delegate = Address(delegator[2]) if delegator[0] else ZERO_ADDRESS
            found.append(Ballot(voter, choice, stake, delegate, delegated if registered else 0))
        return found

    async def _last_of(self, poll: Poll) -> Block | None:
        """The poll's last block, None while the head is one of its. On a rollup several blocks have one L1 number."""
        head = await self.head()
        if head.l1_block <= poll.end_block:
            return None
        low, high = poll.block, head.number
        # `low` is within the poll, `high` is not.
        while high - low > 1:
            middle = BlockNumber((low + high) // 2)
            block = await self.block_at(middle)
            if block is None:
                raise ChainUnavailable(f"the node lacks block {middle}")
            low, high = (middle, high) if block.l1_block <= poll.end_block else (low, middle)
        return await self.block_at(low)

    # --- events

    async def _events(
        self, contract: str, names: Sequence[str], first: BlockNumber | None, last: BlockNumber | None
    ) -> list[Entry]:
        """Events of one contract in chain order; one that does not fit its ABI is left out. Without a first block from
        the deployment's on."""
        first = self._addresses.block if first is None else first
        address, abi = await self.address(contract), load_abi(contract)
        end = (await self.head()).number if last is None or self._pin is not None else last
        end = end if last is None else min(end, last)
        topics = [to_hex(abi.event(name).topic) for name in names]
        query = {"address": to_hex(address), "topics": [topics]}
        found: list[Entry] = []
        async for entries in self._log_entries(query, first, end, self._rare):
            found += self._readable(contract, address, entries)
        return found

    @staticmethod
    def _readable(contract: str, address: Address, entries: Iterable[Any]) -> list[Entry]:
        abi, found = load_abi(contract), []
        for entry in entries:
            topics = [data_bytes(topic, HASH_BYTES) for topic in member(entry, "topics")]
            event = abi.event_by_topic(topics[0]) if topics else None
            if event is None or data_bytes(member(entry, "address")) != address:
                raise BadAnswer("the node answers with logs that were not asked for")
            try:
                args: dict[str, Any] = dict(event.decode(topics, data_bytes(member(entry, "data")), raw_text=True))
            except MalformedMessage:
                continue
            found.append((event.name, args, entry))
        return found


def proposal_id(calls: Sequence[GovernedCall], description_hash: Hash32) -> int:
    """The governor's name for these calls under this description (onchain 13)."""
    kinds = ("address[]", "uint256[]", "bytes[]", "bytes32")
    lists = [[call.target for call in calls], [call.value for call in calls], [call.calldata for call in calls]]
    return int.from_bytes(keccak256(encode_values(kinds, [*lists, description_hash])), "big")


def _proposal(args: dict[str, Any], entry: Any, row: Sequence[Any]) -> Proposal | None:
    """None for one that the block does not know, or whose content is not what its id stands for."""
    if any(isinstance(value, ChainError) for value in row):
        return None
    (state,), (against, in_favour, abstain), (eta,) = row
    if not len(args["targets"]) == len(args["values"]) == len(args["calldatas"]):
        return None
    calls = tuple(
        GovernedCall(Address(target), Wei(value), data)
        for target, value, data in zip(args["targets"], args["values"], args["calldatas"], strict=True)
    )
    description_hash = keccak256(args["description"])
    if proposal_id(calls, description_hash) != args["proposalId"]:
        return None
    return Proposal(
        id=args["proposalId"],
        proposer=Address(args["proposer"]),
        calls=calls,
        description=_text(args["description"]),
        description_hash=description_hash,
        snapshot=Round(args["voteStart"]),
        deadline=Round(args["voteEnd"]),
        state=ProposalState(state),
        votes=Votes(against, in_favour, abstain),
        eta=eta,
        block=_block(entry),
        tx_hash=_tx_hash(entry),
    )


def _named_call(contract: str | None, call: GovernedCall) -> NamedCall | None:
    try:
        abi = None if contract is None else load_abi(contract)
    except InvalidInput:
        # Registered, but not of the suite.
        return None
    function = None if abi is None else abi.function_by_selector(call.calldata[:SELECTOR_BYTES])
    arguments = None if function is None else function.decode_arguments(call.calldata)
    if abi is None or function is None or arguments is None:
        return None
    return NamedCall(f"{abi.name}.{function.signature}", arguments)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _block(entry: Any) -> BlockNumber:
    return BlockNumber(quantity(member(entry, "blockNumber")))


def _tx_hash(entry: Any) -> Hash32:
    return Hash32(data_bytes(member(entry, "transactionHash"), HASH_BYTES))
