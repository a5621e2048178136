"""`ports.TicketStore` in memory. It keeps every promise of those on disk but one: it does not survive the process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Self

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.errors import InvalidInput, LeaseHeld, LeaseLost, NoncesSeen, StoreError, TicketStateRefused
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
    redemption_lease,
)
from livepeer_client.policy import ticket_states
from livepeer_client.policy.ticket_states import Standing
from livepeer_client.ports import Clock
from livepeer_client.types import Address, BlockNumber, Hash32, Wei


@dataclass(slots=True)
class _Quote:
    expiration_block: BlockNumber
    nonces: set[int] = field(default_factory=set)


class MemoryTicketStore:
    """`payments` and `debits` are there to be looked at. `failure`, if set, is raised by every method, as a full disk
    would."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.payments: list[ReceivedPayment] = []
        self.debits: list[Debit] = []
        self.failure: StoreError | None = None
        self._clock = clock or SystemClock()
        self._tickets: dict[Hash32, StoredTicket] = {}
        self._batches: dict[Hash32, StoredBatch] = {}
        self._sessions: dict[tuple[Address, str], SessionBalance] = {}
        self._quotes: dict[Hash32, _Quote] = {}
        self._leases: dict[str, Lease] = {}
        self._cursors: dict[str, BlockCursor] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- payments and sessions

    async def record_payment(self, payment: ReceivedPayment) -> SessionBalance:
        self._check()
        self._use_up(payment.nonces)
        new = [winner for winner in payment.winners if winner.ticket.hash not in self._tickets]
        known = self._session(payment.sender, payment.session_id)
        if payment.winners and not new and not payment.credited:
            return known
        self.payments.append(payment)
        now = self._clock.time()
        for winner in new:
            hash_ = winner.ticket.hash
            ticket = StoredTicket(winner, hash_, TicketState.HELD, Wei(0), None, "", received_at=now)
            self._tickets.setdefault(hash_, ticket)
        return self._keep(
            replace(
                known,
                credited=known.credited + payment.credited,
                price=known.price if known.price is not None else payment.price,
            )
        )

    async def record_debit(self, debit: Debit) -> SessionBalance:
        self._check()
        self.debits.append(debit)
        known = self._session(debit.sender, debit.session_id)
        return self._keep(replace(known, debited=known.debited + debit.fee))

    async def session(self, sender: Address, session_id: str) -> SessionBalance | None:
        self._check()
        return self._sessions.get((sender, session_id))

    async def open_sessions(self) -> list[SessionBalance]:
        self._check()
        return sorted(
            (session for session in self._sessions.values() if session.open),
            key=lambda session: (session.sender, session.session_id),
        )

    async def write_off_idle(self, idle_s: float) -> list[SessionBalance]:
        self._check()
        before = self._clock.time() - idle_s
        idle = [session for session in await self.open_sessions() if session.updated_at < before]
        for session in idle:
            self._sessions[session.sender, session.session_id] = replace(
                session, open=False, price=None, written_off=session.credited - session.debited
            )
        return idle

    async def nonces(self, recipient_rand_hash: Hash32) -> frozenset[int]:
        self._check()
        quote = self._quotes.get(recipient_rand_hash)
        return frozenset(quote.nonces) if quote else frozenset()

    async def open_quotes(self) -> list[ReceivedNonces]:
        self._check()
        return [
            ReceivedNonces(rand_hash, quote.expiration_block, tuple(sorted(quote.nonces)))
            for rand_hash, quote in self._quotes.items()
        ]

    async def forget_nonces(self, l1_block: BlockNumber) -> int:
        self._check()
        expired = [rand_hash for rand_hash, quote in self._quotes.items() if quote.expiration_block <= l1_block]
        for rand_hash in expired:
            del self._quotes[rand_hash]
        return len(expired)

    def _use_up(self, used: ReceivedNonces | None) -> None:
        if used is None:
            return
        quote = self._quotes.get(used.recipient_rand_hash)
        seen = quote.nonces.intersection(used.nonces) if quote else set()
        if seen:
            raise NoncesSeen(used.recipient_rand_hash, seen)
        quote = self._quotes.setdefault(used.recipient_rand_hash, _Quote(used.expiration_block))
        quote.expiration_block = used.expiration_block
        quote.nonces.update(used.nonces)

    def _session(self, sender: Address, session_id: str) -> SessionBalance:
        zero = Fraction(0)
        return self._sessions.get(
            (sender, session_id), SessionBalance(sender, session_id, zero, zero, zero, None, open=False, updated_at=0.0)
        )

    def _keep(self, session: SessionBalance) -> SessionBalance:
        kept = replace(session, open=True, updated_at=self._clock.time())
        self._sessions[session.sender, session.session_id] = kept
        return kept

    # --- tickets

    async def tickets(self, *states: TicketState) -> list[StoredTicket]:
        self._check()
        ticket_states.check_states(states)
        return [ticket for ticket in self._tickets.values() if not states or ticket.state in states]

    async def ticket(self, hash_: Hash32) -> StoredTicket | None:
        self._check()
        return self._tickets.get(hash_)

    async def page(
        self, *states: TicketState, sender: Address | None = None, after: int = 0, limit: int = 100
    ) -> TicketPage:
        self._check()
        ticket_states.check_states(states)
        _check_limit(limit)
        found = [
            (number, ticket)
            for number, ticket in enumerate(self._tickets.values(), start=1)
            if number > after
            and (not states or ticket.state in states)
            and (sender is None or ticket.winner.ticket.sender == sender)
        ]
        shown = found[:limit]
        return TicketPage(tuple(ticket for _, ticket in shown), shown[-1][0] if len(found) > limit else None)

    async def value_at_risk(self) -> list[SenderRisk]:
        self._check()
        senders: dict[Address, list[StoredTicket]] = {}
        for ticket in await self.tickets(*ticket_states.OPEN):
            senders.setdefault(ticket.winner.ticket.sender, []).append(ticket)
        return [
            SenderRisk(
                sender=sender,
                tickets=len(found),
                held=_face_values(ticket for ticket in found if ticket.state is TicketState.HELD),
                sent=_face_values(ticket for ticket in found if ticket.state is TicketState.SENT),
                oldest_received_at=min(ticket.received_at for ticket in found),
            )
            for sender, found in sorted(senders.items())
        ]

    async def totals(self) -> OrchestratorTotals:
        self._check()
        tickets = self._tickets.values()
        return OrchestratorTotals(
            payments=len(self.payments),
            tickets_received=sum(payment.received for payment in self.payments),
            expected_value_credited=sum((payment.credited for payment in self.payments), Fraction(0)),
            segments=len(self.debits),
            pixels=sum(debit.pixels for debit in self.debits),
            fees_debited=sum((debit.fee for debit in self.debits), Fraction(0)),
            winners=len(tickets),
            winners_face_value=_face_values(tickets),
            paid=Wei(sum(ticket.paid for ticket in tickets)),
            by_state={state: sum(ticket.state is state for ticket in tickets) for state in ticket_states.STORED},
        )

    async def hold(self, hashes: Sequence[Hash32], note: str) -> None:
        self._set_hold(hashes, note)

    async def release(self, hashes: Sequence[Hash32]) -> None:
        self._set_hold(hashes, None)

    def _set_hold(self, hashes: Sequence[Hash32], note: str | None) -> None:
        self._check()
        for hash_ in hashes:
            if hash_ not in self._tickets:
                raise TicketStateRefused(hash_, None, "on hold" if note is not None else "released", "is not stored")
        for hash_ in hashes:
            self._tickets[hash_] = replace(self._tickets[hash_], hold=note)

    async def revive(self, hashes: Sequence[Hash32], note: str) -> None:
        self._check()
        changes = [hash_ for hash_ in hashes if ticket_states.revive_changes(hash_, self._standing(hash_))]
        for hash_ in changes:
            self._apply(TicketOutcome(hash_, TicketState.HELD, Wei(0), None, note), None)

    async def mark(self, outcomes: Sequence[TicketOutcome], *, lease: Lease) -> None:
        self._check()
        ticket_states.check_outcomes(outcomes)
        self._guard(lease)
        changes = [outcome for outcome in outcomes if ticket_states.mark_changes(outcome, self._standing(outcome.hash))]
        for outcome in changes:
            self._apply(outcome, None)

    async def restore(self, tickets: Sequence[StoredTicket], batches: Sequence[StoredBatch]) -> Restored:
        self._check()
        new_batches = [batch for batch in batches if batch.id not in self._batches]
        for batch in new_batches:
            if batch.state is BatchState.OPEN:
                self._refuse_taken(batch.batch)
            self._refuse_known(batch.batch.transactions)
        hashes = {ticket.hash for ticket in tickets} | {hash_ for batch in batches for hash_ in batch.batch.tickets}
        new = ticket_states.restoration(tickets, new_batches, self._tickets)
        for batch in new_batches:
            self._batches[batch.id] = batch
            if batch.state is BatchState.OPEN:
                known = [hash_ for hash_ in batch.batch.tickets if hash_ in self._tickets]
                held = [hash_ for hash_ in known if self._tickets[hash_].state is TicketState.HELD]
                self._send(batch.batch, held)
        self._tickets.update((ticket.hash, ticket) for ticket in new)
        return Restored(len(new), len(hashes) - len(new), len(new_batches), len(batches) - len(new_batches))

    # --- batches

    async def batches(
        self, *states: BatchState, after: Hash32 | None = None, limit: int | None = None
    ) -> list[StoredBatch]:
        self._check()
        if limit is not None:
            _check_limit(limit)
        ids = list(self._batches)
        if after is not None:
            if after not in self._batches:
                raise StoreError(f"no batch 0x{after.hex()} is stored")
            ids = ids[ids.index(after) + 1 :]
        found = [self._batches[id_] for id_ in ids if not states or self._batches[id_].state in states]
        return found if limit is None else found[:limit]

    async def begin_batch(self, batch: RedemptionBatch, *, lease: Lease) -> None:
        self._check()
        ticket_states.check_batch(batch)
        ticket_states.check_lease(batch, lease)
        self._guard(lease)
        known = self._batches.get(batch.id)
        if known is not None:
            if known.state is BatchState.OPEN and known.batch == batch:
                return
            raise StoreError(f"batch 0x{batch.id.hex()} is already stored")
        self._refuse_taken(batch)
        for hash_ in batch.tickets:
            ticket_states.refuse_unless_sendable(hash_, self._standing(hash_))
        self._refuse_known(batch.transactions)
        self._batches[batch.id] = StoredBatch(batch, BatchState.OPEN, None, None, (), self._clock.time())
        self._send(batch, batch.tickets)

    async def add_replacement(self, batch_id: Hash32, transaction: SignedTransaction, *, lease: Lease) -> None:
        stored = self._leased(batch_id, lease)
        batch = stored.batch
        if transaction in batch.transactions:
            return
        if stored.state is not BatchState.OPEN:
            raise StoreError(f"batch 0x{batch_id.hex()} is {stored.state.value}, it takes no replacement")
        if transaction.nonce != batch.nonce:
            raise InvalidInput(f"batch 0x{batch_id.hex()} has nonce {batch.nonce}, the replacement {transaction.nonce}")
        self._refuse_known([transaction])
        longer = replace(batch, transactions=(*batch.transactions, transaction))
        self._batches[batch_id] = replace(stored, batch=longer)
        for hash_, ticket in self._tickets.items():
            if ticket.batch == batch_id and ticket.state is TicketState.SENT:
                self._tickets[hash_] = replace(ticket, tx_hash=transaction.tx_hash)

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
        stored = self._leased(batch_id, lease)
        if stored.state is not BatchState.OPEN:
            if stored.block is not None and (stored.mined, stored.block.hash) == (mined, block.hash):
                return
            raise StoreError(f"batch 0x{batch_id.hex()} is {stored.state.value} in another block: reopen it first")
        if mined is not None and all(known.tx_hash != mined for known in stored.batch.transactions):
            raise StoreError(f"transaction 0x{mined.hex()} is not one of batch 0x{batch_id.hex()}")
        tickets = stored.batch.tickets
        for change in ticket_states.settlement(batch_id, tickets, self._standings(tickets), outcomes):
            self._apply(change, None if change.state is TicketState.HELD else batch_id)
        by_hash = {outcome.hash: outcome for outcome in outcomes}
        self._batches[batch_id] = replace(
            stored,
            state=BatchState.MINED,
            mined=mined,
            block=block,
            outcomes=tuple(
                replace(by_hash[hash_], tx_hash=mined if by_hash[hash_].state in ticket_states.REDEEMED else None)
                for hash_ in tickets
                if hash_ in by_hash
            ),
        )

    async def finalize_batch(self, batch_id: Hash32, *, lease: Lease) -> None:
        stored = self._leased(batch_id, lease)
        if stored.state is BatchState.OPEN:
            raise StoreError(f"batch 0x{batch_id.hex()} is open: settle it first")
        self._batches[batch_id] = replace(stored, state=BatchState.FINAL)

    async def reopen_batch(self, batch_id: Hash32, *, lease: Lease) -> None:
        stored = self._leased(batch_id, lease)
        if stored.state is BatchState.OPEN:
            return
        if stored.state is BatchState.FINAL:
            raise StoreError(f"batch 0x{batch_id.hex()} is final")
        tickets = stored.batch.tickets
        self._send(stored.batch, ticket_states.reopening(batch_id, tickets, self._standings(tickets)))
        self._batches[batch_id] = replace(stored, state=BatchState.OPEN, mined=None, block=None, outcomes=())

    # --- leases and cursors

    async def acquire_lease(self, name: str, owner: str, ttl_s: float) -> Lease:
        self._check()
        _check_ttl(ttl_s)
        known, now = self._leases.get(name), self._clock.time()
        if known is not None and known.owner != owner and known.expires_at > now:
            raise LeaseHeld(name, known.owner, known.expires_at - now)
        self._leases[name] = Lease(name, owner, known.token + 1 if known else 1, now + ttl_s)
        return self._leases[name]

    async def renew_lease(self, lease: Lease, ttl_s: float) -> Lease:
        self._check()
        _check_ttl(ttl_s)
        self._guard(lease)
        self._leases[lease.name] = replace(self._leases[lease.name], expires_at=self._clock.time() + ttl_s)
        return self._leases[lease.name]

    async def release_lease(self, lease: Lease) -> None:
        self._check()
        known = self._leases.get(lease.name)
        if known is not None and known.token == lease.token:
            self._leases[lease.name] = replace(known, expires_at=0.0)

    async def cursor(self, name: str) -> BlockCursor | None:
        self._check()
        return self._cursors.get(name)

    async def save_cursor(self, cursor: BlockCursor) -> None:
        self._check()
        self._cursors[cursor.name] = cursor

    async def close(self) -> None:
        self._closed = True

    # --- inside

    def _leased(self, batch_id: Hash32, lease: Lease) -> StoredBatch:
        self._check()
        self._guard(lease)
        stored = self._batches.get(batch_id)
        if stored is None:
            raise StoreError(f"no batch 0x{batch_id.hex()} is stored")
        if lease.name != redemption_lease(stored.batch.key):
            raise InvalidInput(f"a batch of key 0x{stored.batch.key.hex()} needs its lease, got {lease.name}")
        return stored

    def _guard(self, lease: Lease) -> None:
        known = self._leases.get(lease.name)
        if known is None or known.token != lease.token:
            raise LeaseLost(lease.name, lease.token, known.token if known else None)

    def _refuse_taken(self, batch: RedemptionBatch) -> None:
        for other in self._batches.values():
            taken = other.state is BatchState.OPEN or other.mined is not None
            if taken and (other.batch.key, other.batch.nonce) == (batch.key, batch.nonce):
                raise StoreError(f"nonce {batch.nonce} belongs to batch 0x{other.id.hex()}")

    def _refuse_known(self, transactions: Sequence[SignedTransaction]) -> None:
        known = {entry.tx_hash for stored in self._batches.values() for entry in stored.batch.transactions}
        for transaction in transactions:
            if transaction.tx_hash in known:
                raise StoreError(f"transaction 0x{transaction.tx_hash.hex()} is already stored")

    def _standing(self, hash_: Hash32) -> Standing | None:
        ticket = self._tickets.get(hash_)
        return None if ticket is None else Standing(ticket.state, ticket.batch, ticket.paid, ticket.hold is not None)

    def _standings(self, hashes: Sequence[Hash32]) -> dict[Hash32, Standing]:
        found = ((hash_, self._standing(hash_)) for hash_ in hashes)
        return {hash_: standing for hash_, standing in found if standing is not None}

    def _send(self, batch: RedemptionBatch, hashes: Sequence[Hash32]) -> None:
        for hash_ in hashes:
            self._tickets[hash_] = replace(
                self._tickets[hash_],
                state=TicketState.SENT,
                paid=Wei(0),
                tx_hash=batch.transaction.tx_hash,
                reason="",
                batch=batch.id,
            )

    def _apply(self, outcome: TicketOutcome, batch: Hash32 | None) -> None:
        self._tickets[outcome.hash] = replace(
            self._tickets[outcome.hash],
            state=outcome.state,
            paid=outcome.paid,
            tx_hash=outcome.tx_hash,
            reason=outcome.reason,
            batch=batch,
        )

    def _check(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")
        if self.failure is not None:
            raise self.failure


def _face_values(tickets: Iterable[StoredTicket]) -> Wei:
    return Wei(sum(ticket.winner.ticket.face_value for ticket in tickets))


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise InvalidInput(f"a page has at least one entry, got {limit}")


def _check_ttl(ttl_s: float) -> None:
    if not ttl_s > 0:
        raise InvalidInput(f"a lease lasts longer than 0 s, got {ttl_s}")
