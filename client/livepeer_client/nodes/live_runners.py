"""Live runners on an orchestrator's port."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.http_server import Mount
from livepeer_client.adapters.keys import load_token
from livepeer_client.adapters.runner_file import read_runner_file
from livepeer_client.adapters.runner_http import RunnerHttp
from livepeer_client.adapters.runner_server import mount_runners
from livepeer_client.adapters.trickle_server import TrickleHub
from livepeer_client.adapters.worker_server import Secret
from livepeer_client.config.live_runners import LiveRunnersConfig
from livepeer_client.errors import ConfigError, InvalidInput, MalformedMessage
from livepeer_client.ports.till import Till
from livepeer_client.services.advertise import AdvertiseService
from livepeer_client.services.live_runners import RunnerDesk
from livepeer_client.services.price_feed import PriceFeedService
from livepeer_client.services.runner_channels import RunnerChannels
from livepeer_client.services.runner_file import RunnerFile
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
    free: bool = False,
    feed: PriceFeedService | None = None,
) -> AsyncIterator[tuple[tuple[Mount, ...], list[Coroutine[Any, Any, None]]]]:
    """The routes, and what runs beside them; neither without a setting. Sessions end with the node.

    :raises ConfigError: the secret is missing, too short, or readable by others; or the file of runners cannot be used.
    """
    if config is None:
        yield (), []
        return
    desk = RunnerDesk(
        service_uri=service_uri,
        registration=None if config.secret_file is None else Secret(load_token(config.secret_file)).is_shown_by,
        advertise=advertise,
        work=work,
        payments=payments,
        clock=SystemClock(),
        lease_s=config.lease_s,
        feed=None if feed is None else lambda: feed.rate,
        channels=RunnerChannels(service_uri, hub, SystemClock()),
        proxy_ports=config.proxy_ports,
        free=free,
    )
    async with RunnerHttp() as http:
        services = [desk.run()]
        if config.file is not None:
            file = RunnerFile(partial(read_runner_file, config.file), desk.registry, http.health, SystemClock())
            try:
                await file.start()
            except (InvalidInput, MalformedMessage) as error:
                raise ConfigError(f"live_runners.file: {config.file}: {error}") from error
            services.append(file.run())
        try:
            yield (lambda app: mount_runners(app, desk, http),), services
        finally:
            await desk.close()
