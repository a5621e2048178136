# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Creates a contract and calls it in the same transaction
@license MIT
@notice For contracts that anyone could initialize: nobody gets between their creation and their initialization. Where a
        contract will be is known beforehand, so that two contracts can name each other in their initialization.
@dev Stateless; one instance serves everybody (spec 18, K22). Addresses follow EIP-1014. The creator, what it passes to
     the initialization and a number of its own are part of the salt, so that nobody else can take an address, not even
     with the same code.
@custom:kill Nothing to stop: it holds nothing and owns nothing.
"""

# Longest creation code that a chain accepts (EIP-3860).
MAX_CODE: constant(uint256) = 49152
MAX_DATA: constant(uint256) = 2048
# EIP-1014.
ADDRESS_PREFIX: constant(bytes1) = 0xff


event Created:
    contract: indexed(address)
    creator: indexed(address)


@external
def create(_code: Bytes[MAX_CODE], _data: Bytes[MAX_DATA], _number: uint256) -> address:
    """
    @notice Create a contract and call it; if either fails, nothing has happened.
    @param _code Creation code, constructor arguments included.
    @param _data Calldata of the call, such as that of `initialize`; at most 2048 bytes.
    @param _number Makes equal contracts differ.
    @return The new contract.
    """
    created: address = raw_create(_code, salt=self._salt(msg.sender, keccak256(_data), _number))
    raw_call(created, _data)
    log Created(contract=created, creator=msg.sender)
    return created


@external
@view
def addressOf(_creator: address, _codeHash: bytes32, _dataHash: bytes32, _number: uint256) -> address:
    """
    @notice Where `create` will put a contract.
    @param _creator Who will call `create`.
    @param _codeHash keccak256 of the creation code.
    @param _dataHash keccak256 of the calldata of the call.
    @param _number As it will be passed.
    @return The address, whether something is there already or not.
    """
    return convert(
        convert(
            keccak256(
                concat(
                    ADDRESS_PREFIX,
                    convert(self, bytes20),
                    self._salt(_creator, _dataHash, _number),
                    _codeHash,
                )
            ),
            uint256,
        )
        & (2**160 - 1),
        address,
    )


@internal
@pure
def _salt(_creator: address, _data_hash: bytes32, _number: uint256) -> bytes32:
    return keccak256(abi_encode(_creator, _data_hash, _number))
