"""Redeem winners: at each new block settle what is open, plan, simulate, send, read what came of it.

The rules are of offchain-payments 16.

The order of writes makes every crash harmless. A batch is stored with its signed transaction and its tickets marked
SENT before it is broadcast, so after a restart it is found open: its receipt settles it, otherwise it is broadcast
again, and if another transaction has taken its nonce `usedTickets` decides. Storing or settling twice changes nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import ChainError, ChainUnavailable, Reverted, TransactionDropped
from livepeer_client.facts import (
    BatchState,
    BlockRef,
    Calldata,
    Head,
    Lease,
    Receipt,
    RedemptionBatch,
    SignedTransaction,
    StoredTicket,
    TicketOutcome,
    TicketState,
    redemption_lease,
)
from livepeer_client.policy.redemption import (
    BROKER,
    Action,
    Decision,
    Plan,
    RedemptionFacts,
    RedemptionPolicy,
    Refusal,
    SimulationFailure,
    batch_arguments,
    classify,
    failed_simulation,
    outcomes_of,
    plan,
    redeem_arguments,
)
from livepeer_client.ports import Chain, Clock, TicketStore, Transactor
from livepeer_client.services.tasks import together
from livepeer_client.types import Address, Hash32, Wei

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RedemptionReport:
    """What one step did: a decision for every ticket held, evidence recorded, and the transaction sent if any."""

    decisions: tuple[Decision, ...] = ()
    outcomes: tuple[TicketOutcome, ...] = ()
    sent: Hash32 | None = None


class RedemptionService:
    """Redeems what `store` holds through `transactor`, which also pays the gas.

    The submitting key need not be the tickets' recipient. Only one service may work on a store at a time.

    :param owner: whose lease of the key this is; a restart under the same name takes it over at once.
    :param settle_timeout_s: how long a step waits for its transaction; a later step takes it up again.
    """

    def __init__(
        self,
        chain: Chain,
        transactor: Transactor,
        store: TicketStore,
        clock: Clock,
        policy: RedemptionPolicy | None = None,
        *,
        owner: str = "redeemer",
        poll_interval_s: float = 5.0,
        settle_timeout_s: float = 60.0,
    ) -> None:
        self._chain = chain
        self._transactor = transactor
        self._store = store
        self._clock = clock
        self._policy = replace(policy or RedemptionPolicy(), max_open=1)
        self._owner = owner
        self._poll_interval_s = poll_interval_s
        self._settle_timeout_s = settle_timeout_s
        self._done_block: Hash32 | None = None
        # Learnt from simulations; lost at a restart without harm.
        self._gas: dict[Hash32, int] = {}
        self._failures: dict[Hash32, SimulationFailure] = {}
        self._shown: dict[Hash32, Decision] = {}

    @property
    def decisions(self) -> list[Decision]:
        """The latest decision about each ticket still held."""
        return list(self._shown.values())

    async def run(self) -> None:
        """Step at every new block until cancelled. Trouble with the chain is logged and tried again."""
        while True:
            try:
                await self.step()
            except ChainError as error:
                logger.warning("redemption: %s", error)
            await self._clock.sleep(self._poll_interval_s)

    async def step(self) -> RedemptionReport:
        """Work once on the present block; nothing happens if that block was worked on before.

        :raises ChainUnavailable, Reverted, StoreError: nothing is lost; the next step goes on from there.
        """
        head = await self._chain.head()
        if head.block_hash == self._done_block:
            return RedemptionReport()
        name = redemption_lease(self._transactor.address)
        lease = await self._store.acquire_lease(name, self._owner, 2 * self._settle_timeout_s)
        outcomes = await self._recover(head, lease)
        outcomes += await self._record_used(await self._store.tickets(TicketState.HELD), lease)
        held = await self._store.tickets(TicketState.HELD)
        busy = bool(await self._store.batches(BatchState.OPEN))
        sent: Hash32 | None = None
        decisions: list[Decision] = []
        if held:
            facts = await self._read_facts(head, held)
            planned = plan(held, facts, self._policy) if busy else await self._plan(held, facts, outcomes, lease)
            decisions = list(planned.decisions)
            outcomes += await self._expire(decisions, lease)
            # One batch at a time: another one would queue behind a transaction that is not mined.
            batch = None if busy else await self._prepare(held, planned, lease)
            if batch is not None:
                sent = batch.transaction.tx_hash
                outcomes += await self._submit(batch, head, lease)
        self._show(decisions, outcomes)
        self._done_block = head.block_hash
        return RedemptionReport(tuple(decisions), tuple(outcomes), sent)

    # --- reading

    async def _read_facts(self, head: Head, held: Sequence[StoredTicket]) -> RedemptionFacts:
        terms = [ticket.winner.ticket for ticket in held]
        pairs = sorted({(ticket.sender, ticket.recipient) for ticket in terms})
        senders = sorted({sender for sender, _ in pairs})
        recipients = sorted({recipient for _, recipient in pairs})
        round_state, validity = await self._chain.round_state(), await self._chain.ticket_validity_period()
        accounts = await together(*(self._chain.sender_info(sender) for sender in senders))
        states = await together(*(self._chain.orchestrator_state(recipient) for recipient in recipients))
        claimable = await together(*(self._chain.claimable_reserve(*pair) for pair in pairs))
        in_flight: dict[Address, Wei] = {}
        for ticket in await self._store.tickets(TicketState.SENT):
            sender = ticket.winner.ticket.sender
            in_flight[sender] = Wei(in_flight.get(sender, Wei(0)) + ticket.winner.ticket.face_value)
        known = {ticket.hash for ticket in held}
        self._gas = {hash_: gas for hash_, gas in self._gas.items() if hash_ in known}
        self._failures = {hash_: failure for hash_, failure in self._failures.items() if hash_ in known}
        return RedemptionFacts(
            head=head,
            round=round_state,
            validity_rounds=validity,
            senders=dict(zip(senders, accounts, strict=True)),
            recipients=dict(zip(recipients, states, strict=True)),
            claimable=dict(zip(pairs, claimable, strict=True)),
            in_flight=in_flight,
        )

    # --- planning

    async def _plan(
        self, held: list[StoredTicket], facts: RedemptionFacts, outcomes: list[TicketOutcome], lease: Lease
    ) -> Plan:
        """Plan, simulate what is to be redeemed, and plan again without what failed, until all of it is proven.

        So a bad ticket takes no funds and no place from a good one.
        """
        tickets = {ticket.hash: ticket for ticket in held}
        proven: set[Hash32] = set()
        while True:
            known = replace(facts, gas=self._gas, failures=self._failures)
            planned = plan(list(tickets.values()), known, self._policy)
            unproven = [
                tickets[decision.hash]
                for decision in planned.decisions
                if decision.action is Action.REDEEM and decision.hash not in proven
            ]
            if not unproven:
                return planned
            results = await together(*(self._simulate(ticket.winner) for ticket in unproven))
            for ticket, result in zip(unproven, results, strict=True):
                if isinstance(result, int):
                    self._gas[ticket.hash] = result
                    self._failures.pop(ticket.hash, None)
                    proven.add(ticket.hash)
                    continue
                if classify(result.reason) is Refusal.USED:
                    used = await self._record_used([ticket], lease)
                    if used:
                        outcomes += used
                        del tickets[ticket.hash]
                        continue
                before = self._failures.get(ticket.hash)
                self._failures[ticket.hash] = failed_simulation(result.reason, before, facts.head.l1_block)

    async def _simulate(self, winner: WinningTicket) -> int | Reverted:
        """Estimated gas, or the refusal as a value."""
        try:
            return await self._transactor.simulate_redeem(winner)
        except Reverted as refusal:
            return refusal

    # --- sending

    async def _prepare(self, held: Sequence[StoredTicket], planned: Plan, lease: Lease) -> RedemptionBatch | None:
        """Sign and store the planned batch, if any. From here on it is found after a crash."""
        if not planned.batches:
            return None
        chosen = planned.batches[0]
        winners = {ticket.hash: ticket.winner for ticket in held}
        # Alone and late: the single call is cheaper and says aloud what is wrong.
        kind = Calldata.SINGLE if len(chosen.tickets) == 1 and chosen.urgent else Calldata.BATCH
        transaction = await self._sign([winners[hash_] for hash_ in chosen.tickets], kind, chosen.gas_limit)
        batch = RedemptionBatch(
            key=self._transactor.address,
            nonce=transaction.nonce,
            tickets=chosen.tickets,
            calldata=kind,
            transactions=(transaction,),
        )
        await self._store.begin_batch(batch, lease=lease)
        return batch

    async def _sign(self, winners: Sequence[WinningTicket], kind: Calldata, gas_limit: int) -> SignedTransaction:
        if kind is Calldata.SINGLE:
            arguments: Sequence[object] = redeem_arguments(winners[0])
            return await self._transactor.prepare(BROKER, "redeemWinningTicket", arguments, gas_limit=gas_limit)
        arguments = batch_arguments(winners)
        return await self._transactor.prepare(BROKER, "batchRedeemWinningTickets", arguments, gas_limit=gas_limit)

    async def _submit(self, batch: RedemptionBatch, head: Head, lease: Lease) -> list[TicketOutcome]:
        """Broadcast a stored batch and settle it if that succeeds in time; otherwise it stays open."""
        tx_hash = batch.transaction.tx_hash
        try:
            await self._transactor.broadcast(batch.transaction)
        except TransactionDropped:
            logger.warning("redemption 0x%s: another transaction took its nonce", tx_hash.hex())
            return await self._settle(batch, None, head, lease)
        except ChainUnavailable as error:
            logger.warning("redemption 0x%s was not accepted yet: %s", tx_hash.hex(), error)
            return []
        try:
            receipt = await self._transactor.wait(tx_hash, self._settle_timeout_s)
        except TransactionDropped:
            logger.warning("redemption 0x%s is not mined yet", tx_hash.hex())
            return []
        return await self._settle(batch, receipt, head, lease)

    # --- evidence

    async def _recover(self, head: Head, lease: Lease) -> list[TicketOutcome]:
        """Settle or send again what a former step, or a former process, left open."""
        outcomes: list[TicketOutcome] = []
        for stored in await self._store.batches(BatchState.OPEN):
            batch = stored.batch
            receipt = await self._transactor.receipt(batch.transaction.tx_hash)
            if receipt is None:
                outcomes += await self._submit(batch, head, lease)
            else:
                outcomes += await self._settle(batch, receipt, head, lease)
        return outcomes

    async def _settle(
        self, batch: RedemptionBatch, receipt: Receipt | None, head: Head, lease: Lease
    ) -> list[TicketOutcome]:
        """Close a batch. Tickets that the receipt does not prove redeemed are looked up; unused ones are held again."""
        inside = set(batch.tickets)
        tickets = [ticket for ticket in await self._store.tickets(TicketState.SENT) if ticket.hash in inside]
        outcomes, unproven = ([], tickets) if receipt is None else outcomes_of(receipt, tickets)
        used = await self._chain.used_tickets([ticket.hash for ticket in unproven])
        for ticket, is_used in zip(unproven, used, strict=True):
            state = TicketState.USED_ELSEWHERE if is_used else TicketState.HELD
            reason = "redeemed by another transaction" if is_used else "left out by its batch"
            outcomes.append(TicketOutcome(ticket.hash, state, Wei(0), None, reason))
        mined = None if receipt is None else receipt.tx_hash
        block = (
            BlockRef(head.l1_block, head.block_hash) if receipt is None else BlockRef(receipt.block, receipt.block_hash)
        )
        await self._store.settle_batch(batch.id, outcomes, mined=mined, block=block, lease=lease)
        return outcomes

    async def _record_used(self, tickets: Sequence[StoredTicket], lease: Lease) -> list[TicketOutcome]:
        """Record those of `tickets`, all held, that somebody else has redeemed."""
        used = await self._chain.used_tickets([ticket.hash for ticket in tickets])
        outcomes = [
            TicketOutcome(ticket.hash, TicketState.USED_ELSEWHERE, Wei(0), None, "redeemed by another transaction")
            for ticket, is_used in zip(tickets, used, strict=True)
            if is_used
        ]
        if outcomes:
            await self._store.mark(outcomes, lease=lease)
        return outcomes

    async def _expire(self, decisions: Sequence[Decision], lease: Lease) -> list[TicketOutcome]:
        outcomes = [
            TicketOutcome(decision.hash, TicketState.EXPIRED, Wei(0), None, decision.reason.value)
            for decision in decisions
            if decision.action is Action.EXPIRE
        ]
        if outcomes:
            await self._store.mark(outcomes, lease=lease)
        return outcomes

    def _show(self, decisions: Sequence[Decision], outcomes: Sequence[TicketOutcome]) -> None:
        """Log what changed since the last step."""
        for outcome in outcomes:
            loud = outcome.state in (TicketState.UNDERPAID, TicketState.EXPIRED, TicketState.USED_ELSEWHERE)
            logger.log(
                logging.WARNING if loud else logging.INFO,
                "ticket 0x%s: %s, %d wei (%s)",
                outcome.hash.hex(),
                outcome.state.value,
                outcome.paid,
                outcome.reason,
            )
        for decision in decisions:
            before = self._shown.get(decision.hash)
            if before is None or (before.action, before.reason) != (decision.action, decision.reason):
                logger.info(
                    "ticket 0x%s: %s, %s %s",
                    decision.hash.hex(),
                    decision.action.value,
                    decision.reason.value,
                    dict(decision.figures),
                )
        self._shown = {decision.hash: decision for decision in decisions}
