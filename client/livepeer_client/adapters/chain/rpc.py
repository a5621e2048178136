"""JSON-RPC 2.0 over one kept-alive HTTP session, with batches.

A batch costs one round trip however many reads it holds. Reads are repeated after a broken connection; anything else
is sent once, for nobody knows then whether it arrived.
"""

import asyncio
import errno
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self
from urllib.parse import urlsplit

import aiohttp
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from livepeer_client.errors import Bug, ChainError, ChainUnavailable, InvalidInput, Reverted

Call = tuple[str, Sequence[Any]]
"""A method and its parameters, as JSON values."""

Observe = Callable[[str, str | None], None]
"""Told of each request: which node, and the name of the error's class, None if it was answered."""

_ERROR_STRING: Final = bytes.fromhex("08c379a0")
_PANIC: Final = bytes.fromhex("4e487b71")
_EXECUTION_REVERTED: Final = 3
_HTTP_ERROR: Final = 400
_TOO_LARGE: Final = 413
_TOO_MANY_REQUESTS: Final = 429
# Nodes that know no code 3 answer with one of these, and only the text tells a revert from other trouble.
_GENERIC_CODES: Final = (-32000, -32015, -32603)
_LIMIT_EXCEEDED: Final = -32005
"""EIP-1474. For `eth_getLogs` it means a range too wide, for anything else too many requests."""
_READS: Final = frozenset(
    {
        "eth_accounts",
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_maxPriorityFeePerGas",
        "eth_syncing",
        "net_version",
    }
)
_UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH})
_REVERT_MARKS: Final = ("execution reverted", "vm execution error", "reverted")


class NodeError(ChainUnavailable):
    """The node answered a request with an error of its own: `code` and `message` are the node's."""

    def __init__(self, method: str, code: int, message: str) -> None:
        self.method = method
        self.code = code
        self.message = message
        super().__init__(f"{method}: node error {code}: {message}")


class NodeTimeout(ChainUnavailable):
    """The node did not answer in time."""


class RateLimited(ChainUnavailable):
    """The node wants fewer requests. `retry_after_s` is how long it asked to be left alone, None if it did not say."""

    def __init__(self, name: str, retry_after_s: float | None) -> None:
        self.retry_after_s = retry_after_s
        after = "" if retry_after_s is None else f", again in {retry_after_s:g} s"
        super().__init__(f"{name}: too many requests{after}")


class BadAnswer(ChainError):
    """What came back does not decode: a wrong address, another contract's ABI, or a broken node."""


class Rpc(Protocol):
    """What the chain adapter needs of a node, whoever owns the connection."""

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """The `result` of one request, as JSON values.

        :raises ChainUnavailable: no answer; `NodeError` if the node answered with an error.
        :raises Reverted: the node executed a call and the contract refused.
        """

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """The results in order. A request that failed by itself has its `ChainError` as result.

        :raises ChainUnavailable: no answer to the batch as a whole.
        """


def is_read(method: str) -> bool:
    """Whether asking twice changes nothing and gives a good answer both times."""
    return method in _READS or (method.startswith("eth_get") and not method.startswith("eth_getFilter"))


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None if it says nothing usable."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def revert_reason(data: bytes) -> str:
    """The text in revert data: of `Error(string)`, a name for `Panic(uint256)`, else empty."""
    selector, body = data[:4], data[4:]
    try:
        if selector == _ERROR_STRING:
            return str(decode(["string"], body)[0])
        if selector == _PANIC:
            return f"panic 0x{decode(['uint256'], body)[0]:02x}"
    except (DecodingError, UnicodeDecodeError):
        # Not the encoding its selector promises, so a custom error that collides or a broken contract: no text.
        return ""
    return ""


def _revert_data(value: object) -> bytes | None:
    """Revert data of an error's `data` member: hex itself, hex after a word, or nested in an object."""
    if isinstance(value, str):
        start = value.find("0x")
        try:
            return bytes.fromhex(value[start + 2 :]) if start >= 0 else None
        except ValueError:
            return None
    if isinstance(value, Mapping):
        for inner in ("data", "result", "return", "originalError"):
            found = _revert_data(value.get(inner))
            if found is not None:
                return found
        for nested in value.values():
            if isinstance(nested, Mapping) and (found := _revert_data(nested)) is not None:
                return found
    return None


def error_from_node(method: str, error: object) -> ChainError:
    """The typed error for the `error` member of a response. The one place that reads a node's words."""
    if not isinstance(error, Mapping):
        return NodeError(method, 0, str(error))
    code, message = error.get("code"), str(error.get("message", ""))
    number = code if isinstance(code, int) else 0
    lowered = message.lower()
    executes = method in ("eth_call", "eth_estimateGas")
    if executes and (
        number == _EXECUTION_REVERTED or (number in _GENERIC_CODES and any(mark in lowered for mark in _REVERT_MARKS))
    ):
        data = _revert_data(error.get("data")) or b""
        reason = revert_reason(data)
        if not data and ": " in message:
            # Without data the text is all there is.
            reason = message.split(": ", 1)[1]
        return Reverted(reason, call=method, data=data)
    if number == _LIMIT_EXCEEDED and method != "eth_getLogs":
        return RateLimited(method, None)
    return NodeError(method, number, message)


