"""What a transaction offers for its gas (EIP-1559), at first and when it is replaced. Wei per gas throughout."""

from dataclasses import dataclass, replace
from typing import Final

from livepeer_client.errors import GasPriceTooHigh, InvalidInput, ReplacementTooExpensive
from livepeer_client.facts import Fees
from livepeer_client.types import Wei

REPLACEMENT_PERCENT: Final = 11
"""Nodes want 10 % more; one above it leaves no doubt about rounding (offchain-payments 13)."""


@dataclass(frozen=True, slots=True)
class FeeLimits:
    """Two limits that the reference has as one: above `max_base_fee` nothing new is sent; `max_fee_per_gas` is the
    most that is ever signed, however often a transaction is replaced. None means no limit."""

    max_base_fee: Wei | None = None
    max_fee_per_gas: Wei | None = None

    def within(self, max_fee_per_gas: Wei | None) -> "FeeLimits":
        """These limits and one more, if there is one."""
        if max_fee_per_gas is None:
            return self
        known = self.max_fee_per_gas
        return replace(self, max_fee_per_gas=max_fee_per_gas if known is None else min(known, max_fee_per_gas))


def initial_fees(base_fee: int, tip: int, limits: FeeLimits) -> Fees:
    """Room for the base fee to double, within the limits.

    :raises GasPriceTooHigh: the present base fee is over one of them.
    """
    for limit in (limits.max_base_fee, limits.max_fee_per_gas):
        if limit is not None and base_fee > limit:
            raise GasPriceTooHigh(base_fee, limit)
    cap = 2 * base_fee + tip
    if limits.max_fee_per_gas is not None:
        cap = min(cap, limits.max_fee_per_gas)
    return Fees(cap=Wei(cap), tip=Wei(min(tip, cap)))


def bumped(value: int, percent: int = REPLACEMENT_PERCENT) -> int:
    """ceil(value * (100 + percent) / 100).

    :raises InvalidInput: a negative argument.
    """
    if value < 0 or percent < 0:
        raise InvalidInput(f"cannot raise {value} by {percent} %")
    return -(-value * (100 + percent) // 100)


def replacement_fees(current: Fees, market: Fees, ceiling: Wei | None) -> Fees:
    """The least that nodes accept in place of `current`, or `market` where that is more, within `ceiling`.

    Both figures must rise, or nodes keep the old transaction; so 0 becomes 1.

    :raises ReplacementTooExpensive: the least exceeds the ceiling.
    """
    least = Fees(cap=Wei(max(bumped(current.cap), current.cap + 1)), tip=Wei(max(bumped(current.tip), current.tip + 1)))
    # The tip is part of the cap.
    least_cap = max(least.cap, least.tip)
    cap = max(least_cap, market.cap)
    if ceiling is not None:
        if least_cap > ceiling:
            raise ReplacementTooExpensive(current=current.cap, required=least_cap, ceiling=ceiling)
        cap = min(cap, ceiling)
    return Fees(cap=Wei(cap), tip=Wei(min(max(least.tip, market.tip), cap)))


def price_at(base_fee: int, fees: Fees) -> Wei:
    """What a transaction pays per gas in a block of that base fee, or would where its cap allows."""
    return Wei(min(fees.cap, base_fee + fees.tip))
