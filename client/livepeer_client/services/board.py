"""One look at a node's winners, round and gas, for its board. Reads only; what acts is a `RedemptionDesk`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from livepeer_client.codec.gateway_api import KnownOrchestrator
from livepeer_client.codec.messages import Capabilities
from livepeer_client.errors import MalformedMessage, TransportError
from livepeer_client.facts import TicketState
from livepeer_client.policy.board import BoardFacts, Market, Peer
from livepeer_client.policy.board.market import with_knowledge
from livepeer_client.policy.discovery import Offer, RejectReason
from livepeer_client.policy.redemption import RedemptionPolicy
from livepeer_client.policy.selection import Candidate, Criteria, Verdict, select
from livepeer_client.ports import Chain, Clock, TicketStore
from livepeer_client.ports.board import MarketView
from livepeer_client.ports.desk import RedemptionDesk
from livepeer_client.services.block_time import BlockTime
from livepeer_client.services.discovery import DiscoveryService
from livepeer_client.services.gas import GasPriceMonitor
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.services.tasks import together
from livepeer_client.types import Address, Hash32


class BoardService:
    """`BoardSource` over a store that may be read beside the node that writes it.

    :param redemption: plans only; it need not be the one that redeems.
    :param gas: the monitor that `redemption` plans with.
    """

    def __init__(
        self,
        chain: Chain,
        store: TicketStore,
        redemption: RedemptionService,
        gas: GasPriceMonitor,
        desk: RedemptionDesk,
        market: MarketView,
        clock: Clock,
        block_time: BlockTime,
        *,
        recipient: Address,
        policy: RedemptionPolicy,
    ) -> None:
        self._chain = chain
        self._store = store
        self._redemption = redemption
        self._gas = gas
        self._desk = desk
        self._market = market
        self._clock = clock
        self._block_time = block_time
        self._recipient = recipient
        self._policy = policy
        self._found = Market((), "nobody was asked yet")
        self._shown: set[Hash32] = set()

    async def look(self) -> BoardFacts:
        head = await self._chain.head()
        await self._gas.see(head)
        told = await self._redemption.survey()
        state = await self._desk.state()
        tickets = {each.hash: each for each in await self._store.tickets(TicketState.HELD, TicketState.SENT)}
        # A ticket may be settled between the two reads: then it is told as open now, and as gone at the next look.
        shown = {each.hash for each in told}
        gone = await together(*(self._store.ticket(hash_) for hash_ in (self._shown | shown) - tickets.keys()))
        self._shown = shown
        tickets |= {each.hash: each for each in gone if each is not None}
        return BoardFacts(
            now_s=self._clock.time(),
            head=head,
            round=await self._chain.round_state(),
            recipient=self._recipient,
            me=await self._chain.orchestrator_state(self._recipient),
            told=tuple(told),
            tickets=tickets,
            prices=self._gas.look(),
            policy=self._policy,
            totals=await self._store.totals(),
            node=state.owner,
            paused=state.paused,
            market=self._found,
            block_s=await self._block_time.at(head),
        )

    async def look_at_market(self) -> Market:
        self._found = await self._market.look()
        return self._found


class GatewayKnowledge(Protocol):
    """What a running gateway knows of orchestrators; `adapters.gateway_admin.GatewayAdmin`."""

    async def orchestrators(self) -> Sequence[KnownOrchestrator]:
        """:raises TransportError, MalformedMessage: it does not run, or something else does there."""


class GatewayMarket:
    """`MarketView` with what a running gateway keeps to itself: whom it has suspended, until when and why, and whom it
    uses. What is found besides is `found`'s.

    :param gateway: None for one without an administration to ask.
    """

    def __init__(self, found: MarketView, gateway: GatewayKnowledge | None) -> None:
        self._found = found
        self._gateway = gateway

    async def look(self) -> Market:
        market = await self._found.look()
        if self._gateway is None:
            return replace(market, source=f"{market.source}; the gateway has no [admin] to ask for suspensions")
        try:
            known = await self._gateway.orchestrators()
        except (TransportError, MalformedMessage) as error:
            return replace(market, source=f"{market.source}; its gateway does not answer: {error}")
        return with_knowledge(market, known)


class PoolMarket:
    """`MarketView` of the pool on chain: stakes and addresses, no prices."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def look(self) -> Market:
        pool = await self._chain.orchestrators()
        peers = (Peer(each.address, each.service_uri or "no service URI", each.stake) for each in pool)
        return Market(tuple(peers), "the pool on chain, nobody was asked")


class DiscoveryMarket:
    """`MarketView` of a gateway: whom its discovery finds and how it would judge them."""

    def __init__(self, discovery: DiscoveryService, job: Capabilities, criteria: Criteria) -> None:
        self._discovery = discovery
        self._job = job
        self._criteria = criteria

    async def look(self) -> Market:
        report = await self._discovery.refresh(self._job)
        # Nobody is chosen here; the same judgement, with the same words, as when somebody is.
        selection = select(report.offers, report.rejections, self._criteria, 0.0)
        offers = {offer.member.address: offer for offer in report.offers}
        peers = tuple(_peer(each, offers.get(each.address)) for each in selection.candidates)
        return Market(peers, f"asked {len(peers)}, {report.stop.value}")


def _peer(candidate: Candidate, offer: Offer | None) -> Peer:
    stated = None if offer is None else offer.info.capabilities
    usable = candidate.verdict is not Verdict.REJECTED
    return Peer(
        address=candidate.address,
        uri=candidate.uri,
        stake=candidate.stake,
        price=candidate.price,
        latency_s=candidate.latency_s,
        capabilities=None if stated is None else stated.bits,
        verdict="usable" if usable else candidate.verdict.value,
        reason="" if usable else candidate.reason,
        usable=usable,
        suspended=candidate.reason.startswith(RejectReason.SUSPENDED.value),
    )
