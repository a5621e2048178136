"""`[rounds]`, `[reward]` and `[admin]`: what a node does beside its work, and who may change it while it runs."""

from dataclasses import dataclass

from livepeer_client.config.tables import Document, Table
from livepeer_client.policy.signing import is_loopback


@dataclass(frozen=True, slots=True)
class RoundsConfig:
    initialize: bool
    max_delay_s: float
    poll_interval_s: float


@dataclass(frozen=True, slots=True)
class RewardConfig:
    enabled: bool
    poll_interval_s: float


def read_rounds(table: Table) -> RoundsConfig:
    """Raises as `config.load_orchestrator`."""
    config = RoundsConfig(
        initialize=table.flag("initialize", False),
        max_delay_s=table.seconds("max_delay_s", 30),
        poll_interval_s=table.seconds("poll_interval_s", 5),
    )
    table.finish()
    return config


def read_reward(table: Table) -> RewardConfig:
    """Raises as `config.load_orchestrator`."""
    config = RewardConfig(enabled=table.flag("enabled", True), poll_interval_s=table.seconds("poll_interval_s", 5))
    table.finish()
    return config


def read_admin(document: Document) -> tuple[str, int] | None:
    """The loopback address that takes runtime settings, None without one. Raises as `config.load_orchestrator`."""
    table = document.table("admin", required=False)
    if not table.has("listen"):
        table.know(("listen",))
        table.finish()
        return None
    host, port = table.host_port("listen")
    if not is_loopback(host):
        raise table.refuse("listen", "a loopback address: whoever reaches it may change prices", host)
    table.finish()
    return host, port
