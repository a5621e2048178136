"""What the services need from the outside world. No code: adapters implement these, fakes ship beside them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from fractions import Fraction
from typing import Protocol

from livepeer_client.codec.messages import (
    OrchestratorInfo,
    OrchestratorRequest,
    PaymentResult,
    SegmentCredentials,
    TranscodeResult,
)
from livepeer_client.codec.signer_api import CoveredReply, PaymentCall, PaymentReply
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts import (
    BatchState,
    BlockRef,
    Debit,
    FeedReading,
    GatewayTotals,
    Lease,
    MediaInfo,
    OrchestratorTotals,
    ReceivedNonces,
    ReceivedPayment,
    RedemptionBatch,
    Rendition,
    Restored,
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
)
from livepeer_client.policy.signing import AuthAnswer
from livepeer_client.ports.chain import BlockCursors as BlockCursors
from livepeer_client.ports.chain import Chain as Chain
from livepeer_client.ports.chain import Signer as Signer
from livepeer_client.ports.chain import StakeHints as StakeHints
from livepeer_client.ports.chain import TransactionJournal as TransactionJournal
from livepeer_client.ports.chain import TransactionSigner as TransactionSigner
from livepeer_client.ports.chain import Transactor as Transactor
from livepeer_client.ports.discovery import KeyProofs as KeyProofs
from livepeer_client.ports.discovery import OrchestratorCache as OrchestratorCache
from livepeer_client.ports.discovery import OrchestratorSource as OrchestratorSource
from livepeer_client.ports.discovery import WebClient as WebClient
from livepeer_client.ports.governance import Governance as Governance
from livepeer_client.types import Address, BlockNumber, Hash32, Wei

# --- time and keys --------------------------------------------------------------------------------


class Clock(Protocol):
    def time(self) -> float:
        """Unix seconds."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps."""

    async def sleep(self, seconds: float) -> None: ...


# --- chain ----------------------------------------------------------------------------------------


class PriceFeed(Protocol):
    """A source of exchange rates."""

    async def read(self) -> FeedReading:
        """The latest round, however old.

        :raises ChainError: no node answers, or what answers is no feed.
        """


# --- an orchestrator's store ----------------------------------------------------------------------


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

    async def restore(self, tickets: Sequence[StoredTicket], batches: Sequence[StoredBatch]) -> Restored:
        """Add tickets and batches of another store, with their states; what is known stays as it is, so doing it
        twice changes nothing. A ticket that is SENT comes with its batch, or is HELD.

        :raises InvalidInput: a batch without one of its tickets, here or among `tickets`.
        :raises StoreError: an open batch whose nonce, or a transaction that, belongs to another one.
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


class PaymentTransport(Protocol):
    async def submit_payment(self, url: str, *, payment: str, credentials: str, timeout_s: float) -> PaymentResult:
        """`POST` a payment that comes alone, with ready-made base64 headers.

        :raises PeerTimeout, PeerUnreachable, PeerRefused, MalformedMessage:
        """


class TicketRedeemer(Protocol):
    """A redeemer in another process (`net.TicketRedeemer`)."""

    async def queue_ticket(self, winner: WinningTicket) -> None:
        """Hand a winner over; it is on the redeemer's disk once this returns. Repeating it is harmless.

        :raises PeerRefused: it will not take it: another recipient's, or not a winner.
        :raises PeerTimeout, PeerUnreachable: it may or may not have it.
        """

    async def max_float(self, sender: Address) -> Wei:
        """What a sender is still trusted for; zero for nothing. Raises as `queue_ticket`."""

    def monitor_max_float(self, sender: Address) -> AsyncIterator[Wei]:
        """The float now and after each change, until the connection breaks. Raises as `queue_ticket`."""

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


class UrlFetcher(Protocol):
    async def fetch(self, url: str, *, limit_bytes: int, timeout_s: float) -> bytes:
        """Download what a peer named by a URL, which must lead to a public host.

        :raises PeerTimeout, PeerUnreachable, PeerRefused, MalformedMessage:
        """


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

    async def fingerprint(self, data: bytes) -> tuple[bytes, ...]:
        """What a segment looks like, coarsely: a few of its frames as 16 x 16 bytes of brightness.

        :raises MediaError: it does not decode.
        """


class SegmentSource(Protocol):
    def segments(self) -> AsyncIterator[tuple[int, bytes, int]]:
        """Yields (sequence number, MPEG-TS bytes, duration in ms)."""
