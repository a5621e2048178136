"""The life of a stored winner: one table, followed by every ticket store (offchain-payments 16).

Evidence has a rank: an event that shows the ticket redeemed proves more than `usedTickets`, that more than the number
of the current round, and that more than a simulation. A ticket moves up this rank by new evidence and never down,
except where the block that held the evidence has vanished, or where an operator wants it tried again.

Recording the same evidence twice changes nothing; evidence that contradicts what is proven is refused.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from livepeer_client.errors import InvalidInput, StoreError, TicketStateRefused
from livepeer_client.facts import (
    BatchState,
    Lease,
    RedemptionBatch,
    StoredBatch,
    StoredTicket,
    TicketOutcome,
    TicketState,
    redemption_lease,
)
from livepeer_client.types import ADDRESS_BYTES, HASH_BYTES, MAX_UINT256, Hash32, Wei

_S = TicketState


class Cause(Enum):
    """What moves a ticket. All but PLAN are methods of the store, each one transaction."""

    RECORD = "record_payment"
    PLAN = "the plan of each block"
    BEGIN = "begin_batch"
    SETTLE = "settle_batch"
    REOPEN = "reopen_batch"
    MARK = "mark"
    REVIVE = "revive"


@dataclass(frozen=True, slots=True)
class Transition:
    """`source` None is a ticket not yet stored. `needs` says what must be known first."""

    source: TicketState | None
    target: TicketState
    cause: Cause
    needs: str


STORED: Final = (_S.HELD, _S.SENT, _S.PAID, _S.UNDERPAID, _S.USED_ELSEWHERE, _S.EXPIRED, _S.INVALID)
"""The states that a store keeps; the others are views of HELD."""
OPEN: Final = (_S.HELD, _S.SENT)
"""The states of a ticket that may still be paid: value at risk."""
REDEEMED: Final = (_S.PAID, _S.UNDERPAID)
RANK: Final[Mapping[TicketState, int]] = {
    _S.HELD: 0,
    _S.SENT: 0,
    _S.INVALID: 1,
    _S.EXPIRED: 2,
    _S.USED_ELSEWHERE: 3,
    _S.UNDERPAID: 4,
    _S.PAID: 4,
}

_EVENT: Final = "a WinningTicketRedeemed event of ours"
_USED: Final = "usedTickets is true"
_ROUND: Final = "its last usable round is over"
_REFUSED: Final = "a simulation refused it for good"
_NEEDS: Final[Mapping[TicketState, str]] = {
    _S.PAID: f"{_EVENT}, with the whole face value",
    _S.UNDERPAID: f"{_EVENT}, with less than the face value",
    _S.USED_ELSEWHERE: _USED,
    _S.EXPIRED: _ROUND,
    _S.INVALID: _REFUSED,
}


def _evidence(source: TicketState, cause: Cause, targets: Sequence[TicketState]) -> tuple[Transition, ...]:
    return tuple(Transition(source, target, cause, _NEEDS[target]) for target in targets)


TRANSITIONS: Final[tuple[Transition, ...]] = (
    Transition(None, _S.HELD, Cause.RECORD, "a valid winner whose nonce is new"),
    Transition(_S.HELD, _S.READY, Cause.PLAN, "params expired, round open, recipient registered, sender not unlocked"),
    Transition(_S.HELD, _S.DEFERRED, Cause.PLAN, "a reason: gas, funds, a refusal that may pass, an operator's hold"),
    Transition(_S.READY, _S.ASSIGNED, Cause.PLAN, "funds and gas allow it in the batch being prepared"),
    Transition(_S.HELD, _S.SENT, Cause.BEGIN, "a signed transaction and a lease; no operator's hold"),
    *_evidence(_S.SENT, Cause.SETTLE, (_S.PAID, _S.UNDERPAID, _S.USED_ELSEWHERE, _S.EXPIRED)),
    Transition(_S.SENT, _S.HELD, Cause.SETTLE, "the batch is mined, or its nonce taken, without evidence about it"),
    *_evidence(_S.HELD, Cause.SETTLE, REDEEMED),
    *_evidence(_S.USED_ELSEWHERE, Cause.SETTLE, REDEEMED),
    *_evidence(_S.EXPIRED, Cause.SETTLE, REDEEMED),
    *_evidence(_S.INVALID, Cause.SETTLE, REDEEMED),
    *(
        Transition(source, _S.SENT, Cause.REOPEN, "the block that settled the batch has vanished")
        for source in (_S.HELD, _S.PAID, _S.UNDERPAID, _S.USED_ELSEWHERE, _S.EXPIRED)
    ),
    *_evidence(_S.HELD, Cause.MARK, (_S.PAID, _S.UNDERPAID, _S.USED_ELSEWHERE, _S.EXPIRED, _S.INVALID)),
    *_evidence(_S.INVALID, Cause.MARK, (_S.PAID, _S.UNDERPAID, _S.USED_ELSEWHERE, _S.EXPIRED)),
    *_evidence(_S.EXPIRED, Cause.MARK, (_S.PAID, _S.UNDERPAID, _S.USED_ELSEWHERE)),
    *_evidence(_S.USED_ELSEWHERE, Cause.MARK, REDEEMED),
    *(
        Transition(source, _S.HELD, Cause.REVIVE, "an operator's word, or the block of the evidence has vanished")
        for source in (_S.INVALID, _S.EXPIRED, _S.USED_ELSEWHERE)
    ),
)
"""Every transition there is. A reopened batch may settle a ticket that went on meanwhile, hence the later SETTLEs."""

_ALLOWED: Final = frozenset((entry.source, entry.target, entry.cause) for entry in TRANSITIONS)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stored ticket stands: its state, the batch it is in or was settled by, and whether it is on hold."""

    state: TicketState
    batch: Hash32 | None = None
    paid: Wei = Wei(0)
    on_hold: bool = False


