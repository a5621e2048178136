"""An orchestrator: one key, one store, one TLS port, and the services that live off them."""

import asyncio
import contextlib
import logging
import random
import secrets
import signal
import ssl
import sys
import time
from collections.abc import Coroutine
from functools import partial
from importlib.metadata import version
from typing import Any, Final

from livepeer_client.adapters.chain.suite import Suite, load_addresses
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.http_server import build_app
from livepeer_client.adapters.media import PyavTranscoder
from livepeer_client.adapters.pause_file import PauseFile
from livepeer_client.adapters.public_fetch import PublicFetcher
from livepeer_client.adapters.rpc_server import orchestrator_rpc
from livepeer_client.adapters.secret_file import read_or_create
from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.tls import server_context
from livepeer_client.adapters.trickle_server import TrickleHub, add_trickle_routes
from livepeer_client.adapters.web import AiohttpWebClient
from livepeer_client.codec.capability import Capability, with_capacities
from livepeer_client.codec.messages import Capabilities
from livepeer_client.config import OrchestratorConfig, OrchestratorSettings
from livepeer_client.facts import Lane
from livepeer_client.nodes.admin import Dials, overseen
from livepeer_client.nodes.ai import open_runner, sell_pipelines
from livepeer_client.nodes.byoc import sell_byoc
from livepeer_client.nodes.chain import gas_monitor, open_suite
from livepeer_client.nodes.control import PAUSE_NAME, answer_operator
from livepeer_client.nodes.keys import open_signer, open_transactions
from livepeer_client.nodes.live import sell_live
from livepeer_client.nodes.live_runners import open_live_runners
from livepeer_client.nodes.logs import log_to_stderr
from livepeer_client.nodes.memory import keep_what_is_loaded
from livepeer_client.nodes.metrics import NodeMetrics
from livepeer_client.nodes.redeemer import connect
from livepeer_client.nodes.stores import open_tickets
from livepeer_client.nodes.workers import Workers, open_workers
from livepeer_client.policy.capacities import total
from livepeer_client.policy.recipient import SECRET_BYTES
from livepeer_client.ports import Signer, TicketStore
from livepeer_client.services.admission import DiscoveryWebhook
from livepeer_client.services.advertise import TOKEN_KEY_BYTES, AdvertiseService, Offer
from livepeer_client.services.byoc import Registry
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.chain_view import ChainView
from livepeer_client.services.drawing import TicketDrawer
from livepeer_client.services.figures import FigureService
from livepeer_client.services.gas import GasPriceMonitor
from livepeer_client.services.payment import PaymentService
from livepeer_client.services.redeemer import TicketForwarder
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.services.registration import RegistrationWatch
from livepeer_client.services.renditions import RenditionStore
from livepeer_client.services.reward import RewardService
from livepeer_client.services.rounds import RoundsService
from livepeer_client.services.transactions import TransactionManager
from livepeer_client.services.work import AUTO, WorkService

DRAIN_S: Final = 20.0
"""How long segments under way may go on after the node was told to stop."""

logger = logging.getLogger(__name__)


