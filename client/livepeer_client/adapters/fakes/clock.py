"""A clock that moves only when told to."""

import asyncio
import heapq
import itertools

from livepeer_client.errors import InvalidInput


class ManualClock:
    """`ports.Clock` under a test's control; sleepers wake in order while `advance` passes their moments.

    :param start: Unix seconds; monotonic time starts at 0.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def time(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    @property
    def sleeping(self) -> int:
        """How many callers wait."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float, *, turns: int = 20) -> None:
        """Move time forward, stopping at each sleeper's moment so that it can act and sleep again.

        `turns` is how often the event loop runs between two moments.

        :raises InvalidInput: backwards.
        """
        if seconds < 0:
            raise InvalidInput("time does not go backwards")
        end = self._elapsed + seconds
        await self._run(turns)
        while self._sleepers and self._sleepers[0][0] <= end:
            moment, _, future = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, moment)
            if not future.done():
                future.set_result(None)
            await self._run(turns)
        self._elapsed = end

    @staticmethod
    async def _run(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
