"""A node's exchange rate."""

import logging
from collections.abc import Callable
from fractions import Fraction

from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.config import GatewayConfig, PriceFeedConfig
from livepeer_client.errors import ConfigError, InvalidInput, PriceUnavailable
from livepeer_client.policy.price_book import PriceBook, in_wei
from livepeer_client.policy.price_list import Ceilings
from livepeer_client.services.price_feed import PriceFeedService
from livepeer_client.services.prices import FREE_ONLY, Limits, LimitsNow, PricesNow, rate_of

_log = logging.getLogger(__name__)


async def open_feed(config: PriceFeedConfig | None, suite: Suite) -> PriceFeedService | None:
    """A feed that was read once; keep `run` beside it. None where none is configured.

    One whose price is stale is waited for: nothing that depends on it is quoted, or bought, before it is not.

    :raises ConfigError: what is there quotes no pair.
    :raises ChainError: no node answers, or what answers is no feed.
    """
    if config is None:
        return None
    feed = PriceFeedService(suite.price_feed(config.address), SystemClock(), max_age_s=config.max_age_s)
    try:
        price = await feed.start()
    except InvalidInput as error:
        raise ConfigError(f"[price_feed] address: {error}") from error
    except PriceUnavailable as error:
        _log.error("price feed not usable yet: %s", error)
    else:
        _log.info("price feed pair=%s price=%s", price.pair, float(price.price))
    return feed


def open_prices(book: PriceBook, feed: PriceFeedService | None) -> PricesNow:
    """An orchestrator's prices.

    :raises ConfigError: one in a currency that the feed does not have.
    """
    try:
        return PricesNow(book, feed)
    except InvalidInput as error:
        raise ConfigError(f"[price_feed] {error}") from error


def ceiling_now(config: GatewayConfig, feed: PriceFeedService | None) -> Fraction:
    """The most that is paid for a pixel at the present rate; without one, only what is free is bought."""
    try:
        return in_wei(config.gateway.ceiling, rate_of(feed))
    except PriceUnavailable:
        return FREE_ONLY


def open_limits(limits: Limits, feed: PriceFeedService | None, put: Callable[[Ceilings], None]) -> LimitsNow:
    """Price ceilings, told to `put`; keep `run` beside it. Raises as `open_prices`."""
    try:
        return LimitsNow(limits, feed, SystemClock(), put)
    except InvalidInput as error:
        raise ConfigError(f"[price_feed] {error}") from error
