"""A segment that a trusted orchestrator works on as well, and the comparison of both results (offchain-network 3.1)."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from livepeer_client.errors import LivepeerError, MediaError, ResultMismatch
from livepeer_client.facts import Rendition
from livepeer_client.policy.verification import alike
from livepeer_client.policy.workloads import Step
from livepeer_client.services.dispatch_events import Observer, Verified
from livepeer_client.services.exchange import Exchange, Job, Order, Segment, Work
from livepeer_client.services.paying import Engagement
from livepeer_client.types import Address

_log = logging.getLogger(__name__)


class _Compared(Protocol):
    def __call__(self, address: Address, *, agreed: bool) -> None: ...


class Check:
    """One comparison. The trusted one starts at once and is paid whatever comes of it."""

    def __init__(
        self,
        exchange: Exchange,
        checked: Address,
        trusted: Engagement,
        order: Order,
        segment: Segment,
        observe: Observer,
        compared: _Compared,
    ) -> None:
        self.engagement = trusted
        self.job = Job()
        self.job.step(Step.CHOSEN)
        self._media = exchange.media
        self._checked = checked
        self._segment = segment
        self._observe = observe
        self._compared = compared
        self._task = asyncio.create_task(exchange.attempt(trusted, order, segment, self.job, observe))

    async def result(self) -> Work | None:
        """The trusted one's work, None if it failed: then nothing can be said about the other's."""
        try:
            return await asyncio.shield(self._task)
        except LivepeerError as error:
            _log.info("not compared segment=%d reason=%s", self._segment.seq, error)
            return None

    async def compare(self, renditions: Sequence[Rendition]) -> None:
        """Hold renditions against those of the trusted one.

        :raises ResultMismatch: they show something else.
        """
        reference = await self.result()
        agreed = None if reference is None else await self._agree(renditions, reference.renditions)
        self._observe(Verified(self._segment.seq, self._checked, self.engagement.address, agreed))
        if agreed is None:
            return
        self._compared(self._checked, agreed=agreed)
        if not agreed:
            raise ResultMismatch("picture", f"what 0x{self.engagement.address.hex()} made of it", "another one")

    async def _agree(self, mine: Sequence[Rendition], theirs: Sequence[Rendition]) -> bool | None:
        for one, other in zip(mine, theirs, strict=True):
            try:
                pictures = [await self._media.fingerprint(each.data) for each in (one, other)]
            except MediaError as error:
                _log.info("not compared segment=%d reason=%s", self._segment.seq, error)
                return None
            if not alike(*pictures):
                return False
        return True

    async def close(self) -> None:
        """Stop waiting for the trusted one; its payment stays in the books as unanswered if it was not done."""
        if not self._task.done():
            self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            # Look, so that asyncio does not report a failure as overlooked.
            self._task.exception()
