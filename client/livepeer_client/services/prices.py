"""What is asked, and paid at most, now: an operator's prices at the present rate (offchain-payments 7).

A rate is used until it is older than its feed's `max_age_s`. From then on nothing is quoted that depends on it, and
nothing bought under a ceiling that does; what was agreed before keeps its price.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livepeer_client.errors import InvalidInput, LivepeerError, PriceUnavailable
from livepeer_client.policy.fiat import Amount, FeedPrice
from livepeer_client.policy.price_book import Money, PriceBook, ToWei, in_wei, without_feed
from livepeer_client.policy.price_list import Ceilings, Model, PriceList, Tariff
from livepeer_client.ports import Clock
from livepeer_client.services.price_feed import PriceFeedService

LOOK_S: Final = 30.0
FREE_ONLY: Final = Fraction(1, 10**18)
"""The ceiling while none can be told: less than the least price there is."""

_log = logging.getLogger(__name__)


class PricesNow:
    """The prices of an orchestrator in wei, worked out anew when the rate or the operator changes them."""

    def __init__(self, book: PriceBook, feed: PriceFeedService | None = None) -> None:
        self._feed = feed
        self._book = book
        self._made: PriceList | None = None
        self._made_at: FeedPrice | None = None
        self.ask(book)

    @property
    def book(self) -> PriceBook:
        return self._book

    def ask(self, book: PriceBook) -> None:
        """Other prices from now on.

        :raises InvalidInput: in a currency that has no rate, and will have none; nothing has changed.
        """
        for amount in book.amounts:
            try:
                self._rate(amount)
            except PriceUnavailable as error:
                if self._feed is None:
                    raise InvalidInput(str(error)) from error
        self._book, self._made = book, None

    def __call__(self) -> PriceList:
        """What can be told now; asking it for another price raises `PriceUnavailable`."""
        depends = self._book.needs_feed
        rate = self._feed.rate if depends and self._feed is not None else None
        if self._made is None or (depends and (rate is None or rate is not self._made_at)):
            self._made, self._made_at = self._book.price_list(self._rate), rate
        return self._made

    def _rate(self, amount: Amount) -> Fraction:
        return rate_of(self._feed)(amount)


class TariffsNow(Mapping[str, Tariff]):
    """The tariffs of one capability's models now, by their names."""

    def __init__(self, prices: Callable[[], PriceList], capability: int, models: tuple[str, ...]) -> None:
        self._prices = prices
        self._capability = capability
        self._models = models

    def __getitem__(self, model: str) -> Tariff:
        if model not in self._models:
            raise KeyError(model)
        return self._prices().models[self._capability, model]

    def __contains__(self, model: object) -> bool:
        return model in self._models

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is paid at most for one unit, in any currency; None in general: anything."""

    general: Money | None
    models: Mapping[Model, Money]


class LimitsNow:
    """Price ceilings in wei, told to whoever keeps to them.

    :param put: takes them, at once and whenever they change.
    """

    def __init__(
        self,
        limits: Limits,
        feed: PriceFeedService | None,
        clock: Clock,
        put: Callable[[Ceilings], None],
    ) -> None:
        self._feed = feed
        self._clock = clock
        self._put = put
        self._told: Ceilings | None = None
        self._untold = False
        self.limits = limits
        self.pay(limits)

    def pay(self, limits: Limits) -> None:
        """Other ceilings from now on.

        :raises InvalidInput: in a currency that has no rate, and will have none; nothing has changed.
        """
        for money in (limits.general, *limits.models.values()):
            try:
                if money is not None:
                    in_wei(money, self._rate)
            except PriceUnavailable as error:
                if self._feed is None:
                    raise InvalidInput(str(error)) from error
        self.limits = limits
        self.follow()

    def follow(self) -> None:
        """Have the ceilings at the present rate; where that is missing, only what is free is bought."""
        untold: list[LivepeerError] = []

        def told(money: Money) -> Fraction:
            try:
                return in_wei(money, self._rate)
            except (PriceUnavailable, InvalidInput) as error:
                untold.append(error)
                return FREE_ONLY

        limits = self.limits
        general = None if limits.general is None else told(limits.general)
        models = {model: told(money) for model, money in limits.models.items()}
        if untold and not self._untold:
            _log.error("price ceiling not known, nothing is bought but what is free: %s", untold[0])
        self._untold = bool(untold)
        ceilings = Ceilings(general, models)
        if ceilings != self._told:
            self._told = ceilings
            self._put(ceilings)

    async def run(self) -> None:
        """Follow the rate, until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            self.follow()

    def _rate(self, amount: Amount) -> Fraction:
        return rate_of(self._feed)(amount)


def rate_of(feed: PriceFeedService | None) -> ToWei:
    """How amounts become wei with this feed, or without any."""
    return without_feed if feed is None else feed.wei
