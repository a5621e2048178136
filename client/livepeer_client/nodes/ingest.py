"""A gateway that segments are pushed to: HTTP ingest, administration and metrics around an open `Gateway`."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from aiohttp import web

from livepeer_client.adapters.admin import Form, Setter, build_admin, price
from livepeer_client.adapters.byoc_gateway_server import mount_byoc_gateway
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.ingest import WebhookAuth, build_ingest
from livepeer_client.adapters.web import AiohttpWebClient
from livepeer_client.codec.gateway_api import orchestrators_json
from livepeer_client.codec.presets import presets
from livepeer_client.config import GatewayConfig
from livepeer_client.errors import ConfigError
from livepeer_client.facts.ingest import Push, Unserved
from livepeer_client.nodes.admin import capability_of, served
from livepeer_client.nodes.gateway import Gateway
from livepeer_client.nodes.logs import log_to_stderr
from livepeer_client.policy.fiat import Amount
from livepeer_client.policy.price_book import Money
from livepeer_client.policy.price_list import DEFAULT_MODEL
from livepeer_client.services.byoc_front import ByocFront
from livepeer_client.services.dispatch import Event, SegmentDone, SegmentResult, SegmentSent, Swapped, Verified
from livepeer_client.services.ingest import PushIngest

if TYPE_CHECKING:
    from livepeer_client.adapters.metrics.work import GatewayMetrics

DRAIN_S: Final = 30.0
"""How long segments under way may go on after the node was told to stop."""


async def run(config: GatewayConfig) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Prints `ready <host:port>` once the port is open.

    :raises ConfigError: there is no `[ingest]`; key or address file.
    :raises LivepeerError: what kept the gateway from opening.
    """
    ingest = config.ingest
    if ingest is None:
        raise ConfigError("a gateway that serves needs [ingest] listen")
    log_to_stderr()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as opened:
        gateway = await opened.enter_async_context(Gateway.open(config))
        dispatcher = gateway.dispatcher
        dispatcher.rules = replace(dispatcher.rules, verification=ingest.verification)
        auth = None
        if ingest.webhook_url is not None:
            auth = WebhookAuth(await opened.enter_async_context(AiohttpWebClient()), ingest.webhook_url)
        metrics = await opened.enter_async_context(_metrics(config, gateway))
        pushes = PushIngest(
            dispatcher, SystemClock(), ingest.profiles, auth=auth, observer=lambda event: _observe(metrics, event)
        )
        counted = _Counted(pushes, metrics)
        app = build_ingest(counted, pages_may_push=auth is not None)
        if config.byoc is not None:
            front = ByocFront(gateway.byoc_jobs, SystemClock(), auth=auth)
            opened.push_async_callback(front.close)
            mount_byoc_gateway(app, front, pages_may_spend=auth is not None)
        await opened.enter_async_context(served(app, ingest.host, ingest.port))
        if config.admin is not None:
            await opened.enter_async_context(served(_admin(gateway, pushes), *config.admin))
        sweeping = asyncio.create_task(pushes.run())
        sys.stdout.write(f"ready {ingest.host}:{ingest.port}\n")
        sys.stdout.flush()
        await stop.wait()
        sweeping.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await pushes.drain()


class _Counted:
    """Tells the metrics how each push ended."""

    def __init__(self, pushes: PushIngest, metrics: "GatewayMetrics | None") -> None:
        self._pushes = pushes
        self._metrics = metrics

    async def push(self, push: Push, read: Callable[[], Awaitable[bytes]]) -> SegmentResult | Unserved:
        done = await self._pushes.push(push, read)
        if self._metrics is not None:
            self._metrics.pushed(done.status if isinstance(done, Unserved) else 200)
            self._metrics.figures.set("current_sessions_total", self._pushes.streams)
        return done


@contextlib.asynccontextmanager
async def _metrics(config: GatewayConfig, gateway: Gateway) -> AsyncIterator["GatewayMetrics | None"]:
    if config.metrics is None:
        yield None
        return
    from prometheus_client import CollectorRegistry

    from livepeer_client.adapters.metrics import MetricsServer
    from livepeer_client.adapters.metrics.work import GatewayMetrics

    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)

    async def refresh() -> None:
        info = (await gateway.dispatcher.payer.moment()).account.info
        metrics.figures.set("gateway_deposit", info.deposit)
        metrics.figures.set("gateway_reserve", info.reserve)

    async with MetricsServer(registry, host=config.metrics.host, port=config.metrics.port, refresh=refresh):
        yield metrics


def _observe(metrics: "GatewayMetrics | None", event: Event) -> None:
    if metrics is None:
        return
    if isinstance(event, SegmentSent):
        metrics.sent(f"0x{event.orchestrator.hex()}", event.tickets, event.expected_value, event.price)
    elif isinstance(event, Swapped):
        metrics.swapped(event.code.value)
    elif isinstance(event, Verified):
        metrics.compared(agreed=event.agreed)
    elif isinstance(event, SegmentDone):
        result = event.result
        metrics.done(seconds=result.latency_s, pixels=result.pixels, attempts=result.attempts)


def _admin(gateway: Gateway, pushes: PushIngest) -> web.Application:
    dispatcher, limits = gateway.dispatcher, gateway.limits

    def set_broadcast_config(form: Form) -> None:
        ceiling: Money | None = price(form, "maxPricePerUnit")
        if not (ceiling.value if isinstance(ceiling, Amount) else ceiling):
            # What the network's tools say for: any price.
            ceiling = None
        profiles = pushes.profiles
        if form.get("transcodingOptions"):
            profiles = presets([name.strip() for name in form["transcodingOptions"].split(",")])
        limits.pay(replace(limits.limits, general=ceiling))
        pushes.profiles = profiles

    def set_model_ceiling(form: Form) -> None:
        model = capability_of(form["pipeline"]), form["modelID"].strip() or DEFAULT_MODEL
        limits.pay(replace(limits.limits, models={**limits.limits.models, model: price(form, "maxPricePerUnit")}))

    async def status() -> object:
        feed = {} if gateway.feed is None else {"PriceFeed": gateway.feed.status()}
        return {**pushes.status(), "BroadcasterPrices": {}, "LocalTranscoding": False, **feed}

    async def broadcast_config() -> object:
        ceiling, asked = dispatcher.rules.ceiling, limits.limits.general
        return {
            "MaxPricePerUnit": str(Fraction(0) if ceiling is None else ceiling),
            **({"MaxPrice": f"{asked} per pixel"} if isinstance(asked, Amount) else {}),
            "TranscodingOptions": ",".join(profile.name for profile in pushes.profiles),
        }

    async def eth_address() -> object:
        return f"0x{gateway.address.hex()}"

    async def sender_info() -> object:
        info = await gateway.account()
        return {"Deposit": str(info.deposit), "Reserve": str(info.reserve), "WithdrawRound": str(info.withdraw_round)}

    async def orchestrators() -> object:
        return orchestrators_json(dispatcher.known())

    return build_admin(
        {
            "orchestrators": orchestrators,
            "status": status,
            "getBroadcastConfig": broadcast_config,
            "ethAddr": eth_address,
            "senderInfo": sender_info,
        },
        {
            "setBroadcastConfig": Setter(("maxPricePerUnit", "pixelsPerUnit"), set_broadcast_config),
            "setMaxPriceForCapability": Setter(
                ("maxPricePerUnit", "pixelsPerUnit", "pipeline", "modelID"), set_model_ceiling
            ),
        },
    )
