"""Every function that changes state x every kind of caller x every state of the protocol, from the compiled ABIs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.safety.access.guards import (
    Cell,
    State,
)
from tests.contracts.safety.access.rows import ROWS, Row
from tests.contracts.safety.reverts.case import error_bytes
from tests.support.artifacts import suite_artifacts
from tests.support.evm import Reverted, custom_error
from tests.support.evm_abi import Interface
from tests.support.evm_world import ETH, STRANGER, Call, World, make_world

CHANGING = ("nonpayable", "payable")
TABLE = [(contract, function) for contract, rows in ROWS.items() for function in rows]
# What only a guard says.
GUARDS_SAY = {
    error_bytes(reason)
    for reason in (
        "system is paused",
        "system is not paused",
        "current round is not initialized",
        "round already initialized",
        "caller must be Controller owner",
        "caller must be Controller",
    )
}


def compiled_functions(contract: str) -> set[str]:
    artifact = suite_artifacts()[contract]
    functions = Interface.of(artifact.name, artifact.abi).own_functions()
    return {function.signature for function in functions if function.mutability in CHANGING}


def test_table__functions_of_the_compiled_abis__are_all_there() -> None:
    proxied_or_plain = set(suite_artifacts()) - {"ManagerProxy"}

    assert set(ROWS) == proxied_or_plain
    assert {contract: set(rows) for contract, rows in ROWS.items()} == {
        contract: compiled_functions(contract) for contract in proxied_or_plain
    }


def test_table__functions_that_the_proxy_answers_itself__are_those_of_its_targets() -> None:
    assert compiled_functions("ManagerProxy") == {"setController(address)"}


def make_state(row: Row, state: State) -> World:
    """A world in this state, with the set-up of the row; everybody has ether."""
    world = make_world()
    row.prepare(world)
    if state is State.PAUSED:
        world.pause()
    elif state is State.NO_ROUND:
        world.next_round(initialize=False)
    return world


def callers_of(world: World, actor: str) -> dict[str, str]:
    """Every kind of caller by name: accounts, the contracts, and the code behind the proxies."""
    contracts = {name: contract.address for name, contract in world.contracts().items()}
    targets = {f"{name}Target": contract.address for name, contract in world.targets.items()}
    return {"actor": actor, "stranger": STRANGER, "owner": world.owner, **contracts, **targets}


def address_of_actor(world: World, row: Row) -> str:
    if row.actor == "owner":
        return world.owner
    contract = world.contracts().get(row.actor)
    return contract.address if contract else row.actor


def refusal_of(row: Row, cell: Cell) -> bytes | None:
    """Of the first guard that does not let the call pass."""
    return next((data for data in (guard(cell) for guard in row.guards) if data is not None), None)


def outcome(world: World, call: Call) -> bytes | None:
    """Revert data of a call, None if it succeeds. Nothing of it stays."""
    with world.evm.rolled_back():
        try:
            call.make()
        except Reverted as reverted:
            if reverted.halt is not None:
                raise
            return reverted.data
    return None


def outcomes(contract: str, function: str, state: State) -> Iterator[tuple[str, bytes | None, bytes | None]]:
    """For each kind of caller: the refusal of a guard, and the revert data that came back; None for none."""
    row = ROWS[contract][function]
    world = make_state(row, state)
    actor, args = address_of_actor(world, row), row.args(world)
    for name, caller in callers_of(world, actor).items():
        # Contracts do not take plain transfers.
        world.evm.engine.set_balance(caller, world.evm.balance(caller) + ETH)
        call = Call(world.contracts()[contract], function, args, caller, row.value)
        yield name, refusal_of(row, Cell(world, state, caller, actor)), outcome(world, call)


@pytest.mark.parametrize(("contract", "function"), TABLE)
def test_access__every_caller_in_every_state__is_refused_by_the_named_guard_or_passes(
    contract: str, function: str
) -> None:
    """I22 among others: what the pause and the missing round stop, and what goes on."""
    row, successes = ROWS[contract][function], 0
    for state in State:
        for caller, expected, found in outcomes(contract, function, state):
            if expected is not None:
                assert found == expected, (caller, state)
            elif caller == "actor" or row.is_signed:
                assert found is None, (caller, state)
                successes += 1
            else:
                # It has no stake, or no funds: refused for what it is about, not by a guard.
                assert found not in GUARDS_SAY, (caller, state)

    assert successes > 0


@pytest.mark.parametrize("data", [b"", b"\xde\xad\xbe\xef", b"\xde\xad"], ids=["nothing", "unknown", "too short"])
@pytest.mark.parametrize("contract", ROWS)
def test_access__plain_ether_and_unknown_functions__are_refused_by_every_contract(contract: str, data: bytes) -> None:
    world = make_world()
    world.evm.give(STRANGER, 10)
    address = world.contracts()[contract].address
    for value in (0, 1):
        with pytest.raises(Reverted) as failure:
            world.evm.transact(STRANGER, address, data, value=value)
        assert failure.value.is_bare


PAYABLE = {
    (contract, function)
    for contract, function in TABLE
    if Interface.of(contract, suite_artifacts()[contract].abi).functions[function].mutability == "payable"
}


@pytest.mark.parametrize(("contract", "function"), sorted(set(TABLE) - PAYABLE))
def test_access__ether_for_a_function_that_takes_none__is_refused(contract: str, function: str) -> None:
    row = ROWS[contract][function]
    world = make_state(row, State.RUNNING)
    actor, args = address_of_actor(world, row), row.args(world)
    world.evm.engine.set_balance(actor, world.evm.balance(actor) + 1)

    with pytest.raises(Reverted) as failure:
        Call(world.contracts()[contract], function, args, actor, 1).make()

    assert failure.value.is_bare


def test_access__code_behind_a_proxy__obeys_the_controller_and_holds_nothing() -> None:
    """A target called without its proxy works on storage of its own and is not registered."""
    world = make_world()
    world.evm.give(STRANGER, ETH)
    broker = world.targets["TicketBroker"]

    with pytest.raises(Reverted, match=r"msg\.sender not Minter or JobsManager"):
        broker.call("fundDeposit", sender=STRANGER, value=1)
    with pytest.raises(Reverted) as failure:
        world.targets["BondingManager"].call("checkpointBondingState", STRANGER, sender=STRANGER)
    assert failure.value.data == custom_error(
        "InvalidCaller(address,address)", world.targets["BondingManager"].address, world.bonding.address
    )
    for target in world.targets.values():
        assert target.view("controller") == world.controller.address
        with pytest.raises(Reverted, match="caller must be Controller"):
            target.call("setController", STRANGER, sender=world.owner)
        assert world.evm.balance(target.address) == 0
        assert world.token.view("balanceOf", target.address) == 0
