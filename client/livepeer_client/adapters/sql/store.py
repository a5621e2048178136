"""`ports.TicketStore` over any database that runs plans; see the port for what each method promises."""

from collections.abc import Sequence
from typing import Self

from livepeer_client.adapters.sql import batches, leases, payments, transfer, views
from livepeer_client.adapters.sql.plan import Database
from livepeer_client.adapters.sql.rows import winner_row
from livepeer_client.errors import InvalidInput
from livepeer_client.facts import (
    BatchState,
    BlockCursor,
    BlockRef,
    Debit,
    Lease,
    OrchestratorTotals,
    ReceivedNonces,
    ReceivedPayment,
    RedemptionBatch,
    Restored,
    SenderRisk,
    SessionBalance,
    SignedTransaction,
    StoredBatch,
    StoredTicket,
    TicketOutcome,
    TicketPage,
    TicketState,
)
from livepeer_client.policy import ticket_states
from livepeer_client.types import Address, BlockNumber, Hash32


class SqlTicketStore:
    """An orchestrator's store in a SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- payments and sessions

    async def record_payment(self, payment: ReceivedPayment) -> SessionBalance:
        winners = [winner_row(winner) for winner in payment.winners]
        order = (payment.sender, payment.session_id)
        return await self._database.write(lambda: payments.record_payment(payment, winners), order=order)

    async def record_debit(self, debit: Debit) -> SessionBalance:
        order = (debit.sender, debit.session_id)
        return await self._database.write(lambda: payments.record_debit(debit), order=order)

    async def session(self, sender: Address, session_id: str) -> SessionBalance | None:
        return await self._database.read(lambda: payments.session(sender, session_id))

    async def open_sessions(self) -> list[SessionBalance]:
        return await self._database.read(payments.open_sessions)

    async def write_off_idle(self, idle_s: float) -> list[SessionBalance]:
        return await self._database.write(lambda: payments.write_off_idle(idle_s))

    async def nonces(self, recipient_rand_hash: Hash32) -> frozenset[int]:
        return await self._database.read(lambda: payments.nonces(recipient_rand_hash))

    async def open_quotes(self) -> list[ReceivedNonces]:
        return await self._database.read(payments.open_quotes)

    async def forget_nonces(self, l1_block: BlockNumber) -> int:
        return await self._database.write(lambda: payments.forget_nonces(l1_block))

    # --- tickets

    async def tickets(self, *states: TicketState) -> list[StoredTicket]:
        ticket_states.check_states(states)
        return await self._database.read(lambda: views.tickets(states))

    async def ticket(self, hash_: Hash32) -> StoredTicket | None:
        return await self._database.read(lambda: views.ticket(hash_))

    async def page(
        self, *states: TicketState, sender: Address | None = None, after: int = 0, limit: int = 100
    ) -> TicketPage:
        ticket_states.check_states(states)
        check_limit(limit)
        return await self._database.read(lambda: views.page(states, sender, after, limit))

    async def value_at_risk(self) -> list[SenderRisk]:
        return await self._database.read(views.value_at_risk)

    async def totals(self) -> OrchestratorTotals:
        return await self._database.read(views.totals)

    async def hold(self, hashes: Sequence[Hash32], note: str) -> None:
        await self._database.write(lambda: batches.set_hold(hashes, note))

    async def release(self, hashes: Sequence[Hash32]) -> None:
        await self._database.write(lambda: batches.set_hold(hashes, None))

    async def revive(self, hashes: Sequence[Hash32], note: str) -> None:
        await self._database.write(lambda: batches.revive(hashes, note))

    async def mark(self, outcomes: Sequence[TicketOutcome], *, lease: Lease) -> None:
        ticket_states.check_outcomes(outcomes)
        await self._database.write(lambda: batches.mark(outcomes, lease))

    async def restore(self, tickets: Sequence[StoredTicket], batches: Sequence[StoredBatch]) -> Restored:
        return await self._database.write(lambda: transfer.restore(tickets, batches))

    # --- batches

    async def batches(
        self, *states: BatchState, after: Hash32 | None = None, limit: int | None = None
    ) -> list[StoredBatch]:
        if limit is not None:
            check_limit(limit)
        return await self._database.read(lambda: batches.batches(states, after, limit))

    async def begin_batch(self, batch: RedemptionBatch, *, lease: Lease) -> None:
        ticket_states.check_batch(batch)
        ticket_states.check_lease(batch, lease)
        await self._database.write(lambda: batches.begin(batch, lease))

    async def add_replacement(self, batch_id: Hash32, transaction: SignedTransaction, *, lease: Lease) -> None:
        await self._database.write(lambda: batches.add_replacement(batch_id, transaction, lease))

    async def settle_batch(
        self,
        batch_id: Hash32,
        outcomes: Sequence[TicketOutcome],
        *,
        mined: Hash32 | None,
        block: BlockRef,
        lease: Lease,
    ) -> None:
        ticket_states.check_outcomes(outcomes)
        await self._database.write(lambda: batches.settle(batch_id, outcomes, mined, block, lease))

    async def finalize_batch(self, batch_id: Hash32, *, lease: Lease) -> None:
        await self._database.write(lambda: batches.finalize(batch_id, lease))

    async def reopen_batch(self, batch_id: Hash32, *, lease: Lease) -> None:
        await self._database.write(lambda: batches.reopen(batch_id, lease))

    # --- leases and cursors

    async def acquire_lease(self, name: str, owner: str, ttl_s: float) -> Lease:
        check_ttl(ttl_s)
        return await self._database.write(lambda: leases.acquire(name, owner, ttl_s))

    async def renew_lease(self, lease: Lease, ttl_s: float) -> Lease:
        check_ttl(ttl_s)
        return await self._database.write(lambda: leases.renew(lease, ttl_s))

    async def release_lease(self, lease: Lease) -> None:
        await self._database.write(lambda: leases.release(lease))

    async def cursor(self, name: str) -> BlockCursor | None:
        return await self._database.read(lambda: views.cursor(name))

    async def save_cursor(self, cursor: BlockCursor) -> None:
        await self._database.write(lambda: views.save_cursor(cursor))

    async def close(self) -> None:
        await self._database.close()


def check_limit(limit: int) -> None:
    if limit < 1:
        raise InvalidInput(f"a page has at least one entry, got {limit}")


def check_ttl(ttl_s: float) -> None:
    if not ttl_s > 0:
        raise InvalidInput(f"a lease lasts longer than 0 s, got {ttl_s}")
