"""The till against senders that replay, flood and time their requests well."""

import asyncio
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import FakeChain, MemoryTicketStore
from livepeer_client.codec.messages import NonceAndSig
from livepeer_client.errors import MalformedMessage, TicketReason, TicketRejected
from livepeer_client.facts import Debit, ReceivedPayment, SenderInfo, SessionBalance
from livepeer_client.policy.receiving import MAX_NONCES
from livepeer_client.services.chain_view import READERS, ChainView
from livepeer_client.types import Address, Signature
from tests.support.shop import GATEWAY, POLL_S, Shop

EXPIRATION_BLOCKS = 40


class SlowAccounts(FakeChain):
    """A chain on which time passes while somebody's account is read."""

    shop: Shop | None = None

    async def sender_info(self, sender: Address) -> SenderInfo:
        shop, self.shop = self.shop, None
        if shop is not None:
            await shop.mine(EXPIRATION_BLOCKS)
            await shop.payments.sweep()
        return await super().sender_info(sender)


async def test_receive__quote_expires_and_is_swept_while_the_sender_is_read__credits_nothing_twice() -> None:
    chain = SlowAccounts()
    shop = Shop(chain=chain)
    session = await shop.session()
    payment = session.payment(5)
    credit = await shop.payments.receive(payment, session.token.session_id)
    # A new block, so that the sender's account is read again.
    shop.chain.mine()
    await shop.clock.advance(POLL_S)
    chain.shop = shop

    with pytest.raises(TicketRejected) as caught:
        await shop.payments.receive(payment, session.token.session_id)

    assert caught.value.reason is TicketReason.PARAMS_EXPIRED
    assert session.balance == credit > Fraction(0)
    assert shop.payments.balance(GATEWAY, session.token.session_id) == credit


async def test_receive__more_tickets_than_a_quote_credits__is_refused_unread() -> None:
    shop = Shop()
    session = await shop.session()
    good = session.payment(1)
    forged = (NonceAndSig(2, Signature(bytes(65))),) * MAX_NONCES

    with pytest.raises(MalformedMessage):
        await shop.payments.receive(replace(good, tickets=good.tickets + forged), session.token.session_id)

    assert (session.balance, shop.books()) == (0, (0, 0, 0))


async def test_receive__winners_of_an_expired_quote_again_and_again__change_the_books_once() -> None:
    shop = Shop()
    session = await shop.session()
    payment = session.payment(40)
    await shop.mine(EXPIRATION_BLOCKS)
    totals = []
    for _ in range(3):
        with pytest.raises(TicketRejected):
            await shop.payments.receive(payment, session.token.session_id)
        await shop.payments.sweep()
        totals.append(await shop.store.totals())

    assert totals[0].winners > 0
    assert totals[0] == totals[1] == totals[2]


class SlowStore(MemoryTicketStore):
    """A store whose commits take until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.begun = asyncio.Event()

    async def _commit(self) -> None:
        self.begun.set()
        await self.go.wait()
        self.begun.clear()

    async def record_payment(self, payment: ReceivedPayment) -> SessionBalance:
        await self._commit()
        return await super().record_payment(payment)

    async def record_debit(self, debit: Debit) -> SessionBalance:
        await self._commit()
        return await super().record_debit(debit)


async def cancelled_while_committing(store: SlowStore, task: asyncio.Task[Fraction]) -> None:
    await store.begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    store.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    store.go.clear()


async def test_receive__cancelled_while_the_payment_is_stored__credits_what_was_stored() -> None:
    store = SlowStore()
    shop = Shop(store=store)
    session = await shop.session()

    await cancelled_while_committing(
        store, asyncio.create_task(shop.payments.receive(session.payment(2), session.token.session_id))
    )

    (stored,) = store.payments
    assert session.balance == stored.credited > 0


async def test_charge__cancelled_while_the_debit_is_stored__debits_what_was_stored() -> None:
    store = SlowStore()
    shop = Shop(store=store)
    session = await shop.session()
    store.go.set()
    credit = await shop.payments.receive(session.payment(2), session.token.session_id)
    store.go.clear()
    store.begun.clear()

    await cancelled_while_committing(
        store, asyncio.create_task(shop.payments.charge(GATEWAY, session.token.session_id, 0, 1000))
    )

    (debit,) = store.debits
    assert session.balance == credit - debit.fee


class BusyChain(FakeChain):
    """Counts how many accounts are read at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = self.most = self.accounts = 0

    async def sender_info(self, sender: Address) -> SenderInfo:
        self.accounts += 1
        self.reading += 1
        self.most = max(self.most, self.reading)
        await asyncio.sleep(0.002)
        self.reading -= 1
        return await super().sender_info(sender)


async def test_sender__ever_new_keys_at_once__leave_the_node_room() -> None:
    chain = BusyChain()
    view = ChainView(chain, Shop().clock, Address(bytes(20)), POLL_S)

    await asyncio.gather(*(view.sender(Address(number.to_bytes(20, "big"))) for number in range(50)))

    assert (chain.most, chain.accounts) == (READERS, 50)
    await view.sender(Address(bytes(20)))
    assert chain.accounts == 50
