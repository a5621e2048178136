"""Which winners to redeem now, in which order, and what became of them (offchain-payments 16).

Everything here is a value computed from values: the service reads the chain, asks, and acts. A decision exists for
every ticket it was asked about, with its reason and the figures behind it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from math import ceil
from typing import Final

from livepeer_client.codec.ticket import Ticket, WinningTicket, aux_data, recipient_rand_hash, ticket_hash
from livepeer_client.errors import InvalidInput
from livepeer_client.facts import (
    Head,
    OrchestratorState,
    Receipt,
    RoundState,
    SenderInfo,
    StoredTicket,
    TicketOutcome,
    TicketState,
)
from livepeer_client.types import Address, BlockNumber, Hash32, Round, Wei, WinProb

BROKER: Final = "TicketBroker"
# The contract's own bound on a batch.
CONTRACT_BATCH_MAX: Final = 100
_MAX_BACKOFF_BLOCKS: Final = 64


class Action(Enum):
    REDEEM = "redeem"
    """Submit it in the next batch."""
    WAIT = "wait"
    """Its time has not come."""
    DEFER = "defer"
    """It could be submitted but should not, under present conditions."""
    EXPIRE = "expire"
    """No transaction can redeem it any more."""


class Reason(Enum):
    """Why a ticket is decided upon as it is."""

    FUNDED = "funded and worth its cost"
    PARTIAL = "funds cover only a part, and the deadline is near"
    PARAMS_VALID = "its params could still be accepted, and redeeming reveals their secret"
    ROUND_NOT_INITIALIZED = "the current round is not initialized"
    CREATED_LATER = "its creation round is after the current one"
    RECIPIENT_UNREGISTERED = "the recipient is not registered"
    SENDER_UNLOCKED = "the sender is unlocked"
    FUNDS_SHORT = "deposit and claimable reserve do not cover it"
    NOT_WORTH_GAS = "it is worth less than its redemption costs"
    GAS_PRICE = "the gas price exceeds the ceiling"
    BATCH_FULL = "the batch is full"
    BATCH_SMALL = "too few tickets for a batch, and none is urgent"
    SIMULATION = "its simulation failed"
    VALIDITY_OVER = "its validity period is over"


@dataclass(frozen=True, slots=True)
class RedemptionPolicy:
    """Settings of an operator. Gas in units, prices in wei per gas.

    `batch_min`: fewer tickets wait for more, unless one of them is urgent.
    `params_margin_blocks`: blocks after a ticket's params expired before its secret is revealed; 2 covers a redeemer
    that sees a block before the process that accepts tickets does.
    `safety_blocks`: how long before its deadline a ticket becomes urgent, at most a quarter of a round.
    `max_gas_price` binds all tickets, except that urgent ones go up to `urgent_max_gas_price` where that is set.
    `fallback_gas`: bound of one ticket that could not be estimated; `overhead_gas`: a batch without its tickets.
    """

    batch_max: int = 20
    batch_min: int = 1
    params_margin_blocks: int = 2
    safety_blocks: int = 50
    max_gas_price: Wei | None = None
    urgent_max_gas_price: Wei | None = None
    accept_partial: bool = True
    overhead_gas: int = 100_000
    fallback_gas: int = 1_200_000
    gas_budget: int = 20_000_000

    def __post_init__(self) -> None:
        if not 1 <= self.batch_max <= CONTRACT_BATCH_MAX:
            raise InvalidInput(f"batch_max must be in [1, {CONTRACT_BATCH_MAX}], got {self.batch_max}")
        if not 1 <= self.batch_min <= self.batch_max:
            raise InvalidInput(f"batch_min must be in [1, {self.batch_max}], got {self.batch_min}")
        if min(self.params_margin_blocks, self.safety_blocks, self.overhead_gas, self.fallback_gas) < 0:
            raise InvalidInput("margins and gas figures are not negative")
        if self.gas_budget < self.overhead_gas + self.fallback_gas:
            raise InvalidInput("gas_budget must hold at least one ticket")


@dataclass(frozen=True, slots=True)
class SimulationFailure:
    """What the contract said to a single redemption; `permanent` = it will not say otherwise later.

    `retry_block`: the L1 block from which to try again; meaningless if permanent.
    """

    text: str
    permanent: bool
    tries: int
    retry_block: BlockNumber


@dataclass(frozen=True, slots=True)
class RedemptionFacts:
    """The chain as read for one plan, and what simulations have shown.

    `claimable` maps (sender, recipient) to wei; `in_flight` a sender to the face values already sent and unconfirmed.
    `gas` maps a ticket to the gas estimate of its single redemption.
    """

    head: Head
    round: RoundState
    validity_rounds: int
    senders: Mapping[Address, SenderInfo]
    recipients: Mapping[Address, OrchestratorState]
    claimable: Mapping[tuple[Address, Address], Wei]
    in_flight: Mapping[Address, Wei] = field(default_factory=dict)
    gas: Mapping[Hash32, int] = field(default_factory=dict)
    failures: Mapping[Hash32, SimulationFailure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one ticket, and why."""

    hash: Hash32
    action: Action
    reason: Reason
    figures: Mapping[str, object] = field(default_factory=dict)


