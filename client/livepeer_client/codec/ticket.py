"""Tickets: fields, hash, expected value and draw. The on-chain twin is contracts/modules/ticket.vy.

Layout of the hashed message (onchain 11.1, offchain-payments 1.2), 232 bytes, or 168 without auxData:

    offset  bytes
    0       20     recipient
    20      20     sender
    40      32     faceValue, wei, big-endian
    72      32     winProb
    104     32     senderNonce
    136     32     recipientRandHash
    168     64     auxData = creationRound (32, big-endian) || creationRoundBlockHash (32)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from livepeer_client.codec.keccak import keccak256
from livepeer_client.codec.widths import UINT256_BYTES
from livepeer_client.errors import InvalidInput
from livepeer_client.types import (
    ADDRESS_BYTES,
    HASH_BYTES,
    MAX_UINT32,
    MAX_UINT256,
    MAX_WIN_PROB,
    SIGNATURE_BYTES,
    ZERO_HASH,
    Address,
    BlockNumber,
    Hash32,
    Round,
    Signature,
    Wei,
    WinProb,
)

_NONCE_AT: Final = 104


def _check_uint(name: str, value: int, limit: int = MAX_UINT256) -> None:
    if not 0 <= value <= limit:
        raise InvalidInput(f"{name} must be in [0, {limit}], got {value}")


def _check_bytes(name: str, value: bytes, width: int) -> None:
    if len(value) != width:
        raise InvalidInput(f"{name} must be {width} bytes, got {len(value)}")


@dataclass(frozen=True, slots=True)
class ExpirationParams:
    """What bounds a ticket's life on chain: the round it was created in and that round's block hash."""

    creation_round: Round
    creation_round_block_hash: Hash32

    def __post_init__(self) -> None:
        _check_uint("creation_round", self.creation_round, 2**63 - 1)
        _check_bytes("creation_round_block_hash", self.creation_round_block_hash, HASH_BYTES)


@dataclass(frozen=True, slots=True)
class TicketParams:
    """A recipient's quote. The sender echoes it unchanged; `seed` lets the recipient stay stateless.

    `expiration_block` is the L1 block from which on the recipient gives no credit for it.
    """

    recipient: Address
    face_value: Wei
    win_prob: WinProb
    recipient_rand_hash: Hash32
    seed: int
    expiration_block: BlockNumber
    expiration: ExpirationParams

    def __post_init__(self) -> None:
        _check_bytes("recipient", self.recipient, ADDRESS_BYTES)
        _check_uint("face_value", self.face_value)
        _check_uint("win_prob", self.win_prob)
        _check_bytes("recipient_rand_hash", self.recipient_rand_hash, HASH_BYTES)
        _check_uint("seed", self.seed)
        _check_uint("expiration_block", self.expiration_block)

    @property
    def expected_value(self) -> Fraction:
        """Exact expected value of one ticket, wei."""
        return expected_value(self.face_value, self.win_prob)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One lottery ticket, exactly the fields that are hashed."""

    recipient: Address
    sender: Address
    face_value: Wei
    win_prob: WinProb
    sender_nonce: int
    recipient_rand_hash: Hash32
    creation_round: Round
    creation_round_block_hash: Hash32

    def __post_init__(self) -> None:
        _check_bytes("recipient", self.recipient, ADDRESS_BYTES)
        _check_bytes("sender", self.sender, ADDRESS_BYTES)
        _check_uint("face_value", self.face_value)
        _check_uint("win_prob", self.win_prob)
        _check_uint("sender_nonce", self.sender_nonce, MAX_UINT32)
        _check_bytes("recipient_rand_hash", self.recipient_rand_hash, HASH_BYTES)
        _check_uint("creation_round", self.creation_round, 2**63 - 1)
        _check_bytes("creation_round_block_hash", self.creation_round_block_hash, HASH_BYTES)

    @property
    def hash(self) -> Hash32:
        return ticket_hash(self)


@dataclass(frozen=True, slots=True)
class SignedTicket:
    ticket: Ticket
    sig: Signature


@dataclass(frozen=True, slots=True)
class WinningTicket:
    """A ticket that won, with the preimage that redeems it.

    Publishing `recipient_rand` before `params_expiration_block` would let the sender pick losing
    nonces under the same quote, so redemption waits for that block.
    """

    ticket: Ticket
    sig: Signature
    recipient_rand: int = field(repr=False)
    params_expiration_block: BlockNumber

    def __post_init__(self) -> None:
        _check_bytes("sig", self.sig, SIGNATURE_BYTES)
        _check_uint("recipient_rand", self.recipient_rand)


