"""What the services need from the outside world. No code: adapters implement these, fakes ship beside them."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from fractions import Fraction
from typing import Protocol

from livepeer_client.codec.messages import (
    OrchestratorInfo,
    OrchestratorRequest,
    RegisteredOrchestrator,
    SegmentCredentials,
    TranscodeResult,
)
from livepeer_client.codec.signer_api import CoveredReply, PaymentCall, PaymentReply
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts import (
    Activation,
    BatchState,
    Block,
    BlockCursor,
    BlockRef,
    Broadcast,
    Debit,
    FeedReading,
    Fees,
    Finality,
    GatewayTotals,
    Head,
    Lease,
    Log,
    MediaInfo,
    NonceState,
    OrchestratorState,
    OrchestratorTotals,
    Outgoing,
    Receipt,
    ReceivedNonces,
    ReceivedPayment,
    RedemptionBatch,
    Rendition,
    RoundState,
    SenderAccount,
    SenderInfo,
    SenderRisk,
    SentPayment,
    SessionBalance,
    SignedRequest,
    SignedTransaction,
    SignerSession,
    StoredBatch,
    StoredTicket,
    TicketOutcome,
    TicketPage,
    TicketState,
    UnbondingLock,
    UnsignedTransaction,
)
from livepeer_client.policy.signing import AuthAnswer
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Signature, Wei

# --- time and keys --------------------------------------------------------------------------------


class Clock(Protocol):
    def time(self) -> float:
        """Unix seconds."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps."""

    async def sleep(self, seconds: float) -> None: ...


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


# --- chain ----------------------------------------------------------------------------------------


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

    async def pool_size(self) -> int:
        """Members of the transcoder pool, which reserves are divided by."""


class Transactor(Protocol):
    """Writes by one key. Two steps, so that a signed transaction can be stored before it goes out."""

    @property
    def address(self) -> Address: ...

    async def simulate_redeem(self, ticket: WinningTicket, *, block: Hash32 | None = None) -> int:
        """Dry-run a single redemption from this key, on the state after `block`, or at the head.

        :returns: estimated gas.
        :raises Reverted: with the contract's reason.
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

    async def nonces(self) -> NonceState:
        """What the node knows of this key's transactions."""

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


class PriceFeed(Protocol):
    """A source of exchange rates."""

    async def read(self) -> FeedReading:
        """The latest round, however old.

        :raises ChainError: no node answers, or what answers is no feed.
        """


# --- an orchestrator's store ----------------------------------------------------------------------


class BlockCursors(Protocol):
    """Where watchers of blocks have come to, so that a restart misses nothing."""

    async def cursor(self, name: str) -> BlockCursor | None:
        """What was saved last under `name`."""

    async def save_cursor(self, cursor: BlockCursor) -> None: ...


class Leases(Protocol):
    """Names that one owner has at a time, with fencing: every acquisition grows the token, and a write that carries
    an older one is refused. Time is the store's: of the database server, or of the clock a file was opened with."""

    async def acquire_lease(self, name: str, owner: str, ttl_s: float) -> Lease:
        """Take `name` for `ttl_s` seconds. An owner may take what it has: its earlier lease is void from then on.

        :raises LeaseHeld: by another owner, and not expired.
        """

    async def renew_lease(self, lease: Lease, ttl_s: float) -> Lease:
        """Extend it to `ttl_s` seconds from now; also after it expired, as long as nobody took it.

        :raises LeaseLost: somebody took it over.
        """

    async def release_lease(self, lease: Lease) -> None:
        """Let others take it at once; harmless if it is lost already."""


