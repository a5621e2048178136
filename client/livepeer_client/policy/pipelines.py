"""What an orchestrator sells besides transcoding: pipelines and models with their price, unit and capacity.

An entry is a value of the configuration, so a pipeline that this library has never heard of is advertised, priced,
dispatched and paid like any other: by its capability's id, its name on the network and its model.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final

from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import Capabilities, ModelConstraint
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.price import is_countable
from livepeer_client.policy.price_book import Asked
from livepeer_client.policy.price_list import Model, Tariff


class Unit(Enum):
    """What a price is for; the values are the network's words where it has one (offchain-network 1.5)."""

    PIXELS = "pixels"
    SECONDS = "seconds"
    PIXEL_SECONDS = "720p-pixel-seconds"
    FIXED = "fixed"
    """One job, whatever its size."""
    UNITS = "units"
    """What the pipeline's request is billed by: pixels of an image, tokens, milliseconds, characters."""


PIPELINES: Final[Mapping[str, int]] = {
    each.pipeline: int(each) for each in Capability if each >= Capability.TEXT_TO_IMAGE
}
"""Ids of the pipelines that the network has a name for."""


def capability_of(name: str) -> int | None:
    """The capability id behind a pipeline's name, None for one the network has not named."""
    return PIPELINES.get(name)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One model of one pipeline.

    `price` in wei per `unit`, exact; `asked` instead of it where one is in another currency. `capacity`: jobs at the
    same time that this node serves by itself; 0 where
    workers bring it. `runner_version` is the model's, as its runner states it.
    """

    capability: int
    name: str
    model: str
    price: Tariff
    unit: Unit = Unit.UNITS
    warm: bool = False
    capacity: int = 1
    runner_version: str = ""
    asked: Asked | None = None

    def __post_init__(self) -> None:
        if self.capability < Capability.TEXT_TO_IMAGE or not self.name or not self.model or self.capacity < 0:
            raise InvalidInput(f"pipeline {self.name!r} ({self.capability}) model {self.model!r}, {self.capacity} jobs")
        for price in (*self.price.senders.values(), self.price.default or Fraction(0)):
            if not is_countable(price):
                raise InvalidInput(f"pipeline {self.app}: a price of {price} is no decimal fraction")

    @property
    def key(self) -> Model:
        """How prices and constraints list it."""
        return self.capability, self.model

    @property
    def terms(self) -> Asked:
        """Its price, in whatever currency."""
        return self.asked or Asked(self.price.default, self.price.senders)

    @property
    def app(self) -> str:
        """`pipeline/model`, as discovery and live runners name it."""
        return f"{self.name}/{self.model}"


class PipelineTable:
    """All pipelines of one orchestrator, by capability and model.

    :raises InvalidInput: an entry twice, or two names for one id.
    """

    def __init__(self, entries: Iterable[Pipeline] = ()) -> None:
        self.entries: Final = tuple(entries)
        self._by_key = {entry.key: entry for entry in self.entries}
        self._ids = {entry.name: entry.capability for entry in self.entries}
        names = {entry.capability: entry.name for entry in self.entries}
        if len(self._by_key) != len(self.entries):
            raise InvalidInput("a model of a pipeline is listed twice")
        if any(names[entry.capability] != entry.name for entry in self.entries) or len(self._ids) != len(names):
            raise InvalidInput("a pipeline has one id and one name")

    def get(self, capability: int, model: str) -> Pipeline | None:
        return self._by_key.get((capability, model))

    def find(self, name: str, model: str) -> Pipeline | None:
        """By the pipeline's name, as requests give it."""
        number = self._ids.get(name)
        return None if number is None else self.get(number, model)

    def models_of(self, name: str) -> tuple[Pipeline, ...]:
        """All models of a pipeline, the default one first."""
        return tuple(entry for entry in self.entries if entry.name == name)

    @property
    def prices(self) -> dict[Model, Tariff]:
        """For `PriceList.models`, where all are in wei."""
        return {entry.key: entry.price for entry in self.entries}

    @property
    def terms(self) -> dict[Model, Asked]:
        """For `PriceBook.models`."""
        return {entry.key: entry.terms for entry in self.entries}

    @property
    def served_here(self) -> Capabilities:
        """What this node serves without any worker; entries without capacity are left to workers."""
        here = [entry for entry in self.entries if entry.capacity]
        constraints: dict[int, dict[str, ModelConstraint]] = {}
        capacities: dict[int, int] = {}
        for entry in here:
            constraints.setdefault(entry.capability, {})[entry.model] = ModelConstraint(
                warm=entry.warm, capacity=entry.capacity, runner_version=entry.runner_version
            )
            capacities[entry.capability] = capacities.get(entry.capability, 0) + entry.capacity
        return Capabilities(frozenset(capacities), capacities=capacities, constraints=constraints)


def pipeline_job(capability: int, model: str, *, warm: bool = False, min_version: str = "") -> Capabilities:
    """What a job of one model asks for: its bit, one constraint, and the capacity that prices are looked up by
    (offchain-network 2.2, 2.4)."""
    return Capabilities(
        frozenset({capability}),
        capacities={capability: 1},
        min_version=min_version,
        constraints={capability: {model: ModelConstraint(warm=warm)}},
    )
