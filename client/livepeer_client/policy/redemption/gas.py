"""What redeeming costs, and when it is cheap (offchain-payments 16, Gas favourability and Gas limit)."""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil
from typing import Final

from livepeer_client.policy.gas import GasPrices
from livepeer_client.policy.redemption.data_fee import DataFees
from livepeer_client.policy.redemption.settings import RedemptionPolicy
from livepeer_client.types import Wei

# A first fee cap is twice the base fee; three times leaves room for three raises.
_PATIENT_FACTOR: Final = 3


def gas_bound(estimate: int) -> int:
    """What one ticket may take inside a batch: a quarter more than its single redemption."""
    return -(-estimate * 5 // 4)


def batch_gas_limit(bounds: Iterable[int], policy: RedemptionPolicy) -> int:
    """Gas limit of a batch. Estimating the batch itself would find a limit under which tickets fail silently;
    64/63 because a call inside gets at most 63/64 of what is left (offchain-payments 16)."""
    return policy.overhead_gas + ceil(Fraction(64, 63) * sum(bounds))


def ticket_cost(
    estimate: int, in_batch_of: int, gas_price: int, policy: RedemptionPolicy, data: DataFees | None = None
) -> Wei:
    """Wei that one ticket takes in a batch: its share of the overhead, its own gas, its share of the data fee.

    `estimate` is the gas estimate of its single redemption.
    """
    gas = -(-policy.overhead_gas // in_batch_of) + own_gas(estimate, policy, data)
    return Wei(gas * gas_price + data_fee(in_batch_of, policy, data))


def own_gas(estimate: int, policy: RedemptionPolicy, data: DataFees | None = None) -> int:
    """What one ticket adds to the gas of a batch; `estimate` as for `ticket_cost`."""
    return max(0, execution_gas(estimate, data) - policy.single_extra_gas)


def single_cost(estimate: int, gas_price: int, policy: RedemptionPolicy, data: DataFees | None = None) -> Wei:
    """Wei that a ticket takes in a single call, which is what a batch is worth being compared with."""
    return Wei(execution_gas(estimate, data) * gas_price + data_fee(1, policy, data))


def execution_gas(estimate: int, data: DataFees | None) -> int:
    """A gas estimate without what it contains for the transaction's bytes."""
    return estimate if data is None else max(0, estimate - data.gas)


def data_fee(in_batch_of: int, policy: RedemptionPolicy, data: DataFees | None) -> Wei:
    """Wei for one ticket's bytes in a batch: the operator's figure, or else the chain's."""
    if policy.data_fee is not None:
        return policy.data_fee
    return Wei(0) if data is None else data.share(in_batch_of)


def is_cheap(price: int, share: Fraction, prices: GasPrices) -> bool:
    """Whether `price` is in the lowest `share` of the day's. Without prices nothing speaks for waiting."""
    limit = prices.quantile(share)
    return limit is None or price <= limit


def accepted_share(slack: Fraction, policy: RedemptionPolicy) -> Fraction:
    """The lowest share of the day's prices that a ticket waits for: `patience` with all its time left, rising to 1,
    any price, at the safety mark."""
    return policy.patience + (1 - policy.patience) * (1 - slack)


def replacement_ceiling(slack: Fraction, prices: GasPrices, policy: RedemptionPolicy, *, urgent: bool) -> Wei | None:
    """The most that a stuck transaction may be raised to: the operator's ceiling, and while there is time three times
    the price that its tickets would wait for, so that a spike is sat out rather than paid. Wei per gas, None: no limit.
    """
    ceiling = policy.max_gas_price
    if urgent and policy.urgent_max_gas_price is not None:
        ceiling = policy.urgent_max_gas_price
    wanted = None if urgent else prices.quantile(accepted_share(slack, policy))
    patient = None if wanted is None else Wei(_PATIENT_FACTOR * wanted)
    return min((limit for limit in (ceiling, patient) if limit is not None), default=None)
