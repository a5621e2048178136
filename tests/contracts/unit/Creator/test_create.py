"""Creator: creation and initialization in one transaction (hazard K22)."""

from __future__ import annotations

import pytest

from tests.support.artifacts import compile_all
from tests.support.evm import NOBODY, Evm, Reverted
from tests.support.evm_abi import Interface

ANYBODY = f"0x{0x7600:040x}"


def test_create__with_initialization__returns_an_initialized_contract() -> None:
    evm, codes = Evm(), compile_all(["Creator", "Treasury"])
    creator, treasury = evm.deploy(codes["Creator"]), codes["Treasury"]
    interface = Interface.of("Treasury", treasury.abi)
    data = interface.functions["initialize"].encode((9, [], [], ANYBODY))
    receipt = creator.call("create", treasury.bytecode, data, sender=ANYBODY)

    created = evm.at(receipt.result, interface)
    assert created.view("getMinDelay") == 9
    assert receipt.logs[-1].topics[1][12:].hex() == receipt.result[2:]
    with pytest.raises(Reverted, match=r"^Initializable: contract is already initialized$"):
        created.call("initialize", 9, [], [], NOBODY, sender=ANYBODY)


def test_create__initialization_fails__reverts_with_its_reason() -> None:
    evm, codes = Evm(), compile_all(["Creator", "Governor"])
    creator, governor = evm.deploy(codes["Creator"]), codes["Governor"]
    data = Interface.of("Governor", governor.abi).functions["transferOwnership"].encode((ANYBODY,))

    with pytest.raises(Reverted, match=r"^unauthorized: msg.sender not Governor$"):
        creator.call("create", governor.bytecode, data, sender=ANYBODY)


def test_create__creation_fails__reverts() -> None:
    evm = Evm()
    creator = evm.deploy(compile_all(["Creator"])["Creator"])

    with pytest.raises(Reverted):
        creator.call("create", bytes.fromhex("60006000fd"), b"", sender=ANYBODY)
