"""Values for the store tests, all derived from small numbers."""

from collections.abc import Sequence
from fractions import Fraction

from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.ticket import Ticket, WinningTicket, recipient_rand_hash
from livepeer_client.facts import (
    BatchState,
    BlockRef,
    Calldata,
    Lease,
    ReceivedPayment,
    RedemptionBatch,
    SentPayment,
    SignedTransaction,
    TicketOutcome,
    TicketState,
    redemption_lease,
)
from livepeer_client.ports import TicketStore
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Hash32, Round, Signature, Wei, WinProb

SENDER = Address(bytes([0xAA] * 20))
RECIPIENT = Address(bytes([0xBB] * 20))
KEY = Address(bytes([0xCC] * 20))
"""Submits redemptions."""
OTHER_KEY = Address(bytes([0xDD] * 20))
EXPECTED_VALUE = Fraction(10**15 * 12345, MAX_WIN_PROB)
"""Not a whole number of wei, so that a rounded sum shows."""


def make_winner(number: int, *, face_value: int = 10**15, rand: int = 7, sender: Address = SENDER) -> WinningTicket:
    ticket = Ticket(
        recipient=RECIPIENT,
        sender=sender,
        face_value=Wei(face_value),
        win_prob=WinProb(2**255 + number),
        sender_nonce=number,
        recipient_rand_hash=recipient_rand_hash(rand),
        creation_round=Round(100),
        creation_round_block_hash=keccak256(b"round 100"),
    )
    return WinningTicket(ticket, Signature(bytes([number % 256]) * 65), rand, BlockNumber(5040))


def make_payment(*winners: WinningTicket, session_id: str = "session", received: int = 3) -> ReceivedPayment:
    return ReceivedPayment(SENDER, session_id, received, received * EXPECTED_VALUE, winners)


def make_transaction(number: int) -> SignedTransaction:
    raw = b"raw transaction %d" % number
    return SignedTransaction(raw, keccak256(raw), number)


def make_replacement(number: int, bump: int) -> SignedTransaction:
    raw = b"raw transaction %d bumped %d" % (number, bump)
    return SignedTransaction(raw, keccak256(raw), number)


def make_batch(number: int, *winners: WinningTicket, key: Address = KEY) -> RedemptionBatch:
    """`number` is its nonce."""
    return RedemptionBatch(
        key=key,
        nonce=number,
        tickets=tuple(winner.ticket.hash for winner in winners),
        calldata=Calldata.BATCH,
        transactions=(make_transaction(number),),
    )


def make_block(number: int, fork: int = 0) -> BlockRef:
    return BlockRef(number, keccak256(b"block %d of fork %d" % (number, fork)))


async def lease_of(store: TicketStore, key: Address = KEY) -> Lease:
    """The lease of a submitting key, taken anew."""
    return await store.acquire_lease(redemption_lease(key), "tester", 60)


def make_outcome(
    winner: WinningTicket, state: TicketState, paid: int = 0, tx_hash: Hash32 | None = None, reason: str = ""
) -> TicketOutcome:
    return TicketOutcome(winner.ticket.hash, state, Wei(paid), tx_hash, reason)


def make_sent(number: int, *, tickets: int = 2, recipient: Address = RECIPIENT) -> SentPayment:
    return SentPayment(
        payment_id=f"payment-{number}",
        recipient=recipient,
        session_id="session",
        seq=number,
        tickets=tickets,
        expected_value=tickets * EXPECTED_VALUE,
        face_value=Wei(10**15),
        recipient_rand_hash=recipient_rand_hash(7),
        first_nonce=1 + 2 * number,
    )


async def states(store: TicketStore) -> list[TicketState]:
    return [ticket.state for ticket in await store.tickets()]


async def open_batches(store: TicketStore) -> list[RedemptionBatch]:
    return [stored.batch for stored in await store.batches(BatchState.OPEN)]


async def settle(
    store: TicketStore, batch: RedemptionBatch, outcomes: Sequence[TicketOutcome], *, block: int = 1, fork: int = 0
) -> None:
    await store.settle_batch(
        batch.id,
        outcomes,
        mined=batch.transaction.tx_hash,
        block=make_block(block, fork),
        lease=await lease_of(store),
    )


async def begun(store: TicketStore, number: int, *nonces: int) -> RedemptionBatch:
    """A batch of winners with these nonces, stored and about to be broadcast."""
    winners = [make_winner(nonce) for nonce in nonces]
    await store.record_payment(make_payment(*winners))
    batch = make_batch(number, *winners)
    await store.begin_batch(batch, lease=await lease_of(store))
    return batch
