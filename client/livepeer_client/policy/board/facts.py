"""What a board is drawn from: one look at chain and store, and the last look at the market."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from livepeer_client.facts import Head, OrchestratorState, OrchestratorTotals, RoundState, StoredTicket
from livepeer_client.policy.gas import GasPrices
from livepeer_client.policy.redemption import Explanation, RedemptionPolicy
from livepeer_client.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class Peer:
    """One orchestrator as a gateway sees it.

    `price`, wei per pixel, `latency_s` and `capabilities`, ids, are None where nobody asked or nothing came. `stake` in
    LPT wei, None for one that is not in the pool that was looked at. `verdict` and `reason` in the words of whoever
    judged it: the discovery that found it, or the gateway that runs, about suspensions and what it uses.
    """

    address: Address
    uri: str
    stake: int | None
    price: Fraction | None = None
    latency_s: float | None = None
    capabilities: frozenset[int] | None = None
    verdict: str = ""
    reason: str = ""
    usable: bool = True
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Market:
    """The orchestrators of one look at the network; `source` says how they were found."""

    peers: tuple[Peer, ...]
    source: str


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """One look. Times in Unix seconds.

    `block_s`: how long blocks have taken lately, as contracts count them; None where the chain is too young to tell.
    `told` are the open winners in the order of redemption; `tickets` the same ones as stored, and those that were open
    at the look before and are no more. `node`: the name of the node that runs beside the board, None if none does.
    """

    now_s: float
    head: Head
    round: RoundState
    recipient: Address
    me: OrchestratorState
    told: tuple[Explanation, ...]
    tickets: Mapping[Hash32, StoredTicket]
    prices: GasPrices
    policy: RedemptionPolicy
    totals: OrchestratorTotals
    node: str | None
    paused: bool
    market: Market = field(default_factory=lambda: Market((), ""))
    block_s: Fraction | None = None
