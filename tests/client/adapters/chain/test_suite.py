"""Reads of the real contracts, over our own transport and over a web3 that the application brings: one contract."""

import json
import warnings
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from livepeer_client.adapters.chain.rpc import BadAnswer, Call, NodeError, Rpc
from livepeer_client.adapters.chain.suite import (
    CONTRACTS,
    FINALIZED_DEPTH,
    SAFE_DEPTH,
    Addresses,
    Suite,
    load_addresses,
    to_hex,
)
from livepeer_client.adapters.chain.web3 import Web3Rpc
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.codec.address import checksum_address
from livepeer_client.errors import ChainUnavailable, ConfigError, InvalidInput, Reverted
from livepeer_client.facts import OrchestratorState, SenderInfo
from livepeer_client.policy.pool import Hint
from livepeer_client.services.calls import Contracts
from livepeer_client.services.reward import RewardService
from livepeer_client.types import ZERO_ADDRESS, ZERO_HASH, Address, BlockNumber, Hash32, Round, Wei
from tests.support.anvil import ALICE, BOB, ETH, GATEWAY, LPT, ROUND_LENGTH, STRANGER, Stage

with warnings.catch_warnings():
    # web3 imports a part of websockets that announces its own end.
    warnings.simplefilter("ignore", DeprecationWarning)
    from web3 import AsyncHTTPProvider, AsyncWeb3


@pytest.fixture(params=["own", "web3"])
async def suite(request: pytest.FixtureRequest, stage: Stage, node: tuple[str, Addresses]) -> AsyncIterator[Suite]:
    url, addresses = node
    if request.param == "own":
        yield Suite(stage.rpc, addresses)
        return
    w3: AsyncWeb3[Any] = AsyncWeb3(AsyncHTTPProvider(url))
    try:
        yield Suite(Web3Rpc(w3), addresses)
    finally:
        await w3.provider.disconnect()


class Counting:
    """An `Rpc` that counts round trips and may change answers."""

    def __init__(self, inner: Rpc) -> None:
        self.inner = inner
        self.trips = 0
        self.spoil: bytes | None = None

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        self.trips += 1
        return await self.inner.call(method, params)

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        self.trips += 1
        answers = await self.inner.batch(calls)
        spoilt = self.spoil.hex() if self.spoil else None
        return ["0x" if spoilt and spoilt in str(call) else answer for call, answer in zip(calls, answers, strict=True)]


# --- addresses ------------------------------------------------------------------------------------


async def test_from_controller__knowing_nothing_else__finds_the_suite(suite: Suite) -> None:
    found = await Suite.from_controller(suite.rpc, suite.addresses.controller)
    assert found.addresses.contracts == suite.addresses.contracts
    assert found.names == sorted([*CONTRACTS, "Controller"])
    assert found.addresses.chain_id == 31337


async def test_address__of_a_name_not_registered__is_no_answer(suite: Suite) -> None:
    with pytest.raises(BadAnswer):
        await suite.address("Verifier")


async def test_address_of__a_contract_not_asked_for_yet__is_refused(stage: Stage) -> None:
    suite = Suite(stage.rpc, Addresses(31337, stage.suite.addresses.controller))
    with pytest.raises(InvalidInput):
        suite.address_of("Minter")
    assert await suite.address("Minter") == suite.address_of("Minter")


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_load_addresses__as_the_deployment_writes_it__is_read(tmp_path: Path) -> None:
    content = {
        "chain_id": 31337,
        "controller": checksum_address(ALICE.address),
        "contracts": {"Minter": checksum_address(BOB.address)},
        "block": 12,
    }
    assert load_addresses(write(tmp_path / "addresses.json", content)) == Addresses(
        31337, ALICE.address, {"Minter": BOB.address}, BlockNumber(12)
    )


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"chain_id": 1, "controller": "0x12"},
        {"chain_id": "x", "controller": to_hex(ALICE.address)},
        {"chain_id": 1, "controller": to_hex(ALICE.address), "contracts": []},
        {"chain_id": 1, "controller": 5},
    ],
)
def test_load_addresses__of_another_form__is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(ConfigError):
        load_addresses(write(tmp_path / "addresses.json", content))


def test_load_addresses__absent__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_addresses(tmp_path / "none.json")


# --- ports.Chain ----------------------------------------------------------------------------------


async def test_head__of_a_chain_without_a_layer_above__counts_its_own_blocks(suite: Suite) -> None:
    head = await suite.head()
    assert head.l1_block == await suite.height()
    assert len(head.block_hash) == 32
    assert head.gas_price > 0
    assert head.timestamp > 1_600_000_000


