"""Redemption from the store to the evidence, through refusals, delays and crashes."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from livepeer_client.adapters.fakes import FakeChain, FakeTransactor, ManualClock, MemoryTicketStore
from livepeer_client.adapters.fakes.chain import FINALIZED_DEPTH
from livepeer_client.errors import ChainUnavailable
from livepeer_client.facts import Fees, Receipt, TicketState
from livepeer_client.policy.redemption import Action, Reason, RedemptionPolicy, batch_gas_limit, gas_bound
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.types import BlockNumber, Hash32, Wei
from tests.support.redemption import (
    ACTIVE,
    FACE_VALUE,
    RECIPIENT,
    SENDER,
    START,
    Broker,
    make_info,
    make_winner,
    payment_of,
)

POLICY = RedemptionPolicy(params_margin_blocks=2)


class Crash(Exception):
    """The process dies here."""


@dataclass
class Fuse:
    """Burns at every step into and out of the outside world."""

    length: int | None = None
    burnt: int = 0

    def burn(self) -> None:
        if self.length is not None and self.burnt == self.length:
            raise Crash(f"at step {self.burnt}")
        self.burnt += 1


class Fused:
    """A port whose every call burns the fuse before and after it."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "at":
            return lambda block: Fused(found(block), self._fuse)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.burn()
            result = await found(*args, **kwargs)
            self._fuse.burn()
            return result

        return call


class Transactor(FakeTransactor):
    """One whose key sends other transactions too. A node may count a nonce before it shows the receipt."""

    shows_receipts = True

    async def receipt(self, tx_hash: Hash32) -> Receipt | None:
        return await super().receipt(tx_hash) if self.shows_receipts else None

    def displace(self, tx_hash: Hash32) -> None:
        """Another transaction of the key is mined with this one's nonce."""
        self._pending.remove(tx_hash)
        effect, self.effect = self.effect, None
        other = self._sign(replace(self._calls[tx_hash], function="somethingElse", fees=Fees(Wei(10**12), Wei(1))))
        self.chain.mine()
        self._receipts[other.tx_hash] = self._mine(self._calls[other.tx_hash])
        self.prepared.pop()
        self.effect = effect


@dataclass
class World:
    """What outlives the process: chain, key, disk."""

    chain: FakeChain = field(default_factory=FakeChain)
    store: MemoryTicketStore = field(default_factory=MemoryTicketStore)
    clock: ManualClock = field(default_factory=ManualClock)
    broker: Broker = field(init=False)
    transactor: Transactor = field(init=False)

    def __post_init__(self) -> None:
        self.broker = Broker(self.chain)
        self.transactor = Transactor(RECIPIENT, self.chain, self.broker)
        self.chain.senders[SENDER] = make_info(10**18)
        self.chain.states[RECIPIENT] = ACTIVE

    def start(self, policy: RedemptionPolicy = POLICY, fuse: Fuse | None = None) -> RedemptionService:
        fuse = fuse or Fuse()
        # A new process has leased no nonce.
        self.transactor.forget_reserved()
        ports = [Fused(port, fuse) for port in (self.chain, self.transactor, self.store)]
        return RedemptionService(*ports, self.clock, policy)

    async def hold(self, *nonces: int, **changes: Any) -> list[Hash32]:
        winners = [make_winner(nonce, **changes) for nonce in nonces]
        await self.store.record_payment(payment_of(*winners))
        return [winner.ticket.hash for winner in winners]

    async def states(self) -> dict[Hash32, tuple[TicketState, int]]:
        return {ticket.hash: (ticket.state, ticket.paid) for ticket in await self.store.tickets()}


@pytest.fixture
def world() -> World:
    world = World()
    world.chain.mine(5)
    return world


# --- the plain way --------------------------------------------------------------------------------


