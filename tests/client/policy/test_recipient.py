"""An orchestrator's judgement of payments (offchain-payments 5 and 6; invariants 12 to 16)."""

import base64
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.messages import NonceAndSig, Payment, PriceInfo
from livepeer_client.codec.proto import net_pb2
from livepeer_client.codec.ticket import TicketParams, recipient_rand_hash
from livepeer_client.codec.wire import encode_payment, payment_from_header, payment_header
from livepeer_client.errors import (
    MalformedMessage,
    PaymentRefused,
    TicketReason,
    TicketRejected,
)
from livepeer_client.policy.receiving import MAX_NONCES, PaymentVerdict
from livepeer_client.types import Address, Round, Signature
from tests.support.payments import (
    EXPIRATION,
    GATEWAY,
    PRICE,
    SENDER_INFO,
    Recipient,
    even_odds_quote,
    make_payment,
    make_quote,
    nonces_that,
    sign_ticket,
    spoil,
)

# --- payments: good ones --------------------------------------------------------------------------


@given(st.lists(st.integers(0, 50), max_size=8))
def test_judge_payment__any_nonces__credits_each_once_up_to_the_first_repetition(nonces: list[int]) -> None:
    params = even_odds_quote()
    verdict = Recipient().receive(make_payment(params, nonces))
    fresh = next((at for at, nonce in enumerate(nonces) if nonce in nonces[:at]), len(nonces))
    assert verdict.received == len(nonces)
    assert verdict.credited == fresh * params.expected_value
    assert verdict.nonces == set(nonces)
    assert (verdict.rejection is None) is (fresh == len(nonces))


@given(st.lists(st.lists(st.integers(0, 20), max_size=4), max_size=5))
def test_judge_payment__many_payments_in_any_order__credit_and_store_a_nonce_at_most_once(
    payments: list[list[int]],
) -> None:
    params, receiver = even_odds_quote(), Recipient()
    for nonces in payments:
        receiver.receive(make_payment(params, nonces))
    distinct = {nonce for nonces in payments for nonce in nonces}
    assert receiver.seen.get(params.recipient_rand_hash, set()) == distinct
    assert receiver.credit <= len(distinct) * params.expected_value
    assert set(receiver.stored.values()) <= {1}
    winning = {nonce for nonce in distinct if nonce in _winning_nonces(params)}
    assert len(receiver.stored) == len(winning)


def _winning_nonces(params: TicketParams) -> set[int]:
    verdict = Recipient().receive(make_payment(params, range(21)))
    return {winner.ticket.sender_nonce for winner in verdict.winners}


def test_judge_payment__winner__carries_what_redeems_it() -> None:
    params = even_odds_quote()
    (nonce,) = nonces_that(params, win=True)
    (winner,) = Recipient().receive(make_payment(params, [nonce])).winners
    assert winner.ticket.sender_nonce == nonce
    assert winner.sig == sign_ticket(params, nonce).sig
    assert recipient_rand_hash(winner.recipient_rand) == params.recipient_rand_hash
    assert winner.params_expiration_block == params.expiration_block


def test_judge_payment__loser__is_credited_but_not_kept() -> None:
    params = even_odds_quote()
    verdict = Recipient().receive(make_payment(params, nonces_that(params, win=False)))
    assert (verdict.winners, verdict.credited) == ((), params.expected_value)


def test_judge_payment__good__returns_the_authenticated_price() -> None:
    assert Recipient().receive(make_payment(make_quote())).price == PRICE.wei_per_pixel


@pytest.mark.parametrize(
    "payment",
    [Payment(None, GATEWAY, None, (), PRICE), Payment(None, b"", None, (), None), make_payment(make_quote(), [])],
    ids=["ticketless", "empty", "params without tickets"],
)
def test_judge_payment__without_tickets__is_accepted_for_nothing(payment: Payment) -> None:
    assert Recipient().receive(payment) == PaymentVerdict(0, Fraction(0), (), frozenset(), None)


# --- payments: bad ones change nothing ------------------------------------------------------------


def _assert_nothing_changed(receiver: Recipient, payment: Payment, **facts: object) -> PaymentVerdict:
    """Receive one good payment, then this one."""
    receiver.receive(make_payment(even_odds_quote(), [1, 2, 3]))
    before = receiver.state()
    verdict = receiver.receive(payment, **facts)  # type: ignore[arg-type]
    assert receiver.state() == before
    assert (verdict.credited, verdict.winners, verdict.nonces) == (0, (), frozenset())
    return verdict


def _rejection(verdict: PaymentVerdict, reason: TicketReason, *, fatal: bool) -> TicketRejected:
    assert isinstance(verdict.rejection, TicketRejected)
    assert (verdict.rejection.reason, verdict.rejection.fatal) == (reason, fatal)
    return verdict.rejection


