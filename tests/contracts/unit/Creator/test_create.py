"""Creator: creation and initialization in one transaction (hazard K22)."""

from __future__ import annotations

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

from tests.support.artifacts import compile_all
from tests.support.evm import NOBODY, Evm, Reverted
from tests.support.evm_abi import Interface

ANYBODY, OTHER = (f"0x{0x7600 + index:040x}" for index in range(2))


def test_create__with_initialization__returns_an_initialized_contract() -> None:
    evm, codes = Evm(), compile_all(["Creator", "Treasury"])
    creator, treasury = evm.deploy(codes["Creator"]), codes["Treasury"]
    interface = Interface.of("Treasury", treasury.abi)
    data = interface.functions["initialize"].encode((9, [], [], ANYBODY))
    receipt = creator.call("create", treasury.bytecode, data, 0, sender=ANYBODY)

    created = evm.at(receipt.result, interface)
    assert created.view("getMinDelay") == 9
    assert [(event.name, event.args) for event in receipt.events if event.address == creator.address] == [
        ("Created", {"contract": receipt.result, "creator": ANYBODY})
    ]
    with pytest.raises(Reverted, match=r"^Initializable: contract is already initialized$"):
        created.call("initialize", 9, [], [], NOBODY, sender=ANYBODY)


def test_create__initialization_fails__reverts_with_its_reason() -> None:
    evm, codes = Evm(), compile_all(["Creator", "Governor"])
    creator, governor = evm.deploy(codes["Creator"]), codes["Governor"]
    data = Interface.of("Governor", governor.abi).functions["transferOwnership"].encode((ANYBODY,))

    with pytest.raises(Reverted, match=r"^unauthorized: msg.sender not Governor$"):
        creator.call("create", governor.bytecode, data, 0, sender=ANYBODY)


def test_create__creation_fails__reverts() -> None:
    evm = Evm()
    creator = evm.deploy(compile_all(["Creator"])["Creator"])

    with pytest.raises(Reverted):
        creator.call("create", bytes.fromhex("60006000fd"), b"", 0, sender=ANYBODY)


def test_create__address__is_known_beforehand_and_nobody_elses() -> None:
    evm, codes = Evm(), compile_all(["Creator", "Governor"])
    creator, code = evm.deploy(codes["Creator"]), codes["Governor"].bytecode
    data = Interface.of("Governor", codes["Governor"].abi).functions["owner"].encode(())
    expected = creator.view("addressOf", ANYBODY, keccak(code), keccak(data), 7)

    salt = keccak(encode(("address", "bytes32", "uint256"), (ANYBODY, keccak(data), 7)))
    packed = b"\xff" + bytes.fromhex(creator.address[2:]) + salt + keccak(code)
    assert expected == "0x" + keccak(packed)[12:].hex()
    assert creator.call("create", code, data, 7, sender=OTHER).result != expected
    assert creator.call("create", code, data, 8, sender=ANYBODY).result != expected
    assert creator.call("create", code, data, 7, sender=ANYBODY).result == expected


def test_create__same_contract_twice__reverts() -> None:
    evm, codes = Evm(), compile_all(["Creator", "Governor"])
    creator, code = evm.deploy(codes["Creator"]), codes["Governor"].bytecode
    data = Interface.of("Governor", codes["Governor"].abi).functions["owner"].encode(())
    creator.call("create", code, data, 0, sender=ANYBODY)

    with pytest.raises(Reverted):
        creator.call("create", code, data, 0, sender=ANYBODY)