async def test_step__with_ready_winners__redeems_them_in_one_batch(world: World) -> None:
    tickets = await world.hold(1, 2, 3)
    report = await world.start().step()
    assert await world.states() == dict.fromkeys(tickets, (TicketState.PAID, FACE_VALUE))
    (call,) = world.transactor.prepared
    assert (call.contract, call.function) == ("TicketBroker", "batchRedeemWinningTickets")
    assert call.gas_limit == batch_gas_limit([gas_bound(world.transactor.redeem_gas)] * 3, POLICY)
    assert report.sent == (call.tx_hash,)
    assert [decision.action for decision in report.decisions] == [Action.REDEEM] * 3
    assert {outcome.tx_hash for outcome in report.outcomes} == {call.tx_hash}


async def test_step__twice_in_one_block__works_once(world: World) -> None:
    service = world.start()
    await service.step()
    await world.hold(1)
    assert (await service.step()).decisions == ()
    world.chain.mine()
    assert len((await service.step()).decisions) == 1


async def test_step__with_params_not_expired__waits_for_them(world: World) -> None:
    await world.hold(1, params_expiration_block=START + 8)
    service = world.start()
    assert (await service.step()).decisions[0].reason is Reason.PARAMS_VALID
    world.chain.mine(5)
    assert len((await service.step()).sent) == 1


async def test_step__after_the_validity__records_expiry_once_that_is_final(world: World) -> None:
    (ticket,) = await world.hold(1)
    world.chain.mine_to_next_round()
    world.chain.mine_to_next_round()
    service = world.start()
    assert [decision.action for decision in (await service.step()).decisions] == [Action.EXPIRE]
    assert await world.states() == {ticket: (TicketState.HELD, 0)}
    world.chain.mine(FINALIZED_DEPTH)
    await service.step()
    assert await world.states() == {ticket: (TicketState.EXPIRED, 0)}
    assert world.transactor.prepared == []


async def test_step__a_ticket_redeemed_by_somebody_else__is_recorded_as_such(world: World) -> None:
    mine, theirs = await world.hold(1, 2)
    world.chain.used.add(theirs)
    service = world.start()
    report = await service.step()
    assert {decision.hash: decision.reason for decision in report.decisions}[theirs] is Reason.USED
    assert await world.states() == {mine: (TicketState.PAID, FACE_VALUE), theirs: (TicketState.HELD, 0)}
    world.chain.mine(FINALIZED_DEPTH)
    await service.step()
    assert await world.states() == {mine: (TicketState.PAID, FACE_VALUE), theirs: (TicketState.USED_ELSEWHERE, 0)}


async def test_step__a_lone_ticket__takes_the_single_call(world: World) -> None:
    (ticket,) = await world.hold(1)
    await world.start().step()
    assert world.transactor.prepared[0].function == "redeemWinningTicket"
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}


async def test_step__more_winners_than_a_batch_holds__redeems_the_rest_later(world: World) -> None:
    await world.hold(*range(5))
    service = world.start(RedemptionPolicy(batch_max=3, max_open=1))
    for _ in range(2):
        await service.step()
        world.chain.mine()
    assert len(world.transactor.prepared) == 2
    assert {state for state, _ in (await world.states()).values()} == {TicketState.PAID}


