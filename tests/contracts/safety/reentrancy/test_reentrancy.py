"""Wherever a contract of the protocol calls out, the callee may call back every function that changes state: what comes
of it is what two calls in a row would have come to, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from vyper import ast

from scripts._protocol import MINTER_ROLE
from tests.contracts.safety.access.rows import ROWS
from tests.contracts.safety.reentrancy.scenarios import REFUSED_BATCH, SCENARIOS, Scenario, Trap, make_trap, selector
from tests.contracts.safety.reverts.sources import parse
from tests.support.evm import Contract, Reverted
from tests.support.evm_picture import Domains, Picture, differences, take_picture
from tests.support.evm_suite import contract_id
from tests.support.evm_world import DELEGATOR, ETH, LPT, RECEIVER, STRANGER, TRANSCODER, Call, World, make_world

# What a callee's call costs at least, even if it is refused at once.
LEAST_GAS_OF_A_CALL = 100
STIPEND = 2300
# More ways out of one call than any has.
MOST_CALLS_OUT = 8


def attempts(trap: Trap) -> dict[str, Call]:
    """By the hostile contract: every function of the ABIs with arguments that work, and the outer call once more."""
    world, mock = trap.world, trap.mock.address
    found = {
        f"{name}.{function}": Call(contract, function, row.args(world), mock)
        for name, contract in world.contracts().items()
        for function, row in ROWS[name].items()
    }
    found["the same again"] = trap.outer._replace(sender=mock, value=0)
    return found


def calldata(call: Call) -> bytes:
    return call.contract.interface.functions[call.function].encode(call.args)


def run_nested(trap: Trap, number: int, calls: list[Call]) -> list[bool]:
    """The outer call, in whose n-th call to the hostile contract these are made. Which of them succeeded."""
    for call in calls:
        trap.mock.call("add_attempt", call.contract.address, calldata(call), sender=STRANGER)
    trap.mock.call("set_trigger", number, sender=STRANGER)
    trap.outer.make()
    return [trap.mock.view("succeeded", index) for index in range(len(calls))]


def run_in_a_row(trap: Trap, *calls: Call) -> None:
    """Without any attack; a call that fails changes nothing."""
    trap.mock.call("set_trigger", 0, sender=STRANGER)
    for call in calls:
        try:
            call.make()
        except Reverted as reverted:
            if reverted.halt is not None:
                raise


def calls_out(trap: Trap) -> int:
    """How often the outer call reaches the hostile contract."""
    with trap.world.evm.rolled_back():
        trap.mock.call("set_trigger", 0, sender=STRANGER)
        trap.outer.make()
        return int(trap.mock.view("entries"))


@dataclass(slots=True)
class Serial:
    """What two calls in a row come to, in both orders; looked at once for each call."""

    trap: Trap
    asked: Domains
    seen: dict[tuple[str, bool], Picture] = field(default_factory=dict)

    def picture(self, name: str, call: Call, outer_first: bool) -> Picture:
        key = (name, outer_first)
        if key not in self.seen:
            with self.trap.world.evm.rolled_back():
                run_in_a_row(self.trap, *((self.trap.outer, call) if outer_first else (call, self.trap.outer)))
                self.seen[key] = take_picture(self.trap.world, self.asked)
        return self.seen[key]


def people(trap: Trap) -> Domains:
    """Those whom the calls are about, in the rounds that they can change."""
    world = trap.world
    return Domains(
        accounts=(trap.mock.address, TRANSCODER, DELEGATOR, RECEIVER, world.minter.address),
        rounds=(world.round, world.round + 1),
        small_numbers=(0, 1, 36),
        words=(bytes(32), MINTER_ROLE, contract_id("Minter")),
    )


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_call_out__callee_calls_back_everything__as_if_one_after_the_other(scenario: Scenario) -> None:
    """K21, and every other way out."""
    trap = make_trap(scenario)
    asked, calls, count = people(trap), attempts(trap), calls_out(trap)
    assert 0 < count <= MOST_CALLS_OUT
    serial = Serial(trap, asked)
    with trap.world.evm.rolled_back():
        run_in_a_row(trap, trap.outer)
        alone = take_picture(trap.world, asked)

    for number in range(1, count + 1):
        refused = []
        for name, call in calls.items():
            with trap.world.evm.rolled_back():
                if not run_nested(trap, number, [call])[0]:
                    refused.append(call)
                    continue
                nested = take_picture(trap.world, asked)
            orders = (serial.picture(name, call, outer_first) for outer_first in (True, False))
            found = [differences(each, nested) for each in orders if each != nested]
            assert (len(found) == 2) is (name in scenario.exceptions), (number, name, found)

        with trap.world.evm.rolled_back():
            assert not any(run_nested(trap, number, refused))
            assert differences(alone, take_picture(trap.world, asked)) == {}
        assert refused


def test_bonding_votes__whatever_it_calls__is_called_statically() -> None:
    """Who is told of the new round's stake, in the middle of its initialisation, could still call reward for what the
    last round left over. The votes cannot: they only ask."""
    source = parse("BondingVotes.vy")

    assert source.get_descendants(ast.StaticCall)
    assert not source.get_descendants(ast.ExtCall)
    assert {"raw_call", "send", "raw_create"}.isdisjoint(name.id for name in source.get_descendants(ast.Name))


def test_batch__bonding_manager_calls_back_everything_and_refuses__nothing_stays() -> None:
    """The broker catches the refusal, which takes back what the callee did. What it took for the group is taken back by
    the broker itself."""
    trap = make_trap(REFUSED_BATCH)
    asked, calls = people(trap), attempts(trap)
    before = take_picture(trap.world, asked)
    with trap.world.evm.rolled_back():
        quiet = trap.outer.make().gas_used
        assert differences(before, take_picture(trap.world, asked)) == {}

    for call in calls.values():
        trap.mock.call("add_attempt", call.contract.address, calldata(call), sender=STRANGER)
    trap.mock.call("set_trigger", 1, sender=STRANGER)
    loud = trap.outer.make().gas_used

    assert loud > quiet + LEAST_GAS_OF_A_CALL * len(calls)
    assert differences(before, take_picture(trap.world, asked)) == {}


# --- ETH is paid with the gas of a plain transfer ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Payee:
    """A hostile contract that makes its calls by itself: one that `let_call` has prepared would not get by with the gas
    of a plain transfer."""

    world: World
    mock: Contract

    def does(self, contract: Contract, function: str, *args: object) -> bool:
        """Whether the call succeeded."""
        data = contract.interface.functions[function].encode(args)
        self.mock.call("clear_attempts", sender=STRANGER)
        self.mock.call("add_attempt", contract.address, data, sender=STRANGER)
        self.mock.call("set_trigger", 1, sender=STRANGER)
        self.world.evm.transact(STRANGER, self.mock.address, selector("act()"))
        return bool(self.mock.view("succeeded", 0))

    @property
    def wealth(self) -> int:
        return self.world.evm.balance(self.mock.address)


def make_payee(world: World, poked: Contract, function: str, *args: object) -> Payee:
    """It makes this call whenever ETH comes in."""
    poke = poked.interface.functions[function].encode(args)
    return Payee(world, world.deploy("HostileMock", poked.address, poke))


def test_withdraw__k21_receiver_calls_back_with_the_stipend__is_paid_once() -> None:
    world = make_world()
    payee = make_payee(world, world.broker, "withdraw")
    world.evm.give(STRANGER, ETH)
    world.broker.call("fundDepositAndReserveFor", payee.mock.address, 3, 4, sender=STRANGER, value=7)
    assert payee.does(world.broker, "unlock")
    world.next_round(world.params.unlock_period_rounds)
    held = world.evm.balance(world.minter.address)

    assert payee.does(world.broker, "withdraw")

    assert (payee.wealth, world.evm.balance(world.minter.address)) == (7, held - 7)
    assert not payee.does(world.broker, "withdraw")


def test_withdraw_fees__k21_receiver_calls_back_with_the_stipend__is_paid_once() -> None:
    world = make_world()
    payee = make_payee(world, world.bonding, "withdrawFees", RECEIVER, 5)
    mock = payee.mock.address
    world.fund(STRANGER, lpt=LPT)
    world.token.call("transfer", mock, LPT, sender=STRANGER)
    assert payee.does(world.token, "approve", world.bonding.address, LPT)
    assert payee.does(world.bonding, "bond", LPT, TRANSCODER)
    world.next_round()
    world.earn_fee(ETH // 10)
    fees = world.bonding.view("pendingFees", mock, 0)
    held = world.evm.balance(world.minter.address)

    assert payee.does(world.bonding, "withdrawFees", mock, fees - 5)

    assert (payee.wealth, world.evm.balance(RECEIVER)) == (fees - 5, 0)
    assert world.evm.balance(world.minter.address) == held - fees + 5
    assert world.bonding.view("getDelegator", mock)[1] == 5


def test_trusted_withdraw_eth__k21_receiver__gets_the_gas_of_a_plain_transfer() -> None:
    """Whatever a receiver does with it: no state changes with so little (EIP-2200), so nobody is entered again."""
    world = make_world()
    meter = world.deploy("GasMeterMock")

    world.evm.let_call(world.bonding.address)
    receipt = world.minter.call("trustedWithdrawETH", meter.address, 1, sender=world.bonding.address)

    [log] = [log for log in receipt.logs if log.address == meter.address]
    assert STIPEND - 200 < int.from_bytes(log.data, "big") <= STIPEND
