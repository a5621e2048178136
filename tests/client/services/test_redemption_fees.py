"""Redemptions that are stuck, dear, shared between processes, or looked at by an operator."""

import asyncio
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from livepeer_client.adapters.fakes.chain import FINALIZED_DEPTH
from livepeer_client.errors import InvalidInput, LeaseLost, StoreCorrupt, StoreUnavailable
from livepeer_client.facts import BatchState, TicketState, redemption_lease
from livepeer_client.policy.redemption import Action, Alert, Reason
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.types import Hash32, Wei
from tests.client.services.test_redemption import POLICY, Crash, Fuse, World
from tests.support.redemption import FACE_VALUE, OTHER_SENDER, SENDER, START, make_info

GWEI = 10**9


@pytest.fixture
def world() -> World:
    world = World()
    world.transactor.auto_mine = False
    world.chain.senders[OTHER_SENDER] = make_info(10**18)
    world.chain.mine(5)
    return world


async def block(world: World, service: RedemptionService, gas_price: int = GWEI) -> Any:
    """One block at a price, with whatever it takes in, and a step on it."""
    world.chain.gas_price = Wei(gas_price)
    before = world.chain.block
    world.transactor.mine_pending()
    if world.chain.block == before:
        world.chain.mine()
    return await service.step()


# --- stuck ----------------------------------------------------------------------------------------


async def test_step__base_fee_over_the_cap_of_an_urgent_batch__replaces_it_and_stores_it_first(world: World) -> None:
    world.chain.senders[SENDER] = make_info(10**18, withdraw_round=101)
    (ticket,) = await world.hold(1)
    service = world.start()
    await service.step()
    await block(world, service, 10 * GWEI)
    (stored,) = await world.store.batches()
    first, second = stored.batch.transactions
    assert first.nonce == second.nonce
    assert world.transactor.broadcasts[-1] == second
    await block(world, service, 10 * GWEI)
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}
    (stored,) = await world.store.batches()
    assert stored.mined == second.tx_hash


async def test_step__a_spike_over_a_patient_batch__is_sat_out(world: World) -> None:
    service = world.start()
    for _ in range(20):
        await block(world, service)
    (ticket,) = await world.hold(1)
    await block(world, service)
    for _ in range(5):
        await block(world, service, 40 * GWEI)
    (stored,) = await world.store.batches()
    assert stored.state is BatchState.OPEN
    assert (await world.transactor.fees(stored.batch.transaction)).cap <= 3 * GWEI
    await block(world, service)
    await block(world, service)
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}


async def test_step__an_urgent_ticket_behind_a_patient_batch__raises_that(world: World) -> None:
    (patient,) = await world.hold(1)
    service = world.start()
    await service.step()
    world.chain.senders[OTHER_SENDER] = make_info(10**18, withdraw_round=101)
    (urgent,) = await world.hold(2, sender=OTHER_SENDER)
    for _ in range(3):
        await block(world, service, 10 * GWEI)
    states = await world.states()
    assert {states[patient], states[urgent]} == {(TicketState.PAID, FACE_VALUE)}


async def test_step__not_mined_for_some_blocks_at_a_fair_price__is_raised_by_a_bounded_step(world: World) -> None:
    await world.hold(1)
    service = world.start(replace(POLICY, bump_blocks=3))
    await service.step()
    for _ in range(3):
        world.chain.mine()
        await service.step()
    (stored,) = await world.store.batches()
    fees = [await world.transactor.fees(transaction) for transaction in stored.batch.transactions]
    assert len(fees) == 2
    assert fees[0].cap * 111 <= fees[1].cap * 100 <= fees[0].cap * 112


async def test_step__a_replacement_over_the_ceiling__leaves_the_batch_as_it_is(world: World) -> None:
    world.chain.senders[SENDER] = make_info(10**18, withdraw_round=101)
    await world.hold(1)
    service = world.start(replace(POLICY, max_gas_price=Wei(2 * GWEI)))
    await service.step()
    await block(world, service, 10 * GWEI)
    (stored,) = await world.store.batches()
    assert [await world.transactor.fees(transaction) for transaction in stored.batch.transactions] == [
        await world.transactor.fees(stored.batch.transaction)
    ]


