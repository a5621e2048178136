"""The gas prices of the last day, and where the present one stands among them. Wei per gas, exact."""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from livepeer_client.errors import InvalidInput
from livepeer_client.types import Wei

DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class GasPrices:
    """A look at a history. `prices` in rising order, one for each look at the node; `span_s` from first to last."""

    prices: tuple[Wei, ...]
    span_s: float

    def quantile(self, q: Fraction) -> Wei | None:
        """The lowest price that at least the share `q` of all looks did not exceed (nearest rank); None without any.

        :raises InvalidInput: `q` outside [0, 1].
        """
        if not 0 <= q <= 1:
            raise InvalidInput(f"a quantile lies in [0, 1], not at {q}")
        if not self.prices:
            return None
        rank = -(-q.numerator * len(self.prices) // q.denominator)
        return self.prices[max(rank, 1) - 1]

    def rank(self, price: int) -> Fraction | None:
        """The share of looks at which the price was at most `price`; None without any."""
        return Fraction(bisect_right(self.prices, price), len(self.prices)) if self.prices else None


class GasHistory:
    """Prices with the times they were seen at, no older than `window_s` before the newest."""

    def __init__(self, samples: Iterable[tuple[float, Wei]] = (), *, window_s: float = DAY_S) -> None:
        if window_s <= 0:
            raise InvalidInput(f"a history of {window_s} s")
        self._window_s = window_s
        self._samples: deque[tuple[float, Wei]] = deque()
        self._sorted: list[Wei] = []
        for at, price in samples:
            self.add(at, price)

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def samples(self) -> tuple[tuple[float, Wei], ...]:
        """Oldest first; another history can start from them."""
        return tuple(self._samples)

    def add(self, at: float, price: Wei) -> None:
        """Note a price seen at `at`, unix seconds. A clock that was set back drops what would lie in the future.

        :raises InvalidInput: a negative price.
        """
        if price < 0:
            raise InvalidInput(f"a gas price of {price}")
        while self._samples and self._samples[-1][0] > at:
            self._forget(self._samples.pop()[1])
        self._samples.append((at, price))
        insort(self._sorted, price)
        while self._samples[0][0] < at - self._window_s:
            self._forget(self._samples.popleft()[1])

    def look(self) -> GasPrices:
        span = self._samples[-1][0] - self._samples[0][0] if self._samples else 0.0
        return GasPrices(tuple(self._sorted), span)

    def _forget(self, price: Wei) -> None:
        del self._sorted[bisect_left(self._sorted, price)]
