"""Tickets: hash, auxData, expected value, draw (offchain-payments 17, invariants 1, 2, 4, 5)."""

import hashlib
from dataclasses import replace

import pytest
from eth_utils.crypto import keccak
from hypothesis import assume, given
from hypothesis import strategies as st

from livepeer_client.codec.ticket import (
    Ticket,
    aux_data,
    expected_value,
    is_winning,
    recipient_rand_hash,
    ticket_hash,
    ticket_message,
)
from livepeer_client.errors import InvalidInput
from livepeer_client.types import MAX_UINT256, MAX_WIN_PROB, ZERO_HASH, Hash32, Round, Wei, WinProb
from tests.support.redeeming import signed_winner

uint256 = st.integers(0, MAX_UINT256)
addresses = st.binary(min_size=20, max_size=20)
hashes = st.binary(min_size=32, max_size=32)
ticket_fields = st.fixed_dictionaries(
    {
        "recipient": addresses,
        "sender": addresses,
        "face_value": uint256,
        "win_prob": uint256,
        "sender_nonce": st.integers(0, 2**32 - 1),
        "recipient_rand_hash": hashes,
        "creation_round": st.integers(0, 2**63 - 1),
        "creation_round_block_hash": hashes,
    }
)
tickets = ticket_fields.map(lambda fields: Ticket(**fields))


@given(tickets, tickets, st.sampled_from(tuple(Ticket.__dataclass_fields__)))
def test_ticket_hash__one_field_changed__differs(ticket: Ticket, other: Ticket, name: str) -> None:
    changed = replace(ticket, **{name: getattr(other, name)})
    assert (ticket_hash(changed) == ticket_hash(ticket)) is (changed == ticket)


@given(tickets)
def test_ticket_message__any_ticket__is_232_bytes_or_168_without_aux_data(ticket: Ticket) -> None:
    bare = ticket.creation_round == 0 and ticket.creation_round_block_hash == ZERO_HASH
    assert len(ticket_message(ticket)) == (168 if bare else 232)


@given(st.integers(0, 2**63 - 1) | st.just(0), hashes | st.just(ZERO_HASH))
def test_aux_data__any_creation_params__is_64_bytes_or_none_when_both_are_zero(round_: int, block_hash: bytes) -> None:
    found = aux_data(Round(round_), Hash32(block_hash))
    assert len(found) == (0 if round_ == 0 and block_hash == ZERO_HASH else 64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recipient", b"\x01" * 19),
        ("sender", b"\x01" * 21),
        ("face_value", MAX_UINT256 + 1),
        ("win_prob", -1),
        ("sender_nonce", 2**32),
        ("recipient_rand_hash", b"\x01" * 31),
        ("creation_round", 2**63),
        ("creation_round_block_hash", b""),
    ],
)
def test_ticket__field_over_its_width__is_refused(name: str, value: object) -> None:
    zeros = Ticket(
        **dict.fromkeys(("face_value", "win_prob", "sender_nonce", "creation_round"), 0),  # type: ignore[arg-type]
        **{field: bytes(20) for field in ("recipient", "sender")},  # type: ignore[arg-type]
        **{field: bytes(32) for field in ("recipient_rand_hash", "creation_round_block_hash")},  # type: ignore[arg-type]
    )
    with pytest.raises(InvalidInput):
        replace(zeros, **{name: value})


@given(uint256, uint256)
def test_expected_value__any_ticket__lies_between_nothing_and_face_value(face_value: int, win_prob: int) -> None:
    assert 0 <= expected_value(Wei(face_value), WinProb(win_prob)) <= face_value


@given(uint256)
def test_expected_value__certain_win__is_the_face_value(face_value: int) -> None:
    assert expected_value(Wei(face_value), MAX_WIN_PROB) == face_value


@given(st.binary(max_size=65), uint256)
def test_is_winning__probability_zero__never(sig: bytes, rand: int) -> None:
    assert not is_winning(sig, rand, 0)


@given(st.binary(max_size=65), uint256, uint256, uint256)
def test_is_winning__a_higher_probability__never_loses_a_win(sig: bytes, rand: int, one: int, two: int) -> None:
    low, high = sorted((one, two))
    assert not is_winning(sig, rand, low) or is_winning(sig, rand, high)


@given(st.binary(max_size=65), uint256)
def test_is_winning__probability_equal_to_the_digest__loses_and_one_more_wins(sig: bytes, rand: int) -> None:
    digest = int.from_bytes(keccak(sig + rand.to_bytes(32, "big")), "big")
    assume(digest < MAX_UINT256)
    assert not is_winning(sig, rand, digest)
    assert is_winning(sig, rand, digest + 1)


def test_is_winning__many_tickets__win_at_the_rate_of_the_probability() -> None:
    total, quarter = 4_000, MAX_UINT256 // 4
    won = sum(is_winning(hashlib.sha256(bytes((n % 256, n // 256))).digest(), n, quarter) for n in range(total))
    # Four standard deviations around 1,000.
    assert abs(won - 1_000) < 110


@given(uint256, uint256)
def test_recipient_rand_hash__different_preimages__differ(one: int, two: int) -> None:
    assert (recipient_rand_hash(one) == recipient_rand_hash(two)) is (one == two)


def test_repr__of_a_winner__does_not_tell_its_secret() -> None:
    secret = 10**70 + 7
    winner = replace(signed_winner(1), recipient_rand=secret)
    assert str(secret) not in repr(winner)
    assert repr(winner.ticket) in repr(winner)