def allowed(source: TicketState | None, target: TicketState, cause: Cause) -> bool:
    return (source, target, cause) in _ALLOWED


# --- input ----------------------------------------------------------------------------------------


def check_batch(batch: RedemptionBatch) -> None:
    """:raises InvalidInput: no tickets or transactions, one of them twice, another nonce, or a wrong width."""
    if not batch.tickets or not batch.transactions:
        raise InvalidInput("a redemption batch needs tickets and a signed transaction")
    if len(set(batch.tickets)) != len(batch.tickets):
        raise InvalidInput("a redemption batch names a ticket twice")
    if len({transaction.tx_hash for transaction in batch.transactions}) != len(batch.transactions):
        raise InvalidInput("a redemption batch names a transaction twice")
    if len(batch.key) != ADDRESS_BYTES:
        raise InvalidInput(f"a key's address is {ADDRESS_BYTES} bytes, got {len(batch.key)}")
    for hash_ in batch.tickets:
        _check_hash(hash_)
    for transaction in batch.transactions:
        _check_hash(transaction.tx_hash)
        if transaction.nonce != batch.nonce:
            raise InvalidInput(f"a batch with nonce {batch.nonce} has a transaction with nonce {transaction.nonce}")


def check_lease(batch: RedemptionBatch, lease: Lease) -> None:
    """:raises InvalidInput: the lease is for another key."""
    if lease.name != redemption_lease(batch.key):
        raise InvalidInput(f"a batch of key 0x{batch.key.hex()} needs its lease, got {lease.name}")


def check_outcomes(outcomes: Sequence[TicketOutcome]) -> None:
    """:raises InvalidInput: an amount out of range, a ticket twice, or a state that is no outcome."""
    if len({outcome.hash for outcome in outcomes}) != len(outcomes):
        raise InvalidInput("two outcomes for one ticket")
    for outcome in outcomes:
        if outcome.state is _S.SENT or outcome.state not in STORED:
            raise InvalidInput(f"{outcome.state.value} is no outcome")
        if not 0 <= outcome.paid <= MAX_UINT256:
            raise InvalidInput(f"paid must be a uint256, got {outcome.paid}")
        if outcome.tx_hash is not None:
            _check_hash(outcome.tx_hash)


def check_states(states: Sequence[TicketState]) -> None:
    """:raises InvalidInput: a state that only a plan knows."""
    for state in states:
        if state not in STORED:
            raise InvalidInput(f"{state.value} is not stored: each plan computes it anew")


def _check_hash(hash_: bytes) -> None:
    if len(hash_) != HASH_BYTES:
        raise InvalidInput(f"a hash is {HASH_BYTES} bytes, got {len(hash_)}")


# --- transitions ----------------------------------------------------------------------------------


def refuse_unless_sendable(hash_: Hash32, standing: Standing | None) -> None:
    """Only a held ticket that no operator holds back may enter a batch.

    :raises TicketStateRefused: unknown, on hold, in an open batch, or settled.
    """
    if standing is None:
        raise TicketStateRefused(hash_, None, _S.SENT.value, "is not stored")
    if standing.on_hold:
        raise TicketStateRefused(hash_, standing.state.value, _S.SENT.value, "is on hold")
    if not allowed(standing.state, _S.SENT, Cause.BEGIN):
        raise TicketStateRefused(hash_, standing.state.value, _S.SENT.value, _where(standing.state))


