"""Values for the store tests, all derived from small numbers."""

from fractions import Fraction

from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.ticket import Ticket, WinningTicket, recipient_rand_hash
from livepeer_client.facts import (
    ReceivedPayment,
    RedemptionBatch,
    SentPayment,
    SignedTransaction,
    TicketOutcome,
    TicketState,
)
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Hash32, Round, Signature, Wei, WinProb

SENDER = Address(bytes([0xAA] * 20))
RECIPIENT = Address(bytes([0xBB] * 20))
EXPECTED_VALUE = Fraction(10**15 * 12345, MAX_WIN_PROB)
"""Not a whole number of wei, so that a rounded sum shows."""


def make_winner(number: int, *, face_value: int = 10**15, rand: int = 7) -> WinningTicket:
    ticket = Ticket(
        recipient=RECIPIENT,
        sender=SENDER,
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


def make_batch(number: int, *winners: WinningTicket) -> RedemptionBatch:
    return RedemptionBatch(make_transaction(number), tuple(winner.ticket.hash for winner in winners))


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
