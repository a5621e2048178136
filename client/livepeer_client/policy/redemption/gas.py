"""What redeeming costs, and when it is cheap (offchain-payments 16, Gas favourability and Gas limit)."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil

from livepeer_client.policy.redemption.settings import RedemptionPolicy
from livepeer_client.types import Wei


def gas_bound(estimate: int) -> int:
    """What one ticket may take inside a batch: a quarter more than its single redemption."""
    return -(-estimate * 5 // 4)


def batch_gas_limit(bounds: Iterable[int], policy: RedemptionPolicy) -> int:
    """Gas limit of a batch. Estimating the batch itself would find a limit under which tickets fail silently;
    64/63 because a call inside gets at most 63/64 of what is left (offchain-payments 16)."""
    return policy.overhead_gas + ceil(Fraction(64, 63) * sum(bounds))


def ticket_cost(estimate: int, in_batch_of: int, gas_price: int, data_fee: int, policy: RedemptionPolicy) -> Wei:
    """Wei that one ticket adds to a batch: its gas, its share of the overhead, its calldata.

    `estimate` is that of its single redemption, so the true cost is lower.
    """
    return Wei((-(-policy.overhead_gas // in_batch_of) + estimate) * gas_price + data_fee)


class DayOfPrices:
    """Gas prices of the last day, to compare one with."""

    def __init__(self, prices: Sequence[Wei]) -> None:
        self._sorted = sorted(prices)

    def quantile(self, share: Fraction) -> Wei | None:
        """The lowest price that `share` of the day's prices, in (0, 1], do not exceed; None without prices."""
        if not self._sorted:
            return None
        return self._sorted[max(1, ceil(share * len(self._sorted))) - 1]

    def within(self, price: int, share: Fraction) -> bool:
        """Whether `price` is in the lowest `share` of the day. Without prices nothing speaks for waiting."""
        limit = self.quantile(share)
        return limit is None or price <= limit


def accepted_share(slack: Fraction, policy: RedemptionPolicy) -> Fraction:
    """The lowest share of the day's prices that a ticket waits for: `patience` with all its time left, rising to 1,
    any price, at the safety mark."""
    return policy.patience + (1 - policy.patience) * (1 - slack)
