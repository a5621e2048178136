"""Deadlines, outcomes and alarms of redemption (offchain-payments 16)."""

from fractions import Fraction

import pytest

from livepeer_client.facts import Log, Receipt, TicketOutcome, TicketState
from livepeer_client.policy.redemption import (
    Alarm,
    Alert,
    Reason,
    RedemptionPolicy,
    SimulationFailure,
    alarms_of,
    end_block,
    failed_simulation,
    plan,
    ran_out_of_gas,
    redeemed_in,
    window,
    window_alarms,
)
from livepeer_client.policy.redemption.refusals import NO_BLOCK_HASH
from livepeer_client.types import BlockNumber, Hash32, Wei
from tests.support.redemption import (
    FACE_VALUE,
    ROUND,
    ROUND_LENGTH,
    START,
    make_facts,
    make_stored,
    redeemed_log,
    transfer_log,
)

POLICY = RedemptionPolicy()


# --- windows --------------------------------------------------------------------------------------


def test_window__of_a_ticket__opens_after_its_params_and_closes_before_its_end() -> None:
    found = window(make_stored(params_expiration_block=START + 4).winner, make_facts(), POLICY)
    assert (found.opens, found.closes, found.ends) == (START + 6, START + 88, START + 100)


def test_end_block__of_a_sender_that_unlocks__is_where_it_may_withdraw() -> None:
    assert end_block(make_stored().winner.ticket, make_facts(withdraw_round=ROUND + 1)) == START + ROUND_LENGTH


@pytest.mark.parametrize(("block", "slack"), [(0, 1), (6, 1), (47, Fraction(1, 2)), (88, 0), (99, 0)])
def test_slack__over_the_window__falls_from_one_to_nothing(block: int, slack: Fraction) -> None:
    found = window(make_stored(params_expiration_block=START + 4).winner, make_facts(), POLICY)
    assert found.slack(BlockNumber(START + block)) == slack


def test_slack__of_a_window_that_closes_before_it_opens__is_nothing() -> None:
    winner = make_stored(params_expiration_block=START + 90).winner
    assert window(winner, make_facts(), POLICY).slack(BlockNumber(START)) == 0


@pytest.mark.parametrize(
    ("block", "shares"),
    [(44, []), (45, [Fraction(1, 2)]), (70, [Fraction(1, 2)]), (71, [Fraction(1, 2), Fraction(4, 5)])],
)
def test_window_alarms__over_the_window__come_at_half_and_four_fifths(block: int, shares: list[Fraction]) -> None:
    # It opens at block 2 and closes at 88.
    found = window_alarms([make_stored()], make_facts(block=START + block), POLICY)
    assert [alarm.share for alarm in found] == shares
    assert {alarm.alert for alarm in found} <= {Alert.WINDOW}


def test_alarms_of__outcomes__names_what_went_wrong_only() -> None:
    def outcome(number: int, state: TicketState) -> TicketOutcome:
        return TicketOutcome(Hash32(bytes([number]) * 32), state, Wei(0), None, "")

    states = (TicketState.PAID, TicketState.UNDERPAID, TicketState.EXPIRED, TicketState.USED_ELSEWHERE)
    found = alarms_of([], [outcome(number, state) for number, state in enumerate(states)])
    assert [alarm.alert for alarm in found] == [Alert.UNDERPAID, Alert.EXPIRED, Alert.USED_ELSEWHERE]


def test_alarms_of__the_same_twice__is_one_alarm() -> None:
    assert len({Alarm(Alert.EXPIRED, Hash32(bytes(32)), None, {"paid": number}) for number in range(2)}) == 1


# --- refusals -------------------------------------------------------------------------------------


def test_plan__refused_in_unknown_words_again_and_again__is_quarantined_until_its_deadline_nears() -> None:
    ticket = make_stored()
    failure: SimulationFailure | None = None
    block = BlockNumber(START)
    for _ in range(POLICY.quarantine_tries):
        failure = failed_simulation("words nobody expected", failure, block)
    assert failure is not None
    failures = {ticket.hash: failure}
    (decision,) = plan([ticket], make_facts(failures=failures, block=START + 85), POLICY).decisions
    assert decision.reason is Reason.QUARANTINED
    assert alarms_of([decision], [])[0].alert is Alert.QUARANTINED
    late = make_facts(failures=failures, block=START + 88)
    assert plan([ticket], late, POLICY).decisions[0].reason is Reason.FUNDED


def test_failed_simulation__without_a_block_hash__is_for_good_once_the_round_is_over() -> None:
    head = BlockNumber(START)
    assert not failed_simulation(NO_BLOCK_HASH, None, head).permanent
    assert failed_simulation(NO_BLOCK_HASH, None, head, creation_round_over=True).permanent


# --- outcomes -------------------------------------------------------------------------------------


def receipt(*logs: Log, gas_used: int = 10**6) -> Receipt:
    return Receipt(Hash32(bytes(32)), True, BlockNumber(1), gas_used, Wei(1), logs, Hash32(bytes(32)))


def claimed_log(amount: int) -> Log:
    return Log("TicketBroker", "ReserveClaimed", {"amount": amount}, BlockNumber(0), Hash32(bytes(32)), 0)


def test_redeemed_in__events_of_several_tickets__gives_each_its_amount_and_reserve_part() -> None:
    first, second, third = (make_stored(nonce) for nonce in (1, 2, 3))
    logs = [
        transfer_log(FACE_VALUE),
        redeemed_log(first.winner),
        claimed_log(7),
        transfer_log(9),
        redeemed_log(second.winner),
        redeemed_log(third.winner),
    ]
    found = [(entry.hash, entry.paid, entry.from_reserve) for entry in redeemed_in(receipt(*logs))]
    assert found == [(first.hash, FACE_VALUE, 0), (second.hash, 9, 7), (third.hash, 0, 0)]


@pytest.mark.parametrize(
    ("gas_used", "left_out", "suspected"), [(990_000, 1, True), (990_000, 0, False), (900_000, 1, False)]
)
def test_ran_out_of_gas__near_the_limit_with_tickets_left_out__is_suspected(
    gas_used: int, left_out: int, suspected: bool
) -> None:
    assert ran_out_of_gas(receipt(gas_used=gas_used), 10**6, left_out) is suspected