async def test_head__of_a_rollup__takes_the_l1_number() -> None:
    class Rollup:
        async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
            raise AssertionError(method)

        async def batch(self, calls: Sequence[Call]) -> list[Any]:
            block = {"number": "0x99", "l1BlockNumber": "0x10", "timestamp": "0x1", "baseFeePerGas": "0x4"}
            return [{**block, "hash": "0x" + "ab" * 32, "parentHash": "0x" + "cd" * 32}, "0x5"]

    head = await Suite(Rollup(), Addresses(42161, ALICE.address)).head()
    assert (head.l1_block, head.number, head.base_fee) == (16, 0x99, 4)


async def test_block_at__of_the_chain__names_its_parent(stage: Stage, suite: Suite) -> None:
    head = await suite.head()
    block = await suite.block_at(head.number)
    assert block is not None
    assert (block.number, block.hash, block.timestamp) == (head.number, head.block_hash, head.timestamp)
    parent = await suite.block_at(BlockNumber(head.number - 1))
    assert parent is not None
    assert block.parent_hash == parent.hash
    assert await suite.block_at(BlockNumber(head.number + 1)) is None


async def test_at__an_older_block__reads_what_was_then(stage: Stage, suite: Suite) -> None:
    # A block like none of an earlier test: after reorgs anvil was seen to lack the state of one that it makes again.
    await stage.rpc.call("evm_increaseTime", [54321])
    await stage.mine()
    head = await suite.head()
    winner = await stage.winner()
    await stage.transactor(GATEWAY).send("TicketBroker", "fundDeposit", [], value=Wei(5))
    await stage.next_round()
    then, state = suite.at(head.block_hash), await suite.round_state()
    assert (await then.sender_info(GATEWAY.address)).deposit == ETH
    assert (await suite.sender_info(GATEWAY.address)).deposit == ETH + 5
    assert (await then.round_state()).current == state.current - 1
    assert (await then.head()).block_hash == head.block_hash
    assert await then.used_tickets([winner.ticket.hash]) == [False]
    assert [each.address for each in await then.orchestrators()] == [ALICE.address, BOB.address]


async def test_at__a_block_that_a_reorg_removed__is_unavailable(stage: Stage, suite: Suite) -> None:
    await stage.mine(3)
    head = await suite.head()
    await stage.reorg(2)
    with pytest.raises(ChainUnavailable):
        await suite.at(head.block_hash).sender_info(GATEWAY.address)
    with pytest.raises(ChainUnavailable):
        await suite.at(head.block_hash).head()


async def test_finality__of_a_node_that_knows_it__is_the_nodes(stage: Stage, suite: Suite) -> None:
    await stage.mine(100)
    found, head = await suite.finality(), await suite.head()
    assert not found.by_depth
    assert found.finalized.number <= found.safe.number <= head.number
    assert found.finalized.number > 0


@pytest.mark.parametrize("answer", [None, NodeError("eth_getBlockByNumber", -32602, "unknown tag")])
async def test_finality__of_a_node_that_does_not_know_it__is_counted_back(stage: Stage, answer: Any) -> None:
    class Ignorant:
        async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
            return await stage.rpc.call(method, params)

        async def batch(self, calls: Sequence[Call]) -> list[Any]:
            answers = await stage.rpc.batch(calls)
            unknown = [bool({"safe", "finalized"} & set(map(str, params))) for _, params in calls]
            return [answer if skip else found for skip, found in zip(unknown, answers, strict=True)]

    await stage.mine(100)
    found = await Suite(Ignorant(), stage.suite.addresses).finality()
    head = await stage.suite.head()
    assert found.by_depth
    assert (head.number - found.safe.number, head.number - found.finalized.number) == (SAFE_DEPTH, FINALIZED_DEPTH)


async def test_round_state__in_an_initialized_round__is_read_whole(stage: Stage, suite: Suite) -> None:
    state = await suite.round_state()
    assert state.initialized
    assert state.length_blocks == ROUND_LENGTH
    assert state.start_block == state.current * ROUND_LENGTH
    assert state.last_initialized_block_hash == await suite.block_hash_for_round(state.current) != ZERO_HASH
    assert not state.locked


async def test_round_state__in_a_round_nobody_opened__is_not_initialized(stage: Stage, suite: Suite) -> None:
    before = await suite.round_state()
    await stage.next_round(initialize=False)
    state = await suite.round_state()
    assert not state.initialized
    assert (state.current, state.last_initialized) == (before.current + 1, before.current)
    assert await suite.block_hash_for_round(state.current) == ZERO_HASH


async def test_ticket_validity_period__is_the_deployed_one(suite: Suite) -> None:
    assert await suite.ticket_validity_period() == 2


async def test_sender_info__of_a_funded_sender__is_in_wei(suite: Suite) -> None:
    assert await suite.sender_info(GATEWAY.address) == SenderInfo(Wei(ETH), Round(0), Wei(ETH), Wei(0))


