"""A fixed scenario for the board: what one afternoon of an orchestrator looks like, on paper."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, Capability
from livepeer_client.codec.gateway_api import KnownOrchestrator, Out, Role, Use
from livepeer_client.codec.keccak import keccak256
from livepeer_client.facts import OrchestratorState, OrchestratorTotals, StoredTicket, TicketState
from livepeer_client.policy.board import BoardFacts, Market, Peer
from livepeer_client.policy.board.market import with_knowledge
from livepeer_client.policy.gas import GasPrices
from livepeer_client.policy.redemption import RedemptionFacts, RedemptionPolicy, explain, plan
from livepeer_client.policy.redemption.situation import SimulationFailure
from livepeer_client.ports.desk import DeskState, RedeemedNow
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei
from tests.support.redemption import OTHER_SENDER, RECIPIENT, ROUND, SENDER, START, make_facts, make_info, make_stored

GWEI = 10**9
ETH = 10**18
NOW_S = 1_764_000_000.0
POLICY = RedemptionPolicy(batch_min=2, safety_blocks=10, max_gas_price=Wei(60 * GWEI))
DAY = GasPrices(tuple(Wei(price * GWEI // 10) for price in sorted([*range(20, 110), *range(100, 300, 20)])), 86_000.0)
ME = OrchestratorState(
    active=True, registered=True, last_reward_round=ROUND, stake=184_207 * ETH, pending_fees=Wei(412 * ETH // 1000)
)
TOTALS = OrchestratorTotals(
    payments=48_211,
    tickets_received=391_204,
    expected_value_credited=Fraction(3_911 * ETH, 1000),
    segments=46_990,
    pixels=10**12,
    fees_debited=Fraction(3_811 * ETH, 1000),
    winners=391,
    winners_face_value=Wei(391 * ETH // 100),
    paid=Wei(374 * ETH // 100),
)
_ALL = frozenset(map(int, DEFAULT_CAPABILITIES))
PEERS = (
    Peer(
        Address(b"\x41" * 20), "https://ana.example:8935", 184_207 * ETH, Fraction(6, 5), 0.131, _ALL, verdict="usable"
    ),
    Peer(
        Address(b"\x42" * 20),
        "https://ben.example:8935",
        90_120 * ETH,
        Fraction(1),
        0.342,
        _ALL | {int(Capability.HEVC_DECODE)},
        verdict="usable",
    ),
    Peer(
        Address(b"\x43" * 20),
        "https://cleo.example:8935",
        77_000 * ETH,
        Fraction(9, 10),
        0.150,
        _ALL,
        verdict="usable",
    ),
    Peer(
        Address(b"\x44" * 20),
        "https://dora.example:8935",
        12_400 * ETH,
        Fraction(6),
        0.155,
        _ALL - {int(Capability.MPEGTS)},
        verdict="rejected",
        reason="price above the ceiling (price 6 wei/px, ceiling 2 wei/px)",
        usable=False,
    ),
    Peer(
        Address(b"\x45" * 20),
        "https://emil.example:8935",
        9_000 * ETH,
        verdict="rejected",
        reason="no answer",
        usable=False,
    ),
)
KNOWN = (
    KnownOrchestrator(
        *(PEERS[0].address, PEERS[0].uri, PEERS[0].price, PEERS[0].latency_s, 0.41),
        trust=1.0,
        trusted=True,
        suspended=None,
        uses=(Use("transcoding", "match-day", Role.WORKING),),
    ),
    KnownOrchestrator(
        *(PEERS[2].address, PEERS[2].uri, PEERS[2].price, PEERS[2].latency_s, None),
        trust=0.2,
        trusted=False,
        suspended=Out(NOW_S + 240, 240.0, "no answer within 20 s", barred=False),
        uses=(),
    ),
)
"""What the gateway that runs keeps to itself."""


def stored(nonce: int, face_value: int, age_s: float, **changes: object) -> StoredTicket:
    state = {name: changes.pop(name) for name in ("state", "hold", "tx_hash") if name in changes}
    ticket = make_stored(nonce, face_value=face_value, **changes)
    return replace(ticket, received_at=NOW_S - age_s, **state)


def story() -> tuple[BoardFacts, BoardFacts]:
    """Two looks a minute apart. At the second, nine winners are open, each of which waits for something else."""
    paid_now = stored(10, ETH // 100, 9_000)
    tickets = [
        stored(1, ETH // 100, 5_400, creation_round=ROUND - 1),
        stored(2, ETH // 50, 2_700),
        stored(3, ETH // 100, 2_400),
        stored(4, 3 * ETH, 1_800, sender=OTHER_SENDER),
        stored(5, ETH // 100, 900, hold="asking the sender"),
        stored(6, ETH // 100, 120, params_expiration_block=START + 60),
        stored(7, ETH // 25_000, 700),
        stored(8, ETH // 100, 600),
        stored(9, ETH // 40, 7_300, state=TicketState.SENT, tx_hash=Hash32(keccak256(b"batch"))),
    ]
    failure = SimulationFailure("node is out of date", False, 2, BlockNumber(START + 50), known=False)
    values = {
        "gas_price": 12 * GWEI,
        "senders": {SENDER: make_info(ETH), OTHER_SENDER: make_info(ETH)},
        "prices": DAY,
        "gas": {ticket.hash: 146_000 + 100 * at for at, ticket in enumerate([*tickets, paid_now])},
        "failures": {tickets[7].hash: failure},
    }
    late = replace(ME, last_reward_round=Round(ROUND - 1))
    sent = [
        replace(paid_now, state=TicketState.SENT),
        *tickets[:5],
        *tickets[6:8],
        replace(tickets[8], state=TicketState.HELD),
    ]
    first = look(sent, make_facts(block=START + 39, **values), me=late, now_s=NOW_S - 60)
    second = look(tickets, make_facts(block=START + 44, **values))
    paid = replace(paid_now, state=TicketState.PAID, paid=Wei(ETH // 100), reason="redeemed")
    return first, replace(second, tickets={**second.tickets, paid.hash: paid})


def scenario() -> BoardFacts:
    """The second look of the story."""
    return story()[1]


def look(
    tickets: Sequence[StoredTicket],
    facts: RedemptionFacts,
    policy: RedemptionPolicy = POLICY,
    *,
    me: OrchestratorState = ME,
    paused: bool = False,
    node: str | None = "https://ana.example:8935",
    now_s: float = NOW_S,
) -> BoardFacts:
    """What a board shows of these tickets at these facts, as the node's own planner decides about them."""
    held = [ticket for ticket in tickets if ticket.state is TicketState.HELD]
    planned = plan(held, facts, policy)
    planned = planned.stopped() if paused else planned
    decisions = {decision.hash: decision for decision in planned.decisions}
    order = {hash_: at for at, hash_ in enumerate(decisions)}
    ordered = sorted(tickets, key=lambda ticket: order.get(ticket.hash, -1))
    return BoardFacts(
        now_s=now_s,
        head=replace(facts.head, timestamp=int(now_s) - 3),
        round=facts.round,
        recipient=RECIPIENT,
        me=me,
        told=tuple(explain(ticket, decisions.get(ticket.hash), facts, policy) for ticket in ordered),
        tickets={ticket.hash: ticket for ticket in tickets},
        prices=facts.prices,
        policy=policy,
        totals=TOTALS,
        node=node,
        paused=paused,
        market=with_knowledge(Market(PEERS, "asked 5, everybody answered"), KNOWN),
        block_s=Fraction(121, 10),
    )


