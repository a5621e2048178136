"""A gateway: the adapters of one key's gateway, opened and closed together, and what its owner does with it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from livepeer_client.adapters.ai_client import AiHttp
from livepeer_client.adapters.byoc_buyer import ByocBuyerHttp
from livepeer_client.adapters.chain.suite import load_addresses
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.live_client import LiveHttp
from livepeer_client.adapters.media import PyavProbe
from livepeer_client.codec.byoc_stream import StreamParameters
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import VideoProfile
from livepeer_client.codec.printing import on_one_line
from livepeer_client.config import GatewayConfig, GatewaySettings
from livepeer_client.facts import GatewayTotals, Receipt, SenderInfo
from livepeer_client.nodes.chain import open_suite
from livepeer_client.nodes.discovery import open_discovery
from livepeer_client.nodes.keys import make_transactor, open_signer
from livepeer_client.nodes.prices import open_feed, open_limits
from livepeer_client.nodes.stores import open_books
from livepeer_client.policy.discovery import ProbePlan
from livepeer_client.policy.pipelines import Pipeline
from livepeer_client.policy.price import shown
from livepeer_client.policy.price_list import Ceilings
from livepeer_client.policy.selection import Candidate, Selection
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.ports import Chain, GatewayBooks
from livepeer_client.services.ai_dispatch import AiDispatcher
from livepeer_client.services.byoc_dispatch import ByocDispatcher, ByocReply, Terms
from livepeer_client.services.byoc_stream import ByocStream
from livepeer_client.services.discovery import DiscoveryReport
from livepeer_client.services.dispatch import Dispatcher, DispatchRules, Observer, StreamSession, ignore
from livepeer_client.services.live_dispatch import LiveDispatcher, LiveStream
from livepeer_client.services.paying import Payer
from livepeer_client.services.price_feed import PriceFeedService
from livepeer_client.services.prices import Limits, LimitsNow
from livepeer_client.types import Address, Wei


@dataclass(frozen=True, slots=True)
class Gateway:
    """An open gateway; make one with `Gateway.open`."""

    address: Address
    chain: Chain
    transactor: Transactor
    books: GatewayBooks
    dispatcher: Dispatcher
    ai: AiDispatcher
    live_sessions: LiveDispatcher
    byoc_jobs: ByocDispatcher
    limits: LimitsNow
    feed: PriceFeedService | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, config: GatewayConfig) -> AsyncIterator["Gateway"]:
        """Open everything a gateway needs; it is closed in reverse order.

        :raises ConfigError: key or address file, or the extra `media` is not installed.
        :raises StoreError: the books.
        """
        settings, clock = config.gateway, SystemClock()
        addresses = await asyncio.to_thread(load_addresses, config.chain.addresses)
        async with AsyncExitStack() as opened:
            signer = await opened.enter_async_context(open_signer(config.key))
            await asyncio.to_thread(settings.data_dir.mkdir, parents=True, exist_ok=True, mode=0o700)
            suite = await opened.enter_async_context(open_suite(config.chain, addresses))
            file = settings.data_dir / "books.sqlite"
            books = await opened.enter_async_context(await open_books(file, settings.store_url))
            probe = await opened.enter_async_context(GrpcProbe(settings.data_dir / "certificates"))
            transport = await opened.enter_async_context(HttpTransport())
            media = PyavProbe()
            opened.push_async_callback(media.close)
            found = await opened.enter_async_context(
                open_discovery(
                    config.discovery,
                    suite,
                    probe,
                    signer,
                    probe_plan(config),
                    cache=books,
                    poll_interval_s=config.chain.poll_interval_s,
                )
            )
            discovery = found.service
            payer = Payer(
                suite,
                signer,
                books,
                clock,
                discovery,
                _limits(settings),
                account_ttl_s=settings.account_interval_s,
                refresh_timeout_s=settings.refresh_timeout_s,
            )
            scores = found.performance
            dispatcher = Dispatcher(
                discovery,
                payer,
                signer,
                transport,
                media,
                clock,
                replace(_rules(settings), min_performance=config.discovery.min_performance),
                performance=dict if scores is None else lambda: scores.scores,
            )
            opened.push_async_callback(dispatcher.close)
            dispatcher.beside(payer.watch())
            feed = await open_feed(config.price_feed, suite)

            def keep_to(ceilings: Ceilings) -> None:
                dispatcher.rules = replace(dispatcher.rules, ceiling=ceilings.general, model_ceilings=ceilings.models)

            limits = open_limits(Limits(settings.ceiling, config.ceilings), feed, keep_to)
            if feed is not None:
                dispatcher.beside(feed.run())
                dispatcher.beside(limits.run())
            ai = AiDispatcher(dispatcher, payer, signer, AiHttp(transport))
            opened.push_async_callback(ai.close)
            channels = LiveHttp(transport)
            opened.push_async_callback(channels.close)
            live = LiveDispatcher(dispatcher, payer, signer, channels, transport)
            buyer = ByocBuyerHttp(transport)
            opened.push_async_callback(buyer.close)
            byoc = ByocDispatcher(dispatcher, payer, signer, buyer)
            opened.push_async_callback(byoc.close)
            transactor = make_transactor(suite, signer, config.chain)
            yield cls(signer.address, suite, transactor, books, dispatcher, ai, live, byoc, limits, feed)

    async def account(self) -> SenderInfo:
        """Deposit and reserve as the chain has them."""
        return await self.chain.sender_info(self.address)

    async def fund(self, deposit: Wei, reserve: Wei) -> Receipt:
        """Add to deposit and reserve; an unlock in progress is cancelled (onchain 11.2).

        :raises Reverted, ChainUnavailable, TransactionDropped:
        """
        value = Wei(deposit + reserve)
        return await self.transactor.send("TicketBroker", "fundDepositAndReserve", [deposit, reserve], value=value)

    async def unlock(self) -> Receipt:
        """Announce that deposit and reserve are wanted back (onchain 11.3). Raises as `fund`."""
        return await self.transactor.send("TicketBroker", "unlock", [])

    async def withdraw(self) -> Receipt:
        """Take deposit and reserve back once the unlock period is over. Raises as `fund`."""
        return await self.transactor.send("TicketBroker", "withdraw", [])

    async def discover(self, profiles: Sequence[VideoProfile] = ()) -> tuple[DiscoveryReport, Selection]:
        """Probe the pool for a job and explain whom a stream would choose. See `Dispatcher.explain`."""
        return await self.dispatcher.explain(profiles)

    async def explain(self, pipeline: Pipeline) -> tuple[DiscoveryReport, Selection]:
        """As `discover`, for an AI job or a live session of a model. See `AiDispatcher.explain`."""
        if pipeline.capability == Capability.LIVE_VIDEO_TO_VIDEO:
            return await self.live_sessions.explain(pipeline.model)
        return await self.ai.explain(pipeline)

    def stream(
        self, profiles: Sequence[VideoProfile], manifest_id: str | None = None, observer: Observer = ignore
    ) -> StreamSession:
        """A stream to submit segments to. See `Dispatcher.stream`."""
        return self.dispatcher.stream(profiles, manifest_id, observer)

    def live(
        self,
        model: str,
        params: Mapping[str, Any] | None = None,
        *,
        stream_id: str = "",
        max_total: Fraction | None = None,
        observer: Observer = ignore,
    ) -> LiveStream:
        """Live video through a model, to be entered with `async with`. See `LiveDispatcher.session`."""
        return self.live_sessions.session(model, params, stream_id=stream_id, max_total=max_total, observer=observer)

    def byoc(
        self,
        capability: str,
        body: bytes,
        *,
        path: str = "",
        content_type: str = "application/json",
        request: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        timeout_s: int = 60,
        include: Collection[str] = (),
        exclude: Collection[str] = (),
        observer: Observer = ignore,
    ) -> AbstractAsyncContextManager[ByocReply]:
        """A job of a capability that somebody brought along, to be entered with `async with`. See
        `ByocDispatcher.job`.

        :param request: what is signed beside the id, as `parameters` are; the worker gets `body`.
        :param include: the only orchestrators that may have it, by URI or address, if any; `exclude`: who may not.
        """
        terms = Terms(capability, request or {}, parameters or {}, timeout_s, include, exclude)
        return self.byoc_jobs.job(terms, body, path=path, content_type=content_type, observer=observer)

    def byoc_stream(
        self,
        capability: str,
        body: Mapping[str, Any] | None = None,
        *,
        video_in: bool = False,
        video_out: bool = False,
        data: bool = False,
        parameters: Mapping[str, Any] | None = None,
        stream_id: str = "",
        include: Collection[str] = (),
        exclude: Collection[str] = (),
        observer: Observer = ignore,
    ) -> ByocStream:
        """A stream of such a capability, to be entered with `async with`. See `ByocStream`; `body` is what its worker
        is told when it starts."""
        terms = Terms(capability, parameters=parameters or {}, include=include, exclude=exclude)
        channels = StreamParameters(video_in, video_out, data)
        return ByocStream(self.byoc_jobs, terms, channels, body, stream_id=stream_id, observer=observer)

    async def totals(self) -> dict[Address, GatewayTotals]:
        """What the books add up to, per orchestrator."""
        return await self.books.totals()


def probe_plan(config: GatewayConfig) -> ProbePlan:
    """How long this gateway's discovery waits for whom."""
    settings = config.gateway
    plan = ProbePlan.waking_first_at(
        settings.discovery_timeout_s, settings.discovery_cutoff_s, settings.probe_timeout_s
    )
    return replace(plan, fan_out=config.discovery.fan_out)


