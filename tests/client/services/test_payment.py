"""The till: what a payment is credited, stored and refused (offchain-payments 5, 6, 8, invariants 12 to 16)."""

import asyncio
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.codec.messages import Payment, PriceInfo
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import (
    ChainUnavailable,
    InsufficientBalance,
    MalformedMessage,
    PaymentRefused,
    StoreError,
    TicketReason,
    TicketRejected,
)
from livepeer_client.facts import Debit, OrchestratorState, ReceivedPayment, SenderInfo
from livepeer_client.policy.receiving import MAX_NONCES
from livepeer_client.types import BlockNumber, Hash32, Round, Wei
from tests.support.shop import EV, GATEWAY, POLL_S, STRANGER_KEY, Session, Shop

EXPIRATION_BLOCKS = 40


async def receive(session: Session, payment: Payment) -> Fraction:
    return await session.shop.payments.receive(payment, session.token.session_id)


async def refused(session: Session, payment: Payment) -> TicketRejected:
    """Receive a payment whose tickets must be rejected."""
    with pytest.raises(TicketRejected) as caught:
        await receive(session, payment)
    return caught.value


# --- credit ---------------------------------------------------------------------------------------


async def test_receive__good_tickets__credits_their_exact_expected_value() -> None:
    session = await Shop().session()

    credit = await receive(session, session.payment(3))

    assert credit == session.balance == 3 * session.params.expected_value
    assert credit >= 3 * EV


async def test_receive__good_tickets__are_stored_before_they_are_credited() -> None:
    shop = Shop()
    session = await shop.session()
    balances: list[Fraction] = []
    record = shop.store.record_payment

    async def watch(payment: ReceivedPayment) -> None:
        await record(payment)
        balances.append(session.balance)

    shop.store.record_payment = watch  # type: ignore[method-assign]
    credit = await receive(session, session.payment(3))

    assert balances == [0]
    (stored,) = shop.store.payments
    assert (stored.sender, stored.session_id) == (GATEWAY, session.token.session_id)
    assert (stored.received, stored.credited) == (3, credit)


async def test_receive__winners__are_stored_with_what_redeems_them() -> None:
    shop = Shop()
    session = await shop.session()

    await receive(session, session.payment(40))

    winners = [stored.winner for stored in await shop.store.tickets()]
    assert winners
    assert all(isinstance(winner, WinningTicket) for winner in winners)
    assert {winner.params_expiration_block for winner in winners} == {session.params.expiration_block}


async def test_receive__in_two_payments__adds_up() -> None:
    session = await Shop().session()

    await receive(session, session.payment(2))
    await receive(session, session.payment(1))

    assert session.balance == 3 * session.params.expected_value


async def test_receive__two_sessions_of_a_sender__keep_apart() -> None:
    shop = Shop()
    first, second = await shop.session(), await shop.session()

    await receive(first, first.payment(2))

    assert first.balance == 2 * first.params.expected_value
    assert second.balance == 0


async def test_receive__without_tickets__brings_nothing() -> None:
    shop = Shop()
    session = await shop.session()

    assert await receive(session, session.payment(0)) == 0

    assert shop.books() == (0, 0, 0)
    with pytest.raises(InsufficientBalance):
        shop.payments.require_balance(GATEWAY, session.token.session_id)


async def test_receive__without_tickets_where_work_is_free__opens_the_session() -> None:
    shop = Shop(price=Fraction(0))
    session = await shop.session()

    await receive(session, session.payment(0))

    shop.payments.require_balance(GATEWAY, session.token.session_id)
    assert await shop.payments.charge(GATEWAY, session.token.session_id, 0, 1000) == 0


# --- the same nonce is credited once --------------------------------------------------------------


async def test_receive__the_same_payment_again__is_rejected_and_changes_nothing() -> None:
    shop = Shop()
    session = await shop.session()
    payment = session.payment(2)
    credit = await receive(session, payment)
    books = shop.books()

    rejection = await refused(session, payment)

    assert (rejection.reason, rejection.fatal) == (TicketReason.NONCE_SEEN, False)
    assert (session.balance, shop.books()) == (credit, books)


async def test_receive__the_same_payment_many_times_at_once__is_credited_once() -> None:
    shop = Shop()
    session = await shop.session()
    payment = session.payment(5)

    outcomes = await asyncio.gather(*(receive(session, payment) for _ in range(10)), return_exceptions=True)

    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert session.balance == 5 * session.params.expected_value
    assert len(shop.store.payments) == 1


