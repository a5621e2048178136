"""A deployment that dies anywhere goes on as if it had not (spec 16)."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from scripts._deployment.errors import (
    ChangedSince,
    CodeMismatch,
    JournalInUse,
    MintingOver,
    StaleJournal,
    StepFailed,
    UnreadableJournal,
    Unsettled,
)
from scripts._deployment.journal import Journal
from scripts._deployment.run import Run
from scripts._deployment.site import Sender
from scripts._deployment.steps import ROLES, contract_id
from scripts._params import LOCAL
from scripts._protocol import REORG_BLOCKS, construction, header_of, opening
from scripts.deploy import refuse_late_mints
from tests.contracts.deployment.deployer import LPT, Deployer, Died, Fault

# Of a whole deployment that gives LPT to two accounts: the right to mint, twice LPT, the right given back.
TRANSACTIONS = len(construction(LOCAL)) + len(opening()) + 4


def facts(deployer: Deployer) -> dict[str, Any]:
    """What the chain looks like to those who use the protocol and to the deployer."""
    protocol = deployer.protocol()
    token, controller = protocol.livepeer_token, protocol.controller
    ids = [*protocol.addresses(), "JobsManager", *(name for name in deployer.site.addresses if name.endswith("Target"))]
    return {
        "addresses": protocol.addresses(),
        "registry": {name: controller.getContract(contract_id(name)) for name in ids},
        "transactions": deployer.account.nonce,
        "balances": {account: token.balanceOf(account) for account in deployer.amounts},
        "supply": token.totalSupply(),
        "minters": [
            token.hasRole(ROLES["MINTER_ROLE"], account)
            for account in (protocol.minter.address, deployer.account.address)
        ],
        "paused": controller.paused(),
        "round": protocol.rounds_manager.currentRoundInitialized(),
    }


@pytest.mark.parametrize("moment", ["before sending", "after sending"])
def test_run__every_transaction_killed__ends_as_if_undisturbed(deployer: Deployer, chain: Any, moment: str) -> None:
    """No transaction is lost, none is made twice, no contract is left over: even the nonces are the same."""
    before = chain.snapshot()
    total = deployer.run()
    undisturbed = facts(deployer)
    chain.restore(before)
    deployer.path.unlink()

    killed, well = 0, 0
    while True:
        try:
            deployer.run(Fault(moment, after=well))
        except Died:
            killed += 1
            # What died before it was sent is sent by the next run, which then dies one later.
            well = 0 if moment == "after sending" else 1
        else:
            break
    assert killed == total == TRANSACTIONS
    assert facts(deployer) == undisturbed


def test_run__killed_before_anything_was_signed__begins_anew(deployer: Deployer) -> None:
    nonce = deployer.account.nonce
    with pytest.raises(Died):
        deployer.run(Fault("before signing"))

    assert deployer.run() == TRANSACTIONS
    assert deployer.account.nonce == nonce + TRANSACTIONS


def test_run__finished__sends_nothing(deployed: Deployer) -> None:
    nonce = deployed.account.nonce

    assert deployed.run() == 0
    assert deployed.account.nonce == nonce


def test_run__tokens_spent_since__are_not_minted_again(deployed: Deployer, accounts: Any) -> None:
    token = deployed.protocol().livepeer_token
    token.transfer(accounts[3], 5 * LPT, sender=accounts[1])

    assert deployed.run() == 0
    assert token.totalSupply() == 12 * LPT


def test_mints__asked_for_after_the_rights_were_given_up__are_refused_with_what_helps(
    governed: Deployer, accounts: Any
) -> None:
    journal, nonce = Journal.resume(governed.path), governed.account.nonce
    try:
        site = governed.new_site()
        run = Run(site=site, sender=Sender(governed.account, site), journal=journal)
        refuse_late_mints(run, governed.governed_steps(journal))
        later = replace(governed, amounts={**governed.amounts, str(accounts[3].address): LPT})
        with pytest.raises(MintingOver, match=f"mint {LPT} to {accounts[3].address}: .*LivepeerToken.transfer"):
            refuse_late_mints(run, later.governed_steps(journal))
    finally:
        journal.close()
    assert governed.account.nonce == nonce


def test_run__killed_while_a_transaction_waits_to_be_mined__waits_for_it_and_uses_it(deployer: Deployer) -> None:
    """Nobody knows yet whether it will be mined: a second one could create the contract twice."""
    provider, nonce = deployer.account.provider, deployer.account.nonce
    with pytest.raises(Died):
        deployer.run(Fault("before sending", after=4))
    provider.auto_mine = False
    try:
        with pytest.raises(Died):
            deployer.run(Fault("after sending"))
        with pytest.raises(Unsettled, match="1 transactions"):
            deployer.run(settle_timeout_s=0.01)
    finally:
        provider.auto_mine = True
    deployer.chain.mine(1)

    records = json.loads(deployer.path.read_text())["steps"]
    (waiting,) = [record for record in records.values() if not record.get("done")]
    deployer.run()
    assert deployer.site.addresses["LivepeerToken"] not in ("", records["create Minter"]["address"])
    assert json.loads(deployer.path.read_text())["steps"]["register LivepeerToken"]["transaction"] in waiting["hashes"]
    assert deployer.account.nonce - nonce == TRANSACTIONS


@pytest.mark.parametrize("after", [0, 1, 2])
def test_run__killed_while_handing_over__leaves_the_deployer_without_any_right(
    deployed: Deployer, accounts: Any, after: int
) -> None:
    deployed.owner = str(accounts[4].address)
    with pytest.raises(Died):
        deployed.run(Fault("after sending", after=after))

    assert deployed.run() == 2 - after
    assert deployed.run() == 0
    protocol = deployed.protocol()
    admin = ROLES["DEFAULT_ADMIN_ROLE"]
    assert protocol.controller.owner() == accounts[4].address
    assert protocol.livepeer_token.hasRole(admin, accounts[4].address)
    assert not protocol.livepeer_token.hasRole(admin, deployed.account.address)


# --- what is not gone on with ---------------------------------------------------------------------


def test_run__chain_reset__is_refused(deployed: Deployer, chain: Any) -> None:
    content = json.loads(deployed.path.read_text())
    content["deployment"]["genesis"] = "0x" + "11" * 32
    deployed.path.write_text(json.dumps(content))

    with pytest.raises(StaleJournal, match="another block 0"):
        deployed.run()


def test_run__another_chain__is_refused(deployed: Deployer) -> None:
    content = json.loads(deployed.path.read_text())
    content["deployment"]["chain_id"] = 421614
    deployed.path.write_text(json.dumps(content))

    with pytest.raises(StaleJournal, match="of chain 421614, not 31337"):
        deployed.run()


def test_run__chain_set_back_behind_the_deployment__is_refused(deployer: Deployer, chain: Any) -> None:
    before = chain.snapshot()
    deployer.run()
    chain.restore(before)

    with pytest.raises(StaleJournal, match="Controller was created at"):
        deployer.run()


def test_run__chain_set_back_and_grown_again__is_refused(deployer: Deployer, chain: Any) -> None:
    before = chain.snapshot()
    chain.mine(3)
    deployer.run()
    chain.restore(before)
    chain.mine(3, timestamp=int(time.time()) + 10_000)

    with pytest.raises(StaleJournal, match="not the one the deployment began at"):
        deployer.run()


def test_header__where_others_make_the_chain__is_known_again_after_a_reorg(deployer: Deployer, chain: Any) -> None:
    """Else a whole deployment would pass for one on another chain, because the block before it was replaced."""
    site = deployer.new_site()
    chain.mine(REORG_BLOCKS)
    before = chain.snapshot()
    chain.mine(2)
    site.rpc("evm_setAutomine", False)
    try:
        begun = header_of(site, deployer.address, LOCAL)
    finally:
        site.rpc("evm_setAutomine", True)
    latest = site.block_hash(site.height)
    chain.restore(before)
    chain.mine(2, timestamp=int(time.time()) + 10_000)

    assert site.block_hash(site.height) != latest
    Journal.begin(begun).check_chain(site)


def test_run__other_code_at_a_recorded_address__is_refused(deployed: Deployer) -> None:
    address = deployed.site.addresses["Minter"]
    deployed.site.rpc("anvil_setCode", address, "0x00")

    with pytest.raises(CodeMismatch, match=f"Minter: the code at {address}"):
        deployed.run()


def test_run__parameter_changed_since__is_refused_and_kept(deployed: Deployer) -> None:
    broker = deployed.protocol().ticket_broker
    broker.setUnlockPeriod(9, sender=deployed.account)

    with pytest.raises(ChangedSince, match=r"TicketBroker\.unlockPeriod: expected 2, found 9"):
        deployed.run()
    assert broker.unlockPeriod() == 9


def test_run__paused_since__is_refused_and_stays_paused(deployed: Deployer) -> None:
    controller = deployed.protocol().controller
    controller.pause(sender=deployed.account)

    with pytest.raises(ChangedSince, match="unpause"):
        deployed.run()
    assert controller.paused()


def test_run__transaction_fails__says_which_step(deployer: Deployer, accounts: Any) -> None:
    with pytest.raises(Died):
        deployer.run(Fault("before sending", after=2))
    # Somebody who is not the owner goes on.
    deployer.account = accounts[11]

    with pytest.raises(StepFailed, match="register Minter"):
        deployer.run()


# --- the file -------------------------------------------------------------------------------------


def test_journal__in_use__is_refused(deployer: Deployer) -> None:
    with pytest.raises(Died):
        deployer.run(Fault("before sending"))
    held = Journal.resume(deployer.path)

    with pytest.raises(JournalInUse):
        deployer.run()
    held.close()
    deployer.run()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 2, "deployment": {}, "steps": {}}'])
def test_journal__not_one__is_refused(deployer: Deployer, content: str) -> None:
    deployer.path.write_text(content)

    with pytest.raises(UnreadableJournal, match="is not a deployment journal"):
        deployer.run()
    assert deployer.path.read_text() == content


def test_journal__of_another_version__is_refused(deployed: Deployer) -> None:
    deployed.path.write_text(deployed.path.read_text().replace('"version": 2', '"version": 1'))

    with pytest.raises(UnreadableJournal, match="is of version 1; this is version 2"):
        deployed.run()


def test_journal__holds_no_key(deployed: Deployer) -> None:
    assert deployed.account.private_key.removeprefix("0x") not in deployed.path.read_text()