async def test_step__a_partial_payment__is_recorded_as_underpaid(world: World) -> None:
    (ticket,) = await world.hold(1)
    world.broker.partial = True
    world.chain.senders[SENDER] = make_info(FACE_VALUE // 2, withdraw_round=101)
    await world.start().step()
    assert await world.states() == {ticket: (TicketState.UNDERPAID, FACE_VALUE // 2)}


# --- tickets that fail ----------------------------------------------------------------------------


async def test_step__a_ticket_that_fails_in_simulation__does_not_delay_others(world: World) -> None:
    # There is money for two; the bad ticket would come first for its face value.
    world.chain.senders[SENDER] = make_info(2 * FACE_VALUE)
    (bad,) = await world.hold(9, face_value=2 * FACE_VALUE)
    good = await world.hold(1, 2)
    world.transactor.redeem_refusals[bad] = "invalid signature over ticket hash"
    report = await world.start().step()
    assert await world.states() == {
        bad: (TicketState.HELD, 0),
        **dict.fromkeys(good, (TicketState.PAID, FACE_VALUE)),
    }
    (decision,) = [decision for decision in report.decisions if decision.hash == bad]
    assert (decision.action, decision.reason) == (Action.DEFER, Reason.INVALID)
    assert decision.figures["permanent"]


async def test_step__a_refusal_that_passes__is_tried_again_at_the_next_block(world: World) -> None:
    (ticket,) = await world.hold(1)
    world.transactor.redeem_refusals[ticket] = "system is paused"
    service = world.start()
    await service.step()
    world.transactor.redeem_refusals.clear()
    world.chain.mine()
    await service.step()
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}


async def test_step__a_ticket_used_between_look_and_simulation__is_recorded(world: World) -> None:
    (ticket,) = await world.hold(1)

    async def late(_: Any, *, block: Hash32 | None = None) -> int:
        world.chain.used.add(ticket)
        return await FakeTransactor.simulate_redeem(world.transactor, make_winner(1), block=block)

    world.transactor.simulate_redeem = late  # type: ignore[method-assign]
    service = world.start()
    assert (await service.step()).sent == ()
    for _ in range(2):
        world.chain.mine(FINALIZED_DEPTH)
        await service.step()
    assert await world.states() == {ticket: (TicketState.USED_ELSEWHERE, 0)}


async def test_step__a_ticket_its_batch_left_out__is_held_again(world: World) -> None:
    tickets = await world.hold(1, 2)
    world.transactor.auto_mine = False
    service = world.start()
    await service.step()
    # Money for one is left when the batch is mined.
    world.chain.senders[SENDER] = make_info(FACE_VALUE)
    world.transactor.mine_pending()
    world.chain.mine()
    await service.step()
    states = sorted(state.value for state, _ in (await world.states()).values())
    assert states == ["held", "paid"]
    assert len(tickets) == 2


# --- transactions that take their time ------------------------------------------------------------


async def test_step__a_batch_not_mined__stays_open_and_is_broadcast_again(world: World) -> None:
    (ticket,) = await world.hold(1)
    world.transactor.auto_mine = False
    service = world.start()
    await service.step()
    assert await world.states() == {ticket: (TicketState.SENT, 0)}
    world.chain.mine()
    await service.step()
    assert len(world.transactor.broadcasts) == 2
    assert len({sent.tx_hash for sent in world.transactor.broadcasts}) == 1
    assert len(world.transactor.prepared) == 1
    world.transactor.mine_pending()
    await service.step()
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}


async def test_step__with_as_many_batches_open_as_allowed__sends_no_other(world: World) -> None:
    await world.hold(1)
    world.transactor.auto_mine = False
    service = world.start(RedemptionPolicy(max_open=1))
    await service.step()
    (second,) = await world.hold(2)
    world.chain.mine()
    report = await service.step()
    assert report.sent == ()
    assert [decision.hash for decision in report.decisions] == [second]
    assert len(world.transactor.prepared) == 1


async def test_step__a_nonce_taken_by_another_transaction__holds_the_tickets_again(world: World) -> None:
    (ticket,) = await world.hold(1)
    world.transactor.auto_mine = False
    service = world.start()
    (first,) = (await service.step()).sent
    world.transactor.displace(first)
    world.transactor.auto_mine = True
    world.chain.mine()
    report = await service.step()
    assert len(report.sent) == 1
    assert first not in report.sent
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}


async def test_step__a_batch_that_reverts__holds_its_tickets_again(world: World) -> None:
    (ticket,) = await world.hold(1)
    world.transactor.refusals["TicketBroker", "redeemWinningTicket"] = "system is paused"
    service = world.start()
    await service.step()
    assert await world.states() == {ticket: (TicketState.HELD, 0)}
    world.transactor.refusals.clear()
    world.chain.mine()
    await service.step()
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}


# --- crashes --------------------------------------------------------------------------------------


async def set_scene(world: World) -> None:
    """Two good winners, one that fails, one used elsewhere, one expired."""
    world.chain.mine(5)
    await world.hold(1, 2)
    (bad,) = await world.hold(3)
    (used,) = await world.hold(4)
    await world.hold(5, creation_round=98)
    world.transactor.redeem_refusals[bad] = "ticket did not win"
    world.chain.used.add(used)