async def run(config: OrchestratorConfig) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Prints `ready <service URI>` once the port is open.

    :raises ConfigError: key or address file.
    :raises LivepeerError: what stopped the node, such as `StoreCorrupt`.
    """
    log_to_stderr()
    keep_what_is_loaded()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    settings, metrics = config.orchestrator, NodeMetrics(config.metrics)
    async with contextlib.AsyncExitStack() as opened:
        signer = await opened.enter_async_context(open_signer(config.key))
        await asyncio.to_thread(settings.data_dir.mkdir, parents=True, exist_ok=True, mode=0o700)
        addresses = load_addresses(config.chain.addresses)
        suite = await opened.enter_async_context(open_suite(config.chain, addresses, metrics.observe))
        # A node that cannot see the chain must not say that it is ready.
        await suite.head()
        store = await opened.enter_async_context(
            await open_tickets(settings.data_dir / "orchestrator.sqlite", settings.store_url)
        )
        transcoder = PyavTranscoder()
        opened.push_async_callback(transcoder.close)
        drawer = TicketDrawer()
        opened.callback(drawer.close)
        gas = gas_monitor(suite, config.chain)
        view = ChainView(suite, SystemClock(), signer.address, config.chain.poll_interval_s, gas)
        board = CapacityBoard(_capabilities(config, transcoder.capabilities))
        http = await opened.enter_async_context(HttpTransport())
        runner = open_runner(config.runners, http)
        workers = open_workers(config.workers, settings.service_uri, board, transcoder, runner)
        fetcher = await opened.enter_async_context(PublicFetcher())
        registration = RegistrationWatch(suite, signer.address, settings.service_uri, SystemClock())
        webhook = None
        if settings.discovery_webhook_url is not None:
            web = await opened.enter_async_context(AiohttpWebClient())
            webhook = DiscoveryWebhook(settings.discovery_webhook_url, web, SystemClock())
        dials, registry = Dials(config.prices), Registry(board)
        advertise, work, payments = _build(
            config, dials, signer, view, store, board, workers, drawer, fetcher, registration, webhook, registry
        )
        pipelines = sell_pipelines(
            config.pipelines,
            settings.service_uri,
            work=work,
            payments=payments,
            board=board,
            runner=workers.runner,
        )
        await opened.enter_async_context(overseen(config, dials, work))
        hub = TrickleHub(SystemClock())
        byoc = await sell_byoc(
            opened,
            registry,
            settings.service_uri,
            workers.secret,
            work=work,
            payments=payments,
            board=board,
            hub=hub,
        )
        mounts, runner_services = await opened.enter_async_context(
            open_live_runners(
                config.live_runners, settings.service_uri, advertise=advertise, work=work, payments=payments, hub=hub
            )
        )
        live, live_upkeep = await sell_live(
            opened,
            config.pipelines,
            config.runners,
            settings.service_uri,
            work=work,
            payments=payments,
            board=board,
            hub=hub,
        )
        server = TlsServer(
            host=settings.listen_host,
            port=settings.listen_port,
            context=_tls(settings),
            app=build_app(
                work, mounts=(*workers.mounts, pipelines, byoc, *mounts, *live, partial(add_trickle_routes, hub=hub))
            ),
            rpc=[orchestrator_rpc(advertise.get_orchestrator, advertise.ping, work.end_session), *workers.rpc],
        )
        transactions = await opened.enter_async_context(
            open_transactions(suite, signer, config.chain, settings.data_dir)
        )
        redeem = _redemption(config, suite, transactions, store, gas)
        upkeep = [
            hub.run(),
            *runner_services,
            *live_upkeep,
            registration.run(),
            gas.run(),
            view.watch(),
            transactions.run(),
            *_upkeep(config, suite, transactions, redeem),
            metrics.serve(
                FigureService(
                    suite,
                    store,
                    SystemClock(),
                    signer.address,
                    redemption=redeem,
                    quote=lambda: advertise.last_quote,
                ),
                also=metrics.of_work(work.status),
            ),
        ]
        if config.redemption.redeemer is not None:
            redeemer = connect(config.redemption.redeemer)
            opened.push_async_callback(redeemer.close)
            upkeep.append(TicketForwarder(store, redeemer, SystemClock()).run_with(suite, signer.address))
        await _serve(server, [work.run(), work.failure(), *upkeep], stop, settings.service_uri, workers, work)


async def _serve(
    server: TlsServer,
    services: list[Coroutine[Any, Any, None]],
    stop: asyncio.Event,
    uri: str,
    workers: Workers,
    work: WorkService,
) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(service) for service in services]
            async with server:
                sys.stdout.write(f"ready {uri}\n")
                sys.stdout.flush()
                await stop.wait()
                work.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(DRAIN_S):
                        await work.drained()
                await workers.drain()
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as failures:
        # The first is the reason, the others are its consequences.
        raise failures.exceptions[0] from failures


def _build(
    config: OrchestratorConfig,
    dials: Dials,
    signer: Signer,
    view: ChainView,
    store: TicketStore,
    board: CapacityBoard,
    workers: Workers,
    drawer: TicketDrawer,
    fetcher: PublicFetcher,
    registration: RegistrationWatch,
    webhook: DiscoveryWebhook | None,
    registry: Registry,
) -> tuple[AdvertiseService, WorkService, PaymentService]:
    settings, clock = config.orchestrator, SystemClock()
    latency_s = settings.latency_ms / 1000
    payments = PaymentService(
        recipient=settings.recipient(signer.address, config.redemption.policy),
        prices=lambda: registry.priced(dials.prices if webhook is None else dials.prices.with_base_for(webhook.prices)),
        auto_adjust=settings.auto_adjust_price,
        secret=_secret(settings),
        store=store,
        view=view,
        clock=clock,
        drawer=drawer,
    )
    dials.set_max_face_value = payments.set_max_face_value
    advertise = AdvertiseService(
        offer=Offer(settings.service_uri, board.capabilities, settings.nodes),
        signer=signer,
        payments=payments,
        token_key=read_or_create(settings.data_dir / "token.key", lambda: secrets.token_bytes(TOKEN_KEY_BYTES)),
        clock=clock,
        latency_s=latency_s,
        board=board,
        admit=None if webhook is None else webhook.admit,
    )
    work = WorkService(
        advertise=advertise,
        payments=payments,
        signer=signer,
        transcoder=workers.transcoder,
        renditions=RenditionStore(settings.service_uri),
        clock=clock,
        max_sessions=AUTO if settings.max_sessions is None else settings.max_sessions,
        latency_s=latency_s,
        session_ended=workers.session_ended,
        capacity=lambda: board.capabilities.capacities.get(Capability.H264, 0),
        fetcher=fetcher if settings.fetch_urls else None,
        troubles=lambda: registration.troubles,
    )
    return advertise, work, payments


def _tls(settings: OrchestratorSettings) -> ssl.SSLContext | None:
    """None for clear text, which an `http://` service URI asks for."""
    if settings.service_uri.startswith("http://"):
        return None
    return server_context(settings.data_dir / "tls.pem", settings.service_host, time.time())


def _secret(settings: OrchestratorSettings) -> bytes | None:
    """The secret that this node shares with others, or with its own next start."""
    if settings.secret_file is None:
        return None
    return read_or_create(settings.secret_file, lambda: secrets.token_bytes(SECRET_BYTES))


def _redemption(
    config: OrchestratorConfig,
    suite: Suite,
    transactions: TransactionManager,
    store: TicketStore,
    gas: GasPriceMonitor,
) -> RedemptionService | None:
    """What redeems this node's winners, unless nobody or another process does."""
    redemption = config.redemption
    if not redemption.enabled or redemption.redeemer is not None:
        return None
    return RedemptionService(
        suite,
        transactions.lane(Lane.REDEMPTION),
        store,
        SystemClock(),
        redemption.policy,
        # Nodes that share a store have URIs of their own.
        owner=config.orchestrator.service_uri,
        poll_interval_s=redemption.poll_interval_s,
        gas=gas,
        pause=PauseFile(config.orchestrator.data_dir / PAUSE_NAME),
    )


