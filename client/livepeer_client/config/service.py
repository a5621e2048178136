"""What every orchestrator offers, whether it is paid on a chain or gives its work away."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from livepeer_client.codec.capability import Capability
from livepeer_client.config.live_runners import LiveRunnersConfig
from livepeer_client.config.metrics import MetricsConfig
from livepeer_client.config.tables import Table
from livepeer_client.config.workers import RunnersConfig, WorkersConfig
from livepeer_client.policy.pipelines import PipelineTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Where an orchestrator is reached and how much it takes on.

    `nodes`: URIs of further nodes, which gateways may ask as well. `max_sessions` None: as many as there is capacity
    for. `fetch_urls`: segments may be named by a public URL.
    """

    service_uri: str
    listen_host: str
    listen_port: int
    data_dir: Path
    capabilities_removed: frozenset[Capability]
    max_sessions: int | None
    latency_ms: int
    fetch_urls: bool = True
    nodes: tuple[str, ...] = ()

    @property
    def service_host(self) -> str:
        return urlsplit(self.service_uri).hostname or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """Everything that a node needs to sell or give away."""

    orchestrator: ServiceSettings
    metrics: MetricsConfig | None = None
    admin: tuple[str, int] | None = None
    pipelines: PipelineTable = field(default_factory=PipelineTable)
    workers: WorkersConfig | None = None
    live_runners: LiveRunnersConfig | None = None
    runners: RunnersConfig = field(default_factory=RunnersConfig)


def read_service(table: Table) -> dict[str, Any]:
    """The fields of `ServiceSettings`. Raises as `config.load_orchestrator`."""
    service_uri = table.text("service_uri").rstrip("/")
    if not _is_service_uri(service_uri):
        raise table.refuse("service_uri", "https://host:port or http://host:port", service_uri)
    host, port = table.host_port("listen")
    return {
        "service_uri": service_uri,
        "listen_host": host,
        "listen_port": port,
        "data_dir": table.path("data_dir"),
        "nodes": tuple(table.urls("nodes")),
        "capabilities_removed": frozenset(_named(table, "capabilities_removed", table.names("capabilities_removed"))),
        "max_sessions": table.integer_or_auto("max_sessions", 10, low=1, high=100_000),
        "fetch_urls": table.flag("fetch_urls", True),
        "latency_ms": table.integer("latency_ms", 0, high=600_000),
    }


def _is_service_uri(uri: str) -> bool:
    parts = urlsplit(uri)
    try:
        return parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port is not None and not parts.path
    except ValueError:
        # The port is not a number in range.
        return False


def _named(table: Table, key: str, names: Iterable[str]) -> Iterable[Capability]:
    for name in names:
        try:
            yield Capability[name.upper().replace("-", "_").replace(" ", "_")]
        except KeyError:
            expected = "capability names such as " + ", ".join(member.name for member in list(Capability)[:4])
            raise table.refuse(key, expected, name) from None