async def test_receive__the_same_tickets_for_two_sessions_at_once__are_credited_once() -> None:
    shop = Shop()
    session = await shop.session()
    payment = session.payment(5)

    await asyncio.gather(
        *(shop.payments.receive(payment, session_id) for session_id in ("one", "two")), return_exceptions=True
    )

    credit = shop.payments.balance(GATEWAY, "one") + shop.payments.balance(GATEWAY, "two")
    assert credit == 5 * session.params.expected_value


async def test_receive__nonces_in_any_order__are_all_credited() -> None:
    session = await Shop().session()

    await receive(session, session.payment_of([7, 3, 5]))
    await receive(session, session.payment_of([4]))

    assert session.balance == 4 * session.params.expected_value


async def test_receive__beyond_the_nonces_of_a_quote__credits_only_those() -> None:
    session = await Shop().session()
    await receive(session, session.payment(MAX_NONCES))

    rejection = await refused(session, session.payment(1))

    assert rejection.reason is TicketReason.TOO_MANY_NONCES
    assert session.balance == MAX_NONCES * session.params.expected_value


# --- rejected -------------------------------------------------------------------------------------


async def test_receive__signed_by_somebody_else__changes_nothing() -> None:
    shop = Shop()
    session = await shop.session()

    rejection = await refused(session, session.payment(40, key=STRANGER_KEY))

    assert rejection.reason is TicketReason.BAD_SIGNATURE
    assert (session.balance, shop.books()) == (0, (0, 0, 0))


async def test_receive__a_bad_ticket_among_good_ones__credits_only_those_before_it() -> None:
    shop = Shop()
    session = await shop.session()
    good, bad = session.payment_of([1, 2, 3, 4]), session.payment_of([3], key=STRANGER_KEY)
    mixed = replace(good, tickets=(*good.tickets[:2], *bad.tickets, good.tickets[3]))

    rejection = await refused(session, mixed)

    assert rejection.reason is TicketReason.BAD_SIGNATURE
    assert session.balance == 2 * session.params.expected_value
    assert [stored.credited for stored in shop.store.payments] == [session.balance]


async def test_receive__on_an_expired_quote__credits_nothing_but_keeps_winners() -> None:
    shop = Shop()
    session = await shop.session()
    await shop.mine(EXPIRATION_BLOCKS)

    rejection = await refused(session, session.payment(40))

    assert rejection.reason is TicketReason.PARAMS_EXPIRED
    assert session.balance == 0
    assert await shop.store.tickets()
    assert [stored.credited for stored in shop.store.payments] == [0]


async def test_receive__one_block_before_a_quote_expires__is_credited() -> None:
    shop = Shop()
    session = await shop.session()
    await shop.mine(EXPIRATION_BLOCKS - 1)

    assert await receive(session, session.payment(1)) > 0


async def test_receive__winners_of_an_expired_quote_again__are_stored_once() -> None:
    shop = Shop()
    session = await shop.session()
    payment = session.payment(40)
    await receive(session, payment)
    winners = await shop.store.tickets()
    await shop.mine(EXPIRATION_BLOCKS)
    await shop.payments.sweep()

    await refused(session, payment)

    assert await shop.store.tickets() == winners
    assert session.balance == 40 * session.params.expected_value


