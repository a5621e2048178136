"""MerkleSnapshot (spec 15)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from tests.support.artifacts import compile_all
from tests.support.evm import OWNER, Contract, Evm, Reverted

STRANGER = f"0x{0x7500:040x}"
ID = keccak(text="LIP-73")


@pytest.fixture(scope="module")
def snapshots() -> Contract:
    evm, codes = Evm(), compile_all(["Controller", "MerkleSnapshot"])
    controller = evm.deploy(codes["Controller"])
    return evm.deploy(codes["MerkleSnapshot"], controller.address)


def parent(one: bytes, other: bytes) -> bytes:
    return bytes(keccak(min(one, other) + max(one, other)))


def prove(leaves: Sequence[bytes], index: int) -> tuple[bytes, list[bytes]]:
    """Root of a tree, and the siblings on the way to it; an odd one moves up as it is."""
    level, proof = list(leaves), []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            proof.append(level[sibling])
        level = [parent(*level[i : i + 2]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
        index //= 2
    return level[0], proof


@given(st.lists(st.binary(min_size=32, max_size=32).map(keccak), min_size=1, max_size=9, unique=True), st.data())
def test_verify__leaf_of_the_tree__is_true_and_another_one_false(
    snapshots: Contract, leaves: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, proof = prove(leaves, index)
    snapshots.call("setSnapshot", ID, root, sender=OWNER)

    assert snapshots.view("snapshot", ID) == root
    assert snapshots.view("verify", ID, proof, leaves[index]) is True
    assert snapshots.view("verify", ID, proof, keccak(leaves[index])) is False
    assert snapshots.view("verify", ID, [*proof, keccak(b"")], leaves[index]) is False
    assert snapshots.view("verify", keccak(text="unknown"), proof, leaves[index]) is False


@pytest.mark.parametrize("leaf", [bytes(32), keccak(b"")])
def test_verify__no_root__is_false(snapshots: Contract, leaf: bytes) -> None:
    assert snapshots.view("verify", keccak(text="unknown"), [], leaf) is False


def test_set_snapshot__by_a_stranger__reverts(snapshots: Contract) -> None:
    with pytest.raises(Reverted, match=r"^caller must be Controller owner$"):
        snapshots.call("setSnapshot", ID, ID, sender=STRANGER)
