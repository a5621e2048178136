"""getTicketHash (spec 11.1)."""

from __future__ import annotations

import pytest

from tests.support.network import NULL_ADDRESS, Network
from tests.support.tickets import Ticket, word

ZERO = bytes(32)
SOME_HASH = bytes.fromhex("41b1a0649752af1b28b3dc29a1556eee781e4a4c3a1f7f53f90fa834de098c4d")


def blank(**fields: object) -> Ticket:
    values: dict[str, object] = {
        "recipient": NULL_ADDRESS,
        "sender": NULL_ADDRESS,
        "face_value_wei": 0,
        "win_prob": 0,
        "sender_nonce": 0,
        "recipient_rand_hash": ZERO,
        # What the Go implementation writes for round 0 with a hash of zeros.
        "aux_data": b"",
    }
    return Ticket(**{**values, **fields})  # type: ignore[arg-type]


# Published with the Go implementation of the protocol (pm/ticket_test.go, TestHash).
@pytest.mark.parametrize(
    ("ticket", "expected"),
    [
        (blank(sender_nonce=2**32 - 1), "e1393fc7f6de093780674022f96cb8e3872235167d037c04d554e58c0e63d280"),
        (blank(sender_nonce=1), "ce0918ba94518293e9712effbe5fca4f1f431089833a5b8c257cb1e024595f68"),
        (blank(face_value_wei=1, win_prob=500), "87ef13f2d37e4d5352a01d3c77b8179d80e0887f1953bfabfd0bfd7b0f689ddd"),
        (blank(face_value_wei=500, win_prob=1), "aa4b35071043587992ac8b9dd1b2cf1d8311130e6458cf0b2342484e21af5f5b"),
        (
            blank(recipient="0x73AEd7b5dEb30222fa896f399d46cC99c7BEe57F"),
            "81e353ae39046e2b77b9f996abbaeed527fda559b61ef90f299c4499dd508ccc",
        ),
        (blank(recipient_rand_hash=SOME_HASH), "be5eaf9a49a39540b9bb02f1a21904f61324a29819e2c032824bfaa10c100b17"),
        (blank(aux_data=word(10) + SOME_HASH), "e502907c16036ab3d11b78c5a2e93c20f3d6415c67f91de4ed01348182b3b2e2"),
    ],
)
def test_get_ticket_hash__published_vector__equals_it(network: Network, ticket: Ticket, expected: str) -> None:
    assert bytes(network.broker.getTicketHash(ticket.astuple())).hex() == expected
    assert ticket.hash().hex() == expected


def test_get_ticket_hash__all_fields_set__covers_232_unpadded_bytes(network: Network) -> None:
    ticket = network.ticket(face_value_wei=3, win_prob=2**255).ticket

    assert bytes(network.broker.getTicketHash(ticket.astuple())) == ticket.hash()
