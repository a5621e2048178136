"""The whole of governance on a network as `ape run deploy` leaves it: money spent, code replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts import execute, execute_update, propose, queue, stage, vote
from scripts._deployment.governance import GOVERNOR, TREASURY, VOTING
from scripts._deployment.journal import Journal
from scripts._deployment.run import Run
from scripts._deployment.steps import contract_id
from scripts._deployment.upgrade import upgrade_of
from scripts._layouts import layout_of
from scripts._protocol import everything, expectation
from scripts.upgrade import carry_out
from tests.contracts.deployment.deployer import MortalSender, altered_type
from tests.contracts.deployment.town import ENDOWMENT, LPT, QUICK, Town

NEW_VIEW = """

@external
@view
def version() -> uint256:
    return 2
"""


def differences(town: Town) -> list[str]:
    deployer = town.deployer
    wanted = expectation(
        QUICK, profile="development", deployer=deployer.address, owner=deployer.address, paused=False, block=0
    )
    return [str(check) for check in wanted.check(deployer.site) if not check.ok]


def test_flow__treasury_gets_its_cut_of_the_rewards__and_spends_it_after_a_vote(town: Town, accounts: Any) -> None:
    town.deployer.site.at("BondingManager").reward(sender=accounts[0])
    held = town.read("LivepeerToken", "balanceOf", town.address(TREASURY))
    assert held > ENDOWMENT
    before = town.read("LivepeerToken", "balanceOf", accounts[6])
    file = town.decision(
        {"contract": "LivepeerToken", "function": "transfer", "arguments": [str(accounts[6].address), held]}
    )

    town.run(propose, file=file)
    town.next_round(2)
    town.run(vote, proposal=str(file), choice="for", reason="")
    town.next_round()
    town.run(queue, file=file)
    town.chain.mine(timestamp=town.deployer.site.time + QUICK.treasury_min_delay_s)
    town.run(execute, file=file)

    assert town.read("LivepeerToken", "balanceOf", accounts[6]) == before + held
    assert town.read("LivepeerToken", "balanceOf", town.address(TREASURY)) == 0
    assert differences(town) == []


def upgrade(town: Town, sources: Path, name: str = "BondingManager", *, update: Path | None = None) -> int:
    """`ape run upgrade`: the number of transactions sent."""
    deployer = town.deployer
    journal, site = Journal.resume(deployer.path), deployer.new_site()
    sender = MortalSender(deployer.account, site, None)
    try:
        run = Run(site=site, sender=sender, journal=journal)
        task = upgrade_of(name, run, everything(QUICK, deployer.address))
        carry_out(task, layout_of(name, sources), reason=None, update=update)
    finally:
        journal.close()
    deployer.sites.append(site)
    return sender.sent


def test_flow__new_bonding_manager__goes_through_the_governor_with_live_stake(
    town: Town, sources: Path, accounts: Any
) -> None:
    before = town.read("Controller", "getContract", contract_id("BondingManagerTarget"))
    town.deployer.altered["BondingManager"] = altered_type(sources, "BondingManager", lambda text: text + NEW_VIEW)
    update = town.folder / "update.json"

    assert upgrade(town, sources, update=update) == 1
    assert f"`ape run stage {update} --delay BLOCKS`" in town.capsys.readouterr().out
    assert town.read("Controller", "getContract", contract_id("BondingManagerTarget")) == before

    new = town.address("BondingManagerTarget")
    shown = town.run(stage, file=update, delay=QUICK.round_length_blocks)
    assert f"Controller.getContract(0x{contract_id('BondingManagerTarget').hex()}): {before} -> " in shown
    # While everybody can see it coming a round ends, and work goes on.
    town.next_round()
    town.deployer.site.at("BondingManager").reward(sender=accounts[0])
    town.chain.mine(1)
    current = town.read("RoundsManager", "currentRound")
    stake = town.read("BondingManager", "pendingStake", accounts[0], current)
    town.run(execute_update, file=update)

    assert town.read("Controller", "getContract", contract_id("BondingManagerTarget")) == new
    assert town.read("BondingManager", "version") == 2
    assert town.read("BondingManager", "pendingStake", accounts[0], current) == stake
    town.deployer.site.at("BondingManager").unbond(LPT, sender=accounts[0])
    # The journal learns of it, and what is deployed is what the sources now give.
    assert upgrade(town, sources) == 0
    assert differences(town) == []
    assert town.deployer.run() == 0


def test_flow__new_livepeer_governor__keeps_a_proposal_in_the_middle_of_its_vote(town: Town, sources: Path) -> None:
    file = town.decision({"contract": TREASURY, "function": "updateDelay", "arguments": [5]})
    town.run(propose, file=file)
    town.next_round(2)
    town.run(vote, proposal=str(file), choice="for", reason="")
    town.deployer.altered[VOTING] = altered_type(
        sources, VOTING, lambda text: text + NEW_VIEW.replace("version", "made")
    )
    update = town.folder / "update.json"

    assert upgrade(town, sources, VOTING, update=update) == 1
    town.run(stage, file=update, delay=0)
    town.run(execute_update, file=update)
    assert town.read(VOTING, "made") == 2
    town.next_round()
    town.run(queue, file=file)
    town.chain.mine(timestamp=town.deployer.site.time + QUICK.treasury_min_delay_s)
    town.run(execute, file=file)
    assert town.read(TREASURY, "getMinDelay") == 5
    assert [line.split(".")[1][:11] for line in differences(town)] == ["getMinDelay"]


def test_flow__update_of_the_governors_own_owner__is_seen_by_the_verification(town: Town, accounts: Any) -> None:
    other = str(accounts[9].address)
    file = town.decision({"contract": GOVERNOR, "function": "transferOwnership", "arguments": [other]})
    town.run(stage, file=file, delay=0)
    assert [line.split(":")[0][:9] for line in differences(town)] == ["update 0x"]
    town.run(execute_update, file=file)

    (found,) = differences(town)
    assert found.startswith(f"{GOVERNOR}.owner: expected {town.deployer.address}, found {other}")
