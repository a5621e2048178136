"""Whatever somebody changes in a deployed protocol is found and named."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak

from scripts._deployment.checks import Expectation, table
from scripts._deployment.site import digest
from scripts._deployment.steps import ROLES, contract_id
from scripts._params import LOCAL, Profile
from scripts._protocol import expectation
from tests.contracts.deployment.deployer import Deployer

OTHER = keccak(text="OTHER_ROLE")


def expected(deployed: Deployer, *, profile: Profile = "development", **changes: Any) -> Expectation:
    values: dict[str, Any] = {"owner": None, "paused": False, "block": 0, "governed": False}
    return expectation(LOCAL, profile=profile, deployer=str(deployed.account.address), **{**values, **changes})


def differences(deployed: Deployer, **changes: Any) -> dict[str, tuple[Any, Any]]:
    """Subject -> expected and found."""
    checks = expected(deployed, **changes).check(deployed.site)
    assert len(checks) > 50
    return {check.subject: (check.expected, check.found) for check in checks if not check.ok}


def test_check__untouched__finds_no_difference(deployed: Deployer) -> None:
    assert differences(deployed) == {}


def test_check__right_to_mint_that_the_deployer_had_for_a_while__is_told_as_a_fact(deployed: Deployer) -> None:
    facts = {check.subject: check for check in expected(deployed).check(deployed.site)}

    once = facts["held MINTER_ROLE once"]
    assert (once.ok, once.found) == (True, str(deployed.account.address))
    # Nobody else has ever had a right that is gone.
    assert [subject for subject in facts if subject.endswith(" once")] == ["held MINTER_ROLE once"]


def test_check__rounds_later__knows_that_inflation_moves(deployed: Deployer, chain: Any) -> None:
    protocol = deployed.protocol()
    for _ in range(3):
        chain.mine(LOCAL.round_length_blocks)
        protocol.rounds_manager.initializeRound(sender=deployed.account)

    assert protocol.minter.inflation() != LOCAL.inflation_ppb
    assert differences(deployed) == {}


# --- one kind of tampering each -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contract", "setter", "value", "subject"),
    [
        ("bonding_manager", "setUnbondingPeriod", 8, "BondingManager.unbondingPeriod"),
        ("bonding_manager", "setNumActiveTranscoders", 11, "BondingManager.getTranscoderPoolMaxSize"),
        ("bonding_manager", "setTreasuryRewardCutRate", 1, "BondingManager.nextRoundTreasuryRewardCutRate"),
        ("bonding_manager", "setTreasuryBalanceCeiling", 1, "BondingManager.treasuryBalanceCeiling"),
        ("rounds_manager", "setRoundLength", 21, "RoundsManager.roundLength"),
        ("rounds_manager", "setRoundLockAmount", 1, "RoundsManager.roundLockAmount"),
        ("ticket_broker", "setUnlockPeriod", 1, "TicketBroker.unlockPeriod"),
        ("ticket_broker", "setTicketValidityPeriod", 9, "TicketBroker.ticketValidityPeriod"),
        ("minter", "setInflationChange", 501, "Minter.inflationChange"),
        ("minter", "setTargetBondingRate", 1, "Minter.targetBondingRate"),
    ],
)
def test_check__parameter_changed__is_named(
    deployed: Deployer, contract: str, setter: str, value: int, subject: str
) -> None:
    getattr(getattr(deployed.protocol(), contract), setter)(value, sender=deployed.account)

    found = differences(deployed)
    assert list(found) == [subject]
    assert found[subject][1] == value


def test_check__paused__is_named(deployed: Deployer) -> None:
    deployed.protocol().controller.pause(sender=deployed.account)

    assert differences(deployed) == {"Controller.paused": (False, True)}
    assert differences(deployed, paused=True) == {}


def test_check__running_but_should_be_paused__is_named(deployed: Deployer) -> None:
    assert differences(deployed, paused=True) == {"Controller.paused": (True, False)}


def test_check__controller_owned_by_another__is_named(deployed: Deployer, accounts: Any) -> None:
    deployed.protocol().controller.transferOwnership(accounts[4], sender=deployed.account)

    assert differences(deployed) == {
        "Controller.owner": (str(deployed.account.address), str(accounts[4].address)),
    }


@pytest.mark.parametrize("role", ["DEFAULT_ADMIN_ROLE", "MINTER_ROLE", "BURNER_ROLE"])
def test_check__role_given_to_a_key__is_named(deployed: Deployer, accounts: Any, role: str) -> None:
    deployed.protocol().livepeer_token.grantRole(ROLES[role], accounts[4], sender=deployed.account)

    found = differences(deployed)
    assert list(found) == [f"holders of {role}"]
    assert str(accounts[4].address) in found[f"holders of {role}"][1]


def test_check__role_nobody_knows__is_named(deployed: Deployer, accounts: Any) -> None:
    deployed.protocol().livepeer_token.grantRole(OTHER, accounts[4], sender=deployed.account)

    assert differences(deployed) == {f"holders of role 0x{OTHER.hex()}": ("nobody", str(accounts[4].address))}


def test_check__role_given_and_taken_back__is_no_difference(deployed: Deployer, accounts: Any) -> None:
    token = deployed.protocol().livepeer_token
    token.grantRole(OTHER, accounts[4], sender=deployed.account)
    token.revokeRole(OTHER, accounts[4], sender=deployed.account)

    assert differences(deployed) == {}


def test_check__minter_may_not_mint__is_named(deployed: Deployer) -> None:
    protocol = deployed.protocol()
    protocol.livepeer_token.revokeRole(ROLES["MINTER_ROLE"], protocol.minter.address, sender=deployed.account)

    assert differences(deployed) == {
        "Minter has MINTER_ROLE": (True, False),
        "holders of MINTER_ROLE": (str(protocol.minter.address), "nobody"),
    }


@pytest.mark.parametrize(
    "name",
    ["Minter", "LivepeerToken", "TicketBroker", "BondingManagerTarget", "RoundsManagerTarget", "JobsManager"],
)
def test_check__entry_of_the_registry_replaced__is_named(deployed: Deployer, accounts: Any, name: str) -> None:
    """Contracts that stand behind the entry no longer answer, which is named too."""
    address = deployed.site.addresses["TicketBroker" if name == "JobsManager" else name]
    deployed.protocol().controller.setContractInfo(
        contract_id(name), accounts[4].address, bytes(20), sender=deployed.account
    )

    assert differences(deployed)[f"registered {name}"] == (address, str(accounts[4].address))


def test_check__entry_of_the_registry_removed__is_named(deployed: Deployer) -> None:
    address = deployed.site.addresses["BondingVotes"]
    null = "0x" + "00" * 20
    deployed.protocol().controller.setContractInfo(
        contract_id("BondingVotes"), null, bytes(20), sender=deployed.account
    )

    assert differences(deployed) == {"registered BondingVotes": (address, null)}


@pytest.mark.parametrize(("name", "shown"), [("Verifier", "Verifier"), ("X", "0x" + contract_id("X").hex())])
def test_check__entry_that_nobody_planned__is_named(deployed: Deployer, accounts: Any, name: str, shown: str) -> None:
    deployed.protocol().controller.setContractInfo(
        contract_id(name), accounts[4].address, bytes(20), sender=deployed.account
    )

    assert differences(deployed) == {f"registered {shown}": ("nothing", str(accounts[4].address))}


@pytest.mark.parametrize("name", ["Minter", "BondingVotes", "BondingVotesTarget"])
def test_check__manager_handed_to_another_controller__is_named(deployed: Deployer, project: Any, name: str) -> None:
    other = deployed.account.deploy(project.Controller)
    deployed.protocol().controller.updateController(contract_id(name), other.address, sender=deployed.account)

    found = differences(deployed)
    assert found[f"{name}.controller"] == (deployed.site.addresses["Controller"], str(other.address))


@pytest.mark.parametrize("name", ["Controller", "Minter", "LivepeerToken", "ServiceRegistryTarget", "L2LPTDataCache"])
def test_check__other_code__is_named(deployed: Deployer, name: str) -> None:
    """One byte behind the code changes nothing but its hash."""
    address = deployed.site.addresses[name]
    code = deployed.site.code(address)
    deployed.site.rpc("anvil_setCode", address, "0x" + (code + b"\x00").hex())

    assert differences(deployed) == {f"{name} code": (digest(code), digest(code + b"\x00"))}


def test_check__proxy_made_for_other_code__is_named(deployed: Deployer, project: Any) -> None:
    """The id is written into a proxy's code when it is created, behind what the compiler makes."""
    other = deployed.account.deploy(
        project.ManagerProxy, deployed.site.addresses["Controller"], contract_id("MinterTarget")
    )
    address = deployed.site.addresses["ServiceRegistry"]
    code = deployed.site.code(str(other.address))
    deployed.site.rpc("anvil_setCode", address, "0x" + code.hex())

    found = differences(deployed)
    assert list(found) == ["ServiceRegistry code"]
    assert found["ServiceRegistry code"][1] == digest(code)


