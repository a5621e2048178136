"""What a node that earns tells of itself at one moment, for whoever watches it."""

from collections.abc import Mapping
from dataclasses import dataclass

from livepeer_client.codec.ticket import TicketParams
from livepeer_client.facts import OrchestratorTotals
from livepeer_client.facts.chain import Head, OrchestratorState, RoundState


@dataclass(frozen=True, slots=True)
class Spending:
    """What redemptions of this process cost: transactions mined, those of them that failed, gas units, and wei."""

    transactions: int = 0
    failed: int = 0
    gas: int = 0
    wei: int = 0


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """`queue`: (tickets, face values in wei) of open winners by what the latest plan says of them; `oldest_s`: since
    the oldest of them was received. `decisions` counts them by the planner's reason. `totals` are those of the whole
    store. `alarms` counts by kind since the process started. `quote` is the one given last.
    """

    now_s: float
    head: Head
    round: RoundState
    me: OrchestratorState
    totals: OrchestratorTotals
    queue: Mapping[str, tuple[int, int]]
    oldest_s: float
    decisions: Mapping[str, int]
    alarms: Mapping[str, int]
    spending: Spending
    paused: bool
    quote: TicketParams | None
