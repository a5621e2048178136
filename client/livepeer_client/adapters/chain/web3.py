"""The suite over an AsyncWeb3 that the application already has: only the transport is replaced.

    suite = Suite(Web3Rpc(w3), controller)

Requests go straight to web3's provider, past its middleware, so each read is one request.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from livepeer_client.adapters.chain.rpc import Call, NodeError, NodeTimeout, RateLimited, result_of, retry_after
from livepeer_client.errors import ChainError, ChainUnavailable

if TYPE_CHECKING:
    from web3 import AsyncWeb3
    from web3.types import RPCEndpoint


_TOO_MANY_REQUESTS: Final = 429


class Web3Rpc:
    """`Rpc` over an AsyncWeb3 handed in, which its owner opens and closes.

    :param timeout_s: for each request or batch, whatever the provider's own limit.
    """

    def __init__(self, w3: "AsyncWeb3[Any]", *, timeout_s: float = 20.0) -> None:
        self._provider = w3.provider
        self._timeout_s = timeout_s

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        response = await self._ask(method, self._provider.make_request(cast("RPCEndpoint", method), list(params)))
        result = result_of(method, response)
        if isinstance(result, ChainError):
            raise result
        return result

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        if not calls:
            return []
        name = f"batch of {len(calls)}"
        requests = [(cast("RPCEndpoint", method), list(params)) for method, params in calls]
        try:
            responses = await self._ask(name, self._provider.make_batch_request(requests))
        except NotImplementedError:
            # A provider without batches, such as one over a socket: one request after the other.
            return [await self._single(method, params) for method, params in calls]
        if not isinstance(responses, list) or len(responses) != len(calls):
            outcome = result_of(name, responses)
            raise outcome if isinstance(outcome, ChainError) else NodeError(name, 0, "the answer is not a batch")
        # The provider has put them into the order of the requests.
        return [result_of(method, response) for (method, _), response in zip(calls, responses, strict=True)]

    async def _single(self, method: str, params: Sequence[Any]) -> Any:
        """A result, or its error as a value."""
        try:
            return await self.call(method, params)
        except ChainError as error:
            return error

    async def _ask(self, name: str, request: Any) -> Any:
        from aiohttp import ClientError, ClientResponseError
        from web3.exceptions import Web3Exception

        try:
            async with asyncio.timeout(self._timeout_s):
                return await request
        except TimeoutError as error:
            raise NodeTimeout(f"{name}: the node did not answer in time") from error
        except ClientResponseError as error:
            if error.status == _TOO_MANY_REQUESTS:
                wait = error.headers.get("Retry-After") if error.headers else None
                raise RateLimited(name, retry_after(wait, time.time())) from error
            raise ChainUnavailable(f"{name}: the node answered {error.status}") from error
        except (ClientError, OSError, ValueError, Web3Exception) as error:
            raise ChainUnavailable(f"{name}: {type(error).__name__}") from error
