"""Governance read and made through the library, on the real governor, treasury and polls."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.adapters.chain.governance import GovernanceReader, proposal_id
from livepeer_client.adapters.chain.json_values import to_hex
from livepeer_client.adapters.chain.rpc import BadAnswer, Call, JsonRpc, NodeError
from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.codec.keccak import keccak256
from livepeer_client.errors import InvalidInput, MalformedMessage, Reverted, RevertKind
from livepeer_client.facts.governance import (
    Ballot,
    GovernedCall,
    PollChoice,
    Proposal,
    ProposalState,
    Support,
    Votes,
)
from livepeer_client.policy.governance import Executed, PollTally, Voted, count_poll, standing
from livepeer_client.ports import Governance
from livepeer_client.types import ZERO_ADDRESS, Address, BlockNumber, Round, Wei
from tests.support.anvil import ALICE, BOB, GATEWAY, LPT, ROOT, STRANGER, Role, anvil, set_stage
from tests.support.anvil_governance import (
    POLL_BLOCKS,
    QUORUM_PPM,
    QUOTA_PPM,
    THRESHOLD,
    TREASURY_LPT,
    VOTING_DELAY_ROUNDS,
    VOTING_PERIOD_ROUNDS,
    CouncilStage,
    deploy_governance,
    opened_council,
)

CACHE = ROOT / ".cache" / "compiled"
ANN = Role("delegator ann")


@pytest.fixture(scope="module")
def node() -> Iterator[tuple[str, Addresses]]:
    async def prepare(url: str) -> Addresses:
        addresses = await set_stage(url, CACHE)
        async with JsonRpc(url) as rpc:
            addresses = await deploy_governance(rpc, addresses, CACHE)
        async with opened_council(url, addresses) as stage:
            # Alice's 1000 LPT and hers are counted from the next round on.
            await stage.delegate(ANN, 300 * LPT, ALICE)
            await stage.next_round()
        return addresses

    with anvil() as url:
        yield url, asyncio.run(prepare(url))


@pytest.fixture
async def stage(node: tuple[str, Addresses]) -> AsyncIterator[CouncilStage]:
    async with opened_council(*node) as stage, stage.taken_back():
        yield stage


async def proposed(stage: CouncilStage, *, text: str = "pay the gateway", amount: int = 5 * LPT) -> Proposal:
    await stage.council(ALICE).council.propose([stage.grant(GATEWAY.address, amount)], text)
    return (await stage.governance.proposals())[-1]


async def again(stage: CouncilStage, proposal: Proposal) -> Proposal:
    (found,) = [each for each in await stage.governance.proposals() if each.id == proposal.id]
    return found


# --- reading ------------------------------------------------------------------------------------------------------


async def test_settings__of_the_governor__are_what_it_was_initialised_with(stage: CouncilStage) -> None:
    settings = await stage.governance.settings()
    assert (settings.voting_delay, settings.voting_period) == (VOTING_DELAY_ROUNDS, VOTING_PERIOD_ROUNDS)
    assert (settings.proposal_threshold, settings.quorum, settings.quota) == (THRESHOLD, QUORUM_PPM, QUOTA_PPM)
    assert settings.timelock == await stage.suite.address("Treasury")
    assert settings.votes == await stage.suite.address("BondingVotes")


async def test_treasury__with_lpt_and_ether__tells_both_and_its_terms(stage: CouncilStage) -> None:
    address = await stage.suite.address("Treasury")
    await stage.rpc.call("anvil_setBalance", [to_hex(address), hex(7)])
    treasury = await stage.governance.treasury()
    assert (treasury.address, treasury.lpt, treasury.eth) == (address, TREASURY_LPT, 7)
    assert (treasury.reward_cut, treasury.next_reward_cut, treasury.ceiling, treasury.min_delay_s) == (0, 0, 0, 0)


async def test_proposals__one_just_made__has_its_calls_text_and_rounds(stage: CouncilStage) -> None:
    assert await stage.governance.proposals() == []
    now = (await stage.suite.round_state()).current
    made = await stage.council(ALICE).council.propose([stage.grant(GATEWAY.address, LPT)], "pay")
    (proposal,) = await stage.governance.proposals()
    assert made.receipt is not None
    assert proposal == Proposal(
        id=made.done.id,
        proposer=ALICE.address,
        calls=(stage.grant(GATEWAY.address, LPT),),
        description="pay",
        description_hash=keccak256(b"pay"),
        snapshot=Round(now + VOTING_DELAY_ROUNDS),
        deadline=Round(now + VOTING_DELAY_ROUNDS + VOTING_PERIOD_ROUNDS),
        state=ProposalState.PENDING,
        votes=Votes(0, 0, 0),
        eta=0,
        block=made.receipt.block,
        tx_hash=made.receipt.tx_hash,
    )
    assert (made.done.snapshot, made.done.deadline) == (proposal.snapshot, proposal.deadline)


async def test_proposals__between_blocks__are_those_made_there(stage: CouncilStage) -> None:
    first = await proposed(stage, text="one")
    second = await proposed(stage, text="two")
    reader: Governance = stage.governance
    assert [each.id for each in await reader.proposals()] == [first.id, second.id]
    assert [each.id for each in await reader.proposals(second.block)] == [second.id]
    assert [each.id for each in await reader.proposals(BlockNumber(0), first.block)] == [first.id]
    assert await reader.proposals(BlockNumber(second.block + 1)) == []


async def test_proposals__pinned_to_an_earlier_block__are_as_they_were(stage: CouncilStage) -> None:
    proposal = await proposed(stage)
    then = (await stage.suite.head()).block_hash
    await stage.reach(proposal.snapshot + 1)
    await stage.council(ALICE).council.cast_vote(proposal.id, Support.FOR)
    await proposed(stage, text="later")
    assert await stage.governance.at(then).proposals() == [proposal]
    assert (await again(stage, proposal)).state is ProposalState.ACTIVE


async def test_proposals__a_text_that_is_no_utf_8__is_shown_and_can_still_be_queued(stage: CouncilStage) -> None:
    await proposed(stage, text="before")
    call = stage.grant(GATEWAY.address, LPT)
    data = load_abi("LivepeerGovernor").function("propose").encode([[call.target], [0], [call.calldata], "~~~"])
    raw = data.replace(b"~~~", b"\xff\xfe!")
    governor = to_hex(await stage.suite.address("LivepeerGovernor"))
    await stage.rpc.call("anvil_impersonateAccount", [to_hex(ALICE.address)])
    transaction = {"from": to_hex(ALICE.address), "to": governor, "data": to_hex(raw)}
    await stage.rpc.call("eth_sendTransactionSync", [transaction])
    await proposed(stage, text="after")

    found = await stage.governance.proposals()

    assert [each.description for each in found] == ["before", "\ufffd\ufffd!", "after"]
    assert found[1].description_hash == keccak256(b"\xff\xfe!")
    await stage.reach(found[1].snapshot + 1)
    await stage.council(ALICE).council.cast_vote(found[1].id, Support.FOR)
    await stage.reach(found[1].deadline + 1)
    done = await stage.council(STRANGER).council.queue(await again(stage, found[1]))
    assert done.done.id == found[1].id


async def test_proposals__a_log_that_does_not_fit_its_event__leaves_the_others(stage: CouncilStage) -> None:
    class Garbling(GovernanceReader):
        """The first log is cut short, the second's content changed on its way."""

        async def _log_entries(self, *args):  # type: ignore[no-untyped-def]
            async for entries in super()._log_entries(*args):
                rows = [dict(entry) for entry in entries]
                rows[0]["data"] = rows[0]["data"][:-640]
                rows[1]["data"] = rows[1]["data"].replace(GATEWAY.address.hex(), STRANGER.address.hex())
                yield rows

    for text in ("one", "two", "three"):
        await proposed(stage, text=text)
    garbling = Garbling(stage.rpc, stage.governance.addresses)
    assert [each.description for each in await garbling.proposals()] == ["three"]


