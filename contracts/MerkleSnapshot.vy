# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Roots of Merkle trees, by name
@license MIT
@notice Keeps the root of a snapshot under an id and verifies proofs against it.
@dev Not proxied (spec 15).
@custom:kill The Controller owner sets a root to zero: then nothing can be proved under that id.
"""

from .modules import manager

initializes: manager
exports: (manager.controller, manager.setController)


# More levels than any tree that fits on a disk.
MAX_PROOF: constant(uint256) = 128


# id -> root of the tree.
snapshot: public(HashMap[bytes32, bytes32])


# Part of every manager's published ABI, though this contract has no parameter to change.
event ParameterUpdate:
    param: String[64]


@deploy
def __init__(_controller: address):
    """
    @param _controller The Controller to obey.
    """
    manager.__init__(_controller)


@external
def setSnapshot(_id: bytes32, _root: bytes32):
    """
    @notice Set the root of a snapshot; it replaces the previous one. Controller owner only.
    @param _id Name of the snapshot.
    @param _root Root of its tree.
    """
    manager._only_controller_owner()
    self.snapshot[_id] = _root


@external
@view
def verify(_id: bytes32, _proof: DynArray[bytes32, MAX_PROOF], _leaf: bytes32) -> bool:
    """
    @notice True if a leaf belongs to a snapshot's tree.
    @dev The smaller one of two siblings is hashed first. A leaf must not be something that hashes as a node does: make
         leaves of anything but 64 bytes.
    @param _id Name of the snapshot.
    @param _proof Siblings from the leaf up, at most 128.
    @param _leaf Hash of what is to be proved.
    @return Whether the proof leads to the root; false if there is no root.
    """
    node: bytes32 = _leaf
    for sibling: bytes32 in _proof:
        if convert(node, uint256) <= convert(sibling, uint256):
            node = keccak256(concat(node, sibling))
        else:
            node = keccak256(concat(sibling, node))
    root: bytes32 = self.snapshot[_id]
    # Without a root an empty proof would show that a leaf of zeros is there.
    return root != empty(bytes32) and node == root
