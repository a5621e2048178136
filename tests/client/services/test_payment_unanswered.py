"""A store whose server is lost in the middle of a write: nobody knows whether it happened, and nothing counts twice."""

import asyncio
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import MemoryTicketStore
from livepeer_client.codec.messages import Payment
from livepeer_client.errors import StoreUnavailable, TicketRejected
from livepeer_client.facts import Debit, ReceivedPayment, SessionBalance
from tests.support.shop import GATEWAY, Session, Shop

SECRET = b"\x55" * 32


class Unanswering(MemoryTicketStore):
    """While `silent` is set its writes happen, or do not, and are not answered."""

    silent: str | None = None

    async def record_payment(self, payment: ReceivedPayment) -> SessionBalance:
        if self.silent == "not done":
            raise StoreUnavailable("no answer")
        after = await super().record_payment(payment)
        if self.silent:
            raise StoreUnavailable("no answer")
        return after

    async def record_debit(self, debit: Debit) -> SessionBalance:
        if self.silent == "not done":
            raise StoreUnavailable("no answer")
        after = await super().record_debit(debit)
        if self.silent:
            raise StoreUnavailable("no answer")
        return after


async def opened(secret: bytes | None) -> tuple[Unanswering, Session]:
    store = Unanswering()
    shop = Shop(store=store, secret=secret)
    return store, await shop.session()


async def receive(session: Session, payment: Payment) -> None:
    await session.shop.payments.receive(payment, session.token.session_id)


@pytest.mark.parametrize("silent", ["done", "not done"])
async def test_receive__the_stores_answer_lost_with_shared_nonces__credits_once_in_the_end(silent: str) -> None:
    store, session = await opened(SECRET)
    payment = session.payment(2)
    store.silent = silent
    with pytest.raises(StoreUnavailable):
        await receive(session, payment)
    store.silent = None
    if silent == "done":
        with pytest.raises(TicketRejected):
            await receive(session, payment)
    else:
        await receive(session, payment)
    assert session.balance == 2 * session.params.expected_value
    kept = await store.session(GATEWAY, session.token.session_id)
    assert kept is not None
    assert kept.balance == session.balance


@pytest.mark.parametrize("silent", ["done", "not done"])
async def test_receive__the_stores_answer_lost_without_shared_nonces__is_never_credited_twice(silent: str) -> None:
    store, session = await opened(None)
    payment = session.payment(2)
    store.silent = silent
    with pytest.raises(StoreUnavailable):
        await receive(session, payment)
    store.silent = None
    with pytest.raises(TicketRejected):
        await receive(session, payment)
    await receive(session, session.payment(1))
    tickets = 3 if silent == "done" else 1
    assert session.balance == tickets * session.params.expected_value


@pytest.mark.parametrize("silent", ["done", "not done"])
async def test_charge__the_stores_answer_lost__goes_on_with_the_stores_balance(silent: str) -> None:
    store, session = await opened(SECRET)
    await receive(session, session.payment(4))
    before = session.balance
    payments = session.shop.payments
    store.silent = silent
    with pytest.raises(StoreUnavailable):
        await payments.charge(GATEWAY, session.token.session_id, 1, 1000)
    store.silent = None
    fee = await payments.charge(GATEWAY, session.token.session_id, 2, 1000)
    assert fee > 0
    assert session.balance == before - fee * (2 if silent == "done" else 1)


async def test_run__the_store_is_away__goes_on() -> None:
    shop = Shop()
    shop.store.failure = StoreUnavailable("no answer")
    upkeep = asyncio.create_task(shop.work.run())

    await shop.clock.advance(60)
    assert not upkeep.done()

    shop.store.failure = None
    await shop.clock.advance(60)
    assert not upkeep.done()
    upkeep.cancel()
    await asyncio.gather(upkeep, return_exceptions=True)
    assert shop.payments.balance(GATEWAY, "session") == Fraction(0)