class TicketStore(BlockCursors, Leases, Protocol):
    """An orchestrator's money on disk. A method that returns has committed.

    Every method raises `StoreError`, or `StoreCorrupt` if the file cannot be trusted. What moves a ticket, and what
    must be known first, is the table in `policy.ticket_states`. Writes of a redeemer carry the lease of the
    submitting key (`facts.redemption_lease`) and raise `LeaseLost` if it was taken over.
    """

    # --- payments and sessions

    async def record_payment(self, payment: ReceivedPayment) -> SessionBalance:
        """Store a payment with its winners, nonces and credit in one transaction. A winner already known is left as
        it is, and a payment without credit whose winners are all known, an old one come again, changes nothing.

        :returns: the session after it.
        :raises NoncesSeen: this node or another one has received some of its nonces; nothing was stored.
        """

    async def record_debit(self, debit: Debit) -> SessionBalance:
        """:returns: the session after it."""

    async def session(self, sender: Address, session_id: str) -> SessionBalance | None: ...

    async def open_sessions(self) -> list[SessionBalance]:
        """Sessions not written off: what a restart takes up again."""

    async def write_off_idle(self, idle_s: float) -> list[SessionBalance]:
        """Close sessions without payment or debit for `idle_s`: balance and price start anew if they come back.

        :returns: the sessions as they were before.
        """

    async def nonces(self, recipient_rand_hash: Hash32) -> frozenset[int]:
        """Nonces received on a quote, by any node."""

    async def open_quotes(self) -> list[ReceivedNonces]:
        """Nonces received on every quote that was not forgotten: what a restart under the same secret takes up."""

    async def forget_nonces(self, l1_block: BlockNumber) -> int:
        """Delete nonces of quotes that have expired at `l1_block`. :returns: how many quotes."""

    # --- tickets

    async def tickets(self, *states: TicketState) -> list[StoredTicket]:
        """Winners in any of `states` (all without arguments), oldest first.

        :raises InvalidInput: a state that no store keeps.
        """

    async def ticket(self, hash_: Hash32) -> StoredTicket | None: ...

    async def page(
        self, *states: TicketState, sender: Address | None = None, after: int = 0, limit: int = 100
    ) -> TicketPage:
        """As `tickets`, at most `limit` of them from `TicketPage.next` of the page before on."""

    async def value_at_risk(self) -> list[SenderRisk]:
        """Winners that may still be paid, by sender."""

    async def totals(self) -> OrchestratorTotals: ...

    async def hold(self, hashes: Sequence[Hash32], note: str) -> None:
        """An operator's hold: the tickets enter no batch until released. One in a batch stays there.

        :raises TicketStateRefused: one of them is not stored.
        """

    async def release(self, hashes: Sequence[Hash32]) -> None:
        """End a hold; harmless without one. Raises as `hold`."""

    async def revive(self, hashes: Sequence[Hash32], note: str) -> None:
        """Put INVALID, EXPIRED or USED_ELSEWHERE tickets back to HELD, because an operator knows better or because
        the block of that evidence has vanished. `note` becomes their reason.

        :raises TicketStateRefused: one of them is redeemed, in an open batch, or not stored.
        """

    async def mark(self, outcomes: Sequence[TicketOutcome], *, lease: Lease) -> None:
        """Record evidence about tickets outside any batch. A reorg does not undo it (`revive` does), so take it from
        a final block. HELD records a new reason for a held ticket.

        :raises TicketStateRefused: the ticket is in an open batch, or the evidence contradicts what is proven.
        """

    # --- batches

    async def batches(
        self, *states: BatchState, after: Hash32 | None = None, limit: int | None = None
    ) -> list[StoredBatch]:
        """Batches in any of `states` (all without arguments), oldest first, from the one after `after` on."""

    async def begin_batch(self, batch: RedemptionBatch, *, lease: Lease) -> None:
        """Store the signed transaction and mark its tickets SENT, before it is broadcast. Idempotent while open.

        :raises TicketStateRefused: a ticket is not HELD, or on hold.
        :raises StoreError: the batch was settled, or the key's nonce belongs to another one.
        """

    async def add_replacement(self, batch_id: Hash32, transaction: SignedTransaction, *, lease: Lease) -> None:
        """Store a transaction with the batch's nonce and calldata, before it is broadcast. Idempotent.

        :raises StoreError: the batch is not open.
        """

    async def settle_batch(
        self,
        batch_id: Hash32,
        outcomes: Sequence[TicketOutcome],
        *,
        mined: Hash32 | None,
        block: BlockRef,
        lease: Lease,
    ) -> None:
        """Record what `block` shows: provisional until `finalize_batch`, undone by `reopen_batch`. A ticket without
        evidence goes back to HELD. Recording the same again changes nothing.

        `mined` is which of its transactions is in `block`, None if its nonce was taken by another one.

        :raises StoreError: the batch was settled by another block, or an outcome is of none of its tickets.
        """

    async def finalize_batch(self, batch_id: Hash32, *, lease: Lease) -> None:
        """The block that settled the batch cannot vanish any more. Idempotent.

        :raises StoreError: the batch is open.
        """

    async def reopen_batch(self, batch_id: Hash32, *, lease: Lease) -> None:
        """The block that settled the batch has vanished: its tickets are SENT again, except for those that went on
        into a later batch. Idempotent.

        :raises StoreError: the batch is final.
        """

    async def close(self) -> None: ...


