# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Creates a contract and calls it in the same transaction
@license MIT
@notice For contracts that anyone could initialize: nobody gets between their creation and their initialization.
@dev Stateless; one instance serves everybody (spec 18, K22).
@custom:kill Nothing to stop: it holds nothing and owns nothing.
"""

# Longest creation code that a chain accepts (EIP-3860).
MAX_CODE: constant(uint256) = 49152
MAX_DATA: constant(uint256) = 2048


event Created:
    contract: indexed(address)


@external
def create(_code: Bytes[MAX_CODE], _data: Bytes[MAX_DATA]) -> address:
    """
    @notice Create a contract and call it; if either fails, nothing has happened.
    @param _code Creation code, constructor arguments included.
    @param _data Calldata of the call, such as that of `initialize`; at most 2048 bytes.
    @return The new contract.
    """
    created: address = raw_create(_code)
    raw_call(created, _data)
    log Created(contract=created)
    return created
