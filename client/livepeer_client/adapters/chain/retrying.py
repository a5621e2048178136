"""Asking again: any `Rpc`, patient with a node that is busy or gone for a moment.

Only reads are repeated. A raw transaction is not: whether it arrived is a question of fact, which the transactor asks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from livepeer_client.adapters.chain.rpc import Call, NodeError, RateLimited, Rpc, is_read
from livepeer_client.errors import Bug, ChainUnavailable, InvalidInput

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` in all; after the n-th failure n x `step_s` pass, or what the node asked for, at most `longest_s`."""

    attempts: int = 6
    step_s: float = 0.5
    longest_s: float = 30.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.step_s < 0 or self.longest_s < 0:
            raise InvalidInput(f"attempts {self.attempts}, step_s {self.step_s}, longest_s {self.longest_s}")

    def pause_s(self, failures: int, asked_s: float | None = None) -> float:
        """How long to wait after so many failures; `asked_s` is the node's own wish."""
        return min(self.longest_s, max(failures * self.step_s, asked_s or 0.0))


def is_passing(error: BaseException) -> bool:
    """Whether asking the same again may help: the node was busy or not reached. What it answered stands."""
    return isinstance(error, ChainUnavailable) and not isinstance(error, NodeError)


class RetryingRpc:
    """`Rpc` over another one, repeating reads that found the node busy or gone."""

    def __init__(
        self,
        inner: Rpc,
        policy: RetryPolicy | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inner = inner
        self._policy = policy or RetryPolicy()
        self._sleep = sleep

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        return await self._patiently(lambda: self._inner.call(method, params), again=is_read(method))

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """As `Rpc.batch`. Those that were refused as too many are asked again by themselves."""
        again = all(is_read(method) for method, _ in calls)
        results = await self._patiently(lambda: self._inner.batch(calls), again=again)
        for failures in range(1, self._policy.attempts):
            refused = [at for at, result in enumerate(results) if isinstance(result, RateLimited)]
            if not refused or not again:
                break
            asked = max((results[at].retry_after_s or 0.0 for at in refused), default=0.0)
            await self._sleep(self._policy.pause_s(failures, asked))
            some = [calls[at] for at in refused]
            rest = await self._patiently(partial(self._inner.batch, some), again=True)
            for at, result in zip(refused, rest, strict=True):
                results[at] = result
        return results

    async def _patiently(self, ask: Callable[[], Awaitable[T]], *, again: bool) -> T:
        for failures in range(1, self._policy.attempts + 1):
            try:
                return await ask()
            except ChainUnavailable as error:
                if not again or failures == self._policy.attempts or not is_passing(error):
                    raise
                asked = error.retry_after_s if isinstance(error, RateLimited) else None
                await self._sleep(self._policy.pause_s(failures, asked))
        raise Bug("a retry policy has at least one attempt")
