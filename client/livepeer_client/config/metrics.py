"""Where a node's metrics are served, shared by all nodes."""

from dataclasses import dataclass

from livepeer_client.config.tables import Document


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """The address of /metrics, /healthz and /readyz. Whoever reaches it may read them."""

    host: str
    port: int


def read_metrics(document: Document) -> MetricsConfig | None:
    """The table `[metrics]`, None without one: then nothing is served."""
    table = document.table("metrics", required=False)
    if not table.has("listen"):
        table.know(("listen",))
        table.finish()
        return None
    host, port = table.host_port("listen")
    table.finish()
    return MetricsConfig(host, port)
