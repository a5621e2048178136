"""Governance is set up without anything open in between, and a deployment that dies in it goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_utils.crypto import keccak

from scripts._deployment.governance import CREATOR, FAUCET, GOVERNOR, TREASURY, VOTING, CreateInitialised
from scripts._deployment.governance_checks import TREASURY_ROLES
from scripts._deployment.journal import Journal
from scripts._deployment.steps import ROLES, contract_id
from scripts._params import LOCAL
from scripts._protocol import everything
from tests.contracts.deployment.deployer import LPT, Deployer, Died, Fault


def facts(deployer: Deployer) -> dict[str, Any]:
    """Who is who and may do what."""
    site = deployer.site
    roles = {
        (role, holder): site.read(TREASURY, "hasRole", id_, site.addresses.get(holder, holder))
        for role, id_ in TREASURY_ROLES.items()
        for holder in (TREASURY, VOTING, deployer.address, str(deployer.owner))
    }
    return {
        "addresses": dict(site.addresses),
        "transactions": deployer.account.nonce,
        "owners": [str(site.read(name, "owner")) for name in ("Controller", GOVERNOR, FAUCET)],
        "admin": [
            site.read("LivepeerToken", "hasRole", ROLES["DEFAULT_ADMIN_ROLE"], who)
            for who in (site.addresses[GOVERNOR], deployer.address)
        ],
        "roles": {key for key, held in roles.items() if held},
        "faucet": site.read("LivepeerToken", "balanceOf", site.addresses[FAUCET]),
        "supply": site.read("LivepeerToken", "totalSupply"),
    }


def test_run__governance__ends_with_everything_handed_over(governed: Deployer) -> None:
    found, site = facts(governed), governed.site

    assert found["owners"] == [site.addresses[GOVERNOR], governed.owner, governed.owner]
    assert found["admin"] == [True, False]
    assert found["roles"] == {
        ("TIMELOCK_ADMIN_ROLE", TREASURY),
        ("PROPOSER_ROLE", VOTING),
        ("CANCELLER_ROLE", VOTING),
        ("EXECUTOR_ROLE", VOTING),
    }
    assert found["faucet"] == LOCAL.faucet_supply_lpt * LPT
    for name in (TREASURY, VOTING, f"{VOTING}Target", FAUCET, "MerkleSnapshot"):
        assert site.read("Controller", "getContract", contract_id(name)) == site.addresses[name]


def test_run__governance_finished__sends_nothing(governed: Deployer) -> None:
    assert governed.run() == 0


@pytest.mark.parametrize("moment", ["before sending", "after sending"])
def test_run__every_transaction_of_governance_killed__ends_as_if_undisturbed(
    governed_deployer: Deployer, chain: Any, moment: str
) -> None:
    """From the first contract of governance to the last right handed over; that of the core is in test_resume."""
    deployer = governed_deployer
    before = chain.snapshot()
    total = deployer.run()
    undisturbed = facts(deployer)
    steps = json.loads(deployer.path.read_text())["steps"]
    core = list(steps).index("create MerkleSnapshot")
    chain.restore(before)
    deployer.path.unlink()

    with pytest.raises(Died):
        deployer.run(Fault("before sending", after=core))
    killed, well = 0, 0
    while True:
        try:
            deployer.run(Fault(moment, after=well))
        except Died:
            killed += 1
            well = 0 if moment == "after sending" else 1
        else:
            break
    assert killed == total - core
    assert facts(deployer) == undisturbed


def test_lands_at__before_anything_is_there__is_what_the_creator_says(governed: Deployer) -> None:
    """The addresses that contracts of governance know each other by are computed here and made there."""
    site = governed.site
    for step in everything(LOCAL, governed.address):
        if isinstance(step, CreateInitialised):
            code, data = step.creation_code(site), step.initialisation(site)
            told = site.read(CREATOR, "addressOf", governed.address, keccak(code), keccak(data), 0)
            assert step.address(site) == told == site.addresses[step.name]


def test_run__settings_of_the_governor__are_the_parameters(governed: Deployer) -> None:
    site = governed.site
    found = [
        site.read(VOTING, name) for name in ("votingDelay", "votingPeriod", "proposalThreshold", "quota", "timelock")
    ]

    assert found == [
        LOCAL.voting_delay_rounds,
        LOCAL.voting_period_rounds,
        LOCAL.proposal_threshold_lpt * LPT,
        LOCAL.quota_ppm,
        site.addresses[TREASURY],
    ]
    assert site.read(VOTING, "quorumNumerator") == LOCAL.quorum_ppm
    assert site.read("BondingManager", "nextRoundTreasuryRewardCutRate") == LOCAL.treasury_reward_cut_ppb * 10**18
    assert site.read("BondingManager", "treasuryBalanceCeiling") == LOCAL.treasury_balance_ceiling_lpt * LPT


def test_run__first_of_governance_only__nobody_administers_the_treasury_at_any_time(governed: Deployer) -> None:
    """K22: read from the events of its creation, in which it was initialised too."""
    journal = Journal.resume(governed.path)
    journal.close()
    record = journal.records[f"create {TREASURY}"]
    logs = governed.site.rpc("eth_getTransactionReceipt", record.transaction)["logs"]
    granted = keccak(text="RoleGranted(bytes32,address,address)").hex()
    admin = TREASURY_ROLES["TIMELOCK_ADMIN_ROLE"].hex()
    holders = [
        log["topics"][2][-40:]
        for log in logs
        if log["topics"][0].removeprefix("0x") == granted and log["topics"][1].removeprefix("0x") == admin
    ]

    assert holders == [governed.site.addresses[TREASURY][2:].lower()]
