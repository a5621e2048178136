"""Governor: staged updates that own the Controller (spec 15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

from tests.support.artifacts import compile_all
from tests.support.evm import NOBODY, OWNER, Contract, Evm, Reverted
from tests.support.evm_abi import Interface

STRANGER, PAYEE = (f"0x{0x7200 + index:040x}" for index in range(2))
DELAY_BLOCKS = 5

Update = tuple[list[str], list[int], list[bytes], int]
UPDATE = "(address[],uint256[],bytes[],uint256)"


def id_of(update: Update) -> bytes:
    """keccak256(abi.encode(Update)), by an encoder of somebody else."""
    return bytes(keccak(encode((UPDATE,), (update,))))


@dataclass(frozen=True, slots=True)
class Stage:
    evm: Evm
    governor: Contract
    controller: Contract
    reenterer: Contract

    def update(self, function: str, *values: object, nonce: int = 0) -> Update:
        """One call of the Controller."""
        data = self.controller.interface.functions[function].encode(values)
        return [self.controller.address], [0], [data], nonce

    def stage_and_wait(self, update: Update) -> None:
        self.governor.call("stage", update, DELAY_BLOCKS, sender=OWNER)
        self.evm.block += DELAY_BLOCKS


@pytest.fixture(scope="module")
def deployed() -> Stage:
    evm, codes = Evm(), compile_all(["Governor", "Controller", "mocks/Reenterer"])
    governor, controller = evm.deploy(codes["Governor"]), evm.deploy(codes["Controller"])
    controller.call("transferOwnership", governor.address, sender=OWNER)
    return Stage(evm, governor, controller, evm.deploy(codes["Reenterer"]))


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    with deployed.evm.rolled_back():
        yield deployed


def test_constructor__deployer__owns_it_and_it_is_logged() -> None:
    evm, codes = Evm(), compile_all(["Governor", "Creator"])
    creator = evm.deploy(codes["Creator"])
    own = Interface.of("Governor", codes["Governor"].abi)
    receipt = creator.call("create", codes["Governor"].bytecode, own.functions["owner"].encode(()), 0, sender=STRANGER)

    governor = evm.at(receipt.result, own)
    assert governor.view("owner") == creator.address
    assert evm.decode(receipt.logs[0]).args == {"previousOwner": NOBODY, "newOwner": creator.address}


# --- stage ------------------------------------------------------------------------------------------------------------


def test_stage__by_owner__waits_for_its_delay(stage: Stage) -> None:
    update = stage.update("unpause")
    receipt = stage.governor.call("stage", update, DELAY_BLOCKS, sender=OWNER)

    (event,) = receipt.events
    assert event.name == "UpdateStaged"
    assert event.args["delay"] == DELAY_BLOCKS
    targets, values, data, nonce = event.args["update"]
    assert ([*targets], [*values], [*data], nonce) == update
    assert stage.governor.view("updates", id_of(update)) == stage.evm.block + DELAY_BLOCKS


def test_stage__twice__reverts(stage: Stage) -> None:
    stage.governor.call("stage", stage.update("unpause"), 1, sender=OWNER)

    with pytest.raises(Reverted, match=r"^update already staged$"):
        stage.governor.call("stage", stage.update("unpause"), 2, sender=OWNER)
    stage.governor.call("stage", stage.update("unpause", nonce=1), 2, sender=OWNER)


@pytest.mark.parametrize(("values", "data"), [([], [b""]), ([0], []), ([0, 0], [b""]), ([0], [b"", b""])])
def test_stage__lists_of_different_lengths__reverts(stage: Stage, values: list[int], data: list[bytes]) -> None:
    with pytest.raises(Reverted, match=r"^update arrays must have equal lengths$"):
        stage.governor.call("stage", ([PAYEE], values, data, 0), 0, sender=OWNER)


# --- execute ----------------------------------------------------------------------------------------------------------


def test_execute__due__makes_the_calls_by_anybodys_hand(stage: Stage) -> None:
    update = stage.update("unpause")
    stage.stage_and_wait(update)
    receipt = stage.governor.call("execute", update, sender=STRANGER)

    assert [event.name for event in receipt.events] == ["Unpause", "UpdateExecuted"]
    targets, values, data, nonce = receipt.events[1].args["update"]
    assert ([*targets], [*values], [*data], nonce) == update
    assert stage.controller.view("paused") is False
    assert stage.governor.view("updates", id_of(update)) == 0


def test_execute__one_block_early__reverts(stage: Stage) -> None:
    update = stage.update("unpause")
    stage.governor.call("stage", update, DELAY_BLOCKS, sender=OWNER)
    stage.evm.block += DELAY_BLOCKS - 1

    with pytest.raises(Reverted, match=r"^delay for update not expired$"):
        stage.governor.call("execute", update, sender=OWNER)


def test_execute__not_staged_or_done__reverts(stage: Stage) -> None:
    update = stage.update("unpause")
    with pytest.raises(Reverted, match=r"^update is not staged$"):
        stage.governor.call("execute", update, sender=OWNER)
    stage.stage_and_wait(update)
    stage.governor.call("execute", update, sender=OWNER)

    with pytest.raises(Reverted, match=r"^update is not staged$"):
        stage.governor.call("execute", update, sender=OWNER)


def test_execute__done_before__can_be_staged_again(stage: Stage) -> None:
    update = stage.update("transferOwnership", stage.governor.address)
    for _ in range(2):
        stage.stage_and_wait(update)
        stage.governor.call("execute", update, sender=OWNER)


def test_execute__a_call_fails__its_answer_is_the_reason(stage: Stage) -> None:
    # A reason inside of a reason, as in the deployed contract: the raw answer of the call is taken for a text.
    update: Update = (
        [stage.controller.address, stage.governor.address],
        [0, 0],
        [
            stage.controller.interface.functions["unpause"].encode(()),
            stage.governor.interface.functions["transferOwnership"].encode((NOBODY,)),
        ],
        0,
    )
    stage.stage_and_wait(update)

    with pytest.raises(Reverted) as failure:
        stage.governor.call("execute", update, sender=STRANGER)
    inner = keccak(text="Error(string)")[:4] + encode(("string",), ("newOwner is a null address",))
    assert failure.value.data == keccak(text="Error(string)")[:4] + encode(("bytes",), (inner,))
    assert stage.controller.view("paused") is True


def test_execute__a_call_fails_without_reason__the_reason_is_empty(stage: Stage) -> None:
    update = stage.update("pause")
    stage.stage_and_wait(update)

    with pytest.raises(Reverted) as failure:
        stage.governor.call("execute", update, sender=STRANGER)
    assert failure.value.reason == ""


def test_execute__with_ether__is_passed_on(stage: Stage) -> None:
    update: Update = ([PAYEE, PAYEE], [3, 4], [b"", b""], 0)
    stage.stage_and_wait(update)
    stage.evm.give(STRANGER, 7)
    stage.governor.call("execute", update, sender=STRANGER, value=7)

    assert stage.evm.balance(PAYEE) == 7


def test_execute__called_contract_executes_it_again__fails(stage: Stage) -> None:
    update: Update = ([stage.reenterer.address], [0], [b""], 0)
    again = stage.governor.interface.functions["execute"].encode((update,))
    stage.reenterer.call("prepare", stage.governor.address, again, sender=STRANGER)
    stage.stage_and_wait(update)

    with pytest.raises(Reverted) as failure:
        stage.governor.call("execute", update, sender=STRANGER)
    inner = keccak(text="Error(string)")[:4] + encode(("string",), ("update is not staged",))
    assert failure.value.data == keccak(text="Error(string)")[:4] + encode(("bytes",), (inner,))


# --- cancel, ownership ------------------------------------------------------------------------------------------------


def test_cancel__staged__forgets_it(stage: Stage) -> None:
    update = stage.update("unpause")
    stage.stage_and_wait(update)
    receipt = stage.governor.call("cancel", update, sender=OWNER)

    assert [event.name for event in receipt.events] == ["UpdateCancelled"]
    with pytest.raises(Reverted, match=r"^update is not staged$"):
        stage.governor.call("execute", update, sender=OWNER)
    with pytest.raises(Reverted, match=r"^update is not staged$"):
        stage.governor.call("cancel", update, sender=OWNER)


@pytest.mark.parametrize("function", ["stage", "cancel"])
def test_owner_only__by_a_stranger__reverts(stage: Stage, function: str) -> None:
    delay = (0,) if function == "stage" else ()

    with pytest.raises(Reverted, match=r"^unauthorized: msg.sender not owner$"):
        stage.governor.call(function, stage.update("unpause"), *delay, sender=STRANGER)


def test_transfer_ownership__by_an_update__changes_the_owner(stage: Stage) -> None:
    data = stage.governor.interface.functions["transferOwnership"].encode((STRANGER,))
    update: Update = ([stage.governor.address], [0], [data], 0)
    stage.stage_and_wait(update)
    receipt = stage.governor.call("execute", update, sender=STRANGER)

    assert receipt.events[0].args == {"previousOwner": OWNER, "newOwner": STRANGER}
    assert stage.governor.view("owner") == STRANGER


@pytest.mark.parametrize("caller", [OWNER, STRANGER])
def test_transfer_ownership__directly__reverts(stage: Stage, caller: str) -> None:
    with pytest.raises(Reverted, match=r"^unauthorized: msg.sender not Governor$"):
        stage.governor.call("transferOwnership", STRANGER, sender=caller)
