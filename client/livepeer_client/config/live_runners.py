"""`[live_runners]` of an orchestrator's file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livepeer_client.config.tables import Document, Table

_KEYS: Final = ("secret_file", "file", "lease_s", "proxy_ports")
LEASE_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class LiveRunnersConfig:
    """Who may register live runners: whoever knows the secret in `secret_file`, of 16 characters or more; None: nobody.

    :param file: JSON of runners that do not register.
    :param lease_s: how long a session lasts whose time is not charged: free ones and those at a fixed price.
    :param proxy_ports: of this machine, that the proxies of runners on it may lead to.
    """

    secret_file: Path | None
    file: Path | None = None
    lease_s: float = LEASE_S
    proxy_ports: frozenset[int] = frozenset()


def read_live_runners(document: Document) -> LiveRunnersConfig | None:
    """None where there are none.

    :raises ConfigError: naming file, key and what was expected.
    """
    table = document.table("live_runners", required=False)
    if not table.has("secret_file") and not table.has("file"):
        table.know(_KEYS)
        table.finish()
        return None
    config = LiveRunnersConfig(
        table.optional_path("secret_file"),
        table.optional_path("file"),
        table.seconds("lease_s", LEASE_S),
        _ports(table),
    )
    table.finish()
    return config


def _ports(table: Table) -> frozenset[int]:
    def good(value: Any) -> bool:
        return isinstance(value, list) and all(type(each) is int and 0 < each <= 65_535 for each in value)

    def read(text: str) -> list[int]:
        return [int(each) for each in text.split(",")]

    return frozenset(table.take("proxy_ports", "a list of ports", good, [], read=read))
