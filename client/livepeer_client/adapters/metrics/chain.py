"""A node's chain side: blocks, rounds, reward, quotes, the queue of winners, what redeeming brings and costs, RPC.

Wei are told as they are; Prometheus keeps 53 bits of them, which is what its arithmetic needs. The store has all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from livepeer_client.facts.figures import NodeFigures
from livepeer_client.types import MAX_WIN_PROB

PREFIX: Final = "livepeer_"
_LPT: Final = 10**18
Value = Callable[[NodeFigures], float | Mapping[str, float] | None]


@dataclass(frozen=True, slots=True)
class Told:
    """One metric: `label` names the key of a mapping; a counter's name ends with `_total`."""

    name: str
    text: str
    value: Value
    label: str | None = None

    @property
    def is_counter(self) -> bool:
        return self.name.endswith("_total")


def _quoted_win_prob(figures: NodeFigures) -> float | None:
    return None if figures.quote is None else figures.quote.win_prob / MAX_WIN_PROB


def _blocks_left(figures: NodeFigures) -> float:
    return max(0, figures.round.start_block + figures.round.length_blocks - figures.head.l1_block)


TOLD: Final = (
    Told("chain_last_block", "Height of the last block seen", lambda f: f.head.number),
    Told("chain_last_l1_block", "The L1 block that contracts saw in it", lambda f: f.head.l1_block),
    Told("chain_last_block_age_seconds", "Since that block", lambda f: max(0.0, f.now_s - f.head.timestamp)),
    Told("chain_gas_price_wei", "The node's gas price", lambda f: f.head.gas_price),
    Told("round_current", "The round by the clock of blocks", lambda f: f.round.current),
    Told("round_initialized", "1 once the current round is open", lambda f: f.round.initialized),
    Told("round_blocks_left", "L1 blocks until the next round", _blocks_left),
    Told("orchestrator_active", "1 while in the active set", lambda f: f.me.active),
    Told("orchestrator_stake_lpt", "Stake, delegations included", lambda f: f.me.stake / _LPT),
    Told("orchestrator_pending_fees_wei", "Fees that can be withdrawn", lambda f: f.me.pending_fees),
    Told("reward_last_round", "The last round whose reward was called", lambda f: f.me.last_reward_round),
    Told("reward_called", "1 once this round's reward is called", lambda f: f.me.last_reward_round >= f.round.current),
    Told("quote_win_prob", "Winning probability of the last quote", _quoted_win_prob),
    Told(
        "quote_face_value_wei",
        "Face value of the last quote",
        lambda f: None if f.quote is None else f.quote.face_value,
    ),
    Told(
        "received_expected_value_wei_total",
        "Expected value of the tickets received",
        lambda f: float(f.totals.expected_value_credited),
    ),
    Told("redeemed_value_wei_total", "Paid for winners", lambda f: f.totals.paid),
    Told("redemption_cost_wei_total", "Gas paid for redemptions by this process", lambda f: f.spending.wei),
    Told("redemption_gas_total", "Gas used by redemptions of this process", lambda f: f.spending.gas),
    Told("redemption_transactions_total", "Redemptions of this process mined", lambda f: f.spending.transactions),
    Told("redemption_failed_transactions_total", "Those of them that failed", lambda f: f.spending.failed),
    Told(
        "redemption_queue_tickets",
        "Open winners by state",
        lambda f: {state: count for state, (count, _) in f.queue.items()},
        "state",
    ),
    Told(
        "redemption_queue_value_wei",
        "Face value of open winners by state",
        lambda f: {state: value for state, (_, value) in f.queue.items()},
        "state",
    ),
    Told("redemption_queue_oldest_seconds", "Since the oldest open winner was received", lambda f: f.oldest_s),
    Told("redemption_decisions", "Open winners by the reason of the last decision", lambda f: f.decisions, "reason"),
    Told("redemption_alarms_total", "Alarms raised, by kind", lambda f: f.alarms, "alert"),
    Told("redemption_paused", "1 while the operator has paused redemption", lambda f: f.paused),
)


class ChainMetrics:
    """Collects `figures` for a registry, and counts requests to RPC nodes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.figures: NodeFigures | None = None
        self._requests = Counter(
            f"{PREFIX}rpc_requests", "Requests and batches to RPC nodes", ["node"], registry=registry
        )
        self._errors = Counter(
            f"{PREFIX}rpc_errors", "Those that were not answered, by kind of error", ["node", "kind"], registry=registry
        )
        registry.register(self)

    def observe_rpc(self, node: str, error: str | None) -> None:
        """As `JsonRpc` reports."""
        self._requests.labels(node).inc()
        if error is not None:
            self._errors.labels(node, error).inc()

    def describe(self) -> Iterable[Metric]:
        """Names alone, so that a registry knows them before there are figures."""
        return [_family(told) for told in TOLD]

    def collect(self) -> Iterable[Metric]:
        """For the registry; nothing before the first figures."""
        if self.figures is None:
            return
        for told in TOLD:
            value = told.value(self.figures)
            if value is None:
                continue
            family = _family(told)
            if isinstance(value, Mapping):
                for label, each in sorted(value.items()):
                    family.add_metric([label], float(each))
            else:
                family.add_metric([], float(value))
            yield family


def _family(told: Told) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if told.is_counter else GaugeMetricFamily
    return kind(PREFIX + told.name, told.text, labels=[told.label] if told.label else [])
