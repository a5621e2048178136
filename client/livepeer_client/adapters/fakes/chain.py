"""A chain whose facts are attributes, and a transactor whose transactions do what a test says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import ChainError, InvalidInput, Reverted, TransactionDropped
from livepeer_client.facts import Head, Log, OrchestratorState, Receipt, RoundState, SenderInfo, SignedTransaction
from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Hash32, Round, Wei


def _block_hash(number: int) -> Hash32:
    return keccak256(b"fake block %d" % number)


class FakeChain:
    """`ports.Chain` over plain attributes.

    Starts in round 100, initialised, at that round's first block. `mine` moves blocks and rounds; a new round stays
    uninitialised until `initialize_round`. Accounts nobody set are empty. `failure`, if set, is raised by every read.
    """

    def __init__(self, *, round_length: int = 50, first_round: int = 100) -> None:
        self.round_length = round_length
        self.block = BlockNumber(first_round * round_length)
        self.timestamp = 1_700_000_000
        self.gas_price = Wei(10**9)
        self.locked_blocks = round_length // 10
        self.last_initialized = Round(first_round)
        self.block_hashes: dict[Round, Hash32] = {Round(first_round): _block_hash(self.block)}
        self.validity_period = 2
        self.senders: dict[Address, SenderInfo] = {}
        self.claimable: dict[tuple[Address, Address], Wei] = {}
        self.used: set[Hash32] = set()
        self.pool: list[RegisteredOrchestrator] = []
        self.states: dict[Address, OrchestratorState] = {}
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
        self.block = BlockNumber(self.block + blocks)
        self.timestamp += blocks * seconds_per_block

    def mine_to_next_round(self) -> None:
        """Go to the first block of the next round, which stays uninitialised."""
        self.mine((self.current_round + 1) * self.round_length - self.block)

    def initialize_round(self) -> None:
        """What the contract's `initializeRound` records: the round and the hash of the block before."""
        self.last_initialized = self.current_round
        self.block_hashes[self.current_round] = _block_hash(self.block - 1)

    def add_event(self, contract: str, name: str, tx_hash: Hash32 = ZERO_HASH, **args: object) -> Log:
        """Emit an event in the current block."""
        index = sum(log.block == self.block for log in self.events)
        log = Log(contract, name, args, self.block, tx_hash, index)
        self.events.append(log)
        return log

    # --- ports.Chain ------------------------------------------------------------------------------

    async def head(self) -> Head:
        self._read("head")
        return Head(self.block, _block_hash(self.block), self.timestamp, self.gas_price)

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

    async def logs(self, contract: str, event: str, from_block: BlockNumber, to_block: BlockNumber) -> list[Log]:
        self._read("logs")
        return [
            log
            for log in self.events
            if log.contract == contract and log.name == event and from_block <= log.block <= to_block
        ]

    def _read(self, name: str) -> None:
        self.reads.append(name)
        if self.failure is not None:
            raise self.failure


@dataclass(frozen=True, slots=True)
class FakeCall:
    """One call of the suite as it was prepared. `tx_hash` is what its receipt and events carry."""

    contract: str
    function: str
    args: tuple[object, ...]
    gas_limit: int | None
    value: Wei
    tx_hash: Hash32


