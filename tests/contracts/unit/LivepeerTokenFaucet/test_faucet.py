"""LivepeerTokenFaucet (spec 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_utils.crypto import keccak

from tests.support.artifacts import compile_all
from tests.support.evm import NOBODY, OWNER, Contract, Evm, Reverted

LPT = 10**18
ALICE, BOB = (f"0x{0x7400 + index:040x}" for index in range(2))
WAIT_HOURS = 2
BLOCKS_PER_HOUR = 300


@dataclass(frozen=True, slots=True)
class Stage:
    evm: Evm
    token: Contract
    faucet: Contract


@pytest.fixture(scope="module")
def deployed() -> Stage:
    evm, codes = Evm(), compile_all(["LivepeerToken", "LivepeerTokenFaucet"])
    token = evm.deploy(codes["LivepeerToken"])
    faucet = evm.deploy(codes["LivepeerTokenFaucet"], token.address, 10 * LPT, WAIT_HOURS)
    token.call("grantRole", keccak(text="MINTER_ROLE"), OWNER, sender=OWNER)
    token.call("mint", faucet.address, 35 * LPT, sender=OWNER)
    return Stage(evm, token, faucet)


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    with deployed.evm.rolled_back():
        yield deployed


def test_constructor__arguments__are_shown(stage: Stage) -> None:
    names = ("token", "requestAmount", "requestWait", "owner")
    assert [stage.faucet.view(name) for name in names] == [stage.token.address, 10 * LPT, WAIT_HOURS, OWNER]


def test_request__first_time__gives_the_amount(stage: Stage) -> None:
    receipt = stage.faucet.call("request", sender=ALICE)

    assert [(event.name, event.args) for event in receipt.events] == [
        ("Transfer", {"_from": stage.faucet.address, "to": ALICE, "value": 10 * LPT}),
        ("Request", {"to": ALICE, "amount": 10 * LPT}),
    ]
    assert stage.token.view("balanceOf", ALICE) == 10 * LPT
    assert stage.faucet.view("nextValidRequest", ALICE) == 12 * stage.evm.block + WAIT_HOURS * 3600


def test_request__too_early__reverts_without_reason(stage: Stage) -> None:
    stage.faucet.call("request", sender=ALICE)
    stage.evm.block += WAIT_HOURS * BLOCKS_PER_HOUR - 1

    with pytest.raises(Reverted) as failure:
        stage.faucet.call("request", sender=ALICE)
    assert failure.value.is_bare
    stage.faucet.call("request", sender=BOB)
    stage.evm.block += 1
    stage.faucet.call("request", sender=ALICE)


def test_request__whitelisted__need_not_wait(stage: Stage) -> None:
    stage.faucet.call("addToWhitelist", ALICE, sender=OWNER)
    for _ in range(3):
        stage.faucet.call("request", sender=ALICE)

    assert stage.faucet.view("isWhitelisted", ALICE) is True
    assert stage.faucet.view("nextValidRequest", ALICE) == 0
    with pytest.raises(Reverted, match=r"^ERC20: transfer amount exceeds balance$"):
        stage.faucet.call("request", sender=ALICE)


def test_remove_from_whitelist__afterwards__waits_again(stage: Stage) -> None:
    stage.faucet.call("addToWhitelist", ALICE, sender=OWNER)
    stage.faucet.call("removeFromWhitelist", ALICE, sender=OWNER)
    stage.faucet.call("request", sender=ALICE)

    with pytest.raises(Reverted):
        stage.faucet.call("request", sender=ALICE)


@pytest.mark.parametrize("function", ["addToWhitelist", "removeFromWhitelist", "transferOwnership"])
def test_owner_only__by_a_stranger__reverts_without_reason(stage: Stage, function: str) -> None:
    with pytest.raises(Reverted) as failure:
        stage.faucet.call(function, BOB, sender=ALICE)
    assert failure.value.is_bare


def test_transfer_ownership__to_another__is_logged(stage: Stage) -> None:
    receipt = stage.faucet.call("transferOwnership", ALICE, sender=OWNER)

    assert [(event.name, event.args) for event in receipt.events] == [
        ("OwnershipTransferred", {"previousOwner": OWNER, "newOwner": ALICE})
    ]
    assert stage.faucet.view("owner") == ALICE


def test_transfer_ownership__to_nobody__reverts_without_reason(stage: Stage) -> None:
    with pytest.raises(Reverted) as failure:
        stage.faucet.call("transferOwnership", NOBODY, sender=OWNER)
    assert failure.value.is_bare
