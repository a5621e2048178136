"""Patience with nodes that are busy or gone for a moment: which requests are repeated, and when."""

from collections.abc import Sequence
from typing import Any

import pytest

from livepeer_client.adapters.chain.retrying import RetryingRpc, RetryPolicy
from livepeer_client.adapters.chain.rpc import Call, JsonRpc, NodeError, RateLimited, is_read, retry_after
from livepeer_client.adapters.chain.web3 import Web3Rpc
from livepeer_client.errors import ChainUnavailable, InvalidInput
from tests.support.rpc_server import Node, serving


class Scripted:
    """An `Rpc` that gives one prepared answer after the other; an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        self.asked.append(method)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        self.asked.append([method for method, _ in calls])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)


class Pauses:
    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


GONE = ChainUnavailable("gone")


async def test_call__node_gone_twice__is_repeated_with_growing_pauses() -> None:
    inner, pauses = Scripted(GONE, GONE, "0x1"), Pauses()
    assert await RetryingRpc(inner, sleep=pauses).call("eth_chainId") == "0x1"
    assert pauses.taken == [0.5, 1.0]


async def test_call__gone_for_good__fails_after_the_last_attempt_without_a_pause() -> None:
    inner, pauses = Scripted(*[GONE] * 9), Pauses()
    with pytest.raises(ChainUnavailable):
        await RetryingRpc(inner, RetryPolicy(attempts=3), sleep=pauses).call("eth_chainId")
    assert (len(inner.asked), pauses.taken) == (3, [0.5, 1.0])


async def test_call__too_many_requests__waits_as_long_as_the_node_asks() -> None:
    inner, pauses = Scripted(RateLimited("x", 7.0), RateLimited("x", 900.0), "0x1"), Pauses()
    await RetryingRpc(inner, RetryPolicy(longest_s=20), sleep=pauses).call("eth_chainId")
    assert pauses.taken == [7.0, 20]


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "eth_getFilterChanges", "anvil_mine"])
async def test_call__of_anything_but_a_read__is_made_once(method: str) -> None:
    inner = Scripted(GONE, "0x1")
    with pytest.raises(ChainUnavailable):
        await RetryingRpc(inner, sleep=Pauses()).call(method)
    assert inner.asked == [method]


async def test_call__answered_with_an_error__is_not_repeated() -> None:
    inner = Scripted(NodeError("eth_call", -32000, "header not found"), "0x1")
    with pytest.raises(NodeError):
        await RetryingRpc(inner, sleep=Pauses()).call("eth_call")
    assert len(inner.asked) == 1


async def test_batch__some_refused_as_too_many__asks_for_those_again() -> None:
    inner = Scripted(["a", RateLimited("b", 2.0), RateLimited("c", None)], ["b", RateLimited("c", None)], ["c"])
    pauses = Pauses()
    calls: list[Call] = [("eth_call", [n]) for n in range(3)]
    assert await RetryingRpc(inner, sleep=pauses).batch(calls) == ["a", "b", "c"]
    assert [len(each) for each in inner.asked] == [3, 2, 1]
    assert pauses.taken == [2.0, 1.0]


async def test_batch__refused_for_good__has_the_refusals_in_their_places() -> None:
    inner = Scripted(*[[RateLimited("a", None)]] * 3)
    (result,) = await RetryingRpc(inner, RetryPolicy(attempts=3), sleep=Pauses()).batch([("eth_call", [])])
    assert isinstance(result, RateLimited)


async def test_batch__with_a_raw_transaction_inside__is_made_once() -> None:
    inner = Scripted(GONE, ["x", "y"])
    with pytest.raises(ChainUnavailable):
        await RetryingRpc(inner, sleep=Pauses()).batch([("eth_call", []), ("eth_sendRawTransaction", [])])


@pytest.mark.parametrize("transport", ["own", "web3"])
async def test_call__answered_429_over_http__says_how_long_to_wait(transport: str) -> None:
    node = Node("n")
    node.busy = "3"
    async with serving(node.answer) as url, JsonRpc(url) as own:
        rpc: Any = own
        if transport == "web3":
            from web3 import AsyncHTTPProvider, AsyncWeb3

            w3: AsyncWeb3[Any] = AsyncWeb3(AsyncHTTPProvider(url, exception_retry_configuration=None))
            rpc = Web3Rpc(w3)
        try:
            with pytest.raises(RateLimited) as refusal:
                await rpc.call("eth_gasPrice")
            pauses = Pauses()
            with pytest.raises(RateLimited):
                await RetryingRpc(rpc, RetryPolicy(attempts=2), sleep=pauses).batch([("eth_gasPrice", [])])
        finally:
            if transport == "web3":
                await w3.provider.disconnect()
    assert refusal.value.retry_after_s == 3
    assert pauses.taken == [3]


async def test_call__of_a_raw_transaction_over_a_breaking_connection__is_sent_once() -> None:
    node = Node("n")
    node.down = True
    async with serving(node.answer) as url, JsonRpc(url, retry_delay_s=0) as rpc:
        with pytest.raises(ChainUnavailable):
            await rpc.call("eth_sendRawTransaction", ["0x00"])
        assert node.methods == ["eth_sendRawTransaction"]
        with pytest.raises(ChainUnavailable):
            await rpc.call("eth_chainId")
        assert node.methods.count("eth_chainId") == 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (None, None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
    ],
)
def test_retry_after__as_a_number_or_a_date__is_seconds_from_now(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 60.0) == seconds


def test_is_read__of_methods__tells_what_may_be_asked_twice() -> None:
    assert all(map(is_read, ["eth_call", "eth_getLogs", "eth_getBlockByNumber", "eth_chainId"]))
    assert not any(map(is_read, ["eth_sendRawTransaction", "eth_getFilterLogs", "evm_mine"]))


def test_retry_policy__without_attempts__is_refused() -> None:
    with pytest.raises(InvalidInput):
        RetryPolicy(attempts=0)
