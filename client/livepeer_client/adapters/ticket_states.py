"""The life of a stored winner, one table shared by every ticket store (offchain-payments 16).

    HELD            -> SENT (begin_batch), PAID, UNDERPAID, USED_ELSEWHERE, EXPIRED
    SENT            -> PAID, UNDERPAID, USED_ELSEWHERE, EXPIRED, or back to HELD; only by settling its batch
    USED_ELSEWHERE  -> PAID, UNDERPAID: the transaction that used it was found to be ours
    PAID, UNDERPAID, EXPIRED are final

Recording the same evidence twice changes nothing; evidence that contradicts a final state is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from livepeer_client.errors import InvalidInput, StoreError
from livepeer_client.facts import RedemptionBatch, TicketOutcome, TicketState
from livepeer_client.types import HASH_BYTES, MAX_UINT256, Hash32, Wei

_S = TicketState
MARKS: Final[Mapping[TicketState, frozenset[TicketState]]] = {
    _S.HELD: frozenset({_S.HELD, _S.PAID, _S.UNDERPAID, _S.USED_ELSEWHERE, _S.EXPIRED}),
    _S.SENT: frozenset(),
    _S.USED_ELSEWHERE: frozenset({_S.PAID, _S.UNDERPAID}),
    _S.PAID: frozenset(),
    _S.UNDERPAID: frozenset(),
    _S.EXPIRED: frozenset(),
}
"""Where evidence outside any batch may take a ticket."""


def check_batch(batch: RedemptionBatch) -> None:
    """:raises InvalidInput: no tickets, a ticket twice, or a hash of the wrong width."""
    if not batch.tickets:
        raise InvalidInput("a redemption batch needs tickets")
    if len(set(batch.tickets)) != len(batch.tickets):
        raise InvalidInput("a redemption batch names a ticket twice")
    for hash_ in (batch.transaction.tx_hash, *batch.tickets):
        if len(hash_) != HASH_BYTES:
            raise InvalidInput(f"a hash is {HASH_BYTES} bytes, got {len(hash_)}")


def check_outcomes(outcomes: Sequence[TicketOutcome]) -> None:
    """:raises InvalidInput: an amount out of range, a ticket twice, or SENT, which only a batch gives."""
    if len({outcome.hash for outcome in outcomes}) != len(outcomes):
        raise InvalidInput("two outcomes for one ticket")
    for outcome in outcomes:
        if outcome.state is TicketState.SENT:
            raise InvalidInput("SENT is no outcome: begin_batch sets it")
        if not 0 <= outcome.paid <= MAX_UINT256:
            raise InvalidInput(f"paid must be a uint256, got {outcome.paid}")


def refuse_unless_held(hash_: Hash32, state: TicketState | None) -> None:
    """Only a held ticket may enter a batch.

    :raises StoreError: unknown, in an open batch, or settled.
    """
    if state is None:
        raise StoreError(f"no ticket 0x{hash_.hex()} is stored")
    if state is TicketState.SENT:
        raise StoreError(f"ticket 0x{hash_.hex()} is already in an open batch")
    if state is not TicketState.HELD:
        raise StoreError(f"ticket 0x{hash_.hex()} is settled: {state.value}")


def mark_changes(outcome: TicketOutcome, state: TicketState | None) -> bool:
    """Whether evidence outside any batch moves a ticket now in `state`; False if it is already recorded.

    :raises StoreError: unknown, in an open batch, or the evidence contradicts a final state.
    """
    if state is None:
        raise StoreError(f"no ticket 0x{outcome.hash.hex()} is stored")
    if outcome.state in MARKS[state]:
        return True
    if outcome.state is state:
        return False
    where = "is in an open batch" if state is TicketState.SENT else f"is {state.value}"
    raise StoreError(f"ticket 0x{outcome.hash.hex()} {where}, cannot become {outcome.state.value}")


def settlement(
    tx_hash: Hash32, tickets: Sequence[Hash32], outcomes: Sequence[TicketOutcome]
) -> tuple[TicketOutcome, ...]:
    """One outcome per ticket of a batch, in its order; without evidence a ticket goes back to HELD.

    :raises StoreError: an outcome for a ticket that is not in the batch.
    """
    by_hash = {outcome.hash: outcome for outcome in outcomes}
    strangers = by_hash.keys() - set(tickets)
    if strangers:
        raise StoreError(f"ticket 0x{min(strangers).hex()} is not in batch 0x{tx_hash.hex()}")
    return tuple(by_hash.get(ticket) or _unproven(ticket, tx_hash) for ticket in tickets)


def _unproven(ticket: Hash32, tx_hash: Hash32) -> TicketOutcome:
    return TicketOutcome(ticket, TicketState.HELD, Wei(0), None, f"not redeemed by 0x{tx_hash.hex()}")
