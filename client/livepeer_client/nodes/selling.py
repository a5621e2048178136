"""What every orchestrator's node is made of, whether it is paid on a chain or gives its work away."""

import asyncio
import contextlib
import logging
import secrets
import signal
import ssl
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, Final

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.http_server import Mount, build_app
from livepeer_client.adapters.media import PyavTranscoder
from livepeer_client.adapters.public_fetch import PublicFetcher
from livepeer_client.adapters.rpc_server import orchestrator_rpc
from livepeer_client.adapters.secret_file import read_or_create
from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.tls import server_context
from livepeer_client.adapters.trickle_server import TrickleHub, add_trickle_routes
from livepeer_client.codec.capability import Capability, with_capacities
from livepeer_client.codec.messages import Capabilities
from livepeer_client.config import ServiceConfig, ServiceSettings
from livepeer_client.nodes.ai import open_runner, sell_pipelines
from livepeer_client.nodes.byoc import sell_byoc
from livepeer_client.nodes.live import sell_live
from livepeer_client.nodes.live_runners import open_live_runners
from livepeer_client.nodes.workers import Workers, open_workers
from livepeer_client.policy.capacities import total
from livepeer_client.policy.price_list import PriceList
from livepeer_client.ports import Signer
from livepeer_client.ports.till import Senders, Till
from livepeer_client.services.advertise import TOKEN_KEY_BYTES, Admission, AdvertiseService, Offer
from livepeer_client.services.byoc import Registry
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.price_feed import PriceFeedService
from livepeer_client.services.renditions import RenditionStore
from livepeer_client.services.work import AUTO, WorkService

DRAIN_S: Final = 20.0
"""How long segments under way may go on after the node was told to stop."""

Upkeep = Coroutine[Any, Any, None]

logger = logging.getLogger(__name__)