async def test_proposals__from_a_node_that_answers_for_few_blocks__are_all_found(stage: CouncilStage) -> None:
    class Narrow:
        """Refuses ranges of more than 20 blocks."""

        def __init__(self) -> None:
            self.widths: list[int] = []

        async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
            if method == "eth_getLogs":
                self.widths.append(int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1)
                if self.widths[-1] > 20:
                    raise NodeError(method, -32005, "range too large")
            return await stage.rpc.call(method, params)

        async def batch(self, calls: Sequence[Call]) -> list[Any]:
            return await stage.rpc.batch(calls)

    for text in ("one", "two"):
        await proposed(stage, text=text)
        await stage.mine(5)
    rpc = Narrow()
    reader = GovernanceReader(rpc, stage.governance.addresses)
    assert [each.description for each in await reader.proposals()] == ["one", "two"]
    answered = [width for width in rpc.widths if width <= 20]
    assert rpc.widths[0] > 20
    assert sum(answered) == await stage.suite.height() + 1


async def test_voting_power__of_a_transcoder_and_a_delegator__shows_weight_and_delegate(stage: CouncilStage) -> None:
    last = Round((await stage.suite.round_state()).current - 1)
    alice, ann, nobody = await stage.governance.voting_power([ALICE.address, ANN.address, STRANGER.address])
    assert (alice.votes, alice.delegate, alice.is_transcoder, alice.round) == (1300 * LPT, ALICE.address, True, last)
    assert (ann.votes, ann.delegate, ann.is_transcoder) == (300 * LPT, ALICE.address, False)
    assert (nobody.votes, nobody.delegate) == (0, ZERO_ADDRESS)
    assert await stage.governance.voting_power([], last) == []


