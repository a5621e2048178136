"""Rows of the board: one for each winner that waits and each orchestrator, and lines that sum up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from livepeer_client.codec.capability import DEFAULT_CAPABILITIES, Capability
from livepeer_client.facts import TicketState
from livepeer_client.policy.block_time import L1_BLOCK_S
from livepeer_client.policy.board.facts import BoardFacts, Peer
from livepeer_client.policy.board.gas import Group, gas_view
from livepeer_client.policy.board.words import eth, gwei, lpt, name, span
from livepeer_client.policy.price import shown
from livepeer_client.policy.redemption import Explanation, Reason
from livepeer_client.policy.rounds import RewardStep, reward_step
from livepeer_client.types import Hash32


class Tone(Enum):
    """How much a row wants to be looked at."""

    PLAIN = "plain"
    GOOD = "good"
    WAIT = "wait"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class WinnerRow:
    """One open winner. `why` are the planner's words with the figures behind them."""

    hash: Hash32
    value: str
    age: str
    deadline: str
    decision: str
    why: str
    tone: Tone
    held: bool

    @property
    def cells(self) -> tuple[str, ...]:
        return (name(self.hash), self.value, self.age, self.deadline, self.decision, self.why)


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One orchestrator."""

    cells: tuple[str, ...]
    tone: Tone


BATCH_NOW: Final = "batch now"
FORCED: Final = "forced: expiring"
WAIT_FOR_GAS: Final = "wait for gas"

DECISIONS: Final[Mapping[Reason, tuple[str, Tone]]] = {
    Reason.FUNDED: (BATCH_NOW, Tone.GOOD),
    Reason.PARTIAL: ("forced: in part", Tone.ALERT),
    Reason.USED: ("used elsewhere", Tone.ALERT),
    Reason.ON_HOLD: ("held by you", Tone.WAIT),
    Reason.PARAMS_VALID: ("too early", Tone.PLAIN),
    Reason.ROUND_NOT_INITIALIZED: ("wait for round", Tone.WAIT),
    Reason.PAUSED: ("contracts paused", Tone.ALERT),
    Reason.STOPPED: ("paused by you", Tone.WAIT),
    Reason.CREATED_LATER: ("too early", Tone.PLAIN),
    Reason.RECIPIENT_UNREGISTERED: ("not registered", Tone.ALERT),
    Reason.SENDER_UNLOCKED: ("wait for funds", Tone.ALERT),
    Reason.FUNDS_SHORT: ("wait for funds", Tone.ALERT),
    Reason.NOT_WORTH_GAS: (WAIT_FOR_GAS, Tone.WAIT),
    Reason.GAS_PRICE: (WAIT_FOR_GAS, Tone.WAIT),
    Reason.GAS_UNFAVOURABLE: (WAIT_FOR_GAS, Tone.WAIT),
    Reason.BATCH_FULL: ("next batch", Tone.PLAIN),
    Reason.BATCH_SMALL: ("wait for company", Tone.PLAIN),
    Reason.SIMULATION: ("refused for now", Tone.ALERT),
    Reason.INVALID: ("refused for good", Tone.ALERT),
    Reason.QUARANTINED: ("refused for now", Tone.ALERT),
    Reason.VALIDITY_OVER: ("expired", Tone.ALERT),
}
"""What the board calls a decision, by the planner's reason for it."""

_BY_WORDS: Final = {reason.value: entry for reason, entry in DECISIONS.items()}


def decision_of(told: Explanation) -> tuple[str, Tone]:
    """The decision about one open winner, in few words."""
    if told.state is TicketState.SENT:
        return "sent", Tone.GOOD
    words, tone = _BY_WORDS.get(told.reason, (told.state.value, Tone.PLAIN))
    if told.urgent and words == BATCH_NOW:
        return FORCED, Tone.ALERT
    return words, tone


def winner_rows(facts: BoardFacts) -> tuple[WinnerRow, ...]:
    """Open winners, in the order in which they are to be redeemed."""
    return tuple(_winner(told, facts) for told in facts.told)


