"""Which winners to redeem now, in which transactions and which order (offchain-payments 16)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts import Calldata, StoredTicket
from livepeer_client.policy.redemption.calls import calldata_bytes, share_terms, terms_of
from livepeer_client.policy.redemption.deadlines import Window, is_urgent, last_usable_round, window
from livepeer_client.policy.redemption.funds import Funds, pays_in_full
from livepeer_client.policy.redemption.gas import (
    accepted_share,
    batch_gas_limit,
    data_fee,
    gas_bound,
    is_cheap,
    single_cost,
    ticket_cost,
)
from livepeer_client.policy.redemption.settings import RedemptionPolicy
from livepeer_client.policy.redemption.situation import Action, BatchPlan, Decision, Plan, Reason, RedemptionFacts
from livepeer_client.types import Address, Hash32, Wei

_HALF = Fraction(1, 2)


def plan(
    tickets: Sequence[StoredTicket],
    facts: RedemptionFacts,
    policy: RedemptionPolicy,
    *,
    now: Collection[Hash32] = (),
) -> Plan:
    """A decision for each HELD ticket, and the transactions to send.

    Order: earliest deadline, then larger face value, then as given. A ticket without an entry in `facts.gas` is planned
    as if it were worth its gas; simulate it and plan again.

    :param now: tickets that the operator wants redeemed without waiting for others or for cheaper gas; ceilings and
        everything the contract asks for bind them all the same.
    """
    early: list[Decision] = []
    candidates: list[_Candidate] = []
    for ticket in tickets:
        decision = _not_yet(ticket, facts, policy, now)
        if decision is not None:
            early.append(decision)
        else:
            candidates.append(_Candidate.of(ticket, facts, policy, ticket.hash in now))
    # Stable: among equals the one that came first goes first.
    candidates.sort(key=lambda candidate: (candidate.window.closes, -candidate.face_value))
    pressed = _pressed_senders(candidates, facts)
    price, prices = facts.head.gas_price, facts.prices

    # Who would go if gas did not matter: is a batch full, is too much at risk?
    everybody = _Draft(facts, policy)
    for candidate in candidates:
        everybody.add(candidate)
    released: set[Hash32] = set()
    at_risk = sum(candidate.face_value for candidate in everybody.chosen)
    if policy.value_at_risk_limit is not None and at_risk > policy.value_at_risk_limit:
        released = {candidate.ticket.hash for candidate in candidates}
    elif is_cheap(price, _HALF, prices):
        released = {candidate.ticket.hash for candidate in everybody.in_full_batches}

    draft = _Draft(facts, policy)
    for candidate in candidates:
        share = accepted_share(candidate.slack, policy)
        haste = candidate.urgent or candidate.now or candidate.sender in pressed
        if haste or candidate.ticket.hash in released or is_cheap(price, share, prices):
            draft.add(candidate)
        else:
            figures = {"gas_price": price, "wanted": prices.quantile(share), "slack": candidate.slack}
            draft.leave(candidate, Action.WAIT, Reason.GAS_UNFAVOURABLE, **figures)
    return draft.finish(early)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A ticket that the contract would accept now as far as is known, funds aside."""

    ticket: StoredTicket
    window: Window
    slack: Fraction
    urgent: bool
    now: bool

    @classmethod
    def of(cls, ticket: StoredTicket, facts: RedemptionFacts, policy: RedemptionPolicy, now: bool) -> "_Candidate":
        when = window(ticket.winner, facts, policy)
        urgent = is_urgent(ticket.winner.ticket, facts, policy)
        slack = Fraction(0) if urgent else when.slack(facts.head.l1_block)
        return cls(ticket, when, slack, urgent, now)

    @property
    def face_value(self) -> Wei:
        return self.ticket.winner.ticket.face_value

    @property
    def sender(self) -> Address:
        return self.ticket.winner.ticket.sender


