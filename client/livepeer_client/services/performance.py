"""Scores of performance that somebody measures from outside, by region (offchain-network 1.6): facts for selection."""

import logging
from collections.abc import Mapping
from typing import Final

from livepeer_client.codec.discovery_api import decode_performance
from livepeer_client.errors import LivepeerError
from livepeer_client.ports import Clock, WebClient
from livepeer_client.types import Address

INTERVAL_S: Final = 600.0
TIMEOUT_S: Final = 8.0

_log = logging.getLogger(__name__)


class PerformanceScores:
    """The scores of one `region` at `url`, read again every ten minutes; those of the last success count."""

    def __init__(self, url: str, region: str, web: WebClient, clock: Clock, *, interval_s: float = INTERVAL_S) -> None:
        self._url = url
        self._region = region
        self._web = web
        self._clock = clock
        self._interval_s = interval_s
        self._scores: Mapping[Address, float] = {}

    @property
    def scores(self) -> Mapping[Address, float]:
        """In [0, 1] by address; empty before the first success."""
        return self._scores

    async def refresh(self) -> None:
        """:raises LivepeerError: no such file; the scores stay as they were."""
        self._scores = decode_performance(await self._web.get(self._url, timeout_s=TIMEOUT_S), self._region)

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            try:
                await self.refresh()
            except LivepeerError as error:
                _log.warning("performance scores not read, keeping %d reason=%s", len(self._scores), error)
            await self._clock.sleep(self._interval_s)