def _upkeep(
    config: OrchestratorConfig, suite: Suite, transactions: TransactionManager, redeem: RedemptionService | None
) -> list[Coroutine[Any, Any, None]]:
    """The services that send transactions, as far as they are wanted."""
    clock, services = SystemClock(), []
    rounds, reward = config.rounds, config.reward
    if redeem is not None:
        services += [redeem.run(), answer_operator(redeem, config.orchestrator.data_dir)]
    if rounds.initialize:
        delay = partial(random.SystemRandom().uniform, 0, rounds.max_delay_s)
        lane = transactions.lane(Lane.ROUND)
        services.append(RoundsService(suite, lane, clock, delay, poll_interval_s=rounds.poll_interval_s).run())
    if reward.enabled:
        lane = transactions.lane(Lane.REWARD)
        services.append(RewardService(suite, lane, clock, poll_interval_s=reward.poll_interval_s).run())
    return services


def _capabilities(config: OrchestratorConfig, transcodes: frozenset[Capability]) -> Capabilities:
    """What the node does by itself: nothing is advertised that it cannot serve."""
    here = config.workers is None or config.workers.transcodes_here
    bits = transcodes - config.orchestrator.capabilities_removed if here else frozenset()
    own = Capabilities(bits=bits, capacities=with_capacities(bits))
    return total((own, config.pipelines.served_here), version=version("livepeer-client"))