async def test_step__two_batches_open__only_the_first_in_line_is_raised(world: World) -> None:
    world.chain.senders[SENDER] = make_info(10**18, withdraw_round=101)
    await world.hold(1)
    service = world.start()
    await service.step()
    await world.hold(2)
    world.chain.mine()
    await service.step()
    world.chain.gas_price = Wei(10 * GWEI)
    world.chain.mine()
    await service.step()
    assert [len(stored.batch.transactions) for stored in await world.store.batches()] == [2, 1]


async def test_step__the_first_transaction_is_mined_after_all__settles_by_it(world: World) -> None:
    world.chain.senders[SENDER] = make_info(10**18, withdraw_round=101)
    (ticket,) = await world.hold(1)
    service = world.start()
    await service.step()
    await block(world, service, 10 * GWEI)
    (stored,) = await world.store.batches()
    first, _ = stored.batch.transactions
    # A producer of blocks had kept it.
    world.transactor._pending = [first.tx_hash]
    await block(world, service)
    (stored,) = await world.store.batches()
    assert stored.mined == first.tx_hash
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}


async def test_step__killed_at_any_point_of_a_replacement__ends_in_the_same_states(world: World) -> None:
    async def play(world: World, fuse: Fuse) -> None:
        world.transactor.auto_mine = False
        world.chain.senders[SENDER] = make_info(10**18, withdraw_round=101)
        world.chain.mine(5)
        await world.hold(1, 2)
        service = world.start(fuse=fuse)
        await service.step()
        await block(world, service, 10 * GWEI)
        await block(world, service, 10 * GWEI)

    async def end(world: World) -> list[tuple[TicketState, int]]:
        service = world.start()
        for _ in range(4):
            await block(world, service, 10 * GWEI)
        world.chain.mine(FINALIZED_DEPTH)
        await service.step()
        assert {stored.state for stored in await world.store.batches()} == {BatchState.FINAL}
        return list((await world.states()).values())

    undisturbed, fuse = World(), Fuse()
    await play(undisturbed, fuse)
    (stored,) = await undisturbed.store.batches()
    assert len(stored.batch.transactions) == 2
    expected = await end(undisturbed)
    assert expected == [(TicketState.PAID, FACE_VALUE)] * 2
    for point in range(fuse.burnt):
        killed = World()
        with pytest.raises(Crash):
            await play(killed, Fuse(point))
        assert await end(killed) == expected, f"killed at {point}"
        # Whatever went out was on disk before.
        known = {each.tx_hash for stored in await killed.store.batches() for each in stored.batch.transactions}
        assert {sent.tx_hash for sent in killed.transactor.broadcasts} <= known, f"killed at {point}"


# --- several processes ----------------------------------------------------------------------------


def redeemer(world: World, owner: str) -> RedemptionService:
    return RedemptionService(world.chain, world.transactor, world.store, world.clock, POLICY, owner=owner, lease_s=60)


async def test_step__while_another_process_has_the_lease__stands_by(world: World) -> None:
    await world.hold(1)
    first, second = redeemer(world, "first"), redeemer(world, "second")
    assert len((await first.step()).sent) == 1
    world.chain.mine()
    report = await second.step()
    assert (report.standby, report.sent) == (True, ())


async def test_run__cancelled__lets_another_process_have_the_key_at_once(world: World) -> None:
    await world.hold(1)
    first, second = redeemer(world, "first"), redeemer(world, "second")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(first.run())
        await world.clock.advance(1)
        task.cancel()
    world.chain.mine()
    assert not (await second.step()).standby


async def test_step__after_another_process_took_over__writes_nothing_more(world: World) -> None:
    await world.hold(1, 2)
    first = redeemer(world, "first")

    async def taken(*_: Any, **__: Any) -> int:
        await world.store.acquire_lease(redemption_lease(world.transactor.address), "first", 60)
        return world.transactor.redeem_gas

    world.transactor.simulate_redeem = taken  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        await first.step()
    assert await world.store.batches() == []
    assert world.transactor.broadcasts == []


async def test_step__a_ticket_that_another_key_is_redeeming__is_left_to_it(world: World) -> None:
    (ticket,) = await world.hold(1)
    held = await world.store.tickets(TicketState.HELD)
    await redeemer(world, "first").step()
    second = World(chain=world.chain, store=world.store, clock=world.clock)
    second.transactor._address = OTHER_SENDER  # type: ignore[assignment]

    async def stale(*_: Any) -> Any:
        return held

    tickets, world.store.tickets = world.store.tickets, stale  # type: ignore[method-assign]
    report = await second.start().step()
    world.store.tickets = tickets  # type: ignore[method-assign]
    assert report.sent == ()
    assert await world.states() == {ticket: (TicketState.SENT, 0)}


