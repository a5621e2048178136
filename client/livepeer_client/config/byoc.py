"""`[byoc]` of a gateway's file: what it buys of capabilities that somebody brought along."""

from dataclasses import dataclass

from livepeer_client.codec.capability import Capability
from livepeer_client.config.prices import read_price
from livepeer_client.config.tables import Document
from livepeer_client.policy.price_book import Money
from livepeer_client.policy.price_list import DEFAULT_MODEL, Model

_KEY = "max_price_per_second"


@dataclass(frozen=True, slots=True)
class ByocConfig:
    """The most a second may cost of any capability that `[[ceilings]]` does not name."""

    ceiling: Money

    @property
    def ceilings(self) -> dict[Model, Money]:
        """For a gateway's ceilings of single models."""
        return {(int(Capability.BYOC), DEFAULT_MODEL): self.ceiling}


def read_byoc(document: Document) -> ByocConfig | None:
    """None where none are bought over HTTP.

    :raises ConfigError: naming file, key and what was expected.
    """
    table = document.table("byoc", required=False)
    if not table.has(_KEY):
        table.know((_KEY,))
        table.finish()
        return None
    config = ByocConfig(read_price(table, _KEY, 1))
    table.finish()
    return config
