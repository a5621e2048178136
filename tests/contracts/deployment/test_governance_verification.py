"""A deployment that is broken in one way is named for it, with what mends it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from eth_utils.crypto import keccak

from scripts import verify_deployment
from scripts._deployment.checks import table
from scripts._deployment.governance import FAUCET, GOVERNOR, TREASURY, VOTING, update_id
from scripts._deployment.governance_checks import ALREADY, ROLE_GRANTED, TREASURY_ROLES
from scripts._deployment.steps import ROLES, Check
from scripts._layouts import layout_of
from scripts._params import LOCAL, Profile
from scripts._protocol import expectation
from scripts.deploy import address_file
from tests.contracts.deployment.deployer import LPT, Deployer, Died, Fault

TRUE = "0x" + "00" * 31 + "01"
FALSE = "0x" + "00" * 32


def differing(governed: Deployer, *, profile: Profile = "development", owner: str | None = None) -> dict[str, Check]:
    wanted = expectation(
        LOCAL,
        profile=profile,
        deployer=governed.address,
        owner=owner or governed.owner,
        paused=False,
        block=0,
    )
    checks = wanted.check(governed.site)
    assert len(checks) > 100
    found = {check.subject: check for check in checks if not check.ok}
    # Every difference says on its own line what mends it.
    assert all(check.remedy in table(checks) for check in found.values())
    return found


def act(governed: Deployer, name: str, method: str, *arguments: Any, by: str) -> None:
    """As a contract of governance would."""
    site = governed.site
    site.rpc("anvil_setBalance", site.addresses[by], hex(10**18))
    site.rpc("anvil_impersonateAccount", site.addresses[by])
    data = "0x" + bytes(site.call(name, method, *arguments).data).hex()
    sent = site.rpc("eth_sendTransactionSync", {"from": site.addresses[by], "to": site.addresses[name], "data": data})
    assert int(sent["status"], 16) == 1


def store(governed: Deployer, name: str, slot: int | str, value: str) -> None:
    place = slot if isinstance(slot, str) else "0x" + slot.to_bytes(32, "big").hex()
    governed.site.rpc("anvil_setStorageAt", governed.site.addresses[name], place, value)


def test_check__handed_over__finds_no_difference(governed: Deployer) -> None:
    assert differing(governed) == {}


def test_check__token_that_is_used__asks_the_node_for_the_grants_alone(governed: Deployer) -> None:
    """A public node refuses to tell all transfers of a token at once."""
    site = governed.site
    site.at("LivepeerToken").approve(governed.address, 1, sender=governed.account)
    granted = site.logs("LivepeerToken", 0, ROLE_GRANTED)

    assert len(granted) >= 3
    assert {log.topics[0] for log in granted} == {ROLE_GRANTED}
    assert len(site.logs("LivepeerToken", 0)) > len(granted)


# --- initialisers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "contract"), [(VOTING, VOTING), (f"{VOTING}Target", VOTING), (TREASURY, TREASURY)])
def test_check__contract_that_can_be_initialised__is_named(governed: Deployer, name: str, contract: str) -> None:
    """K22."""
    layout: Any = layout_of(contract)
    store(governed, name, layout["_initialized"]["slot"], FALSE)

    found = differing(governed)[f"{name}.initialize"]
    assert (found.expected, found.found) == (ALREADY, "open to anybody")
    assert f"Whoever calls it owns {name}" in found.remedy
    assert "`ape run deploy --restart`" in str(found)


# --- roles of the treasury ------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["TIMELOCK_ADMIN_ROLE", "PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE"])
def test_check__treasury_role_of_the_deployer__is_named(governed: Deployer, role: str) -> None:
    id_ = TREASURY_ROLES[role]
    act(governed, TREASURY, "grantRole", id_, governed.address, by=TREASURY)

    found = differing(governed)
    assert list(found) == [f"{TREASURY}: holders of {role}"]
    (check,) = found.values()
    assert governed.address in check.found
    assert governed.address not in check.expected
    assert check.remedy == f"A proposal has to call Treasury.revokeRole(0x{id_.hex()}, {governed.address})"


def test_check__anybody_may_execute_the_treasurys_operations__is_named(governed: Deployer) -> None:
    null = "0x" + "00" * 20
    act(governed, TREASURY, "grantRole", TREASURY_ROLES["EXECUTOR_ROLE"], null, by=TREASURY)

    assert null in differing(governed)[f"{TREASURY}: holders of EXECUTOR_ROLE"].found


def test_check__treasury_role_that_nobody_planned__is_named(governed: Deployer) -> None:
    other = keccak(text="OTHER_ROLE")
    # Nobody can give such a role away, unless the storage says so.
    store(
        governed, TREASURY, _admin_slot(TREASURY_ROLES["DEFAULT_ADMIN_ROLE"], governed.site.addresses[TREASURY]), TRUE
    )
    act(governed, TREASURY, "grantRole", other, governed.address, by=TREASURY)

    found = differing(governed)
    assert found[f"{TREASURY}: holders of role 0x{other.hex()}"].expected == "nobody"


def _admin_slot(role: bytes, account: str) -> str:
    """Of `hasRole[role][account]` in the treasury."""
    layout: Any = layout_of(TREASURY)
    slot = layout["roles"]["hasRole"]["slot"].to_bytes(32, "big")
    inner = keccak(slot + role)
    return "0x" + keccak(inner + bytes.fromhex(account[2:]).rjust(32, b"\0")).hex()


def test_check__governor_lost_its_role__is_named(governed: Deployer) -> None:
    id_ = TREASURY_ROLES["PROPOSER_ROLE"]
    governor = governed.site.addresses[VOTING]
    act(governed, TREASURY, "revokeRole", id_, governor, by=TREASURY)

    found = differing(governed)[f"{TREASURY}: holders of PROPOSER_ROLE"]
    assert (found.expected, found.found) == (governor, "nobody")
    assert f"Treasury.grantRole(0x{id_.hex()}, {governor})" in found.remedy


# --- owners ---------------------------------------------------------------------------------------


def test_check__controller_owned_by_a_key__is_named(governed: Deployer, accounts: Any) -> None:
    act(governed, "Controller", "transferOwnership", str(accounts[4].address), by=GOVERNOR)

    found = differing(governed)["Controller.owner"]
    governor = governed.site.addresses[GOVERNOR]
    assert (found.expected, found.found) == (governor, str(accounts[4].address))
    assert f"Controller.transferOwnership({governor})" in found.remedy


def test_check__governor_owned_by_another__is_named(governed: Deployer, accounts: Any) -> None:
    act(governed, GOVERNOR, "transferOwnership", str(accounts[4].address), by=GOVERNOR)

    found = differing(governed)
    assert list(found) == [f"{GOVERNOR}.owner"]
    assert found[f"{GOVERNOR}.owner"].found == str(accounts[4].address)
    assert f"Governor.transferOwnership({governed.owner})" in found[f"{GOVERNOR}.owner"].remedy


def test_check__faucet_owned_by_another__is_named(governed: Deployer, accounts: Any) -> None:
    governed.site.at(FAUCET).transferOwnership(accounts[4], sender=accounts[12])

    assert list(differing(governed)) == [f"{FAUCET}.owner"]


def test_check__token_admin_is_the_deployer__is_named(governed: Deployer) -> None:
    act(governed, "LivepeerToken", "grantRole", ROLES["DEFAULT_ADMIN_ROLE"], governed.address, by=GOVERNOR)

    found = differing(governed)
    assert list(found) == ["holders of DEFAULT_ADMIN_ROLE"]
    assert f"revokeRole(0x{'00' * 32}, {governed.address})" in found["holders of DEFAULT_ADMIN_ROLE"].remedy


def test_check__update_left_behind__is_named(governed: Deployer, accounts: Any) -> None:
    """By such an update, staged before it handed over, a deployer could come back."""
    site = governed.site
    data = site.calldata(GOVERNOR, "transferOwnership", governed.address)
    update = ((site.addresses[GOVERNOR],), (0,), (data,), 7)
    site.at(GOVERNOR).stage(update, 100, sender=accounts[12])

    found = differing(governed)
    subject = f"update 0x{update_id(update).hex()}"
    assert list(found) == [subject]
    assert found[subject].found.startswith("staged, due at block ")
    assert "`ape run cancel_update FILE`" in found[subject].remedy

    site.at(GOVERNOR).cancel(update, sender=accounts[12])
    assert differing(governed) == {}


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "setter", "value", "by", "subject"),
    [
        (TREASURY, "updateDelay", 5, TREASURY, "Treasury.getMinDelay"),
        ("BondingManager", "setTreasuryRewardCutRate", 1, GOVERNOR, "BondingManager.nextRoundTreasuryRewardCutRate"),
        ("BondingManager", "setTreasuryBalanceCeiling", 1, GOVERNOR, "BondingManager.treasuryBalanceCeiling"),
        ("BondingManager", "setUnbondingPeriod", 3, GOVERNOR, "BondingManager.unbondingPeriod"),
    ],
)
def test_check__setting_changed__is_named(
    governed: Deployer, name: str, setter: str, value: int, by: str, subject: str
) -> None:
    act(governed, name, setter, value, by=by)

    found = differing(governed)
    assert list(found) == [subject]
    assert found[subject].found == value
    assert setter in found[subject].remedy


@pytest.mark.parametrize("variable", ["votingDelay", "votingPeriod", "proposalThreshold"])
def test_check__setting_of_the_governor_changed__is_named(governed: Deployer, variable: str) -> None:
    layout: Any = layout_of(VOTING)
    store(governed, VOTING, layout[variable]["slot"], "0x" + (77).to_bytes(32, "big").hex())

    found = differing(governed)
    assert list(found) == [f"{VOTING}.{variable}"]
    assert found[f"{VOTING}.{variable}"].found == 77
    assert f"A proposal has to call the {VOTING}'s setter" in str(found[f"{VOTING}.{variable}"])


def test_check__quota_changed__is_named(governed: Deployer) -> None:
    layout: Any = layout_of(VOTING)
    store(governed, VOTING, layout["tally"]["quota"]["slot"], FALSE)

    assert list(differing(governed)) == [f"{VOTING}.quota"]


@pytest.mark.parametrize(("variable", "getter"), [("timelock", "timelock"), ("token", "token")])
def test_check__governor_obeys_other_contracts__is_named(governed: Deployer, variable: str, getter: str) -> None:
    layout: Any = layout_of(VOTING)
    other = governed.site.addresses["Minter"]
    store(governed, VOTING, layout[variable]["slot"], "0x" + other[2:].lower().rjust(64, "0"))

    assert differing(governed)[f"{VOTING}.{getter}"].found == other


def test_check__treasury_reached_its_ceiling__the_cut_has_ended_and_is_no_difference(governed: Deployer) -> None:
    """The protocol ends it by itself (LIP-92)."""
    site = governed.site
    act(governed, "LivepeerToken", "grantRole", ROLES["MINTER_ROLE"], site.addresses[GOVERNOR], by=GOVERNOR)
    amount = LOCAL.treasury_balance_ceiling_lpt * LPT
    act(governed, "LivepeerToken", "mint", site.addresses[TREASURY], amount, by=GOVERNOR)
    act(governed, "LivepeerToken", "renounceRole", ROLES["MINTER_ROLE"], site.addresses[GOVERNOR], by=GOVERNOR)
    act(governed, "BondingManager", "setTreasuryRewardCutRate", 0, by=GOVERNOR)

    assert differing(governed) == {}


@pytest.mark.parametrize("name", [TREASURY, GOVERNOR, VOTING, f"{VOTING}Target", "PollCreator", "MerkleSnapshot"])
def test_check__other_code_of_governance__is_named(governed: Deployer, name: str) -> None:
    site = governed.site
    code = site.code(site.addresses[name])
    site.rpc("anvil_setCode", site.addresses[name], "0x" + (code + b"\x00").hex())

    assert f"{name} code" in differing(governed)


def test_check__faucet_gives_more__is_named(governed: Deployer, project: Any) -> None:
    """Amounts are written into the code."""
    site = governed.site
    other = governed.account.deploy(project.LivepeerTokenFaucet, site.addresses["LivepeerToken"], 10**24, 1)
    site.rpc("anvil_setCode", site.addresses[FAUCET], "0x" + site.code(str(other.address)).hex())

    assert list(differing(governed)) == [f"{FAUCET} code"]


# --- production -----------------------------------------------------------------------------------


def test_check__production_with_a_governor_of_a_key__is_named(governed: Deployer) -> None:
    found = differing(governed, profile="production")

    assert list(found) == [f"{GOVERNOR}.owner is"]
    assert found[f"{GOVERNOR}.owner is"].found == f"the key of {governed.owner}"
    assert "multi-signature contract" in found[f"{GOVERNOR}.owner is"].remedy


def test_check__production_with_a_governor_of_a_key_that_lends_code__is_named(governed: Deployer) -> None:
    """EIP-7702: such an account has code, and its key signs for it all the same."""
    lent = governed.site.addresses[TREASURY]
    governed.site.rpc("anvil_setCode", governed.owner, "0xef0100" + lent[2:].lower())

    found = differing(governed, profile="production")
    assert list(found) == [f"{GOVERNOR}.owner is"]
    assert found[f"{GOVERNOR}.owner is"].found == f"the key of {governed.owner}, which lends it the code at {lent}"


def test_check__production_with_a_key_in_the_treasury__is_named(governed: Deployer) -> None:
    act(governed, TREASURY, "grantRole", TREASURY_ROLES["CANCELLER_ROLE"], governed.address, by=TREASURY)

    found = differing(governed, profile="production")
    assert found[f"{TREASURY}: CANCELLER_ROLE of {governed.address} is"].found == f"the key of {governed.address}"


def test_check__production_owned_by_contracts__finds_no_difference(governed_deployer: Deployer, project: Any) -> None:
    deployer = replace(governed_deployer, params=replace(LOCAL, faucet_supply_lpt=0))
    deployer.owner = str(deployer.account.deploy(project.L2LPTDataCache).address)
    deployer.run()
    wanted = expectation(
        deployer.params, profile="production", deployer=deployer.address, owner=deployer.owner, paused=False, block=0
    )

    assert [str(check) for check in wanted.check(deployer.site) if not check.ok] == []
    assert FAUCET not in deployer.site.addresses


def test_check__died_before_it_handed_over__names_every_right_the_deployer_still_has(
    governed_deployer: Deployer,
) -> None:
    deployer = governed_deployer
    # The last six: admin granted, Controller transferred, admin renounced, Governor staged and transferred, faucet.
    with pytest.raises(Died):
        deployer.run(Fault("before sending", after=59))
    deployer.sites.append(deployer.recorded_site())

    found = differing(deployer)
    assert set(found) == {
        "Controller.owner",
        "holders of DEFAULT_ADMIN_ROLE",
        f"{GOVERNOR}.owner",
        f"{FAUCET}.owner",
    }
    assert found["Controller.owner"].found == deployer.address
    assert "`ape run deploy` goes on and hands over" in found["Controller.owner"].remedy
    assert f"revokeRole(0x{'00' * 32}, {deployer.address})" in found["holders of DEFAULT_ADMIN_ROLE"].remedy

    assert deployer.run() == 6
    assert differing(deployer) == {}


# --- the command ----------------------------------------------------------------------------------


def verify(deployer: Deployer, **options: Any) -> None:
    values: dict[str, Any] = {"named": "local", "given": None, "addresses": None, "owner": None, "paused": None}
    verify_deployment.cli.callback(provider=deployer.account.provider, **{**values, **options})


def test_verify_deployment__with_addresses_only__knows_everything_from_the_chain(
    governed: Deployer, tmp_path: Path, capsys: Any
) -> None:
    file = tmp_path / "addresses.json"
    chain_id = governed.account.provider.chain_id
    file.write_text(json.dumps(address_file(governed.site.addresses, chain_id, 0)))

    verify(governed, addresses=file)
    assert " 0 differ" in capsys.readouterr().out

    act(governed, "BondingManager", "setUnbondingPeriod", 3, by=GOVERNOR)
    with pytest.raises(SystemExit):
        verify(governed, addresses=file)
    told = capsys.readouterr()
    assert "1 differ" in told.out
    assert "The Controller's owner has to call BondingManager.setUnbondingPeriod(7)" in told.err


def test_verify_deployment__before_governance_is_there__says_what_to_do(governed_deployer: Deployer) -> None:
    with pytest.raises(Died):
        governed_deployer.run(Fault("before sending", after=30))

    with pytest.raises(click.ClickException, match="finish the deployment with `ape run deploy`"):
        verify(governed_deployer, given=governed_deployer.path)
