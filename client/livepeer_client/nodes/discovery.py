"""Discovery as a gateway and a signer both need it: sources, cache and scores opened together."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.adapters.web import AiohttpWebClient
from livepeer_client.config import DiscoveryConfig
from livepeer_client.policy.discovery import ProbePlan
from livepeer_client.ports import (
    Chain,
    OrchestratorCache,
    OrchestratorSource,
    Signer,
    WebClient,
)
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.services.performance import PerformanceScores
from livepeer_client.services.pool import ChainPool
from livepeer_client.services.sources import ListedSource, MergedSource, StaticSource, SubgraphSource

SIGNER_PATH = "/discover-orchestrators"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What looks for orchestrators; `pool` is the chain's part of it, `performance` None where no scores are read."""

    service: DiscoveryService
    pool: ChainPool
    performance: PerformanceScores | None


@asynccontextmanager
async def open_discovery(
    config: DiscoveryConfig,
    chain: Chain,
    probe: GrpcProbe,
    signer: Signer,
    plan: ProbePlan,
    *,
    cache: OrchestratorCache | None = None,
    poll_interval_s: float = 5.0,
) -> AsyncIterator[Discovery]:
    """Everything of `config`, kept current in the background until the block ends."""
    clock = SystemClock()
    async with AsyncExitStack() as opened:
        web = await opened.enter_async_context(AiohttpWebClient())
        pool = ChainPool(chain, cache, clock, refresh_s=config.refresh_s, poll_interval_s=poll_interval_s)
        service = DiscoveryService(
            MergedSource(_lists(config, web, clock), _facts(config, pool, web, clock), everybody=config.merge),
            probe,
            signer,
            clock,
            plan=plan,
            blocked=config.blocked,
            extra_nodes=config.extra_nodes,
            proofs=probe,
        )
        upkeep: list[Coroutine[Any, Any, None]] = [pool.run()]
        performance = None
        if config.performance_url is not None:
            performance = PerformanceScores(config.performance_url, config.region, web, clock)
            upkeep.append(performance.run())
        tasks = [asyncio.create_task(each) for each in upkeep]
        opened.push_async_callback(_ended, tasks)
        yield Discovery(service, pool, performance)


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _lists(config: DiscoveryConfig, web: WebClient, clock: SystemClock) -> list[OrchestratorSource]:
    found: list[OrchestratorSource] = []
    if config.webhook_url is not None:
        found.append(ListedSource(config.webhook_url, web, clock, headers=config.headers))
    if config.orchestrators:
        found.append(StaticSource(config.orchestrators))
    if config.signer_url is not None:
        url = config.signer_url.rstrip("/") + SIGNER_PATH
        found.append(ListedSource(url, web, clock, name="signer's list", headers=config.headers))
    return found


def _facts(config: DiscoveryConfig, pool: ChainPool, web: WebClient, clock: SystemClock) -> OrchestratorSource:
    """The chain's pool, and with a subgraph whoever only that one knows."""
    if config.subgraph_url is None:
        return pool
    return MergedSource([pool, SubgraphSource(config.subgraph_url, web, clock)], None, everybody=True)