async def two_blocks(world: World, fuse: Fuse) -> None:
    """Long enough to send a batch in the first block and to find it mined in the second."""
    service = world.start(fuse=fuse)
    await service.step()
    world.transactor.mine_pending()
    world.chain.mine()
    await service.step()


async def run_to_the_end(world: World) -> None:
    service = world.start()
    for _ in range(3):
        await service.step()
        world.transactor.mine_pending()
        world.chain.mine()
    for _ in range(2):
        world.chain.mine(FINALIZED_DEPTH)
        await service.step()


def paid_on_chain(world: World) -> int:
    return sum(int(str(log.args["amount"])) for log in world.chain.events if log.name == "WinningTicketTransfer")


def mined_at_once(world: World) -> None:
    world.transactor.auto_mine = True


def mined_later(world: World) -> None:
    world.transactor.auto_mine = False


@pytest.mark.parametrize("mining", [mined_at_once, mined_later])
async def test_step__killed_at_any_point__ends_in_the_same_states(mining: Callable[[World], None]) -> None:
    undisturbed = World()
    mining(undisturbed)
    await set_scene(undisturbed)
    fuse = Fuse()
    await two_blocks(undisturbed, fuse)
    await run_to_the_end(undisturbed)
    expected = await undisturbed.states()
    assert sorted(state.value for state, _ in expected.values()) == [
        "expired",
        "invalid",
        "paid",
        "paid",
        "used_elsewhere",
    ]
    assert fuse.burnt > 50

    for step in range(fuse.burnt):
        world = World()
        mining(world)
        await set_scene(world)
        with pytest.raises(Crash):
            await two_blocks(world, Fuse(step))
        await run_to_the_end(world)
        assert await world.states() == expected, f"killed at step {step}"
        assert sum(paid for _, paid in expected.values()) == paid_on_chain(world), f"killed at step {step}"


async def test_step__cancelled_while_broadcasting__goes_on_after_a_restart(world: World) -> None:
    (ticket,) = await world.hold(1)
    world.transactor.auto_mine = False

    reached = asyncio.Event()

    async def for_ever(*_: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    broadcast, world.transactor.broadcast = world.transactor.broadcast, for_ever  # type: ignore[method-assign]
    task = asyncio.create_task(world.start().step())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await world.states() == {ticket: (TicketState.SENT, 0)}
    world.transactor.broadcast = broadcast  # type: ignore[method-assign]
    service = world.start()
    await service.step()
    world.transactor.mine_pending()
    await service.step()
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}


# --- the loop -------------------------------------------------------------------------------------


async def test_run__through_an_outage_of_the_node__goes_on(world: World) -> None:
    (ticket,) = await world.hold(1)
    world.chain.failure = ChainUnavailable("down")
    service = RedemptionService(world.chain, world.transactor, world.store, world.clock, POLICY, poll_interval_s=5)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(service.run())
        await world.clock.advance(5)
        assert await world.states() == {ticket: (TicketState.HELD, 0)}
        world.chain.failure = None
        await world.clock.advance(5)
        assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}
        task.cancel()


async def test_step__the_node_down_in_the_middle__is_taken_up_in_the_same_block(world: World) -> None:
    (ticket,) = await world.hold(1)
    service = world.start()
    world.transactor.failure = ChainUnavailable("down")
    with pytest.raises(ChainUnavailable):
        await service.step()
    world.transactor.failure = None
    await service.step()
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}


async def test_decisions__after_a_step__are_those_of_tickets_still_held(world: World) -> None:
    (waiting,) = await world.hold(1, params_expiration_block=BlockNumber(START + 30))
    service = world.start()
    await service.step()
    assert [(decision.hash, decision.action) for decision in service.decisions] == [(waiting, Action.WAIT)]


async def test_step__with_a_gas_price_above_the_ceiling__sends_nothing(world: World) -> None:
    await world.hold(1)
    world.chain.gas_price = Wei(10**9 + 1)
    report = await world.start(RedemptionPolicy(max_gas_price=Wei(10**9))).step()
    assert report.decisions[0].reason is Reason.GAS_PRICE
    assert world.transactor.prepared == []