def test_judge_payment__wrong_signature__is_rejected_and_changes_nothing() -> None:
    params = even_odds_quote()
    payment = spoil(make_payment(params, nonces_that(params, win=True)), 0)
    verdict = _assert_nothing_changed(Recipient(), payment)
    _rejection(verdict, TicketReason.BAD_SIGNATURE, fatal=False)


@pytest.mark.parametrize("sig", [b"", b"\x00" * 65, b"\xff" * 65, b"\x01" * 64, b"\x01" * 5_000], ids=len)
def test_judge_payment__signature_of_any_shape__is_rejected_and_changes_nothing(sig: bytes) -> None:
    payment = replace(make_payment(even_odds_quote()), tickets=(NonceAndSig(9, Signature(sig)),))
    _rejection(_assert_nothing_changed(Recipient(), payment), TicketReason.BAD_SIGNATURE, fatal=False)


def test_judge_payment__replayed_nonce__is_rejected_and_changes_nothing() -> None:
    verdict = _assert_nothing_changed(Recipient(), make_payment(even_odds_quote(), [1, 2, 3]))
    rejection = _rejection(verdict, TicketReason.NONCE_SEEN, fatal=False)
    assert rejection.figures["nonce"] == 3


def test_judge_payment__expired_params__are_rejected_and_give_no_credit() -> None:
    params, receiver = even_odds_quote(), Recipient()
    verdict = receiver.receive(
        make_payment(params, nonces_that(params, win=False)), last_seen_l1_block=params.expiration_block
    )
    rejection = _rejection(verdict, TicketReason.PARAMS_EXPIRED, fatal=False)
    assert rejection.figures["expiration_block"] == rejection.figures["last_seen_l1_block"] == params.expiration_block
    assert (receiver.credit, receiver.stored) == (0, {})


def test_judge_payment__expired_params_but_winning__keeps_the_winner_without_credit() -> None:
    params, receiver = even_odds_quote(), Recipient()
    payment = make_payment(params, nonces_that(params, win=True))
    verdict = receiver.receive(payment, last_seen_l1_block=params.expiration_block)
    _rejection(verdict, TicketReason.PARAMS_EXPIRED, fatal=False)
    assert (receiver.credit, len(receiver.stored)) == (0, 1)


def test_judge_payment__one_block_before_expiry__is_credited() -> None:
    params = even_odds_quote()
    verdict = Recipient().receive(make_payment(params), last_seen_l1_block=params.expiration_block - 1)
    assert verdict.credited == params.expected_value


@pytest.mark.parametrize("name", ["face_value", "win_prob", "expiration_block", "seed"])
def test_judge_payment__forged_payment_header__is_rejected_as_fatal_and_changes_nothing(name: str) -> None:
    forged = net_pb2.Payment.FromString(encode_payment(make_payment(even_odds_quote(), [4, 5])))
    setattr(forged.ticket_params, name, b"\xff" * 31)
    payment = payment_from_header(base64.b64encode(forged.SerializeToString()).decode())
    _rejection(_assert_nothing_changed(Recipient(), payment), TicketReason.WRONG_RAND, fatal=True)


