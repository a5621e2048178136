"""Who signed: recovery by an outside library."""

from functools import lru_cache

from coincurve import PublicKey
from eth_utils.crypto import keccak

from tests.support.model.state import NOBODY
from tests.support.tickets import SECP256K1_ORDER

HALF_ORDER = SECP256K1_ORDER // 2


@lru_cache(maxsize=4096)
def recover(digest: bytes, r_and_s: bytes, v: int) -> str:
    """The signer of a 32-byte digest; zero if the signature belongs to nobody, as the chain's own function answers."""
    r, s = int.from_bytes(r_and_s[:32], "big"), int.from_bytes(r_and_s[32:], "big")
    if v not in (27, 28) or not 0 < r < SECP256K1_ORDER or not 0 < s < SECP256K1_ORDER:
        return NOBODY
    try:
        key = PublicKey.from_signature_and_message(r_and_s + bytes([v - 27]), digest, hasher=None)
    except Exception as error:
        if "recover" not in str(error).lower():
            raise
        return NOBODY
    return "0x" + keccak(key.format(compressed=False)[1:])[12:].hex()