@pytest.mark.parametrize(
    "change",
    [
        {"face_value": Wei(10**15)},
        {"win_prob": 2**256 - 1},
        {"seed": 1},
        {"expiration_block": BlockNumber(10**6)},
        {"recipient_rand_hash": Hash32(bytes(31) + b"\1")},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_receive__a_quote_we_did_not_make__is_fatal_and_changes_nothing(change: dict[str, object]) -> None:
    shop = Shop()
    session = await shop.session()
    session.info = replace(session.info, ticket_params=replace(session.params, **change))  # type: ignore[arg-type]

    rejection = await refused(session, session.payment(40))

    assert (rejection.reason, rejection.fatal) == (TicketReason.WRONG_RAND, True)
    assert (session.balance, shop.books()) == (0, (0, 0, 0))


async def test_receive__at_another_price_than_quoted__is_fatal() -> None:
    session = await Shop().session()

    rejection = await refused(session, session.payment_of([1], price=PriceInfo(1, 1000)))

    assert rejection.reason is TicketReason.WRONG_RAND


async def test_receive__a_quote_of_an_earlier_life__is_fatal() -> None:
    shop = Shop()
    session = await shop.session()
    shop.start()

    assert (await refused(session, session.payment(1))).reason is TicketReason.WRONG_RAND


async def test_receive__a_sender_about_to_unlock__is_fatal() -> None:
    shop = Shop()
    session = await shop.session()
    shop.chain.senders[GATEWAY] = SenderInfo(Wei(10**18), Round(shop.chain.current_round + 1), Wei(10**18), Wei(0))
    await shop.mine()

    assert (await refused(session, session.payment(1))).reason is TicketReason.SENDER_UNLOCKING


async def test_receive__while_we_are_not_active__is_refused() -> None:
    shop = Shop()
    session = await shop.session()
    shop.chain.states[shop.address] = OrchestratorState(
        active=False, registered=True, last_reward_round=Round(0), stake=1, pending_fees=Wei(0)
    )
    await shop.mine()

    with pytest.raises(PaymentRefused):
        await receive(session, session.payment(1))

    assert (session.balance, shop.books()) == (0, (0, 0, 0))


@pytest.mark.parametrize("price", [None, PriceInfo(1, 0)], ids=["absent", "no pixels"])
async def test_receive__without_a_usable_price__is_malformed(price: PriceInfo | None) -> None:
    session = await Shop().session()

    with pytest.raises(MalformedMessage, match="invalid expected price sent with payment"):
        await receive(session, replace(session.payment(1), expected_price=price))


# --- when something of ours fails -----------------------------------------------------------------


async def test_receive__the_store_fails__credits_nothing_and_takes_the_same_tickets_later() -> None:
    shop = Shop()
    session = await shop.session()
    payment = session.payment(2)
    shop.store.failure = StoreError("disk full")
    with pytest.raises(StoreError):
        await receive(session, payment)
    assert session.balance == 0

    shop.store.failure = None
    await receive(session, payment)

    assert session.balance == 2 * session.params.expected_value


async def test_receive__the_chain_is_away__changes_nothing() -> None:
    shop = Shop()
    session = await shop.session()
    payment = session.payment(2)
    shop.chain.failure = ChainUnavailable("no node")
    await shop.clock.advance(POLL_S)

    with pytest.raises(ChainUnavailable):
        await receive(session, payment)
    assert shop.books() == (0, 0, 0)

    shop.chain.failure = None
    assert await receive(session, payment) > 0


# --- charges and prices ---------------------------------------------------------------------------


async def test_charge__pixels__takes_the_fee_at_the_sessions_price_and_stores_it() -> None:
    shop = Shop(price=Fraction(7, 3))
    session = await shop.session()
    await receive(session, session.payment(2))
    before = session.balance

    fee = await shop.payments.charge(GATEWAY, session.token.session_id, 5, 1000)

    assert fee == Fraction(7000, 3)
    assert session.balance == before - fee
    assert shop.store.debits == [Debit(GATEWAY, session.token.session_id, 5, 1000, fee)]


async def test_charge__the_store_fails__takes_nothing() -> None:
    shop = Shop()
    session = await shop.session()
    await receive(session, session.payment(2))
    before = session.balance
    shop.store.failure = StoreError("disk full")

    with pytest.raises(StoreError):
        await shop.payments.charge(GATEWAY, session.token.session_id, 0, 1000)

    assert session.balance == before


async def test_session_price__fixed_by_the_first_credit__outlives_a_new_price() -> None:
    shop = Shop(price=Fraction(2))
    session = await shop.session()
    await receive(session, session.payment(1))

    shop.price = Fraction(9)
    price, _ = await shop.payments.quote(GATEWAY, session.token.session_id)

    assert price.wei_per_pixel == 2
    assert (await shop.payments.quote(GATEWAY, "another"))[0].wei_per_pixel == 9


async def test_require_balance__less_than_a_ticket__refuses_with_figures() -> None:
    shop = Shop()
    session = await shop.session()
    await receive(session, session.payment(1))
    shop.payments.require_balance(GATEWAY, session.token.session_id)
    await shop.payments.charge(GATEWAY, session.token.session_id, 0, EV)

    with pytest.raises(InsufficientBalance) as caught:
        shop.payments.require_balance(GATEWAY, session.token.session_id)

    assert caught.value.required == EV
