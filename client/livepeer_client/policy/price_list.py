"""What an orchestrator asks, by job and by customer, and what a gateway pays at most (offchain-payments 7)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import Capabilities, PriceInfo
from livepeer_client.errors import InvalidInput, PriceUnavailable
from livepeer_client.policy.price import price_to_info
from livepeer_client.types import Address

Model = tuple[int, str]
"""A capability's id and a model's name; for BYOC the name under which the capability is registered."""

DEFAULT_MODEL: Final = "default"
"""Stands for all models of a capability that have no ceiling of their own."""
NO_CEILINGS: Final[Mapping[Model, Fraction]] = {}
NO_PRICES: Final[Mapping[Address, Fraction]] = {}


@dataclass(frozen=True, slots=True)
class Tariff:
    """One price, wei per unit, exact, with exceptions for some senders. `default` None: only those are served.

    `untold`: why the default cannot be told now, and `untold_senders` whose exceptions neither: they are in a currency
    without a rate.
    """

    default: Fraction | None = None
    senders: Mapping[Address, Fraction] = field(default_factory=dict)
    untold: PriceUnavailable | None = None
    untold_senders: Mapping[Address, PriceUnavailable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(price < 0 for price in (*self.senders.values(), self.default or 0)):
            raise InvalidInput("a price is negative")

    def for_sender(self, sender: Address) -> Fraction | None:
        """The sender's own price, else the default.

        :raises PriceUnavailable: there is one, and it cannot be told now.
        """
        if sender in self.senders:
            return self.senders[sender]
        reason = self.untold_senders.get(sender, self.untold)
        if reason is not None:
            raise PriceUnavailable(reason.reason, **reason.figures)
        return self.default


@dataclass(frozen=True, slots=True)
class PriceList:
    """All prices of an orchestrator: `base` for transcoding, wei per pixel, and one per (capability, model)."""

    base: Tariff
    models: Mapping[Model, Tariff] = field(default_factory=dict)

    def with_base_for(self, senders: Mapping[Address, Fraction]) -> "PriceList":
        """The same with base prices for some senders, which beat those it has for them."""
        if not senders:
            return self
        return replace(self, base=replace(self.base, senders={**self.base.senders, **senders}))

    def price(self, sender: Address, job: Capabilities | None = None) -> Fraction:
        """What a job costs per unit: the sum over the models it names, or the base price if that sums to nothing.

        Ids count that are in both the job's capacities and its constraints (offchain-network 2.4).

        :raises PriceUnavailable: one of these cannot be told now.
        """
        total = Fraction(0)
        for model in _named(job):
            tariff = self.models.get(model)
            total += (tariff.for_sender(sender) if tariff is not None else None) or 0
        return total or self.base.for_sender(sender) or Fraction(0)

    def advertised(self, sender: Address) -> tuple[PriceInfo, ...]:
        """`capabilities_prices` for one sender, by capability and model; models it has no price for now are left out.

        A price below a wei is scaled, never shown as 0.
        """
        found = []
        for (capability, model), tariff in sorted(self.models.items()):
            try:
                price = tariff.for_sender(sender)
            except PriceUnavailable:
                continue
            if price is not None:
                info = price_to_info(price)
                found.append(PriceInfo(info.price_per_unit, info.pixels_per_unit, capability, model))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a gateway pays at most, wei per unit: in general (None: anything), and for single models.

    `yields`: a job that nobody does within the ceiling is given to somebody beyond it.
    """

    general: Fraction | None = None
    models: Mapping[Model, Fraction] = field(default_factory=dict)
    yields: bool = False

    def for_job(self, job: Capabilities | None) -> Fraction | None:
        """The sum over the models that the job names, each model's own or its capability's `DEFAULT_MODEL`; the general
        one if it names none, or one without a ceiling, or if they sum to nothing (offchain-network 3.3)."""
        found = [
            self.models.get((capability, model), self.models.get((capability, DEFAULT_MODEL)))
            for capability, model in _named(job)
        ]
        total = sum((each for each in found if each is not None), Fraction(0))
        return self.general if None in found or not total else total


def byoc_model(name: str) -> Model:
    """How a capability that somebody brings along is listed."""
    return Capability.BYOC, name


def _named(job: Capabilities | None) -> list[Model]:
    if job is None:
        return []
    ids: Iterable[int] = sorted(number for number in job.constraints if number in job.capacities)
    return [(number, model) for number in ids for model in sorted(job.constraints[number])]
