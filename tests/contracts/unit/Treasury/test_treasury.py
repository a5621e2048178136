"""Treasury: what is announced, when it may be done, by whom (spec 13)."""

from __future__ import annotations

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak

from tests.contracts.unit.Treasury.conftest import ADMIN, ANYBODY, EXECUTOR, MIN_DELAY_S, PAYEE, PROPOSER, Stage
from tests.support.artifacts import compile_all
from tests.support.evm import NOBODY, OWNER, Reverted
from tests.support.governance import ADMIN_ROLE, CANCELLER_ROLE, EXECUTOR_ROLE, NONE, PROPOSER_ROLE

SALT = b"\x05" * 32
ROLES = (ADMIN_ROLE, PROPOSER_ROLE, EXECUTOR_ROLE, CANCELLER_ROLE)
PAY = (PAYEE, 7, b"")
MANY = ([PAYEE, PAYEE], [1, 2], [b"", b""])


def operation(target: str, value: int, data: bytes, predecessor: bytes = NONE, salt: bytes = SALT) -> bytes:
    kinds = ("address", "uint256", "bytes", "bytes32", "bytes32")
    return bytes(keccak(encode(kinds, (target, value, data, predecessor, salt))))


def operations(lists: tuple[list[str], list[int], list[bytes]], predecessor: bytes = NONE, salt: bytes = SALT) -> bytes:
    kinds = ("address[]", "uint256[]", "bytes[]", "bytes32", "bytes32")
    return bytes(keccak(encode(kinds, (*lists, predecessor, salt))))


def missing(account: str, role: bytes) -> str:
    return f"AccessControl: account {account} is missing role 0x{role.hex()}"


def announce(stage: Stage, *, salt: bytes = SALT, predecessor: bytes = NONE, delay: int = MIN_DELAY_S) -> bytes:
    stage.treasury.call("schedule", *PAY, predecessor, salt, delay, sender=PROPOSER)
    return operation(*PAY, predecessor, salt)


# --- initialize -------------------------------------------------------------------------------------------------------


def test_initialize__new_treasury__has_its_roles_and_logs_them(stage: Stage) -> None:
    codes = compile_all(["Treasury"])
    fresh = stage.evm.deploy(codes["Treasury"])
    receipt = fresh.call("initialize", 5, [PROPOSER, ANYBODY], [EXECUTOR], ADMIN, sender=ANYBODY)

    def granted(role: bytes, account: str) -> tuple[str, dict[str, object]]:
        return "RoleGranted", {"role": role, "account": account, "sender": ANYBODY}

    assert [(event.name, event.args) for event in receipt.events] == [
        *(
            ("RoleAdminChanged", {"role": role, "previousAdminRole": NONE, "newAdminRole": ADMIN_ROLE})
            for role in ROLES
        ),
        granted(ADMIN_ROLE, fresh.address),
        granted(ADMIN_ROLE, ADMIN),
        granted(PROPOSER_ROLE, PROPOSER),
        granted(CANCELLER_ROLE, PROPOSER),
        granted(PROPOSER_ROLE, ANYBODY),
        granted(CANCELLER_ROLE, ANYBODY),
        granted(EXECUTOR_ROLE, EXECUTOR),
        ("MinDelayChange", {"oldDuration": 0, "newDuration": 5}),
        ("Initialized", {"version": 1}),
    ]
    assert fresh.view("getMinDelay") == 5


def test_initialize__without_admin__leaves_the_treasury_alone_with_its_roles(stage: Stage) -> None:
    fresh = stage.evm.deploy(compile_all(["Treasury"])["Treasury"])
    fresh.call("initialize", 5, [], [], NOBODY, sender=ANYBODY)

    assert fresh.view("hasRole", ADMIN_ROLE, fresh.address)
    assert not fresh.view("hasRole", ADMIN_ROLE, NOBODY)


def test_initialize__k22_again__reverts(stage: Stage) -> None:
    with pytest.raises(Reverted, match=r"^Initializable: contract is already initialized$"):
        stage.treasury.call("initialize", 0, [ANYBODY], [ANYBODY], ANYBODY, sender=ANYBODY)


def test_roles__constants__are_the_published_hashes(stage: Stage) -> None:
    names = ("TIMELOCK_ADMIN_ROLE", "PROPOSER_ROLE", "EXECUTOR_ROLE", "CANCELLER_ROLE")
    assert tuple(stage.treasury.view(name) for name in names) == ROLES
    assert stage.treasury.view("DEFAULT_ADMIN_ROLE") == NONE
    assert [stage.treasury.view("getRoleAdmin", role) for role in (*ROLES, NONE, SALT)] == [ADMIN_ROLE] * 4 + [NONE] * 2


