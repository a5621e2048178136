"""Every function of governance that changes state x every kind of caller x every state of the protocol."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.safety.access.council import (
    CONTRACTS,
    COUNCIL_ROWS,
    GOVERNED,
    Assembly,
    Row,
    assemble,
)
from tests.contracts.safety.access.guards import Cell, State
from tests.contracts.safety.access.test_access import CHANGING, GUARDS_SAY, outcome
from tests.support.artifacts import compile_all
from tests.support.evm import Reverted
from tests.support.evm_abi import Interface
from tests.support.evm_world import ETH, Call
from tests.support.governance import ANN, FIRST, STRANGER

TABLE = [(contract, function) for contract, rows in COUNCIL_ROWS.items() for function in rows]


@pytest.fixture(scope="module")
def assembled() -> Assembly:
    """Every contract may send from the start: going back does not undo `let_call`."""
    assembly = assemble()
    for contract in (*assembly.contracts().values(), assembly.council.governor_code):
        assembly.evm.let_call(contract.address)
    return assembly


@pytest.fixture
def assembly(assembled: Assembly) -> Iterator[Assembly]:
    with assembled.evm.rolled_back():
        yield assembled


def interface_of(contract: str) -> Interface:
    return Interface.of(contract, compile_all(CONTRACTS)[contract].abi)


def test_table__functions_of_the_compiled_abis__are_all_there() -> None:
    compiled = {
        contract: {f.signature for f in interface_of(contract).own_functions() if f.mutability in CHANGING}
        for contract in CONTRACTS
    }
    assert {contract: set(rows) for contract, rows in COUNCIL_ROWS.items()} == compiled


def enter(assembly: Assembly, state: State) -> None:
    suite = assembly.council.suite
    if state is State.PAUSED:
        suite.controller.call("pause", sender=assembly.owner)
    elif state is State.NO_ROUND:
        suite.next_round(initialize=False)


def callers_of(assembly: Assembly, actor: str) -> dict[str, str]:
    contracts = {name: contract.address for name, contract in assembly.contracts().items()}
    people = {"actor": actor, "stranger": STRANGER, "proposer": FIRST, "delegator": ANN, "owner": assembly.owner}
    return {**people, **contracts, "LivepeerGovernorTarget": assembly.council.governor_code.address}


def address_of_actor(assembly: Assembly, row: Row) -> str:
    if row.actor == "owner":
        return assembly.owner
    contract = assembly.contracts().get(row.actor)
    return contract.address if contract else row.actor


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(("contract", "function"), TABLE)
def test_access__every_caller_in_every_state__is_refused_by_the_named_guard_or_passes(
    assembly: Assembly, contract: str, function: str, state: State
) -> None:
    row, successes = COUNCIL_ROWS[contract][function], 0
    row.prepare(assembly)
    enter(assembly, state)
    actor, args = address_of_actor(assembly, row), row.args(assembly)
    for name, caller in callers_of(assembly, actor).items():
        cell = Cell(assembly, state, caller, actor)
        expected = next((data for data in (guard(cell) for guard in row.guards) if data is not None), None)
        found = outcome(assembly, Call(assembly.contracts()[contract], function, args, caller))
        if expected is not None:
            assert found == expected, name
        elif name == "actor" or row.open:
            assert found is None, name
            successes += 1
        else:
            # It has too few votes or too little stake: refused for what it is about, not by a guard.
            assert found not in GUARDS_SAY, name

    assert (successes > 0) is not row.closed


@pytest.mark.parametrize("function", GOVERNED)
def test_access__what_a_proposal_alone_may_do__is_done_by_one_that_is_executed(
    assembly: Assembly, function: str
) -> None:
    arguments, view, value = GOVERNED[function]
    council = assembly.council
    council.adopt([council.setting(function, *arguments)])
    assert council.governor.view(view) == value


@pytest.mark.parametrize("data", [b"", b"\xde\xad\xbe\xef", b"\xde\xad"], ids=["nothing", "unknown", "too short"])
@pytest.mark.parametrize("contract", COUNCIL_ROWS)
def test_access__plain_ether_and_unknown_functions__are_refused_but_for_ether_to_the_treasury(
    assembly: Assembly, contract: str, data: bytes
) -> None:
    address = assembly.contracts()[contract].address
    assembly.evm.give(STRANGER, 10)
    for value in (0, 1):
        if contract == "Treasury" and data == b"":
            assembly.evm.transact(STRANGER, address, data, value=value)
            continue
        with pytest.raises(Reverted) as failure:
            assembly.evm.transact(STRANGER, address, data, value=value)
        told = "Governor: must send to executor" if contract == "LivepeerGovernor" and data == b"" else None
        assert failure.value.reason == told


PAYABLE = {
    (contract, function)
    for contract, function in TABLE
    if interface_of(contract).functions[function].mutability == "payable"
}


def test_payable__functions__are_those_that_pass_ether_on() -> None:
    assert {function.partition("(")[0] for _, function in PAYABLE} == {"execute", "executeBatch", "relay"}


@pytest.mark.parametrize(("contract", "function"), sorted(set(TABLE) - PAYABLE))
def test_access__ether_for_a_function_that_takes_none__is_refused(
    assembly: Assembly, contract: str, function: str
) -> None:
    row = COUNCIL_ROWS[contract][function]
    row.prepare(assembly)
    actor, args = address_of_actor(assembly, row), row.args(assembly)
    assembly.evm.engine.set_balance(actor, assembly.evm.balance(actor) + ETH)

    with pytest.raises(Reverted) as failure:
        Call(assembly.contracts()[contract], function, args, actor, 1).make()

    assert failure.value.is_bare
