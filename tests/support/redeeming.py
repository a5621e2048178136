"""Signed winners for one recipient, as a payment would bring them."""

from typing import Any

from coincurve import PrivateKey

from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.signature import public_key_to_address, sign_personal
from livepeer_client.codec.ticket import Ticket, WinningTicket, recipient_rand_hash
from livepeer_client.types import MAX_WIN_PROB, Address, BlockNumber, Round, Wei

SENDER_KEY = PrivateKey(b"\x51" * 32)
SENDER = public_key_to_address(SENDER_KEY.public_key)
RECIPIENT = Address(b"\x52" * 20)
OTHER = Address(b"\x53" * 20)


def signed_winner(nonce: int, **changes: Any) -> WinningTicket:
    rand = 1000 + nonce
    values: dict[str, Any] = {
        "recipient": RECIPIENT,
        "sender": SENDER,
        "face_value": Wei(10**15),
        "win_prob": MAX_WIN_PROB,
        "sender_nonce": nonce,
        "recipient_rand_hash": recipient_rand_hash(rand),
        "creation_round": Round(100),
        "creation_round_block_hash": keccak256(b"round"),
    }
    ticket = Ticket(**{**values, **changes})
    return WinningTicket(ticket, sign_personal(SENDER_KEY, ticket.hash), rand, BlockNumber(5040))
