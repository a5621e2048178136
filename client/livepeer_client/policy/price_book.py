"""Prices as an operator writes them, in wei or in a currency, and what they are at a rate (offchain-payments 7)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from livepeer_client.errors import InvalidInput, PriceUnavailable
from livepeer_client.policy.fiat import Amount, to_wei
from livepeer_client.policy.price import as_decimal
from livepeer_client.policy.price_list import Model, PriceList, Tariff
from livepeer_client.types import Address

Money = Fraction | Amount
"""For one unit, exact: wei, or an amount in a currency."""
ToWei = Callable[[Amount], Fraction]
"""An amount in wei at the present rate.

:raises PriceUnavailable: there is none now. :raises InvalidInput: nor will there be.
"""


def without_feed(amount: Amount) -> Fraction:
    """An amount in wei where there is no rate: of ETH and wei alone. Raises as `fiat.to_wei`."""
    return to_wei(amount, None)


def per_unit(amount: Amount, units: int) -> Money:
    """The price of one, where `amount` is that of so many units. Wei and ETH are wei from here on.

    :raises InvalidInput: no units.
    """
    if units < 1:
        raise InvalidInput("pixels per unit is 0")
    each = Amount(amount.value / units, amount.currency)
    return each if each.needs_feed else each.in_wei


def in_wei(money: Money, rate: ToWei) -> Fraction:
    """Wei for one unit, as decimal as gateways want it. Raises as `rate`."""
    return as_decimal(rate(money)) if isinstance(money, Amount) else money


@dataclass(frozen=True, slots=True)
class Asked:
    """One price with exceptions for some senders, as a `Tariff` in any currency."""

    default: Money | None = None
    senders: Mapping[Address, Money] = field(default_factory=dict)

    def tariff(self, rate: ToWei) -> Tariff:
        """What of it can be told at a rate, and what cannot."""
        default, untold = (None, None) if self.default is None else _told(self.default, rate)
        own = {sender: _told(price, rate) for sender, price in self.senders.items()}
        return Tariff(
            default,
            {sender: price for sender, (price, _) in own.items() if price is not None},
            untold,
            {sender: reason for sender, (_, reason) in own.items() if reason is not None},
        )

    @property
    def amounts(self) -> list[Amount]:
        """All that depends on a rate."""
        return [price for price in (self.default, *self.senders.values()) if isinstance(price, Amount)]

    @property
    def needs_feed(self) -> bool:
        """Whether any of it depends on a rate."""
        return bool(self.amounts)


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All prices of an orchestrator, as a `PriceList` in any currency."""

    base: Asked
    models: Mapping[Model, Asked] = field(default_factory=dict)

    def price_list(self, rate: ToWei) -> PriceList:
        """What of it can be told at a rate; asking for another price raises `PriceUnavailable`."""
        return PriceList(self.base.tariff(rate), {model: asked.tariff(rate) for model, asked in self.models.items()})

    @property
    def amounts(self) -> list[Amount]:
        """All that depends on a rate."""
        return [amount for asked in (self.base, *self.models.values()) for amount in asked.amounts]

    @property
    def needs_feed(self) -> bool:
        """Whether any of it depends on a rate."""
        return bool(self.amounts)


def _told(price: Money, rate: ToWei) -> tuple[Fraction | None, PriceUnavailable | None]:
    """The price in wei, or why there is none now."""
    try:
        return in_wei(price, rate), None
    except PriceUnavailable as error:
        return None, error
    except InvalidInput as error:
        # A feed that answered for the first time after the start, in other currencies than are asked in.
        return None, PriceUnavailable(str(error))
