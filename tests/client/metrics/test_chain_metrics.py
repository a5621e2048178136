"""A node's chain side in Prometheus' words, and the Grafana board that reads them."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from livepeer_client.adapters.fakes import FakeChain, FakeTransactor, ManualClock, MemoryTicketStore
from livepeer_client.adapters.metrics import MetricsServer
from livepeer_client.adapters.metrics.chain import PREFIX, TOLD, ChainMetrics
from livepeer_client.policy.redemption import RedemptionPolicy
from livepeer_client.services.figures import FigureService
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.types import BlockNumber, Round
from tests.support.redemption import ACTIVE, FACE_VALUE, RECIPIENT, SENDER, Broker, make_info, make_winner, payment_of

ROOT = Path(__file__).resolve().parents[3]
BOARD = json.loads((ROOT / "docs" / "grafana" / "redemption.json").read_text())


class Node:
    """A redemption service over fakes, and the figures that are told of it."""

    def __init__(self) -> None:
        self.chain = FakeChain()
        self.chain.mine(5)
        self.chain.senders[SENDER] = make_info(10**18)
        self.chain.states[RECIPIENT] = ACTIVE
        self.store = MemoryTicketStore()
        self.clock = ManualClock()
        self.transactor = FakeTransactor(RECIPIENT, self.chain, Broker(self.chain))
        self.redemption = RedemptionService(
            self.chain, self.transactor, self.store, self.clock, RedemptionPolicy(params_margin_blocks=2)
        )
        self.figures = FigureService(self.chain, self.store, self.clock, RECIPIENT, redemption=self.redemption)
        self.registry = CollectorRegistry()
        self.metrics = ChainMetrics(self.registry)

    async def scrape(self) -> dict[tuple[str, ...], float]:
        """Values by name and labels."""
        self.metrics.figures = await self.figures.look()
        return {
            (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(generate_latest(self.registry).decode())
            for sample in family.samples
        }


async def test_metrics__of_winners_redeemed__tell_value_cost_and_queue() -> None:
    node = Node()
    winners = [make_winner(1), make_winner(2), make_winner(3, params_expiration_block=10**6)]
    await node.store.record_payment(payment_of(*winners))
    before = await node.scrape()
    assert before["redemption_queue_tickets", "held"] == 3
    assert before["redemption_queue_value_wei", "held"] == 3 * FACE_VALUE
    assert before["redeemed_value_wei_total",] == before["redemption_cost_wei_total",] == 0
    assert before["received_expected_value_wei_total",] == 1

    await node.redemption.step()
    after = await node.scrape()
    assert after["redeemed_value_wei_total",] == 2 * FACE_VALUE
    assert after["redemption_transactions_total",] == 1
    assert after["redemption_failed_transactions_total",] == 0
    (receipt,) = node.transactor._receipts.values()
    assert after["redemption_cost_wei_total",] == receipt.gas_used * receipt.effective_gas_price > 0
    assert after["redemption_gas_total",] == receipt.gas_used
    assert after["redemption_queue_tickets", "held"] == 1
    assert after["redemption_decisions", "params_valid"] == 1


async def test_metrics__of_a_batch_that_a_reorg_has_mined_twice__count_its_cost_once() -> None:
    node = Node()
    await node.store.record_payment(payment_of(make_winner(1)))
    await node.redemption.step()
    before = node.redemption.spending
    assert before.transactions == 1
    (receipt,) = node.transactor._receipts.values()
    node.redemption._memory.spend(replace(receipt, block=BlockNumber(receipt.block + 1)))
    assert node.redemption.spending == before


async def test_metrics__of_rounds_and_reward__say_whether_it_is_called() -> None:
    node = Node()
    state = await node.chain.round_state()
    node.chain.states[RECIPIENT] = replace(ACTIVE, last_reward_round=Round(state.current - 1))
    assert (await node.scrape())["reward_called",] == 0
    node.chain.states[RECIPIENT] = replace(ACTIVE, last_reward_round=state.current)
    found = await node.scrape()
    assert found["reward_called",] == 1
    assert found["round_current",] == state.current
    assert found["round_blocks_left",] == state.start_block + state.length_blocks - (await node.chain.head()).l1_block


async def test_metrics__of_the_head__tell_its_height_and_age() -> None:
    node = Node()
    head = await node.chain.head()
    found = await node.scrape()
    assert found["chain_last_block",] == head.number
    assert found["chain_last_l1_block",] == head.l1_block
    assert found["chain_last_block_age_seconds",] == max(0.0, node.clock.time() - head.timestamp)


async def test_metrics__paused_and_alarmed__say_so() -> None:
    node = Node()
    assert (await node.scrape())["redemption_paused",] == 0
    await node.redemption.pause()
    await node.store.record_payment(payment_of(make_winner(1)))
    node.chain.mine_to_next_round()
    await node.redemption.step()
    found = await node.scrape()
    assert found["redemption_paused",] == 1
    assert found["redemption_alarms_total", "window"] >= 1


async def test_metrics__of_the_last_quote__are_absent_before_the_first() -> None:
    node = Node()
    assert ("quote_win_prob",) not in await node.scrape()


def test_metrics__of_rpc_requests__count_errors_by_node_and_kind() -> None:
    registry = CollectorRegistry()
    metrics = ChainMetrics(registry)
    metrics.observe_rpc("node:8545", None)
    metrics.observe_rpc("node:8545", "NodeTimeout")
    assert registry.get_sample_value("livepeer_rpc_requests_total", {"node": "node:8545"}) == 2
    assert registry.get_sample_value("livepeer_rpc_errors_total", {"node": "node:8545", "kind": "NodeTimeout"}) == 1


# --- the board and the page -----------------------------------------------------------------------


def known_names() -> set[str]:
    """Every name that a node with all of these metrics tells."""
    registry = CollectorRegistry()
    metrics = ChainMetrics(registry)
    metrics.observe_rpc("node", "NodeTimeout")
    MetricsServer(registry, host="127.0.0.1", port=0)
    told = {PREFIX + each.name for each in TOLD}
    text = generate_latest(registry).decode()
    return told | {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def queries(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for key, value in found.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            yield from queries(value)
    elif isinstance(found, list):
        for each in found:
            yield from queries(each)


def test_board__each_of_its_queries__names_metrics_that_exist() -> None:
    used = {name for query in queries(BOARD) for name in re.findall(r"\blivepeer_\w+", query)}
    assert len(used) > 20
    assert used - known_names() == set()


def test_board__over_all_its_panels__shows_every_metric() -> None:
    used = {name for query in queries(BOARD) for name in re.findall(r"\blivepeer_\w+", query)}
    assert {PREFIX + each.name for each in TOLD} - used == set()


def test_board__its_panels__neither_overlap_nor_repeat_an_id() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_page__of_the_metrics__names_each_of_them() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    assert {name for name in known_names() if not name.endswith("_created")} - set(
        re.findall(r"`(livepeer_\w+)`", text)
    ) == set()
