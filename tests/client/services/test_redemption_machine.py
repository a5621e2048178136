"""Any history of a redeemer: arrivals, blocks, reorgs, strangers, empty accounts, dear gas, crashes (invariants 17, 28
to 33). Every batch is checked as it is stored; the end is checked after everything has calmed down."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Any, TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from livepeer_client.adapters.fakes import FakeChain, FakeTransactor, ManualClock, MemoryTicketStore
from livepeer_client.adapters.fakes.chain import FINALIZED_DEPTH
from livepeer_client.facts import BatchState, Lease, RedemptionBatch, SignedTransaction, TicketState
from livepeer_client.policy.redemption import RedemptionPolicy, gas_bound
from livepeer_client.policy.ticket_states import STORED
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.types import Address, Hash32, Round, Wei
from tests.client.services.test_redemption import Crash, Fuse, Fused
from tests.support.redemption import ACTIVE, OTHER_SENDER, RECIPIENT, SENDER, Broker, make_info, make_winner, payment_of

T = TypeVar("T")
CEILING = Wei(3 * 10**9)
URGENT_CEILING = Wei(8 * 10**9)
POLICY = RedemptionPolicy(
    batch_max=3,
    max_open=2,
    safety_blocks=10,
    # Ceilings bind, but nothing waits for cheaper gas: more happens so.
    patience=Fraction(1),
    max_gas_price=CEILING,
    urgent_max_gas_price=URGENT_CEILING,
)
SENDERS = (SENDER, OTHER_SENDER)
TERMINAL = set(STORED) - {TicketState.HELD, TicketState.SENT}
BAD = "ticket did not win"
MOVED: Counter[str] = Counter()
"""How often each rule did something, over all examples."""


class CheckedStore(MemoryTicketStore):
    """Looks at every batch and replacement before it is stored."""

    def __init__(self, chain: FakeChain, transactor: FakeTransactor) -> None:
        super().__init__()
        self.chain = chain
        self.transactor = transactor
        self.revealed: set[Hash32] = set()

    async def begin_batch(self, batch: RedemptionBatch, *, lease: Lease) -> None:
        await super().begin_batch(batch, lease=lease)
        assert len(set(batch.tickets)) == len(batch.tickets) <= POLICY.batch_max
        tickets = [ticket for ticket in [await self.ticket(hash_) for hash_ in batch.tickets] if ticket]
        for ticket in tickets:
            terms = ticket.winner.ticket
            # 17: what a redemption reveals can no longer be used.
            assert self.chain.block >= ticket.winner.params_expiration_block + POLICY.params_margin_blocks
            # 31: nothing used, expired or unready.
            assert ticket.hash not in self.chain.used
            assert terms.creation_round + self.chain.validity_period > self.chain.current_round
            assert terms.creation_round <= self.chain.current_round == self.chain.last_initialized
            assert ticket.hold is None
            self.revealed.add(ticket.hash)
        await self._check_draws(tickets)
        # 32: gas for all, at a price that all accept.
        call = next(call for call in self.transactor.prepared if call.tx_hash == batch.transaction.tx_hash)
        bounds = [gas_bound(self.transactor.redeem_gas)] * len(tickets)
        assert call.gas_limit is not None
        assert call.gas_limit - POLICY.overhead_gas >= ceil(Fraction(64, 63) * sum(bounds))
        self._check_price(batch.transaction)
        MOVED["begun"] += 1

    async def add_replacement(self, batch_id: Hash32, transaction: SignedTransaction, *, lease: Lease) -> None:
        await super().add_replacement(batch_id, transaction, lease=lease)
        self._check_price(transaction)
        MOVED["replaced"] += 1

    def _check_price(self, transaction: SignedTransaction) -> None:
        call = next(call for call in self.transactor.prepared if call.tx_hash == transaction.tx_hash)
        assert call.fees.cap <= URGENT_CEILING

    async def _check_draws(self, batch: list[Any]) -> None:
        """31: what is sent and unconfirmed, this batch included, is covered unless it is taken in part on purpose."""
        sent = await self.tickets(TicketState.SENT)
        for sender in {ticket.winner.ticket.sender for ticket in batch}:
            account = self.chain.senders[sender]
            mined = {hash_ for hash_ in (ticket.hash for ticket in sent) if hash_ in self.chain.used}
            values = [
                ticket.winner.ticket.face_value
                for ticket in sent
                if ticket.winner.ticket.sender == sender and ticket.hash not in mined
            ]
            ours = [ticket for ticket in batch if ticket.winner.ticket.sender == sender]
            late = all(
                self.chain.block
                >= (ticket.winner.ticket.creation_round + 2) * self.chain.round_length - POLICY.safety_blocks
                or account.withdraw_round
                for ticket in ours
            )
            assert sum(values) <= account.deposit or late


class Redeeming(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.chain = FakeChain(round_length=60)
        self.transactor = FakeTransactor(RECIPIENT, self.chain, Broker(self.chain))
        self.transactor.auto_mine = False
        self.store = CheckedStore(self.chain, self.transactor)
        for sender in SENDERS:
            self.chain.senders[sender] = make_info(10**18)
        self.chain.states[RECIPIENT] = ACTIVE
        self.nonce = 0
        self.bad: set[Hash32] = set()
        self.service = self.start()
        self.first_block = self.final = self.chain.block
        self.chain.mine()
        self.chain.mine()

    def start(self, fuse: Fuse | None = None) -> RedemptionService:
        """A new process, which knows no nonce but those in the store and on the network."""
        self.transactor.forget_reserved()
        ports = [Fused(port, fuse or Fuse()) for port in (self.chain, self.transactor, self.store)]
        return RedemptionService(*ports, ManualClock(), POLICY)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        try:
            self.calm_down()
        finally:
            self.loop.close()

    # --- what happens

    @rule(
        count=st.integers(1, 4),
        value=st.integers(10**15, 10**17),
        sender=st.sampled_from(SENDERS),
        valid_for=st.integers(-12, 4),
        bad=st.booleans(),
        at_once=st.booleans(),
    )
    def arrive(self, count: int, value: int, sender: Address, valid_for: int, bad: bool, at_once: bool) -> None:
        for _ in range(count):
            self.nonce += 1
            winner = make_winner(
                self.nonce,
                sender=sender,
                face_value=value + self.nonce,
                creation_round=self.chain.last_initialized,
                params_expiration_block=self.chain.block + valid_for,
            )
            self.run(self.store.record_payment(payment_of(winner)))
            if bad and count > 1 and self.nonce % 3 == 0:
                self.bad.add(winner.ticket.hash)
                self.transactor.redeem_refusals[winner.ticket.hash] = BAD
        MOVED["arrive"] += 1
        if at_once:
            self.chain.gas_price = Wei(10**9)
            self.chain.mine()
            self._step(mined=True, seen=count % 2 == 0)

    @rule(blocks=st.integers(1, 20))
    def mine(self, blocks: int) -> None:
        # One at a time: each block can be gone back to.
        for _ in range(blocks):
            self.chain.mine()
        MOVED["mine"] += 1

    @rule(mined=st.booleans(), seen=st.booleans())
    def step(self, mined: bool, seen: bool) -> None:
        """A step; perhaps what it sent is mined; perhaps it sees that."""
        self._step(mined=mined, seen=seen)

    def _step(self, *, mined: bool, seen: bool) -> None:
        self.run(self.service.step())
        MOVED["step"] += 1
        if mined:
            before = len(self.chain.used)
            self.transactor.mine_pending()
            MOVED["mined"] += len(self.chain.used) > before
            if seen:
                self.run(self.service.step())

    @rule(length=st.integers(0, 90))
    def crash(self, length: int) -> None:
        doomed = self.start(Fuse(length))
        try:
            self.run(doomed.step())
        except Crash:
            MOVED["crash"] += 1
        self.service = self.start()

    def height(self) -> int:
        """Blocks since the start, each of which can be gone back to."""
        return self.chain.block - self.first_block

    @precondition(lambda self: self.height() > 2)
    @rule(depth=st.integers(1, 6))
    def reorg(self, depth: int) -> None:
        # What was final once stays, however many reorgs there are, and nothing was before the first block.
        self.final = max(self.final, self.chain.block - FINALIZED_DEPTH)
        if depth := min(depth, self.height() - 1, self.chain.block - self.final - 1):
            self.chain.reorg(depth)
        self.chain.mine()
        MOVED["reorg"] += 1

    @rule(price=st.sampled_from([5 * 10**8, 10**9, 2 * 10**9, 6 * 10**9, 10**10]))
    def price(self, price: int) -> None:
        self.chain.gas_price = Wei(price)

    @rule()
    def stuck(self) -> None:
        """What is sent at a low price meets a higher base fee."""
        for price in (5 * 10**8, 25 * 10**8):
            self.chain.gas_price = Wei(price)
            self.chain.mine()
            self.run(self.service.step())

    @rule(sender=st.sampled_from(SENDERS), deposit=st.integers(0, 5 * 10**17))
    def account(self, sender: Address, deposit: int) -> None:
        self.chain.senders[sender] = replace(self.chain.senders[sender], deposit=Wei(deposit))

    @rule(sender=st.sampled_from(SENDERS), unlocking=st.booleans())
    def unlock(self, sender: Address, unlocking: bool) -> None:
        round_ = Round(self.chain.current_round + 1 if unlocking else 0)
        self.chain.senders[sender] = replace(self.chain.senders[sender], withdraw_round=round_)

    @rule(initialize=st.booleans())
    def next_round(self, initialize: bool) -> None:
        self.chain.mine_to_next_round()
        if initialize:
            self.chain.initialize_round()

    @precondition(lambda self: self.nonce)
    @rule(pick=st.integers(0, 10**6))
    def stranger(self, pick: int) -> None:
        tickets = self.run(self.store.tickets(TicketState.HELD, TicketState.SENT))
        if tickets:
            ticket = tickets[pick % len(tickets)]
            if ticket.hash not in self.bad:
                self.chain.used.add(ticket.hash)
                MOVED["stranger"] += 1

    @precondition(lambda self: self.nonce)
    @rule(pick=st.integers(0, 10**6), hold=st.booleans())
    def hold(self, pick: int, hold: bool) -> None:
        tickets = self.run(self.store.tickets(TicketState.HELD))
        if tickets:
            hashes = [tickets[pick % len(tickets)].hash]
            self.run(self.service.hold(hashes, "wait") if hold else self.service.release(hashes))

    # --- what holds

    @invariant()
    def evidence_stands_behind_every_terminal_state(self) -> None:
        for ticket in self.run(self.store.tickets()):
            if ticket.state is TicketState.EXPIRED:
                assert self.chain.current_round >= ticket.winner.ticket.creation_round + self.chain.validity_period
            if ticket.state is TicketState.INVALID:
                assert ticket.hash in self.bad
            if ticket.state in (TicketState.PAID, TicketState.UNDERPAID):
                assert ticket.tx_hash is not None
                assert ticket.hash in self.store.revealed

    def calm_down(self) -> None:
        """Nothing happens any more but blocks and rounds: every ticket comes to its end."""
        hashes = [ticket.hash for ticket in self.run(self.store.tickets())]
        self.run(self.store.release(hashes))
        self.chain.gas_price = Wei(10**8)
        for sender in SENDERS:
            self.chain.senders[sender] = make_info(10**19)
        if self.chain.last_initialized != self.chain.current_round:
            self.chain.initialize_round()
        self.service = self.start()
        for _ in range(3):
            for _ in range(12):
                self.chain.mine()
                self.run(self.service.step())
                self.transactor.mine_pending()
            self.chain.mine_to_next_round()
            self.chain.initialize_round()
        for _ in range(3):
            self.chain.mine()
            self.chain.mine(FINALIZED_DEPTH)
            self.run(self.service.step())
        tickets = self.run(self.store.tickets())
        # 28
        assert {ticket.state for ticket in tickets} <= TERMINAL
        assert {batch.state for batch in self.run(self.store.batches())} <= {BatchState.FINAL}
        # 29
        transfers = [log for log in self.chain.events if log.name == "WinningTicketTransfer"]
        assert sum(ticket.paid for ticket in tickets) == sum(int(str(log.args["amount"])) for log in transfers)
        for ticket in tickets:
            if ticket.state in (TicketState.PAID, TicketState.UNDERPAID):
                assert ticket.hash in self.chain.used
            if ticket.state is TicketState.USED_ELSEWHERE:
                assert ticket.hash in self.chain.used
        MOVED["paid"] += sum(ticket.state is TicketState.PAID for ticket in tickets)
        MOVED["ended"] += len(tickets)


def test_redemption__any_history__ends_on_evidence_with_every_batch_in_order() -> None:
    MOVED.clear()
    # A failing history is shown as it was found: making it shorter takes minutes.
    phases = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target)
    run_state_machine_as_test(
        Redeeming, settings=settings(max_examples=160, stateful_step_count=40, deadline=None, phases=phases)
    )
    floors = {"arrive": 60, "step": 60, "mined": 8, "crash": 30, "reorg": 30, "begun": 20, "stranger": 8}
    floors |= {"paid": 30, "replaced": 3}
    assert {name: MOVED[name] for name in floors if MOVED[name] < floors[name]} == {}
