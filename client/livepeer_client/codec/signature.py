"""secp256k1 signatures as the network writes them: personal messages over 32 bytes, r || s || v, v in {27, 28}, low s.

coincurve does the curve work (it releases the GIL). Recovery never replaces the explicit checks: libsecp256k1
accepts a high s, the contract does not (onchain R7).
"""

from typing import Final

import coincurve

from livepeer_client.codec.keccak import keccak256
from livepeer_client.errors import InvalidInput
from livepeer_client.types import HASH_BYTES, SIGNATURE_BYTES, Address, Hash32, Signature

_PREFIX: Final = b"\x19Ethereum Signed Message:\n32"
_RECOVERY_IDS: Final = {27: b"\0", 28: b"\1"}
_HALF_ORDER: Final = bytes.fromhex("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0")


def personal_hash(digest: bytes) -> Hash32:
    """EIP-191 personal-message hash of exactly 32 bytes.

    :raises InvalidInput: `digest` is not 32 bytes.
    """
    if len(digest) != HASH_BYTES:
        raise InvalidInput(f"only 32-byte digests are signed here, got {len(digest)} bytes")
    return keccak256(_PREFIX + digest)


def public_key_to_address(public_key: coincurve.PublicKey) -> Address:
    return Address(keccak256(public_key.format(compressed=False)[1:])[12:])


def sign_personal(key: coincurve.PrivateKey, digest: bytes) -> Signature:
    """Sign the personal-message hash of a 32-byte digest (deterministic, RFC 6979; low s)."""
    raw = key.sign_recoverable(personal_hash(digest), hasher=None)
    return Signature(raw[:64] + bytes((raw[64] + 27,)))


def recover_personal(sig: bytes, digest: bytes) -> Address | None:
    """The address that signed `digest` as a personal message, or None if the signature is not canonical.

    Canonical: 65 bytes, v in {27, 28}, 0 < s <= n/2 (offchain-payments 1.3, onchain 11.1).
    """
    if len(sig) != SIGNATURE_BYTES or sig[64] not in _RECOVERY_IDS or sig[32:64] > _HALF_ORDER:
        return None
    try:
        public_key = coincurve.PublicKey.from_signature_and_message(
            sig[:64] + _RECOVERY_IDS[sig[64]], personal_hash(digest), hasher=None
        )
    except ValueError:
        # r or s out of range, or no such point: not a signature of anybody.
        return None
    return public_key_to_address(public_key)


def is_signed_by(address: bytes, sig: bytes, digest: bytes) -> bool:
    """True if `sig` is `address`'s canonical personal-message signature over the 32-byte `digest`."""
    return recover_personal(sig, digest) == address