def aux_data(creation_round: Round, creation_round_block_hash: Hash32) -> bytes:
    """The ticket's auxData: 64 bytes, or none if both parts are zero (offchain-payments 1.2)."""
    if creation_round == 0 and creation_round_block_hash == ZERO_HASH:
        return b""
    return creation_round.to_bytes(32, "big") + creation_round_block_hash


def ticket_message(ticket: Ticket) -> bytes:
    """The packed bytes that are hashed: 232, or 168 without auxData."""
    return b"".join(
        (
            ticket.recipient,
            ticket.sender,
            ticket.face_value.to_bytes(32, "big"),
            ticket.win_prob.to_bytes(32, "big"),
            ticket.sender_nonce.to_bytes(32, "big"),
            ticket.recipient_rand_hash,
            aux_data(ticket.creation_round, ticket.creation_round_block_hash),
        )
    )


def winning_draw(recipient_rand: int, win_prob: int) -> Callable[[bytes], bool]:
    """`is_winning` for all signatures of one quote, its numbers packed once."""
    rand, threshold = recipient_rand.to_bytes(32, "big"), win_prob.to_bytes(32, "big")

    def wins(sig: bytes) -> bool:
        return keccak256(sig + rand) < threshold

    return wins


class TicketSeries:
    """All tickets of one quote by one sender: they differ in their nonce alone, so the rest is packed once.

    The hot path of both sides; `hash(n)` equals `ticket(n).hash`.
    """

    __slots__ = ("_after", "_before", "expiration", "params", "sender")

    def __init__(self, params: TicketParams, sender: Address, expiration: ExpirationParams) -> None:
        """:raises InvalidInput: a sender that is not 20 bytes."""
        _check_bytes("sender", sender, ADDRESS_BYTES)
        self.params = params
        self.sender = sender
        self.expiration = expiration
        message = ticket_message(self.ticket(0))
        self._before = message[:_NONCE_AT]
        self._after = message[_NONCE_AT + UINT256_BYTES :]

    def hash(self, sender_nonce: int) -> Hash32:
        """The hash of the ticket with this uint32 nonce."""
        return keccak256(b"".join((self._before, sender_nonce.to_bytes(UINT256_BYTES, "big"), self._after)))

    def ticket(self, sender_nonce: int) -> Ticket:
        """:raises InvalidInput: no uint32."""
        params = self.params
        return Ticket(
            recipient=params.recipient,
            sender=self.sender,
            face_value=params.face_value,
            win_prob=params.win_prob,
            sender_nonce=sender_nonce,
            recipient_rand_hash=params.recipient_rand_hash,
            creation_round=self.expiration.creation_round,
            creation_round_block_hash=self.expiration.creation_round_block_hash,
        )


def ticket_hash(ticket: Ticket) -> Hash32:
    """keccak-256 of the packed ticket: what is signed, and the key of `usedTickets` on chain."""
    return keccak256(ticket_message(ticket))


def recipient_rand_hash(recipient_rand: int) -> Hash32:
    """The recipient's commitment: keccak-256 of the 32-byte big-endian preimage."""
    _check_uint("recipient_rand", recipient_rand)
    return keccak256(recipient_rand.to_bytes(32, "big"))


def expected_value(face_value: Wei, win_prob: WinProb) -> Fraction:
    """faceValue x winProb / (2**256 - 1), exact, wei (offchain-payments 1.4)."""
    return Fraction(face_value * win_prob, MAX_WIN_PROB)


def is_winning(sig: bytes, recipient_rand: int, win_prob: int) -> bool:
    """The draw: uint256(keccak256(sig || recipientRand)) < winProb, strictly (offchain-payments 1.5).

    `sig` is the whole 65-byte signature; neither the seed nor the block hash enters the draw.
    """
    return winning_draw(recipient_rand, win_prob)(sig)


def ticket_from_params(params: TicketParams, sender: Address, sender_nonce: int) -> Ticket:
    """The ticket that a quote describes for one nonce."""
    return TicketSeries(params, sender, params.expiration).ticket(sender_nonce)