# --- schedule ---------------------------------------------------------------------------------------------------------


def test_schedule__by_proposer__waits_for_its_delay(stage: Stage) -> None:
    receipt = stage.treasury.call("schedule", *PAY, NONE, SALT, MIN_DELAY_S + 12, sender=PROPOSER)
    id_ = operation(*PAY)

    assert [(event.name, event.args) for event in receipt.events] == [
        (
            "CallScheduled",
            {
                "id": id_,
                "index": 0,
                "target": PAYEE,
                "value": 7,
                "data": b"",
                "predecessor": NONE,
                "delay": MIN_DELAY_S + 12,
            },
        ),
        ("CallSalt", {"id": id_, "salt": SALT}),
    ]
    view = stage.treasury.view
    assert view("hashOperation", *PAY, NONE, SALT) == id_
    assert view("getTimestamp", id_) == 12 * stage.evm.block + MIN_DELAY_S + 12
    assert [view(f"isOperation{word}", id_) for word in ("", "Pending", "Ready", "Done")] == [True, True, False, False]
    stage.pass_time(MIN_DELAY_S + 12)
    assert view("isOperationReady", id_)


def test_schedule__without_salt__logs_none(stage: Stage) -> None:
    receipt = stage.treasury.call("schedule", *PAY, NONE, NONE, MIN_DELAY_S, sender=PROPOSER)

    assert [event.name for event in receipt.events] == ["CallScheduled"]


def test_schedule__twice__reverts(stage: Stage) -> None:
    announce(stage)

    with pytest.raises(Reverted, match=r"^TimelockController: operation already scheduled$"):
        announce(stage)


def test_schedule__done_before__reverts(stage: Stage) -> None:
    announce(stage)
    stage.pass_time(MIN_DELAY_S)
    stage.treasury.call("execute", *PAY, NONE, SALT, sender=EXECUTOR)

    with pytest.raises(Reverted, match=r"^TimelockController: operation already scheduled$"):
        announce(stage)


def test_schedule__delay_below_the_minimum__reverts(stage: Stage) -> None:
    with pytest.raises(Reverted, match=r"^TimelockController: insufficient delay$"):
        announce(stage, delay=MIN_DELAY_S - 1)


def test_schedule_batch__by_proposer__logs_every_call(stage: Stage) -> None:
    receipt = stage.treasury.call("scheduleBatch", *MANY, NONE, SALT, MIN_DELAY_S, sender=PROPOSER)
    id_ = operations(MANY)

    assert [(event.name, event.args.get("index")) for event in receipt.events] == [
        ("CallScheduled", 0),
        ("CallScheduled", 1),
        ("CallSalt", None),
    ]
    assert {event.args["id"] for event in receipt.events} == {id_}
    assert stage.treasury.view("hashOperationBatch", *MANY, NONE, SALT) == id_


@pytest.mark.parametrize("lists", [([PAYEE], [], [b""]), ([PAYEE], [1], []), ([], [1], [b""])])
@pytest.mark.parametrize("function", ["scheduleBatch", "executeBatch"])
def test_batch__lists_of_different_lengths__reverts(
    stage: Stage, function: str, lists: tuple[list[str], list[int], list[bytes]]
) -> None:
    delay = (MIN_DELAY_S,) if function == "scheduleBatch" else ()
    sender = PROPOSER if delay else EXECUTOR

    with pytest.raises(Reverted, match=r"^TimelockController: length mismatch$"):
        stage.treasury.call(function, *lists, NONE, SALT, *delay, sender=sender)


# --- execute ----------------------------------------------------------------------------------------------------------


def test_execute__delay_over__makes_the_call(stage: Stage) -> None:
    id_ = announce(stage)
    stage.pass_time(MIN_DELAY_S)
    receipt = stage.treasury.call("execute", *PAY, NONE, SALT, sender=EXECUTOR)

    assert [(event.name, event.args) for event in receipt.events] == [
        ("CallExecuted", {"id": id_, "index": 0, "target": PAYEE, "value": 7, "data": b""})
    ]
    assert stage.evm.balance(PAYEE) == 7
    assert stage.treasury.view("isOperationDone", id_)
    assert stage.treasury.view("getTimestamp", id_) == 1


def test_execute__one_second_early__reverts(stage: Stage) -> None:
    announce(stage, delay=MIN_DELAY_S + 1)
    stage.pass_time(MIN_DELAY_S)

    with pytest.raises(Reverted, match=r"^TimelockController: operation is not ready$"):
        stage.treasury.call("execute", *PAY, NONE, SALT, sender=EXECUTOR)


