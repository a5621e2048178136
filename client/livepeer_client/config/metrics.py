"""Where a node's metrics are served, shared by all nodes."""

from dataclasses import dataclass

from livepeer_client.config.tables import Document


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """The address of /metrics, /healthz and /readyz. Whoever reaches it may read them. `max_block_age_s`: a node whose
    last block is older is not ready."""

    host: str
    port: int
    max_block_age_s: float = 600


def read_metrics(document: Document) -> MetricsConfig | None:
    """The table `[metrics]`, None without one: then nothing is served."""
    table = document.table("metrics", required=False)
    if not table.has("listen"):
        table.know(("listen", "max_block_age_s"))
        table.finish()
        return None
    host, port = table.host_port("listen")
    age_s = table.seconds("max_block_age_s", 600)
    table.finish()
    return MetricsConfig(host, port, age_s)