def _limits(settings: GatewaySettings) -> SenderLimits:
    return SenderLimits(
        max_ev=Fraction(settings.max_ticket_ev_wei),
        max_total_ev=Fraction(settings.max_total_ev_wei),
        deposit_multiplier=settings.deposit_multiplier,
    )


def _rules(settings: GatewaySettings) -> DispatchRules:
    # What may be paid is added by `LimitsNow`, at the rate of the moment.
    return DispatchRules(max_attempts=settings.max_attempts)


def describe(candidate: Candidate) -> str:
    """One line for people: verdict, URI, price, latency, stake and reason."""
    price = "-" if candidate.price is None else f"{shown(candidate.price)} wei/px"
    latency = "-" if candidate.latency_s is None else f"{candidate.latency_s * 1000:.0f} ms"
    stake = f"{candidate.stake / 10**18:g} LPT"
    # Both may hold what a stranger wrote.
    uri, reason = on_one_line(candidate.uri), on_one_line(candidate.reason)
    return f"{candidate.verdict.value:9} {uri:32} {price:20} {latency:8} {stake:12} {reason}"


async def discover(config: GatewayConfig) -> None:
    """Probe the pool once and write the explanation to standard output. Raises as `Gateway.open`."""
    async with Gateway.open(config) as gateway:
        report, selection = await gateway.discover()
    lines = [describe(candidate) for candidate in selection.candidates]
    lines.append(f"{len(report.offers)} of {len(lines)} usable, {report.stop.value}, {report.took_s:.2f} s")
    sys.stdout.write("\n".join(lines) + "\n")
