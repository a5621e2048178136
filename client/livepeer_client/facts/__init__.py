"""What nodes know: values that chain, store and media hand to policy and services, without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.messages import VideoProfile
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts.chain import (
    Activation as Activation,
)
from livepeer_client.facts.chain import (
    Block as Block,
)
from livepeer_client.facts.chain import (
    BlockCursor as BlockCursor,
)
from livepeer_client.facts.chain import (
    BlockRef as BlockRef,
)
from livepeer_client.facts.chain import (
    Broadcast as Broadcast,
)
from livepeer_client.facts.chain import (
    DataCost as DataCost,
)
from livepeer_client.facts.chain import (
    Fees as Fees,
)
from livepeer_client.facts.chain import (
    Finality as Finality,
)
from livepeer_client.facts.chain import (
    Head as Head,
)
from livepeer_client.facts.chain import (
    Lane as Lane,
)
from livepeer_client.facts.chain import (
    Log as Log,
)
from livepeer_client.facts.chain import (
    NonceState as NonceState,
)
from livepeer_client.facts.chain import (
    OrchestratorState as OrchestratorState,
)
from livepeer_client.facts.chain import (
    Outgoing as Outgoing,
)
from livepeer_client.facts.chain import (
    Receipt as Receipt,
)
from livepeer_client.facts.chain import (
    RoundState as RoundState,
)
from livepeer_client.facts.chain import (
    SenderAccount as SenderAccount,
)
from livepeer_client.facts.chain import (
    SenderInfo as SenderInfo,
)
from livepeer_client.facts.chain import (
    SignedTransaction as SignedTransaction,
)
from livepeer_client.facts.chain import (
    Simulation as Simulation,
)
from livepeer_client.facts.chain import (
    UnbondingLock as UnbondingLock,
)
from livepeer_client.facts.chain import (
    UnsignedTransaction as UnsignedTransaction,
)
from livepeer_client.facts.discovery import (
    KnownOrchestrator as KnownOrchestrator,
)
from livepeer_client.types import Address, BlockNumber, Hash32, Wei


class TicketState(Enum):
    """Life of a winner (offchain-payments 16); `policy.ticket_states` has the transitions.

    READY, ASSIGNED and DEFERRED are views of a HELD ticket that each plan computes anew; no store keeps them.
    """

    HELD = "held"
    READY = "ready"
    ASSIGNED = "assigned"
    SENT = "sent"
    PAID = "paid"
    UNDERPAID = "underpaid"
    DEFERRED = "deferred"
    USED_ELSEWHERE = "used_elsewhere"
    EXPIRED = "expired"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class StoredTicket:
    """A winner with its state. `paid` in wei, known once redeemed; `reason` says why it is where it is.

    `tx_hash` is the transaction that redeemed it, or the latest one that tries to. `hold` is the note of an operator
    who wants it left alone. `batch` is the batch that it is in, or whose evidence settled it. `received_at` in Unix
    seconds.
    """

    winner: WinningTicket
    hash: Hash32
    state: TicketState
    paid: Wei
    tx_hash: Hash32 | None
    reason: str
    hold: str | None = None
    batch: Hash32 | None = None
    received_at: float = 0.0


@dataclass(frozen=True, slots=True)
class TicketPage:
    """Part of a list of tickets; `next` is what to ask for the rest with, None at the end."""

    tickets: tuple[StoredTicket, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class SenderRisk:
    """What one sender's open winners are worth: face values in wei, `held` not yet sent and `sent` unconfirmed."""

    sender: Address
    tickets: int
    held: Wei
    sent: Wei
    oldest_received_at: float


@dataclass(frozen=True, slots=True)
class ReceivedNonces:
    """Sender nonces that one payment uses up on a quote, kept until `expiration_block`."""

    recipient_rand_hash: Hash32
    expiration_block: BlockNumber
    nonces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReceivedPayment:
    """One payment as judged, to be stored whole before it is answered.

    `session_id` keys the balance. `received` counts the payment's tickets, `credited` the expected value
    added, exact, wei; `winners` are those that won and are valid. `nonces` are those it uses up for the first time;
    `price`, wei per pixel, is the session's if none is fixed yet.
    """

    sender: Address
    session_id: str
    received: int
    credited: Fraction
    winners: tuple[WinningTicket, ...]
    nonces: ReceivedNonces | None = None
    price: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Debit:
    """Work charged to a session: `fee` exact, wei, for `pixels` in segment `seq`."""

    sender: Address
    session_id: str
    seq: int
    pixels: int
    fee: Fraction


@dataclass(frozen=True, slots=True)
class SessionBalance:
    """What a sender's session adds up to, exact, wei. `written_off` is what was left when it fell idle; `open` until
    then. `price` is fixed with the first credit of a session that has none. `updated_at` in Unix seconds."""

    sender: Address
    session_id: str
    credited: Fraction
    debited: Fraction
    written_off: Fraction
    price: Fraction | None
    open: bool
    updated_at: float

    @property
    def balance(self) -> Fraction:
        """Credit left; may be negative."""
        return self.credited - self.debited - self.written_off


