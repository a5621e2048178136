"""Running codec work beside the event loop, and stopping it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The work noticed that its caller is gone; never reaches anybody."""


class StopFlag:
    """Set by the caller's side, asked by the work between two frames."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = False
        self._set = False

    def begin(self) -> None:
        """:raises Stopped: set before the work began."""
        with self._lock:
            self.check()
            self._begun = True

    def set(self) -> bool:
        """Stop the work.

        :returns: whether it had begun; otherwise it never will.
        """
        with self._lock:
            self._set = True
            return self._begun

    def check(self) -> None:
        """:raises Stopped: the caller is gone."""
        if self._set:
            raise Stopped


async def run_stoppable(executor: Executor | None, work: Callable[[StopFlag], T]) -> T:
    """Run `work` in a thread. If the caller is cancelled, stop the work and wait until it has stopped.

    Waiting takes no longer than one frame, and afterwards no thread touches what the work was given.
    """
    stop = StopFlag()

    def run() -> T:
        stop.begin()
        return work(stop)

    future = asyncio.get_running_loop().run_in_executor(executor, run)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        # Nobody asks any more how it ended; look, so that asyncio does not report that as overlooked.
        future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        if stop.set():
            await asyncio.wait([future])
        raise
