"""The gas table is true, and what it promises holds.

Everything is measured again, in about 15 seconds. After a wanted change: `make gas`.
"""

from __future__ import annotations

import pytest

from tests.contracts.gas.scenarios import STARTS, Table, measure
from tests.contracts.gas.table import CREATION, LEFT_OUT, REGENERATE, committed, counterpart, load, reference, summary
from tests.contracts.gas.table import TABLE as TABLE_FILE
from tests.contracts.gas.wiring import MODES, Mode
from tests.support.anvil import ROOT, compile_suite

# Creation code ends with a hash of the sources, whose zero bytes cost 12 gas less each. Nothing else depends on hashes:
# the tickets that are measured have no zero bytes in theirs, nor in their signatures.
CREATION_TOLERANCE = 5 * 12

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def measured() -> Table:
    cache = ROOT / ".cache" / "compiled"
    cache.mkdir(parents=True, exist_ok=True)
    return measure(compile_suite(cache), STARTS)


def test_gas__every_scenario__is_what_the_table_says(measured: Table) -> None:
    table = committed()
    moved = [
        f"{name} ({mode}): {table[name][mode]:,} -> {row[mode]:,}"
        for name, row in measured.items()
        if name in table
        for mode in MODES
        if abs(row[mode] - table[name][mode]) > (CREATION_TOLERANCE if name.startswith(CREATION) else 0)
    ]

    assert moved == [], f"run `{REGENERATE}` if this is wanted"
    assert set(measured) == set(table), f"run `{REGENERATE}` if this is wanted"


def test_gas_table__ratios__follow_from_the_figures() -> None:
    theirs = reference()
    wrong = [
        name
        for name, row in load(TABLE_FILE)["gas"].items()
        for mode in MODES
        if row[f"ratio_{mode}"] != round(row[mode] / theirs[counterpart(name)][mode], 4)
    ]

    assert wrong == []


def test_gas_table__scenarios_of_the_reference__are_measured_or_left_out_for_a_reason() -> None:
    assert set(reference()) - set(committed()) == set(LEFT_OUT)
    assert load(TABLE_FILE)["left_out"] == LEFT_OUT


@pytest.mark.parametrize("mode", MODES)
def test_gas__all_scenarios__cost_55_percent_of_the_reference_on_average(mode: Mode) -> None:
    assert summary(committed(), mode).geometric_mean < 0.555


# A request to leave shares a word with the money it is about. To cancel it empties no slot, which would be paid back,
# and without proxies nothing makes up for that. It makes every ticket cheaper.
DEARER: dict[Mode, list[str]] = {"proxy": [], "direct": ["cancelUnlock"]}


@pytest.mark.parametrize("mode", MODES)
def test_gas__every_scenario__costs_no_more_than_in_the_reference(mode: Mode) -> None:
    """But for creation, and for the short service addresses that Solidity packs into one slot."""
    assert [name for name, _ in summary(committed(), mode).dearer] == DEARER[mode]


@pytest.mark.parametrize("size", [50, 100])
@pytest.mark.parametrize("pool", ["pool1", "pool100"])
@pytest.mark.parametrize("senders", ["1_sender", "10_senders"])
def test_gas__large_batch__costs_half_of_the_reference(senders: str, pool: str, size: int) -> None:
    name = f"batchRedeemWinningTickets.{senders}.N{size}.{pool}"

    assert committed()[name]["proxy"] <= 0.50 * reference()[name]["proxy"]


@pytest.mark.parametrize("pool", ["pool1", "pool100"])
def test_gas__50_compact_tickets__cost_42_percent_of_a_batch_in_the_reference(pool: str) -> None:
    name = f"compactRedeem.1_sender.N50.{pool}"

    assert committed()[name]["proxy"] <= 0.42 * reference()[counterpart(name)]["proxy"]


# At the head of the pool there is no walk to save, and what remains is fresh storage and first accesses.
UNWALKED = (
    "bond.self_more_again_same_round.pool100.first.nohint",
    "bond.self_more.pool100.first.nohint",
    "bond.self_new_transcoder.pool100.first.nohint",
    "bond.delegate_new.pool100.first.nohint",
)


def test_gas__without_a_hint_in_a_pool_of_100__costs_half_of_the_reference_where_that_walks() -> None:
    table = committed()
    unhinted = [name for name in table if "pool100" in name and name.endswith(".nohint")]
    ratios = {name: table[name]["proxy"] / reference()[counterpart(name)]["proxy"] for name in unhinted}

    assert len(unhinted) >= 20
    assert sorted(name for name, ratio in ratios.items() if ratio > 0.50) == sorted(UNWALKED)
    assert max(ratios.values()) <= 0.60


@pytest.mark.parametrize("senders", ["1_sender", "10_senders"])
def test_gas__ticket_in_a_large_batch__costs_less_than_a_third_of_a_single_one(senders: str) -> None:
    table = committed()
    alone = table["redeemWinningTicket.deposit.after_reward.pool100"]["proxy"]

    assert table[f"batchRedeemWinningTickets.{senders}.N100.pool100"]["proxy"] / 100 < alone / 3


@pytest.mark.parametrize(
    "name",
    [
        "bond.self_more.{}.middle.nohint",
        "bond.delegate_new.{}.middle.nohint",
        "unbond.delegator_partial.{}.middle.nohint",
        "rebond.delegator.{}.middle.nohint",
        "reward.{}.middle.round2.nohint",
    ],
)
def test_gas__change_of_stake_that_keeps_the_position__does_not_depend_on_the_size_of_the_pool(name: str) -> None:
    table = committed()

    assert table[name.format("pool100")] == table[name.format("pool50")]