async def test_voting_power__of_earlier_rounds__is_what_it_was(stage: CouncilStage) -> None:
    now = Round((await stage.suite.round_state()).current)
    # Ann joined in the round before this one, which counts from its end on.
    (before,) = await stage.governance.voting_power([ALICE.address], Round(now - 2))
    assert before.votes == 1000 * LPT
    assert await stage.governance.total_votes([Round(now - 2), Round(now - 1)]) == [1500 * LPT, 1800 * LPT]
    with pytest.raises(Reverted) as refusal:
        await stage.governance.voting_power([ALICE.address], now)
    assert refusal.value.custom is not None
    assert (refusal.value.custom.name, list(refusal.value.custom.args.values())) == ("FutureLookup", [now, now - 1])


async def test_quorum__at_a_snapshot__is_its_share_of_all_votes(stage: CouncilStage) -> None:
    last = Round((await stage.suite.round_state()).current - 1)
    assert await stage.governance.quorums([last]) == [1800 * LPT * QUORUM_PPM // 10**6]
    assert await stage.governance.quorums([]) == []


async def test_read__on_a_network_without_governance__says_what_is_missing(
    stage: CouncilStage, node: tuple[str, Addresses]
) -> None:
    contracts = {name: at for name, at in node[1].contracts.items() if name != "PollCreator"}
    bare = GovernanceReader(stage.rpc, replace(node[1], contracts=contracts))
    with pytest.raises(BadAnswer, match="PollCreator"):
        await bare.polls()


async def test_named_calls__of_the_suite__are_told_by_function_and_arguments(stage: CouncilStage) -> None:
    setting = load_abi("LivepeerGovernor").function("setVotingPeriod").encode([9])
    governor = await stage.suite.address("LivepeerGovernor")
    calls = [
        stage.grant(GATEWAY.address, 3),
        GovernedCall(governor, Wei(0), setting),
        GovernedCall(governor, Wei(0), setting[:20]),
        GovernedCall(governor, Wei(0), b""),
        GovernedCall(STRANGER.address, Wei(5), setting),
    ]
    pay, period, *unknown = await stage.governance.named_calls(calls)
    assert pay is not None
    assert period is not None
    assert (pay.function, list(pay.arguments.values())) == (
        "LivepeerToken.transfer(address,uint256)",
        [GATEWAY.address, 3],
    )
    assert (period.function, dict(period.arguments)) == (
        "LivepeerGovernor.setVotingPeriod(uint256)",
        {"newVotingPeriod": 9},
    )
    assert unknown == [None, None, None]


# --- voting -------------------------------------------------------------------------------------------------------


async def test_vote__by_transcoder_and_delegator__overrides_and_is_told_with_reasons(stage: CouncilStage) -> None:
    proposal = await proposed(stage)
    await stage.reach(proposal.snapshot + 1)
    tried = await stage.council(ALICE).council.cast_vote(proposal.id, Support.FOR, dry_run=True)
    assert (tried.receipt, await stage.governance.votes_cast()) == (None, [])
    done = await stage.council(ALICE).council.cast_vote(proposal.id, Support.FOR)
    assert done.done == tried.done == Voted(proposal.id, ALICE.address, Support.FOR, 1300 * LPT)
    await stage.council(ANN).council.cast_vote(proposal.id, Support.AGAINST, "too dear")

    now = await again(stage, proposal)

    assert now.votes == Votes(against=300 * LPT, in_favour=1000 * LPT, abstain=0)
    assert [(v.voter, v.support, v.weight, v.reason) for v in await stage.governance.votes_cast(proposal.id)] == [
        (ALICE.address, Support.FOR, 1300 * LPT, ""),
        (ANN.address, Support.AGAINST, 300 * LPT, "too dear"),
    ]
    assert await stage.governance.votes_cast(1) == []
    voters = [ALICE.address, ANN.address, BOB.address]
    assert await stage.governance.has_voted(proposal.id, voters) == [True, True, False]
    (quorum,) = await stage.governance.quorums([proposal.snapshot])
    need = standing(now.votes, quorum, QUOTA_PPM)
    assert (need.reached, need.succeeds, need.needed) == (True, True, 650 * LPT)


async def test_vote__twice__is_refused_by_the_contracts_own_error(stage: CouncilStage) -> None:
    proposal = await proposed(stage)
    await stage.reach(proposal.snapshot + 1)
    council = stage.council(ALICE).council
    await council.cast_vote(proposal.id, Support.FOR)
    for dry_run in (True, False):
        with pytest.raises(Reverted) as refusal:
            await council.cast_vote(proposal.id, Support.AGAINST, dry_run=dry_run)
        assert refusal.value.custom is not None
        assert refusal.value.custom.name == "VoteAlreadyCast"


async def test_vote__before_the_snapshot_is_over__is_refused(stage: CouncilStage) -> None:
    proposal = await proposed(stage)
    with pytest.raises(Reverted) as refusal:
        await stage.council(ALICE).council.cast_vote(proposal.id, Support.FOR)
    assert refusal.value.reason == "Governor: vote not currently active"


async def test_proposal__to_its_execution__pays_from_the_treasury(stage: CouncilStage) -> None:
    proposal = await proposed(stage, amount=5 * LPT)
    await stage.reach(proposal.snapshot + 1)
    await stage.council(ALICE).council.cast_vote(proposal.id, Support.FOR)
    with pytest.raises(Reverted) as early:
        await stage.council(STRANGER).council.queue(proposal, dry_run=True)
    assert early.value.reason == "Governor: proposal not successful"
    await stage.reach(proposal.deadline + 1)
    assert (await again(stage, proposal)).state is ProposalState.SUCCEEDED
    queued = await stage.council(STRANGER).council.queue(proposal)
    waiting = await again(stage, proposal)
    assert (waiting.state, waiting.eta) == (ProposalState.QUEUED, queued.done.eta)
    assert waiting.eta > 0

    done = await stage.council(STRANGER).council.execute(proposal)

    assert done.done == Executed(proposal.id)
    assert (await again(stage, proposal)).state is ProposalState.EXECUTED
    assert await stage.suite.call("LivepeerToken", "balanceOf", [GATEWAY.address]) == (5 * LPT,)
    assert (await stage.governance.treasury()).lpt == TREASURY_LPT - 5 * LPT


async def test_proposal__canceled_by_its_proposer__is_over(stage: CouncilStage) -> None:
    proposal = await proposed(stage)
    with pytest.raises(Reverted) as refusal:
        await stage.council(BOB).council.cancel(proposal)
    assert refusal.value.reason == "Governor: only proposer can cancel"
    assert (await stage.council(ALICE).council.cancel(proposal)).done.id == proposal.id
    assert (await again(stage, proposal)).state is ProposalState.CANCELED


async def test_proposal__by_one_with_too_little_stake__is_refused(stage: CouncilStage) -> None:
    with pytest.raises(Reverted) as refusal:
        await stage.council(STRANGER).council.propose([stage.grant(STRANGER.address, 1)], "mine")
    assert refusal.value.reason == "Governor: proposer votes below proposal threshold"


@pytest.mark.parametrize(
    ("calls", "text", "said"),
    [
        ([GovernedCall(Address(bytes(20)), Wei(0), bytes(4097))], "", "4096 bytes of calldata in one call, not 4097"),
        ([GovernedCall(Address(bytes(20)), Wei(0), b"")] * 17, "", "16 calls, not 17"),
        ([GovernedCall(Address(bytes(20)), Wei(0), b"")], "x" * 32_769, "32768 bytes of description, not 32769"),
    ],
    ids=["calldata", "calls", "description"],
)
async def test_proposal__beyond_the_bounds_of_the_governor__is_refused_with_both_figures(
    stage: CouncilStage, calls: list[GovernedCall], text: str, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        await stage.council(ALICE).council.propose(calls, text, dry_run=True)


async def test_proposal_id__of_calls_and_text__is_the_governors(stage: CouncilStage) -> None:
    calls = [stage.grant(GATEWAY.address, 3), GovernedCall(STRANGER.address, Wei(2), b"\x01\x02\x03")]
    lists = [[call.target for call in calls], [0, 2], [call.calldata for call in calls]]
    theirs = await stage.suite.call("LivepeerGovernor", "hashProposal", [*lists, keccak256(b"text")])
    assert theirs == (proposal_id(calls, keccak256(b"text")),)


# --- polls --------------------------------------------------------------------------------------------------------


async def test_poll__from_opening_to_its_end__is_counted_by_last_votes_and_stake_at_the_end(
    stage: CouncilStage,
) -> None:
    opened = await stage.council(ALICE).polls.create(b"ipfs")
    (poll,) = await stage.governance.polls()
    assert (poll.address, poll.proposal, poll.end_block) == (opened.done.poll, b"ipfs", opened.done.end_block)
    assert (poll.quorum, poll.quota, poll.active) == (333_300, 500_000, True)
    assert await stage.governance.ballots(poll) == []
    tried = await stage.council(ALICE).polls.vote(poll.address, PollChoice.YES, dry_run=True)
    assert (tried.done.voter, tried.done.choice) == (ALICE.address, 0)
    for role, choice in (
        (ALICE, PollChoice.NO),
        (ANN, PollChoice.NO),
        (STRANGER, PollChoice.NO),
        (ALICE, PollChoice.YES),
    ):
        await stage.council(role).polls.vote(poll.address, choice)
    assert [vote.choice for vote in await stage.governance.poll_votes(poll)] == [1, 1, 1, 0]
    while_open = await stage.governance.ballots(poll)
    assert while_open == [
        Ballot(ALICE.address, 0, 1000 * LPT, ALICE.address, 1300 * LPT),
        Ballot(ANN.address, 1, 300 * LPT, ALICE.address, 0),
        Ballot(STRANGER.address, 1, 0, ZERO_ADDRESS, 0),
    ]
    assert count_poll(while_open) == PollTally(yes=1000 * LPT, no=300 * LPT)

    await stage.mine(POLL_BLOCKS)

    (closed,) = await stage.governance.polls()
    assert not closed.active
    with pytest.raises(Reverted) as late:
        await stage.council(BOB).polls.vote(poll.address, PollChoice.NO)
    assert late.value.reason == "poll is over"
    # What happens to stakes after the end does not matter.
    await stage.next_round()
    await stage.council(ANN).bonding.unbond(300 * LPT)
    assert await stage.governance.ballots(closed) == while_open


async def test_poll__opened_by_one_without_stake__is_refused(stage: CouncilStage) -> None:
    with pytest.raises(Reverted) as refusal:
        await stage.council(STRANGER).polls.create(b"mine")
    assert refusal.value.reason == "PollCreator#createPoll: INSUFFICIENT_STAKE"
    assert refusal.value.kind is RevertKind.REASON


async def test_poll__named_by_something_that_is_no_address__is_refused_before_anything_is_sent(
    stage: CouncilStage,
) -> None:
    with pytest.raises(InvalidInput):
        await stage.suite.address("Poll@0x12")
    assert await stage.suite.address(f"Poll@{to_hex(ALICE.address)}") == ALICE.address
    assert not [name for name in stage.suite.addresses.contracts if "@" in name]


def test_event__with_text_that_is_no_utf_8__is_read_as_bytes_where_that_is_asked_for() -> None:
    event = load_abi("ServiceRegistry").event("ServiceURIUpdate")
    topics = [event.topic, bytes(12) + ALICE.address]
    data = (32).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\xff".ljust(32, b"\0")
    with pytest.raises(MalformedMessage):
        event.decode(topics, data)
    assert event.decode(topics, data, raw_text=True)["serviceURI"] == b"\xff"