def result_of(method: str, response: object) -> Any:
    """The `result` of one response, or its error as a value."""
    if not isinstance(response, Mapping):
        return NodeError(method, 0, "the response is not an object")
    if response.get("error") is not None:
        return error_from_node(method, response["error"])
    if "result" not in response:
        return NodeError(method, 0, "the response has neither result nor error")
    return response["result"]


def _is_rpc(answer: object) -> bool:
    """Whether it is an answer of JSON-RPC, not something else that a gateway in front of the node says in JSON."""
    first = answer[0] if isinstance(answer, list) and answer else answer
    return isinstance(first, Mapping) and "jsonrpc" in first


def _words(error: aiohttp.ClientError) -> str:
    """Why there is no answer, for people. The library's own text is not shown: it may hold the URL with its key."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "name not found"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno in _UNREACHABLE:
        return "no way to this host"
    return type(error).__name__


class JsonRpc:
    """A node reached over HTTP. Open with `async with`; one instance serves any number of tasks.

    :param timeout_s: for each request or batch, connecting included.
    :param batch_max: requests in one batch; larger ones are split.
    :param attempts: how often a request is sent in all when connections break.
    :param observe: told of each request or batch: the node, as it is shown, and what kind of error came of it.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 20.0,
        batch_max: int = 500,
        attempts: int = 3,
        retry_delay_s: float = 0.2,
        observe: Observe | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput("a node's URL starts with http:// or https:// and names a host")
        if timeout_s <= 0 or batch_max < 1 or attempts < 1:
            raise InvalidInput(f"timeout_s {timeout_s}, batch_max {batch_max}, attempts {attempts}")
        self._url = url
        # Providers put access keys into paths and queries, so only this part is ever shown.
        self._shown = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._batch_max = batch_max
        self._attempts = attempts
        self._retry_delay_s = retry_delay_s
        self._observe = observe
        self._ids = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"JsonRpc({self._shown})"

    async def __aenter__(self) -> Self:
        if self._session is not None:
            raise Bug("JsonRpc is opened once")
        self._session = aiohttp.ClientSession(timeout=self._timeout, connector=aiohttp.TCPConnector(limit=16))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        response = await self._post(method, self._request(method, params), again=is_read(method))
        result = result_of(method, response)
        if isinstance(result, ChainError):
            raise result
        return result

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        results: list[Any] = []
        for start in range(0, len(calls), self._batch_max):
            results += await self._batch(calls[start : start + self._batch_max])
        return results

    def _request(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}

    async def _batch(self, calls: Sequence[Call]) -> list[Any]:
        requests = [self._request(method, params) for method, params in calls]
        name = f"batch of {len(requests)}"
        responses = await self._post(name, requests, again=all(is_read(method) for method, _ in calls))
        if not isinstance(responses, list):
            # A single error object: the node refuses batches, or this one.
            outcome = result_of(name, responses)
            raise outcome if isinstance(outcome, ChainError) else NodeError(name, 0, "the answer is not a batch")
        by_id = {response.get("id"): response for response in responses if isinstance(response, Mapping)}
        return [result_of(str(request["method"]), by_id.get(request["id"])) for request in requests]

    async def _post(self, name: str, payload: object, *, again: bool) -> Any:
        try:
            answer = await self._posted(name, payload, again=again)
        except ChainError as error:
            self._saw(type(error).__name__)
            raise
        self._saw(None)
        return answer

    def _saw(self, error: str | None) -> None:
        if self._observe is not None:
            self._observe(self._shown, error)

    async def _posted(self, name: str, payload: object, *, again: bool) -> Any:
        if self._session is None:
            raise Bug("JsonRpc is used inside its `async with`")
        body = json.dumps(payload, separators=(",", ":")).encode()
        attempts = self._attempts if again else 1
        for attempt in range(1, attempts + 1):
            try:
                async with self._session.post(
                    self._url, data=body, headers={"Content-Type": "application/json"}
                ) as response:
                    answer = await response.read()
                    status, wait = response.status, response.headers.get("Retry-After")
                break
            except TimeoutError as error:
                raise NodeTimeout(f"{name}: {self._shown} did not answer in time") from error
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
                # A kept-alive connection that the node closed meanwhile shows only when it is used.
                if attempt == attempts:
                    raise ChainUnavailable(f"{name}: {self._shown}: {_words(error)}") from error
                await asyncio.sleep(self._retry_delay_s * attempt)
            except aiohttp.ClientError as error:
                raise ChainUnavailable(f"{name}: {self._shown}: {_words(error)}") from error
        if status == _TOO_MANY_REQUESTS:
            raise RateLimited(f"{name}: {self._shown}", retry_after(wait, time.time()))
        if status == _TOO_LARGE:
            raise NodeError(name, status, "the request or its answer is too large")
        try:
            found = json.loads(answer)
            if status >= _HTTP_ERROR and not _is_rpc(found):
                raise ValueError("an error page in JSON")
            return found
        except ValueError as error:
            raise ChainUnavailable(f"{name}: {self._shown} answered {status} without JSON") from error
