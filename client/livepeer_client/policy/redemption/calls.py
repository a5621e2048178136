"""Arguments of the broker's entry points (onchain 11.1, 11.5, 11.6)."""

from collections.abc import Sequence
from typing import Final

from livepeer_client.codec.ticket import WinningTicket, aux_data

BROKER: Final = "TicketBroker"
# Selector and three array heads; per ticket: its tuple, signature, secret and their heads, in words of 32 bytes.
_BATCH_BYTES: Final = 4 + 6 * 32
_TICKET_BYTES: Final = 18 * 32


def redeem_arguments(winner: WinningTicket) -> tuple[tuple[object, ...], bytes, int]:
    """Arguments of `redeemWinningTicket`: ticket tuple, signature, recipientRand (onchain 11.1)."""
    ticket = winner.ticket
    terms = (
        ticket.recipient,
        ticket.sender,
        ticket.face_value,
        ticket.win_prob,
        ticket.sender_nonce,
        ticket.recipient_rand_hash,
        aux_data(ticket.creation_round, ticket.creation_round_block_hash),
    )
    return terms, winner.sig, winner.recipient_rand


def batch_arguments(winners: Sequence[WinningTicket]) -> tuple[list[object], list[bytes], list[int]]:
    """Arguments of `batchRedeemWinningTickets`: three arrays of equal length."""
    singles = [redeem_arguments(winner) for winner in winners]
    return [terms for terms, _, _ in singles], [sig for _, sig, _ in singles], [rand for _, _, rand in singles]


def calldata_bytes(tickets: int) -> int:
    """Calldata of a batch of so many tickets."""
    return _BATCH_BYTES + tickets * _TICKET_BYTES
