"""What a board is told at each look, over stores and chains that move while it looks."""

import contextlib
from collections.abc import AsyncIterator
from fractions import Fraction

from aiohttp import web

from livepeer_client.adapters.admin import build_admin
from livepeer_client.adapters.fakes import FakeChain, FakeTransactor, ManualClock, MemoryTicketStore
from livepeer_client.adapters.gateway_admin import GatewayAdmin
from livepeer_client.adapters.web import AiohttpWebClient
from livepeer_client.codec.gateway_api import KnownOrchestrator, Out, orchestrators_json
from livepeer_client.facts import StoredTicket, TicketState
from livepeer_client.nodes.admin import served
from livepeer_client.policy.board import Market, Peer, changes
from livepeer_client.policy.redemption import RedemptionPolicy
from livepeer_client.services.block_time import BlockTime
from livepeer_client.services.board import BoardService, GatewayMarket, PoolMarket
from livepeer_client.services.gas import GasPriceMonitor
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.services.redemption.desk import ServiceDesk
from scripts._ports import free_port
from tests.support.redemption import ACTIVE, RECIPIENT, SENDER, Broker, make_info, make_winner, payment_of


class World:
    """A node that redeems, and a board beside it."""

    def __init__(self) -> None:
        self.chain = FakeChain()
        self.chain.mine(5)
        self.chain.senders[SENDER] = make_info(10**18)
        self.chain.states[RECIPIENT] = ACTIVE
        self.store = Store()
        clock, policy = ManualClock(), RedemptionPolicy(params_margin_blocks=2)
        transactor = FakeTransactor(RECIPIENT, self.chain, Broker(self.chain))
        self.node = RedemptionService(self.chain, transactor, self.store, clock, policy)
        gas = GasPriceMonitor(self.chain, clock)
        planner = RedemptionService(self.chain, transactor, self.store, clock, policy, gas=gas)
        self.board = BoardService(
            self.chain,
            self.store,
            planner,
            gas,
            ServiceDesk(self.node),
            PoolMarket(self.chain),
            clock,
            BlockTime(self.chain, clock),
            recipient=RECIPIENT,
            policy=policy,
        )


class Store(MemoryTicketStore):
    """One whose node settles a batch just after somebody has read the open tickets."""

    node: RedemptionService | None = None

    async def tickets(self, *states: TicketState) -> list[StoredTicket]:
        found = await super().tickets(*states)
        node, self.node = self.node, None
        if node is not None:
            await node.step()
        return found


async def test_look__after_a_ticket_was_redeemed__has_it_once_more_with_its_end() -> None:
    world = World()
    await world.store.record_payment(payment_of(make_winner(1)))
    before = await world.board.look()
    await world.node.step()
    after = await world.board.look()
    assert (len(before.told), len(after.told)) == (1, 0)
    assert [ticket.state for ticket in after.tickets.values()] == [TicketState.PAID]
    assert (await world.board.look()).tickets == {}


async def test_look__while_a_ticket_is_being_redeemed__still_tells_its_end() -> None:
    world = World()
    await world.store.record_payment(payment_of(make_winner(1)))
    first = await world.board.look()
    world.store.node = world.node
    during, after = await world.board.look(), await world.board.look()
    assert [ticket.state for ticket in during.tickets.values()] == [TicketState.PAID]
    assert (len(during.told), len(after.told)) == (1, 0)
    texts = [event.text for look in ((first, during), (during, after)) for event in changes(*look)]
    assert [text for text in texts if "paid, 0.01 ETH" in text]


async def test_look__without_tickets__has_round_gas_and_totals() -> None:
    world = World()
    facts = await world.board.look()
    assert facts.told == ()
    assert facts.head == await world.chain.head()
    assert facts.prices.prices
    assert facts.node == world.node.owner
    assert not facts.paused


# --- what a running gateway knows -----------------------------------------------------------------


class Found:
    """`MarketView` of one orchestrator."""

    async def look(self) -> Market:
        return Market((PEER,), "asked 1")


PEER = Peer(RECIPIENT, "https://ana.example:8935", 5, verdict="usable")
HELD_OUT = KnownOrchestrator(
    RECIPIENT,
    PEER.uri,
    Fraction(1, 3),
    0.2,
    None,
    trust=0.0,
    trusted=False,
    suspended=Out(1_700_000_000.0, 60.0, "no answer", barred=False),
    uses=(),
)


async def test_market__with_a_running_gateway__has_its_suspensions() -> None:
    async def known() -> object:
        return orchestrators_json([HELD_OUT])

    async with running(build_admin({"orchestrators": known}, {})) as port, AiohttpWebClient() as http:
        market = await GatewayMarket(Found(), GatewayAdmin(http, "127.0.0.1", port)).look()

    (peer,) = market.peers
    assert (peer.verdict, peer.reason, peer.suspended) == ("suspended", "until 22:13:20 UTC: no answer", True)
    assert (peer.price, peer.stake) == (Fraction(1, 3), 5)


async def test_market__whose_gateway_does_not_run__is_as_found_and_says_so() -> None:
    async with AiohttpWebClient() as http:
        market = await GatewayMarket(Found(), GatewayAdmin(http, "127.0.0.1", free_port())).look()

    assert market.peers == (PEER,)
    assert market.source.startswith("asked 1; its gateway does not answer: ")


async def test_market__whose_gateway_has_no_administration__is_as_found_and_says_so() -> None:
    market = await GatewayMarket(Found(), None).look()

    assert market.peers == (PEER,)
    assert market.source == "asked 1; the gateway has no [admin] to ask for suspensions"


@contextlib.asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[int]:
    """The port of 127.0.0.1 where it answers."""
    port = free_port()
    async with served(app, "127.0.0.1", port):
        yield port