def _winner(told: Explanation, facts: BoardFacts) -> WinnerRow:
    stored = facts.tickets.get(told.hash)
    words, tone = decision_of(told)
    left = told.deadline - facts.head.l1_block
    if left > 0:
        deadline = f"{left} blocks, {_lasting(left, facts)}"
    else:
        left = told.ends - facts.head.l1_block
        deadline = f"passed; lost in {left}" if left > 0 else "lost"
    return WinnerRow(
        hash=told.hash,
        value=eth(told.face_value),
        age="" if stored is None else span(facts.now_s - stored.received_at),
        deadline=deadline,
        decision=words,
        why=_why(told, None if stored is None else stored.hold),
        tone=tone,
        held=stored is not None and stored.hold is not None,
    )


def _lasting(blocks: int, facts: BoardFacts) -> str:
    """How long so many blocks take, as contracts count them."""
    return span(float(blocks * (L1_BLOCK_S if facts.block_s is None else facts.block_s)))


def _why(told: Explanation, note: str | None) -> str:
    if told.state is TicketState.SENT:
        return "" if told.tx_hash is None else f"in {name(told.tx_hash)}, not mined yet"
    figures = told.figures
    extra = []
    price, wanted, ceiling = figures.get("gas_price"), figures.get("wanted"), figures.get("ceiling")
    if isinstance(price, int) and isinstance(wanted, int):
        extra.append(f"{gwei(price)}, waits for {gwei(wanted)}")
    elif isinstance(price, int) and isinstance(ceiling, int):
        extra.append(f"{gwei(price)}, ceiling {gwei(ceiling)}")
    available, cost = figures.get("available"), told.batch_cost
    if told.reason == Reason.FUNDS_SHORT.value and isinstance(available, int):
        extra.append(f"{eth(available)} of {eth(told.face_value)} there")
    if told.reason in (Reason.NOT_WORTH_GAS.value, Reason.FUNDED.value) and cost is not None:
        extra.append(f"costs {eth(cost)} in a batch of {told.in_batch_of}")
    if note:
        extra.append(note)
    if told.reason == Reason.SIMULATION.value and "text" in figures:
        extra.append(str(figures["text"]))
    return f"{told.reason}: {'; '.join(extra)}" if extra else told.reason


def round_lines(facts: BoardFacts) -> tuple[Line, ...]:
    """Where the round stands and whether its reward is called."""
    state, me, block = facts.round, facts.me, facts.head.l1_block
    done = min(max(block - state.start_block, 0), state.length_blocks)
    left = state.length_blocks - done
    lines = [
        Line(f"round {state.current}", f"block {done} of {state.length_blocks}, {_lasting(left, facts)} left"),
        Line("opened", "yes", Tone.GOOD) if state.initialized else Line("opened", "nobody has yet", Tone.ALERT),
    ]
    if not me.registered:
        lines.append(Line("reward", "not registered", Tone.ALERT))
    elif not me.active:
        lines.append(Line("reward", "not in the active set", Tone.WAIT))
    elif reward_step(state, me) is RewardStep.CALL:
        lines.append(Line("reward", f"not called; last in round {me.last_reward_round}", Tone.ALERT))
    elif state.initialized:
        lines.append(Line("reward", "called", Tone.GOOD))
    else:
        lines.append(Line("reward", "once the round is open", Tone.WAIT))
    lag = max(0.0, facts.now_s - facts.head.timestamp)
    lines.append(Line("stake, fees", f"{lpt(me.stake)}, {eth(me.pending_fees)} to withdraw"))
    pace = "" if facts.block_s is None else f"; blocks take {float(facts.block_s):.3g} s"
    lines.append(Line("last block", f"{facts.head.number}, {span(lag)} ago{pace}"))
    return tuple(lines)


