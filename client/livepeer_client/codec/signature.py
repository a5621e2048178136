"""secp256k1 signatures as the network writes them: personal messages over 32 bytes, r || s || v, v in {27, 28}, low s.

libsecp256k1 does the curve work, by the binding inside coincurve (which releases the GIL): coincurve's own methods
around it allocate and copy for a sixth of the time. Recovery never replaces the explicit checks: libsecp256k1 accepts
a high s, the contract does not (onchain R7).
"""

import threading
from typing import Final

import coincurve
from coincurve._libsecp256k1 import ffi, lib
from coincurve.context import GLOBAL_CONTEXT

from livepeer_client.codec.keccak import keccak256
from livepeer_client.errors import Bug, InvalidInput
from livepeer_client.types import HASH_BYTES, SIGNATURE_BYTES, Address, Hash32, Signature

_PREFIX: Final = b"\x19Ethereum Signed Message:\n32"
_V: Final = (b"\x1b", b"\x1c")
_CONTEXT: Final = GLOBAL_CONTEXT.ctx
_NULL: Final = ffi.NULL
# Bound once: each look-up in a binding costs as much as a call of Python's own.
_sign: Final = lib.secp256k1_ecdsa_sign_recoverable
_serialize: Final = lib.secp256k1_ecdsa_recoverable_signature_serialize_compact
_parse: Final = lib.secp256k1_ecdsa_recoverable_signature_parse_compact
_recover: Final = lib.secp256k1_ecdsa_recover
_serialize_key: Final = lib.secp256k1_ec_pubkey_serialize
_UNCOMPRESSED: Final = 2
_HALF_ORDER: Final = bytes.fromhex("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0")


def personal_hash(digest: bytes) -> Hash32:
    """EIP-191 personal-message hash of exactly 32 bytes.

    :raises InvalidInput: `digest` is not 32 bytes.
    """
    if len(digest) != HASH_BYTES:
        raise InvalidInput(f"only 32-byte digests are signed here, got {len(digest)} bytes")
    return keccak256(b"".join((_PREFIX, digest)))


def public_key_to_address(public_key: coincurve.PublicKey) -> Address:
    return Address(keccak256(public_key.format(compressed=False)[1:])[12:])


class _Scratch(threading.local):
    """What libsecp256k1 writes into, once per thread: allocating it anew costs as much as all hashes of a ticket."""

    def __init__(self) -> None:
        raw = ffi.new("unsigned char[65]")
        self.parts = (
            ffi.new("secp256k1_ecdsa_recoverable_signature *"),
            ffi.new("secp256k1_pubkey *"),
            raw,
            ffi.buffer(raw, 65),
            ffi.new("size_t *"),
            ffi.new("int *"),
        )


_scratch: Final = _Scratch()


def sign_personal(key: coincurve.PrivateKey, digest: bytes) -> Signature:
    """Sign the personal-message hash of a 32-byte digest (deterministic, RFC 6979; low s).

    :raises InvalidInput: `digest` is not 32 bytes.
    """
    signature, _, raw, view, _, recovery_id = _scratch.parts
    # Fails only if the nonce function does, and RFC 6979's does not; the key was checked when it was made.
    if not _sign(_CONTEXT, signature, personal_hash(digest), key.secret, _NULL, _NULL):
        raise Bug("libsecp256k1 did not sign")
    _serialize(_CONTEXT, raw, recovery_id, signature)
    return Signature(view[:64] + _V[recovery_id[0]])


def recover_personal(sig: bytes, digest: bytes) -> Address | None:
    """The address that signed `digest` as a personal message, or None if the signature is not canonical.

    Canonical: 65 bytes, v in {27, 28}, 0 < s <= n/2 (offchain-payments 1.3, onchain 11.1).

    :raises InvalidInput: `digest` is not 32 bytes.
    """
    if len(sig) != SIGNATURE_BYTES or sig[64] not in (27, 28) or sig[32:64] > _HALF_ORDER:
        return None
    signature, key, raw, view, length, _ = _scratch.parts
    if not _parse(_CONTEXT, signature, sig, sig[64] - 27) or not _recover(
        _CONTEXT, key, signature, personal_hash(digest)
    ):
        # r or s out of range, or no such point: not a signature of anybody.
        return None
    length[0] = SIGNATURE_BYTES
    _serialize_key(_CONTEXT, raw, length, key, _UNCOMPRESSED)
    return Address(keccak256(view[1:65])[12:])


def is_signed_by(address: bytes, sig: bytes, digest: bytes) -> bool:
    """True if `sig` is `address`'s canonical personal-message signature over the 32-byte `digest`."""
    return recover_personal(sig, digest) == address
