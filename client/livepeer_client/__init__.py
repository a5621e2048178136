"""The Livepeer protocol off chain: tickets, capabilities, sessions, redemption, rounds.

Values and pure rules can be imported from here; adapters, services and nodes from their modules, so that importing
the library stays cheap.
"""

from livepeer_client.codec.ticket import (
    ExpirationParams,
    SignedTicket,
    Ticket,
    TicketParams,
    WinningTicket,
    expected_value,
    is_winning,
    recipient_rand_hash,
    ticket_hash,
)
from livepeer_client.errors import LivepeerError
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Hash32, Round, Signature, Wei, WinProb

__all__ = [
    "MAX_WIN_PROB",
    "Address",
    "BlockNumber",
    "ExpirationParams",
    "Hash32",
    "LivepeerError",
    "Round",
    "Signature",
    "SignedTicket",
    "Ticket",
    "TicketParams",
    "Wei",
    "WinProb",
    "WinningTicket",
    "expected_value",
    "is_winning",
    "recipient_rand_hash",
    "ticket_hash",
]
