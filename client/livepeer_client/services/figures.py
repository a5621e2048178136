"""One look at what a node that earns tells of itself."""

from collections import Counter
from collections.abc import Callable

from livepeer_client.codec.ticket import TicketParams
from livepeer_client.facts import TicketState
from livepeer_client.facts.figures import NodeFigures, Spending
from livepeer_client.policy.redemption import view
from livepeer_client.ports import Chain, Clock, TicketStore
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.services.tasks import both
from livepeer_client.types import Address


class FigureService:
    """Reads chain and store; plans nothing.

    :param redemption: the service whose latest decisions are told; None where another process redeems.
    :param quote: the terms quoted last, if this node quotes.
    """

    def __init__(
        self,
        chain: Chain,
        store: TicketStore,
        clock: Clock,
        recipient: Address,
        *,
        redemption: RedemptionService | None = None,
        quote: Callable[[], TicketParams | None] = lambda: None,
    ) -> None:
        self._chain = chain
        self._store = store
        self._clock = clock
        self._recipient = recipient
        self._redemption = redemption
        self._quote = quote

    async def look(self) -> NodeFigures:
        """:raises ChainError, StoreError:"""
        head = await self._chain.head()
        state, me = await both(self._chain.round_state(), self._chain.orchestrator_state(self._recipient))
        tickets = await self._store.tickets(TicketState.HELD, TicketState.SENT)
        redemption = self._redemption
        decisions = {} if redemption is None else {each.hash: each for each in redemption.decisions}
        queue: dict[str, tuple[int, int]] = {}
        for ticket in tickets:
            words = view(ticket.state, decisions.get(ticket.hash)).value
            count, value = queue.get(words, (0, 0))
            queue[words] = (count + 1, value + ticket.winner.ticket.face_value)
        now = self._clock.time()
        return NodeFigures(
            now_s=now,
            head=head,
            round=state,
            me=me,
            totals=await self._store.totals(),
            queue=queue,
            oldest_s=max((now - ticket.received_at for ticket in tickets), default=0.0),
            decisions=Counter(each.reason.name.lower() for each in decisions.values()),
            alarms={} if redemption is None else redemption.alarms,
            spending=Spending() if redemption is None else redemption.spending,
            paused=redemption is not None and redemption.paused,
            quote=self._quote(),
        )
