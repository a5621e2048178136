"""When gas is cheap enough for whom (offchain-payments 16, Gas favourability)."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.errors import InvalidInput
from livepeer_client.facts import Calldata, DataCost, StoredTicket
from livepeer_client.policy.gas import GasPrices
from livepeer_client.policy.redemption import (
    Action,
    DataFees,
    Decision,
    Reason,
    RedemptionPolicy,
    accepted_share,
    compact_arguments,
    data_fees,
    is_cheap,
    plan,
    representative_calls,
)
from livepeer_client.types import Wei
from tests.support.redemption import (
    FACE_VALUE,
    GAS_PRICE,
    OTHER_SENDER,
    ROUND,
    ROUND_LENGTH,
    SENDER,
    START,
    make_facts,
    make_stored,
)

POLICY = RedemptionPolicy()
# Of a ticket in a batch, whose single redemption takes 100,000.
OWN_GAS = 100_000 - POLICY.single_extra_gas


def day(*prices: int) -> GasPrices:
    return GasPrices(tuple(Wei(price) for price in sorted(prices)), 86_400.0)


# A day in which all other prices were lower than the present one.
DEAR = day(*(GAS_PRICE * tenths // 10 for tenths in range(2, 11)))
# One of ten was.
CHEAP = day(*(GAS_PRICE * tenths // 10 for tenths in range(9, 19)))


def decide(*, policy: RedemptionPolicy = POLICY, ticket: Any = None, **facts: Any) -> Decision:
    (decision,) = plan([ticket or make_stored()], make_facts(**facts), policy).decisions
    return decision


# --- the day's prices -----------------------------------------------------------------------------


def test_is_cheap__without_prices__is_true() -> None:
    assert is_cheap(10**30, Fraction(1, 5), day())


def test_is_cheap__at_and_above_the_quantile__tells_them_apart() -> None:
    assert is_cheap(2, Fraction(1, 5), day(*range(1, 11)))
    assert not is_cheap(3, Fraction(1, 5), day(*range(1, 11)))


@pytest.mark.parametrize(("slack", "share"), [(1, Fraction(1, 5)), (Fraction(1, 2), Fraction(3, 5)), (0, 1)])
def test_accepted_share__over_the_window__rises_from_patience_to_any_price(slack: Fraction, share: Fraction) -> None:
    assert accepted_share(Fraction(slack), POLICY) == share


# --- waiting --------------------------------------------------------------------------------------


def test_plan__gas_dearer_than_most_of_the_day_with_time_left__waits_with_the_figures() -> None:
    decision = decide(prices=DEAR)
    assert (decision.action, decision.reason) == (Action.WAIT, Reason.GAS_UNFAVOURABLE)
    assert decision.figures["gas_price"] == GAS_PRICE
    assert isinstance(decision.figures["wanted"], int)
    assert decision.figures["wanted"] < GAS_PRICE


def test_plan__gas_as_cheap_as_the_lowest_fifth__redeems() -> None:
    assert decide(prices=CHEAP).action is Action.REDEEM


def test_plan__without_a_day_of_prices__does_not_wait() -> None:
    assert decide(prices=day()).action is Action.REDEEM


def test_plan__gas_dear_and_the_slack_spent__redeems() -> None:
    assert decide(prices=DEAR, block=START + 2 * ROUND_LENGTH - 12).action is Action.REDEEM


def test_plan__as_the_deadline_nears__accepts_ever_dearer_gas() -> None:
    price_of_day = day(*(GAS_PRICE * tenths // 10 for tenths in range(2, 22)))
    accepted = [decide(prices=price_of_day, block=START + block).action is Action.REDEEM for block in range(3, 88)]
    assert accepted == sorted(accepted)
    assert not accepted[0]
    assert accepted[-1]


def test_plan__gas_dear_and_the_sender_unlocking__redeems() -> None:
    assert decide(prices=DEAR, withdraw_round=ROUND + 1).action is Action.REDEEM


def test_plan__gas_dear_and_funds_short_of_the_senders_open_tickets__does_not_wait() -> None:
    tickets = [make_stored(nonce) for nonce in (1, 2)]
    enough = plan(tickets, make_facts(prices=DEAR, deposit=2 * FACE_VALUE), POLICY).decisions
    assert {decision.reason for decision in enough} == {Reason.GAS_UNFAVOURABLE}
    short = plan(tickets, make_facts(prices=DEAR, deposit=2 * FACE_VALUE - 1), POLICY).decisions
    assert [decision.reason for decision in short] == [Reason.FUNDED, Reason.FUNDS_SHORT]


def test_plan__a_full_batch_at_the_median__goes_at_once() -> None:
    tickets = [make_stored(nonce) for nonce in range(3)]
    median = day(GAS_PRICE - 2, GAS_PRICE - 1, GAS_PRICE, GAS_PRICE + 1, GAS_PRICE + 2)
    policy = RedemptionPolicy(batch_max=3)
    planned = plan(tickets, make_facts(prices=median), policy)
    assert [decision.action for decision in planned.decisions] == [Action.REDEEM] * 3
    one_short = plan(tickets[:2], make_facts(prices=median), policy).decisions
    assert {decision.reason for decision in one_short} == {Reason.GAS_UNFAVOURABLE}
    dearer = plan(tickets, make_facts(prices=median, gas_price=GAS_PRICE + 1), policy).decisions
    assert {decision.reason for decision in dearer} == {Reason.GAS_UNFAVOURABLE}


def test_plan__more_at_risk_than_the_limit__does_not_wait() -> None:
    tickets = [make_stored(nonce) for nonce in range(3)]
    for limit, action in ((3 * FACE_VALUE, Action.WAIT), (3 * FACE_VALUE - 1, Action.REDEEM)):
        planned = plan(tickets, make_facts(prices=DEAR), RedemptionPolicy(value_at_risk_limit=Wei(limit)))
        assert {decision.action for decision in planned.decisions} == {action}


def test_plan__one_urgent_ticket_among_patient_ones__goes_alone() -> None:
    urgent = make_stored(1, creation_round=ROUND - 1)
    patient = make_stored(2)
    planned = plan([patient, urgent], make_facts(prices=DEAR, block=START + 40), POLICY)
    assert [batch.tickets for batch in planned.batches] == [(urgent.hash,)]
    assert planned.batches[0].urgent


def test_plan__the_operator_wants_it_now__does_not_wait_for_gas_or_company() -> None:
    ticket = make_stored()
    facts, policy = make_facts(prices=DEAR), RedemptionPolicy(batch_min=5)
    (decision,) = plan([ticket], facts, policy, now={ticket.hash}).decisions
    assert decision.action is Action.REDEEM


def test_plan__the_operator_wants_it_now_above_the_ceiling__defers_all_the_same() -> None:
    ticket = make_stored()
    policy = RedemptionPolicy(max_gas_price=Wei(GAS_PRICE - 1))
    (decision,) = plan([ticket], make_facts(), policy, now={ticket.hash}).decisions
    assert decision.reason is Reason.GAS_PRICE


# --- cost -----------------------------------------------------------------------------------------


def test_plan__a_data_fee_beside_the_gas__counts_as_cost() -> None:
    gas_cost = (POLICY.overhead_gas + OWN_GAS) * GAS_PRICE
    ticket = make_stored(face_value=gas_cost + 10)
    gas = {ticket.hash: 100_000}
    assert decide(ticket=ticket, gas=gas, policy=RedemptionPolicy(data_fee=Wei(9))).action is Action.REDEEM
    decision = decide(ticket=ticket, gas=gas, policy=RedemptionPolicy(data_fee=Wei(10)))
    assert decision.reason is Reason.NOT_WORTH_GAS
    assert decision.figures["cost"] == gas_cost + 10


def test_plan__a_ticket_worth_it_only_in_company_that_stays_behind__defers() -> None:
    worth = (POLICY.overhead_gas // 2 + OWN_GAS) * GAS_PRICE + 1
    first, second = make_stored(1, face_value=worth), make_stored(2, face_value=worth)
    gas = {first.hash: 100_000, second.hash: 10**6}
    planned = plan([first, second], make_facts(gas=gas), POLICY)
    assert {decision.reason for decision in planned.decisions} == {Reason.NOT_WORTH_GAS}
    assert planned.batches == ()


values = st.integers(0, 10**15)


@given(st.lists(st.tuples(values, st.integers(20_000, 10**6)), max_size=12), st.integers(0, 2 * 10**9))
def test_plan__any_batch__every_ticket_pays_for_itself_in_it(terms: list[tuple[int, int]], gas_price: int) -> None:
    tickets = [make_stored(nonce, face_value=value) for nonce, (value, _) in enumerate(terms)]
    gas = {ticket.hash: estimate for ticket, (_, estimate) in zip(tickets, terms, strict=True)}
    planned = plan(tickets, make_facts(gas=gas, gas_price=gas_price), RedemptionPolicy(batch_max=4))
    by_hash = {ticket.hash: ticket.winner.ticket.face_value for ticket in tickets}
    for batch in planned.batches:
        for hash_ in batch.tickets:
            share = -(-POLICY.overhead_gas // len(batch.tickets))
            own = max(0, gas[hash_] - POLICY.single_extra_gas)
            assert by_hash[hash_] > (share + own) * gas_price


def test_plan__urgent_and_other_tickets__never_offer_more_than_the_others_ceiling() -> None:
    policy = RedemptionPolicy(max_gas_price=GAS_PRICE, urgent_max_gas_price=Wei(5 * GAS_PRICE))
    old, young = make_stored(1, creation_round=ROUND - 1), make_stored(2)
    (both,) = plan([old, young], make_facts(block=START + 40), policy).batches
    assert (len(both.tickets), both.max_gas_price) == (2, GAS_PRICE)
    (alone,) = plan([old], make_facts(block=START + 40), policy).batches
    assert alone.max_gas_price == 5 * GAS_PRICE


def test_plan__senders_with_recent_failures__go_in_batches_of_their_own() -> None:
    tickets = [make_stored(1), make_stored(2, sender=OTHER_SENDER), make_stored(3)]
    planned = plan(tickets, make_facts(suspects=frozenset({SENDER})), POLICY)
    assert [set(batch.tickets) for batch in planned.batches] == [
        {tickets[1].hash},
        {tickets[0].hash, tickets[2].hash},
    ]


# --- entry points ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compact", "values", "expected"),
    [
        (True, [5], Calldata.SINGLE),
        (True, [5, 5], Calldata.COMPACT),
        (True, [5, 6], Calldata.BATCH),
        (False, [5, 5], Calldata.BATCH),
    ],
)
def test_plan__tickets_of_one_batch__take_the_cheapest_entry_point(
    compact: bool, values: list[int], expected: Calldata
) -> None:
    tickets = [make_stored(nonce, face_value=value) for nonce, value in enumerate(values)]
    (batch,) = plan(tickets, make_facts(compact=compact), POLICY).batches
    assert batch.calldata is expected


def test_compact_arguments__carry_what_the_tickets_share_once_and_compact_signatures() -> None:
    winners = [make_stored(nonce).winner for nonce in range(8)]
    *shared, tickets = compact_arguments(winners)
    ticket = winners[0].ticket
    assert shared == [ticket.sender, ticket.recipient, ticket.face_value, ticket.win_prob, ticket.creation_round]
    for winner, (nonce, rand, r, vs) in zip(winners, tickets, strict=True):
        assert (nonce, rand, r) == (winner.ticket.sender_nonce, winner.recipient_rand, winner.sig[:32])
        top = vs[0] >> 7
        assert winner.sig == r + bytes([vs[0] & 0x7F]) + vs[1:] + bytes([27 + top])
    assert {winner.sig[64] for winner in winners} == {27, 28}


def test_compact_arguments__of_tickets_with_other_terms__are_refused() -> None:
    with pytest.raises(InvalidInput):
        compact_arguments([make_stored(1).winner, make_stored(2, creation_round=ROUND - 1).winner])


# --- bytes ----------------------------------------------------------------------------------------


def costs_of(gas_of_a_byte: int) -> list[DataCost]:
    """What a chain answers that charges every byte alike, at 3 wei per gas."""
    sizes = [len(load_abi(contract).function(name).encode(args)) for contract, name, args in representative_calls()]
    return [DataCost(gas_of_a_byte * size, Wei(3)) for size in sizes]


def test_data_fees__of_a_chain_that_does_not_charge_for_bytes__are_none() -> None:
    assert data_fees([]) is None


def test_data_fees__every_byte_alike__tell_a_tickets_own_bytes_from_the_common_ones() -> None:
    single, few, many = costs_of(5)
    found = data_fees([single, few, many])
    assert found is not None
    assert (found.single, found.gas) == (single.fee, single.gas)
    # Tuple with its round data 11 words, signature 5, secret 1.
    assert found.marginal == 17 * 32 * 5 * 3


def test_share__in_ever_larger_batches__falls_to_the_marginal_fee() -> None:
    fees = DataFees(single=Wei(1_000), marginal=Wei(400), gas=10)
    shares = [fees.share(size) for size in (1, 2, 7, 10**9)]
    assert shares == [1_000, 700, 486, 401]


def test_representative_calls__asked_twice__are_the_same_and_hard_to_compress() -> None:
    assert representative_calls() == representative_calls()
    encoded = [load_abi(contract).function(name).encode(args) for contract, name, args in representative_calls()]
    few, many = (len(zlib.compress(data, 9)) for data in encoded[1:])
    # Signature, secret, commitment and sender: 149 bytes of each ticket, and its probability.
    assert (many - few) / 10 > 181


@pytest.mark.parametrize(("worth", "action"), [(0, Action.DEFER), (1, Action.REDEEM)])
def test_plan__on_a_chain_that_charges_for_bytes__follows_the_formula(worth: int, action: Action) -> None:
    fees = DataFees(single=Wei(7 * 10**14), marginal=Wei(3 * 10**14), gas=40_000)
    # The node's estimate of 140,000 contains the 40,000 for bytes, which the data fee pays.
    cost = (POLICY.overhead_gas // 2 + OWN_GAS) * GAS_PRICE + 5 * 10**14
    tickets = [make_stored(nonce, face_value=cost + worth) for nonce in (1, 2)]
    gas = {ticket.hash: 140_000 for ticket in tickets}
    first = plan(tickets, make_facts(gas=gas, data=fees), POLICY).decisions[0]
    assert first.action is action
    if action is Action.REDEEM:
        assert (first.figures["cost"], first.figures["data_fee"]) == (cost, 5 * 10**14)


def test_plan__with_a_data_fee_of_the_operators__takes_that_instead_of_the_chains() -> None:
    fees = DataFees(single=Wei(7 * 10**14), marginal=Wei(3 * 10**14), gas=40_000)
    ticket = make_stored()
    gas = {ticket.hash: 140_000}
    for own in (0, 11):
        policy = RedemptionPolicy(data_fee=Wei(own))
        decision = decide(ticket=ticket, gas=gas, data=fees, policy=policy)
        assert decision.figures["cost"] == (POLICY.overhead_gas + OWN_GAS) * GAS_PRICE + own


# --- groups of the same terms ---------------------------------------------------------------------

GROUPS = RedemptionPolicy(compact_group=3)


def mixed(group: int, others: int) -> list[StoredTicket]:
    """Tickets of one sender that differ in nonce only, before some that differ in value."""
    like = [make_stored(nonce) for nonce in range(group)]
    return like + [make_stored(100 + nonce, face_value=FACE_VALUE - 1 - nonce) for nonce in range(others)]


def entry_points(tickets: Sequence[StoredTicket], policy: RedemptionPolicy = GROUPS, **facts: Any) -> list[Any]:
    gas = {ticket.hash: 100_000 for ticket in tickets}
    planned = plan(tickets, make_facts(**{"compact": True, "gas": gas, **facts}), policy)
    assert sorted(hash_ for batch in planned.batches for hash_ in batch.tickets) == sorted(t.hash for t in tickets)
    return [(batch.calldata, len(batch.tickets)) for batch in planned.batches]


def test_plan__a_large_group_of_the_same_terms_among_others__goes_apart() -> None:
    assert entry_points(mixed(3, 2)) == [(Calldata.COMPACT, 3), (Calldata.BATCH, 2)]
    assert entry_points(mixed(4, 1)) == [(Calldata.COMPACT, 4), (Calldata.SINGLE, 1)]


def test_plan__a_group_of_the_same_terms_that_is_too_small__stays_in_the_batch() -> None:
    assert entry_points(mixed(2, 3)) == [(Calldata.BATCH, 5)]
    assert entry_points(mixed(16, 4), POLICY) == [(Calldata.BATCH, 20)]
    assert entry_points(mixed(17, 3), POLICY) == [(Calldata.COMPACT, 17), (Calldata.BATCH, 3)]


def test_plan__a_large_group_on_a_broker_without_the_compact_call__stays_in_the_batch() -> None:
    assert entry_points(mixed(3, 2), compact=False) == [(Calldata.BATCH, 5)]


def test_plan__a_large_group_and_no_room_for_another_transaction__stays_in_the_batch() -> None:
    assert entry_points(mixed(3, 2), open=GROUPS.max_open - 1) == [(Calldata.BATCH, 5)]


def test_plan__a_large_group_and_too_few_others_for_a_batch__stays_in_the_batch() -> None:
    assert entry_points(mixed(3, 2), replace(GROUPS, batch_min=3)) == [(Calldata.BATCH, 5)]


def test_plan__a_large_group_whose_leaving_would_make_another_ticket_not_pay__stays_in_the_batch() -> None:
    # It pays for a fifth of the overhead, not for all of it.
    poor = make_stored(200, face_value=(POLICY.overhead_gas // 5 + OWN_GAS) * GAS_PRICE + 1)
    tickets = [*mixed(4, 0), poor]
    assert entry_points(tickets) == [(Calldata.BATCH, 5)]


def test_plan__a_large_group_behind_an_urgent_ticket__goes_after_it() -> None:
    urgent = make_stored(200, creation_round=ROUND - 1)
    found = entry_points([*mixed(3, 0), urgent], block=START + 40)
    assert found == [(Calldata.SINGLE, 1), (Calldata.COMPACT, 3)]