class Calldata(Enum):
    """Which entry point of the TicketBroker a redemption calls."""

    SINGLE = "single"
    BATCH = "batch"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class RedemptionBatch:
    """A redemption that was or is about to be broadcast: the same nonce and calldata in every transaction.

    `key` is the submitting key's address; `transactions` are the first and its replacements, in their order.
    """

    key: Address
    nonce: int
    tickets: tuple[Hash32, ...]
    calldata: Calldata
    transactions: tuple[SignedTransaction, ...]

    @property
    def id(self) -> Hash32:
        """What the batch is, whichever of its transactions is mined: key, nonce, kind and tickets, hashed."""
        parts = (b"redemption", self.key, self.nonce.to_bytes(8, "big"), self.calldata.value.encode(), *self.tickets)
        return keccak256(b"".join(len(part).to_bytes(4, "big") + part for part in parts))

    @property
    def transaction(self) -> SignedTransaction:
        """The latest one: the one to rebroadcast."""
        return self.transactions[-1]


class BatchState(Enum):
    """OPEN: not mined yet. MINED: outcomes are recorded, a reorg may undo them. FINAL: closed."""

    OPEN = "open"
    MINED = "mined"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class TicketOutcome:
    """Evidence from the chain about one ticket."""

    hash: Hash32
    state: TicketState
    paid: Wei
    tx_hash: Hash32 | None
    reason: str


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch with what became of it.

    `mined` is the transaction that settled it, None while it is open or if another one took its nonce; `block` is
    where that was seen. `outcomes` are those recorded, in the order of the tickets. `began_at` in Unix seconds.
    """

    batch: RedemptionBatch
    state: BatchState
    mined: Hash32 | None
    block: BlockRef | None
    outcomes: tuple[TicketOutcome, ...]
    began_at: float

    @property
    def id(self) -> Hash32:
        return self.batch.id


@dataclass(frozen=True, slots=True)
class Restored:
    """What an import brought: tickets and batches that were new, and those that were there already."""

    tickets: int
    known_tickets: int
    batches: int
    known_batches: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write under one name until somebody else takes it.

    `token` grows with every acquisition of the name, so a write that carries an older one is refused; `expires_at`,
    Unix seconds of the store's clock, is when others may take it.
    """

    name: str
    owner: str
    token: int
    expires_at: float


def redemption_lease(key: Address) -> str:
    """Name of the lease that every redemption by a submitting key needs."""
    return f"redeem/0x{key.hex()}"


@dataclass(frozen=True, slots=True)
class OrchestratorTotals:
    """What an orchestrator's store adds up to. Amounts in wei."""

    payments: int
    tickets_received: int
    expected_value_credited: Fraction
    segments: int
    pixels: int
    fees_debited: Fraction
    winners: int
    winners_face_value: Wei
    paid: Wei
    by_state: Mapping[TicketState, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SentPayment:
    """A payment about to be sent. `recipient_rand_hash` and the nonces name its tickets; none if it carries none."""

    payment_id: str
    recipient: Address
    session_id: str
    seq: int
    tickets: int
    expected_value: Fraction
    face_value: Wei
    recipient_rand_hash: bytes
    first_nonce: int


@dataclass(frozen=True, slots=True)
class GatewayTotals:
    """What a gateway's books add up to, per recipient. `unanswered` payments were sent but never confirmed."""

    payments: int
    tickets_sent: int
    expected_value_sent: Fraction
    tickets_unanswered: int
    expected_value_unanswered: Fraction
    segments: int
    pixels: int
    fees: Fraction


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a decoder finds in a segment: `pixels` = width x height x decoded frames; `codec` by FFmpeg's name."""

    width: int
    height: int
    frames: int
    duration_s: Fraction
    codec: str = "h264"

    @property
    def pixels(self) -> int:
        return self.width * self.height * self.frames


@dataclass(frozen=True, slots=True)
class Rendition:
    """One encoded output; `pixels` = width x height x encoded frames. `perceptual_hash` is empty if none was made."""

    profile: VideoProfile
    data: bytes
    pixels: int
    perceptual_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class FeedReading:
    """The latest round of a price feed: `answer` in units of 10**-`decimals`, `updated_at` in Unix seconds."""

    description: str
    decimals: int
    answer: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class SignerSession:
    """The newest state that a remote signer handed out, and its answer to the request that led there.

    `request` is the hash of that request, so that a client which missed the answer can have it again.
    """

    sequence: int
    request: Hash32
    status: int
    reply: bytes


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """One answer of a remote signer. `sequence` is that of the state in it, one above the request's.

    Nonces from above `nonce_before` up to `nonce` were drawn on the quote, which expires at `expiration_block`.
    """

    state_id: str
    sequence: int
    request: Hash32
    status: int
    reply: bytes
    recipient_rand_hash: Hash32
    nonce_before: int
    nonce: int
    expiration_block: BlockNumber