# --- batches that go wrong ------------------------------------------------------------------------


async def test_step__a_batch_that_ran_out_of_gas__halves_the_next(world: World) -> None:
    await world.hold(*range(8))
    service = world.start()
    await service.step()
    limit = world.transactor.prepared[0].gas_limit
    assert limit is not None
    world.transactor.gas_per_call = limit - limit // 100
    # Nothing is paid, as if every inner call had run dry.
    effect, world.transactor.effect = world.transactor.effect, None
    await block(world, service)
    world.transactor.effect = effect
    sizes = [len(stored.batch.tickets) for stored in await world.store.batches(BatchState.OPEN)]
    assert sizes == [4, 4] or max(sizes) == 4


async def test_step__a_sender_whose_ticket_was_left_out__goes_in_a_batch_of_its_own(world: World) -> None:
    left_out = await world.hold(1)
    service = world.start()
    await service.step()
    world.chain.senders[SENDER] = make_info(0)
    await block(world, service)
    world.chain.senders[SENDER] = make_info(10**18)
    others = await world.hold(2, 3, sender=OTHER_SENDER)
    world.chain.mine()
    await service.step()
    batches = [set(stored.batch.tickets) for stored in await world.store.batches(BatchState.OPEN)]
    assert batches == [set(others), set(left_out)]


async def test_step__paused_contracts__asks_for_one_batch_and_lets_all_wait(world: World) -> None:
    tickets = await world.hold(*range(50))
    asked = []
    simulate = world.transactor.simulate_redeem

    async def counted(ticket: Any, **options: Any) -> int:
        asked.append(ticket)
        return await simulate(ticket, **options)

    world.transactor.simulate_redeem = counted  # type: ignore[method-assign]
    world.transactor.redeem_refusals.update(dict.fromkeys(tickets, "system is paused"))
    service = world.start(replace(POLICY, max_open=1))
    report = await service.step()
    assert {decision.reason for decision in report.decisions} == {Reason.PAUSED}
    assert 0 < len(asked) <= POLICY.batch_max
    world.transactor.redeem_refusals.clear()
    world.chain.mine()
    assert len((await service.step()).sent) == 1


# --- alarms and operators -------------------------------------------------------------------------


async def test_step__half_of_the_window_gone__raises_one_alarm(world: World) -> None:
    raised: list[Any] = []
    (ticket,) = await world.hold(1)
    await world.store.hold([ticket], "wait")
    service = RedemptionService(world.chain, world.transactor, world.store, world.clock, POLICY, on_alarm=raised.append)
    world.chain.mine(45)
    world.chain.initialize_round()
    for _ in range(3):
        await service.step()
        world.chain.mine()
    assert [(alarm.alert, alarm.share) for alarm in raised] == [(Alert.WINDOW, Fraction(1, 2))]


async def test_hold__of_a_ticket__keeps_it_out_until_released(world: World) -> None:
    (ticket,) = await world.hold(1)
    service = world.start()
    await service.hold([ticket], "asked the sender")
    (decision,) = (await service.step()).decisions
    assert (decision.reason, decision.figures["note"]) == (Reason.ON_HOLD, "asked the sender")
    await service.release([ticket])
    assert len((await service.step()).sent) == 1


async def test_redeem_now__of_a_ticket_that_waits_for_company__sends_it(world: World) -> None:
    (ticket,) = await world.hold(1)
    service = world.start(replace(POLICY, batch_min=5))
    assert (await service.step()).decisions[0].reason is Reason.BATCH_SMALL
    report = await service.redeem_now([ticket])
    assert len(report.sent) == 1


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_redeem_now__asked_for_while_a_step_runs__reports_what_was_sent_for_it(world: World, turns: int) -> None:
    (ticket,) = await world.hold(1)
    service = world.start(replace(POLICY, batch_min=5))
    running = asyncio.create_task(service.step())
    # Wherever in that step the wish comes.
    for _ in range(turns):
        await asyncio.sleep(0)
    report = await service.redeem_now([ticket])
    assert (len((await running).sent), len(report.sent)) == (0, 1)


