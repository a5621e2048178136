"""`ape run propose`, `vote`, `queue`, `execute`, `stage`, `execute_update`, `cancel_update` on a deployed network.

Deployed by the steps of `ape run deploy`, with a journal; each command as Ape calls it. `test_governance_terminal` runs
them as processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click
import pytest

from scripts import cancel_update, execute, execute_update, propose, queue, stage, vote
from scripts._deployment.governance import GOVERNOR, TREASURY, VOTING
from scripts._deployment.steps import contract_id
from scripts._governance.decision import load_decision
from scripts._governance.desk import lpt
from scripts._governance.values import amount, shown
from tests.contracts.deployment.town import LPT, QUICK, STAKE, Town


@pytest.fixture
def pay(town: Town, accounts: Any) -> Callable[..., dict[str, Any]]:
    def call(amount: Any = "20 LPT", to: Any = None) -> dict[str, Any]:
        arguments = [to or str(accounts[5].address), amount]
        return {"contract": "LivepeerToken", "function": "transfer", "arguments": arguments}

    return call


@pytest.mark.parametrize(
    ("amount", "told"),
    [(0, "0 LPT"), (1, "0.000000000000000001 LPT"), (15 * LPT // 10, "1.5 LPT"), (1_200_000 * LPT, "1,200,000 LPT")],
)
def test_lpt__of_any_size__is_in_lpt(amount: int, told: str) -> None:
    assert lpt(amount) == told


# --- the treasury ---------------------------------------------------------------------------------


def test_proposal__to_pay__is_shown_voted_on_queued_and_executed(town: Town, pay: Any, accounts: Any) -> None:
    before = town.read("LivepeerToken", "balanceOf", accounts[5])
    file = town.decision(pay())

    shown = town.run(propose, file=file, dry=True)
    treasury = f"LivepeerToken.balanceOf(Treasury {town.address(TREASURY)})"
    assert f"{treasury}: 50,000,000,000,000,000,000 (50 × 1e18) -> 30,000,000,000,000,000,000 (30 × 1e18)" in shown
    assert f"LivepeerToken.transfer(to = {accounts[5].address}" in shown
    assert "nothing was sent" in shown

    told = town.run(propose, file=file)
    current = town.read("RoundsManager", "currentRound")
    assert f"Votes are taken in rounds {current + 2} to {current + 2}; now is round {current}." in told
    assert f"Next: `ape run vote {file} for`" in told

    town.next_round(2)
    told = town.run(vote, proposal=str(file), choice="for", reason="they have built it")
    assert "votes for with 200 LPT" in told
    assert "for 200 LPT, against 0 LPT, abstain 0 LPT; the quorum is 66.66 LPT." in told

    town.next_round()
    told = town.run(queue, file=file)
    assert "It may be executed from" in told
    assert f"Next: `ape run execute {file}`" in told

    assert "its delay ends at" in town.refusal(execute, file=file)
    town.chain.mine(timestamp=town.deployer.site.time + QUICK.treasury_min_delay_s)
    told = town.run(execute, file=file)
    assert f"{treasury}: 50,000,000,000,000,000,000 (50 × 1e18) -> 30,000" in told
    assert town.read("LivepeerToken", "balanceOf", accounts[5]) == before + 20 * LPT
    assert "the proposal is Executed, not Queued" in town.refusal(execute, file=file)


def test_proposal__of_the_governor_to_itself__shows_its_settings(town: Town) -> None:
    file = town.decision(
        {"contract": VOTING, "function": "setVotingPeriod", "arguments": [4]},
        {"contract": TREASURY, "function": "updateDelay", "arguments": [7200]},
    )

    shown = town.run(propose, file=file, dry=True)
    assert f"  {VOTING}.votingPeriod: 1 -> 4\n" in shown
    assert f"  {TREASURY}.getMinDelay: 60 -> 7,200\n" in shown


def test_proposal__more_than_the_treasury_has__is_refused_before_it_is_sent(town: Town, pay: Any) -> None:
    said = town.refusal(propose, file=town.decision(pay(), pay("40 LPT")))

    assert "the calls work one by one and fail together" in said

    said = town.refusal(propose, file=town.decision(pay("60 LPT")))
    assert said.startswith("call 1, LivepeerToken.transfer(")
    assert said.endswith("would fail: ERC20: transfer amount exceeds balance")


def test_proposal__what_only_the_protocols_owner_may_do__is_refused_with_the_contracts_reason(town: Town) -> None:
    file = town.decision({"contract": "BondingManager", "function": "setUnbondingPeriod", "arguments": [3]})

    assert town.refusal(propose, file=file) == (
        "call 1, BondingManager.setUnbondingPeriod(_unbondingPeriod = 3), would fail: caller must be Controller owner"
    )


def test_proposal__with_too_little_stake__is_refused_with_both_figures(town: Town, pay: Any, accounts: Any) -> None:
    town.deployer.site.at("BondingManager").unbond(STAKE - 5 * LPT, sender=accounts[0])
    town.next_round(2)
    last = town.read("RoundsManager", "currentRound") - 1

    assert town.refusal(propose, file=town.decision(pay())) == (
        f"{accounts[0].address} had 5 LPT of votes at the end of round {last}; 100 LPT are needed"
    )


def test_proposal__by_another_test_account__is_tried_as_that_account(town: Town, pay: Any, accounts: Any) -> None:
    refusal = town.refusal(propose, file=town.decision(pay()), alias="TEST::5")

    assert refusal.startswith(f"{accounts[5].address} had 0 LPT of votes")
    assert "TEST::0 to TEST::9" in town.refusal(propose, file=town.decision(pay()), alias="nobody")


def test_proposal__nobody_has_stake__is_refused(town: Town, pay: Any, accounts: Any) -> None:
    town.deployer.site.at("BondingManager").unbond(STAKE, sender=accounts[0])
    town.next_round(2)

    assert "nobody could vote" in town.refusal(propose, file=town.decision(pay()))


def test_vote__before_it_is_time_and_twice__is_refused(town: Town, pay: Any) -> None:
    file = town.decision(pay())
    assert "is the file as it was proposed?" in town.refusal(vote, proposal=str(file), choice="for", reason="")
    town.run(propose, file=file)

    said = town.refusal(vote, proposal=str(file), choice="for", reason="")
    assert "the proposal is Pending" in said
    assert "Run this again in 2 rounds." in said

    town.next_round(2)
    id_ = town.run(vote, proposal=str(file), choice="against", reason="", dry=True)
    assert "nothing was sent" in id_
    town.run(vote, proposal=str(file), choice="against", reason="")
    assert "a vote stays as it is" in town.refusal(vote, proposal=str(file), choice="for", reason="")
    assert "4,097 bytes; the contracts take 4,096 (MAX_REASON" in town.refusal(
        vote, proposal=str(file), choice="for", reason="x" * 4097
    )


def test_queue__defeated__is_refused_with_the_counts(town: Town, pay: Any) -> None:
    file = town.decision(pay())
    town.run(propose, file=file)
    assert "the proposal is Pending, not Succeeded. Votes are taken until round" in town.refusal(queue, file=file)
    town.next_round(2)
    town.run(vote, proposal=str(file), choice="against", reason="")
    town.next_round()

    assert town.refusal(queue, file=file) == "the proposal is Defeated, not Succeeded."
    assert town.refusal(execute, file=file) == "the proposal is Defeated, not Queued."


# --- the protocol ---------------------------------------------------------------------------------


def test_update__of_two_parameters__is_shown_staged_and_executed(town: Town) -> None:
    file = town.decision(
        {"contract": "BondingManager", "function": "setUnbondingPeriod", "arguments": [3]},
        {"contract": "Controller", "function": "pause", "arguments": []},
    )

    shown = town.run(stage, file=file, delay=None, dry=True)
    assert "  BondingManager.unbondingPeriod: 7 -> 3\n  Controller.paused: no -> yes\n" in shown
    assert "nothing was sent" in shown

    told = town.run(stage, file=file, delay=5)
    assert f"Anybody may execute it from block {town.deployer.site.height + 5} on" in told
    assert f"Next: `ape run execute_update {file}`" in told
    assert "an equal one needs another nonce" in town.refusal(stage, file=file, delay=5)
    assert town.refusal(execute_update, file=file).endswith("in 5 blocks")

    town.chain.mine(5)
    town.run(execute_update, file=file)
    assert town.read("BondingManager", "unbondingPeriod") == 3
    assert town.read("Controller", "paused")
    assert "it is not staged" in town.refusal(execute_update, file=file)


def test_update__cancelled__cannot_be_executed(town: Town) -> None:
    file = town.decision({"contract": "Controller", "function": "pause", "arguments": []}, nonce=7)
    assert "there is nothing to take back" in town.refusal(cancel_update, file=file)
    town.run(stage, file=file, delay=0)

    assert "nothing was sent" in town.run(cancel_update, file=file, dry=True)
    assert "nobody can execute it" in town.run(cancel_update, file=file)
    assert "it is not staged" in town.refusal(execute_update, file=file)


def test_update__of_another_owners_governor__is_printed_for_the_owner(town: Town, accounts: Any) -> None:
    governor = town.deployer.site.at(GOVERNOR)
    handed = town.decision(
        {"contract": GOVERNOR, "function": "transferOwnership", "arguments": [str(accounts[9].address)]}
    )
    assert f"Governor.owner: {accounts[0].address} -> {accounts[9].address}" in town.run(stage, file=handed, delay=0)
    town.run(execute_update, file=handed)
    file = town.decision({"contract": "Controller", "function": "pause", "arguments": []})
    nonce = town.sender.nonce

    told = town.run(stage, file=file, delay=2)
    printed = dict(line.split()[:2] for line in told.splitlines() if line.startswith(("  to", "  data")))
    assert town.sender.nonce == nonce
    # What the owner's tools would do with it.
    accounts[9].transfer(printed["to"], 0, data=printed["data"])
    town.chain.mine(2)
    town.run(execute_update, file=file)
    assert town.read("Controller", "paused")
    assert governor.owner() == accounts[9].address


def test_update__that_pays__sends_the_wei_with_it(town: Town, accounts: Any) -> None:
    before = accounts[5].balance
    file = town.decision({"to": str(accounts[5].address), "value": "0.5 ETH"})
    town.run(stage, file=file, delay=0)
    town.run(execute_update, file=file)

    assert accounts[5].balance == before + LPT // 2


def test_update__that_would_fail__is_refused_with_the_call_and_its_reason(town: Town) -> None:
    file = town.decision(
        {"contract": "Controller", "function": "pause", "arguments": []},
        {"contract": "BondingManager", "function": "setNumActiveTranscoders", "arguments": [70_000]},
    )

    said = town.refusal(stage, file=file, delay=0)
    assert said.startswith(
        "call 2, BondingManager.setNumActiveTranscoders(_numActiveTranscoders = 70,000), would fail:"
    )


def test_stage__without_delay__says_which_option_is_missing(town: Town) -> None:
    with pytest.raises(click.UsageError, match="--delay BLOCKS is missing"):
        town.run(stage, file=town.decision({"contract": "Controller", "function": "pause"}), delay=None)


# --- what the file may not say --------------------------------------------------------------------

PAUSE = {"contract": "Controller", "function": "pause"}
TRANSFER = {"contract": "LivepeerToken", "function": "transfer"}
SIXTEEN_KIB = "0x" + "00" * 16_384


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"calls": []}, "calls: a list of at least one call is needed"),
        (
            {"calls": [PAUSE] * 17},
            "calls: 17 calls; the contracts take 16 (MAX_ACTIONS in contracts/modules/action.vy)",
        ),
        ({"calls": [PAUSE], "who": 1}, "who: there is no such entry"),
        ({"calls": [{**PAUSE, "args": []}]}, "calls[0].args: there is no such entry"),
        ({"calls": [PAUSE], "nonce": -1}, "nonce: -1: a whole number"),
        ({"calls": [{"contract": "Nobody", "function": "x"}]}, "calls[0].contract: 'Nobody': one of BondingManager, "),
        ({"calls": [{"contract": "Controller", "function": "stop"}]}, "Controller has no 'stop' that changes anything"),
        ({"calls": [{"contract": "Controller", "function": "paused"}]}, "has no 'paused' that changes anything"),
        (
            {"calls": [PAUSE, {**TRANSFER, "arguments": [1]}]},
            "calls[1].arguments: 1 arguments; LivepeerToken.transfer takes (to: address, ",
        ),
        (
            {"calls": [{**TRANSFER, "arguments": ["0x12", 1]}]},
            "calls[0].arguments[0] (to, address): '0x12': an address is needed",
        ),
        ({"calls": [{**TRANSFER, "arguments": ["Treasury", "1 BTC"]}]}, "'1 BTC': amounts are in ETH or LPT"),
        (
            {"calls": [{**TRANSFER, "arguments": ["Treasury", "1e999999999 LPT"]}]},
            "a number that 256 bits hold is needed",
        ),
        (
            {"calls": [{**TRANSFER, "arguments": ["Treasury", "NaN LPT"]}]},
            "'NaN LPT': a number that 256 bits hold is needed",
        ),
        ({"calls": [{**TRANSFER, "arguments": ["Treasury", 0.5]}]}, "0.5: a whole number or an amount"),
        ({"calls": [{**TRANSFER, "arguments": ["Treasury", True]}]}, "True: a whole number or an amount"),
        ({"calls": [{**TRANSFER, "arguments": ["Treasury", -1]}]}, "-1: uint256 goes from 0 to"),
        (
            {"calls": [{**TRANSFER, "arguments": ["Treasury", "0.0000000000000000001 LPT"]}]},
            "there is no part of a wei",
        ),
        (
            {"calls": [{"contract": "MerkleSnapshot", "function": "setSnapshot", "arguments": ["grants", "0x00"]}]},
            "calls[0].arguments[0] (_id, bytes32): 'grants': 0x and hex digits are needed or keccak256(TEXT)",
        ),
        (
            {
                "calls": [
                    {"contract": "Governor", "function": "execute", "arguments": [[["Minter"], [0], [SIXTEEN_KIB], 0]]}
                ]
            },
            "bytes of calldata; the contracts take 4,096 (MAX_CALLDATA",
        ),
        ({"calls": [{"to": "Treasury", "value": "500 LPT"}]}, "calls[0].value: '500 LPT': amounts are in ETH"),
        ({"calls": [{"to": "Treasury"}]}, "calls[0]: a payment needs an address and a value above 0"),
        ({"calls": [{"to": "Treasury", "value": "1 ETH", "function": "x"}]}, "calls[0]: `to` is for a payment"),
        ({"calls": [PAUSE], "description": "x" * 32_769}, "description: 32,769 bytes; the contracts take 32,768"),
    ],
)
def test_decision__that_the_contracts_would_not_take__is_refused_with_place_and_figures(
    town: Town, content: dict[str, Any], said: str
) -> None:
    file = town.folder / "decision.json"
    file.write_text(json.dumps(content))

    assert said in town.refusal(stage, file=file, delay=1)


def test_propose__text_that_a_terminal_would_obey__is_shown_as_what_it_is(town: Town, pay: Any) -> None:
    """Nothing in a file looks like a line of the command, or takes one away."""
    forged = "a grant\n  1. LivepeerToken.transfer(to = you)\x1b[2K\x1b[1A\u202e"
    told = town.run(propose, file=town.decision(pay(), description=forged), dry=True)

    assert "a grant\n    |   1. LivepeerToken.transfer(to = you)\\u001b[2K\\u001b[1A\\u202e\n" in told
    assert all(char.isprintable() or char == "\n" for char in told)


def test_propose__call_within_a_call__is_shown_to_its_last_byte(town: Town, accounts: Any) -> None:
    """Whom it pays is in the part that would be cut."""
    transfer = town.deployer.site.call("LivepeerToken", "transfer", accounts[5].address, 10 * LPT).data
    relayed = {"contract": VOTING, "function": "relay", "arguments": ["LivepeerToken", 0, "0x" + bytes(transfer).hex()]}
    # The governor has no LPT to send, which is told after the call.
    calls = load_decision(town.decision(relayed), town.deployer.site, proposal=True).calls

    assert f"0x{bytes(transfer).hex()} (68 bytes)" in calls[0].text({})


def test_amount__with_more_digits_than_decimals_keep_by_default__is_exact() -> None:
    assert amount("12345678901.123456789012345678 LPT") == 12345678901_123456789012345678
    figure = 99_999_999_999_999_999_999_999_999_999_999 * 10**15
    assert shown(figure, {}) == f"{figure:,} (99999999999999999999999999999.999 × 1e18)"
    assert shown(LPT + 1, {}) == "1,000,000,000,000,000,001 (1.000000000000000001 × 1e18)"
    assert shown(2**255 + 1, {}) == f"{2**255 + 1:,}"


def test_stage__of_a_contract_that_was_replaced_since__is_refused_with_both_addresses(town: Town) -> None:
    """Whoever reads `Minter` means the one in force."""
    site, old, new = town.deployer.site, town.address("Minter"), town.address("Treasury")
    file = town.decision(
        {
            "contract": "Controller",
            "function": "setContractInfo",
            "arguments": ["keccak256(Minter)", new, "0x" + "00" * 20],
        }
    )
    town.run(stage, file=file, delay=0)
    town.run(execute_update, file=file)
    assert site.read("Controller", "getContract", contract_id("Minter")) == new

    refused = town.refusal(stage, file=town.decision({"contract": "Controller", "function": "pause"}), delay=0)
    assert f"the deployment has Minter at {old}, the Controller now at {new}" in refused


def test_shown__text_as_an_argument__ends_where_its_quotes_end() -> None:
    assert shown('x")\n  2. \x1b[2K', {}) == '"x\\")\\n  2. \\u001b[2K"'


def test_decision__not_json__is_refused(town: Town) -> None:
    file = town.folder / "decision.json"
    file.write_text("{")

    assert "not a JSON file" in town.refusal(stage, file=file, delay=1)


def test_decision__proposal_without_description__is_refused(town: Town, pay: Any) -> None:
    file = town.decision(pay(), description="")

    assert town.refusal(propose, file=file) == "description: a proposal says what it is about"
