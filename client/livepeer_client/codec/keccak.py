"""keccak-256 by the fastest implementation installed (tiny-keccak if present, else safe-pysha3)."""

from collections.abc import Callable
from importlib import import_module

from livepeer_client.types import Hash32


def _find() -> Callable[[bytes], bytes]:
    try:
        module = import_module("tiny_keccak")
    except ImportError:
        sha3 = import_module("sha3")

        def by_pysha3(data: bytes) -> bytes:
            digest: bytes = sha3.keccak_256(data).digest()
            return digest

        return by_pysha3
    found: Callable[[bytes], bytes] = module.keccak256
    return found


_digest = _find()


def keccak256(data: bytes) -> Hash32:
    """keccak-256 (not SHA3-256) of `data`, 32 bytes."""
    return Hash32(_digest(data))
