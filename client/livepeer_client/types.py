"""The nouns of the protocol as distinct types, with their widths and units.

Bytes are raw inside the library and become hex only at its border. Money is integer wei, prices and
expected values are exact fractions; neither is ever a float.
"""

from typing import Final, NewType

Address = NewType("Address", bytes)
"""20 bytes."""
Hash32 = NewType("Hash32", bytes)
"""32 bytes, usually a keccak-256 digest."""
Signature = NewType("Signature", bytes)
"""65 bytes: r (32) || s (32, low half) || v (27 or 28)."""
Wei = NewType("Wei", int)
Round = NewType("Round", int)
BlockNumber = NewType("BlockNumber", int)
"""An L1 block number; on Arbitrum the L1 number the contracts see, not the L2 height."""
WinProb = NewType("WinProb", int)
"""Winning probability scaled to `MAX_WIN_PROB`; a uint256."""

MAX_UINT256: Final = 2**256 - 1
MAX_UINT32: Final = 2**32 - 1
MAX_WIN_PROB: Final = WinProb(MAX_UINT256)
"""The divisor of a winning probability is 2**256 - 1, not 2**256 (offchain-payments 1.4)."""
ZERO_ADDRESS: Final = Address(bytes(20))
ZERO_HASH: Final = Hash32(bytes(32))
ADDRESS_BYTES: Final = 20
HASH_BYTES: Final = 32
SIGNATURE_BYTES: Final = 65
NEVER_DEACTIVATES: Final = Round(MAX_UINT256)
"""The deactivation round of an orchestrator that is in the pool."""
