"""Gas of what people do in governance: whole transactions from their receipts, on a node of its own.

There is no reference for these, so the committed table has only our figures.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.adapters.chain.governance import proposal_id
from livepeer_client.adapters.chain.rpc import JsonRpc
from livepeer_client.codec.keccak import keccak256
from livepeer_client.facts.governance import GovernedCall, Support, poll_contract
from livepeer_client.types import Address, Wei
from tests.contracts.gas.chain import GENESIS_TIME, HARD_FORK
from tests.support.anvil import ALICE, BOB, GATEWAY, LPT, ROOT, STRANGER, Role, anvil, set_stage
from tests.support.anvil_governance import CouncilStage, deploy_governance, opened_council
from tests.support.artifacts import CACHE

TABLE = ROOT / "tests" / "contracts" / "gas_governance.json"
GOVERNOR = "LivepeerGovernor"
ANN, BEN = (Role(f"delegator {name}") for name in ("ann", "ben"))
SHORT = "Pay for a year of work on the explorer. The budget is attached."
LONG = "A paragraph of a proposal as people write them. " * 60
Gas = dict[str, int]
Args = list[object]


class Measure:
    """Sends and keeps what each transaction took."""

    def __init__(self, stage: CouncilStage) -> None:
        self.stage = stage
        self.gas: Gas = {}

    async def send(self, name: str, role: Role, function: str, args: Args, contract: str = GOVERNOR) -> Any:
        receipt = await self.stage.transactor(role).send(contract, function, args)
        self.gas[name] = receipt.gas_used
        return receipt


def lists(calls: list[GovernedCall]) -> Args:
    return [[call.target for call in calls], [call.value for call in calls], [call.calldata for call in calls]]


async def proposals(measure: Measure) -> None:
    """Proposals of one and of four calls, and with a long text; one taken back."""
    stage = measure.stage
    pay = [stage.grant(GATEWAY.address, 5 * LPT)]
    await measure.send("propose.1_call", ALICE, "propose", [*lists(pay), SHORT])
    await measure.send("propose.1_call.text_3000B", ALICE, "propose", [*lists(pay), LONG])
    await measure.send("propose.4_calls", ALICE, "propose", [*lists(pay * 4), SHORT])
    await measure.send("cancel.4_calls", ALICE, "cancel", [*lists(pay * 4), keccak256(SHORT.encode())])


async def decisions(measure: Measure) -> None:
    """From the vote to the execution of a payment and of a setting."""
    stage = measure.stage
    data = load_abi(GOVERNOR).function("setVotingPeriod").encode([9])
    setting = [GovernedCall(await stage.suite.address(GOVERNOR), Wei(0), data)]
    pay = [stage.grant(GATEWAY.address, 5 * LPT)]
    made = {"1_call": (pay, "pay"), "4_calls": (pay * 4, "pay often"), "setting": (setting, "set")}
    for calls, text in made.values():
        await stage.transactor(ALICE).send(GOVERNOR, "propose", [*lists(calls), text])
    ids = [proposal_id(calls, keccak256(text.encode())) for calls, text in made.values()]
    await stage.reach(next(p.snapshot for p in await stage.governance.proposals() if p.id == ids[0]) + 1)

    await measure.send("castVote.delegator_before_its_transcoder", ANN, "castVote", [ids[0], Support.AGAINST])
    await measure.send("castVote.transcoder", ALICE, "castVote", [ids[0], Support.FOR])
    await measure.send("castVote.delegator_after_its_transcoder", BEN, "castVote", [ids[0], Support.FOR])
    await measure.send("castVote.second_transcoder", BOB, "castVote", [ids[0], Support.FOR])
    await measure.send("castVote.without_stake", STRANGER, "castVote", [ids[0], Support.FOR])
    await measure.send("castVoteWithReason.100B", ALICE, "castVoteWithReason", [ids[1], Support.FOR, "x" * 100])
    signed = await ballot(stage, ids[2], Support.FOR, ALICE)
    await measure.send("castVoteBySig.transcoder", STRANGER, "castVoteBySig", [ids[2], Support.FOR, *signed])

    await stage.reach(next(p.deadline for p in await stage.governance.proposals() if p.id == ids[0]) + 1)
    for function in ("queue", "execute"):
        for name, (calls, text) in made.items():
            await measure.send(f"{function}.{name}", STRANGER, function, [*lists(calls), keccak256(text.encode())])


async def polls(measure: Measure) -> None:
    """A poll is opened and voted in."""
    receipt = await measure.send("createPoll.46B", ALICE, "createPoll", [b"Q" * 46], "PollCreator")
    (log,) = [log for log in receipt.logs if log.name == "PollCreated"]
    poll = poll_contract(Address(log.args["poll"]))
    await measure.send("poll.vote.first", ALICE, "vote", [0], poll)
    await measure.send("poll.vote.again", ALICE, "vote", [1], poll)


async def ballot(stage: CouncilStage, id_: int, support: Support, role: Role) -> Args:
    """A vote by signature: v, r, s (spec 13)."""
    domain = await stage.suite.call(GOVERNOR, "eip712Domain")
    separator = keccak256(
        keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        + keccak256(domain[1].encode())
        + keccak256(domain[2].encode())
        + domain[3].to_bytes(32, "big")
        + bytes(12)
        + domain[4]
    )
    kind = keccak256(b"Ballot(uint256 proposalId,uint8 support)")
    struct = keccak256(kind + id_.to_bytes(32, "big") + int(support).to_bytes(32, "big"))
    raw = role.private_key.sign_recoverable(keccak256(b"\x19\x01" + separator + struct), hasher=None)
    return [raw[64] + 27, raw[:32], raw[32:64]]


SCENARIOS: tuple[Callable[[Measure], Awaitable[None]], ...] = (proposals, decisions, polls)


def measure_governance() -> Gas:
    """Every scenario, each in a branch of its own."""

    async def measured(url: str) -> Gas:
        addresses = await set_stage(url, CACHE, round_blocks=100)
        async with JsonRpc(url) as rpc:
            addresses = await deploy_governance(rpc, addresses, CACHE)
        gas: Gas = {}
        async with opened_council(url, addresses) as stage:
            for role in (ANN, BEN):
                await stage.delegate(role, 30 * LPT, ALICE)
            await stage.next_round()
            for scenario in SCENARIOS:
                async with stage.taken_back():
                    measure = Measure(stage)
                    await scenario(measure)
                    gas |= measure.gas
        return gas

    CACHE.mkdir(parents=True, exist_ok=True)
    with anvil("--hardfork", HARD_FORK, "--timestamp", str(GENESIS_TIME)) as url:
        return asyncio.run(measured(url))


def committed(path: Path = TABLE) -> Gas:
    table: Gas = json.loads(path.read_text())
    return table


def save() -> None:
    """Measure, write, and tell what changed."""
    before, now = committed() if TABLE.is_file() else {}, measure_governance()
    TABLE.write_text(json.dumps(now, indent=1) + "\n")
    for name, used in now.items():
        if before.get(name) != used:
            print(f"{name}: {before.get(name, 0):,} -> {used:,}")