async def test_sender_info__of_nobody__is_empty(suite: Suite) -> None:
    assert await suite.sender_info(STRANGER.address) == SenderInfo(Wei(0), Round(0), Wei(0), Wei(0))


async def test_claimable_reserve__of_an_active_orchestrator__is_its_share(suite: Suite) -> None:
    assert await suite.claimable_reserve(GATEWAY.address, ALICE.address) == ETH // 2


async def test_claimable_reserve__of_anybody_else__is_nothing(suite: Suite) -> None:
    assert await suite.claimable_reserve(GATEWAY.address, STRANGER.address) == 0


async def test_used_tickets__of_none__asks_nothing() -> None:
    class Silent:
        async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
            raise AssertionError(method)

        async def batch(self, calls: Sequence[Call]) -> list[Any]:
            raise AssertionError(calls)

    assert await Suite(Silent(), Addresses(1, ALICE.address)).used_tickets([]) == []


async def test_used_tickets__after_a_redemption__names_that_ticket(stage: Stage, suite: Suite) -> None:
    winner = await stage.winner()
    other = Hash32(bytes(32))
    assert await suite.used_tickets([winner.ticket.hash, other]) == [False, False]
    aux = winner.ticket.creation_round.to_bytes(32, "big") + winner.ticket.creation_round_block_hash
    ticket = winner.ticket
    terms = (
        ticket.recipient,
        ticket.sender,
        ticket.face_value,
        ticket.win_prob,
        ticket.sender_nonce,
        ticket.recipient_rand_hash,
        aux,
    )
    await stage.transactor(STRANGER).send("TicketBroker", "redeemWinningTicket", [terms, winner.sig, 7])
    assert await suite.used_tickets([winner.ticket.hash, other]) == [True, False]


async def test_orchestrators__of_the_pool__come_in_order_of_stake(suite: Suite) -> None:
    first, second = await suite.orchestrators()
    assert (first.address, first.stake, first.service_uri) == (ALICE.address, 1000 * LPT, "https://alice.example:8935")
    assert (second.address, second.stake, second.active) == (BOB.address, 500 * LPT, True)


async def test_orchestrators__asked_again__take_three_round_trips(stage: Stage) -> None:
    counting = Counting(stage.rpc)
    suite = Suite(counting, stage.suite.addresses)
    before = await suite.orchestrators()
    counting.trips = 0
    assert await suite.orchestrators() == before
    assert counting.trips == 3


async def test_orchestrators__after_the_order_changed__follow_it(stage: Stage) -> None:
    await stage.suite.orchestrators()
    wallet = stage.transactor(BOB)
    bonding = stage.suite.address_of("BondingManager")
    await wallet.send("LivepeerToken", "approve", [bonding, 600 * LPT])
    await wallet.send("BondingManager", "bond", [600 * LPT, BOB.address])
    assert [found.address for found in await stage.suite.orchestrators()] == [BOB.address, ALICE.address]


async def test_orchestrators__with_a_member_that_cannot_be_read__leave_it_out(stage: Stage) -> None:
    counting = Counting(stage.rpc)
    suite = Suite(counting, stage.suite.addresses)
    await suite.orchestrators()
    selector = "214c2a4b"  # getServiceURI(address)
    counting.spoil = bytes.fromhex(selector) + bytes(12) + ALICE.address
    assert [found.address for found in await suite.orchestrators()] == [BOB.address]


async def test_reward_hint__of_each_member__is_its_neighbours(suite: Suite) -> None:
    assert await suite.reward_hint(BOB.address) == Hint(ALICE.address, ZERO_ADDRESS)
    assert await suite.reward_hint(ALICE.address) == Hint(ZERO_ADDRESS, BOB.address)
    assert await suite.reward_hint(STRANGER.address) == Hint(BOB.address, ZERO_ADDRESS)


async def test_reward_hint__followed_by_the_reward__gives_the_same_and_keeps_the_order(stage: Stage) -> None:
    contracts = Contracts(stage.transactor(BOB))
    hinted = await contracts.bonding.reward(hint=await stage.suite.reward_hint(BOB.address), dry_run=True)
    blind = await contracts.bonding.reward(dry_run=True)
    assert hinted.done == blind.done
    await RewardService(stage.suite, stage.transactor(BOB), SystemClock()).step()
    assert [each.address for each in await stage.suite.orchestrators()] == [ALICE.address, BOB.address]
    assert (await stage.suite.orchestrator_state(BOB.address)).last_reward_round > 0


async def test_orchestrator_state__of_an_active_one__is_read_whole(suite: Suite) -> None:
    state = await suite.orchestrator_state(ALICE.address)
    assert state == OrchestratorState(True, True, Round(0), 1000 * LPT, Wei(0))


