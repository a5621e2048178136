"""The JSON-RPC client against a server that misbehaves on demand."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from eth_abi.abi import encode

from livepeer_client.adapters.chain.rpc import JsonRpc, NodeError, error_from_node, revert_reason
from livepeer_client.errors import Bug, ChainUnavailable, InvalidInput, Reverted
from tests.support.rpc_server import Handler, serving

ERROR_STRING = bytes.fromhex("08c379a0")
USED = ERROR_STRING + encode(["string"], ["ticket is used"])


def answers(reply: Callable[[Any], Any]) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(reply(await request.json()))

    return handler


def echo(payload: Any) -> Any:
    """Answers each request with its method, except the method `fail`; a batch in reverse order."""
    if isinstance(payload, list):
        return [echo(item) for item in reversed(payload)]
    if payload["method"] == "fail":
        return {"jsonrpc": "2.0", "id": payload["id"], "error": {"code": -32601, "message": "no such method"}}
    return {"jsonrpc": "2.0", "id": payload["id"], "result": payload["method"]}


async def test_call__answered__gives_the_result() -> None:
    async with serving(answers(echo)) as url, JsonRpc(url) as rpc:
        assert await rpc.call("eth_chainId") == "eth_chainId"


async def test_batch__answered_out_of_order__gives_results_in_order() -> None:
    async with serving(answers(echo)) as url, JsonRpc(url) as rpc:
        assert await rpc.batch([("a", []), ("b", []), ("c", [])]) == ["a", "b", "c"]


async def test_batch__with_one_failure__has_it_in_its_place() -> None:
    async with serving(answers(echo)) as url, JsonRpc(url) as rpc:
        first, second, third = await rpc.batch([("a", []), ("fail", []), ("c", [])])
    assert (first, third) == ("a", "c")
    assert isinstance(second, NodeError)
    assert (second.code, second.message) == (-32601, "no such method")


async def test_batch__larger_than_allowed__is_split() -> None:
    sizes: list[int] = []

    def counted(payload: Any) -> Any:
        sizes.append(len(payload))
        return echo(payload)

    async with serving(answers(counted)) as url, JsonRpc(url, batch_max=2) as rpc:
        assert await rpc.batch([(name, []) for name in "abcde"]) == list("abcde")
    assert sizes == [2, 2, 1]


async def test_batch__of_nothing__asks_nothing() -> None:
    async with JsonRpc("http://127.0.0.1:1") as rpc:
        assert await rpc.batch([]) == []


async def test_batch__answered_by_a_single_error__raises_it() -> None:
    refusal = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batches are off"}}
    async with serving(answers(lambda _: refusal)) as url, JsonRpc(url) as rpc:
        with pytest.raises(NodeError):
            await rpc.batch([("a", []), ("b", [])])


async def test_batch__with_an_answer_missing__has_an_error_in_its_place() -> None:
    async with serving(answers(lambda payload: echo(payload)[:1])) as url, JsonRpc(url) as rpc:
        first, second = await rpc.batch([("a", []), ("b", [])])
    assert isinstance(first, NodeError)
    assert second == "b"


async def test_call__not_answered_in_time__is_unavailable() -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async with serving(silent) as url, JsonRpc(url, timeout_s=0.05) as rpc:
        with pytest.raises(ChainUnavailable):
            await rpc.call("eth_chainId")


async def test_call__to_nobody__is_unavailable_and_says_why_without_the_key() -> None:
    async with JsonRpc("http://127.0.0.1:1/v2/key", retry_delay_s=0) as rpc:
        with pytest.raises(ChainUnavailable) as refused:
            await rpc.call("eth_chainId")
    assert str(refused.value) == "eth_chainId: 127.0.0.1:1: connection refused"


async def test_call__answered_without_json__is_unavailable() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>")

    async with serving(page) as url, JsonRpc(url) as rpc:
        with pytest.raises(ChainUnavailable):
            await rpc.call("eth_chainId")


async def test_call__after_a_broken_connection__is_sent_again() -> None:
    seen = 0

    async def flaky(request: web.Request) -> web.StreamResponse:
        nonlocal seen
        seen += 1
        if seen == 1:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(echo(json.loads(await request.read())))

    async with serving(flaky) as url, JsonRpc(url, retry_delay_s=0) as rpc:
        assert await rpc.call("eth_chainId") == "eth_chainId"
    assert seen == 2


async def test_call__outside_async_with__is_a_bug() -> None:
    with pytest.raises(Bug):
        await JsonRpc("http://127.0.0.1:1").call("eth_chainId")


def test_json_rpc__with_a_key_in_its_url__does_not_show_it() -> None:
    assert repr(JsonRpc("https://node.example/v2/secret?key=secret")) == "JsonRpc(node.example)"


@pytest.mark.parametrize("url", ["", "node.example", "ws://node.example", "https://"])
def test_json_rpc__with_a_url_it_cannot_use__is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        JsonRpc(url)


# --- reverts, as nodes word them ------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        {"code": 3, "message": "execution reverted: ticket is used", "data": "0x" + USED.hex()},
        {"code": -32000, "message": "execution reverted", "data": "0x" + USED.hex()},
        {"code": -32015, "message": "VM execution error.", "data": "Reverted 0x" + USED.hex()},
        {"code": -32603, "message": "reverted", "data": {"data": "0x" + USED.hex()}},
        {"code": 3, "message": "reverted", "data": {"0xabc": {"error": "revert", "return": "0x" + USED.hex()}}},
    ],
)
def test_error_from_node__a_revert_with_data_in_any_place__gives_reason_and_data(error: dict[str, Any]) -> None:
    found = error_from_node("eth_call", error)
    assert isinstance(found, Reverted)
    assert (found.reason, found.data) == ("ticket is used", USED)


def test_error_from_node__a_revert_without_data__takes_the_reason_from_the_text() -> None:
    found = error_from_node("eth_call", {"code": -32000, "message": "execution reverted: ticket is used"})
    assert isinstance(found, Reverted)
    assert found.reason == "ticket is used"


def test_error_from_node__a_bare_revert__has_no_reason() -> None:
    found = error_from_node("eth_call", {"code": 3, "message": "execution reverted", "data": "0x"})
    assert isinstance(found, Reverted)
    assert (found.reason, found.data) == ("", b"")


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("eth_call", {"code": -32000, "message": "header not found"}),
        ("eth_sendRawTransaction", {"code": -32000, "message": "nonce too low"}),
        ("eth_sendRawTransaction", {"code": 3, "message": "execution reverted"}),
        ("eth_call", "not an object"),
    ],
)
def test_error_from_node__any_other_trouble__is_the_nodes(method: str, error: object) -> None:
    assert isinstance(error_from_node(method, error), NodeError)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (USED, "ticket is used"),
        (bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big"), "panic 0x11"),
        (b"", ""),
        (ERROR_STRING, ""),
        (ERROR_STRING + bytes(31), ""),
        (bytes.fromhex("12345678") + bytes(32), ""),
    ],
)
def test_revert_reason__of_revert_data__is_its_text_or_empty(data: bytes, reason: str) -> None:
    assert revert_reason(data) == reason


@pytest.mark.parametrize("body", [b"\xff\xfe", b"<html>", b"", b'"\xc3\x28"'])
async def test_call__answer_that_is_no_json__is_unavailable(body: bytes) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": "text/html; charset=nonsense"})

    async with serving(handler) as url, JsonRpc(url) as rpc:
        with pytest.raises(ChainUnavailable):
            await rpc.call("eth_chainId")