def winner_lines(facts: BoardFacts) -> tuple[Line, ...]:
    """What the open winners add up to, and who redeems them."""
    waiting = [each for each in facts.told if each.state is not TicketState.SENT]
    sent = [each for each in facts.told if each.state is TicketState.SENT]
    ages = [facts.now_s - facts.tickets[each.hash].received_at for each in facts.told if each.hash in facts.tickets]
    totals = facts.totals
    return (
        Line(
            "waiting",
            f"{len(waiting)}, {eth(sum(each.face_value for each in waiting))}"
            + (f"; oldest {span(max(ages))}" if ages else ""),
        ),
        Line("on the way", f"{len(sent)}, {eth(sum(each.face_value for each in sent))}"),
        Line("paid so far", f"{eth(totals.paid)} of {totals.winners} winners"),
        Line("received", f"{eth(int(totals.expected_value_credited))} expected, {totals.tickets_received} tickets"),
        Line("redeemer", "paused by you", Tone.ALERT)
        if facts.paused
        else Line("redeemer", "no node runs here", Tone.WAIT)
        if facts.node is None
        else Line("redeemer", facts.node, Tone.GOOD),
    )


def gas_lines(facts: BoardFacts) -> tuple[Line, ...]:
    """Gas now against what the next batches can bear."""
    view = gas_view(facts)
    now = gwei(view.price)
    if view.cheaper is not None:
        now += f"; {float(view.cheaper):.0%} of the day was cheaper"
    return (
        Line("gas now", now),
        *_group("batch now", view.now, view.price),
        *_group("waiting", view.waiting, view.price),
        *_ceiling(facts),
    )


def _group(label: str, group: Group | None, price: int) -> tuple[Line, ...]:
    if group is None:
        return (Line(label, "nothing"),)
    what = Line(label, f"{group.tickets} ticket{'' if group.tickets == 1 else 's'}, {eth(group.value)}")
    if group.pays_up_to is None:
        return (what, Line("", "not simulated yet"))
    figures = f"pays up to {gwei(group.pays_up_to)}"
    if group.waits_for is not None:
        figures += f", waits for {gwei(group.waits_for)}"
    return (what, Line("", figures, Tone.GOOD if price <= group.pays_up_to else Tone.ALERT))


def _ceiling(facts: BoardFacts) -> tuple[Line, ...]:
    ceiling = facts.policy.max_gas_price
    if ceiling is None:
        return (Line("ceiling", "none"),)
    over = facts.head.gas_price > ceiling
    return (Line("ceiling", gwei(ceiling), Tone.ALERT if over else Tone.PLAIN),)


def peer_rows(peers: Sequence[Peer]) -> tuple[PeerRow, ...]:
    """Orchestrators, the usable first, then by stake."""
    ordered = sorted(peers, key=lambda peer: (not peer.usable, -(peer.stake or 0), peer.uri))
    return tuple(PeerRow(_peer_cells(peer), _peer_tone(peer)) for peer in ordered)


def capability_words(bits: frozenset[int] | None) -> str:
    """Capabilities told by what sets them apart from what everybody offers by default."""
    if bits is None:
        return ""
    known = {int(each): each.name.lower() for each in Capability}
    lacks = [known[bit] for bit in sorted(DEFAULT_CAPABILITIES - bits)]
    adds = [known.get(bit, str(bit)) for bit in sorted(bits - DEFAULT_CAPABILITIES)]
    parts = ["default"] + [f"no {each}" for each in lacks] + adds
    return ", ".join(parts) if bits else "none stated"


def _peer_cells(peer: Peer) -> tuple[str, ...]:
    price = "" if peer.price is None else f"{shown(peer.price)} wei/px"
    latency = "" if peer.latency_s is None else f"{peer.latency_s * 1000:.0f} ms"
    stake = "" if peer.stake is None else lpt(peer.stake)
    return (peer.uri, price, latency, stake, capability_words(peer.capabilities), peer.verdict, peer.reason)


def _peer_tone(peer: Peer) -> Tone:
    if peer.suspended:
        return Tone.ALERT
    return Tone.PLAIN if peer.usable else Tone.WAIT
