"""Every write of a ticket store once, as steps that can be stopped anywhere and taken up again."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

from livepeer_client.errors import NoncesSeen
from livepeer_client.facts import BlockCursor, Debit, Lease, ReceivedNonces, ReceivedPayment, TicketState
from livepeer_client.ports import TicketStore
from livepeer_client.types import BlockNumber, Hash32
from tests.client.adapters.stored_values import (
    SENDER,
    lease_of,
    make_batch,
    make_block,
    make_outcome,
    make_payment,
    make_replacement,
    make_winner,
)

QUOTE = Hash32(bytes([1] * 32))
OLD_QUOTE = Hash32(bytes([2] * 32))


class Story:
    """`steps` in their order; each is one call of the store."""

    def __init__(self, store: TicketStore) -> None:
        self.store = store
        self.winners = [make_winner(number) for number in range(4)]
        self.first = make_batch(1, *self.winners[:2])
        self.second = make_batch(2, self.winners[2])
        self.mined = self.first.transaction.tx_hash
        self.paid = [make_outcome(self.winners[0], TicketState.PAID, 10**15, self.mined)]
        self.lease: Lease | None = None
        self.steps: tuple[Callable[[], Awaitable[None]], ...] = (
            self.pay,
            self.pay_on_an_old_quote,
            self.charge,
            self.take_the_lease,
            self.renew_the_lease,
            self.begin,
            self.replace,
            self.settle,
            self.reopen,
            self.settle_again,
            self.finalize,
            self.begin_another,
            self.mark,
            self.revive,
            self.hold,
            self.release,
            self.forget_nonces,
            self.write_off,
            self.save_cursor,
            self.release_the_lease,
        )

    async def tell(self, start: int = 0, acknowledged: Callable[[int], None] = lambda _: None) -> None:
        """From step `start` on; `acknowledged` hears of each step that the store has answered."""
        for number in range(start, len(self.steps)):
            await self.steps[number]()
            acknowledged(number)

    async def resume(self, step: int) -> None:
        """After a crash in `step`, whether or not it was committed: what a restart does.

        A sender repeats its payment and hears of seen nonces; work that was not delivered is never charged again;
        a redeemer repeats whatever it did.
        """
        if step < len(self.steps) and self.steps[step] == self.charge:
            session = await self.store.session(SENDER, "session")
            if session is None or not session.debited:
                await self.charge()
            step += 1
        await self.tell(step)

    async def ending(self) -> object:
        """All there is to see, without the moments."""
        store = self.store
        sessions = [
            replace(session, updated_at=0.0)
            for name in ("session", "old")
            if (session := await store.session(SENDER, name)) is not None
        ]
        return (
            [replace(ticket, received_at=0.0) for ticket in await store.tickets()],
            [replace(batch, began_at=0.0) for batch in await store.batches()],
            sessions,
            await store.open_quotes(),
            await store.cursor("rounds"),
            await store.totals(),
        )

    async def _lease(self) -> Lease:
        if self.lease is None:
            self.lease = await lease_of(self.store)
        return self.lease

    async def pay(self) -> None:
        nonces = ReceivedNonces(QUOTE, BlockNumber(100), (1, 2))
        await self._pay(replace(make_payment(*self.winners), nonces=nonces, price=Fraction(1, 3)))

    async def pay_on_an_old_quote(self) -> None:
        nonces = ReceivedNonces(OLD_QUOTE, BlockNumber(10), (1,))
        await self._pay(replace(make_payment(session_id="old"), nonces=nonces, price=Fraction(1, 3)))

    async def _pay(self, payment: ReceivedPayment) -> None:
        # Seen already: it was committed before a crash, and the sender sends it again.
        with suppress(NoncesSeen):
            await self.store.record_payment(payment)

    async def charge(self) -> None:
        await self.store.record_debit(Debit(SENDER, "session", 1, 10, Fraction(1, 7)))

    async def take_the_lease(self) -> None:
        self.lease = await lease_of(self.store)

    async def renew_the_lease(self) -> None:
        self.lease = await self.store.renew_lease(await self._lease(), 60)

    async def begin(self) -> None:
        await self.store.begin_batch(self.first, lease=await self._lease())

    async def replace(self) -> None:
        await self.store.add_replacement(self.first.id, make_replacement(1, 1), lease=await self._lease())

    async def settle(self) -> None:
        await self._settle(1)

    async def reopen(self) -> None:
        await self.store.reopen_batch(self.first.id, lease=await self._lease())

    async def settle_again(self) -> None:
        await self._settle(2)

    async def _settle(self, block: int) -> None:
        lease = await self._lease()
        await self.store.settle_batch(self.first.id, self.paid, mined=self.mined, block=make_block(block), lease=lease)

    async def finalize(self) -> None:
        await self.store.finalize_batch(self.first.id, lease=await self._lease())

    async def begin_another(self) -> None:
        await self.store.begin_batch(self.second, lease=await self._lease())

    async def mark(self) -> None:
        outcome = make_outcome(self.winners[3], TicketState.INVALID, reason="refused")
        await self.store.mark([outcome], lease=await self._lease())

    async def revive(self) -> None:
        await self.store.revive([self.winners[3].ticket.hash], "again")

    async def hold(self) -> None:
        await self.store.hold([self.winners[3].ticket.hash, self.winners[2].ticket.hash], "wait")

    async def release(self) -> None:
        await self.store.release([self.winners[2].ticket.hash])

    async def forget_nonces(self) -> None:
        await self.store.forget_nonces(BlockNumber(50))

    async def write_off(self) -> None:
        await self.store.write_off_idle(-1)

    async def save_cursor(self) -> None:
        await self.store.save_cursor(BlockCursor("rounds", make_block(3), (make_block(2), make_block(3))))

    async def release_the_lease(self) -> None:
        await self.store.release_lease(await self._lease())
