"""What happened between two looks, for the board's log."""

from dataclasses import dataclass

from livepeer_client.facts import TicketState
from livepeer_client.policy.board.facts import BoardFacts
from livepeer_client.policy.board.gas import gas_view
from livepeer_client.policy.board.rows import Tone, decision_of
from livepeer_client.policy.board.words import eth, gwei, name


@dataclass(frozen=True, slots=True)
class Event:
    """`at` in Unix seconds, of the look that showed it."""

    at: float
    text: str
    tone: Tone = Tone.PLAIN


_SETTLED = {
    TicketState.PAID: Tone.GOOD,
    TicketState.UNDERPAID: Tone.ALERT,
    TicketState.USED_ELSEWHERE: Tone.ALERT,
    TicketState.EXPIRED: Tone.ALERT,
    TicketState.INVALID: Tone.ALERT,
}


def changes(before: BoardFacts | None, after: BoardFacts) -> tuple[Event, ...]:
    """Events in the order in which a reader wants them: rounds, winners, gas, the operator's own switches."""
    if before is None:
        open_ = len(after.told)
        return (Event(after.now_s, f"watching; {open_} open winner{'' if open_ == 1 else 's'}"),)
    return tuple(
        Event(after.now_s, text, tone)
        for text, tone in (
            *_of_rounds(before, after),
            *_of_winners(before, after),
            *_of_gas(before, after),
            *_of_switches(before, after),
        )
    )


_Told = list[tuple[str, Tone]]


def _of_rounds(before: BoardFacts, after: BoardFacts) -> _Told:
    found: _Told = []
    if after.round.current != before.round.current:
        found.append((f"round {after.round.current} began", Tone.PLAIN))
    if after.round.last_initialized > before.round.last_initialized:
        found.append((f"round {after.round.last_initialized} was opened", Tone.GOOD))
    if after.me.last_reward_round > before.me.last_reward_round:
        found.append((f"reward was called for round {after.me.last_reward_round}", Tone.GOOD))
    if after.me.active != before.me.active:
        found.append(("joined the active set", Tone.GOOD) if after.me.active else ("left the active set", Tone.ALERT))
    if after.head.number < before.head.number:
        gone = before.head.number - after.head.number
        found.append((f"the chain went back {gone} blocks", Tone.ALERT))
    return found


def _of_winners(before: BoardFacts, after: BoardFacts) -> _Told:
    found: _Told = []
    earlier, now = ({told.hash: told for told in facts.told} for facts in (before, after))
    for hash_, told in now.items():
        words, tone = decision_of(told)
        if hash_ not in earlier:
            found.append((f"{name(hash_)} won {eth(told.face_value)}: {words}", Tone.GOOD))
        elif decision_of(earlier[hash_])[0] != words:
            found.append((f"{name(hash_)}: {decision_of(earlier[hash_])[0]} -> {words}", tone))
    for hash_ in earlier.keys() - now.keys():
        stored = after.tickets.get(hash_)
        if stored is None:
            continue
        paid = f", {eth(stored.paid)}" if stored.paid else ""
        reason = f" ({stored.reason})" if stored.reason and stored.state is not TicketState.PAID else ""
        state = stored.state.value.replace("_", " ")
        found.append((f"{name(hash_)}: {state}{paid}{reason}", _SETTLED.get(stored.state, Tone.PLAIN)))
    return found


def _of_gas(before: BoardFacts, after: BoardFacts) -> _Told:
    old, new = gas_view(before), gas_view(after)
    group = new.now or new.waiting
    if old.pays == new.pays or old.pays is None or new.pays is None or group is None or group.pays_up_to is None:
        return []
    side = "pays again" if new.pays else "does not pay any more"
    figures = f"gas {gwei(new.price)}, pays up to {gwei(group.pays_up_to)}"
    return [(f"the next batch {side}: {figures}", Tone.GOOD if new.pays else Tone.ALERT)]


def _of_switches(before: BoardFacts, after: BoardFacts) -> _Told:
    found: _Told = []
    if after.paused != before.paused:
        found.append(("redemption is paused", Tone.ALERT) if after.paused else ("redemption goes on", Tone.GOOD))
    if after.node != before.node:
        gone = after.node is None
        found.append(("the node is gone", Tone.ALERT) if gone else (f"the node {after.node} runs", Tone.GOOD))
    return found
