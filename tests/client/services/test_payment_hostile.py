"""The till against senders that replay, flood and time their requests well."""

from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import FakeChain
from livepeer_client.errors import TicketReason, TicketRejected
from livepeer_client.facts import SenderInfo
from livepeer_client.types import Address
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