class FixedSource:
    """`BoardSource` of looks made beforehand; the last one is shown for ever."""

    def __init__(self, *looks: BoardFacts) -> None:
        self._looks = list(looks)

    def show(self, facts: BoardFacts) -> None:
        self._looks = [facts]

    async def look(self) -> BoardFacts:
        return self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]

    async def look_at_market(self) -> Market:
        return self._looks[0].market


class SilentDesk:
    """`RedemptionDesk` that takes down what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Hash32, ...]]] = []
        self.paused = False

    async def state(self) -> DeskState:
        return DeskState("the node", self.paused)

    async def hold(self, hashes: Sequence[Hash32], note: str) -> None:
        self.asked.append(("hold", tuple(hashes)))

    async def release(self, hashes: Sequence[Hash32]) -> None:
        self.asked.append(("release", tuple(hashes)))

    async def redeem(self, hashes: Sequence[Hash32]) -> RedeemedNow:
        self.asked.append(("step", tuple(hashes)))
        return RedeemedNow((), ())

    async def redeem_now(self, hashes: Sequence[Hash32]) -> RedeemedNow:
        self.asked.append(("redeem", tuple(hashes)))
        return RedeemedNow((Hash32(keccak256(b"sent")),), ())

    async def pause(self) -> None:
        self.paused = True

    async def resume(self) -> None:
        self.paused = False