class FakeTransactor:
    """`ports.Transactor` on a `FakeChain`.

    A broadcast call is mined at once, or with `auto_mine` False when `mine_pending` is called. `effect` is run when a
    call is mined: it changes the chain, returns the events, or raises `Reverted`, which makes the receipt a failure.
    `refusals` maps (contract, function) to the reason that simulation gives; `redeem_refusals` a ticket hash to the
    reason of `simulate_redeem`, on top of "ticket is used".
    """

    def __init__(
        self, address: Address, chain: FakeChain, effect: Callable[[FakeCall], Sequence[Log]] | None = None
    ) -> None:
        self._address = address
        self.chain = chain
        self.effect = effect
        self.auto_mine = True
        self.gas_per_call = 100_000
        self.redeem_gas = 350_000
        self.refusals: dict[tuple[str, str], str] = {}
        self.redeem_refusals: dict[Hash32, str] = {}
        self.prepared: list[FakeCall] = []
        self.broadcasts: list[SignedTransaction] = []
        self.failure: ChainError | None = None
        self._calls: dict[Hash32, FakeCall] = {}
        self._pending: list[Hash32] = []
        self._receipts: dict[Hash32, Receipt] = {}

    @property
    def address(self) -> Address:
        return self._address

    def mine_pending(self) -> None:
        """Mine what was broadcast, in order, in one new block."""
        if self._pending:
            self.chain.mine()
        for tx_hash in self._pending:
            self._receipts[tx_hash] = self._mine(self._calls[tx_hash])
        self._pending.clear()

    async def simulate_redeem(self, ticket: WinningTicket) -> int:
        self._check()
        hash_ = ticket.ticket.hash
        reason = "ticket is used" if hash_ in self.chain.used else self.redeem_refusals.get(hash_)
        if reason is not None:
            raise Reverted(reason, call="redeemWinningTicket")
        return self.redeem_gas

    async def prepare(
        self, contract: str, function: str, args: Sequence[object], *, gas_limit: int | None = None, value: Wei = Wei(0)
    ) -> SignedTransaction:
        self._check()
        if gas_limit is None and (contract, function) in self.refusals:
            raise Reverted(self.refusals[contract, function], call=function)
        nonce = len(self.prepared)
        raw = f"fake transaction {self._address.hex()} {nonce}".encode()
        call = FakeCall(contract, function, tuple(args), gas_limit, value, keccak256(raw))
        self.prepared.append(call)
        self._calls[call.tx_hash] = call
        return SignedTransaction(raw, call.tx_hash, nonce)

    async def broadcast(self, transaction: SignedTransaction) -> None:
        self._check()
        self.broadcasts.append(transaction)
        tx_hash = transaction.tx_hash
        if tx_hash not in self._calls:
            raise InvalidInput(f"transaction 0x{tx_hash.hex()} was not prepared here")
        if tx_hash not in self._receipts and tx_hash not in self._pending:
            self._pending.append(tx_hash)
        if self.auto_mine:
            self.mine_pending()

    async def receipt(self, tx_hash: Hash32) -> Receipt | None:
        self._check()
        return self._receipts.get(tx_hash)

    async def wait(self, tx_hash: Hash32, timeout_s: float) -> Receipt:
        self._check()
        receipt = self._receipts.get(tx_hash)
        if receipt is None:
            # Nothing mines while the test waits, so the timeout is certain.
            raise TransactionDropped(tx_hash, timeout_s)
        return receipt

    async def send(
        self, contract: str, function: str, args: Sequence[object], *, gas_limit: int | None = None, value: Wei = Wei(0)
    ) -> Receipt:
        transaction = await self.prepare(contract, function, args, gas_limit=gas_limit, value=value)
        await self.broadcast(transaction)
        receipt = await self.wait(transaction.tx_hash, 0)
        if not receipt.succeeded:
            raise Reverted("", call=function, tx_hash=transaction.tx_hash)
        return receipt

    def _mine(self, call: FakeCall) -> Receipt:
        logs: Sequence[Log] = ()
        succeeded = (call.contract, call.function) not in self.refusals
        if succeeded and self.effect is not None:
            try:
                logs = self.effect(call)
            except Reverted:
                succeeded = False
        stamped = tuple(
            replace(log, block=self.chain.block, tx_hash=call.tx_hash, index=index) for index, log in enumerate(logs)
        )
        self.chain.events.extend(stamped)
        return Receipt(call.tx_hash, succeeded, self.chain.block, self.gas_per_call, self.chain.gas_price, stamped)

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure
