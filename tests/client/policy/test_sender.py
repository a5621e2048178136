"""A gateway's checks of a quote, its nonces and its payments (offchain-payments 4, invariants 9 and 11)."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.ticket import TicketParams
from livepeer_client.errors import InvalidInput, LocalProtocolError, ParamsRejected
from livepeer_client.policy.balance import Balance
from livepeer_client.policy.sender import (
    MAX_NONCES,
    REFRESH_NONCE,
    QuoteInUse,
    RenewalMargins,
    RenewalReason,
    SenderAccount,
    SenderLimits,
    SenderSession,
    Staged,
    build_payment,
    check_params,
    renewal_due,
    stage_payment,
)
from livepeer_client.types import MAX_WIN_PROB, BlockNumber, Round
from tests.support.payments import (
    EXPIRATION,
    GATEWAY,
    HEAD,
    PRICE,
    Recipient,
    make_config,
    make_params,
    make_quote,
    make_sender_info,
    sign_ticket,
)

ACCOUNT = SenderAccount(make_sender_info(deposit=1_000, reserve=1_000), Round(5))
LIMITS = SenderLimits(Fraction(100), Fraction(500))
GOOD = make_params(1_000, MAX_WIN_PROB // 10)  # a little under 100 wei each


def _check(params: TicketParams = GOOD, *, account: SenderAccount = ACCOUNT, tickets: int = 1) -> None:
    check_params(params, account=account, limits=LIMITS, last_seen_l1_block=HEAD, tickets=tickets)


def _reason(
    params: TicketParams | None = GOOD, *, account: SenderAccount = ACCOUNT, tickets: int = 1
) -> ParamsRejected:
    with pytest.raises(ParamsRejected) as rejection:
        _check(params, account=account, tickets=tickets)
    return rejection.value


def _with_info(**changes: int) -> SenderAccount:
    return replace(ACCOUNT, info=replace(ACCOUNT.info, **changes))  # type: ignore[arg-type]


def test_check_params__good_quote__passes() -> None:
    _check()


def test_check_params__fresh_quote_of_the_recipient__passes_forty_blocks_before_it_expires() -> None:
    params = make_quote()
    _check(replace(params, face_value=GOOD.face_value, win_prob=GOOD.win_prob))
    assert params.expiration_block - HEAD == 40


def test_check_params__two_blocks_left__passes() -> None:
    _check(replace(GOOD, expiration_block=BlockNumber(HEAD + 2)))


def test_check_params__one_block_left__is_expired_and_wants_a_refresh() -> None:
    rejection = _reason(replace(GOOD, expiration_block=BlockNumber(HEAD + 1)))
    assert rejection.reason == "TicketParams expired"
    assert rejection.refresh
    assert rejection.figures == {"expiration_block": HEAD + 1, "last_seen_l1_block": HEAD}


def test_check_params__unlock_two_rounds_ahead__passes_and_one_round_ahead_does_not() -> None:
    _check(account=_with_info(withdraw_round=7))
    assert _reason(account=_with_info(withdraw_round=6)).figures["withdraw_round"] == 6


def test_check_params__reserve_all_claimed_this_round__counts_as_a_reserve() -> None:
    _check(account=_with_info(reserve=0, claimed_in_current_round=1))
    assert _reason(account=_with_info(reserve=0)).reason == "no sender reserve"


def test_check_params__limits_met_exactly__pass() -> None:
    exact = make_params(300, MAX_WIN_PROB // 3)  # exactly 100 wei: 2**256 - 1 is divisible by 3
    _check(exact, tickets=5)
    _check(exact, account=_with_info(deposit=300))


def test_check_params__limits_exceeded__are_rejected_with_figures() -> None:
    exact = make_params(300, MAX_WIN_PROB // 3)
    assert _reason(make_params(303, MAX_WIN_PROB // 3)).figures == {"ev": 101, "max_ev": 100}
    assert _reason(exact, tickets=6).figures == {"total_ev": 600, "tickets": 6, "max_total_ev": 500}
    assert _reason(exact, account=_with_info(deposit=299)).figures == {
        "face_value": 300,
        "max_face_value": 299,
        "deposit": 299,
    }


def test_check_params__certain_win__is_rejected() -> None:
    assert _reason(make_params(50, MAX_WIN_PROB)).reason == "ticket faceValue too low"


def test_check_params__worthless_ticket__passes_whatever_the_account() -> None:
    _check(make_params(0, 0), account=_with_info(deposit=0, reserve=0))


@pytest.mark.parametrize("change", [{"max_ev": 0}, {"max_total_ev": 0}, {"deposit_multiplier": 0}], ids=str)
def test_sender_limits__not_positive__are_refused(change: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        replace(LIMITS, **change)  # type: ignore[arg-type]


# --- nonces ---------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 60), max_size=10))
def test_draw__any_batches__have_nonces_contiguous_from_1(sizes: list[int]) -> None:
    session = SenderSession.start(GATEWAY, GOOD, EXPIRATION)
    drawn: list[int] = []
    for size in sizes:
        session, tickets = session.draw(size)
        drawn.extend(ticket.sender_nonce for ticket in tickets)
    assert drawn == list(range(1, sum(sizes) + 1))
    assert session.last_nonce == sum(sizes)


def test_draw__up_to_the_last_nonce__works_and_one_more_wants_a_refresh() -> None:
    session = replace(SenderSession.start(GATEWAY, GOOD, EXPIRATION), last_nonce=MAX_NONCES - 1)
    session, tickets = session.draw(1)
    assert [ticket.sender_nonce for ticket in tickets] == [600]
    with pytest.raises(ParamsRejected) as rejection:
        session.draw(1)
    assert rejection.value.refresh


def test_draw__more_than_any_quote_allows__names_the_expected_value_that_is_too_low() -> None:
    with pytest.raises(ParamsRejected, match="ticket_ev_wei") as rejection:
        SenderSession.start(GATEWAY, GOOD, EXPIRATION).draw(MAX_NONCES + 1)
    assert rejection.value.figures["ticket_ev"] == GOOD.expected_value


def test_draw__negative_count__is_refused() -> None:
    with pytest.raises(InvalidInput):
        SenderSession.start(GATEWAY, GOOD, EXPIRATION).draw(-1)


# --- renewal --------------------------------------------------------------------------------------

FRESH = QuoteInUse(BlockNumber(1_040), 0.0, BlockNumber(1_000), 1_800.0, 0)


def _due(quote: QuoteInUse = FRESH, *, block: int = 1_001, now_s: float = 12.0) -> RenewalReason | None:
    due = renewal_due(quote, RenewalMargins(), block=BlockNumber(block), now_s=now_s)
    return None if due is None else due.reason


def test_renewal_due__fresh_quote__is_not() -> None:
    assert _due() is None


@pytest.mark.parametrize(("last_nonce", "due"), [(REFRESH_NONCE - 1, None), (REFRESH_NONCE, RenewalReason.NONCES)])
def test_renewal_due__near_the_500th_nonce__turns_true(last_nonce: int, due: RenewalReason | None) -> None:
    assert _due(replace(FRESH, last_nonce=last_nonce)) is due


@pytest.mark.parametrize(("block", "due"), [(1_034, None), (1_035, RenewalReason.BLOCKS)])
def test_renewal_due__five_blocks_left__turns_true(block: int, due: RenewalReason | None) -> None:
    assert _due(block=block) is due


@pytest.mark.parametrize(("now_s", "due"), [(449.0, None), (450.0, RenewalReason.SECONDS)])
def test_renewal_due__head_that_stands_still__goes_by_the_clock(now_s: float, due: RenewalReason | None) -> None:
    assert _due(now_s=now_s) is due


@pytest.mark.parametrize(("now_s", "due"), [(1_619.0, None), (1_620.0, RenewalReason.TOKEN)])
def test_renewal_due__last_tenth_of_the_auth_token__turns_true(now_s: float, due: RenewalReason | None) -> None:
    assert _due(replace(FRESH, expiration_block=BlockNumber(2_000)), now_s=now_s) is due


def test_drawn_tickets__any_run__hashes_as_its_tickets_do() -> None:
    _, tickets = SenderSession.start(GATEWAY, GOOD, EXPIRATION).draw(5)
    assert list(tickets.hashes()) == [ticket.hash for ticket in tickets]
    assert [ticket.sender_nonce for ticket in tickets[1:3]] == [2, 3]


# --- payments -------------------------------------------------------------------------------------


def _stage(params: TicketParams, balance: Balance, fee: int, limits: SenderLimits = LIMITS) -> Staged:
    session = SenderSession.start(GATEWAY, params, EXPIRATION)
    account = SenderAccount(make_sender_info(deposit=10**18, reserve=10**18), Round(5))
    return stage_payment(session, balance, fee=Fraction(fee), account=account, limits=limits, last_seen_l1_block=HEAD)


def test_stage_payment__fee_below_one_ticket__buys_one() -> None:
    staged = _stage(GOOD, Balance(), fee=1)
    assert staged.credit.tickets == len(staged.tickets) == 1
    assert staged.session.last_nonce == 1
    assert staged.balance == Balance()


def test_stage_payment__credit_for_the_fee_but_below_one_ticket__buys_one() -> None:
    # The recipient wants a ticket's worth of credit at all times.
    assert _stage(GOOD, Balance(Fraction(50)), fee=1).credit.tickets == 1


def test_stage_payment__enough_credit__buys_none_and_the_payment_is_bare() -> None:
    staged = _stage(GOOD, Balance(Fraction(1_000)), fee=900)
    assert len(staged.tickets) == 0
    payment = build_payment(staged, [], PRICE)
    assert (payment.ticket_params, payment.expiration, payment.tickets) == (None, None, ())
    assert (payment.sender, payment.expected_price) == (GATEWAY, PRICE)


def test_stage_payment__more_than_the_total_limit__is_rejected() -> None:
    with pytest.raises(ParamsRejected) as rejection:
        _stage(GOOD, Balance(), fee=501)
    assert rejection.value.figures["tickets"] == 6


def test_stage_payment__expired_quote__is_rejected_even_without_tickets() -> None:
    with pytest.raises(ParamsRejected) as rejection:
        _stage(replace(GOOD, expiration_block=HEAD), Balance(Fraction(1_000)), fee=1)
    assert rejection.value.refresh


def test_build_payment__not_one_signature_per_ticket__is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        build_payment(_stage(GOOD, Balance(), fee=1), [], PRICE)


@given(st.integers(1, 60))
def test_build_payment__on_a_fresh_quote__is_credited_in_full_by_its_recipient(fee: int) -> None:
    params = make_quote(config=make_config(ev=5))
    staged = _stage(params, Balance(), fee)
    sigs = [sign_ticket(params, ticket.sender_nonce).sig for ticket in staged.tickets]
    payment = build_payment(staged, sigs, PRICE)
    verdict = Recipient().receive(payment)
    assert verdict.rejection is None
    assert verdict.credited == staged.credit.new >= fee
