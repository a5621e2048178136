# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title What an Arbitrum node answers at 0x00000000000000000000000000000000000000C8, in part
@license MIT
@notice A stand-in for the NodeInterface, which is no contract but a part of Arbitrum's nodes. Its interface is that of
    Arbitrum's documentation; its figures are made up: a fixed amount of gas for each byte, where a real node
    compresses them and follows the price of the chain below.
@custom:kill Never deployed outside tests.
"""

EXECUTION_GAS: constant(uint256) = 100_000
GAS_PER_BYTE: constant(uint256) = 20
BASE_FEE: constant(uint256) = 10**7
L1_BASE_FEE: constant(uint256) = 30 * 10**9


@payable
@external
def gasEstimateComponents(_to: address, _contractCreation: bool, _data: Bytes[65536]) -> (uint64, uint64, uint256, uint256):
    """
    @return The gas of a transaction, that part of it which pays for its bytes, the base fee, and the estimated base
        fee of the chain below.
    """
    assert _to.codesize == 0 or _contractCreation, "this stand-in runs no code"
    l1_gas: uint256 = GAS_PER_BYTE * len(_data)
    return convert(EXECUTION_GAS + l1_gas, uint64), convert(l1_gas, uint64), BASE_FEE, L1_BASE_FEE
