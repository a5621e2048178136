"""An orchestrator: one key, one store, one TLS port, and the services that live off them."""

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import Coroutine
from functools import partial
from typing import Any

from livepeer_client.adapters.chain.suite import Suite, load_addresses
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.pause_file import PauseFile
from livepeer_client.adapters.secret_file import read_or_create
from livepeer_client.adapters.web import AiohttpWebClient
from livepeer_client.config import OffchainConfig, OrchestratorConfig, OrchestratorSettings
from livepeer_client.facts import Lane
from livepeer_client.nodes import offchain
from livepeer_client.nodes.admin import Dials, overseen
from livepeer_client.nodes.chain import gas_monitor, open_suite
from livepeer_client.nodes.control import PAUSE_NAME, answer_operator
from livepeer_client.nodes.keys import open_signer, open_transactions
from livepeer_client.nodes.logs import log_to_stderr
from livepeer_client.nodes.metrics import NodeMetrics
from livepeer_client.nodes.prices import open_feed, open_prices
from livepeer_client.nodes.redeemer import connect
from livepeer_client.nodes.selling import Shop, told_to_stop
from livepeer_client.nodes.stores import open_tickets
from livepeer_client.policy.recipient import SECRET_BYTES
from livepeer_client.ports import Signer, TicketStore
from livepeer_client.services.admission import DiscoveryWebhook
from livepeer_client.services.byoc import Registry
from livepeer_client.services.chain_view import ChainView
from livepeer_client.services.drawing import TicketDrawer
from livepeer_client.services.figures import FigureService
from livepeer_client.services.gas import GasPriceMonitor
from livepeer_client.services.payment import PaymentService
from livepeer_client.services.redeemer import TicketForwarder
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.services.registration import RegistrationWatch
from livepeer_client.services.reward import RewardService
from livepeer_client.services.rounds import RoundsService
from livepeer_client.services.transactions import TransactionManager

logger = logging.getLogger(__name__)


async def run(config: OrchestratorConfig | OffchainConfig) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Prints `ready <service URI>` once the port is open.

    :raises ConfigError: key or address file.
    :raises LivepeerError: what stopped the node, such as `StoreCorrupt`.
    """
    if isinstance(config, OffchainConfig):
        await offchain.run(config)
        return
    log_to_stderr()
    stop = told_to_stop()
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
        drawer = TicketDrawer()
        opened.callback(drawer.close)
        gas = gas_monitor(suite, config.chain)
        view = ChainView(suite, SystemClock(), signer.address, config.chain.poll_interval_s, gas)
        shop = await Shop.open(opened, config)
        registration = RegistrationWatch(suite, signer.address, settings.service_uri, SystemClock())
        webhook = None
        if settings.discovery_webhook_url is not None:
            web = await opened.enter_async_context(AiohttpWebClient())
            webhook = DiscoveryWebhook(settings.discovery_webhook_url, web, SystemClock())
        feed = await open_feed(config.price_feed, suite)
        dials = Dials(open_prices(config.price_book, feed), feed)
        payments = _till(config, dials, signer, view, store, drawer, webhook, shop.registry)
        advertise, work = shop.staff(
            signer,
            payments,
            admit=None if webhook is None else webhook.admit,
            troubles=lambda: registration.troubles,
        )
        await opened.enter_async_context(overseen(config, dials, work))
        server, services = await shop.serve(opened, advertise, work, payments, prices=dials.selling, feed=feed)
        transactions = await opened.enter_async_context(
            open_transactions(suite, signer, config.chain, settings.data_dir)
        )
        redeem = _redemption(config, suite, transactions, store, gas)
        services += [
            *(() if feed is None else (feed.run(),)),
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
            services.append(TicketForwarder(store, redeemer, SystemClock()).run_with(suite, signer.address))
        await shop.run(server, work, services, stop)


def _till(
    config: OrchestratorConfig,
    dials: Dials,
    signer: Signer,
    view: ChainView,
    store: TicketStore,
    drawer: TicketDrawer,
    webhook: DiscoveryWebhook | None,
    registry: Registry,
) -> PaymentService:
    settings = config.orchestrator
    payments = PaymentService(
        recipient=settings.recipient(signer.address, config.redemption.policy),
        prices=lambda: registry.priced(dials.prices.with_base_for({} if webhook is None else webhook.prices)),
        auto_adjust=settings.auto_adjust_price,
        secret=_secret(settings),
        store=store,
        view=view,
        clock=SystemClock(),
        drawer=drawer,
    )
    dials.set_max_face_value = payments.set_max_face_value
    return payments


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
