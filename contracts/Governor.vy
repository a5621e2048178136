# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Owner of the protocol: updates that everybody can see coming
@license MIT
@notice Owns the Controller. Its own owner stages updates, each a list of calls; after their delay anyone may execute
        them. A change of this contract's owner is such an update too.
@dev Not proxied and not registered (spec 15). Delays count blocks (on Arbitrum those of L1). An update that was executed
     or cancelled may be staged again; the nonce makes equal updates differ.
@custom:kill The owner cancels what is staged. Without an owner that stages, nothing happens any more.
"""

from .modules import action


struct Update:
    # Whom to call, in order.
    target: DynArray[address, action.MAX_ACTIONS]
    # Wei sent along with each call.
    value: DynArray[uint256, action.MAX_ACTIONS]
    # Calldata of each call.
    data: DynArray[Bytes[action.MAX_CALLDATA], action.MAX_ACTIONS]
    # Makes equal updates differ.
    nonce: uint256


owner: public(address)
# keccak256 of an update's ABI encoding -> block from which it may be executed; 0 if it is not staged.
updates: public(HashMap[bytes32, uint256])


event OwnershipTransferred:
    previousOwner: indexed(address)
    newOwner: indexed(address)


event UpdateStaged:
    update: Update
    delay: uint256


event UpdateExecuted:
    update: Update


event UpdateCancelled:
    update: Update


@deploy
def __init__():
    """
    @notice The deployer becomes the owner.
    """
    self._set_owner(msg.sender)


@external
def transferOwnership(newOwner: address):
    """
    @notice Give this contract to another owner. Only by an update.
    @param newOwner The new owner, not zero.
    """
    assert msg.sender == self, "unauthorized: msg.sender not Governor"
    assert newOwner != empty(address), "newOwner is a null address"
    self._set_owner(newOwner)


@external
def stage(_update: Update, _delay: uint256):
    """
    @notice Announce an update. Owner only.
    @dev Unlike the deployed contract it refuses lists of different lengths here, not when it is too late.
    @param _update The update: at most 16 calls of at most 4096 bytes.
    @param _delay Blocks until it may be executed.
    """
    self._only_owner()
    count: uint256 = len(_update.target)
    assert len(_update.value) == count and len(_update.data) == count, "update arrays must have equal lengths"
    id: bytes32 = keccak256(abi_encode(_update))
    assert self.updates[id] == 0, "update already staged"
    self.updates[id] = block.number + _delay
    log UpdateStaged(update=_update, delay=_delay)


@external
@payable
def execute(_update: Update):
    """
    @notice Make the calls of an update whose delay is over, all or none. Anyone may.
    @dev It is no longer staged when the first call is made, so it cannot be executed twice. A failed call's answer
         becomes the reason, as it is in the deployed contract; of a long one the first 1024 bytes.
    @param _update The update.
    """
    id: bytes32 = keccak256(abi_encode(_update))
    due: uint256 = self.updates[id]
    assert due != 0, "update is not staged"
    assert block.number >= due, "delay for update not expired"
    self.updates[id] = 0

    for i: uint256 in range(len(_update.target), bound=action.MAX_ACTIONS):
        success: bool = False
        answer: Bytes[action.MAX_FAILURE] = b""
        success, answer = raw_call(
            _update.target[i],
            _update.data[i],
            max_outsize=action.MAX_FAILURE,
            value=_update.value[i],
            revert_on_failure=False,
        )
        if not success:
            raw_revert(abi_encode(answer, method_id=method_id("Error(string)")))
    log UpdateExecuted(update=_update)


@external
def cancel(_update: Update):
    """
    @notice Take a staged update back. Owner only.
    @param _update The update.
    """
    self._only_owner()
    id: bytes32 = keccak256(abi_encode(_update))
    assert self.updates[id] != 0, "update is not staged"
    self.updates[id] = 0
    log UpdateCancelled(update=_update)


@internal
@view
def _only_owner():
    assert msg.sender == self.owner, "unauthorized: msg.sender not owner"


@internal
def _set_owner(_owner: address):
    previous: address = self.owner
    self.owner = _owner
    log OwnershipTransferred(previousOwner=previous, newOwner=_owner)