def test_execute__unknown_or_done__reverts(stage: Stage) -> None:
    announce(stage)
    stage.pass_time(MIN_DELAY_S)
    stage.treasury.call("execute", *PAY, NONE, SALT, sender=EXECUTOR)

    for salt in (SALT, NONE):
        with pytest.raises(Reverted, match=r"^TimelockController: operation is not ready$"):
            stage.treasury.call("execute", *PAY, NONE, salt, sender=EXECUTOR)


def test_execute__before_its_predecessor__reverts(stage: Stage) -> None:
    first = announce(stage)
    announce(stage, predecessor=first)
    stage.pass_time(MIN_DELAY_S)

    with pytest.raises(Reverted, match=r"^TimelockController: missing dependency$"):
        stage.treasury.call("execute", *PAY, first, SALT, sender=EXECUTOR)
    stage.treasury.call("execute", *PAY, NONE, SALT, sender=EXECUTOR)
    stage.treasury.call("execute", *PAY, first, SALT, sender=EXECUTOR)
    assert stage.evm.balance(PAYEE) == 14


def test_execute_batch__second_call_fails__nothing_happens(stage: Stage) -> None:
    lists = ([PAYEE, PAYEE], [1, 10**6], [b"", b""])
    stage.treasury.call("scheduleBatch", *lists, NONE, SALT, MIN_DELAY_S, sender=PROPOSER)
    stage.pass_time(MIN_DELAY_S)

    with pytest.raises(Reverted, match=r"^TimelockController: underlying transaction reverted$"):
        stage.treasury.call("executeBatch", *lists, NONE, SALT, sender=EXECUTOR)
    assert stage.evm.balance(PAYEE) == 0


def test_execute_batch__delay_over__makes_the_calls_in_order(stage: Stage) -> None:
    stage.treasury.call("scheduleBatch", *MANY, NONE, SALT, MIN_DELAY_S, sender=PROPOSER)
    stage.pass_time(MIN_DELAY_S)
    receipt = stage.treasury.call("executeBatch", *MANY, NONE, SALT, sender=EXECUTOR)

    assert [(event.args["index"], event.args["value"]) for event in receipt.events] == [(0, 1), (1, 2)]
    assert stage.evm.balance(PAYEE) == 3


@pytest.mark.parametrize("function", ["execute", "executeBatch"])
def test_execute__called_contract_executes_it_again__reverts(stage: Stage, function: str) -> None:
    """The called contract is an executor itself; the call inside succeeds, so the one outside must not."""
    attacker = stage.evm.deploy(compile_all(["mocks/Reenterer"])["Reenterer"])
    stage.treasury.call("grantRole", EXECUTOR_ROLE, attacker.address, sender=ADMIN)
    single = (attacker.address, 3, b"")
    arguments = (*single, NONE, SALT) if function == "execute" else ([single[0]], [single[1]], [single[2]], NONE, SALT)
    schedule = "schedule" if function == "execute" else "scheduleBatch"
    stage.treasury.call(schedule, *arguments, MIN_DELAY_S, sender=PROPOSER)
    stage.pass_time(MIN_DELAY_S)
    again = stage.treasury.interface.functions[function].encode(arguments)
    attacker.call("prepare", stage.treasury.address, again, sender=ANYBODY)

    with pytest.raises(Reverted, match=r"^TimelockController: operation is not ready$"):
        stage.treasury.call(function, *arguments, sender=EXECUTOR)
    assert stage.evm.balance(attacker.address) == 0


def test_execute__open_role__lets_everybody(stage: Stage) -> None:
    announce(stage)
    stage.pass_time(MIN_DELAY_S)
    stage.treasury.call("grantRole", EXECUTOR_ROLE, NOBODY, sender=ADMIN)
    stage.treasury.call("execute", *PAY, NONE, SALT, sender=ANYBODY)

    assert stage.evm.balance(PAYEE) == 7


# --- cancel, delay ----------------------------------------------------------------------------------------------------


def test_cancel__pending__forgets_it(stage: Stage) -> None:
    id_ = announce(stage)
    receipt = stage.treasury.call("cancel", id_, sender=PROPOSER)

    assert [(event.name, event.args) for event in receipt.events] == [("Cancelled", {"id": id_})]
    assert not stage.treasury.view("isOperation", id_)
    announce(stage)