def _not_yet(
    ticket: StoredTicket,
    facts: RedemptionFacts,
    policy: RedemptionPolicy,
    now: Collection[Hash32],
) -> Decision | None:
    """The decision about a ticket that cannot be submitted now, whatever the funds; None if it can."""
    terms = ticket.winner.ticket
    head = facts.head.l1_block

    def decide(action: Action, reason: Reason, **figures: object) -> Decision:
        return Decision(ticket.hash, action, reason, figures)

    last = last_usable_round(terms.creation_round, facts.validity_rounds)
    if facts.round.current > last:
        return decide(Action.EXPIRE, Reason.VALIDITY_OVER, round=facts.round.current, last_round=last)
    if ticket.hash in facts.used:
        return decide(Action.WAIT, Reason.USED)
    if ticket.hold is not None:
        return decide(Action.WAIT, Reason.ON_HOLD, note=ticket.hold)
    if facts.paused:
        return decide(Action.WAIT, Reason.PAUSED)
    if not facts.round.initialized:
        return decide(Action.WAIT, Reason.ROUND_NOT_INITIALIZED, round=facts.round.current)
    if terms.creation_round > facts.round.current:
        return decide(Action.WAIT, Reason.CREATED_LATER, round=facts.round.current, creation_round=terms.creation_round)
    revealable = ticket.winner.params_expiration_block + policy.params_margin_blocks
    if head < revealable:
        return decide(Action.WAIT, Reason.PARAMS_VALID, l1_block=head, from_block=revealable)
    if not facts.recipients[terms.recipient].registered:
        return decide(Action.WAIT, Reason.RECIPIENT_UNREGISTERED)
    withdraw_round = facts.senders[terms.sender].withdraw_round
    if withdraw_round and facts.round.current >= withdraw_round:
        # The sender may still cancel the unlock or fund itself.
        return decide(Action.DEFER, Reason.SENDER_UNLOCKED, withdraw_round=withdraw_round)
    failure = facts.failures.get(ticket.hash)
    if failure is None:
        return None
    figures = {"text": failure.text, "tries": failure.tries, "retry_block": failure.retry_block}
    if failure.permanent:
        return decide(Action.DEFER, Reason.INVALID, permanent=True, **figures)
    given_up = not failure.known and failure.tries >= policy.quarantine_tries
    if given_up and ticket.hash not in now and not is_urgent(terms, facts, policy):
        return decide(Action.DEFER, Reason.QUARANTINED, **figures)
    if head < failure.retry_block:
        return decide(Action.DEFER, Reason.SIMULATION, permanent=False, **figures)
    return None


def _pressed_senders(candidates: Iterable[_Candidate], facts: RedemptionFacts) -> set[Address]:
    """Senders whose money may not suffice for their open tickets: waiting for gas could cost more than gas."""
    open_values: dict[Address, int] = {}
    for candidate in candidates:
        open_values[candidate.sender] = open_values.get(candidate.sender, 0) + candidate.face_value
    funds = Funds(facts)
    return {sender for sender, value in open_values.items() if funds.available_from(sender) < value}


_Member: TypeAlias = tuple[_Candidate, Decision, int | None, int]
"""Candidate, decision to redeem it, gas estimate if known, gas bound."""


class _Batch:
    """A batch under construction."""

    def __init__(self, members: Iterable[_Member] = ()) -> None:
        self.members = list(members)

    @property
    def bounds(self) -> list[int]:
        return [bound for *_, bound in self.members]


