"""`[discovery]` of a gateway's or a signer's file: where orchestrators come from and how they are asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from livepeer_client.codec.address import parse_address
from livepeer_client.config.tables import Table
from livepeer_client.errors import ConfigError, InvalidInput
from livepeer_client.types import Address

_MAX_FAN_OUT: Final = 10_000


@dataclass(frozen=True, slots=True)
class DiscoveryConfig:
    """Sources in their order of preference (offchain-network 1.1): `webhook_url`, `orchestrators`, `signer_url`, then
    the chain, beside it `subgraph_url`. `merge`: all of them together instead of the first that has any.

    `headers` go to the signer and the webhook. `performance_url` has scores by `region`; below `min_performance`
    nobody is used while somebody else will do. `extra_nodes`: further nodes asked per operator.
    """

    webhook_url: str | None = field(default=None, repr=False)
    orchestrators: tuple[str, ...] = ()
    signer_url: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    subgraph_url: str | None = field(default=None, repr=False)
    merge: bool = False
    blocked: frozenset[Address] = frozenset()
    extra_nodes: int = 0
    fan_out: int = 128
    refresh_s: float = 1500.0
    performance_url: str | None = field(default=None, repr=False)
    region: str = ""
    min_performance: float | None = None


def read_discovery(table: Table) -> DiscoveryConfig:
    """Read `[discovery]`; every key has a default.

    :raises ConfigError: naming key and what was expected.
    """
    performance_url = table.optional_url("performance_url")
    config = DiscoveryConfig(
        webhook_url=table.optional_url("webhook_url"),
        orchestrators=tuple(table.names("orchestrators")),
        signer_url=table.optional_url("signer_url"),
        headers=_headers(table),
        subgraph_url=table.optional_url("subgraph_url"),
        merge=table.flag("merge", False),
        blocked=frozenset(_addresses(table, "blocked")),
        extra_nodes=table.integer("extra_nodes", 0, high=100),
        fan_out=table.integer("fan_out", 128, low=1, high=_MAX_FAN_OUT),
        refresh_s=table.seconds("refresh_s", 1500),
        performance_url=performance_url,
        # Scores are by region, so without one they say nothing.
        region=table.text("region") if performance_url is not None or table.has("region") else "",
        min_performance=_score(table, "min_performance"),
    )
    table.know(("region",))
    table.finish()
    return config


def _score(table: Table, key: str) -> float | None:
    def good(value: object) -> bool:
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1)

    value = table.take(key, "a score in [0, 1]", good, None)
    return None if value is None else float(value)


def _headers(table: Table) -> dict[str, str]:
    def good(value: object) -> bool:
        return isinstance(value, dict) and all(
            isinstance(text, str) and text.isprintable() and name.isprintable() for name, text in value.items()
        )

    if not table.has("headers"):
        table.know(("headers",))
        return {}
    try:
        found: dict[str, str] = table.take("headers", "a table", good)
    except ConfigError:
        # They may be credentials, so they are not repeated.
        raise table.refuse("headers", "a table of header names with text", "something else") from None
    return found


def _addresses(table: Table, key: str) -> list[Address]:
    found = []
    for text in table.names(key):
        try:
            found.append(parse_address(text))
        except InvalidInput:
            raise table.refuse(key, "a list of addresses", text) from None
    return found
