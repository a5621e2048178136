"""Tickets for contract tests, built from the specification and from outside libraries only.

Independent of the client on purpose: two implementations of one format that agree are a test, one is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from coincurve import PrivateKey
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

MAX_UINT256 = 2**256 - 1
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def word(value: int) -> bytes:
    """A uint256, big-endian."""
    return value.to_bytes(32, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The ticket tuple of the contract, in its order."""

    recipient: str
    sender: str
    face_value_wei: int
    win_prob: int
    sender_nonce: int
    recipient_rand_hash: bytes
    aux_data: bytes

    def astuple(self) -> tuple[str, str, int, int, int, bytes, bytes]:
        return (
            self.recipient,
            self.sender,
            self.face_value_wei,
            self.win_prob,
            self.sender_nonce,
            self.recipient_rand_hash,
            self.aux_data,
        )

    def hash(self) -> bytes:
        """keccak256 of the unpadded concatenation (spec 11.1)."""
        return keccak(
            to_canonical_address(self.recipient)
            + to_canonical_address(self.sender)
            + word(self.face_value_wei)
            + word(self.win_prob)
            + word(self.sender_nonce)
            + self.recipient_rand_hash
            + self.aux_data
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What one redemption needs: ticket, signature, secret."""

    ticket: Ticket
    sig: bytes
    recipient_rand: int

    def arguments(self) -> tuple[tuple[str, str, int, int, int, bytes, bytes], bytes, int]:
        return self.ticket.astuple(), self.sig, self.recipient_rand

    def with_sig(self, sig: bytes) -> Signed:
        return replace(self, sig=sig)


def personal_hash(message: bytes) -> bytes:
    """EIP-191 personal message over 32 bytes."""
    return keccak(b"\x19Ethereum Signed Message:\n32" + message)


def sign(key: bytes, message: bytes) -> bytes:
    """r ‖ s ‖ v with low s and v of 27 or 28."""
    signature = PrivateKey(key).sign_recoverable(personal_hash(message), hasher=None)
    return signature[:64] + bytes([signature[64] + 27])


def high_s(sig: bytes) -> bytes:
    """The other valid form of the same signature, which a careless check would accept as well."""
    s = SECP256K1_ORDER - int.from_bytes(sig[32:64], "big")
    return sig[:32] + word(s) + bytes([55 - sig[64]])


def compact(sig: bytes) -> bytes:
    """EIP-2098: 64 bytes, v in the top bit of s."""
    s = int.from_bytes(sig[32:64], "big") | (sig[64] - 27) << 255
    return sig[:32] + word(s)


def draw(sig: bytes, recipient_rand: int) -> int:
    """The number that must be below winProb."""
    return int.from_bytes(keccak(sig + word(recipient_rand)), "big")


def make_signed(
    *,
    key: bytes,
    sender: str,
    recipient: str,
    creation_round: int,
    block_hash: bytes,
    face_value_wei: int = 10**15,
    win_prob: int = MAX_UINT256,
    nonce: int = 0,
    recipient_rand: int = 7,
    recipient_rand_hash: bytes | None = None,
    aux_data: bytes | None = None,
) -> Signed:
    """A signed ticket; by default one that wins."""
    ticket = Ticket(
        recipient=recipient,
        sender=sender,
        face_value_wei=face_value_wei,
        win_prob=win_prob,
        sender_nonce=nonce,
        recipient_rand_hash=keccak(word(recipient_rand)) if recipient_rand_hash is None else recipient_rand_hash,
        aux_data=word(creation_round) + block_hash if aux_data is None else aux_data,
    )
    return Signed(ticket=ticket, sig=sign(key, ticket.hash()), recipient_rand=recipient_rand)


def batch(signed: list[Signed]) -> tuple[list[object], list[bytes], list[int]]:
    """The three arrays of a batch."""
    return (
        [item.ticket.astuple() for item in signed],
        [item.sig for item in signed],
        [item.recipient_rand for item in signed],
    )


def compact_batch(signed: list[Signed]) -> tuple[object, ...]:
    """The arguments of `redeemWinningTicketsCompact` for tickets that share their terms.

    :raises ValueError: they do not, or there are none.
    """
    shared = {
        (
            each.ticket.sender,
            each.ticket.recipient,
            each.ticket.face_value_wei,
            each.ticket.win_prob,
            each.ticket.aux_data,
        )
        for each in signed
    }
    [(sender, recipient, face_value, win_prob, aux_data)] = shared
    tickets = []
    for each in signed:
        packed = compact(each.sig)
        tickets.append((each.ticket.sender_nonce, each.recipient_rand, packed[:32], packed[32:]))
    return sender, recipient, face_value, win_prob, int.from_bytes(aux_data[:32], "big"), tickets