def test_check__id_in_a_proxys_storage_changed__is_named(deployed: Deployer) -> None:
    other = "0x" + contract_id("MinterTarget").hex()
    deployed.site.rpc("anvil_setStorageAt", deployed.site.addresses["ServiceRegistry"], "0x" + "00" * 31 + "01", other)

    found = differences(deployed)
    assert list(found) == ["ServiceRegistry.targetContractId"]
    assert found["ServiceRegistry.targetContractId"][1] == other


def test_check__no_code_at_all__is_named(deployed: Deployer) -> None:
    deployed.site.rpc("anvil_setCode", deployed.site.addresses["TicketBrokerTarget"], "0x")

    found = differences(deployed)
    assert found["TicketBrokerTarget code"][1] == "no code"
    assert found["TicketBroker.setUnlockPeriod"][0] == "an answer"


def test_check__inflation_out_of_reach__is_named(deployed: Deployer, chain: Any) -> None:
    """Another Minter, registered with the right code, that began elsewhere."""
    protocol = deployed.protocol()
    wrong = expected(deployed)
    object.__setattr__(wrong, "inflation_ppb", LOCAL.inflation_ppb + 10_000)

    found = [check for check in wrong.check(deployed.site) if not check.ok]
    assert [check.subject for check in found] == ["Minter.inflation"]
    assert found[0].found == str(protocol.minter.inflation())


