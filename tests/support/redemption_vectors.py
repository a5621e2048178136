"""What each vector about redemption claims, asserted against the library."""

from dataclasses import replace
from typing import Final

from livepeer_client.policy.redemption import (
    Action,
    Reason,
    RedemptionPolicy,
    Refusal,
    classify,
    plan,
)
from tests.support.redemption import ACTIVE, RECIPIENT, make_facts, make_stored
from tests.support.vectors import Check, Entry, Excluded

_REDEMPTION: Final = "redemption"
# The reference names one of its own look-ups where the contract says:
_CONTRACT_WORDS: Final = {"ticket already used": "ticket is used"}


def check_redeem_precheck(entry: Entry) -> None:
    """Neither funds nor face value may be below the cost of the transaction."""
    ticket = make_stored(face_value=int(entry["faceValue"]))
    facts = make_facts(
        deposit=int(entry["availableFunds"]),
        gas_price=int(entry["gasPrice"]),
        gas={ticket.hash: int(entry["redeemGas"])},
    )
    (decision,) = plan([ticket], facts, RedemptionPolicy(overhead_gas=0, single_extra_gas=0)).decisions
    cost = int(entry["redeemGas"]) * int(entry["gasPrice"])
    assert (decision.figures["available"], decision.figures["cost"]) == (int(entry["availableFunds"]), cost)
    if "errorContains" not in entry:
        assert decision.action is Action.REDEEM
        return
    # One reason here: what a redemption brings, the face value as far as it is funded, does not exceed the cost.
    assert decision.reason is Reason.NOT_WORTH_GAS
    funds_short = int(entry["availableFunds"]) <= cost
    assert entry["errorContains"] == ("insufficient sender funds" if funds_short else "insufficient ticket face value")


def check_queue_errors(entry: Entry) -> None:
    """Which failures take a ticket out of the queue."""
    refusal = classify(_CONTRACT_WORDS.get(entry["error"], entry["error"]))
    assert (refusal is not Refusal.TRANSIENT) == entry["markedRedeemed"]


def check_queue_order(entry: Entry) -> None:
    """Ten tickets whose params have expired, one whose have not: the ten go, oldest first."""
    expired = entry["redeemedNoncesInOrder"]
    tickets = [make_stored(nonce, params_expiration_block=0, creation_round=0) for nonce in expired]
    tickets.append(make_stored(len(expired), params_expiration_block=100, creation_round=0))
    planned = plan(tickets, make_facts(block=1), RedemptionPolicy(params_margin_blocks=0))
    (batch,) = planned.batches
    by_hash = {ticket.hash: ticket.winner.ticket.sender_nonce for ticket in tickets}
    assert [by_hash[hash_] for hash_ in batch.tickets] == expired
    assert len(tickets) - len(batch.tickets) == entry["leftInQueue"]
    assert {decision.reason for decision in planned.decisions[len(expired) :]} == {Reason.PARAMS_VALID}


def check_queue_recipient_active(entry: Entry) -> None:
    """A recipient that cannot be credited keeps its tickets waiting."""
    state = replace(ACTIVE, active=entry["storeActive"], registered=entry["storeActive"])
    (decision,) = plan([make_stored()], make_facts(recipients={RECIPIENT: state}), RedemptionPolicy()).decisions
    assert (decision.action is Action.REDEEM) == entry["expected"]


CHECKS: dict[str, Check] = {
    "redeem_precheck": check_redeem_precheck,
    "queue_errors": check_queue_errors,
    "queue_order": check_queue_order,
    "queue_recipient_active": check_queue_recipient_active,
}

EXCLUDED: Excluded = {
    ("queue_errors", "#1"): "a mined revert drops a good ticket in the reference; here it is redeemed again",
    (
        "queue_errors",
        "#2",
    ): "dropped for ever in the reference; here only once the round is over and the hash can never come",
    (
        "queue_recipient_active",
        "#2",
    ): "read with everything else of a plan; if that fails the step is tried again",
}
