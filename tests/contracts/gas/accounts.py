"""Accounts by name, always the same."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from coincurve import PrivateKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak


@dataclass(frozen=True, slots=True)
class Account:
    """The key is needed for tickets only: the node sends for everybody."""

    key: bytes
    address: str


@functools.cache
def account(name: str) -> Account:
    key = keccak(text=name)
    public_key = PrivateKey(key).public_key.format(compressed=False)[1:]
    return Account(key, to_checksum_address(keccak(public_key)[12:]))
