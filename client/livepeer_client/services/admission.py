"""Who is given terms at all, and at which price: the operator's discovery webhook (offchain-network 1.4)."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livepeer_client.codec.discovery_api import decode_price_answer, encode_price_question
from livepeer_client.errors import BadCredentials, LivepeerError
from livepeer_client.policy.price import is_countable
from livepeer_client.ports import Clock, WebClient
from livepeer_client.types import Address

KEPT_S: Final = 1800.0
TIMEOUT_S: Final = 3.0
MAX_KEPT: Final = 10_000
"""Senders remembered: anybody may ask for terms under ever new keys."""
ASKED_AT_ONCE: Final = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Admitted:
    until_s: float
    price: Fraction | None


class DiscoveryWebhook:
    """Asks `url` about each sender; its word counts for half an hour. Who is refused may ask again at once."""

    def __init__(self, url: str, web: WebClient, clock: Clock) -> None:
        self._url = url
        self._web = web
        self._clock = clock
        self._admitted: dict[Address, _Admitted] = {}
        self._asking = asyncio.Semaphore(ASKED_AT_ONCE)

    async def admit(self, sender: Address) -> None:
        """:raises BadCredentials: the webhook refuses, does not answer, or answers nonsense."""
        if self._held(sender) is not None:
            return
        async with self._asking:
            try:
                answer = await self._web.post(self._url, encode_price_question(sender), timeout_s=TIMEOUT_S)
                price = decode_price_answer(answer)
            except LivepeerError as error:
                _log.info("sender not admitted sender=0x%s reason=%s", sender.hex(), error)
                reason = "refused" if not error.retryable else "no answer"
                raise BadCredentials(f"Invalid orchestrator request: authentication failed: {reason}") from error
        exact = None if price is None else Fraction(*price)
        if exact is not None and not is_countable(exact):
            _log.error("webhook's price is no decimal fraction sender=0x%s price=%s", sender.hex(), exact)
            raise BadCredentials("Invalid orchestrator request: authentication failed: refused")
        self._keep(sender, exact)

    @property
    def prices(self) -> Mapping[Address, Fraction]:
        """Base prices that it gave single senders, wei per pixel, while they hold."""
        now = self._clock.monotonic()
        return {
            sender: entry.price
            for sender, entry in self._admitted.items()
            if entry.price is not None and now < entry.until_s
        }

    def _held(self, sender: Address) -> _Admitted | None:
        entry = self._admitted.get(sender)
        return entry if entry is not None and self._clock.monotonic() < entry.until_s else None

    def _keep(self, sender: Address, price: Fraction | None) -> None:
        # The oldest first: entries are never renewed in place.
        self._admitted.pop(sender, None)
        while len(self._admitted) >= MAX_KEPT:
            del self._admitted[next(iter(self._admitted))]
        self._admitted[sender] = _Admitted(self._clock.monotonic() + KEPT_S, price)
