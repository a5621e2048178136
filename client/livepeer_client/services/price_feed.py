"""Keep an exchange rate current: read the feed at start and on every full hour (offchain-payments 7)."""

import logging
from fractions import Fraction

from livepeer_client.errors import ChainError, InvalidInput, PriceUnavailable
from livepeer_client.policy.fiat import (
    MAX_AGE_S,
    Amount,
    FeedPrice,
    check_fresh,
    feed_price,
    next_read_s,
    retry_s,
    to_wei,
)
from livepeer_client.ports import Clock, PriceFeed

_log = logging.getLogger(__name__)


class PriceFeedService:
    """The latest usable price of one feed. Prices made from it are computed anew each time somebody asks."""

    def __init__(self, feed: PriceFeed, clock: Clock, *, max_age_s: float = MAX_AGE_S) -> None:
        self._feed = feed
        self._clock = clock
        self._max_age_s = max_age_s
        self._price: FeedPrice | None = None

    async def start(self) -> FeedPrice:
        """The first reading, so that nobody quotes without one.

        :raises ChainError: no node answers, or what answers is no feed.
        :raises InvalidInput: the feed quotes no pair.
        :raises PriceUnavailable: its price is stale or not positive.
        """
        price = feed_price(await self._feed.read())
        self._price = check_fresh(price, self._clock.time(), self._max_age_s)
        return self._price

    @property
    def rate(self) -> FeedPrice | None:
        """The latest reading, None while there is none that is fresh enough."""
        try:
            return None if self._price is None else check_fresh(self._price, self._clock.time(), self._max_age_s)
        except PriceUnavailable:
            return None

    def status(self) -> dict[str, object]:
        """For people: what was read last, and whether prices are made from it."""
        price = self._price
        if price is None:
            return {"Pair": None, "Usable": False}
        return {
            "Pair": str(price.pair),
            "Price": str(float(price.price)),
            "UpdatedAt": price.updated_at,
            "AgeSeconds": int(self._clock.time() - price.updated_at),
            "MaxAgeSeconds": int(self._max_age_s),
            "Usable": self.rate is not None,
        }

    def wei(self, amount: Amount) -> Fraction:
        """An amount in wei by the latest reading, exact. Wei and ETH need none.

        :raises PriceUnavailable: no reading yet, or the last one has become stale.
        :raises InvalidInput: the feed does not know the currency.
        """
        price = self._price
        if amount.needs_feed and price is not None:
            price = check_fresh(price, self._clock.time(), self._max_age_s)
        return to_wei(amount, price)

    async def run(self) -> None:
        """Read on every full hour until cancelled; a read that fails is repeated, and the last price kept."""
        failures = 0
        while True:
            wait_s = retry_s(failures) if failures else None
            if wait_s is None:
                failures = 0
                wait_s = next_read_s(self._clock.time())
            await self._clock.sleep(wait_s)
            try:
                await self.start()
                failures = 0
            except (ChainError, InvalidInput, PriceUnavailable) as error:
                failures += 1
                _log.warning("price feed not read attempt=%d reason=%s", failures, error)