# --- production -----------------------------------------------------------------------------------


def test_check__production_owned_by_keys__names_each(deployed: Deployer) -> None:
    key = f"the key of {deployed.account.address}"

    assert differences(deployed, profile="production") == {
        "Controller.owner is": ("a contract", key),
        f"DEFAULT_ADMIN_ROLE of {deployed.account.address} is": ("a contract", key),
    }


def test_check__production_owned_by_a_contract__finds_no_difference(deployed: Deployer, project: Any) -> None:
    owner = str(deployed.account.deploy(project.L2LPTDataCache).address)
    deployed.owner = owner

    assert deployed.run() == 3
    assert differences(deployed, profile="production", owner=owner) == {}


def test_table__difference__shows_both_sides(deployed: Deployer) -> None:
    deployed.protocol().ticket_broker.setUnlockPeriod(9, sender=deployed.account)

    lines = [line.split() for line in table(expected(deployed).check(deployed.site)).splitlines()]
    assert ["DIFFERS", "TicketBroker.unlockPeriod", "2"] in lines
    assert ["found", "9"] in lines
    assert ["mend", "The", "Controller's", "owner", "has", "to", "call", "TicketBroker.setUnlockPeriod(2)"] in lines
    assert sum(line[0] == "ok" for line in lines) == len(lines) - 3
