"""A time limit for peers that does not run while this process stands still.

What a peer sent in time lies in the kernel when a machine that was suspended, or a process that got no processor, goes
on; `asyncio.timeout` would end the wait before anybody looks. Then every peer would be late at once, and suspended for
what was our own fault.
"""

import asyncio
from types import TracebackType
from typing import Final

SLACK_S: Final = 0.25
"""Later than this, a timer of ours tells of a stall."""


class Deadline:
    """As `asyncio.timeout_at(at)`, on the loop's clock, but put off by as long as the loop was held up when it passed.

    :raises TimeoutError: on exit.
    """

    def __init__(self, at: float) -> None:
        self._at = at
        self._limit = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> "Deadline":
        await self._limit.__aenter__()
        self._timer = asyncio.get_running_loop().call_at(self._at, self._passed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _passed(self) -> None:
        loop = asyncio.get_running_loop()
        late_s = loop.time() - self._at
        if late_s > SLACK_S:
            self._at = loop.time() + late_s
            self._timer = loop.call_at(self._at, self._passed)
        else:
            self._limit.reschedule(loop.time())
