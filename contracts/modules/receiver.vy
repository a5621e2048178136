# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Accepts NFTs and multi-tokens
@license MIT
@notice Says yes to safe transfers (ERC-721, ERC-1155), so that a treasury can own what people give it.
"""

from . import action


# ERC-165 id of the ERC-1155 receiver.
INTERFACE_ID: constant(bytes4) = 0x4e2312e0


@external
def onERC721Received(_operator: address, _from: address, _token_id: uint256, _data: Bytes[action.MAX_PARAMS]) -> bytes4:
    """
    @notice Accept a token.
    @param _operator Who transfers.
    @param _from Previous owner.
    @param _token_id The token.
    @param _data Ignored, at most 1024 bytes.
    @return The function's selector, which says yes.
    """
    return 0x150b7a02


@external
def onERC1155Received(
    _operator: address, _from: address, _id: uint256, _value: uint256, _data: Bytes[action.MAX_PARAMS]
) -> bytes4:
    """
    @notice Accept tokens of one kind.
    @param _operator Who transfers.
    @param _from Previous owner.
    @param _id The kind.
    @param _value How many.
    @param _data Ignored, at most 1024 bytes.
    @return The function's selector, which says yes.
    """
    return 0xf23a6e61


@external
def onERC1155BatchReceived(
    _operator: address,
    _from: address,
    _ids: DynArray[uint256, action.MAX_TOKENS],
    _values: DynArray[uint256, action.MAX_TOKENS],
    _data: Bytes[action.MAX_PARAMS],
) -> bytes4:
    """
    @notice Accept tokens of several kinds.
    @param _operator Who transfers.
    @param _from Previous owner.
    @param _ids The kinds, at most 64.
    @param _values How many of each.
    @param _data Ignored, at most 1024 bytes.
    @return The function's selector, which says yes.
    """
    return 0xbc197c81
