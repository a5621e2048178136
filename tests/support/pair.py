"""A gateway and an orchestrator, both with their real services, over one chain and one clock, without sockets."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from livepeer_client.adapters.fakes import FakeProbe, MemoryGatewayBooks
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.codec import wire
from livepeer_client.codec.messages import (
    OrchestratorInfo,
    OrchestratorRequest,
    RegisteredOrchestrator,
    TranscodeResult,
)
from livepeer_client.errors import BadCredentials, LivepeerError, PeerRefused, QuoteRefused
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.services.dispatch import Dispatcher, DispatchRules, Event, StreamSession, Swapped
from livepeer_client.services.paying import Payer
from livepeer_client.services.work import Refused
from tests.support.shop import GATEWAY_KEY, PROFILES, SERVICE_URI, Shop


@dataclass
class Wire:
    """`ports.OrchestratorProbe` and `ports.SegmentTransport` straight into an orchestrator's services."""

    shop: Shop

    async def get_info(self, uri: str, request: OrchestratorRequest, *, timeout_s: float) -> OrchestratorInfo:
        try:
            return await self.shop.advertise.get_orchestrator(request)
        except (BadCredentials, QuoteRefused) as error:
            raise PeerRefused(uri, 500, error.reason) from error

    async def ping(self, uri: str, value: bytes, *, timeout_s: float) -> bytes:
        return await self.shop.advertise.ping(value)

    async def submit_segment(
        self, uri: str, segment: bytes, *, credentials: str, payment: str, upload_timeout_s: float, timeout_s: float
    ) -> TranscodeResult:
        with self.shop.work.exchange(payment, credentials) as exchange:
            refusal = await exchange.admit() or exchange.check_body(segment)
            if isinstance(refusal, Refused):
                raise PeerRefused(uri, refusal.status, refusal.reason)
            return wire.decode_transcode_result(await exchange.work(segment))

    async def fetch(self, url: str, *, limit_bytes: int, timeout_s: float) -> bytes:
        session, profile, name = url.removeprefix(f"{SERVICE_URI}/stream/").split("/")
        data = self.shop.work.rendition(session, profile, name)
        if data is None:
            raise PeerRefused(url, 404, "not found")
        return data

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class Pair:
    """Both, after `open`. `events` is what the stream told."""

    shop: Shop
    rules: DispatchRules = field(default_factory=DispatchRules)
    events: list[Event] = field(default_factory=list)
    books: MemoryGatewayBooks = field(default_factory=MemoryGatewayBooks)

    async def open(self) -> "Pair":
        shop, signer = self.shop, LocalSigner(GATEWAY_KEY.secret)
        shop.chain.pool.append(RegisteredOrchestrator(shop.address, SERVICE_URI, 10**21, True))
        self.wire = Wire(shop)
        discovery = DiscoveryService(shop.chain, self.wire, signer, shop.clock)
        limits = SenderLimits(max_ev=Fraction(10**12), max_total_ev=Fraction(10**15))
        self.payer = Payer(shop.chain, signer, self.books, shop.clock, discovery, limits)
        self.dispatcher = Dispatcher(
            discovery, self.payer, signer, self.wire, FakeProbe(), shop.clock, self.rules, draw=lambda: 0.0
        )
        self.stream: StreamSession = self.dispatcher.stream(PROFILES, "manifest", self.events.append)
        return self

    def watch(self) -> list[asyncio.Task[None]]:
        """What nodes run beside: both views of the chain read ahead."""
        return [asyncio.create_task(self.payer.watch()), asyncio.create_task(self.shop.view.watch())]

    @property
    def causes(self) -> list[LivepeerError]:
        return [event.cause for event in self.events if isinstance(event, Swapped)]

    async def during(self, what: Callable[[], object]) -> list[str]:
        """Which reads of the chain happen while something is awaited."""
        before = len(self.shop.chain.reads)
        result = what()
        if asyncio.iscoroutine(result):
            await result
        return self.shop.chain.reads[before:]
