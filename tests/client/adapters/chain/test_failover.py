"""Several nodes as one, over sockets: who serves, who rests, who is never asked."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from livepeer_client.adapters.chain.failover import FailoverRpc, WrongChain
from livepeer_client.adapters.chain.rpc import JsonRpc, NodeError, RateLimited
from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.errors import ChainUnavailable, InvalidInput
from tests.support.anvil import ALICE, Stage
from tests.support.rpc_server import Node, serving


@dataclass
class Cluster:
    nodes: list[Node]
    urls: list[str]
    opened: AsyncExitStack
    now: float = 0.0
    rpcs: list[JsonRpc] = field(default_factory=list)

    async def open(self, **options: Any) -> FailoverRpc:
        self.rpcs = [JsonRpc(url, attempts=1) for url in self.urls]
        options = {"chain_id": 1, "rest_s": 10.0, "check_interval_s": 15.0, **options}
        return await self.opened.enter_async_context(FailoverRpc(self.rpcs, monotonic=lambda: self.now, **options))


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as opened:
        nodes = [Node("first"), Node("second"), Node("third")]
        urls = [await opened.enter_async_context(serving(node.answer)) for node in nodes]
        yield Cluster(nodes, urls, opened)


async def test_call__all_well__is_served_by_the_first_alone(cluster: Cluster) -> None:
    rpc = await cluster.open()
    assert [await rpc.call("eth_gasPrice") for _ in range(5)] == ["first"] * 5
    assert cluster.nodes[0].methods.count("eth_gasPrice") == 5
    assert all("eth_gasPrice" not in node.methods for node in cluster.nodes[1:])
    assert rpc.serving is cluster.rpcs[0]


async def test_call__first_node_gone__is_served_by_the_second_until_the_first_has_rested(cluster: Cluster) -> None:
    rpc = await cluster.open()
    await rpc.call("eth_gasPrice")
    cluster.nodes[0].down = True
    assert await rpc.call("eth_gasPrice") == "second"
    asked = len(cluster.nodes[0].methods)
    assert await rpc.call("eth_gasPrice") == "second"
    assert len(cluster.nodes[0].methods) == asked, "it rests"
    cluster.nodes[0].down = False
    cluster.nodes[1].down = True
    cluster.now = 11
    assert await rpc.call("eth_gasPrice") == "first"


async def test_call__failing_again__rests_twice_as_long(cluster: Cluster) -> None:
    rpc = await cluster.open(check_interval_s=1e9)
    await rpc.call("eth_gasPrice")
    first, second, third = cluster.nodes
    first.down = True

    async def asked_first(at: float, *, down: Node, up: Node) -> bool:
        cluster.now, down.down, up.down = at, True, False
        before = first.methods.count("eth_gasPrice")
        await rpc.call("eth_gasPrice")
        return first.methods.count("eth_gasPrice") > before

    assert await asked_first(0, down=third, up=second)
    assert not await asked_first(9, down=second, up=third)
    assert await asked_first(20, down=third, up=second), "it has rested for 10 s"
    assert not await asked_first(39, down=second, up=third)
    assert await asked_first(60, down=third, up=second), "it has rested for 20 s"


async def test_call__node_too_busy__is_left_alone_as_long_as_it_asked(cluster: Cluster) -> None:
    rpc = await cluster.open(check_interval_s=1e9)
    cluster.nodes[0].busy = "60"
    assert await rpc.call("eth_gasPrice") == "second"
    cluster.nodes[0].busy = None
    cluster.nodes[1].down = True
    cluster.now = 30
    assert await rpc.call("eth_gasPrice") == "third", "the first still rests"
    cluster.nodes[2].down = True
    cluster.now = 61
    assert await rpc.call("eth_gasPrice") == "first"


async def test_call__node_of_another_chain__is_never_asked(cluster: Cluster) -> None:
    cluster.nodes[0].chain_id = 5
    rpc = await cluster.open()
    assert await rpc.call("eth_gasPrice") == "second"
    cluster.nodes[1].down = cluster.nodes[2].down = True
    with pytest.raises(ChainUnavailable):
        await rpc.call("eth_gasPrice")
    assert "eth_gasPrice" not in cluster.nodes[0].methods


async def test_call__all_of_another_chain__says_which(cluster: Cluster) -> None:
    rpc = await cluster.open(chain_id=42161)
    with pytest.raises(WrongChain) as refusal:
        await rpc.call("eth_gasPrice")
    assert (refusal.value.expected, refusal.value.found) == (42161, (1, 1, 1))


async def test_call__node_far_behind__serves_only_if_there_is_nothing_better(cluster: Cluster) -> None:
    rpc = await cluster.open(max_lag_blocks=20)
    cluster.nodes[1].height = cluster.nodes[2].height = 121
    assert await rpc.call("eth_gasPrice") == "second"
    cluster.nodes[1].down = cluster.nodes[2].down = True
    assert await rpc.call("eth_gasPrice") == "first"


async def test_call__node_just_a_little_behind__keeps_serving(cluster: Cluster) -> None:
    rpc = await cluster.open(max_lag_blocks=20)
    cluster.nodes[1].height = 120
    assert await rpc.call("eth_gasPrice") == "first"


async def test_call__refused_by_the_node_itself__is_not_asked_elsewhere(cluster: Cluster) -> None:
    class Refusing:
        async def call(self, method: str, params: Any = ()) -> Any:
            raise NodeError(method, -32602, "bad parameters")

        async def batch(self, calls: Any) -> list[Any]:
            return ["0x1", "0x64"]

    async with JsonRpc(cluster.urls[1]) as second:
        rpc = FailoverRpc([Refusing(), second], chain_id=1)
        with pytest.raises(NodeError):
            await rpc.call("eth_call", [])
    assert cluster.nodes[1].methods.count("eth_call") == 0


async def test_call__nobody_there__raises_what_the_last_one_said(cluster: Cluster) -> None:
    rpc = await cluster.open()
    for node in cluster.nodes:
        node.busy = "1"
    with pytest.raises(RateLimited):
        await rpc.call("eth_gasPrice")


async def test_raw_transaction__first_node_gone__reaches_each_other_one_at_most_once(cluster: Cluster) -> None:
    rpc = await cluster.open()
    cluster.nodes[0].down = True
    assert await rpc.call("eth_sendRawTransaction", ["0x00"]) == "second"
    assert [node.methods.count("eth_sendRawTransaction") for node in cluster.nodes] == [0, 1, 0]


def test_failover__without_nodes__is_refused() -> None:
    with pytest.raises(InvalidInput):
        FailoverRpc([])


async def test_suite__over_a_dead_node_and_a_real_one__reads_the_real_one(stage: Stage) -> None:
    rpc = FailoverRpc([JsonRpc("http://127.0.0.1:1", attempts=1), stage.rpc], chain_id=31337)
    async with JsonRpc("http://127.0.0.1:1", attempts=1) as dead:
        rpc = FailoverRpc([dead, stage.rpc], chain_id=31337)
        state = await Suite(rpc, stage.suite.addresses).orchestrator_state(ALICE.address)
    assert state.active
