"""The live side of an orchestrator: channels, sessions, and the runner that its file names."""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
from aiohttp import web

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.http_server import Mount
from livepeer_client.adapters.live_server import HttpLiveRunner, mount_live
from livepeer_client.adapters.trickle_server import TrickleHub
from livepeer_client.codec.capability import Capability
from livepeer_client.config.workers import RunnersConfig
from livepeer_client.policy.pipelines import PipelineTable
from livepeer_client.policy.price_list import PriceList, Tariff
from livepeer_client.ports.till import Till
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.live_sessions import LiveSessions
from livepeer_client.services.prices import TariffsNow
from livepeer_client.services.work import WorkService

_LIVE = Capability.LIVE_VIDEO_TO_VIDEO


async def sell_live(
    opened: AsyncExitStack,
    pipelines: PipelineTable,
    runners: RunnersConfig,
    service_uri: str,
    *,
    work: WorkService,
    payments: Till,
    board: CapacityBoard,
    hub: TrickleHub,
    prices: Callable[[], PriceList] | None = None,
) -> tuple[list[Mount], list[Coroutine[Any, Any, None]]]:
    """Routes and upkeep; none where no live model is sold, or nothing runs it. Sessions end with `opened`."""
    models: Mapping[str, Tariff] = {entry.model: entry.price for entry in pipelines.models_of(_LIVE.pipeline)}
    if prices is not None:
        models = TariffsNow(prices, _LIVE, tuple(models))
    url = runners.urls.get(_LIVE.pipeline)
    if not models or url is None:
        return [], []
    http = await opened.enter_async_context(aiohttp.ClientSession())
    live = LiveSessions(
        work=work,
        payments=payments,
        channels=hub,
        runner=HttpLiveRunner(http, url),
        clock=SystemClock(),
        service_uri=lambda: service_uri,
        models=models,
        take=lambda model: board.take(_LIVE, model),
        give_back=lambda model: board.give_back(_LIVE, model),
    )
    opened.push_async_callback(live.close)

    def mount(app: web.Application) -> None:
        mount_live(app, live)

    return [mount], []
