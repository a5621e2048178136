"""New code behind a proxy: what is refused, what is kept, and that it can die anywhere."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts._deployment.command import commit_told
from scripts._deployment.errors import DeploymentError, IncompatibleLayout
from scripts._deployment.journal import Journal
from scripts._deployment.run import Run
from scripts._deployment.steps import contract_id
from scripts._deployment.upgrade import layout_in_force, upgrade_of
from scripts._environment import ROOT
from scripts._layouts import incompatibilities, layout_of, snapshot
from scripts._params import LOCAL
from scripts._protocol import construction, expectation
from scripts.upgrade import carry_out
from tests.contracts.deployment.deployer import Deployer, Died, Fault, MortalSender, altered_type

URI = "https://orchestrator.example:8935"
NEW_VIEW = """

@external
@view
def version() -> uint256:
    return {version}
"""
NEW_VARIABLE = "\n\n_added: uint256\n"
IN_FRONT = ("_service_uris:", "_added: uint256\n_service_uris:")


@pytest.fixture
def alter(sources: Path, deployed: Deployer) -> Callable[..., None]:
    """`alter(name, change)`: from now on the sources of the contract are what `change` makes of them."""

    def put(name: str, change: Callable[[str], str]) -> None:
        deployed.altered[name] = altered_type(sources, name, change)

    return put


def added(version: int = 2) -> Callable[[str], str]:
    return lambda text: text + NEW_VARIABLE + NEW_VIEW.format(version=version)


def upgrade(
    deployed: Deployer,
    sources: Path,
    name: str = "ServiceRegistry",
    *,
    account: Any = None,
    reason: str | None = None,
    fault: Fault | None = None,
    dry: bool = False,
) -> int:
    """As a process of its own, like `ape run upgrade`: the number of transactions sent."""
    journal = Journal.resume(deployed.path)
    site = deployed.new_site()
    sender = MortalSender(account or deployed.account, site, fault)
    try:
        run = Run(site=site, sender=sender, journal=journal)
        carry_out(upgrade_of(name, run, construction(LOCAL)), layout_of(name, sources), reason=reason, dry=dry)
    finally:
        journal.close()
    deployed.sites.append(site)
    return sender.sent


def target(deployed: Deployer, name: str = "ServiceRegistry") -> str:
    return str(deployed.protocol().controller.getContract(contract_id(f"{name}Target")))


def differences(deployed: Deployer) -> list[str]:
    wanted = expectation(
        LOCAL,
        profile="development",
        deployer=str(deployed.account.address),
        owner=None,
        paused=False,
        block=0,
        governed=False,
    )
    return [str(check) for check in wanted.check(deployed.site) if not check.ok]


# --- what it does ---------------------------------------------------------------------------------


def test_upgrade__new_view_and_variable__runs_on_the_old_storage(
    deployed: Deployer, sources: Path, alter: Any, accounts: Any
) -> None:
    deployed.protocol().service_registry.setServiceURI(URI, sender=accounts[1])
    before = target(deployed)
    alter("ServiceRegistry", added())

    assert upgrade(deployed, sources) == 2
    registry = deployed.protocol().service_registry
    assert target(deployed) != before
    assert registry.version() == 2
    assert registry.getServiceURI(accounts[1]) == URI
    assert differences(deployed) == []


def test_upgrade__of_sources_in_no_commit__says_that_none_is_registered(
    deployed: Deployer, sources: Path, alter: Any, capsys: Any
) -> None:
    alter("ServiceRegistry", added())
    upgrade(deployed, sources)

    assert "the registry names no commit" in capsys.readouterr().err
    assert commit_told(bytes.fromhex("ab" * 20)) == "the registry names commit " + "ab" * 20


def test_upgrade__done__sends_nothing_and_deploy_neither(deployed: Deployer, sources: Path, alter: Any) -> None:
    alter("ServiceRegistry", added())
    upgrade(deployed, sources)
    nonce = deployed.account.nonce

    assert upgrade(deployed, sources) == 0
    assert deployed.run() == 0
    assert deployed.account.nonce == nonce


def test_upgrade__sources_as_deployed__sends_nothing(deployed: Deployer, sources: Path, capsys: Any) -> None:
    assert upgrade(deployed, sources) == 0
    assert "is what the sources give" in capsys.readouterr().err


def test_upgrade__twice_and_back__each_is_put_in_force(deployed: Deployer, sources: Path, alter: Any) -> None:
    for version in (2, 3):
        alter("ServiceRegistry", added(version))
        assert upgrade(deployed, sources, reason="`version` shall answer otherwise") == 2
        assert deployed.protocol().service_registry.version() == version

    deployed.altered.clear()
    assert upgrade(deployed, ROOT, reason="`version` shall not answer") == 2
    assert differences(deployed) == []


def test_upgrade__dry_run__sends_and_writes_nothing(deployed: Deployer, sources: Path, alter: Any) -> None:
    before, journal = target(deployed), deployed.path.read_text()
    alter("ServiceRegistry", added())

    assert upgrade(deployed, sources, dry=True) == 0
    assert (target(deployed), deployed.path.read_text()) == (before, journal)


@pytest.mark.parametrize("moment", ["before signing", "before sending", "after sending"])
def test_upgrade__killed_at_every_transaction__makes_each_once(
    deployed: Deployer, sources: Path, alter: Any, moment: str
) -> None:
    nonce = deployed.account.nonce
    alter("ServiceRegistry", added())

    killed = 0
    for after in (0, 0 if moment == "after sending" else 1):
        with pytest.raises(Died):
            upgrade(deployed, sources, fault=Fault(moment, after=after))
        killed += 1
    upgrade(deployed, sources)

    assert killed == 2
    assert deployed.account.nonce == nonce + 2
    assert differences(deployed) == []


# --- the owner is somebody else -------------------------------------------------------------------


def test_upgrade__account_is_not_the_owner__prints_the_call_that_the_owner_sends(
    deployed: Deployer, sources: Path, alter: Any, accounts: Any, capsys: Any
) -> None:
    before = target(deployed)
    alter("ServiceRegistry", added())

    assert upgrade(deployed, sources, account=accounts[4]) == 1
    assert target(deployed) == before
    printed = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines() if line.startswith("  "))
    assert printed["to"] == str(deployed.protocol().controller.address)

    # What the owner's tools would do with it.
    deployed.account.transfer(printed["to"], 0, data=printed["data"])
    assert deployed.protocol().service_registry.address
    assert upgrade(deployed, sources, account=accounts[4]) == 0
    assert "ok" in capsys.readouterr().out
    assert differences(deployed) == []


# --- what it refuses ------------------------------------------------------------------------------


def test_upgrade__variable_in_front_of_another__is_refused(deployed: Deployer, sources: Path, alter: Any) -> None:
    before, nonce = target(deployed), deployed.account.nonce
    alter("ServiceRegistry", lambda text: text.replace(*IN_FRONT))

    with pytest.raises(IncompatibleLayout, match="_service_uris moves from slot 2 to 3"):
        upgrade(deployed, sources)
    assert (target(deployed), deployed.account.nonce) == (before, nonce)


def test_upgrade__incompatible_but_forced__goes_on_and_keeps_the_reason(
    deployed: Deployer, sources: Path, alter: Any
) -> None:
    alter("ServiceRegistry", lambda text: text.replace(*IN_FRONT))

    assert upgrade(deployed, sources, reason="nothing is stored yet") == 2
    record = json.loads(deployed.path.read_text())["steps"]["create ServiceRegistryTarget"]
    assert record["reason"] == "nothing is stored yet"
    assert record["address"] == target(deployed)


def test_upgrade__view_answers_otherwise__is_refused_before_it_is_in_force(
    deployed: Deployer, sources: Path, alter: Any
) -> None:
    before = target(deployed, "TicketBroker")
    alter(
        "TicketBroker",
        lambda text: (
            text.replace("\nticketValidityPeriod: public(uint256)", "\nticketValidityPeriod: uint256")
            + "\n\n@external\n@view\ndef ticketValidityPeriod_() -> uint256:\n    return 0\n"
        ),
    )

    with pytest.raises(
        IncompatibleLayout, match=r"TicketBroker\.ticketValidityPeriod: expected 0x0+2, found no answer"
    ):
        upgrade(deployed, sources, "TicketBroker")
    assert target(deployed, "TicketBroker") == before


def test_upgrade__deployment_unfinished__is_refused(deployer: Deployer, sources: Path) -> None:
    with pytest.raises(Died):
        deployer.run(Fault("before sending", after=9))

    with pytest.raises(DeploymentError, match="finish the deployment first"):
        upgrade(deployer, sources)


# --- layouts --------------------------------------------------------------------------------------


def entry(slot: int, kind: str = "uint256", n_slots: int = 1, **more: Any) -> dict[str, Any]:
    return {"slot": slot, "type": kind, "n_slots": n_slots, **more}


OLD = {
    "manager": {"controller": entry(0, "address")},
    "a": entry(1),
    "b": entry(2, "S", 2, structs={"S": ["x: uint256"]}),
}


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        ({**OLD, "b": entry(3, "S", 2, structs=OLD["b"]["structs"])}, "b moves from slot 2 to 3"),
        ({**OLD, "a": entry(1, "int256")}, "a (slot 1) turns from uint256 into int256"),
        ({**OLD, "b": entry(2, "S", 3)}, "b (slot 2) turns from S into S"),
        ({**OLD, "b": entry(2, "S", 2, structs={"S": ["y: uint256"]})}, "b (slot 2): the members of S differ"),
        ({**OLD, "manager": {}}, "manager.controller (slot 0) is gone"),
        ({**OLD, "c": entry(3)}, "c, which is new, takes the place of b"),
    ],
)
def test_incompatibilities__storage_would_be_read_otherwise__says_where(new: dict[str, Any], problem: str) -> None:
    assert problem in incompatibilities(OLD, new)


def test_incompatibilities__variable_behind_the_others__none() -> None:
    assert incompatibilities(OLD, {**OLD, "c": entry(4), "d": {"e": entry(5)}}) == []


def test_layout_of__struct_behind_a_map_or_list__names_its_members(tmp_path: Path) -> None:
    source = tmp_path / "contracts" / "Ledger.vy"
    source.parent.mkdir()
    source.write_text(
        "# pragma version 0.4.3\nstruct Inner:\n    z: bool\nstruct Sender:\n    deposit: uint256\n    inner: Inner\n"
        "a: HashMap[address, Sender]\nb: DynArray[Inner, 3]\nc: uint256\n"
    )

    layout = layout_of("Ledger", tmp_path)
    assert layout["a"]["structs"] == {"Sender": ["deposit: uint256", "inner: Inner"], "Inner": ["z: bool"]}
    assert layout["b"]["structs"] == {"Inner": ["z: bool"]}
    assert "structs" not in layout["c"]


def test_layout_in_force__commit_at_hand__is_that_of_the_commit() -> None:
    git = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if git.returncode:
        pytest.skip("not a git checkout")
    shown = subprocess.run(
        ["git", "-C", str(ROOT), "show", f"HEAD:{snapshot('TicketBroker').relative_to(ROOT)}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert layout_in_force(bytes.fromhex(git.stdout.strip()), "TicketBroker") == json.loads(shown.stdout)


@pytest.mark.parametrize("commit", [bytes(20), b"\x01" * 20])
def test_layout_in_force__commit_not_at_hand__is_the_checkouts(commit: bytes) -> None:
    assert layout_in_force(commit, "TicketBroker") == json.loads(snapshot("TicketBroker").read_text())
