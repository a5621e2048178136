"""Which winners are redeemed, when, in which order, and how outcomes are read (offchain-payments 16)."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.errors import InvalidInput
from livepeer_client.facts import Log, Receipt, TicketState
from livepeer_client.policy.redemption import (
    REFUSALS,
    Action,
    Decision,
    Reason,
    RedemptionPolicy,
    Refusal,
    SimulationFailure,
    batch_arguments,
    batch_gas_limit,
    classify,
    deadline_block,
    failed_simulation,
    gas_bound,
    is_urgent,
    outcomes_of,
    plan,
    redeem_arguments,
)
from livepeer_client.types import BlockNumber, Hash32, Wei
from tests.support.redemption import (
    ACTIVE,
    BLOCK_HASH,
    FACE_VALUE,
    GAS_PRICE,
    OTHER_RECIPIENT,
    OTHER_SENDER,
    RECIPIENT,
    ROUND,
    ROUND_LENGTH,
    SENDER,
    START,
    make_facts,
    make_round,
    make_stored,
    redeemed_log,
    transfer_log,
)

POLICY = RedemptionPolicy()
# Of a ticket in a batch, whose single redemption takes 100,000.
OWN_GAS = 100_000 - POLICY.single_extra_gas


def decide(ticket: Any = None, policy: RedemptionPolicy = POLICY, **facts: Any) -> Decision:
    (decision,) = plan([ticket or make_stored()], make_facts(**facts), policy).decisions
    return decision


# --- ready ----------------------------------------------------------------------------------------


def test_plan__a_ready_and_funded_ticket__redeems_it() -> None:
    decision = decide()
    assert (decision.action, decision.reason) == (Action.REDEEM, Reason.FUNDED)


def test_plan__params_that_could_still_be_accepted__wait() -> None:
    ticket = make_stored(params_expiration_block=START + 9)
    assert decide(ticket, block=START + 10).reason is Reason.PARAMS_VALID
    assert decide(ticket, block=START + 11).action is Action.REDEEM


def test_plan__a_round_nobody_opened__waits() -> None:
    decision = decide(round_state=make_round(initialized=False))
    assert (decision.action, decision.reason) == (Action.WAIT, Reason.ROUND_NOT_INITIALIZED)


def test_plan__in_the_last_usable_round__redeems() -> None:
    assert decide(block=START + ROUND_LENGTH).action is Action.REDEEM


def test_plan__after_the_last_usable_round__expires() -> None:
    decision = decide(block=START + 2 * ROUND_LENGTH)
    assert (decision.action, decision.reason) == (Action.EXPIRE, Reason.VALIDITY_OVER)
    assert decision.figures == {"round": ROUND + 2, "last_round": ROUND + 1}


def test_plan__after_the_last_usable_round_while_uninitialized__expires_all_the_same() -> None:
    state = make_round(ROUND + 2, initialized=False)
    assert decide(round_state=state).action is Action.EXPIRE


def test_plan__a_ticket_of_a_later_round__waits() -> None:
    assert decide(make_stored(creation_round=ROUND + 1)).reason is Reason.CREATED_LATER


def test_plan__a_recipient_that_is_not_registered__waits() -> None:
    recipients = {RECIPIENT: replace(ACTIVE, registered=False)}
    assert decide(recipients=recipients).reason is Reason.RECIPIENT_UNREGISTERED


def test_plan__a_sender_that_is_unlocked__defers() -> None:
    decision = decide(withdraw_round=ROUND)
    assert (decision.action, decision.reason) == (Action.DEFER, Reason.SENDER_UNLOCKED)


def test_plan__a_sender_that_unlocks_later__redeems_urgently() -> None:
    decision = decide(withdraw_round=ROUND + 1)
    assert decision.action is Action.REDEEM
    assert decision.figures["urgent"]


# --- deadlines ------------------------------------------------------------------------------------


def test_deadline_block__of_a_ticket__is_the_end_of_its_last_round_less_the_safety() -> None:
    # Two rounds of validity; the safety of 50 blocks is capped at a quarter of a round.
    assert deadline_block(make_stored().winner.ticket, make_facts(), POLICY) == START + 2 * ROUND_LENGTH - 12


def test_deadline_block__of_a_sender_that_unlocks__is_the_end_of_the_round_before() -> None:
    facts = make_facts(withdraw_round=ROUND + 1)
    assert deadline_block(make_stored().winner.ticket, facts, POLICY) == START + ROUND_LENGTH - 12


def test_is_urgent__from_the_deadline_on__is_true() -> None:
    ticket = make_stored().winner.ticket
    assert not is_urgent(ticket, make_facts(block=START + 87), POLICY)
    assert is_urgent(ticket, make_facts(block=START + 88), POLICY)


def test_plan__tickets_of_several_ages__orders_by_deadline_then_face_value() -> None:
    tickets = [
        make_stored(1, face_value=10**16),
        make_stored(2, face_value=3 * 10**16),
        make_stored(3, face_value=10**15, creation_round=ROUND - 1),
        make_stored(4, face_value=2 * 10**16),
    ]
    decisions = plan(tickets, make_facts(), POLICY).decisions
    order = [tickets[i].hash for i in (2, 1, 3, 0)]
    assert [decision.hash for decision in decisions] == order


# --- funds ----------------------------------------------------------------------------------------


def test_plan__a_face_value_of_all_there_is__redeems() -> None:
    assert decide(deposit=FACE_VALUE - 5, claimable=5).action is Action.REDEEM


def test_plan__a_face_value_above_all_there_is__defers_with_the_figures() -> None:
    decision = decide(deposit=FACE_VALUE - 5, claimable=4)
    assert (decision.action, decision.reason) == (Action.DEFER, Reason.FUNDS_SHORT)
    assert decision.figures["available"] == FACE_VALUE - 1
    assert decision.figures["face_value"] == FACE_VALUE


def test_plan__funds_for_one_of_two__redeems_the_larger() -> None:
    small, large = make_stored(1, face_value=6), make_stored(2, face_value=7)
    first, second = plan([small, large], make_facts(deposit=10), POLICY).decisions
    assert (first.hash, first.action) == (large.hash, Action.REDEEM)
    assert (second.hash, second.reason) == (small.hash, Reason.FUNDS_SHORT)


def test_plan__a_deposit_shared_by_two_recipients__is_spent_once() -> None:
    tickets = [make_stored(1, face_value=7), make_stored(2, face_value=7, recipient=OTHER_RECIPIENT)]
    decisions = plan(tickets, make_facts(deposit=7, claimable=6), POLICY).decisions
    assert sorted(decision.action.value for decision in decisions) == ["defer", "redeem"]


def test_plan__another_senders_shortage__does_not_matter() -> None:
    poor, rich = make_stored(1), make_stored(2, sender=OTHER_SENDER)
    facts = make_facts()
    facts = replace(facts, senders={**facts.senders, SENDER: replace(facts.senders[SENDER], deposit=Wei(0))})
    first, second = plan([poor, rich], facts, POLICY).decisions
    assert (first.hash, first.action) == (rich.hash, Action.REDEEM)
    assert (second.hash, second.action) == (poor.hash, Action.DEFER)


def test_plan__money_already_in_flight__is_not_spent_twice() -> None:
    in_flight = {SENDER: FACE_VALUE}
    assert decide(deposit=2 * FACE_VALUE - 1, in_flight=in_flight).reason is Reason.FUNDS_SHORT
    assert decide(deposit=2 * FACE_VALUE, in_flight=in_flight).action is Action.REDEEM


def test_plan__money_in_flight_beyond_the_deposit__counts_against_the_reserve() -> None:
    in_flight = {SENDER: FACE_VALUE}
    assert decide(deposit=0, claimable=2 * FACE_VALUE - 1, in_flight=in_flight).reason is Reason.FUNDS_SHORT
    assert decide(deposit=0, claimable=2 * FACE_VALUE, in_flight=in_flight).action is Action.REDEEM


def test_plan__partial_funds_at_the_deadline__redeems_what_there_is() -> None:
    decision = decide(block=START + 90, deposit=FACE_VALUE // 2)
    assert (decision.action, decision.reason) == (Action.REDEEM, Reason.PARTIAL)
    assert decision.figures["value"] == FACE_VALUE // 2


def test_plan__partial_funds_at_the_deadline_unwanted__defers() -> None:
    policy = RedemptionPolicy(accept_partial=False)
    assert decide(policy=policy, block=START + 90, deposit=FACE_VALUE // 2).reason is Reason.FUNDS_SHORT


# --- gas ------------------------------------------------------------------------------------------


def test_plan__a_ticket_worth_more_than_its_cost__redeems() -> None:
    ticket = make_stored()
    cost = (POLICY.overhead_gas + OWN_GAS) * GAS_PRICE
    ticket = make_stored(face_value=cost + 1)
    decision = decide(ticket, gas={ticket.hash: 100_000})
    assert decision.action is Action.REDEEM
    assert decision.figures["cost"] == cost


def test_plan__a_ticket_worth_its_cost__defers() -> None:
    ticket = make_stored(face_value=(POLICY.overhead_gas + OWN_GAS) * GAS_PRICE)
    assert decide(ticket, gas={ticket.hash: 100_000}).reason is Reason.NOT_WORTH_GAS


def test_plan__two_tickets__share_the_overhead() -> None:
    worth = (POLICY.overhead_gas // 2 + OWN_GAS) * GAS_PRICE + 1
    tickets = [make_stored(nonce, face_value=worth) for nonce in (1, 2)]
    decisions = plan(tickets, make_facts(gas={ticket.hash: 100_000 for ticket in tickets}), POLICY).decisions
    assert [decision.action for decision in decisions] == [Action.REDEEM, Action.REDEEM]


def test_plan__a_gas_price_above_the_ceiling__defers() -> None:
    policy = RedemptionPolicy(max_gas_price=Wei(GAS_PRICE - 1))
    assert decide(policy=policy).reason is Reason.GAS_PRICE
    assert decide(policy=RedemptionPolicy(max_gas_price=GAS_PRICE)).action is Action.REDEEM


def test_plan__a_gas_price_above_the_ceiling_at_the_deadline__yields_to_the_urgent_ceiling_only() -> None:
    ceiling = Wei(GAS_PRICE - 1)
    yielding = RedemptionPolicy(max_gas_price=ceiling, urgent_max_gas_price=GAS_PRICE)
    assert decide(policy=yielding, block=START + 90).action is Action.REDEEM
    assert decide(policy=RedemptionPolicy(max_gas_price=ceiling), block=START + 90).reason is Reason.GAS_PRICE


def test_gas_bound__is_a_quarter_more_than_the_estimate_rounded_up() -> None:
    assert [gas_bound(estimate) for estimate in (100, 101, 0)] == [125, 127, 0]


@given(st.lists(st.integers(0, 10**7), max_size=100))
def test_batch_gas_limit__leaves_each_call_its_bound(bounds: list[int]) -> None:
    limit = batch_gas_limit(bounds, POLICY) - POLICY.overhead_gas
    assert limit * 63 >= sum(bounds) * 64
    assert (limit - 1) * 63 < sum(bounds) * 64 or not sum(bounds)


# --- batches --------------------------------------------------------------------------------------


def test_plan__more_than_fit_into_a_batch__wait_for_the_next() -> None:
    tickets = [make_stored(nonce) for nonce in range(5)]
    decisions = plan(tickets, make_facts(), RedemptionPolicy(batch_max=3, max_open=1)).decisions
    assert [decision.action for decision in decisions] == [Action.REDEEM] * 3 + [Action.WAIT] * 2
    assert {decision.reason for decision in decisions[3:]} == {Reason.BATCH_FULL}


def test_plan__more_gas_than_the_budget__waits_for_the_next() -> None:
    tickets = [make_stored(nonce) for nonce in range(3)]
    policy = RedemptionPolicy(gas_budget=2_600_000, max_open=1)
    planned = plan(tickets, make_facts(), policy)
    assert [decision.action for decision in planned.decisions].count(Action.REDEEM) == 2
    assert [len(batch.tickets) for batch in planned.batches] == [2]


def test_plan__fewer_than_wanted__wait_unless_urgent() -> None:
    policy = RedemptionPolicy(batch_min=2)
    assert decide(policy=policy).reason is Reason.BATCH_SMALL
    assert decide(policy=policy, block=START + 90).action is Action.REDEEM
    both = plan([make_stored(1), make_stored(2)], make_facts(), policy).decisions
    assert [decision.action for decision in both] == [Action.REDEEM] * 2


def test_plan__a_failed_simulation__defers_until_its_block() -> None:
    ticket = make_stored()
    failures = {ticket.hash: SimulationFailure("unknown", False, 1, BlockNumber(START + 11))}
    assert decide(ticket, failures=failures, block=START + 10).reason is Reason.SIMULATION
    assert decide(ticket, failures=failures, block=START + 11).action is Action.REDEEM


def test_plan__a_simulation_that_failed_for_good__defers_for_ever() -> None:
    ticket = make_stored()
    failures = {ticket.hash: SimulationFailure("ticket did not win", True, 1, BlockNumber(START))}
    assert decide(ticket, failures=failures, block=START + 90).reason is Reason.INVALID


amounts = st.integers(1, 40)


@given(
    st.lists(
        st.tuples(amounts, st.sampled_from([SENDER, OTHER_SENDER]), st.sampled_from([RECIPIENT, OTHER_RECIPIENT]))
    ),
    st.integers(0, 100),
    st.integers(0, 50),
    st.integers(1, 6),
)
def test_plan__any_tickets__never_overdraws_and_decides_each_once(
    terms: list[Any], deposit: int, claimable: int, batch_max: int
) -> None:
    tickets = [
        make_stored(nonce, face_value=value, sender=sender, recipient=recipient)
        for nonce, (value, sender, recipient) in enumerate(terms)
    ]
    facts = make_facts(deposit=deposit, claimable=claimable, gas_price=0)
    planned = plan(tickets, facts, RedemptionPolicy(batch_max=batch_max))
    decisions = planned.decisions
    assert sorted(decision.hash for decision in decisions) == sorted(ticket.hash for ticket in tickets)
    chosen = {decision.hash for decision in decisions if decision.action is Action.REDEEM}
    assert all(len(batch.tickets) <= batch_max for batch in planned.batches)
    assert sorted(hash_ for batch in planned.batches for hash_ in batch.tickets) == sorted(chosen)
    for sender in (SENDER, OTHER_SENDER):
        drawn = dict.fromkeys((RECIPIENT, OTHER_RECIPIENT), 0)
        for ticket in tickets:
            if ticket.hash in chosen and ticket.winner.ticket.sender == sender:
                drawn[ticket.winner.ticket.recipient] += ticket.winner.ticket.face_value
        assert sum(drawn.values()) <= deposit + sum(min(claimable, amount) for amount in drawn.values())


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_max": 0},
        {"batch_max": 101},
        {"batch_min": 0},
        {"batch_min": 21},
        {"safety_blocks": -1},
        {"gas_budget": 1_000_000},
        {"max_open": 0},
        {"patience": Fraction(0)},
        {"alarm_shares": (Fraction(1),)},
    ],
)
def test_redemption_policy__that_could_not_work__is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        RedemptionPolicy(**settings)  # type: ignore[arg-type]


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        ("ticket is used", Refusal.USED),
        ("ticket did not win", Refusal.PERMANENT),
        ("ticket is expired", Refusal.PERMANENT),
        ("transcoder must be active", Refusal.TRANSIENT),
        ("sender is unlocked", Refusal.TRANSIENT),
        ("words nobody expected", Refusal.TRANSIENT),
        ("", Refusal.TRANSIENT),
    ],
)
def test_classify__a_reason__says_whether_it_can_change(reason: str, refusal: Refusal) -> None:
    assert classify(reason) is refusal


def test_failed_simulation__for_a_known_passing_reason__tries_at_the_next_block() -> None:
    assert "system is paused" in REFUSALS
    failure = failed_simulation("system is paused", None, BlockNumber(10))
    assert failure == SimulationFailure("system is paused", False, 1, BlockNumber(11))


def test_failed_simulation__for_unknown_reasons__pauses_twice_as_long_each_time_up_to_a_limit() -> None:
    failure = None
    pauses = []
    for _ in range(9):
        failure = failed_simulation("?", failure, BlockNumber(0))
        pauses.append(failure.retry_block)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 64, 64]


# --- arguments and outcomes -----------------------------------------------------------------------


def test_redeem_arguments__follow_the_contracts_order() -> None:
    winner = make_stored(3).winner
    terms, sig, rand = redeem_arguments(winner)
    aux = ROUND.to_bytes(32, "big") + BLOCK_HASH
    ticket = winner.ticket
    assert terms == (RECIPIENT, SENDER, FACE_VALUE, ticket.win_prob, 3, ticket.recipient_rand_hash, aux)
    assert (sig, rand) == (winner.sig, winner.recipient_rand)
    assert batch_arguments([winner]) == ([terms], [sig], [rand])


def receipt(*logs: Log) -> Receipt:
    return Receipt(Hash32(b"\x61" * 32), True, BlockNumber(1), 1, GAS_PRICE, logs, Hash32(b"\x62" * 32))


def test_outcomes_of__a_ticket_paid_in_full__is_paid() -> None:
    ticket = make_stored()
    (outcome,), rest = outcomes_of(receipt(transfer_log(FACE_VALUE), redeemed_log(ticket.winner)), [ticket])
    assert (outcome.hash, outcome.state, outcome.paid) == (ticket.hash, TicketState.PAID, FACE_VALUE)
    assert outcome.tx_hash == b"\x61" * 32
    assert rest == []


def test_outcomes_of__a_ticket_paid_in_part__is_underpaid() -> None:
    ticket = make_stored()
    (outcome,), _ = outcomes_of(receipt(transfer_log(FACE_VALUE - 1), redeemed_log(ticket.winner)), [ticket])
    assert (outcome.state, outcome.paid) == (TicketState.UNDERPAID, FACE_VALUE - 1)


def test_outcomes_of__a_ticket_without_transfer__is_underpaid_with_nothing() -> None:
    first, second = make_stored(1), make_stored(2)
    logs = [transfer_log(FACE_VALUE), redeemed_log(first.winner), redeemed_log(second.winner)]
    outcomes, _ = outcomes_of(receipt(*logs), [first, second])
    assert [(outcome.state, outcome.paid) for outcome in outcomes] == [
        (TicketState.PAID, FACE_VALUE),
        (TicketState.UNDERPAID, 0),
    ]


def test_outcomes_of__a_ticket_the_receipt_is_silent_about__is_left() -> None:
    redeemed, silent, foreign = make_stored(1), make_stored(2), make_stored(3)
    logs = [transfer_log(1), redeemed_log(foreign.winner), transfer_log(FACE_VALUE), redeemed_log(redeemed.winner)]
    outcomes, rest = outcomes_of(receipt(*logs), [redeemed, silent])
    assert [outcome.hash for outcome in outcomes] == [redeemed.hash]
    assert rest == [silent]


def test_outcomes_of__events_of_other_contracts__are_ignored() -> None:
    ticket = make_stored()
    logs = [replace(log, contract="Other") for log in (transfer_log(FACE_VALUE), redeemed_log(ticket.winner))]
    assert outcomes_of(receipt(*logs), [ticket]) == ([], [ticket])


def test_outcomes_of__a_foreign_ticket_with_figures_ours_never_have__is_ignored() -> None:
    ticket = make_stored()
    strange = redeemed_log(ticket.winner)
    strange = replace(strange, args={**strange.args, "senderNonce": 2**40})
    short = replace(strange, args={**strange.args, "senderNonce": 1, "auxData": b"short"})
    assert outcomes_of(receipt(strange, short), [ticket]) == ([], [ticket])
