"""One ticket's situation in full: what it is worth, what it waits for and until when. A value, and its text."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from livepeer_client.facts import StoredTicket, TicketState
from livepeer_client.policy.block_time import L1_BLOCK_S
from livepeer_client.policy.redemption.deadlines import window
from livepeer_client.policy.redemption.gas import data_fee, own_gas, single_cost, ticket_cost
from livepeer_client.policy.redemption.settings import RedemptionPolicy
from livepeer_client.policy.redemption.situation import Decision, RedemptionFacts
from livepeer_client.policy.redemption.states import view
from livepeer_client.types import Address, BlockNumber, Hash32, Wei


@dataclass(frozen=True, slots=True)
class Explanation:
    """Amounts in wei, blocks of L1, times in Unix seconds.

    `value` is what redeeming would bring now; `batch_cost` what it is estimated to take in a batch of `in_batch_of`
    tickets, that of its plan or else a full one, `single_cost` in a call of its own. All None once settled, costs also
    while no simulation has succeeded. `own_gas` is what it adds to a batch's gas, `data_fee` its share of the fee for
    bytes, both as in `batch_cost`. `opens`: from here on it may be redeemed; `deadline`: from here on at any gas
    price up to the ceiling; `ends`: too late. `figures` are those behind the latest decision.
    """

    hash: Hash32
    sender: Address
    recipient: Address
    face_value: Wei
    state: TicketState
    reason: str
    value: Wei | None
    batch_cost: Wei | None
    in_batch_of: int | None
    single_cost: Wei | None
    paid: Wei
    tx_hash: Hash32 | None
    opens: BlockNumber
    deadline: BlockNumber
    ends: BlockNumber
    head: BlockNumber
    deadline_time: int
    urgent: bool
    figures: Mapping[str, object]
    own_gas: int | None = None
    data_fee: Wei = Wei(0)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def explain(
    ticket: StoredTicket,
    decision: Decision | None,
    facts: RedemptionFacts,
    policy: RedemptionPolicy,
    *,
    block_s: Fraction = L1_BLOCK_S,
) -> Explanation:
    """Put together what is known of one ticket; `decision` is the latest about it, None if it is not held.

    :param block_s: seconds per block as the contracts count blocks.
    """
    terms = ticket.winner.ticket
    when = window(ticket.winner, facts, policy)
    figures = dict(decision.figures) if decision is not None else {}
    open_ = ticket.state in (TicketState.HELD, TicketState.SENT)
    value, size = figures.get("value"), figures.get("batch")
    # Not planned yet: as it would be in a full batch.
    size = size if isinstance(size, int) else policy.batch_max
    gas, price = facts.gas.get(ticket.hash), facts.head.gas_price
    gas = gas if open_ else None
    return Explanation(
        hash=ticket.hash,
        sender=terms.sender,
        recipient=terms.recipient,
        face_value=terms.face_value,
        state=view(ticket.state, decision),
        reason=decision.reason.value if decision is not None else ticket.reason,
        value=Wei(value) if open_ and isinstance(value, int) else None,
        batch_cost=ticket_cost(gas, size, price, policy, facts.data) if gas is not None else None,
        in_batch_of=size if gas is not None else None,
        single_cost=single_cost(gas, price, policy, facts.data) if gas is not None else None,
        paid=ticket.paid,
        tx_hash=ticket.tx_hash,
        opens=when.opens,
        deadline=when.closes,
        ends=when.ends,
        head=facts.head.l1_block,
        deadline_time=facts.head.timestamp + int((when.closes - facts.head.l1_block) * block_s),
        urgent=open_ and bool(figures.get("urgent", facts.head.l1_block >= when.closes)),
        figures=figures,
        own_gas=own_gas(gas, policy, facts.data) if gas is not None else None,
        data_fee=data_fee(size, policy, facts.data) if gas is not None else Wei(0),
    )


# --- text -----------------------------------------------------------------------------------------

_SHOWN: Final = frozenset({"value", "cost", "single_cost", "batch", "urgent"})
_GAS: Final = frozenset({"gas_price", "wanted", "ceiling"})
_AMOUNTS: Final = frozenset({"available", "face_value", "data_fee"})


def eth(wei: int) -> str:
    """ETH, exactly."""
    sign, wei = ("-", -wei) if wei < 0 else ("", wei)
    fraction = f"{wei % 10**18:018d}".rstrip("0")
    return f"{sign}{wei // 10**18}{'.' + fraction if fraction else ''} ETH"


def _gwei(wei: int) -> str:
    fraction = f"{wei % 10**9:09d}".rstrip("0")
    return f"{wei // 10**9}{'.' + fraction if fraction else ''} gwei"


def _figure(name: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        if name in _GAS:
            return _gwei(value)
        if name in _AMOUNTS:
            return eth(value)
    if isinstance(value, Fraction):
        return f"{float(value):.0%}"
    return str(value)


def _lines(told: Explanation) -> list[str]:
    lines = [
        f"ticket 0x{told.hash.hex()}",
        f"  state     {told.state.value}: {told.reason}" if told.reason else f"  state     {told.state.value}",
        f"  parties   sender 0x{told.sender.hex()}, recipient 0x{told.recipient.hex()}",
        f"  value     {eth(told.face_value)}",
    ]
    if told.value is not None and told.value < told.face_value:
        lines[-1] += f", of which {eth(told.value)} could be paid now"
    if told.batch_cost is not None and told.single_cost is not None:
        alone = eth(told.single_cost)
        lines.append(f"  cost      {eth(told.batch_cost)} estimated in a batch of {told.in_batch_of}, {alone} alone")
    if told.tx_hash is not None:
        transaction = f"0x{told.tx_hash.hex()}"
        sent = told.state is TicketState.SENT
        lines.append(f"  sent      in {transaction}" if sent else f"  paid      {eth(told.paid)} by {transaction}")
    others = [
        f"{name} {_figure(name, value)}"
        for name, value in told.figures.items()
        if name not in _SHOWN and value is not None and name != "face_value"
    ]
    if others:
        lines.append("  figures   " + ", ".join(others))
    if told.state in (TicketState.PAID, TicketState.UNDERPAID, TicketState.USED_ELSEWHERE, TicketState.EXPIRED):
        return lines
    left = told.deadline - told.head
    moment = datetime.fromtimestamp(told.deadline_time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    when = f"in {left} blocks, about {moment}" if left > 0 else f"{-left} blocks ago"
    lines.append(f"  deadline  L1 block {told.deadline} ({when}); too late from block {told.ends}; now {told.head}")
    if told.urgent:
        lines.append("  urgent    waits neither for others nor for cheaper gas")
    return lines
