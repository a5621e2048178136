"""A segment that a trusted orchestrator and a second untrusted one work on as well, and the comparison of the results
(offchain-network 3.1, 4.7)."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from livepeer_client.errors import MediaError, ResultMismatch
from livepeer_client.facts import Rendition
from livepeer_client.policy.verification import alike
from livepeer_client.policy.workloads import Progress
from livepeer_client.ports import MediaProbe
from livepeer_client.services.dispatch_events import Observer, Verified
from livepeer_client.services.exchange import Compare, Work
from livepeer_client.services.paying import Engagement
from livepeer_client.types import Address

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Side:
    """What somebody made of the segment beside the first one, and the course of that."""

    engagement: Engagement
    work: Work
    progress: Progress


Attempt = Callable[[Engagement, Compare | None], Coroutine[Any, Any, Side | None]]
"""Somebody's whole attempt at the segment, its failures dealt with; None if no work came of it."""
Start = Callable[[Coroutine[Any, Any, Side | None]], "asyncio.Task[Side | None]"]


class Compared(Protocol):
    """Takes note of what a comparison found."""

    def __call__(self, address: Address, *, agreed: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """Who works on a segment: `first`, whose work it is unless it fails, and for a comparison those beside it."""

    first: Engagement
    second: Engagement | None = None
    trusted: Engagement | None = None

    @property
    def all(self) -> list[Engagement]:
        return [each for each in (self.first, self.second, self.trusted) if each is not None]


class Check:
    """One comparison. All work at once, and all are paid whatever comes of it, but those whose work is another.

    :param start: runs an attempt to its end, even if nobody waits for it any more: what it says of an orchestrator is
        of use all the same.
    """

    def __init__(
        self,
        seq: int,
        trusted: Engagement,
        second: Engagement | None,
        media: MediaProbe,
        attempt: Attempt,
        observe: Observer,
        compared: Compared,
        start: Start,
    ) -> None:
        self._seq = seq
        self._trusted = trusted
        self._media = media
        self._observe = observe
        self._compared = compared
        self._reference = start(attempt(trusted, None))
        self._others = [self._reference]
        if second is not None:
            self._others.append(start(attempt(second, partial(self.compare, second.address))))

    async def reference(self) -> Side | None:
        """The trusted one's work, None if it failed: then nothing can be said about the others'."""
        return await _outcome(self._reference)

    async def instead(self) -> Side | None:
        """Work to use where the first one's cannot be: the trusted one's, which is there before any comparison with it,
        else the second's; None if there is none."""
        for task in self._others:
            side = await _outcome(task)
            if side is not None:
                return side
        return None

    async def compare(self, address: Address, renditions: Sequence[Rendition]) -> None:
        """Hold renditions of `address` against those of the trusted one.

        :raises ResultMismatch: they show something else.
        """
        reference = await self.reference()
        agreed = None if reference is None else await self._agree(renditions, reference.work.renditions)
        self._observe(Verified(self._seq, address, self._trusted.address, agreed))
        if agreed is None:
            return
        self._compared(address, agreed=agreed)
        if not agreed:
            raise ResultMismatch("picture", f"what 0x{self._trusted.address.hex()} made of it", "another one")

    async def _agree(self, mine: Sequence[Rendition], theirs: Sequence[Rendition]) -> bool | None:
        for one, other in zip(mine, theirs, strict=True):
            try:
                pictures = [await self._media.fingerprint(each.data) for each in (one, other)]
            except MediaError as error:
                _log.info("not compared segment=%d reason=%s", self._seq, error)
                return None
            if not alike(*pictures):
                return False
        return True


async def _outcome(task: "asyncio.Task[Side | None]") -> Side | None:
    """Of a task that others wait for as well, and that ends with its stream."""
    await asyncio.wait({task})
    return None if task.cancelled() else task.result()