def test_judge_payment__truncated_payment_header__is_malformed_and_never_judged() -> None:
    receiver = Recipient()
    header = payment_header(make_payment(even_odds_quote(), [4, 5]))
    before = receiver.state()
    with pytest.raises(MalformedMessage):
        receiver.receive(payment_from_header(header[: len(header) // 2 // 4 * 4]))
    assert receiver.state() == before


def test_judge_payment__bytes_moved_between_neighbouring_fields__is_refused() -> None:
    # Splitting the same bytes elsewhere passes the reference's check with a huge expected value.
    forged = net_pb2.Payment.FromString(encode_payment(make_payment(even_odds_quote(), [4])))
    params = forged.ticket_params
    params.win_prob, params.expiration_block = (
        params.win_prob + params.expiration_block[:1],
        params.expiration_block[1:],
    )
    with pytest.raises(MalformedMessage):  # 33 bytes
        payment_from_header(base64.b64encode(forged.SerializeToString()).decode())
    params.face_value, params.win_prob = params.face_value + params.win_prob[:1], params.win_prob[1:]
    payment = payment_from_header(base64.b64encode(forged.SerializeToString()).decode())
    _rejection(_assert_nothing_changed(Recipient(), payment), TicketReason.WRONG_RAND, fatal=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sender": Address(b"\x01" * 20)}, TicketReason.WRONG_RAND),
        ({"sender": Address(bytes(20))}, TicketReason.NULL_SENDER),
        ({"expected_price": PriceInfo(1, 1)}, TicketReason.WRONG_RAND),
        ({"expiration": replace(EXPIRATION, creation_round=Round(4))}, TicketReason.WRONG_RAND),
    ],
    ids=["other sender", "null sender", "other price", "other creation round"],
)
def test_judge_payment__anything_under_the_commitment_changed__is_fatal_and_changes_nothing(
    change: dict[str, object], reason: TicketReason
) -> None:
    payment = replace(make_payment(even_odds_quote(), [4, 5]), **change)  # type: ignore[arg-type]
    _rejection(_assert_nothing_changed(Recipient(), payment), reason, fatal=True)


def test_judge_payment__another_recipient__is_fatal_and_changes_nothing() -> None:
    payment = make_payment(replace(even_odds_quote(), recipient=Address(b"\x01" * 20)), [4])
    _rejection(_assert_nothing_changed(Recipient(), payment), TicketReason.WRONG_RECIPIENT, fatal=True)


@pytest.mark.parametrize(("withdraw_round", "fatal"), [(0, False), (1, True), (5, True), (6, True), (7, False)])
def test_judge_payment__sender_unlocking__is_fatal_from_one_round_ahead(withdraw_round: int, fatal: bool) -> None:
    info = replace(SENDER_INFO, withdraw_round=Round(withdraw_round))
    if fatal:
        verdict = _assert_nothing_changed(Recipient(), make_payment(even_odds_quote(), [4]), sender_info=info)
        _rejection(verdict, TicketReason.SENDER_UNLOCKING, fatal=True)
    else:
        assert Recipient().receive(make_payment(even_odds_quote(), [4]), sender_info=info).rejection is None


def test_judge_payment__recipient_inactive__is_refused_and_changes_nothing() -> None:
    verdict = _assert_nothing_changed(Recipient(), make_payment(even_odds_quote(), [4]), active=False)
    assert isinstance(verdict.rejection, PaymentRefused)
    assert "is inactive in round 5" in verdict.rejection.reason


@pytest.mark.parametrize(
    "change",
    [{"sender": b""}, {"expected_price": None}, {"expected_price": PriceInfo(7, 0)}, {"expiration": None}],
    ids=str,
)
def test_judge_payment__incomplete_payment__is_malformed_and_changes_nothing(change: dict[str, object]) -> None:
    payment = replace(make_payment(even_odds_quote(), [4]), **change)  # type: ignore[arg-type]
    assert isinstance(_assert_nothing_changed(Recipient(), payment).rejection, MalformedMessage)


# --- payments: partly bad ones --------------------------------------------------------------------


def test_judge_payment__bad_ticket_among_good_ones__credits_those_before_and_draws_those_after() -> None:
    params = even_odds_quote()
    winners = nonces_that(params, win=True, count=4)
    verdict = Recipient().receive(spoil(make_payment(params, winners), 2))
    assert verdict.received == 4
    assert verdict.credited == 2 * params.expected_value
    assert [winner.ticket.sender_nonce for winner in verdict.winners] == [winners[0], winners[1], winners[3]]
    assert verdict.nonces == {winners[0], winners[1], winners[3]}


def test_judge_payment__several_bad_tickets__reports_the_last() -> None:
    params, receiver = even_odds_quote(), Recipient()
    verdict = receiver.receive(spoil(make_payment(params, [1, 2, 1]), 1))
    _rejection(verdict, TicketReason.NONCE_SEEN, fatal=False)


def test_judge_payment__same_nonce_signed_twice__is_drawn_once() -> None:
    # Another signature over the same ticket would be another draw.
    params = even_odds_quote()
    (nonce,) = nonces_that(params, win=True)
    verdict = Recipient().receive(make_payment(params, [nonce, nonce]))
    assert len(verdict.winners) == 1


def test_judge_payment__601st_nonce__gets_no_credit_but_may_win() -> None:
    params, receiver = even_odds_quote(), Recipient()
    receiver.seen[params.recipient_rand_hash] = set(range(10_000, 10_000 + MAX_NONCES - 1))
    first, second = nonces_that(params, win=True, count=2)
    verdict = receiver.receive(make_payment(params, [first, second]))
    rejection = _rejection(verdict, TicketReason.TOO_MANY_NONCES, fatal=False)
    assert rejection.figures["nonce"] == second
    assert verdict.credited == params.expected_value
    assert len(verdict.winners) == 2
    assert verdict.nonces == {first}


def test_judge_payment__nonces_of_another_quote__do_not_count() -> None:
    receiver = Recipient()
    receiver.receive(make_payment(even_odds_quote(seed=1), [1]))
    assert receiver.receive(make_payment(even_odds_quote(seed=2), [1])).rejection is None
