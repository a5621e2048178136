"""A chain whose facts are attributes. It remembers its blocks, so that it can be read at one and roll some back."""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from typing import Any, Final

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.errors import ChainError, ChainUnavailable, InvalidInput
from livepeer_client.facts import (
    Activation,
    Block,
    DataCost,
    Finality,
    Head,
    Log,
    OrchestratorState,
    RoundState,
    SenderAccount,
    SenderInfo,
    UnbondingLock,
)
from livepeer_client.policy.pool import Hint, hint
from livepeer_client.types import NEVER_DEACTIVATES, ZERO_HASH, Address, BlockNumber, Hash32, Round, Wei

SAFE_DEPTH: Final = 4
FINALIZED_DEPTH: Final = 8


class FakeChain:
    """`ports.Chain` over plain attributes.

    Starts in round 100, initialised, at that round's first block. `mine` moves blocks and rounds; a new round stays
    uninitialised until `initialize_round`. Accounts nobody set are empty. `failure`, if set, is raised by every read.
    What is set belongs to the present block; `reorg` takes back that of the blocks it removes.
    """

    _STATE = (
        "block_hashes",
        "senders",
        "claimable",
        "claimed",
        "used",
        "pool",
        "states",
        "activation",
        "uris",
        "locks",
        "events",
    )

    def __init__(self, *, round_length: int = 50, first_round: int = 100) -> None:
        self.round_length = round_length
        self.block = BlockNumber(first_round * round_length)
        self.timestamp = 1_700_000_000
        # The node suggests no tip, so this is the base fee too.
        self.gas_price = Wei(10**9)
        self.locked_blocks = round_length // 10
        self.last_initialized = Round(first_round)
        self._fork = 0
        self._hashes: dict[int, Hash32] = {}
        # Block -> the state and round at its end, of blocks that more were mined on.
        self._history: dict[int, tuple[Round, dict[str, Any]]] = {}
        self._origin: FakeChain | None = None
        self.block_hashes: dict[Round, Hash32] = {Round(first_round): self.hash_of(self.block)}
        self.validity_period = 2
        self.compact = False
        # None: no rollup that charges for bytes.
        self.data_gas_per_byte: int | None = None
        self.base_fees: list[tuple[int, int, Wei]] = []
        self.senders: dict[Address, SenderInfo] = {}
        self.claimable: dict[tuple[Address, Address], Wei] = {}
        # (holder, claimant) -> what the claimant has taken this round.
        self.claimed: dict[tuple[Address, Address], Wei] = {}
        self.used: set[Hash32] = set()
        self.pool: list[RegisteredOrchestrator] = []
        self.states: dict[Address, OrchestratorState] = {}
        self.activation: dict[Address, Activation] = {}
        self.uris: dict[Address, str] = {}
        # (delegator, lock id) -> lock; an open one.
        self.locks: dict[tuple[Address, int], UnbondingLock] = {}
        self.events: list[Log] = []
        self.failure: ChainError | None = None
        self.reads: list[str] = []

    # --- what a test does -------------------------------------------------------------------------

    @property
    def current_round(self) -> Round:
        return Round(self.block // self.round_length)

    def mine(self, blocks: int = 1, *, seconds_per_block: int = 12) -> None:
        """Add blocks.

        :raises InvalidInput: none, or fewer.
        """
        if blocks < 1:
            raise InvalidInput(f"cannot mine {blocks} blocks")
        self._history[self.block] = (self.last_initialized, {name: copy(getattr(self, name)) for name in self._STATE})
        self.block = BlockNumber(self.block + blocks)
        self.timestamp += blocks * seconds_per_block

    def mine_to_next_round(self) -> None:
        """Go to the first block of the next round, which stays uninitialised."""
        self.mine((self.current_round + 1) * self.round_length - self.block)

    def reorg(self, depth: int) -> None:
        """Take back the newest `depth` blocks with all that was set in them. Blocks mined then are others.

        :raises InvalidInput: there are not so many.
        """
        ancestor = self.block - depth
        if depth < 1 or ancestor < min(self._history, default=self.block):
            raise InvalidInput(f"cannot take back {depth} blocks")
        self._restore(ancestor)
        self._fork += 1
        self._hashes = {number: hash_ for number, hash_ in self._hashes.items() if number <= ancestor}
        self._history = {number: state for number, state in self._history.items() if number < ancestor}

    def hash_of(self, number: int) -> Hash32:
        return self._hashes.setdefault(number, keccak256(b"fake block %d of fork %d" % (number, self._fork)))

    def initialize_round(self) -> None:
        """What the contract's `initializeRound` records: the round and the hash of the block before."""
        self.last_initialized = self.current_round
        self.block_hashes[self.current_round] = self.hash_of(self.block - 1)

    def add_event(self, contract: str, name: str, tx_hash: Hash32 = ZERO_HASH, **args: object) -> Log:
        """Emit an event in the current block."""
        index = sum(log.block == self.block for log in self.events)
        log = Log(contract, name, args, self.block, tx_hash, index, self.hash_of(self.block))
        self.events.append(log)
        return log

    # --- ports.Chain ------------------------------------------------------------------------------

    def at(self, block: Hash32) -> "FakeChain":
        pinned = copy(self)
        pinned._origin = self  # noqa: SLF001 - of the same class
        number = next((number for number, hash_ in self._hashes.items() if hash_ == block), None)
        if number is None:
            pinned.failure = ChainUnavailable("the block is not part of the chain")
        else:
            pinned._restore(number)  # noqa: SLF001 - of the same class
        return pinned

    async def head(self) -> Head:
        self._read("head")
        return Head(
            self.block, self.hash_of(self.block), self.timestamp, self.gas_price, self.block, base_fee=self.gas_price
        )

    async def block_at(self, number: BlockNumber) -> Block | None:
        self._read("block_at")
        return self._block(number) if number <= self.block else None

    async def past_base_fees(self, head: Head, span_s: float, samples: int) -> list[tuple[int, Wei]]:
        self._read("past_base_fees")
        before = [(at, fee) for number, at, fee in self.base_fees if number < head.number]
        return [(at, fee) for at, fee in before if at >= head.timestamp - span_s][-samples:]

    async def data_costs(self, calls: Sequence[tuple[str, str, Sequence[object]]]) -> list[DataCost]:
        self._read("data_costs")
        sizes = [len(load_abi(contract).function(function).encode(args)) for contract, function, args in calls]
        gas = self.data_gas_per_byte
        return [] if gas is None else [DataCost(gas * size, self.gas_price) for size in sizes]

    async def finality(self) -> Finality:
        self._read("finality")
        safe, finalized = (self._block(max(0, self.block - depth)) for depth in (SAFE_DEPTH, FINALIZED_DEPTH))
        return Finality(safe, finalized, by_depth=True)

    async def round_state(self) -> RoundState:
        self._read("round_state")
        start = BlockNumber(self.current_round * self.round_length)
        return RoundState(
            current=self.current_round,
            last_initialized=self.last_initialized,
            last_initialized_block_hash=self.block_hashes.get(self.last_initialized, ZERO_HASH),
            start_block=start,
            length_blocks=self.round_length,
            locked=self.block >= start + self.round_length - self.locked_blocks,
        )

    async def block_hash_for_round(self, round_: Round) -> Hash32:
        self._read("block_hash_for_round")
        return self.block_hashes.get(round_, ZERO_HASH)

    async def ticket_validity_period(self) -> int:
        self._read("ticket_validity_period")
        return self.validity_period

    async def sender_info(self, sender: Address) -> SenderInfo:
        self._read("sender_info")
        return self.senders.get(sender) or SenderInfo(Wei(0), Round(0), Wei(0), Wei(0))

    async def claimable_reserve(self, holder: Address, claimant: Address) -> Wei:
        self._read("claimable_reserve")
        return self.claimable.get((holder, claimant), Wei(0))

    async def redeems_compactly(self) -> bool:
        self._read("redeems_compactly")
        return self.compact

    async def used_tickets(self, hashes: Sequence[Hash32]) -> list[bool]:
        self._read("used_tickets")
        return [hash_ in self.used for hash_ in hashes]

    async def orchestrators(self) -> list[RegisteredOrchestrator]:
        self._read("orchestrators")
        return sorted(self.pool, key=lambda member: member.stake, reverse=True)

    async def orchestrator_state(self, address: Address) -> OrchestratorState:
        self._read("orchestrator_state")
        return self.states.get(address) or OrchestratorState(
            active=False, registered=False, last_reward_round=Round(0), stake=0, pending_fees=Wei(0)
        )

    async def sender_accounts(self, senders: Sequence[Address], claimant: Address) -> list[SenderAccount]:
        self._read("sender_accounts")
        empty = SenderInfo(Wei(0), Round(0), Wei(0), Wei(0))
        return [
            SenderAccount(self.senders.get(sender, empty), self.claimed.get((sender, claimant), Wei(0)))
            for sender in senders
        ]

    async def activations(self, orchestrators: Sequence[Address]) -> list[Activation]:
        self._read("activations")
        return [self.activation.get(address, Activation(Round(0), Round(0))) for address in orchestrators]

    async def service_uris(self, orchestrators: Sequence[Address]) -> list[str]:
        self._read("service_uris")
        return [self.uris.get(address, "") for address in orchestrators]

    async def unbonding_locks(self, delegator: Address) -> dict[int, UnbondingLock]:
        self._read("unbonding_locks")
        return {number: lock for (owner, number), lock in self.locks.items() if owner == delegator}

    async def reward_hint(self, transcoder: Address) -> Hint:
        self._read("reward_hint")
        members = [(each.address, each.stake) for each in await self.orchestrators()]
        return hint(members, transcoder, dict(members).get(transcoder, 0), max_size=len(members) + 1)

    async def pool_size(self) -> int:
        self._read("pool_size")
        return sum(each.deactivation_round == NEVER_DEACTIVATES for each in self.activation.values())

    async def blocks(self, first: BlockNumber, last: BlockNumber) -> list[Block]:
        self._read("blocks")
        return [self._block(number) for number in range(first, min(last, self.block) + 1)]

    async def logs_of(
        self, wanted: Mapping[str, Collection[str]], from_block: BlockNumber, to_block: BlockNumber
    ) -> list[Log]:
        self._read("logs_of")
        return [
            log
            for log in self.events
            if log.name in wanted.get(log.contract, ()) and from_block <= log.block <= to_block
        ]

    async def logs(self, contract: str, event: str, from_block: BlockNumber, to_block: BlockNumber) -> list[Log]:
        self._read("logs")
        return [
            log
            for log in self.events
            if log.contract == contract and log.name == event and from_block <= log.block <= to_block
        ]

    def _block(self, number: int) -> Block:
        timestamp = self.timestamp - 12 * (self.block - number)
        own = BlockNumber(number)
        return Block(own, self.hash_of(number), self.hash_of(number - 1), timestamp, own)

    def _restore(self, number: int) -> None:
        """Back to the state after a block, which is that of the last one before it in which something was set."""
        self.timestamp -= 12 * (self.block - number)
        known = max((each for each in self._history if each <= number), default=None)
        if number < self.block and known is not None:
            self.last_initialized, state = self._history[known]
            for name, value in state.items():
                setattr(self, name, copy(value))
        self.block = BlockNumber(number)

    def look(self, name: str, block: Hash32) -> None:
        """Count a read of the state after `block`.

        :raises ChainUnavailable: a reorg has removed that block.
        """
        self._read(name)
        if block not in self._hashes.values():
            raise ChainUnavailable("the block is not part of the chain")

    def _read(self, name: str) -> None:
        if self._origin is not None:
            self._origin.look(name, self.hash_of(self.block))
        else:
            self.reads.append(name)
        if self.failure is not None:
            raise self.failure
