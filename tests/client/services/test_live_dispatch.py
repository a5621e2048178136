"""Live video between our gateway and our orchestrators over real sockets; only chain and stores are in memory.

The runner is a process of its own that makes the negative of every frame.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import aiohttp
import pytest

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.fakes import MemoryGatewayBooks
from livepeer_client.adapters.grpc_probe import GrpcProbe
from livepeer_client.adapters.http import HttpTransport
from livepeer_client.adapters.http_server import build_app
from livepeer_client.adapters.keys import LocalSigner
from livepeer_client.adapters.live_client import LiveHttp
from livepeer_client.adapters.live_server import HttpLiveRunner, mount_live
from livepeer_client.adapters.rpc_server import orchestrator_rpc
from livepeer_client.adapters.server import TlsServer
from livepeer_client.adapters.tls import server_context
from livepeer_client.adapters.trickle_server import TrickleHub, add_trickle_routes
from livepeer_client.codec.capability import Capability
from livepeer_client.codec.messages import ModelConstraint, RegisteredOrchestrator
from livepeer_client.errors import InvalidInput, NoOrchestrator
from livepeer_client.policy.price_list import Tariff
from livepeer_client.policy.sender import SenderLimits
from livepeer_client.services.choosing import Choices
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.services.dispatch_events import DispatchRules, Event, Renewed, Swapped
from livepeer_client.services.live_dispatch import LiveDispatcher, LiveStream
from livepeer_client.services.live_sessions import LiveSessions
from livepeer_client.services.paying import Payer
from livepeer_client.services.work import Refused
from scripts._ports import free_port
from tests.client.adapters.test_live_server import picture, runner_process
from tests.support.ai import until
from tests.support.live_runner import brightness
from tests.support.shop import GATEWAY, GATEWAY_KEY, Shop

PRICE = Fraction(1, 100)
LIVE = int(Capability.LIVE_VIDEO_TO_VIDEO)


@dataclass
class Door:
    """Before the sessions: refuses as often as it has reasons to."""

    live: LiveSessions
    refusals: list[Refused]

    async def start(self, payment: str, credentials: str, body: bytes) -> bytes | Refused:
        return self.refusals.pop(0) if self.refusals else await self.live.start(payment, credentials, body)


@dataclass
class Node:
    """One orchestrator that sells `noop`; leaving `opened` ends it."""

    shop: Shop
    live: LiveSessions
    hub: TrickleHub
    uri: str
    door: Door
    opened: AsyncExitStack


async def node(folder: Path, runner_url: str, key: int, http: aiohttp.ClientSession) -> Node:
    port, clock = free_port(), SystemClock()
    uri = f"https://127.0.0.1:{port}"
    signer = LocalSigner(bytes([key]) * 32)
    shop = Shop(price=PRICE, service_uri=uri, clock=clock, signer=signer)  # type: ignore[arg-type]
    offer = shop.advertise.offer
    sold = replace(
        offer.capabilities,
        bits=offer.capabilities.bits | {LIVE},
        capacities={LIVE: 4},
        constraints={LIVE: {"noop": ModelConstraint(warm=True, capacity=4)}},
    )
    shop.advertise._offer = replace(offer, capabilities=sold)
    hub = TrickleHub(clock)
    live = LiveSessions(
        work=shop.work,
        payments=shop.payments,
        channels=hub,
        runner=HttpLiveRunner(http, runner_url),
        clock=clock,
        service_uri=lambda: uri,
        models={"noop": Tariff(PRICE)},
        interval_s=1,
    )
    app = build_app(shop.work)
    add_trickle_routes(app, hub)
    door = Door(live, [])
    mount_live(app, door)
    server = TlsServer(
        host="127.0.0.1",
        port=port,
        context=server_context(folder / f"{port}.pem", "127.0.0.1", time.time()),
        app=app,
        rpc=[orchestrator_rpc(shop.advertise.get_orchestrator, shop.advertise.ping, shop.work.end_session)],
        grace_s=0.2,
    )
    opened = AsyncExitStack()
    await opened.enter_async_context(server)
    opened.push_async_callback(live.close)
    return Node(shop, live, hub, uri, door, opened)


@dataclass
class Market:
    nodes: list[Node]
    live: LiveDispatcher
    books: MemoryGatewayBooks
    choices: Choices

    def serving(self, session: LiveStream) -> Node:
        (found,) = [each for each in self.nodes if each.shop.address == session.orchestrator]
        return found


class Pool:
    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes

    async def orchestrators(self) -> list[RegisteredOrchestrator]:
        return [RegisteredOrchestrator(each.shop.address, each.uri, 10**21, True) for each in self._nodes]


@asynccontextmanager
async def market(folder: Path, nodes: int = 1, ceiling: Fraction | None = None) -> AsyncIterator[Market]:
    async with AsyncExitStack() as opened:
        runner = await opened.enter_async_context(runner_process())
        to_runner = await opened.enter_async_context(aiohttp.ClientSession())
        found: list[Node] = []
        for key in range(nodes):
            found.append(await node(folder, runner, 0x51 + key, to_runner))
            opened.push_async_callback(found[-1].opened.aclose)
        chain, clock, signer = found[0].shop.chain, SystemClock(), LocalSigner(GATEWAY_KEY.secret)
        probe = await opened.enter_async_context(GrpcProbe())
        http = await opened.enter_async_context(HttpTransport())
        discovery = DiscoveryService(Pool(found), probe, signer, clock)
        books = MemoryGatewayBooks()
        limits = SenderLimits(max_ev=Fraction(10**12), max_total_ev=Fraction(10**13), deposit_multiplier=1)
        payer = Payer(chain, signer, books, clock, discovery, limits)
        choices = Choices(discovery, clock, DispatchRules(ceiling=ceiling), draw=lambda: 0.0)
        channels = LiveHttp(http)
        live = LiveDispatcher(choices, payer, signer, channels, http, interval_s=1)
        opened.push_async_callback(choices.close)
        opened.push_async_callback(channels.close)
        yield Market(found, live, books, choices)


async def next_piece(session: LiveStream) -> tuple[bytes, bytes]:
    """Who made the next output, and its data; a segment is sent over and over until one comes."""

    async def send() -> None:
        while True:
            await session.publish(picture())
            await asyncio.sleep(0.5)

    sending = asyncio.create_task(send())
    try:
        async with asyncio.timeout(30):
            async for piece in session.results():
                return piece.orchestrator, piece.data
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    raise AssertionError("the session ended")


async def test_live__a_session__comes_back_changed_and_both_books_are_equal_to_the_wei(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with market(tmp_path) as it:
        (seller,) = it.nodes
        async with it.live.session("noop", {"prompt": "x"}) as session:
            assert session.orchestrator == seller.shop.address
            _, data = await next_piece(session)
            assert brightness(data) == pytest.approx([255 - each for each in brightness(picture())], abs=4)
            session.control({"prompt": "y"})
            first = await anext(session.events())
            assert first == {"queue_event_type": "started", "event": {"params": {"prompt": "x"}}}
            # The first payment and two for the time that passed.
            await until(lambda: len(seller.shop.store.payments) >= 3)
            session.end_input()
            async with asyncio.timeout(20):
                async for _ in session.results():
                    pass
            with pytest.raises(InvalidInput):
                await session.publish(picture())
        await until(lambda: len(seller.live) == 0)
        (total,) = (await it.books.totals()).values()
        payments, debits = seller.shop.store.payments, seller.shop.store.debits
        (session_id,) = {payment.session_id for payment in payments}
        credited = sum(payment.credited for payment in payments)
        assert total.expected_value_sent == credited > 0
        assert total.expected_value_unanswered == 0
        charged = sum(debit.fee for debit in debits)
        assert seller.shop.payments.balance(GATEWAY, session_id) == credited - charged > 0
        assert len(seller.hub) == 0
    await until(lambda: asyncio.all_tasks() <= before)


async def test_live__its_orchestrator_is_killed__goes_on_with_another(tmp_path: Path) -> None:
    events: list[Event] = []
    async with market(tmp_path, nodes=2) as it:
        async with it.live.session("noop", observer=events.append) as session:
            first = it.serving(session)
            address, _ = await next_piece(session)
            assert address == first.shop.address
            await first.opened.aclose()
            (second,) = [each for each in it.nodes if each is not first]
            async with asyncio.timeout(40):
                while (await next_piece(session))[0] != second.shop.address:
                    pass
            assert [event.orchestrator for event in events if isinstance(event, Swapped)] == [first.shop.address]
            assert it.choices.is_suspended(first.shop.address)
        await until(lambda: len(second.live) == 0)
        for each in (first, second):
            credited = sum(payment.credited for payment in each.shop.store.payments)
            assert (await it.books.totals())[each.shop.address].expected_value_sent >= credited > 0


@pytest.mark.parametrize("payments", [0, 2], ids=["while it starts", "while it runs"])
async def test_live__cancelled__closes_the_session_at_the_orchestrator_and_leaves_no_task(
    tmp_path: Path, payments: int
) -> None:
    async with market(tmp_path) as it:
        before = asyncio.all_tasks()

        async def use() -> None:
            async with it.live.session("noop") as session:
                async for _ in session.results():
                    pass

        using = asyncio.create_task(use())
        await until(lambda: len(it.nodes[0].live) == 1 and len(it.nodes[0].shop.store.payments) >= payments)
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using
        await until(lambda: len(it.nodes[0].live) == 0)
        left = {task for task in asyncio.all_tasks() - before if "livepeer_client/services/live_" in repr(task)}
        assert not left


async def test_live__dearer_than_the_ceiling__starts_nothing_and_pays_nothing(tmp_path: Path) -> None:
    async with market(tmp_path, ceiling=PRICE / 2) as it:
        with pytest.raises(NoOrchestrator, match="ceiling"):
            async with it.live.session("noop"):
                raise AssertionError("it began")
        assert not it.nodes[0].shop.store.payments
        assert not await it.books.totals()


@pytest.mark.parametrize(
    "refusal",
    [
        Refused(402, "Insufficient balance"),
        Refused(409, "session already exists"),
        Refused(400, "TicketParams expired"),
    ],
    ids=["402", "409", "old quote"],
)
async def test_live__a_start_refused_for_its_terms__is_repeated_once_with_a_new_token_and_new_tickets(
    tmp_path: Path, refusal: Refused
) -> None:
    events: list[Event] = []
    async with market(tmp_path) as it:
        (seller,) = it.nodes
        seller.door.refusals = [refusal]
        async with it.live.session("noop", observer=events.append) as session:
            assert session.orchestrator == seller.shop.address
        assert [type(event) for event in events if isinstance(event, Renewed | Swapped)] == [Renewed]
        # The payment that was refused stays in the books as unanswered; the second one was credited.
        total = (await it.books.totals())[seller.shop.address]
        credited = sum(payment.credited for payment in seller.shop.store.payments)
        assert total.expected_value_sent - total.expected_value_unanswered == credited > 0
        assert total.expected_value_unanswered > 0


async def test_live__a_start_refused_twice__goes_to_nobody_with_the_reason(tmp_path: Path) -> None:
    async with market(tmp_path) as it:
        it.nodes[0].door.refusals = [Refused(402, "Insufficient balance"), Refused(402, "Insufficient balance")]
        with pytest.raises(NoOrchestrator, match="Insufficient balance"):
            async with it.live.session("noop"):
                raise AssertionError("it began")
        assert not it.nodes[0].shop.store.payments
