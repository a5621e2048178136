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
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def check(self) -> None:
        """:raises Stopped: the caller is gone."""
        if self._event.is_set():
            raise Stopped


async def run_stoppable(executor: Executor | None, work: Callable[[StopFlag], T]) -> T:
    """Run `work` in a thread. If the caller is cancelled, stop the work and wait until it has stopped.

    Waiting takes no longer than one frame, and afterwards no thread still touches what the work was given.
    """
    stop = StopFlag()
    future = asyncio.get_running_loop().run_in_executor(executor, work, stop)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        # Work that has not begun is taken off the queue by this.
        future.cancel()
        await asyncio.wait([future])
        if not future.cancelled():
            # Look at how it ended, so that asyncio does not report it as overlooked.
            future.exception()
        raise
