"""New code behind each proxy, with live state: nothing is lost, and everything goes on as it would have without."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from scripts._protocol import PROXIED
from tests.contracts.safety.reverts.sources import CONTRACTS
from tests.support.artifacts import compile_all
from tests.support.evm import Contract, Reverted
from tests.support.evm_abi import Interface
from tests.support.evm_picture import Domains, Picture, differences, domains, take_picture
from tests.support.evm_suite import contract_id
from tests.support.evm_world import (
    DELEGATOR,
    ETH,
    LPT,
    NEWCOMER,
    NO_HINTS,
    RECEIVER,
    SECOND,
    STRANGER,
    TRANSCODER,
    World,
    make_world,
)
from tests.support.tickets import Signed, batch
from tests.support.variants import variant

URI = "https://orchestrator.example:8935"
ANSWER = 7
MANAGER = "initializes: manager\n"
# Shows that the new code runs.
VISIBLE = {
    MANAGER: f"{MANAGER}\n\n@external\n@view\ndef isNewVersion() -> uint256:\n    return {ANSWER}\n\n\n",
}
# One variable more in front of all others, as by a careless change.
SHIFTED = {MANAGER: f"{MANAGER}\n\n_inserted: uint256\n\n"}


def live(world: World) -> tuple[list[Signed], list[Signed]]:
    """A history that writes every variable of every proxied contract. Tickets that were redeemed, and some that can be
    redeemed later."""
    world.registry.call("setServiceURI", URI, sender=TRANSCODER)
    world.registry.call("setServiceURI", "x" * 1024, sender=SECOND)
    world.rounds.call("setLIPUpgradeRound", 36, 5, sender=world.owner)
    world.register("Treasury", RECEIVER)
    world.bonding.call("setTreasuryRewardCutRate", 10**26, sender=world.owner)
    world.bonding.call("setTreasuryBalanceCeiling", 10**6 * LPT, sender=world.owner)
    world.bonding.call("setRewardCaller", STRANGER, sender=TRANSCODER)
    world.with_lock()
    world.next_round()
    used = [world.ticket(), world.ticket(face_value_wei=ETH + ETH // 4)]
    for signed in used:
        world.redeem(signed)
    world.bonding.call("reward", sender=TRANSCODER)
    world.bonding.call("transferBond", NEWCOMER, 20 * LPT, *NO_HINTS, sender=DELEGATOR)
    world.bonding.call("withdrawFees", RECEIVER, 1, sender=TRANSCODER)
    world.fund_sender(ETH, ETH // 2)
    world.evm.give(STRANGER, ETH)
    world.broker.call("fundDepositAndReserveFor", RECEIVER, 3, 4, sender=STRANGER, value=7)
    world.broker.call("unlock", sender=RECEIVER)
    world.next_round()
    world.bonding.call("reward", sender=SECOND)
    world.become_transcoder(STRANGER, 5 * LPT)
    world.rounds.call("setRoundLength", world.params.round_length_blocks + 3, sender=world.owner)
    return used, [world.ticket(), world.ticket(recipient=SECOND)]


def go_on(world: World, tickets: list[Signed]) -> None:
    """Everybody uses what they had before."""
    world.broker.call("batchRedeemWinningTickets", *batch(tickets), sender=STRANGER)
    world.bonding.call("rewardForTranscoder", TRANSCODER, sender=STRANGER)
    world.bonding.call("rebond", 0, sender=DELEGATOR)
    world.bonding.call("claimEarnings", 0, sender=NEWCOMER)
    world.next_round(2)
    world.broker.call("withdraw", sender=RECEIVER)
    world.bonding.call("unbond", 5 * LPT, sender=STRANGER)
    world.bonding.call("withdrawFees", RECEIVER, world.bonding.view("pendingFees", DELEGATOR, 0), sender=DELEGATOR)
    world.registry.call("setServiceURI", "https://moved.example", sender=SECOND)
    world.redeem(world.ticket())
    world.next_round()


def hashes(*groups: list[Signed]) -> list[bytes]:
    return [signed.ticket.hash() for group in groups for signed in group]


def upgrade(world: World, name: str, changes: Mapping[str, str]) -> Contract:
    """Register code compiled from a changed source; the proxy with the new interface."""
    artifact = variant(name, changes)
    target = world.evm.deploy(artifact, world.controller.address, sender=world.owner)
    world.register(f"{name}Target", target.address)
    return world.evm.at(world.contracts()[name].address, Interface.of(name, artifact.abi))


def without_registration(picture: Picture, name: str) -> Picture:
    """The address of the code is what an upgrade changes."""
    registered = {
        ("Controller", f"{f}(bytes32)", (contract_id(f"{name}Target"),)) for f in ("getContract", "getContractInfo")
    }
    assert registered <= picture.keys()
    return {key: value for key, value in picture.items() if key not in registered}


@pytest.mark.parametrize("name", PROXIED)
def test_upgrade__any_target__keeps_all_state_and_goes_on(name: str) -> None:
    world, twin = make_world(), make_world()
    used, open_tickets = live(world)
    live(twin)
    asked = domains(world, tickets=hashes(used, open_tickets))
    before = take_picture(world, asked)

    upgraded = upgrade(world, name, VISIBLE)

    assert upgraded.view("isNewVersion") == ANSWER
    with pytest.raises(Reverted):
        twin.evm.query(twin.contracts()[name].address, upgraded.interface.functions["isNewVersion"].encode(()))
    after = take_picture(world, asked)
    assert differences(without_registration(before, name), without_registration(after, name)) == {}

    go_on(world, open_tickets)
    go_on(twin, open_tickets)
    later = domains(world, tickets=hashes(used, open_tickets))
    found, expected = (without_registration(take_picture(each, later), name) for each in (world, twin))
    assert differences(expected, found) == {}
    assert differences(without_registration(before, name), found)


@pytest.mark.parametrize("name", PROXIED)
def test_upgrade__layout_that_moved__is_caught(name: str) -> None:
    """The check above would see it."""
    world = make_world()
    used, open_tickets = live(world)
    asked = domains(world, tickets=hashes(used, open_tickets))
    before = take_picture(world, asked)

    upgrade(world, name, SHIFTED)

    lost = differences(without_registration(before, name), without_registration(take_picture(world, asked), name))
    assert any(key[0] == name for key in lost)


def test_live__history__writes_every_proxied_contract() -> None:
    """A picture of defaults would show nothing."""
    world, fresh = make_world(), make_world()
    used, _ = live(world)
    asked: Domains = domains(world, tickets=hashes(used))
    changed = differences(take_picture(fresh, asked), take_picture(world, asked))
    moved = {(contract, function.split("(")[0]) for contract, function, _ in changed}

    for contract, functions in {
        "BondingManager": {
            "getDelegator",
            "getDelegatorUnbondingLock",
            "getTranscoder",
            "getTranscoderEarningsPoolForRound",
            "transcoderToRewardCaller",
            "treasuryRewardCutRate",
            "treasuryBalanceCeiling",
            "getTranscoderPoolSize",
            "currentRoundTotalActiveStake",
        },
        "TicketBroker": {"getSenderInfo", "getReserveInfo", "usedTickets", "isUnlockInProgress"},
        "BondingVotes": {"getPastVotes", "delegatedAt", "getTotalActiveStakeAt", "hasCheckpoint"},
        "RoundsManager": {"roundLength", "blockHashForRound", "lipUpgradeRound", "lastInitializedRound"},
        "ServiceRegistry": {"getServiceURI"},
    }.items():
        assert {(contract, function) for function in functions} <= moved


# --- what passes a proxy ----------------------------------------------------------------------------------------------


@pytest.fixture
def through() -> Contract:
    """A proxy with the mock of a target behind it."""
    world = make_world()
    mock = compile_all(["mocks/ProxyTargetMock"])["ProxyTargetMock"]
    world.register("SomethingTarget", world.evm.deploy(mock, world.controller.address).address)
    proxy = world.evm.deploy(world.code["ManagerProxy"], world.controller.address, contract_id("SomethingTarget"))
    return world.evm.at(proxy.address, Interface.of(mock.name, mock.abi))


def answer_bound() -> int:
    """As the source states it."""
    [line] = [line for line in (CONTRACTS / "ManagerProxy.vy").read_text().splitlines() if "ANSWER_BOUND:" in line]
    return int(line.rsplit("=", 1)[1])


def raw(contract: Contract, function: str, data: bytes) -> bytes:
    """Return data as they are."""
    call = contract.interface.functions[function].encode((data,))
    return contract.evm.transact(STRANGER, contract.address, call)


@pytest.mark.parametrize("below", [1, 2, 32, 33])
def test_proxy__answer_below_the_bound__passes_unchanged(through: Contract, below: int) -> None:
    answer = bytes(index % 251 + 1 for index in range(answer_bound() - below))

    assert raw(through, "answer_with", answer) == answer


@pytest.mark.parametrize("size", [0, 1, 4, 31, 32])
def test_proxy__short_answer__passes_unchanged(through: Contract, size: int) -> None:
    assert raw(through, "answer_with", b"\x05" * size) == b"\x05" * size


@pytest.mark.parametrize("beyond", [0, 1, 31, 32, 1000])
def test_proxy__answer_that_fills_the_bound__reverts_by_name(through: Contract, beyond: int) -> None:
    with pytest.raises(Reverted) as failure:
        raw(through, "answer_with", b"\x05" * (answer_bound() + beyond))

    assert failure.value.reason == "answer of target contract is too long"


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 31, 32, 33, 100, 1119, 1120, 1121, 4096, 8192])
def test_proxy__failure_with_data_of_any_length__passes_it_unchanged(through: Contract, size: int) -> None:
    data = bytes(index % 251 + 1 for index in range(size))

    with pytest.raises(Reverted) as failure:
        raw(through, "fail_with", data)

    assert failure.value.data == data


def test_proxy__longest_answer_of_any_target__is_below_the_bound() -> None:
    world = make_world()
    live(world)
    asked = domains(world)
    longest = 0
    for name in PROXIED:
        contract = world.contracts()[name]
        for function in contract.interface.own_functions():
            if function.mutability in ("view", "pure") and function.inputs.kinds in ((), ("address",)):
                for args in asked.of(function):
                    try:
                        answer = world.evm.query(contract.address, function.encode(args))
                    except Reverted:
                        continue
                    longest = max(longest, len(answer))

    assert 1024 + 64 <= longest < answer_bound()
