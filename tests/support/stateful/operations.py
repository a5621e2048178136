"""What a history consists of: concrete calls, which print as the Python that repeats them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from coincurve import PrivateKey
from eth_utils.crypto import keccak

from scripts._params import Params
from tests.support.evm import NOBODY, OWNER
from tests.support.tickets import MAX_UINT256, Signed, high_s, make_signed, word


def _account(name: str) -> tuple[str, bytes]:
    key = bytes(keccak(text=name))
    public = PrivateKey(key).public_key.format(compressed=False)
    return "0x" + keccak(public[1:])[12:].hex(), key


NAMES = ("ann", "bob", "cat", "dan", "eve", "fay")
KEYS = dict(_account(name) for name in NAMES)
ACTORS = tuple(KEYS)
"""Who bonds, pays and signs. Few, so that they meet."""
TREASURY, VERIFIER, MIGRATOR = ("0x" + pair * 20 for pair in ("7e", "5e", "6e"))
EVERYONE = (*ACTORS, OWNER, TREASURY, VERIFIER, MIGRATOR, NOBODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Where a history starts."""

    params: Params
    unit: int
    """Amounts of LPT are small multiples of it: the smaller, the more ties and rounding."""
    has_treasury: bool = True
    has_verifier: bool = False
    has_migrator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketSpec:
    """A ticket, made and signed when it is redeemed, for the round that it is then."""

    sender: str
    recipient: str
    face_value: int
    nonce: int
    win_prob: int = MAX_UINT256
    rand: int = 7
    age: int = 0
    """Rounds since its creation."""
    fault: str | None = None
    """One of FAULTS."""

    def make(self, current_round: int, hash_of_round: Any) -> Signed:
        """:param hash_of_round: function from a round to its block hash, zero if it has none."""
        round_ = max(current_round - self.age, 0)
        signed = make_signed(
            key=KEYS.get(self.sender, bytes(31) + b"\1"),
            sender=NOBODY if self.fault == "null sender" else self.sender,
            recipient=NOBODY if self.fault == "null recipient" else self.recipient,
            creation_round=round_,
            block_hash=bytes(31) + b"\1" if self.fault == "other hash" else hash_of_round(round_),
            face_value_wei=self.face_value,
            win_prob=0 if self.fault == "lost" else self.win_prob,
            nonce=self.nonce,
            recipient_rand=self.rand,
            recipient_rand_hash=bytes(32) if self.fault == "other rand" else None,
            aux_data=_AUX_DATA.get(self.fault or ""),
        )
        return signed.with_sig(_SIGNATURES[self.fault](signed.sig)) if self.fault in _SIGNATURES else signed


_AUX_DATA = {
    "future round": word(MAX_UINT256) + word(1),
    "short data": bytes(63),
    "long data": bytes(96),
    "too long data": bytes(97),
}
_SIGNATURES: dict[str | None, Any] = {
    "short signature": lambda sig: sig[:64],
    "too long signature": lambda sig: sig + bytes(32),
    "high s": high_s,
    "other v": lambda sig: sig[:64] + bytes([sig[64] - 27]),
    "other signer": lambda sig: sig[:31] + bytes([sig[31] ^ 1]) + sig[32:],
    "no point": lambda sig: word(5) + sig[32:],
    "s above half": lambda sig: sig[:32] + word(2**255 - 1) + sig[64:],
}
# Those that the compact form can express, for one ticket and for all.
COMPACT_FAULTS = ("other signer", "no point", "s above half")
SHARED_FAULTS = ("null sender", "null recipient", "lost")
FAULTS = (*("null sender", "null recipient", "other hash", "lost", "other rand"), *_AUX_DATA, *map(str, _SIGNATURES))


@dataclass(frozen=True, slots=True)
class Op:
    """One step.

    `to` is a contract by name, the address of a Minter, or "world" for what is no call: `mine` some blocks, `deploy` a
    further Minter. A TicketSpec among the arguments stands for ticket, signature and secret; a tuple of them for the
    three lists of a batch.
    """

    rule: str
    to: str
    function: str
    sender: str = OWNER
    args: tuple[Any, ...] = ()
    value: int | None = field(default=None)
