"""A treasury whose roles are held by people, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.artifacts import compile_all
from tests.support.evm import OWNER, Contract, Evm
from tests.support.evm_abi import Interface
from tests.support.governance import create_and_initialize

PROPOSER, EXECUTOR, ADMIN, ANYBODY, PAYEE = (f"0x{0x7100 + index:040x}" for index in range(5))
MIN_DELAY_S = 120


@dataclass(frozen=True, slots=True)
class Stage:
    evm: Evm
    treasury: Contract
    creator: Contract

    def pass_time(self, seconds: int) -> None:
        """A block is 12 seconds in this EVM."""
        self.evm.block += -(-seconds // 12)


@pytest.fixture(scope="package")
def deployed() -> Stage:
    evm, codes = Evm(), compile_all(["Treasury", "Creator", "mocks/Reenterer"])
    creator = evm.deploy(codes["Creator"])
    interface = Interface.of("Treasury", codes["Treasury"].abi)
    treasury = create_and_initialize(
        evm, creator, codes["Treasury"].bytecode, interface, MIN_DELAY_S, [PROPOSER], [EXECUTOR], ADMIN
    )
    evm.give(OWNER, 10**18)
    evm.transact(OWNER, treasury.address, b"", value=1000)
    return Stage(evm, treasury, creator)


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    with deployed.evm.rolled_back():
        yield deployed