def told_to_stop() -> asyncio.Event:
    """Set by SIGTERM and SIGINT from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


@dataclass(frozen=True, slots=True)
class Shop:
    """Who works, and what of it can be had at each moment."""

    config: ServiceConfig
    board: CapacityBoard
    workers: Workers
    registry: Registry
    fetcher: PublicFetcher

    @classmethod
    async def open(cls, opened: AsyncExitStack, config: ServiceConfig, *, free: bool = False) -> "Shop":
        """:param free: nothing that workers bring along has a price.
        :raises ConfigError: the workers' secret.
        """
        transcoder = PyavTranscoder()
        opened.push_async_callback(transcoder.close)
        board = CapacityBoard(_capabilities(config, transcoder.capabilities))
        http = await opened.enter_async_context(HttpTransport())
        runner = open_runner(config.runners, http)
        workers = open_workers(config.workers, config.orchestrator.service_uri, board, transcoder, runner)
        fetcher = await opened.enter_async_context(PublicFetcher())
        return cls(config, board, workers, Registry(board, free=free), fetcher)

    def staff(
        self,
        signer: Signer,
        till: Till,
        *,
        senders: Senders | None = None,
        admit: Admission | None = None,
        troubles: Callable[[], Sequence[object]] = tuple,
    ) -> tuple[AdvertiseService, WorkService]:
        """Who tells the terms, and who takes segments in."""
        settings, clock = self.config.orchestrator, SystemClock()
        latency_s = settings.latency_ms / 1000
        advertise = AdvertiseService(
            offer=Offer(settings.service_uri, self.board.capabilities, settings.nodes),
            signer=signer,
            payments=till,
            token_key=read_or_create(settings.data_dir / "token.key", lambda: secrets.token_bytes(TOKEN_KEY_BYTES)),
            clock=clock,
            latency_s=latency_s,
            board=self.board,
            senders=senders,
            admit=admit,
        )
        work = WorkService(
            advertise=advertise,
            payments=till,
            signer=signer,
            transcoder=self.workers.transcoder,
            renditions=RenditionStore(settings.service_uri),
            clock=clock,
            max_sessions=AUTO if settings.max_sessions is None else settings.max_sessions,
            latency_s=latency_s,
            session_ended=self.workers.session_ended,
            capacity=lambda: self.board.capabilities.capacities.get(Capability.H264, 0),
            fetcher=self.fetcher if settings.fetch_urls else None,
            senders=senders,
            troubles=troubles,
        )
        return advertise, work

    async def serve(
        self,
        opened: AsyncExitStack,
        advertise: AdvertiseService,
        work: WorkService,
        till: Till,
        *,
        free: bool = False,
        prices: Callable[[], PriceList] | None = None,
        feed: PriceFeedService | None = None,
    ) -> tuple[TlsServer, list[Upkeep]]:
        """The port, still closed, and what runs beside it.

        :param free: live runners cost nothing, whatever they ask.
        :param prices: of pipelines now, where they do not stay those of the configuration.
        :param feed: what live runners are priced by that ask in another currency than wei.
        """
        config, board, hub = self.config, self.board, TrickleHub(SystemClock())
        settings, uri = config.orchestrator, config.orchestrator.service_uri
        selling: dict[str, Any] = {"work": work, "payments": till, "board": board}
        pipelines = sell_pipelines(config.pipelines, uri, runner=self.workers.runner, prices=prices, **selling)
        # Without a chain nothing is paid ahead that a job sent again could spend.
        memory = None if free else settings.data_dir / "jobs.sqlite"
        byoc = await sell_byoc(opened, self.registry, uri, self.workers.secret, hub=hub, memory=memory, **selling)
        runners, runner_upkeep = await opened.enter_async_context(
            open_live_runners(
                config.live_runners, uri, advertise=advertise, work=work, payments=till, hub=hub, free=free, feed=feed
            )
        )
        live, live_upkeep = await sell_live(
            opened, config.pipelines, config.runners, uri, hub=hub, prices=prices, **selling
        )
        mounts: list[Mount] = [
            *self.workers.mounts,
            pipelines,
            byoc,
            *runners,
            *live,
            partial(add_trickle_routes, hub=hub),
        ]
        server = TlsServer(
            host=settings.listen_host,
            port=settings.listen_port,
            context=_tls(settings),
            app=build_app(work, mounts=mounts),
            rpc=[orchestrator_rpc(advertise.get_orchestrator, advertise.ping, work.end_session), *self.workers.rpc],
        )
        return server, [hub.run(), *runner_upkeep, *live_upkeep, work.run(), work.failure()]

    async def run(self, server: TlsServer, work: WorkService, services: list[Upkeep], stop: asyncio.Event) -> None:
        """Serve until `stop`, then drain. Prints `ready <service URI>` once the port is open."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(service) for service in services]
                async with server:
                    sys.stdout.write(f"ready {self.config.orchestrator.service_uri}\n")
                    sys.stdout.flush()
                    await stop.wait()
                    logger.info("told to stop: work under way has %.0f s to end, nothing new is taken", DRAIN_S)
                    work.drain()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(DRAIN_S):
                            await work.drained()
                    await self.workers.drain()
                for task in tasks:
                    task.cancel()
            logger.info("stopped")
        except BaseExceptionGroup as failures:
            # The first is the reason, the others are its consequences.
            raise failures.exceptions[0] from failures


def _tls(settings: ServiceSettings) -> ssl.SSLContext | None:
    """None for clear text, which an `http://` service URI asks for."""
    if settings.service_uri.startswith("http://"):
        return None
    return server_context(settings.data_dir / "tls.pem", settings.service_host, time.time())


def _capabilities(config: ServiceConfig, transcodes: frozenset[Capability]) -> Capabilities:
    """What the node does by itself: nothing is advertised that it cannot serve."""
    here = config.workers is None or config.workers.transcodes_here
    bits = transcodes - config.orchestrator.capabilities_removed if here else frozenset()
    own = Capabilities(bits=bits, capacities=with_capacities(bits))
    return total((own, config.pipelines.served_here), version=version("livepeer-client"))
