"""Live runners on an orchestrator's port."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.http_server import Mount
from livepeer_client.adapters.keys import load_token
from livepeer_client.adapters.runner_server import RunnerHttp, mount_runners
from livepeer_client.adapters.trickle_server import TrickleHub
from livepeer_client.adapters.worker_server import Secret
from livepeer_client.config.live_runners import LiveRunnersConfig
from livepeer_client.ports.till import Till
from livepeer_client.services.advertise import AdvertiseService
from livepeer_client.services.live_runners import RunnerDesk
from livepeer_client.services.runner_channels import RunnerChannels
from livepeer_client.services.work import WorkService


@asynccontextmanager
async def open_live_runners(
    config: LiveRunnersConfig | None,
    service_uri: str,
    *,
    advertise: AdvertiseService,
    work: WorkService,
    payments: Till,
    hub: TrickleHub,
) -> AsyncIterator[tuple[tuple[Mount, ...], list[Coroutine[Any, Any, None]]]]:
    """The routes, and what runs beside them; neither without a setting. Sessions end with the node.

    :raises ConfigError: the secret is missing, too short, or readable by others.
    """
    if config is None:
        yield (), []
        return
    desk = RunnerDesk(
        service_uri=service_uri,
        registration=Secret(load_token(config.secret_file)).is_shown_by,
        advertise=advertise,
        work=work,
        payments=payments,
        clock=SystemClock(),
        lease_s=config.lease_s,
        channels=RunnerChannels(service_uri, hub, SystemClock()),
    )
    async with RunnerHttp() as http:
        try:
            yield (lambda app: mount_runners(app, desk, http),), [desk.run()]
        finally:
            await desk.close()
