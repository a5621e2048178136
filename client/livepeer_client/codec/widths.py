"""Fixed-width and minimal-width fields: the readers refuse what a hash or a MAC could misread.

Every reader raises `InvalidInput` naming the field.
"""

from typing import Final

from livepeer_client.errors import InvalidInput
from livepeer_client.types import ADDRESS_BYTES, HASH_BYTES, ZERO_HASH, Address, Hash32

UINT256_BYTES: Final = 32


def minimal_bytes(value: int) -> bytes:
    """Big-endian without leading zeros; zero is empty (offchain-payments, preamble)."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def read_uint(value: bytes, name: str) -> int:
    """At most 32 bytes, big-endian; leading zeros are tolerated."""
    if len(value) > UINT256_BYTES:
        raise InvalidInput(f"{name} has {len(value)} bytes, at most {UINT256_BYTES}")
    return int.from_bytes(value, "big")


def read_address(value: bytes, name: str) -> Address:
    """Exactly 20 bytes."""
    if len(value) != ADDRESS_BYTES:
        raise InvalidInput(f"{name} has {len(value)} bytes, not {ADDRESS_BYTES}")
    return Address(value)


def read_address_or_none(value: bytes, name: str) -> bytes:
    """20 bytes or none: off chain nobody has an address."""
    return read_address(value, name) if value else b""


def read_hash(value: bytes, name: str) -> Hash32:
    """Exactly 32 bytes."""
    if len(value) != HASH_BYTES:
        raise InvalidInput(f"{name} has {len(value)} bytes, not {HASH_BYTES}")
    return Hash32(value)


def read_hash_or_zero(value: bytes, name: str) -> Hash32:
    """32 bytes, or zero if absent."""
    return read_hash(value, name) if value else ZERO_HASH


def read_natural(value: int, name: str) -> int:
    """A signed wire integer that has no business being negative."""
    if value < 0:
        raise InvalidInput(f"{name} is {value}")
    return value
