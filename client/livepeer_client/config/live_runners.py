"""`[live_runners]` of an orchestrator's file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livepeer_client.config.tables import Document

_KEYS: Final = ("secret_file", "lease_s")
LEASE_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class LiveRunnersConfig:
    """Who may register live runners: whoever knows the secret in `secret_file`, of 16 characters or more.

    :param lease_s: how long a session lasts whose time is not charged: free ones and those at a fixed price.
    """

    secret_file: Path
    lease_s: float = LEASE_S


def read_live_runners(document: Document) -> LiveRunnersConfig | None:
    """None where nobody can register any.

    :raises ConfigError: naming file, key and what was expected.
    """
    table = document.table("live_runners", required=False)
    if not table.has("secret_file"):
        table.know(_KEYS)
        table.finish()
        return None
    config = LiveRunnersConfig(table.path("secret_file"), table.seconds("lease_s", LEASE_S))
    table.finish()
    return config
