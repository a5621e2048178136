"""What nodes know of the chain: blocks, rounds, accounts, events, transactions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Hash32, Round, Wei


@dataclass(frozen=True, slots=True)
class Head:
    """The chain's tip. `l1_block` is the number the contracts see, `number` the chain's own height, which logs and
    receipts count in; the two differ on a rollup. `gas_price` is what the node suggests, `base_fee` what the block
    charged, wei per gas."""

    l1_block: BlockNumber
    block_hash: Hash32
    timestamp: int
    gas_price: Wei
    number: BlockNumber
    base_fee: Wei


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the chain, by its own height. `l1_block` is the number the contracts saw in it."""

    number: BlockNumber
    hash: Hash32
    parent_hash: Hash32
    timestamp: int
    l1_block: BlockNumber


@dataclass(frozen=True, slots=True)
class Finality:
    """How far the chain is settled: blocks at or below `safe` are unlikely to go, those at or below `finalized` do not.

    `by_depth` says that the node knows neither and both were counted back from the head.
    """

    safe: Block
    finalized: Block
    by_depth: bool


@dataclass(frozen=True, slots=True)
class RoundState:
    """`current` is computed from the block number; `last_initialized` lags until someone opens the round."""

    current: Round
    last_initialized: Round
    last_initialized_block_hash: Hash32
    start_block: BlockNumber
    length_blocks: int
    locked: bool

    @property
    def initialized(self) -> bool:
        return self.current == self.last_initialized


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """A gateway's account with the TicketBroker, amounts in wei. `withdraw_round` 0 = no unlock."""

    deposit: Wei
    withdraw_round: Round
    reserve: Wei
    claimed_in_current_round: Wei


@dataclass(frozen=True, slots=True)
class SenderAccount:
    """A gateway's account, and what one claimant has taken from its reserve this round, wei."""

    info: SenderInfo
    claimed: Wei


@dataclass(frozen=True, slots=True)
class Activation:
    """Rounds in which an orchestrator becomes active and ceases to be; `NEVER_DEACTIVATES` while it is in the pool."""

    activation_round: Round
    deactivation_round: Round

    def is_active(self, round_: int) -> bool:
        return self.activation_round <= round_ < self.deactivation_round


@dataclass(frozen=True, slots=True)
class UnbondingLock:
    """Stake on its way out: LPT wei that can be withdrawn from `withdraw_round` on."""

    amount: int
    withdraw_round: Round


@dataclass(frozen=True, slots=True)
class OrchestratorState:
    """What an orchestrator must know about itself. Amounts: LPT wei and ETH wei."""

    active: bool
    registered: bool
    last_reward_round: Round
    stake: int
    pending_fees: Wei


@dataclass(frozen=True, slots=True)
class Log:
    """One event, decoded: `name` is the event's name, `args` by the ABI's names (addresses and hashes as bytes).

    `block` is the chain's own height; `block_hash` says which of the blocks that ever had it.
    """

    contract: str
    name: str
    args: Mapping[str, object]
    block: BlockNumber
    tx_hash: Hash32
    index: int
    block_hash: Hash32 = ZERO_HASH


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction. It is settled once `block` is final and still has `block_hash`."""

    tx_hash: Hash32
    succeeded: bool
    block: BlockNumber
    gas_used: int
    effective_gas_price: Wei
    logs: tuple[Log, ...]
    block_hash: Hash32


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Ready to broadcast, and to be stored before it is."""

    raw: bytes
    tx_hash: Hash32
    nonce: int


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers, wei per gas: at most `cap` in all, of which `tip` to the block's producer."""

    cap: Wei
    tip: Wei


@dataclass(frozen=True, slots=True)
class Simulation:
    """A call as it would go now: the gas it takes, what that would be paid at, and the events it would leave, None
    where the node cannot tell them."""

    gas: int
    fees: Fees
    gas_price: Wei
    logs: tuple[Log, ...] | None


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """A call or transfer of EIP-1559 before it is signed."""

    chain_id: int
    nonce: int
    to: Address
    value: Wei
    data: bytes
    gas_limit: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class DataCost:
    """What a rollup charges for putting a transaction's bytes on the chain below: `gas` units of its own, which its
    nodes' gas estimates contain, at `base_fee` wei each."""

    gas: int
    base_fee: Wei

    @property
    def fee(self) -> Wei:
        return Wei(self.gas * self.base_fee)


@dataclass(frozen=True, slots=True)
class NonceState:
    """One key's transactions as a node sees them: `mined` are in blocks, `pending` counts those that wait as well.

    The next unused nonce is `pending`; nonces below `mined` are consumed for good, short of a reorg.
    """

    mined: int
    pending: int


class Lane(IntEnum):
    """What a transaction is for; of two that share a key's nonces the lower number is the more urgent."""

    REDEMPTION = 0
    FUNDS = 1
    REWARD = 2
    ROUND = 3


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One nonce of one key and all that was ever signed for it, newest last; any of it may be mined.

    `sent` once it may have reached a node. From the index `cancelled` on they are empty transfers that only free the
    nonce. `signed_at`, of the newest, in Unix seconds.
    """

    key: Address
    nonce: int
    lane: Lane
    transactions: tuple[SignedTransaction, ...]
    signed_at: float
    sent: bool = False
    cancelled: int | None = None

    @property
    def newest(self) -> SignedTransaction:
        return self.transactions[-1]

    def has(self, tx_hash: Hash32) -> bool:
        return any(each.tx_hash == tx_hash for each in self.transactions)

    def cancelled_by(self, tx_hash: Hash32) -> bool:
        """Whether that transaction, mined, means that the call was not made."""
        return self.cancelled is not None and any(
            each.tx_hash == tx_hash for each in self.transactions[self.cancelled :]
        )


class Broadcast(Enum):
    """What became of a transaction handed to the network."""

    ACCEPTED = "taken by the node"
    KNOWN = "the node has it already, waiting or mined"


@dataclass(frozen=True, slots=True)
class BlockRef:
    """One block of this chain, told from another of the same height by its hash. `number` is the chain's own height."""

    number: int
    hash: Hash32


@dataclass(frozen=True, slots=True)
class BlockCursor:
    """How far a watcher has come: its last block, and recent ones, oldest first, to find a common ancestor among."""

    name: str
    block: BlockRef
    recent: tuple[BlockRef, ...] = ()
