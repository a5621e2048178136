"""What a node tells Prometheus: one registry of its own, served over HTTP beside health and readiness.

prometheus-client is the extra `metrics`. Names start with `livepeer_`; docs/metrics.md lists them.
"""

from livepeer_client.adapters.metrics.server import MetricsServer as MetricsServer

__all__ = ["MetricsServer"]
