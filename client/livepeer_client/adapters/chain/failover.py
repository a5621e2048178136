"""Several nodes of one chain as one `Rpc`: the first that is well serves, the others stand by.

A node is left alone for a while after it failed, longer each time; one that is of another chain is never used again,
one that lags is used only if there is nothing better. Requests stay with one node as long as it is well, so that what
is read does not jump between their heads.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from livepeer_client.adapters.chain.retrying import is_passing
from livepeer_client.adapters.chain.rpc import Call, JsonRpc, RateLimited, Rpc
from livepeer_client.errors import ChainError, ChainUnavailable, InvalidInput

logger = logging.getLogger(__name__)
T = TypeVar("T")


class WrongChain(ChainUnavailable):
    """No node is of the chain that was asked for. `found` are the chain ids that were."""

    retryable = False

    def __init__(self, expected: int, found: Sequence[int]) -> None:
        self.expected = expected
        self.found = tuple(found)
        super().__init__(f"no node of chain {expected}: found {', '.join(map(str, found)) or 'none'}")


@dataclass(slots=True)
class _Node:
    rpc: Rpc
    name: str
    chain_id: int | None = None
    height: int = 0
    failures: int = 0
    rest_until: float = 0.0


class FailoverRpc:
    """`Rpc` over several, in order of preference.

    :param chain_id: what every node must answer to `eth_chainId`; None takes the first node's.
    :param max_lag_blocks: how far a node may be behind the best one.
    :param check_interval_s: between looks at the heights of all nodes.
    :param rest_s: how long a node is left alone after its first failure, doubled with each further one up to
        `longest_rest_s`.
    """

    def __init__(
        self,
        nodes: Sequence[Rpc],
        *,
        chain_id: int | None = None,
        max_lag_blocks: int = 20,
        check_interval_s: float = 15.0,
        rest_s: float = 2.0,
        longest_rest_s: float = 120.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not nodes:
            raise InvalidInput("at least one node is needed")
        self._nodes = [_Node(rpc, f"node {at} {rpc!r}") for at, rpc in enumerate(nodes, 1)]
        self._chain_id = chain_id
        self._max_lag_blocks = max_lag_blocks
        self._check_interval_s = check_interval_s
        self._rest_s = rest_s
        self._longest_rest_s = longest_rest_s
        self._monotonic = monotonic
        self._checked_at = float("-inf")
        self._check = asyncio.Lock()
        self._current: _Node | None = None
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for node in self._nodes:
            if isinstance(node.rpc, JsonRpc):
                await self._opened.enter_async_context(node.rpc)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    @property
    def serving(self) -> Rpc | None:
        """The node that answered last."""
        return None if self._current is None else self._current.rpc

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        return await self._ask(lambda rpc: rpc.call(method, params))

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        if not calls:
            return []
        return await self._ask(lambda rpc: rpc.batch(calls))

    async def _ask(self, ask: Callable[[Rpc], Awaitable[T]]) -> T:
        """From the best node, or from the next one if that is busy or gone; each node is asked once."""
        await self._look()
        last: ChainUnavailable | None = None
        for node in self._in_order():
            try:
                result = await ask(node.rpc)
            except ChainUnavailable as error:
                if not is_passing(error):
                    self._served(node)
                    raise
                self._failed(node, error)
                last = error
            else:
                self._served(node)
                return result
        if last is None:
            raise WrongChain(self._chain_id or 0, [node.chain_id for node in self._nodes if node.chain_id is not None])
        raise last

    def _in_order(self) -> list[_Node]:
        """Nodes of our chain: those that are well first, the current one before all; the lagging and the resting last,
        for a bad answer may be better than none."""
        now = self._monotonic()
        best = max((node.height for node in self._nodes if self._is_ours(node)), default=0)

        def key(at: int) -> tuple[bool, bool, bool, int]:
            node = self._nodes[at]
            return node.rest_until > now, best - node.height > self._max_lag_blocks, node is not self._current, at

        return [self._nodes[at] for at in sorted(range(len(self._nodes)), key=key) if self._is_ours(self._nodes[at])]

    def _is_ours(self, node: _Node) -> bool:
        return node.chain_id is None or node.chain_id == self._chain_id

    def _served(self, node: _Node) -> None:
        if node is not self._current:
            logger.info("chain: %s serves", node.name)
            self._current = node
        node.failures = 0
        node.rest_until = 0.0

    def _failed(self, node: _Node, error: ChainUnavailable) -> None:
        node.failures += 1
        rest = min(self._longest_rest_s, self._rest_s * 2 ** min(node.failures - 1, 16))
        if isinstance(error, RateLimited):
            rest = max(rest, error.retry_after_s or 0.0)
        node.rest_until = self._monotonic() + rest
        if node is self._current:
            self._current = None
        # The first time is news. What comes after it interests who follows a node, not who has given one command.
        level = logging.WARNING if node.failures == 1 else logging.INFO
        logger.log(level, "chain: %s rests for %.0f s: %s", node.name, rest, error)

    async def _look(self) -> None:
        """Ask all nodes for chain and height, at most every `check_interval_s`."""
        if self._monotonic() - self._checked_at < self._check_interval_s:
            return
        async with self._check:
            if self._monotonic() - self._checked_at < self._check_interval_s:
                return
            await asyncio.gather(*(self._look_at(node) for node in self._nodes))
            if self._chain_id is None:
                self._chain_id = next((node.chain_id for node in self._nodes if node.chain_id is not None), None)
            for node in self._nodes:
                if not self._is_ours(node):
                    logger.error(
                        "chain: %s is of chain %s, not %s: never used", node.name, node.chain_id, self._chain_id
                    )
            self._checked_at = self._monotonic()

    async def _look_at(self, node: _Node) -> None:
        if node.rest_until > self._monotonic():
            return
        try:
            chain_id, height = await node.rpc.batch([("eth_chainId", []), ("eth_blockNumber", [])])
        except ChainError as error:
            if isinstance(error, ChainUnavailable):
                self._failed(node, error)
            return
        if isinstance(chain_id, str) and isinstance(height, str):
            node.chain_id, node.height = int(chain_id, 16), int(height, 16)