def mark_changes(outcome: TicketOutcome, standing: Standing | None) -> bool:
    """Whether evidence outside any batch moves a ticket; False if it, or better evidence like it, is recorded.

    HELD for a held ticket records a new reason.

    :raises TicketStateRefused: unknown, in an open batch, or the evidence contradicts what is proven.
    """
    if standing is None:
        raise TicketStateRefused(outcome.hash, None, outcome.state.value, "is not stored")
    if outcome.state is standing.state and outcome.state is not _S.HELD:
        if outcome.state in REDEEMED and outcome.paid != standing.paid:
            raise TicketStateRefused(
                outcome.hash, standing.state.value, outcome.state.value, f"is recorded with {standing.paid} wei paid"
            )
        return False
    if outcome.state is standing.state or allowed(standing.state, outcome.state, Cause.MARK):
        return True
    raise TicketStateRefused(outcome.hash, standing.state.value, outcome.state.value, _where(standing.state))


def settlement(
    batch_id: Hash32,
    tickets: Sequence[Hash32],
    standings: Mapping[Hash32, Standing],
    outcomes: Sequence[TicketOutcome],
) -> tuple[TicketOutcome, ...]:
    """What settling a batch changes: one outcome for each of its tickets that it moves.

    A ticket still SENT by this batch goes where the evidence says, and back to HELD without any. One that went on
    after the batch was reopened moves only if it is proven redeemed here.

    :raises StoreError: an outcome for a ticket that is not in the batch, or one that a batch cannot give.
    """
    by_hash = {outcome.hash: outcome for outcome in outcomes}
    refuse_strangers(batch_id, by_hash, tickets)
    changes = []
    for ticket in tickets:
        standing, outcome = standings[ticket], by_hash.get(ticket)
        if standing.state is _S.SENT and standing.batch == batch_id:
            if outcome is not None and not allowed(_S.SENT, outcome.state, Cause.SETTLE):
                raise TicketStateRefused(ticket, _S.SENT.value, outcome.state.value, "is settled by its batch")
            changes.append(outcome or TicketOutcome(ticket, _S.HELD, Wei(0), None, "not redeemed by its batch"))
        elif outcome is not None and outcome.state in REDEEMED and RANK[standing.state] < RANK[outcome.state]:
            changes.append(outcome)
    return tuple(changes)


def refuse_strangers(batch_id: Hash32, hashes: Collection[Hash32], tickets: Sequence[Hash32]) -> None:
    """:raises StoreError: one of `hashes` is not among the batch's tickets."""
    strangers = set(hashes) - set(tickets)
    if strangers:
        raise StoreError(f"ticket 0x{min(strangers).hex()} is not in batch 0x{batch_id.hex()}")


def reopening(batch_id: Hash32, tickets: Sequence[Hash32], standings: Mapping[Hash32, Standing]) -> tuple[Hash32, ...]:
    """The tickets that are SENT again when the block that settled their batch has vanished: those it settled, and
    those it let go that are still held. The others are in a later batch or proven otherwise."""
    return tuple(
        ticket for ticket in tickets if standings[ticket].batch == batch_id or standings[ticket].state is _S.HELD
    )


def restoration(
    tickets: Sequence[StoredTicket], batches: Sequence[StoredBatch], known: Collection[Hash32]
) -> list[StoredTicket]:
    """The tickets of another store as they are added to one that has `known`: in their order, each once, and HELD if
    they were SENT by a batch that does not come along.

    :raises InvalidInput: a batch without one of its tickets.
    """
    new = {ticket.hash: ticket for ticket in reversed(tickets) if ticket.hash not in known}
    for batch in batches:
        for hash_ in batch.batch.tickets:
            if hash_ not in new and hash_ not in known:
                raise InvalidInput(f"batch 0x{batch.id.hex()} comes without its ticket 0x{hash_.hex()}")
    open_ = {batch.id for batch in batches if batch.state is BatchState.OPEN}
    along = {batch.id for batch in batches}
    return [
        replace(
            ticket,
            state=_S.HELD if stranded else ticket.state,
            tx_hash=None if stranded else ticket.tx_hash,
            reason="sent by a batch that was not restored" if stranded else ticket.reason,
            batch=ticket.batch if ticket.batch in along and not stranded else None,
        )
        for ticket in reversed(new.values())
        for stranded in (ticket.state is _S.SENT and ticket.batch not in open_,)
    ]


def revive_changes(hash_: Hash32, standing: Standing | None) -> bool:
    """Whether an operator's word puts a ticket back to HELD; False if it is held already.

    :raises TicketStateRefused: unknown, in an open batch, or redeemed.
    """
    if standing is None:
        raise TicketStateRefused(hash_, None, _S.HELD.value, "is not stored")
    if standing.state is _S.HELD:
        return False
    if not allowed(standing.state, _S.HELD, Cause.REVIVE):
        raise TicketStateRefused(hash_, standing.state.value, _S.HELD.value, _where(standing.state))
    return True


def _where(state: TicketState) -> str:
    return "is in an open batch" if state is _S.SENT else f"is {state.value}"
