"""The metrics of a node that earns, served where its settings say."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from livepeer_client.adapters.chain.rpc import Observe
from livepeer_client.config import MetricsConfig
from livepeer_client.errors import ConfigError
from livepeer_client.facts.figures import NodeFigures
from livepeer_client.services.figures import FigureService

if TYPE_CHECKING:
    pass

MISSING = "[metrics] needs the extra `metrics`: pip install 'livepeer-client[metrics]'"


async def serve_work(config: MetricsConfig | None, status: Callable[[], Mapping[str, object]]) -> None:
    """Serve the sessions of an orchestrator without a chain until cancelled; nothing where none are wanted.

    :raises ConfigError: the extra `metrics` is not installed.
    """
    if config is None:
        return
    try:
        from prometheus_client import CollectorRegistry

        from livepeer_client.adapters.metrics import MetricsServer
        from livepeer_client.adapters.metrics.work import OrchestratorMetrics
    except ModuleNotFoundError as missing:
        raise ConfigError(MISSING) from missing
    registry = CollectorRegistry()
    work = OrchestratorMetrics(registry, status)

    async def refresh() -> None:
        work.refresh(None)

    async def missing_parts() -> Sequence[str]:
        return ()

    server = MetricsServer(registry, host=config.host, port=config.port, refresh=refresh, missing=missing_parts)
    async with server:
        await asyncio.Event().wait()


class NodeMetrics:
    """What a node tells, before it is open: `observe` goes to its RPC nodes, `serve` beside its services.

    :param config: None serves nothing.
    :raises ConfigError: the extra `metrics` is not installed.
    """

    def __init__(self, config: MetricsConfig | None) -> None:
        self._config = config
        if config is None:
            return
        try:
            from prometheus_client import CollectorRegistry

            from livepeer_client.adapters.metrics.chain import ChainMetrics
        except ModuleNotFoundError as missing:
            raise ConfigError(MISSING) from missing
        self.registry: CollectorRegistry = CollectorRegistry()
        self._chain = ChainMetrics(self.registry)

    @property
    def observe(self) -> Observe | None:
        """For `open_suite`."""
        return None if self._config is None else self._chain.observe_rpc

    def of_work(self, status: Callable[[], Mapping[str, object]]) -> Callable[[NodeFigures], None]:
        """Adds an orchestrator's sessions and tickets; what it returns is to be told of each look."""
        if self._config is None:
            return lambda _: None
        from livepeer_client.adapters.metrics.work import OrchestratorMetrics

        work = OrchestratorMetrics(self.registry, status)
        return lambda figures: work.refresh(figures.totals)

    async def serve(self, service: FigureService, *, also: Callable[[NodeFigures], None] = lambda _: None) -> None:
        """Serve figures of `service` until cancelled; nothing where none are wanted.

        :param also: told of each look, for further metrics in `registry`.
        """
        if self._config is None:
            return
        from livepeer_client.adapters.metrics import MetricsServer

        async def refresh() -> None:
            self._chain.figures = await service.look()
            also(self._chain.figures)

        async def missing() -> Sequence[str]:
            assert self._config is not None
            figures = await service.look()
            age = figures.now_s - figures.head.timestamp
            limit = self._config.max_block_age_s
            return () if age <= limit else (f"the last block is {age:.0f} s old, more than {limit:.0f} s",)

        server = MetricsServer(
            self.registry, host=self._config.host, port=self._config.port, refresh=refresh, missing=missing
        )
        async with server:
            await asyncio.Event().wait()