async def test_orchestrator_state__of_anybody_else__is_empty(suite: Suite) -> None:
    state = await suite.orchestrator_state(STRANGER.address)
    assert state == OrchestratorState(False, False, Round(0), 0, Wei(0))


async def test_logs__of_an_event__are_decoded_in_order(suite: Suite) -> None:
    logs = await suite.logs("ServiceRegistry", "ServiceURIUpdate", BlockNumber(0), await suite.height())
    assert [(log.name, log.args["addr"], log.args["serviceURI"]) for log in logs] == [
        ("ServiceURIUpdate", BOB.address, "https://bob.example:8935"),
        ("ServiceURIUpdate", ALICE.address, "https://alice.example:8935"),
    ]
    assert logs[0].block < logs[1].block


async def test_logs__outside_the_range__are_not_given(suite: Suite) -> None:
    (*_, last) = await suite.logs("ServiceRegistry", "ServiceURIUpdate", BlockNumber(0), await suite.height())
    after = BlockNumber(last.block + 1)
    assert await suite.logs("ServiceRegistry", "ServiceURIUpdate", after, await suite.height()) == []
    assert await suite.logs("ServiceRegistry", "ServiceURIUpdate", last.block, last.block) == [last]


async def test_logs__refused_for_a_long_range__are_asked_for_in_shorter_ones(stage: Stage) -> None:
    class Narrow(Counting):
        async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
            if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= 8:
                raise NodeError(method, -32005, "query returned more than 10000 results")
            return await super().call(method, params)

    suite = Suite(Narrow(stage.rpc), stage.suite.addresses)
    height = await stage.suite.height()
    expected = await stage.suite.logs("BondingManager", "Bond", BlockNumber(0), height)
    assert await suite.logs("BondingManager", "Bond", BlockNumber(0), height) == expected != []


# --- failures -------------------------------------------------------------------------------------


async def test_call__that_the_contract_refuses__is_reverted_with_its_reason(suite: Suite) -> None:
    with pytest.raises(Reverted) as refusal:
        await suite.call("RoundsManager", "blockHash", [10**6])
    assert refusal.value.reason == "can only retrieve past block hashes"
    assert refusal.value.call == "RoundsManager.blockHash"


async def test_call__to_an_address_without_code__is_no_answer(stage: Stage) -> None:
    suite = Suite(stage.rpc, Addresses(31337, Address(STRANGER.address)))
    with pytest.raises(BadAnswer):
        await suite.call("Controller", "paused")


class Forgetful(Counting):
    """Has no longer the block of its first answers, as a node without history once the next block is there."""

    def __init__(self, inner: Rpc, forgets: int) -> None:
        super().__init__(inner)
        self.forgets = forgets

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        answers = await super().batch(calls)
        if self.forgets:
            self.forgets -= 1
            return [NodeError("eth_call", -32602, "block out of range")] * len(calls)
        return answers


async def test_read__over_a_block_that_the_node_forgot__starts_again(stage: Stage) -> None:
    forgetful = Forgetful(stage.rpc, 1)
    suite = Suite(forgetful, stage.suite.addresses)
    assert await suite.read([("RoundsManager", "roundLength", [])]) == [(ROUND_LENGTH,)]
    assert forgetful.trips == 4


async def test_read__over_a_node_that_forgets_every_block__is_unavailable(stage: Stage) -> None:
    with pytest.raises(NodeError):
        await Suite(Forgetful(stage.rpc, 99), stage.suite.addresses).read([("RoundsManager", "roundLength", [])])


async def test_head__over_a_web3_that_reaches_nobody__is_unavailable() -> None:
    w3: AsyncWeb3[Any] = AsyncWeb3(AsyncHTTPProvider("http://127.0.0.1:1", exception_retry_configuration=None))
    try:
        with pytest.raises(ChainUnavailable):
            await Suite(Web3Rpc(w3), Addresses(1, ALICE.address)).head()
    finally:
        await w3.provider.disconnect()


async def test_past_base_fees__over_a_day__are_those_of_the_blocks_oldest_first(stage: Stage) -> None:
    expected = []
    before = (await stage.suite.head()).base_fee
    for gwei in (5, 3, 9):
        await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(gwei * 10**9)])
        await stage.mine()
        head = await stage.suite.head()
        expected.append((head.timestamp, head.base_fee))
    await stage.mine()
    head = await stage.suite.head()
    found = await stage.suite.past_base_fees(head, 86_400, head.number)
    assert found[-3:] == expected
    assert [at for at, _ in found] == sorted(at for at, _ in found)
    assert len(await stage.suite.past_base_fees(head, 86_400, 4)) <= 5
    assert await stage.suite.past_base_fees(head, 86_400, 0) == []
    # Going back to a snapshot does not take the base fee back.
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(before)])
    await stage.mine()