class _Draft:
    """Batches being filled in the order of the tickets, and the decisions about those that stay behind.

    Tickets of senders with recent failures go into a batch of their own each, after the others.
    """

    def __init__(self, facts: RedemptionFacts, policy: RedemptionPolicy) -> None:
        self._facts = facts
        self._policy = policy
        self._funds = Funds(facts)
        self._size = min(policy.batch_max, facts.batch_limit or policy.batch_max)
        self._room = max(0, policy.max_open - facts.open)
        self._clean: list[_Batch] = []
        self._suspect: dict[Address, _Batch] = {}
        self._left: list[Decision] = []

    @property
    def chosen(self) -> list[_Candidate]:
        return [member[0] for batch in self._batches() for member in batch.members]

    @property
    def in_full_batches(self) -> list[_Candidate]:
        full = [batch for batch in self._batches() if len(batch.members) == self._size]
        return [candidate for batch in full for candidate, *_ in batch.members]

    def leave(self, candidate: _Candidate, action: Action, reason: Reason, **figures: object) -> None:
        terms = candidate.ticket.winner.ticket
        available = self._funds.available(terms)
        base = {
            "value": min(terms.face_value, available),
            **self._costs(candidate, self._size),
            "available": available,
            "urgent": candidate.urgent,
        }
        self._left.append(Decision(candidate.ticket.hash, action, reason, {**base, **figures}))

    def add(self, candidate: _Candidate) -> None:
        """Put a ticket into a batch, or say why not."""
        facts, policy = self._facts, self._policy
        terms = candidate.ticket.winner.ticket
        available = self._funds.available(terms)
        value = min(terms.face_value, available)
        ceiling = _ceiling(candidate.urgent, policy)
        partial = value < terms.face_value
        estimate = facts.gas.get(candidate.ticket.hash)
        cost = self._cost(candidate, self._size)
        if partial and not (candidate.urgent and policy.accept_partial and value > 0):
            self.leave(candidate, Action.DEFER, Reason.FUNDS_SHORT, face_value=terms.face_value)
            return
        if ceiling is not None and facts.head.gas_price > ceiling:
            self.leave(candidate, Action.DEFER, Reason.GAS_PRICE, gas_price=facts.head.gas_price, ceiling=ceiling)
            return
        if estimate is not None and value <= cost:
            self.leave(candidate, Action.DEFER, Reason.NOT_WORTH_GAS, gas_price=facts.head.gas_price)
            return
        bound = policy.fallback_gas if estimate is None else gas_bound(estimate)
        batch = self._batch_for(candidate, bound)
        if batch is None:
            self.leave(candidate, Action.WAIT, Reason.BATCH_FULL)
            return
        self._funds.draw(terms, value)
        costs = self._costs(candidate, self._size)
        figures = {"value": value, **costs, "available": available, "urgent": candidate.urgent}
        reason = Reason.PARTIAL if partial else Reason.FUNDED
        decision = Decision(candidate.ticket.hash, Action.REDEEM, reason, figures)
        batch.members.append((candidate, decision, estimate, bound))

    def finish(self, early: Iterable[Decision]) -> Plan:
        """The plan: what does not pay in its batch, and batches too small to go, stay behind."""
        chosen: list[Decision] = []
        batches: list[BatchPlan] = []
        for batch in self._with_groups_apart():
            self._drop_unworthy(batch)
            if not batch.members:
                continue
            hasty = any(candidate.urgent or candidate.now for candidate, *_ in batch.members)
            if len(batch.members) < self._policy.batch_min and not hasty:
                for _, decision, *_ in batch.members:
                    self._left.append(replace(decision, action=Action.WAIT, reason=Reason.BATCH_SMALL))
                continue
            chosen += [decision for _, decision, *_ in batch.members]
            batches.append(self._plan_of(batch))
        return Plan((*chosen, *early, *self._left), tuple(batches))

    def _batches(self) -> list[_Batch]:
        return [*self._clean, *self._suspect.values()]

    def _with_groups_apart(self) -> list[_Batch]:
        """The batches, those that hold a large enough group of the same terms as two while there is room for more."""
        batches = self._batches()
        room = self._room - len(batches)
        found: list[_Batch] = []
        for batch in batches:
            parts = self._parts(batch) if room > 0 else [batch]
            room -= len(parts) - 1
            found += parts
        return found

    def _parts(self, batch: _Batch) -> list[_Batch]:
        """A batch as a group for the compact call and the others, if both are large enough, each ticket still pays for
        itself and the senders' funds still pay all of them; else the batch as it is."""
        by_terms: dict[tuple[object, ...], list[_Member]] = {}
        for member in batch.members:
            by_terms.setdefault(terms_of(member[0].ticket.winner), []).append(member)
        shared = max(by_terms, key=lambda terms: len(by_terms[terms]))
        group = by_terms[shared]
        rest = [member for member in batch.members if terms_of(member[0].ticket.winner) != shared]
        large = len(group) >= self._policy.compact_group and len(rest) >= self._policy.batch_min
        if not self._facts.compact or not large:
            return [batch]
        # The one with the most pressing ticket goes first.
        parts = sorted((group, rest), key=lambda part: batch.members.index(part[0]))
        worth = all(self._worth(member, len(part)) for part in parts for member in part)
        order = (candidate.ticket.winner.ticket for part in parts for candidate, *_ in part)
        return [_Batch(part) for part in parts] if worth and pays_in_full(order, self._facts) else [batch]

    def _worth(self, member: _Member, in_batch_of: int) -> bool:
        candidate, decision, estimate, _ = member
        value = decision.figures["value"]
        assert isinstance(value, int)
        return estimate is None or value > self._cost(candidate, in_batch_of)

    def _batch_for(self, candidate: _Candidate, bound: int) -> _Batch | None:
        """Where a ticket goes; None if there is no room in any transaction that may be sent now."""
        if candidate.sender in self._facts.suspects:
            batch = self._suspect.get(candidate.sender)
            if batch is not None:
                return batch if self._fits(batch, bound) else None
        else:
            for batch in self._clean:
                if self._fits(batch, bound):
                    return batch
        if len(self._batches()) >= self._room:
            return None
        batch = _Batch()
        if candidate.sender in self._facts.suspects:
            self._suspect[candidate.sender] = batch
        else:
            self._clean.append(batch)
        return batch

    def _fits(self, batch: _Batch, bound: int) -> bool:
        count = len(batch.members) + 1
        return (
            count <= self._size
            and batch_gas_limit([*batch.bounds, bound], self._policy) <= self._policy.gas_budget
            and calldata_bytes(count) <= self._policy.calldata_limit
        )

    def _cost(self, candidate: _Candidate, in_batch_of: int) -> Wei:
        facts, hash_ = self._facts, candidate.ticket.hash
        estimate = facts.gas.get(hash_)
        if estimate is None:
            return Wei(0)
        return ticket_cost(estimate, in_batch_of, facts.head.gas_price, self._policy, facts.data)

    def _costs(self, candidate: _Candidate, in_batch_of: int) -> dict[str, object]:
        """What a ticket is estimated to cost in a batch of so many and alone, with the part of the former that is for
        its bytes if they are charged."""
        facts, policy = self._facts, self._policy
        estimate = facts.gas.get(candidate.ticket.hash)
        alone = 0 if estimate is None else single_cost(estimate, facts.head.gas_price, policy, facts.data)
        fee = data_fee(in_batch_of, policy, facts.data)
        costs = {"cost": self._cost(candidate, in_batch_of), "batch": in_batch_of, "single_cost": alone}
        return {**costs, **({"data_fee": fee} if fee else {})}

    def _drop_unworthy(self, batch: _Batch) -> None:
        """Leave out tickets that do not pay for themselves in a batch of this size, the worst first: the smaller a
        batch, the larger each share of its overhead."""
        while batch.members:
            size = len(batch.members)
            surplus = []
            for position, (candidate, decision, estimate, bound) in enumerate(batch.members):
                cost = self._cost(candidate, size)
                value = decision.figures["value"]
                assert isinstance(value, int)
                batch.members[position] = (
                    candidate,
                    replace(decision, figures={**decision.figures, **self._costs(candidate, size)}),
                    estimate,
                    bound,
                )
                if estimate is not None:
                    surplus.append((value - cost, position))
            worst, position = min(surplus, default=(1, 0))
            if worst > 0:
                return
            _, decision, *_ = batch.members.pop(position)
            self._left.append(
                replace(
                    decision,
                    action=Action.DEFER,
                    reason=Reason.NOT_WORTH_GAS,
                    figures={**decision.figures, "gas_price": self._facts.head.gas_price},
                )
            )

    def _plan_of(self, batch: _Batch) -> BatchPlan:
        candidates = [candidate for candidate, *_ in batch.members]
        urgent = all(candidate.urgent for candidate in candidates)
        ordered = _by_recipient(candidates, self._facts)
        return BatchPlan(
            tickets=tuple(candidate.ticket.hash for candidate in ordered),
            calldata=self._entry_point([candidate.ticket.winner for candidate in ordered]),
            gas_limit=batch_gas_limit(batch.bounds, self._policy),
            max_gas_price=_ceiling(urgent, self._policy),
            urgent=any(candidate.urgent for candidate in candidates),
        )

    def _entry_point(self, winners: Sequence[WinningTicket]) -> Calldata:
        """A lone ticket is cheapest in the single call, which also says aloud what is wrong; tickets of the same terms
        in the compact one."""
        if len(winners) == 1:
            return Calldata.SINGLE
        return Calldata.COMPACT if self._facts.compact and share_terms(winners) else Calldata.BATCH


def _ceiling(urgent: bool, policy: RedemptionPolicy) -> Wei | None:
    if urgent and policy.urgent_max_gas_price is not None:
        return policy.urgent_max_gas_price
    return policy.max_gas_price


def _by_recipient(candidates: Sequence[_Candidate], facts: RedemptionFacts) -> Sequence[_Candidate]:
    """Neighbours of one recipient are credited together, which is cheaper; but the order in which deposits are drawn
    decides what reserves must cover, so it is changed only if everybody is still paid in full."""
    sorted_ = sorted(candidates, key=lambda candidate: candidate.ticket.winner.ticket.recipient)
    if pays_in_full((candidate.ticket.winner.ticket for candidate in sorted_), facts):
        return sorted_
    return candidates
