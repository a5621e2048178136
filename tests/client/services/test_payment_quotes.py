"""The till between payments: quotes, and what is forgotten when (offchain-payments 3, 5, 8)."""

from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import FakeTransactor
from livepeer_client.codec.messages import Payment
from livepeer_client.errors import (
    QuoteRefused,
    TicketReason,
    TicketRejected,
)
from livepeer_client.facts import SenderInfo
from livepeer_client.services.payment import ACCOUNT_IDLE_S
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.types import Round, Wei
from tests.support.shop import EV, GATEWAY, POLL_S, STRANGER_KEY, Session, Shop

EXPIRATION_BLOCKS = 40


async def receive(session: Session, payment: Payment) -> Fraction:
    return await session.shop.payments.receive(payment, session.token.session_id)


async def refused(session: Session, payment: Payment) -> TicketRejected:
    """Receive a payment whose tickets must be rejected."""
    with pytest.raises(TicketRejected) as caught:
        await receive(session, payment)
    return caught.value


# --- quotes ---------------------------------------------------------------------------------------


async def test_quote__a_well_funded_sender__is_worth_the_configured_value_and_lives_forty_blocks() -> None:
    shop = Shop()

    price, params = await shop.payments.quote(GATEWAY)

    assert price.wei_per_pixel == shop.price
    assert params.recipient == shop.address
    assert EV <= params.expected_value <= EV + 1
    assert params.expiration_block == shop.chain.block + EXPIRATION_BLOCKS
    assert params.expiration.creation_round == shop.chain.last_initialized


async def test_quote__every_time__commits_to_another_secret() -> None:
    shop = Shop()

    hashes = {(await shop.payments.quote(GATEWAY))[1].recipient_rand_hash for _ in range(20)}

    assert len(hashes) == 20


@pytest.mark.parametrize(("charged", "least", "counts"), [(3, 7, 7), (9, 7, 9), (9, 0, 9)])
async def test_quote__gas_cheaper_than_the_least_price__goes_by_that(charged: int, least: int, counts: int) -> None:
    shop = Shop(max_face_value=Wei(0), min_gas_price=Wei(least))
    shop.chain.gas_price = Wei(charged)
    plain = Shop(max_face_value=Wei(0))
    plain.chain.gas_price = Wei(counts)

    _, params = await shop.payments.quote(GATEWAY)

    assert params.face_value == (await plain.payments.quote(GATEWAY))[1].face_value
    # What redemption goes by is what was charged.
    assert shop.gas.look().prices == (charged,)


async def test_quote__after_gas_rose_at_a_new_block__and_redemption_see_the_same_price() -> None:
    shop = Shop(max_face_value=Wei(0))
    wallet = FakeTransactor(shop.address, shop.chain)
    redeem = RedemptionService(shop.chain, wallet, shop.store, shop.clock, gas=shop.gas)
    shop.chain.gas_price = Wei(5)
    await shop.payments.quote(GATEWAY)
    shop.chain.gas_price = Wei(50)
    await shop.mine()
    await redeem.step()
    assert shop.gas.price == 50
    await shop.payments.quote(GATEWAY)
    # Two blocks, each noted once though both have read the second.
    assert shop.gas.look().prices == (5, 50)


async def test_quote__a_sender_without_funds__is_refused_with_figures() -> None:
    shop = Shop()
    shop.chain.claimable.clear()

    with pytest.raises(QuoteRefused) as caught:
        await shop.payments.quote(GATEWAY)

    assert caught.value.reason == "insufficient sender reserve"
    assert caught.value.figures["max_float"] == 0


async def test_quote__winners_not_yet_paid__count_against_the_sender() -> None:
    shop = Shop()
    shop.chain.senders[GATEWAY] = SenderInfo(Wei(0), Round(0), Wei(10**9), Wei(0))
    shop.chain.claimable[GATEWAY, shop.address] = Wei(40 * shop.max_face_value)
    session = await shop.session()
    # Every other ticket wins: that fewer than 40 of 400 do never happens.
    for _ in range(400):
        await receive(session, session.payment(1))
        won = sum(stored.winner.ticket.face_value for stored in await shop.store.tickets())
        if won >= 40 * shop.max_face_value:
            break
        await shop.payments.quote(GATEWAY)

    with pytest.raises(QuoteRefused):
        await shop.payments.quote(GATEWAY)


async def test_quote__with_costs_of_redemption__raises_the_price() -> None:
    shop = Shop(price=Fraction(1000), auto_adjust=True, max_face_value=Wei(0))
    shop.chain.gas_price = Wei(1000)

    price, _ = await shop.payments.quote(GATEWAY)

    assert price.wei_per_pixel == 1010


async def test_quote__the_round_hash_not_there_yet__uses_the_round_before() -> None:
    shop = Shop()
    shop.chain.mine_to_next_round()
    shop.chain.last_initialized = shop.chain.current_round
    await shop.clock.advance(POLL_S)

    _, params = await shop.payments.quote(GATEWAY)

    assert params.expiration.creation_round == shop.chain.current_round - 1


async def test_quote__many_within_a_block__read_the_chain_once() -> None:
    shop = Shop()

    for _ in range(20):
        await shop.payments.quote(GATEWAY)

    assert sorted(shop.chain.reads) == [
        "claimable_reserve",
        "head",
        "orchestrator_state",
        "round_state",
        "sender_info",
        "ticket_validity_period",
    ]


# --- sweeping -------------------------------------------------------------------------------------


async def test_sweep__an_expired_quote__forgets_its_nonces_and_only_those() -> None:
    shop = Shop()
    old = await shop.session()
    await receive(old, old.payment(1))
    await shop.mine(EXPIRATION_BLOCKS)
    new = await shop.session()
    payment = new.payment(1)
    await receive(new, payment)

    await shop.payments.sweep()

    assert list(shop.payments._seen) == [new.params.recipient_rand_hash]
    assert (await refused(new, payment)).reason is TicketReason.NONCE_SEEN


async def test_sweep__an_account_whose_token_has_expired__is_dropped() -> None:
    shop = Shop()
    session = await shop.session()
    await receive(session, session.payment(1))

    await shop.clock.advance(ACCOUNT_IDLE_S)
    await shop.payments.sweep()
    assert session.balance > 0
    await shop.clock.advance(1)
    await shop.payments.sweep()

    assert session.balance == 0


async def test_receive__refused__leaves_no_account_behind() -> None:
    shop = Shop()
    session = await shop.session()

    await refused(session, session.payment(1, key=STRANGER_KEY))

    assert shop.payments._seats == {}
