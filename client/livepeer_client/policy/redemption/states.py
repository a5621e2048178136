"""Where a winner is, as an operator sees it (offchain-payments 16, Ticket states).

A store keeps what must survive a restart; what a held ticket waits for is decided anew by each plan.
"""

from typing import Final

from livepeer_client.facts import TicketState
from livepeer_client.policy.redemption.situation import Action, Decision, Reason
from livepeer_client.policy.ticket_states import TRANSITIONS

_NOT_READY: Final = frozenset(
    {
        Reason.ON_HOLD,
        Reason.USED,
        Reason.PAUSED,
        Reason.PARAMS_VALID,
        Reason.ROUND_NOT_INITIALIZED,
        Reason.CREATED_LATER,
        Reason.RECIPIENT_UNREGISTERED,
    }
)


def view(state: TicketState, decision: Decision | None) -> TicketState:
    """The state of a stored ticket, with what the latest decision about it says if it is held."""
    if state is not TicketState.HELD or decision is None:
        return state
    if decision.action is Action.REDEEM:
        return TicketState.ASSIGNED
    if decision.action is Action.DEFER:
        return TicketState.DEFERRED
    waits = decision.action is Action.WAIT and decision.reason not in _NOT_READY
    return TicketState.READY if waits else TicketState.HELD


def diagram() -> str:
    """The table of transitions as a Mermaid state diagram; an arrow names what moves a ticket along it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for entry in TRANSITIONS:
        source = entry.source.value if entry.source is not None else "[*]"
        causes = arrows.setdefault((source, entry.target.value), [])
        if entry.cause.value not in causes:
            causes.append(entry.cause.value)
    lines = [f"    {source} --> {target}: {', '.join(causes)}" for (source, target), causes in arrows.items()]
    return "\n".join(["stateDiagram-v2", *lines])
