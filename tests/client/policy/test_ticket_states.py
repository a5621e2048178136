"""The table of a winner's life."""

import itertools
from pathlib import Path

import pytest

from livepeer_client.errors import TicketStateRefused
from livepeer_client.facts import TicketOutcome, TicketState
from livepeer_client.policy import ticket_states
from livepeer_client.policy.ticket_states import OPEN, RANK, REDEEMED, STORED, TRANSITIONS, Cause, Standing
from livepeer_client.types import Hash32, Wei

TICKET = Hash32(bytes([1] * 32))
BATCH = Hash32(bytes([2] * 32))
STORES = Path(__file__).resolve().parents[3] / "docs" / "stores.md"
DERIVED = frozenset(TicketState) - frozenset(STORED)


def test_transitions__every_state__is_reached_from_a_new_winner() -> None:
    reached = {TicketState.HELD}
    for _ in TicketState:
        reached |= {entry.target for entry in TRANSITIONS if entry.source in reached}
    assert reached == set(TicketState)


def test_transitions__each__is_listed_once_with_what_it_needs() -> None:
    keys = [(entry.source, entry.target, entry.cause) for entry in TRANSITIONS]
    assert len(set(keys)) == len(keys)
    assert all(entry.needs for entry in TRANSITIONS)


def test_transitions__derived_states__belong_to_the_plan_alone() -> None:
    for entry in TRANSITIONS:
        assert (entry.cause is Cause.PLAN) == (entry.target in DERIVED)


def test_transitions__into_a_terminal_state__come_from_evidence_and_never_lower_its_rank() -> None:
    for entry in TRANSITIONS:
        if entry.source in RANK and entry.cause in (Cause.MARK, Cause.SETTLE):
            assert entry.target is TicketState.HELD or RANK[entry.target] > RANK[entry.source]
        if entry.target in STORED and entry.target not in OPEN:
            assert entry.cause in (Cause.MARK, Cause.SETTLE)


@pytest.mark.parametrize(("source", "target"), itertools.product(STORED, STORED))
def test_mark_changes__every_pair_of_states__does_what_the_table_says(source: TicketState, target: TicketState) -> None:
    outcome = TicketOutcome(TICKET, target, Wei(5), None, "")
    standing = Standing(source, None, Wei(5))
    if ticket_states.allowed(source, target, Cause.MARK):
        assert ticket_states.mark_changes(outcome, standing)
    elif source is target:
        assert ticket_states.mark_changes(outcome, standing) == (source is TicketState.HELD)
    else:
        with pytest.raises(TicketStateRefused):
            ticket_states.mark_changes(outcome, standing)


@pytest.mark.parametrize(("source", "target"), itertools.product(STORED, STORED))
def test_settlement__of_a_ticket_that_went_on__moves_it_only_when_proven_redeemed(
    source: TicketState, target: TicketState
) -> None:
    outcome = TicketOutcome(TICKET, target, Wei(5), None, "")
    changes = ticket_states.settlement(BATCH, [TICKET], {TICKET: Standing(source)}, [outcome])
    moves = target in REDEEMED and RANK[source] < RANK[target]
    assert changes == ((outcome,) if moves else ())
    if moves:
        assert ticket_states.allowed(source, target, Cause.SETTLE)


@pytest.mark.parametrize("source", STORED)
def test_reopening__each_state__takes_back_what_the_batch_settled_or_let_go(source: TicketState) -> None:
    own = ticket_states.reopening(BATCH, [TICKET], {TICKET: Standing(source, BATCH)})
    other = ticket_states.reopening(BATCH, [TICKET], {TICKET: Standing(source)})
    assert own == (TICKET,)
    assert other == ((TICKET,) if source is TicketState.HELD else ())


def test_transitions__in_the_documentation__are_those_of_the_table() -> None:
    expected = [
        f"| {entry.source.value if entry.source else '(new)'} | {entry.target.value} | {entry.cause.value} "
        f"| {entry.needs} |"
        for entry in TRANSITIONS
    ]
    text = STORES.read_text(encoding="utf-8")
    table = text.split("| From | To | By | Needs |\n|---|---|---|---|\n")[1].split("\n\n")[0]
    assert table.splitlines() == expected
