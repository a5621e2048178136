"""One recipient, several lives and several nodes: what is shared through the store (offchain-payments 2, 5 and 8)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepeer_client.adapters.fakes import FakeChain, ManualClock, MemoryTicketStore
from livepeer_client.codec.messages import PriceInfo
from livepeer_client.errors import InsufficientBalance, InvalidInput, QuoteRefused, TicketReason, TicketRejected
from livepeer_client.facts import Activation
from livepeer_client.policy.price_list import Tariff
from livepeer_client.services.payment import ACCOUNT_IDLE_S, KEPT_BLOCKS
from livepeer_client.types import NEVER_DEACTIVATES, Address, Round, Wei
from tests.client.policy.test_price_list import IMAGE, job
from tests.support.shop import EV, GATEWAY, Session, Shop

SECRET = b"\x66" * 32
QUOTE_BLOCKS = 40


def two_nodes(**changes: object) -> tuple[Shop, Shop]:
    """Two processes of one recipient: one secret, one store, one chain."""
    chain, store, clock = FakeChain(), MemoryTicketStore(), ManualClock()
    one, other = (
        Shop(secret=SECRET, chain=chain, store=store, clock=clock, **changes)  # type: ignore[arg-type]
        for _ in range(2)
    )
    return one, other


async def received(shop: Shop, session: Session, nonces: Sequence[int]) -> tuple[Fraction, TicketReason | None]:
    """Credit that a payment adds at a node, and what was wrong with its last bad ticket."""
    before = await shop.store.session(GATEWAY, session.token.session_id)
    rejection = None
    try:
        await shop.payments.receive(session.payment_of(nonces), session.token.session_id)
    except TicketRejected as error:
        rejection = error.reason
    after = await shop.store.session(GATEWAY, session.token.session_id)
    credited = [found.credited if found is not None else Fraction(0) for found in (before, after)]
    return credited[1] - credited[0], rejection


async def test_receive__a_quote_of_another_node__is_taken_and_its_tickets_once() -> None:
    one, other = two_nodes()
    session = await one.session()
    value = session.params.expected_value
    assert await received(one, session, [1, 2]) == (2 * value, None)
    assert await received(other, session, [2, 3]) == (0, TicketReason.NONCE_SEEN)
    assert await received(other, session, [4, 5]) == (2 * value, None)
    assert await received(one, session, [5]) == (0, TicketReason.NONCE_SEEN)
    # No credit came of it, as it stood behind a bad one, and none comes any more.
    assert await received(one, session, [3]) == (0, TicketReason.NONCE_SEEN)


async def test_receive__the_same_tickets_at_both_nodes_at_once__are_credited_once() -> None:
    one, other = two_nodes()
    session = await one.session()
    payment = session.payment(5)

    async def send(shop: Shop) -> Fraction:
        try:
            return await shop.payments.receive(payment, session.token.session_id)
        except TicketRejected:
            return Fraction(0)

    credited = await asyncio.gather(*(send(shop) for shop in (one, other) * 4))
    assert max(credited) == 5 * session.params.expected_value
    assert sum(credited) == 5 * session.params.expected_value


async def test_receive__tickets_of_an_expired_quote_at_a_node_that_is_behind__are_not_credited_twice() -> None:
    store, clock = MemoryTicketStore(), ManualClock()
    ahead, behind = (Shop(secret=SECRET, chain=FakeChain(), store=store, clock=clock) for _ in range(2))
    session = await ahead.session()
    value = session.params.expected_value
    assert await received(ahead, session, [1, 2]) == (2 * value, None)
    await ahead.mine(QUOTE_BLOCKS)
    await ahead.payments.sweep()
    assert await received(behind, session, [1, 2]) == (0, TicketReason.NONCE_SEEN)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(["one", "other", "restart"]), st.lists(st.integers(0, 12), min_size=1, max_size=4)),
        min_size=4,
        max_size=20,
    )
)
def test_receive__any_payments_at_any_node_with_restarts_between__credit_and_store_each_nonce_once(
    history: Sequence[tuple[str, Sequence[int]]],
) -> None:
    asyncio.run(_any_history(history))


async def _any_history(history: Sequence[tuple[str, Sequence[int]]]) -> None:
    one, other = two_nodes()
    session = await one.session()
    value, used, received_once = session.params.expected_value, set[int](), 0
    for where, nonces in history:
        if where == "restart":
            one.start()
            continue
        good = 0
        for at, nonce in enumerate(nonces):
            if nonce in used or nonce in nonces[:at]:
                break
            good += 1
        credit, rejection = await received(one if where == "one" else other, session, nonces)
        assert credit == good * value
        assert (rejection is None) is (good == len(nonces))
        used |= set(nonces)
        received_once += good
    totals = await one.store.totals()
    assert totals.expected_value_credited == received_once * value
    assert totals.winners == len({stored.hash for stored in await one.store.tickets()})


async def test_session__after_a_restart__has_its_balance_and_its_price() -> None:
    shop = Shop(price=Fraction(3))
    session = await shop.session()
    credit = await shop.payments.receive(session.payment(4), session.token.session_id)
    fee = await shop.payments.charge(GATEWAY, session.token.session_id, 0, 1_000)
    shop.price = Fraction(9)
    shop.start()
    price, _ = await shop.payments.quote(GATEWAY, session.token.session_id)
    assert price == PriceInfo(3, 1)
    assert session.balance == credit - fee
    shop.payments.require_balance(GATEWAY, session.token.session_id)


async def test_receive__a_quote_of_an_earlier_life__holds_only_under_the_same_secret() -> None:
    for secret, reason in ((SECRET, None), (None, TicketReason.WRONG_RAND)):
        shop = Shop(secret=secret)
        session = await shop.session()
        shop.start()
        _, rejection = await received(shop, session, [1])
        assert rejection is reason


async def test_sweep__a_session_idle_for_long__is_written_off_and_begins_anew() -> None:
    shop = Shop(secret=SECRET)
    session = await shop.session()
    await shop.payments.receive(session.payment(4), session.token.session_id)
    await shop.clock.advance(ACCOUNT_IDLE_S + 1)
    shop.chain.mine(QUOTE_BLOCKS + KEPT_BLOCKS)
    await shop.payments.sweep()
    assert session.balance == 0
    assert await shop.payments.session_price(GATEWAY, session.token.session_id) is None
    assert await shop.store.open_quotes() == []


def test_payment_service__with_a_secret_of_another_length__is_refused() -> None:
    with pytest.raises(InvalidInput):
        Shop(secret=b"short")


# --- refusals -------------------------------------------------------------------------------------


async def test_quote__with_too_small_a_reserve__says_every_figure_and_what_would_help() -> None:
    shop = Shop()
    pool = [Address(bytes([number]) * 20) for number in range(1, 5)]
    shop.chain.activation = {member: Activation(Round(1), NEVER_DEACTIVATES) for member in pool}
    shop.chain.senders[GATEWAY] = replace(
        shop.chain.senders[GATEWAY], deposit=Wei(0), reserve=Wei(2_000_000), claimed_in_current_round=Wei(400_000)
    )
    shop.chain.claimable[GATEWAY, shop.address] = Wei(600_000)
    with pytest.raises(QuoteRefused) as refusal:
        await shop.payments.quote(GATEWAY)
    figures = refusal.value.figures
    assert refusal.value.reason == "insufficient sender reserve"
    assert (figures["reserve"], figures["pool_size"], figures["allocation"]) == (2_400_000, 4, 600_000)
    assert (figures["pending"], figures["deposit"], figures["max_float"]) == (0, 0, 600_000)
    assert figures["required"] == EV + 1
    assert figures["remedy"] == "gateway: add 1600004 wei to the reserve, of which 1/4 counts here"
    # Doing what it says is enough.
    shop.chain.claimable[GATEWAY, shop.address] = Wei(600_000 + 1_600_004 // 4)
    await shop.mine()
    await shop.payments.quote(GATEWAY)


async def test_quote__with_a_cap_below_a_tickets_value__is_the_orchestrators_to_mend() -> None:
    shop = Shop(max_face_value=Wei(10))
    with pytest.raises(QuoteRefused) as refusal:
        await shop.payments.quote(GATEWAY)
    assert str(refusal.value.figures["remedy"]).startswith("orchestrator: raise the cap on face values from 10")


async def test_quote__while_winners_wait__names_them_and_the_ways_out() -> None:
    shop = Shop()
    shop.chain.senders[GATEWAY] = replace(shop.chain.senders[GATEWAY], deposit=Wei(3_000_000))
    shop.chain.claimable[GATEWAY, shop.address] = Wei(2_000_000)
    session = await shop.session()
    await shop.payments.receive(session.payment(40), session.token.session_id)
    pending = sum(stored.winner.ticket.face_value for stored in await shop.store.tickets())
    with pytest.raises(QuoteRefused) as refusal:
        await shop.payments.quote(GATEWAY)
    remedy = str(refusal.value.figures["remedy"])
    assert refusal.value.figures["pending"] == pending
    assert f"or wait until {pending} wei are redeemed" in remedy


# --- prices ---------------------------------------------------------------------------------------


async def test_quote__for_a_job_with_a_price_of_its_own__is_at_that_price_and_all_are_advertised_without() -> None:
    shop = Shop()
    shop.models = {(IMAGE, "flux"): Tariff(Fraction(1, 3))}
    price, _ = await shop.payments.quote(GATEWAY, job=job((IMAGE, "flux")))
    assert price == PriceInfo(1, 3)
    assert (await shop.payments.quote(GATEWAY))[0] == PriceInfo(1, 1)
    assert (await shop.info()).capabilities_prices == (PriceInfo(1, 3, IMAGE, "flux"),)


async def test_quote__at_a_price_from_an_exchange_rate__is_one_that_gateways_accept() -> None:
    shop = Shop(price=Fraction(10**18, 3 * 7 * 11 * 10**9 + 1))
    price, params = await shop.payments.quote(GATEWAY)
    assert 10**18 % price.pixels_per_unit == 0
    assert params.expected_value > 0


# --- paid by time ---------------------------------------------------------------------------------


async def test_charge_ahead__balance_too_small__charges_nothing_and_closes_the_job() -> None:
    shop = Shop(price=Fraction(10))
    session = await shop.session()
    credit = await shop.payments.receive(session.payment(1), session.token.session_id)
    units = int(credit / 10)
    assert await shop.payments.charge_ahead(GATEWAY, session.token.session_id, 1, units) == units * 10
    left = session.balance
    with pytest.raises(InsufficientBalance):
        await shop.payments.charge_ahead(GATEWAY, session.token.session_id, 2, units)
    assert session.balance == left == credit - units * 10
    assert len(shop.store.debits) == 1
