"""Run several awaits at once, owned and with errors as they are."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Never, TypeVar

from livepeer_client.errors import ChainError, LivepeerError
from livepeer_client.ports import Clock

logger = logging.getLogger(__name__)

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


async def together(*work: Coroutine[Any, Any, T]) -> list[T]:
    """All results in order. The first failure cancels the rest and is raised itself, not inside a group."""
    if len(work) == 1:
        return [await work[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """As `together`, for two of different kinds."""
    try:
        async with asyncio.TaskGroup() as group:
            one, other = group.create_task(first), group.create_task(second)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return one.result(), other.result()


async def completed(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end, even if the caller is cancelled meanwhile; the cancellation is raised after it.

    For what must not be left half done, such as a commit and the balance that goes with it.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        if not task.cancelled():
            # Nobody asks any more how it ended; look, so that asyncio does not report that as overlooked.
            task.exception()
        raise


async def for_ever(
    step: Callable[[], Awaitable[object]],
    clock: Clock,
    pause_s: float,
    name: str,
    passing: tuple[type[LivepeerError], ...] = (ChainError,),
) -> Never:
    """Step, pause, and so on until cancelled.

    Trouble that may pass, which is what is retryable or one of `passing`, is logged under `name`; any other is raised.
    """
    while True:
        try:
            await step()
        except LivepeerError as error:
            if not (error.retryable or isinstance(error, passing)):
                raise
            logger.warning("%s: %s", name, error)
        await clock.sleep(pause_s)
