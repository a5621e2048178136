"""The states of a winner as an operator sees them, and their picture in the documentation."""

import pytest

from livepeer_client.facts import TicketState
from livepeer_client.policy.redemption import Action, Decision, Reason, diagram, view
from livepeer_client.policy.ticket_states import TRANSITIONS
from livepeer_client.types import Hash32
from tests.support.artifacts import ROOT


@pytest.mark.parametrize(
    ("action", "reason", "state"),
    [
        (Action.WAIT, Reason.PARAMS_VALID, TicketState.HELD),
        (Action.WAIT, Reason.ON_HOLD, TicketState.HELD),
        (Action.WAIT, Reason.GAS_UNFAVOURABLE, TicketState.READY),
        (Action.WAIT, Reason.BATCH_FULL, TicketState.READY),
        (Action.DEFER, Reason.FUNDS_SHORT, TicketState.DEFERRED),
        (Action.REDEEM, Reason.FUNDED, TicketState.ASSIGNED),
        (Action.EXPIRE, Reason.VALIDITY_OVER, TicketState.HELD),
    ],
)
def test_view__of_a_held_ticket__follows_the_plan(action: Action, reason: Reason, state: TicketState) -> None:
    assert view(TicketState.HELD, Decision(Hash32(bytes(32)), action, reason)) is state


def test_view__of_a_ticket_that_is_not_held__is_what_the_store_says() -> None:
    decision = Decision(Hash32(bytes(32)), Action.REDEEM, Reason.FUNDED)
    assert view(TicketState.PAID, decision) is TicketState.PAID
    assert view(TicketState.HELD, None) is TicketState.HELD


def test_diagram__in_the_documentation__is_that_of_the_table() -> None:
    assert f"```mermaid\n{diagram()}\n```" in (ROOT / "docs" / "redemption.md").read_text()


def test_diagram__has_an_arrow_for_every_transition() -> None:
    arrows = {tuple(line.split(":")[0].split(" --> ")) for line in diagram().splitlines()[1:]}
    sources = {(entry.source.value if entry.source else "[*]", entry.target.value) for entry in TRANSITIONS}
    assert {(source.strip(), target) for source, target in arrows} == sources