async def test_survey__of_open_tickets__decides_and_sends_nothing(world: World) -> None:
    ready, early = await world.hold(1), await world.hold(2, params_expiration_block=START + 40)
    service = world.start()
    told = await service.survey()
    assert [(each.hash, each.state) for each in told] == [
        (*ready, TicketState.ASSIGNED),
        (*early, TicketState.HELD),
    ]
    assert told[0].batch_cost is not None
    assert 0 < told[0].batch_cost < FACE_VALUE
    # It would go alone now, though at the price of a batch of one.
    assert (told[0].in_batch_of, told[0].single_cost) == (1, 350_000 * 10**9)
    # The other one's secret may be shown to nobody yet, so what it takes is not known.
    assert (told[1].in_batch_of, told[1].batch_cost, told[1].single_cost) == (None, None, None)
    assert world.transactor.prepared == []
    assert await world.store.tickets(TicketState.SENT) == []


@pytest.mark.parametrize("blocks_left", [1, 0, -1])
async def test_survey__of_a_quote_that_could_still_be_paid_with__shows_its_secret_to_no_node(
    world: World, blocks_left: int
) -> None:
    (early,) = await world.hold(1, params_expiration_block=world.chain.block + blocks_left)
    service = world.start()
    await service.survey()
    await service.explain(early)
    assert world.transactor.simulated == []


async def test_explain__in_each_state__says_state_reason_and_deadline(world: World) -> None:
    (ticket,) = await world.hold(1)
    service = world.start(replace(POLICY, batch_min=2))
    waiting = await service.explain(ticket)
    assert (waiting.state, waiting.reason) == (TicketState.READY, Reason.BATCH_SMALL.value)
    assert waiting.deadline == START + 88
    assert "in 83 blocks" in str(waiting)
    await service.redeem_now([ticket])
    assert (await service.explain(ticket)).state is TicketState.SENT
    await block(world, service)
    paid = await service.explain(ticket)
    assert (paid.state, paid.paid) == (TicketState.PAID, FACE_VALUE)
    assert "0.01 ETH by 0x" in str(paid)


async def test_explain__of_an_unknown_ticket__is_refused(world: World) -> None:
    with pytest.raises(InvalidInput):
        await world.start().explain(Hash32(bytes(32)))


async def test_decisions__of_a_patient_ticket__is_to_wait_for_cheaper_gas(world: World) -> None:
    service = world.start()
    for price in (1, 2, 3, 4):
        await block(world, service, price * GWEI)
    (ticket,) = await world.hold(1)
    world.chain.mine()
    (decision,) = (await service.step()).decisions
    assert (decision.action, decision.reason) == (Action.WAIT, Reason.GAS_UNFAVOURABLE)
    assert decision.figures["wanted"] == 2 * GWEI
    await block(world, service, GWEI)
    await block(world, service, GWEI)
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}


async def test_step__after_a_start__knows_the_prices_of_the_day_before(world: World) -> None:
    await world.hold(1)
    world.chain.base_fees = [(at, world.chain.timestamp - 100 + at, Wei(GWEI // 2)) for at in range(100)]
    (decision,) = (await world.start().step()).decisions
    assert (decision.reason, decision.figures["wanted"]) == (Reason.GAS_UNFAVOURABLE, GWEI // 2)


async def test_run__the_stores_server_down_for_a_while__goes_on(world: World) -> None:
    (ticket,) = await world.hold(1)
    world.transactor.auto_mine = True
    world.store.failure = StoreUnavailable("down")
    service = RedemptionService(world.chain, world.transactor, world.store, world.clock, POLICY, poll_interval_s=5)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(service.run())
        await world.clock.advance(5)
        world.store.failure = None
        await world.clock.advance(5)
        assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}
        task.cancel()


async def test_run__a_store_that_cannot_be_trusted__ends(world: World) -> None:
    world.store.failure = StoreCorrupt("page 7")
    service = RedemptionService(world.chain, world.transactor, world.store, world.clock, POLICY)
    with pytest.raises(StoreCorrupt):
        await service.run()


async def test_step__the_receipt_shown_after_the_nonce_is_counted__records_what_was_paid(world: World) -> None:
    (ticket,) = await world.hold(1)
    service = world.start()
    await service.step()
    world.transactor.shows_receipts = False
    await block(world, service)
    assert await world.states() == {ticket: (TicketState.USED_ELSEWHERE, 0)}
    world.transactor.shows_receipts = True
    await block(world, service)
    assert await world.states() == {ticket: (TicketState.PAID, FACE_VALUE)}
