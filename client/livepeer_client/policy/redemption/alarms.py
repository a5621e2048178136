"""What an operator must be told (offchain-payments 16, Observability)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from livepeer_client.facts import StoredTicket, TicketOutcome, TicketState
from livepeer_client.policy.redemption.deadlines import window
from livepeer_client.policy.redemption.settings import RedemptionPolicy
from livepeer_client.policy.redemption.situation import Decision, Reason, RedemptionFacts
from livepeer_client.types import Hash32


class Alert(Enum):
    """What happened to a ticket."""

    WINDOW = "much of its window has passed and it is not redeemed"
    UNDERPAID = "redeemed for less than its face value"
    EXPIRED = "expired unredeemed"
    USED_ELSEWHERE = "redeemed by a transaction that is not ours"
    INVALID = "the contract will never accept it"
    QUARANTINED = "its simulation keeps failing in words nobody knows"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alert about one ticket; equal alarms are one alarm. `share` of the window, for `Alert.WINDOW`."""

    alert: Alert
    hash: Hash32
    share: Fraction | None = None
    figures: Mapping[str, object] = field(default_factory=dict, compare=False)


_BY_STATE = {
    TicketState.UNDERPAID: Alert.UNDERPAID,
    TicketState.EXPIRED: Alert.EXPIRED,
    TicketState.USED_ELSEWHERE: Alert.USED_ELSEWHERE,
}
_BY_REASON = {Reason.INVALID: Alert.INVALID, Reason.QUARANTINED: Alert.QUARANTINED}


def window_alarms(tickets: Iterable[StoredTicket], facts: RedemptionFacts, policy: RedemptionPolicy) -> list[Alarm]:
    """One alarm for each share of its window that an open ticket has outlasted."""
    found = []
    for ticket in tickets:
        when = window(ticket.winner, facts, policy)
        # An inverted window, of a sender that unlocks, has passed as a whole.
        passed = 1 - when.slack(facts.head.l1_block)
        figures = {
            "face_value": ticket.winner.ticket.face_value,
            "l1_block": facts.head.l1_block,
            "deadline": when.closes,
            "state": ticket.state.value,
        }
        found += [Alarm(Alert.WINDOW, ticket.hash, share, figures) for share in policy.alarm_shares if passed >= share]
    return found


def alarms_of(decisions: Sequence[Decision], outcomes: Sequence[TicketOutcome]) -> list[Alarm]:
    """Alarms about what was decided and what came out."""
    return [
        Alarm(_BY_REASON[decision.reason], decision.hash, None, decision.figures)
        for decision in decisions
        if decision.reason in _BY_REASON
    ] + [
        Alarm(_BY_STATE[outcome.state], outcome.hash, None, {"paid": outcome.paid, "reason": outcome.reason})
        for outcome in outcomes
        if outcome.state in _BY_STATE
    ]
