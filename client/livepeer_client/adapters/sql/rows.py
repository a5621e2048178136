"""Winners as rows and back."""

from typing import Any, Final

from livepeer_client.adapters.sql.columns import from_uint256, uint256
from livepeer_client.adapters.sql.plan import Row
from livepeer_client.codec.ticket import Ticket, WinningTicket
from livepeer_client.facts import StoredTicket, TicketState
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Signature, Wei, WinProb

WINNER_COLUMNS: Final = (
    "hash, recipient, sender, face_value, win_prob, sender_nonce, recipient_rand_hash, creation_round, "
    "creation_round_block_hash, sig, recipient_rand, params_expiration_block"
)
TICKET_SELECT: Final = (
    "SELECT w.hash, w.recipient, w.sender, w.face_value, w.win_prob, w.sender_nonce, w.recipient_rand_hash, "
    "w.creation_round, w.creation_round_block_hash, w.sig, w.recipient_rand, w.params_expiration_block, "
    "w.state, w.paid, w.tx_hash, w.reason, w.hold, b.batch_id, w.received_at, w.id "
    "FROM winners w LEFT JOIN batches b ON b.id = w.batch"
)
"""What `stored_ticket` reads; the last column is the row's number, for paging."""


def winner_row(winner: WinningTicket) -> tuple[Any, ...]:
    """The values of `WINNER_COLUMNS`."""
    ticket = winner.ticket
    return (
        ticket.hash,
        ticket.recipient,
        ticket.sender,
        str(ticket.face_value),
        uint256(ticket.win_prob),
        ticket.sender_nonce,
        ticket.recipient_rand_hash,
        ticket.creation_round,
        ticket.creation_round_block_hash,
        winner.sig,
        uint256(winner.recipient_rand),
        uint256(winner.params_expiration_block),
    )


def stored_ticket(row: Row) -> StoredTicket:
    """A row of `TICKET_SELECT`."""
    ticket = Ticket(
        recipient=Address(row[1]),
        sender=Address(row[2]),
        face_value=Wei(int(row[3])),
        win_prob=WinProb(from_uint256(row[4])),
        sender_nonce=row[5],
        recipient_rand_hash=Hash32(row[6]),
        creation_round=Round(row[7]),
        creation_round_block_hash=Hash32(row[8]),
    )
    return StoredTicket(
        winner=WinningTicket(ticket, Signature(row[9]), from_uint256(row[10]), BlockNumber(from_uint256(row[11]))),
        hash=Hash32(row[0]),
        state=TicketState(row[12]),
        paid=Wei(int(row[13])),
        tx_hash=optional_hash(row[14]),
        reason=row[15],
        hold=row[16],
        batch=optional_hash(row[17]),
        received_at=row[18],
    )


def optional_hash(value: bytes | None) -> Hash32 | None:
    return None if value is None else Hash32(value)
