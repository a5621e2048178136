"""What the services need of a chain and of the keys that write to it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from livepeer_client.codec.messages import (
    RegisteredOrchestrator,
)
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import Reverted
from livepeer_client.facts import (
    Activation,
    Block,
    BlockCursor,
    Broadcast,
    DataCost,
    Fees,
    Finality,
    Head,
    Log,
    NonceState,
    OrchestratorState,
    Outgoing,
    Receipt,
    RoundState,
    SenderAccount,
    SenderInfo,
    SignedTransaction,
    Simulation,
    UnbondingLock,
    UnsignedTransaction,
)
from livepeer_client.policy.pool import Hint
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Signature, Wei


class Signer(Protocol):
    """Holds one key. Remote signers are why signing is awaited."""

    @property
    def address(self) -> Address: ...

    async def sign(self, digest: bytes) -> Signature:
        """Sign a 32-byte digest as a personal message.

        :raises InvalidInput: not 32 bytes.
        :raises TransportError: a remote signer did not answer.
        """


class TransactionSigner(Signer, Protocol):
    """Holds one key that also signs transactions."""

    async def sign_transaction(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """:raises TransportError: a remote signer did not answer."""


class Chain(Protocol):
    """Typed reads of the deployed suite; one block per call where several values are read.

    Every method raises `ChainUnavailable` if no node answers and `Reverted` if a contract refuses.
    """

    def at(self, block: Hash32) -> "Chain":
        """The same reads, all of the state after one block of the chain, `head` being that block.

        They raise `ChainUnavailable` once the block has left the chain or the node has dropped its state: look for a
        new head then.
        """

    async def head(self) -> Head: ...

    async def block_at(self, number: BlockNumber) -> Block | None:
        """The block at that height of the chain's own count, None if there is none yet."""

    async def past_base_fees(self, head: Head, span_s: float, samples: int) -> list[tuple[int, Wei]]:
        """Base fees of at most `samples` blocks spread over the `span_s` seconds before `head`, without it: oldest
        first, each with its block's time in Unix seconds. Fewer where the chain is younger or the node does not have
        them."""

    async def data_costs(self, calls: Sequence[tuple[str, str, Sequence[object]]]) -> list[DataCost]:
        """What the bytes of a transaction cost that makes each call (contract, function, arguments as ABI values),
        where an Arbitrum chain's NodeInterface says so; elsewhere an empty list. Whether the call would succeed does
        not matter.

        :raises InvalidInput: no such function, or arguments that do not fit.
        """

    async def finality(self) -> Finality:
        """The safe and the finalized block, counted back from the head where the node does not know them."""

    async def round_state(self) -> RoundState: ...

    async def block_hash_for_round(self, round_: Round) -> Hash32:
        """The hash stored for an initialised round, zero for any other."""

    async def ticket_validity_period(self) -> int:
        """Rounds, counted from the creation round, in which a ticket can be redeemed."""

    async def sender_info(self, sender: Address) -> SenderInfo: ...

    async def claimable_reserve(self, holder: Address, claimant: Address) -> Wei:
        """What `claimant` could still draw from `holder`'s reserve this round."""

    async def redeems_compactly(self) -> bool:
        """Whether the TicketBroker has `redeemWinningTicketsCompact`, which the deployed network's has not."""

    async def used_tickets(self, hashes: Sequence[Hash32]) -> list[bool]: ...

    async def orchestrators(self) -> list[RegisteredOrchestrator]:
        """The transcoder pool in order of stake, with service URIs; an unreadable member is left out."""

    async def orchestrator_state(self, address: Address) -> OrchestratorState: ...

    async def logs(self, contract: str, event: str, from_block: BlockNumber, to_block: BlockNumber) -> list[Log]:
        """Events of one contract in chain order, both ends included."""

    # --- what watchers follow

    async def logs_of(
        self, wanted: Mapping[str, Collection[str]], from_block: BlockNumber, to_block: BlockNumber
    ) -> list[Log]:
        """Events of several contracts, each with the names wanted of it, in chain order, both ends included."""

    async def blocks(self, first: BlockNumber, last: BlockNumber) -> list[Block]:
        """Blocks in order of height, both ends included, as far as there are any."""

    async def sender_accounts(self, senders: Sequence[Address], claimant: Address) -> list[SenderAccount]: ...

    async def activations(self, orchestrators: Sequence[Address]) -> list[Activation]: ...

    async def service_uris(self, orchestrators: Sequence[Address]) -> list[str]: ...

    async def unbonding_locks(self, delegator: Address) -> dict[int, UnbondingLock]:
        """Open locks by id."""

    async def reward_hint(self, transcoder: Address) -> Hint:
        """The neighbours of a transcoder's place in the pool after its next reward call, as far as can be told."""

    async def pool_size(self) -> int:
        """Members of the transcoder pool, which reserves are divided by."""


class StakeHints(Protocol):
    """Places in the pool after a change of stake that was not made yet, for the hints of the call that makes it.

    Right for the state they were asked in; a wrong one costs gas only. `policy.pool.NO_HINT` where no place changes,
    also where the call itself would be refused. Amounts in LPT wei. Every method raises as `Chain` does.
    """

    async def bond_hints(self, owner: Address, amount: int, to: Address) -> tuple[Hint, Hint]:
        """Of the delegate that is left, and of `to`."""

    async def unbond_hint(self, delegator: Address, amount: int) -> Hint: ...

    async def rebond_hint(self, delegator: Address, lock_id: int) -> Hint: ...

    async def rebond_from_unbonded_hint(self, delegator: Address, to: Address, lock_id: int) -> Hint: ...

    async def transfer_bond_hints(self, delegator: Address, receiver: Address, amount: int) -> tuple[Hint, Hint]:
        """Of the delegator's delegate, and of the receiver's."""

    async def transcoder_hint(self, transcoder: Address) -> Hint: ...

    async def reward_hint(self, transcoder: Address) -> Hint: ...