# --- time -----------------------------------------------------------------------------------------


def last_usable_round(creation_round: Round, validity_rounds: int) -> Round:
    """The contract wants creationRound + validity > current round (onchain 11.5)."""
    return Round(creation_round + validity_rounds - 1)


def deadline_block(ticket: Ticket, facts: RedemptionFacts, policy: RedemptionPolicy) -> BlockNumber:
    """The L1 block from which on `ticket` is urgent: the end of its last usable round less a safety margin.

    A sender that unlocks sets an earlier deadline: the round before it may withdraw.
    """
    last = last_usable_round(ticket.creation_round, facts.validity_rounds)
    withdraw_round = facts.senders[ticket.sender].withdraw_round
    if withdraw_round:
        last = min(last, Round(withdraw_round - 1))
    length = facts.round.length_blocks
    safety = min(policy.safety_blocks, length // 4)
    return BlockNumber(facts.round.start_block + (last - facts.round.current + 1) * length - safety)


def is_urgent(ticket: Ticket, facts: RedemptionFacts, policy: RedemptionPolicy) -> bool:
    """True once the slack is spent, and for every ticket of a sender that unlocks."""
    unlocking = facts.senders[ticket.sender].withdraw_round != 0
    return unlocking or facts.head.l1_block >= deadline_block(ticket, facts, policy)


# --- the plan -------------------------------------------------------------------------------------


def gas_bound(estimate: int) -> int:
    """What one ticket may take inside a batch: a quarter more than its single redemption."""
    return -(-estimate * 5 // 4)


def batch_gas_limit(bounds: Iterable[int], policy: RedemptionPolicy) -> int:
    """Gas limit of a batch. Estimating the batch itself would find a limit under which tickets fail silently;
    64/63 because a call inside gets at most 63/64 of what is left (offchain-payments 16)."""
    return policy.overhead_gas + ceil(Fraction(64, 63) * sum(bounds))


def _not_yet(ticket: StoredTicket, facts: RedemptionFacts, policy: RedemptionPolicy) -> Decision | None:
    """The decision about a ticket that cannot be submitted now, whatever the funds; None if it can."""
    terms = ticket.winner.ticket
    head = facts.head.l1_block

    def decide(action: Action, reason: Reason, **figures: object) -> Decision:
        return Decision(ticket.hash, action, reason, figures)

    last = last_usable_round(terms.creation_round, facts.validity_rounds)
    if facts.round.current > last:
        return decide(Action.EXPIRE, Reason.VALIDITY_OVER, round=facts.round.current, last_round=last)
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
    if failure is not None and (failure.permanent or head < failure.retry_block):
        return decide(
            Action.DEFER,
            Reason.SIMULATION,
            text=failure.text,
            permanent=failure.permanent,
            tries=failure.tries,
            retry_block=failure.retry_block,
        )
    return None


class _Funds:
    """What is left of deposits and reserves while a batch is put together: deposit first, then reserve."""

    def __init__(self, facts: RedemptionFacts) -> None:
        self._deposits: dict[Address, int] = {}
        self._claimable = dict(facts.claimable)
        # What is sent and unconfirmed draws on the same money; its reserve part counts against every recipient.
        self._shortage: dict[Address, int] = {}
        for sender, info in facts.senders.items():
            left = info.deposit - facts.in_flight.get(sender, Wei(0))
            self._deposits[sender] = max(0, left)
            self._shortage[sender] = max(0, -left)

    def available(self, ticket: Ticket) -> int:
        pair = (ticket.sender, ticket.recipient)
        return self._deposits[ticket.sender] + max(0, self._claimable[pair] - self._shortage[ticket.sender])

    def draw(self, ticket: Ticket, amount: int) -> None:
        from_deposit = min(amount, self._deposits[ticket.sender])
        self._deposits[ticket.sender] -= from_deposit
        pair = (ticket.sender, ticket.recipient)
        self._claimable[pair] = Wei(self._claimable[pair] - (amount - from_deposit))


def plan(tickets: Sequence[StoredTicket], facts: RedemptionFacts, policy: RedemptionPolicy) -> list[Decision]:
    """A decision for each HELD ticket. Those to redeem come first, in the order of the batch: earliest deadline,
    then larger face value. A ticket without an entry in `facts.gas` is planned as if it were worth its gas; simulate
    it and plan again.
    """
    decisions: list[Decision] = []
    candidates: list[tuple[int, int, Hash32, StoredTicket]] = []
    for ticket in tickets:
        early = _not_yet(ticket, facts, policy)
        if early is not None:
            decisions.append(early)
        else:
            terms = ticket.winner.ticket
            candidates.append((deadline_block(terms, facts, policy), -terms.face_value, ticket.hash, ticket))

    funds = _Funds(facts)
    chosen: list[Decision] = []
    bounds: list[int] = []
    overhead_share = -(-policy.overhead_gas // max(1, min(len(candidates), policy.batch_max)))
    for *_, ticket in sorted(candidates, key=lambda candidate: candidate[:3]):
        terms = ticket.winner.ticket
        urgent = is_urgent(terms, facts, policy)
        available = funds.available(terms)
        value = min(terms.face_value, available)
        estimate = facts.gas.get(ticket.hash)
        cost = 0 if estimate is None else (overhead_share + gas_bound(estimate)) * facts.head.gas_price
        bound = policy.fallback_gas if estimate is None else gas_bound(estimate)
        ceiling = policy.max_gas_price
        if urgent and policy.urgent_max_gas_price is not None:
            ceiling = policy.urgent_max_gas_price
        figures = {"value": value, "cost": cost, "available": available, "urgent": urgent}

        def decide(
            action: Action,
            reason: Reason,
            ticket: StoredTicket = ticket,
            figures: Mapping[str, object] = figures,
            **more: object,
        ) -> Decision:
            return Decision(ticket.hash, action, reason, {**figures, **more})

        partial = value < terms.face_value
        if partial and not (urgent and policy.accept_partial and value > 0):
            decisions.append(decide(Action.DEFER, Reason.FUNDS_SHORT, face_value=terms.face_value))
        elif ceiling is not None and facts.head.gas_price > ceiling:
            decisions.append(decide(Action.DEFER, Reason.GAS_PRICE, gas_price=facts.head.gas_price, ceiling=ceiling))
        elif estimate is not None and value <= cost:
            decisions.append(decide(Action.DEFER, Reason.NOT_WORTH_GAS, gas_price=facts.head.gas_price))
        elif len(chosen) == policy.batch_max or batch_gas_limit([*bounds, bound], policy) > policy.gas_budget:
            decisions.append(decide(Action.WAIT, Reason.BATCH_FULL))
        else:
            funds.draw(terms, value)
            bounds.append(bound)
            chosen.append(decide(Action.REDEEM, Reason.PARTIAL if partial else Reason.FUNDED))
    if len(chosen) < policy.batch_min and not any(decision.figures["urgent"] for decision in chosen):
        chosen = [replace(decision, action=Action.WAIT, reason=Reason.BATCH_SMALL) for decision in chosen]
    return chosen + decisions


# --- what the contract says -----------------------------------------------------------------------


class Refusal(Enum):
    """What a revert of a single redemption means for the ticket."""

    USED = "used"
    """Redeemed before: check `usedTickets` and record it."""
    PERMANENT = "permanent"
    """No later call can succeed."""
    TRANSIENT = "transient"
    """It may succeed in another block or round."""


REFUSALS: Final[Mapping[str, Refusal]] = {
    "ticket is used": Refusal.USED,
    "ticket recipient is null address": Refusal.PERMANENT,
    "ticket sender is null address": Refusal.PERMANENT,
    "invalid length for ticket auxData: must be 64 bytes": Refusal.PERMANENT,
    "ticket creationRoundBlockHash invalid for creationRound": Refusal.PERMANENT,
    "ticket is expired": Refusal.PERMANENT,
    "recipientRand does not match recipientRandHash": Refusal.PERMANENT,
    "INVALID_SIGNATURE_LENGTH": Refusal.PERMANENT,
    "ECDSA: invalid signature": Refusal.PERMANENT,
    "ECDSA: invalid signature 's' value": Refusal.PERMANENT,
    "ECDSA: invalid signature 'v' value": Refusal.PERMANENT,
    "invalid signature over ticket hash": Refusal.PERMANENT,
    "ticket did not win": Refusal.PERMANENT,
    "ticket creationRound does not have a block hash": Refusal.TRANSIENT,
    "system is paused": Refusal.TRANSIENT,
    "current round is not initialized": Refusal.TRANSIENT,
    "sender is unlocked": Refusal.TRANSIENT,
    "sender deposit and reserve are zero": Refusal.TRANSIENT,
    "sender deposit and reserve insufficient to cover ticket face value": Refusal.TRANSIENT,
    "transcoder must be registered": Refusal.TRANSIENT,
    "transcoder must be active": Refusal.TRANSIENT,
}
"""Contracts give reasons as text only, so text is matched here and nowhere else (onchain 11.5)."""


def classify(reason: str) -> Refusal:
    """The meaning of a revert reason. An unknown one counts as transient: waiting loses nothing, dropping might."""
    return REFUSALS.get(reason, Refusal.TRANSIENT)


def failed_simulation(reason: str, before: SimulationFailure | None, head: BlockNumber) -> SimulationFailure:
    """Record a refusal. Known transient ones are tried at each block; unknown ones ever more rarely."""
    tries = before.tries + 1 if before is not None else 1
    pause = 1 if reason in REFUSALS else min(2 ** (tries - 1), _MAX_BACKOFF_BLOCKS)
    return SimulationFailure(reason, classify(reason) is Refusal.PERMANENT, tries, BlockNumber(head + pause))


def redeem_arguments(winner: WinningTicket) -> tuple[tuple[object, ...], bytes, int]:
    """Arguments of `redeemWinningTicket`: ticket tuple, signature, recipientRand (onchain 11.1)."""
    ticket = winner.ticket
    terms = (
        ticket.recipient,
        ticket.sender,
        ticket.face_value,
        ticket.win_prob,
        ticket.sender_nonce,
        ticket.recipient_rand_hash,
        aux_data(ticket.creation_round, ticket.creation_round_block_hash),
    )
    return terms, winner.sig, winner.recipient_rand


def batch_arguments(winners: Sequence[WinningTicket]) -> tuple[list[object], list[bytes], list[int]]:
    """Arguments of `batchRedeemWinningTickets`: three arrays of equal length."""
    singles = [redeem_arguments(winner) for winner in winners]
    return [terms for terms, _, _ in singles], [sig for _, sig, _ in singles], [rand for _, _, rand in singles]


# --- what became of them --------------------------------------------------------------------------


def _redeemed_hash(args: Mapping[str, object]) -> Hash32 | None:
    """The hash of the ticket in a WinningTicketRedeemed event; None if its auxData is not that of a valid ticket."""
    aux = args["auxData"]
    rand, sender, recipient = args["recipientRand"], args["sender"], args["recipient"]
    face_value, win_prob, nonce = args["faceValue"], args["winProb"], args["senderNonce"]
    if not (
        isinstance(aux, bytes)
        and isinstance(rand, int)
        and isinstance(sender, bytes)
        and isinstance(recipient, bytes)
        and isinstance(face_value, int)
        and isinstance(win_prob, int)
        and isinstance(nonce, int)
    ):
        return None
    try:
        return ticket_hash(
            Ticket(
                recipient=Address(recipient),
                sender=Address(sender),
                face_value=Wei(face_value),
                win_prob=WinProb(win_prob),
                sender_nonce=nonce,
                recipient_rand_hash=recipient_rand_hash(rand),
                creation_round=Round(int.from_bytes(aux[:32], "big")),
                creation_round_block_hash=Hash32(aux[32:]),
            )
        )
    except InvalidInput:
        # Somebody's ticket with figures ours never have, such as a nonce over 32 bits.
        return None


def outcomes_of(receipt: Receipt, tickets: Sequence[StoredTicket]) -> tuple[list[TicketOutcome], list[StoredTicket]]:
    """Read a receipt: (outcomes of the tickets redeemed in it, the tickets it says nothing about).

    Each WinningTicketRedeemed is matched by the ticket hash recomputed from it; the WinningTicketTransfer since the
    one before gives the amount, none means 0. The transaction's status proves nothing about any ticket.
    """
    wanted = {ticket.hash: ticket for ticket in tickets}
    outcomes: list[TicketOutcome] = []
    amount = 0
    for log in receipt.logs:
        if log.contract != BROKER:
            continue
        if log.name == "WinningTicketTransfer":
            paid = log.args["amount"]
            amount = paid if isinstance(paid, int) else 0
        elif log.name == "WinningTicketRedeemed":
            found = _redeemed_hash(log.args)
            ticket = wanted.pop(found, None) if found is not None else None
            if ticket is not None:
                whole = amount >= ticket.winner.ticket.face_value
                outcomes.append(
                    TicketOutcome(
                        hash=ticket.hash,
                        state=TicketState.PAID if whole else TicketState.UNDERPAID,
                        paid=Wei(amount),
                        tx_hash=receipt.tx_hash,
                        reason="redeemed" if whole else "funds covered only a part",
                    )
                )
            amount = 0
    return outcomes, [ticket for ticket in tickets if ticket.hash in wanted]