# --- a gateway's books ----------------------------------------------------------------------------


class GatewayBooks(Protocol):
    """A gateway's account of what it paid for. A method that returns has committed.

    Every method raises `StoreError`, or `StoreCorrupt` if the file cannot be trusted.
    """

    async def record_sent(self, payment: SentPayment) -> None:
        """Before the payment leaves."""

    async def record_answer(self, payment_id: str, *, pixels: int, fee: Fraction) -> None:
        """The work came back and was checked: `pixels` were charged at `fee` wei."""

    async def totals(self) -> dict[Address, GatewayTotals]: ...

    async def close(self) -> None: ...


# --- a remote signer ------------------------------------------------------------------------------


class SignerLedger(Protocol):
    """What a remote signer may never do twice: go on from one state, draw one nonce. A method that returns has
    committed. Every method raises `StoreError`, or `StoreCorrupt` if the file cannot be trusted."""

    async def session(self, state_id: str) -> SignerSession | None: ...

    async def last_nonce(self, recipient_rand_hash: Hash32) -> int:
        """The last nonce drawn on a quote, 0 if none was."""

    async def record(self, request: SignedRequest) -> None:
        """Store an answer before it goes out: sequence, nonces and reply in one transaction.

        :raises SignerConflict: the session or the quote has moved on since it was read; nothing was stored.
        """

    async def forget(self, *, idle_s: float, block: BlockNumber) -> None:
        """Delete sessions idle for so long, and nonces of quotes that expired before `block`."""

    async def close(self) -> None: ...


class SignerAuth(Protocol):
    """Says whom a remote signer signs for."""

    async def authorise(self, headers: Mapping[str, Sequence[str]], state: Mapping[str, object] | None) -> AuthAnswer:
        """Ask about one request by its headers and its session's state, None where there is no session.

        :raises SignerRefused: 500, it gave no answer that says anything.
        """


class PaymentSigner(Protocol):
    """A remote signer as its client sees it."""

    async def pay(self, call: PaymentCall) -> PaymentReply | CoveredReply:
        """One payment.

        :raises SignerRefused: with the signer's status; 480 wants a fresh orchestrator info.
        :raises PeerTimeout, PeerUnreachable, MalformedMessage: as any peer.
        """


# --- peers ----------------------------------------------------------------------------------------


class OrchestratorProbe(Protocol):
    async def get_info(self, uri: str, request: OrchestratorRequest, *, timeout_s: float) -> OrchestratorInfo:
        """`net.Orchestrator/GetOrchestrator` at a service URI.

        :raises PeerTimeout, PeerUnreachable: no answer.
        :raises PeerRefused: a refusal, with the orchestrator's text.
        :raises MalformedMessage: an answer that does not decode.
        """

    async def ping(self, uri: str, value: bytes, *, timeout_s: float) -> bytes:
        """The orchestrator's signature over `value`. Raises as `get_info`."""

    async def close(self) -> None: ...


class SegmentTransport(Protocol):
    async def submit_segment(
        self, uri: str, segment: bytes, *, credentials: str, payment: str, upload_timeout_s: float, timeout_s: float
    ) -> TranscodeResult:
        """`POST {uri}/segment` with ready-made base64 headers.

        A refusal inside an accepted exchange is returned in `TranscodeResult.error`.

        :raises PeerTimeout, PeerUnreachable, PeerRefused, MalformedMessage:
        """

    async def fetch(self, url: str, *, limit_bytes: int, timeout_s: float) -> bytes:
        """Download a rendition of at most `limit_bytes`. Raises as `submit_segment`."""

    async def close(self) -> None: ...


# --- media ----------------------------------------------------------------------------------------


class Transcoder(Protocol):
    async def transcode(self, segment: bytes, credentials: SegmentCredentials) -> list[Rendition]:
        """All renditions the credentials ask for, in their order.

        :raises MediaError: with the wire text as reason.
        """


class MediaProbe(Protocol):
    async def inspect(self, data: bytes, *, max_pixels: int | None = None) -> MediaInfo:
        """Decode a segment completely, unless it has more than `max_pixels` over all its frames.

        :raises MediaError: it does not decode, or has more.
        """


class SegmentSource(Protocol):
    def segments(self) -> AsyncIterator[tuple[int, bytes, int]]:
        """Yields (sequence number, MPEG-TS bytes, duration in ms)."""
