"""The gas price, polled and remembered (offchain-payments 13)."""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from livepeer_client.errors import ChainError, GasPriceTooHigh, InvalidInput
from livepeer_client.facts import Head
from livepeer_client.policy.gas import DAY_S, GasHistory, GasPrices
from livepeer_client.ports import Chain, Clock
from livepeer_client.types import Hash32, Wei

logger = logging.getLogger(__name__)

PAST_PRICES: Final = 96
"""Blocks of the time before that are asked for their base fees, at the first look."""


class GasPriceMonitor:
    """Polls the node's suggested gas price and keeps those of the last day, by the time of the blocks they go with.

    One serves all that ask for gas prices in a process: whoever has read a head tells it that, too. The day before the
    first look is filled from what blocks have charged.

    The price it tells is the last one, or `min_price` if that is more: a price under the minimum counts as the
    minimum, so that an old, higher one never stays in its place. All in wei per gas.

    :param max_price: above it `suggest` refuses.
    :param samples: (unix seconds, price) of a former run.
    :raises InvalidInput: `min_price` above `max_price`.
    """

    def __init__(
        self,
        chain: Chain,
        clock: Clock,
        *,
        min_price: Wei = Wei(0),
        max_price: Wei | None = None,
        poll_interval_s: float = 5.0,
        window_s: float = DAY_S,
        samples: Iterable[tuple[float, Wei]] = (),
        on_change: Callable[[Wei], None] | None = None,
    ) -> None:
        if max_price is not None and min_price > max_price:
            raise InvalidInput(f"the least gas price {min_price} exceeds the greatest {max_price}")
        self._chain = chain
        self._clock = clock
        self._min_price = min_price
        self._max_price = max_price
        self._poll_interval_s = poll_interval_s
        self._window_s = window_s
        self._history = GasHistory(samples, window_s=window_s)
        self._on_change = on_change
        self._last: Wei | None = None
        self._seen: tuple[Hash32, Wei] | None = None
        self._looked_back = len(self._history) > 0
        self._first: Head | None = None

    async def run(self) -> None:
        """Poll until cancelled. The first look must succeed; after it trouble with the chain is logged.

        :raises ChainUnavailable: at the first look.
        """
        await self.poll()
        while True:
            await self._clock.sleep(self._poll_interval_s)
            try:
                await self.poll()
            except ChainError as error:
                logger.warning("gas price: %s", error)

    async def poll(self) -> Wei:
        """Look once. Returns `price`.

        :raises ChainUnavailable: what was known stays.
        """
        return await self.see(await self._chain.head())

    async def see(self, head: Head) -> Wei:
        """Note a head, and at the first time look back from it. Returns `price`. Raises as `poll`."""
        if not self._looked_back:
            # By height and not by time: blocks of one second are usual where blocks are fast.
            self._first = self._first or head
            past = await self._chain.past_base_fees(self._first, self._window_s, PAST_PRICES)
            # Others look at the same time.
            if not self._looked_back:
                # Blocks do not tell what was paid on top of the base fee: the tip of now stands for it.
                tip = max(0, head.gas_price - head.base_fee)
                before = [(at, Wei(fee + tip)) for at, fee in past]
                self._history = GasHistory([*before, *self._history.samples], window_s=self._window_s)
                self._looked_back = True
        return self.note(head)

    def note(self, head: Head) -> Wei:
        """Note a head that was read for something else. Returns `price`."""
        self._first = self._first or head
        before, seen = self._last, (head.block_hash, head.gas_price)
        # A head that several have read is one look.
        if self._seen != seen:
            self._history.add(head.timestamp, head.gas_price)
            self._seen = seen
        self._last = Wei(max(head.gas_price, self._min_price))
        if self._on_change is not None and self._last != before:
            self._on_change(self._last)
        return self._last

    @property
    def price(self) -> Wei:
        """The last price, at least the minimum.

        :raises InvalidInput: asked before the first look.
        """
        if self._last is None:
            raise InvalidInput("the gas price was not looked up yet")
        return self._last

    def suggest(self) -> Wei:
        """The price to send at now.

        :raises GasPriceTooHigh: it exceeds the maximum.
        """
        if self._max_price is not None and self.price > self._max_price:
            raise GasPriceTooHigh(self.price, self._max_price)
        return self.price

    def look(self) -> GasPrices:
        """The prices of the last day as the node told them, for quantiles."""
        return self._history.look()

    @property
    def samples(self) -> tuple[tuple[float, Wei], ...]:
        """For the next run."""
        return self._history.samples