class Transactor(Protocol):
    """Writes by one key. Two steps, so that a signed transaction can be stored before it goes out."""

    @property
    def address(self) -> Address: ...

    async def simulate_redeem(self, ticket: WinningTicket, *, block: Hash32 | None = None) -> int:
        """Dry-run a single redemption from this key, on the state after `block`, or at the head.

        :returns: estimated gas.
        :raises Reverted: with the contract's reason.
        """

    async def simulate(
        self, contract: str, function: str, args: Sequence[object], *, value: Wei = Wei(0)
    ) -> Simulation:
        """Dry-run any call of the suite at the head.

        :raises Reverted: the contract would refuse.
        :raises InsufficientFunds: value and gas may take more than the key has.
        :raises GasPriceTooHigh: the base fee is over the limit now.
        """

    async def prepare(
        self,
        contract: str,
        function: str,
        args: Sequence[object],
        *,
        gas_limit: int | None = None,
        value: Wei = Wei(0),
        max_fee_per_gas: Wei | None = None,
    ) -> SignedTransaction:
        """Sign a call of the suite. Without `gas_limit` the call is simulated and estimated first.

        `args` are ABI values: addresses and hashes as bytes, tuples for structs. `max_fee_per_gas` is a ceiling of the
        fee cap beside the transactor's own.

        :raises Reverted: the simulation says so.
        :raises GasPriceTooHigh: the base fee is over the limit now.
        :raises InsufficientFunds: value and gas may take more than the key has.
        """

    async def replace(self, transaction: SignedTransaction, *, max_fee_per_gas: Wei | None = None) -> SignedTransaction:
        """Sign the same call again, with the same nonce and gas limit, at fees that nodes accept in its place.

        Fee cap and tip rise by at least 11 % (offchain-payments 13), and to what the market takes now. Either of the
        two may be mined, so keep both hashes.

        :param max_fee_per_gas: ceiling of the new fee cap, instead of the transactor's own.
        :raises NonceConsumed: it, or another one with its nonce, is mined; look for the receipts.
        :raises ReplacementTooExpensive: with the figures.
        """

    async def cancel(self, transaction: SignedTransaction, *, max_fee_per_gas: Wei | None = None) -> SignedTransaction:
        """Sign an empty transfer to ourselves in place of `transaction`, at fees that nodes accept: the cheapest way to
        free its nonce. Raises as `replace`."""

    def reserve(self, nonce: int) -> None:
        """Give this nonce to nobody else: something is signed for it already. Until released, or for some minutes."""

    def release(self, nonce: int) -> None:
        """What was signed for this nonce will not be sent: it may be used again."""

    async def fees(self, transaction: SignedTransaction) -> Fees:
        """What a transaction of this port offers."""

    async def nonces(self, key: Address | None = None) -> NonceState:
        """What the node knows of the transactions of this key, or of another one."""

    async def broadcast(self, transaction: SignedTransaction) -> Broadcast:
        """Hand a signed transaction to the network; sending the same one twice is harmless.

        :raises NonceConsumed: it can never be mined.
        :raises Underpriced: its fees do not do any more.
        :raises InsufficientFunds: the key no longer has what it may take.
        :raises TransactionRefused: not taken, for a reason of the node's own.
        """

    async def receipt(self, tx_hash: Hash32) -> Receipt | None:
        """The receipt, or None while there is none."""

    async def wait(self, tx_hash: Hash32, timeout_s: float) -> Receipt:
        """:raises TransactionDropped: no receipt within `timeout_s`."""

    async def why(
        self, receipt: Receipt, contract: str, function: str, args: Sequence[object], value: Wei = Wei(0)
    ) -> Reverted:
        """Why a mined call failed, found by making it again on the state after its block; without a reason if it would
        not fail there, as one that ran out of gas."""

    async def send(
        self, contract: str, function: str, args: Sequence[object], *, gas_limit: int | None = None, value: Wei = Wei(0)
    ) -> Receipt:
        """Prepare, broadcast and wait.

        :raises Reverted: in simulation or when mined.
        """


class TransactionJournal(Protocol):
    """Transactions that are signed and not yet final, so that a crash neither forgets nor repeats one.

    A method that returns has committed. Every method raises `StoreError`, or `StoreCorrupt`.
    """

    async def record(self, outgoing: Outgoing) -> None:
        """Store an entry in place of the one of the same key and nonce."""

    async def outgoing(self, key: Address) -> list[Outgoing]:
        """All entries of a key, in order of nonce."""

    async def forget(self, key: Address, nonce: int) -> None:
        """The nonce is consumed for good, or nothing signed for it was sent. Harmless if unknown."""

    async def close(self) -> None: ...


class BlockCursors(Protocol):
    """Where watchers of blocks have come to, so that a restart misses nothing."""

    async def cursor(self, name: str) -> BlockCursor | None:
        """What was saved last under `name`."""

    async def save_cursor(self, cursor: BlockCursor) -> None: ...
