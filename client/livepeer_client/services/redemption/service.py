"""The service that runs a node's redemptions, and what an operator can ask it."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.errors import ChainError, InvalidInput, LeaseHeld, LeaseLost, Reverted, StoreError
from livepeer_client.facts import (
    Head,
    Lease,
    StoredBatch,
    StoredTicket,
    TicketOutcome,
    TicketState,
    redemption_lease,
)
from livepeer_client.facts.figures import Spending
from livepeer_client.policy.block_time import L1_BLOCK_S
from livepeer_client.policy.redemption import (
    PAUSED,
    Action,
    Alarm,
    Decision,
    Explanation,
    Plan,
    RedemptionFacts,
    RedemptionPolicy,
    Refusal,
    alarms_of,
    classify,
    explain,
    failed_simulation,
    is_urgent,
    plan,
    replacement_ceiling,
    window,
    window_alarms,
)
from livepeer_client.ports import Chain, Clock, TicketStore, Transactor
from livepeer_client.ports.desk import PauseSwitch
from livepeer_client.services.block_time import BlockTime
from livepeer_client.services.gas import GasPriceMonitor
from livepeer_client.services.redemption.evidence import Evidence
from livepeer_client.services.redemption.memory import Memory, Pause
from livepeer_client.services.redemption.reading import read_facts
from livepeer_client.services.redemption.sending import Sending
from livepeer_client.services.tasks import for_ever, together
from livepeer_client.types import Address, Hash32

logger = logging.getLogger(__name__)

_READS: Final = 3
"""How often the chain is read again because a block came while tickets were simulated."""


@dataclass(frozen=True, slots=True)
class RedemptionReport:
    """What one step did: a decision for every ticket held, evidence recorded, transactions sent, alarms raised.

    `standby`: another process has the lease of the key.
    """

    decisions: tuple[Decision, ...] = ()
    outcomes: tuple[TicketOutcome, ...] = ()
    sent: tuple[Hash32, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    standby: bool = False


class RedemptionService:
    """Redeems what `store` holds through `transactor`, which also pays the gas.

    The submitting key need not be the tickets' recipient. Several services may share a store: those of one key take
    turns by its lease, those of different keys exclude each other ticket by ticket.

    :param owner: names this process in leases; one that comes back under the same name takes its lease over at once.
    :param lease_s: after so many seconds without a step another process may take over.
    :param on_alarm: told of every alarm once, beside the log.
    :param gas: the gas prices of the last day, where the process has a monitor of them already.
    :param pause: while it is on nothing new is sent; what is on its way already is still watched and pushed.
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
        lease_s: float = 120.0,
        on_alarm: Callable[[Alarm], None] | None = None,
        gas: GasPriceMonitor | None = None,
        pause: PauseSwitch | None = None,
        block_time: BlockTime | None = None,
    ) -> None:
        self._chain = chain
        self._block_time = block_time or BlockTime(chain, clock)
        self._pause = pause or Pause()
        self._stepping = asyncio.Lock()
        self._gas = gas or GasPriceMonitor(chain, clock)
        self._transactor = transactor
        self._store = store
        self._clock = clock
        self._policy = policy or RedemptionPolicy()
        self._owner = owner
        self._poll_interval_s = poll_interval_s
        self._lease_s = lease_s
        self._on_alarm = on_alarm
        self._lease: Lease | None = None
        self._borrowed: dict[Address, Lease | None] = {}
        self._memory = Memory()
        self._evidence = Evidence(chain, transactor, store, self._memory)
        self._sending = Sending(transactor, store, self._memory, self._policy)
        self._done_block: Hash32 | None = None

    @property
    def decisions(self) -> list[Decision]:
        """The latest decision about each ticket still held."""
        return list(self._memory.decisions.values())

    @property
    def spending(self) -> Spending:
        """What redemptions have cost since this process started."""
        return self._memory.spending

    @property
    def alarms(self) -> dict[str, int]:
        """Alarms raised since this process started, by kind."""
        return dict(self._memory.alarms_raised)

    async def run(self) -> None:
        """Step at every new block until cancelled. Trouble that may pass, of chain, store or signer, is logged.

        :raises StoreError: the store cannot be trusted any more.
        """
        try:
            await for_ever(self.step, self._clock, self._poll_interval_s, "redemption", (ChainError, LeaseLost))
        finally:
            await self.stand_down()

    async def stand_down(self) -> None:
        """Let another process have the key at once, instead of when the lease ends."""
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                await self._store.release_lease(lease)
            except StoreError as error:
                logger.info("redemption: the lease ends by itself: %s", error)

    async def step(self) -> RedemptionReport:
        """Work once on the present block; nothing happens if that block was worked on before.

        :raises ChainUnavailable, Reverted, StoreError: nothing is lost; the next step goes on from there.
        :raises LeaseLost: another process took over in the middle; it goes on.
        """
        # An operator's step and that of `run` take turns: both plan with the same tickets.
        async with self._stepping:
            return await self._step_in_turn()

    async def _step_in_turn(self) -> RedemptionReport:
        if (await self._chain.head()).block_hash == self._done_block:
            return RedemptionReport()
        try:
            lease = await self._hold_lease()
        except LeaseHeld as error:
            logger.debug("redemption: %s", error)
            return RedemptionReport(standby=True)
        try:
            return await self._step(lease)
        finally:
            await self._give_back()

    async def _step(self, lease: Lease) -> RedemptionReport:
        finality = await self._chain.finality()
        await self._evidence.revisit(finality, self._lease_of)
        outcomes, waiting = await self._evidence.settle_open(self._lease_of)
        # What was settled is in the head by now, so its money is neither missing nor counted twice.
        head = await self._chain.head()
        await self._see(head)
        decisions: Sequence[Decision] = ()
        sent: list[StoredBatch] = []
        alarms: list[Alarm] = []
        tickets = await self._store.tickets(TicketState.HELD, TicketState.SENT)
        self._memory.keep_only({ticket.hash for ticket in tickets})
        if tickets:
            facts = await read_facts(self._chain, head, tickets)
            await self._push(waiting, tickets, facts, lease)
            held = {ticket.hash: ticket for ticket in tickets if ticket.state is TicketState.HELD}
            await self._evidence.look_for_used(self._memory.next_to_look_at(list(held.values())), head)
            planned, facts = await self._plan_on_a_still_chain(tickets, facts, len(waiting))
            for batch in planned.batches:
                stored = await self._sending.send(batch, held, facts.head, lease)
                if stored is not None:
                    sent.append(stored)
            marked = await self._evidence.record(planned.decisions, held, facts, finality, lease)
            outcomes += marked
            gone = {outcome.hash for outcome in marked}
            decisions = [decision for decision in planned.decisions if decision.hash not in gone]
            if sent:
                # Where blocks come with transactions they are mined already.
                settled = (await self._evidence.settle_open(self._lease_of, by_receipt=True))[0]
                gone |= {outcome.hash for outcome in settled}
                outcomes += settled
            alarms += window_alarms([ticket for ticket in tickets if ticket.hash not in gone], facts, self._policy)
            head = facts.head
        alarms += alarms_of(decisions, outcomes)
        report = RedemptionReport(
            decisions=tuple(decisions),
            outcomes=tuple(outcomes),
            sent=tuple(stored.batch.transaction.tx_hash for stored in sent),
            alarms=tuple(self._memory.new_alarms(alarms)),
        )
        self._tell(report)
        self._done_block = head.block_hash
        return report

    # --- what an operator asks ----------------------------------------------------------------------

    async def survey(self) -> list[Explanation]:
        """The plan for every open ticket as of now, simulated, in the order of redemption; nothing is sent."""
        tickets = await self._store.tickets(TicketState.HELD, TicketState.SENT)
        if not tickets:
            return []
        head = await self._chain.head()
        await self._see(head)
        facts = await read_facts(self._chain, head, tickets)
        await self._estimate(tickets, facts)
        decisions = {decision.hash: decision for decision in (await self._plan(tickets, facts, 0)).decisions}
        facts = self._memory.into(facts)
        order = {hash_: position for position, hash_ in enumerate(decisions)}
        tickets.sort(key=lambda ticket: order.get(ticket.hash, -1))
        block_s = await self._block_time.at(head) or L1_BLOCK_S
        return [explain(ticket, decisions.get(ticket.hash), facts, self._policy, block_s=block_s) for ticket in tickets]

    async def explain(self, hash_: Hash32) -> Explanation:
        """One ticket's state, reason, deadline, value and estimated cost, and why it waits.

        :raises InvalidInput: no such ticket is stored.
        """
        ticket = await self._store.ticket(hash_)
        if ticket is None:
            raise InvalidInput(f"no ticket 0x{hash_.hex()} is stored")
        tickets = await self._store.tickets(TicketState.HELD, TicketState.SENT)
        others = [each for each in tickets if each.hash != hash_]
        head = await self._chain.head()
        await self._see(head)
        facts = await read_facts(self._chain, head, [*others, ticket])
        decision = None
        if ticket.state is TicketState.HELD:
            await self._estimate([ticket], facts)
            planned = await self._plan([*others, ticket], facts, 0)
            (decision,) = (each for each in planned.decisions if each.hash == hash_)
        block_s = await self._block_time.at(head) or L1_BLOCK_S
        return explain(ticket, decision, self._memory.into(facts), self._policy, block_s=block_s)

    async def hold(self, hashes: Sequence[Hash32], note: str) -> None:
        """Keep tickets out of every batch until released; see `TicketStore.hold`."""
        await self._store.hold(hashes, note)
        self._done_block = None

    async def release(self, hashes: Sequence[Hash32]) -> None:
        """End a hold, and an operator's haste."""
        await self._store.release(hashes)
        self._memory.now -= set(hashes)
        self._done_block = None

    async def redeem_now(self, hashes: Collection[Hash32]) -> RedemptionReport:
        """Redeem these tickets as soon as the contract accepts them, without waiting for others or for cheaper gas.
        Ceilings bind all the same. Raises as `step`.

        :raises InvalidInput: redemption is paused.
        """
        # Asked for in the middle of a step, that step might send them, and this one report that nothing was sent.
        async with self._stepping:
            if self._pause.is_on():
                raise InvalidInput("redemption is paused: resume it first")
            self._memory.now |= set(hashes)
            self._done_block = None
            return await self._step_in_turn()

    @property
    def owner(self) -> str:
        """The name in leases."""
        return self._owner

    @property
    def paused(self) -> bool:
        return self._pause.is_on()

    async def pause(self) -> None:
        """Send nothing new until `resume`; deadlines go on all the same, and so do alarms."""
        await self._turn(True)

    async def resume(self) -> None:
        """End a pause."""
        await self._turn(False)

    async def _turn(self, on: bool) -> None:
        # Not in the middle of a step: once this returns, no step that began before sends anything.
        async with self._stepping:
            self._pause.set(on)
            self._done_block = None

    # --- inside -------------------------------------------------------------------------------------

    async def _see(self, head: Head) -> None:
        """Remember the gas price."""
        await self._gas.see(head)
        self._memory.see(head, self._gas.look())

    async def _hold_lease(self) -> Lease:
        if self._lease is not None:
            try:
                self._lease = await self._store.renew_lease(self._lease, self._lease_s)
            except LeaseLost:
                self._lease = None
        if self._lease is None:
            name = redemption_lease(self._transactor.address)
            self._lease = await self._store.acquire_lease(name, self._owner, self._lease_s)
        return self._lease

    async def _lease_of(self, key: Address) -> Lease | None:
        """Ours, or for the length of a step that of a key whose redeemer is gone."""
        if key == self._transactor.address:
            return self._lease
        if key not in self._borrowed:
            try:
                self._borrowed[key] = await self._store.acquire_lease(redemption_lease(key), self._owner, self._lease_s)
            except LeaseHeld:
                self._borrowed[key] = None
        return self._borrowed[key]

    async def _give_back(self) -> None:
        borrowed, self._borrowed = self._borrowed, {}
        for lease in borrowed.values():
            if lease is not None:
                await self._store.release_lease(lease)

    async def _plan_on_a_still_chain(
        self, tickets: Sequence[StoredTicket], facts: RedemptionFacts, open_: int
    ) -> tuple[Plan, RedemptionFacts]:
        """Plan on facts that are still those of the head when the plan is made: others draw on the same deposits."""
        for _ in range(_READS):
            planned = await self._plan(tickets, facts, open_)
            head = await self._chain.head()
            if head.block_hash == facts.head.block_hash or not planned.batches:
                break
            facts = await read_facts(self._chain, head, tickets)
        return planned, facts

    async def _plan(self, tickets: Sequence[StoredTicket], facts: RedemptionFacts, open_: int) -> Plan:
        """Plan, simulate what is to be redeemed, and plan again without what failed, until all of it is proven.

        So a bad ticket takes no funds and no place from a good one.
        """
        held = {ticket.hash: ticket for ticket in tickets if ticket.state is TicketState.HELD}
        facts = replace(facts, open=open_)
        proven: set[Hash32] = set()
        while True:
            planned = plan(list(held.values()), self._memory.into(facts), self._policy, now=self._memory.now)
            unproven = [
                held[decision.hash]
                for decision in planned.decisions
                if decision.action is Action.REDEEM and decision.hash not in proven
            ]
            if not unproven:
                return planned.stopped() if self._pause.is_on() else planned
            results = await together(*(self._simulate(ticket.winner, facts.head) for ticket in unproven))
            for ticket, result in zip(unproven, results, strict=True):
                if isinstance(result, int):
                    self._memory.gas[ticket.hash] = result
                    self._memory.failures.pop(ticket.hash, None)
                    self._memory.refused.pop(ticket.hash, None)
                    proven.add(ticket.hash)
                elif result.reason in PAUSED:
                    facts = replace(facts, paused=True)
                else:
                    await self._note_refusal(ticket, result.reason, facts)

    async def _note_refusal(self, ticket: StoredTicket, reason: str, facts: RedemptionFacts) -> None:
        if classify(reason) is Refusal.USED:
            await self._evidence.look_for_used([ticket], facts.head)
            if ticket.hash in self._memory.used:
                return
        terms = ticket.winner.ticket
        failure = failed_simulation(
            reason,
            self._memory.failures.get(ticket.hash),
            facts.head.l1_block,
            creation_round_over=facts.round.last_initialized > terms.creation_round,
        )
        self._memory.failures[ticket.hash] = failure
        self._memory.suspect([terms.sender], facts.head.l1_block)
        if failure.permanent:
            await self._evidence.refused(ticket.hash, facts.head)

    async def _estimate(self, tickets: Sequence[StoredTicket], facts: RedemptionFacts) -> None:
        """Learn what held tickets would take, also those that wait; a refusal says nothing here.

        Not those whose params could still be accepted: a simulation shows a ticket's secret to the node that runs it.
        """
        held = [
            each
            for each in tickets
            if each.state is TicketState.HELD
            and each.hash not in self._memory.gas
            and window(each.winner, facts, self._policy).opens <= facts.head.l1_block
        ]
        results = await together(*(self._simulate(each.winner, facts.head) for each in held))
        found = zip(held, results, strict=True)
        self._memory.gas.update({each.hash: result for each, result in found if isinstance(result, int)})

    async def _simulate(self, winner: WinningTicket, head: Head) -> int | Reverted:
        """Estimated gas, or the refusal as a value."""
        try:
            return await self._transactor.simulate_redeem(winner, block=head.block_hash)
        except Reverted as refusal:
            return refusal

    async def _push(
        self, waiting: Sequence[StoredBatch], tickets: Sequence[StoredTicket], facts: RedemptionFacts, lease: Lease
    ) -> None:
        """Keep open batches on their way; the first in line may be raised, the others wait for it anyway.

        A patient batch in front of urgent tickets, or of ones that the operator wants now, is as urgent as they are.
        """
        if not waiting:
            return
        prices = self._memory.prices
        urgent = bool(self._memory.now) or any(is_urgent(each.winner.ticket, facts, self._policy) for each in tickets)
        by_hash = {ticket.hash: ticket for ticket in tickets}
        for position, stored in enumerate(sorted(waiting, key=lambda each: each.batch.nonce)):
            winners = [by_hash[hash_].winner for hash_ in stored.batch.tickets if hash_ in by_hash]
            slacks = [window(winner, facts, self._policy).slack(facts.head.l1_block) for winner in winners]
            slack = min(slacks, default=Fraction(0))
            ceiling = replacement_ceiling(slack, prices, self._policy, urgent=urgent or slack == 0)
            await self._sending.push(stored, facts.head, ceiling, lease, first=position == 0)

    def _tell(self, report: RedemptionReport) -> None:
        """Log what changed since the last step, and raise alarms."""
        for outcome in report.outcomes:
            logger.info(
                "ticket 0x%s: %s, %d wei (%s)", outcome.hash.hex(), outcome.state.value, outcome.paid, outcome.reason
            )
        for decision in report.decisions:
            before = self._memory.decisions.get(decision.hash)
            if before is None or (before.action, before.reason) != (decision.action, decision.reason):
                logger.info(
                    "ticket 0x%s: %s, %s %s",
                    decision.hash.hex(),
                    decision.action.value,
                    decision.reason.value,
                    dict(decision.figures),
                )
        self._memory.decisions = {decision.hash: decision for decision in report.decisions}
        for alarm in report.alarms:
            share = f" ({float(alarm.share):.0%})" if alarm.share is not None else ""
            logger.warning("ticket 0x%s: %s%s %s", alarm.hash.hex(), alarm.alert.value, share, dict(alarm.figures))
            if self._on_alarm is not None:
                self._on_alarm(alarm)