def test_cancel__unknown_or_done__reverts(stage: Stage) -> None:
    id_ = announce(stage)
    stage.pass_time(MIN_DELAY_S)
    stage.treasury.call("execute", *PAY, NONE, SALT, sender=EXECUTOR)

    for operation_id in (id_, SALT):
        with pytest.raises(Reverted, match=r"^TimelockController: operation cannot be cancelled$"):
            stage.treasury.call("cancel", operation_id, sender=PROPOSER)


def test_update_delay__by_an_operation_of_its_own__changes_it(stage: Stage) -> None:
    data = stage.treasury.interface.functions["updateDelay"].encode((3,))
    call = (stage.treasury.address, 0, data)
    stage.treasury.call("schedule", *call, NONE, SALT, MIN_DELAY_S, sender=PROPOSER)
    stage.pass_time(MIN_DELAY_S)
    receipt = stage.treasury.call("execute", *call, NONE, SALT, sender=EXECUTOR)

    assert receipt.events[0].name == "MinDelayChange"
    assert receipt.events[0].args == {"oldDuration": MIN_DELAY_S, "newDuration": 3}
    assert stage.treasury.view("getMinDelay") == 3


@pytest.mark.parametrize("caller", [ADMIN, PROPOSER, EXECUTOR, ANYBODY])
def test_update_delay__by_anybody_else__reverts(stage: Stage, caller: str) -> None:
    with pytest.raises(Reverted, match=r"^TimelockController: caller must be timelock$"):
        stage.treasury.call("updateDelay", 0, sender=caller)


# --- roles ------------------------------------------------------------------------------------------------------------

GUARDED = [
    ("schedule", (*PAY, NONE, SALT, MIN_DELAY_S), PROPOSER_ROLE),
    ("scheduleBatch", (*MANY, NONE, SALT, MIN_DELAY_S), PROPOSER_ROLE),
    ("cancel", (SALT,), CANCELLER_ROLE),
    ("execute", (*PAY, NONE, SALT), EXECUTOR_ROLE),
    ("executeBatch", (*MANY, NONE, SALT), EXECUTOR_ROLE),
    ("grantRole", (PROPOSER_ROLE, ANYBODY), ADMIN_ROLE),
    ("revokeRole", (PROPOSER_ROLE, PROPOSER), ADMIN_ROLE),
    ("grantRole", (SALT, ANYBODY), NONE),
]


@pytest.mark.parametrize(("function", "arguments", "role"), GUARDED)
def test_roles__without_the_role__reverts(
    stage: Stage, function: str, arguments: tuple[object, ...], role: bytes
) -> None:
    with pytest.raises(Reverted) as failure:
        stage.treasury.call(function, *arguments, sender=ANYBODY)
    assert failure.value.reason == missing(ANYBODY, role)


def test_revoke_role__held__is_gone_and_logged(stage: Stage) -> None:
    receipt = stage.treasury.call("revokeRole", PROPOSER_ROLE, PROPOSER, sender=ADMIN)

    assert [(event.name, event.args) for event in receipt.events] == [
        ("RoleRevoked", {"role": PROPOSER_ROLE, "account": PROPOSER, "sender": ADMIN})
    ]
    assert stage.treasury.call("revokeRole", PROPOSER_ROLE, PROPOSER, sender=ADMIN).events == []
    with pytest.raises(Reverted):
        announce(stage)


def test_renounce_role__own__is_gone(stage: Stage) -> None:
    stage.treasury.call("renounceRole", ADMIN_ROLE, ADMIN, sender=ADMIN)

    assert not stage.treasury.view("hasRole", ADMIN_ROLE, ADMIN)


def test_renounce_role__somebody_elses__reverts(stage: Stage) -> None:
    with pytest.raises(Reverted, match=r"^AccessControl: can only renounce roles for self$"):
        stage.treasury.call("renounceRole", PROPOSER_ROLE, PROPOSER, sender=ADMIN)


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_default__plain_ether__is_accepted(stage: Stage) -> None:
    stage.evm.transact(OWNER, stage.treasury.address, b"", value=5)

    assert stage.evm.balance(stage.treasury.address) == 1005


def test_default__unknown_function__reverts_without_reason(stage: Stage) -> None:
    with pytest.raises(Reverted) as failure:
        stage.evm.transact(OWNER, stage.treasury.address, b"\x01\x02\x03\x04", value=5)
    assert failure.value.is_bare


@pytest.mark.parametrize(
    ("interface", "expected"), [("01ffc9a7", True), ("7965db0b", True), ("4e2312e0", True), ("ffffffff", False)]
)
def test_supports_interface__published_ids__are_known(stage: Stage, interface: str, expected: bool) -> None:
    assert stage.treasury.view("supportsInterface", bytes.fromhex(interface)) is expected
