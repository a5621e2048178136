"""Redemption against a broker with the deployed network's rules: what is read from the chain and never assumed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction

import pytest

from livepeer_client.adapters.chain.abi import load_abi
from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.adapters.fakes import ManualClock, MemoryTicketStore
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts import Calldata, ReceivedPayment, TicketState
from livepeer_client.policy.redemption import Alert, Reason, RedemptionPolicy
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.types import Wei
from tests.support.anvil import (
    ALICE,
    BOB,
    ETH,
    GATEWAY,
    LPT,
    PARTIAL_BROKER,
    ROOT,
    STRANGER,
    Role,
    Stage,
    anvil,
    opened,
    set_stage,
)

POLICY = RedemptionPolicy(params_margin_blocks=0)
VALUE = ETH // 1000
POOR = Role("poor gateway")


@pytest.fixture(scope="module")
def partial_node() -> Iterator[tuple[str, Addresses]]:
    cache = ROOT / ".cache" / "compiled"
    cache.mkdir(parents=True, exist_ok=True)
    with anvil() as url:
        yield url, asyncio.run(set_stage(url, cache, broker=PARTIAL_BROKER))


@pytest.fixture
async def deployed(partial_node: tuple[str, Addresses]) -> AsyncIterator[Stage]:
    """The suite with that broker; a poor gateway beside the rich one, which has 1 ETH of deposit and of reserve."""
    async with opened(*partial_node) as stage, stage.taken_back():
        await stage.rpc.call("anvil_setBalance", ["0x" + POOR.address.hex(), hex(10 * ETH)])
        yield stage


async def fund(stage: Stage, deposit: int, reserve: int) -> None:
    value = Wei(deposit + reserve)
    await stage.transactor(POOR).send("TicketBroker", "fundDepositAndReserve", [deposit, reserve], value=value)


async def held(*winners: WinningTicket) -> MemoryTicketStore:
    store = MemoryTicketStore()
    await store.record_payment(ReceivedPayment(GATEWAY.address, "session", len(winners), Fraction(1), winners))
    return store


def redeemer(stage: Stage, store: MemoryTicketStore, policy: RedemptionPolicy = POLICY) -> RedemptionService:
    return RedemptionService(stage.suite, stage.mined_transactor(ALICE), store, ManualClock(), policy)


async def to_the_deadline(stage: Stage) -> None:
    """Into the last blocks of the round after the present one."""
    await stage.next_round()
    state = await stage.suite.round_state()
    await stage.mine(state.start_block + state.length_blocks - 3 - await stage.suite.height())


async def test_redemption__of_tickets_with_the_same_terms__takes_the_batch_there_is(deployed: Stage) -> None:
    assert not await deployed.suite.redeems_compactly()
    winners = [await deployed.winner(nonce=nonce) for nonce in (1, 2, 3)]
    store = await held(*winners)
    await redeemer(deployed, store).step()
    assert [batch.batch.calldata for batch in await store.batches()] == [Calldata.BATCH]
    assert [(ticket.state, ticket.paid) for ticket in await store.tickets()] == [(TicketState.PAID, VALUE)] * 3


async def test_redemption__with_funds_for_a_part_and_time_left__keeps_the_ticket(deployed: Stage) -> None:
    await fund(deployed, VALUE // 4, VALUE // 2)
    winner = await deployed.winner(sender=POOR)
    store = await held(winner)
    (decision,) = (await redeemer(deployed, store).step()).decisions
    # Half of the reserve: there are two in the pool.
    assert (decision.reason, decision.figures["available"]) == (Reason.FUNDS_SHORT, VALUE // 2)
    assert await deployed.suite.used_tickets([winner.ticket.hash]) == [False]


async def test_redemption__with_funds_for_a_part_at_the_deadline__takes_it_and_reports_it(deployed: Stage) -> None:
    await fund(deployed, VALUE // 4, VALUE // 2)
    store = await held(await deployed.winner(sender=POOR))
    await to_the_deadline(deployed)
    report = await redeemer(deployed, store).step()
    (ticket,) = await store.tickets()
    assert (ticket.state, ticket.paid) == (TicketState.UNDERPAID, VALUE // 2)
    assert Alert.UNDERPAID in {alarm.alert for alarm in report.alarms}


async def test_redemption__with_funds_for_a_part_and_whole_payment_wanted__keeps_it_to_the_end(deployed: Stage) -> None:
    await fund(deployed, VALUE // 4, VALUE // 2)
    winner = await deployed.winner(sender=POOR)
    store = await held(winner)
    await to_the_deadline(deployed)
    await redeemer(deployed, store, RedemptionPolicy(params_margin_blocks=0, accept_partial=False)).step()
    assert [ticket.state for ticket in await store.tickets()] == [TicketState.HELD]
    assert await deployed.suite.used_tickets([winner.ticket.hash]) == [False]


async def test_redemption__of_two_where_funds_cover_one__burns_neither(deployed: Stage) -> None:
    await fund(deployed, VALUE, 0)
    winners = [await deployed.winner(sender=POOR, nonce=nonce) for nonce in (1, 2)]
    store = await held(*winners)
    await redeemer(deployed, store).step()
    assert sorted(ticket.state.value for ticket in await store.tickets()) == ["held", "paid"]
    assert [ticket.paid for ticket in await store.tickets(TicketState.PAID)] == [VALUE]


async def test_redemption__after_the_pool_grew_over_a_claim__survives_the_look_up_that_reverts(deployed: Stage) -> None:
    await fund(deployed, 0, 2 * VALUE)
    first, second = [await deployed.winner(sender=POOR, nonce=nonce) for nonce in (1, 2)]
    fine = await deployed.winner(nonce=3)
    store = await held(first)
    await redeemer(deployed, store).step()
    assert [ticket.paid for ticket in await store.tickets()] == [VALUE]
    # A third one in the pool of the next round: our share of this round falls below what we have taken (K8).
    await deployed.transactor(BOB).send("LivepeerToken", "transfer", [STRANGER.address, 100 * LPT])
    newcomer = deployed.transactor(STRANGER)
    bonding = await deployed.suite.address("BondingManager")
    await newcomer.send("LivepeerToken", "approve", [bonding, 100 * LPT])
    await newcomer.send("BondingManager", "bond", [100 * LPT, STRANGER.address])
    store = await held(second, fine)
    report = await redeemer(deployed, store).step()
    reasons = {decision.hash: decision for decision in report.decisions}
    assert reasons[second.ticket.hash].reason is Reason.FUNDS_SHORT
    assert reasons[second.ticket.hash].figures["available"] == 0
    assert [ticket.paid for ticket in await store.tickets(TicketState.PAID)] == [VALUE]


async def test_redemption__with_a_longer_validity__is_read_from_the_chain(deployed: Stage) -> None:
    service = redeemer(deployed, store := await held(await deployed.winner()))
    (ticket,) = await store.tickets()
    await service.hold([ticket.hash], "look")
    before = await service.explain(ticket.hash)
    # The first account of the node owns the Controller, and with it the broker's settings.
    account = (await deployed.rpc.call("eth_accounts"))[0]
    broker = await deployed.suite.address("TicketBroker")
    data = load_abi("TicketBroker").function("setTicketValidityPeriod").encode([5])
    call = {"from": account, "to": "0x" + broker.hex(), "data": "0x" + data.hex()}
    await deployed.rpc.call("eth_sendTransactionSync", [call])
    after = await service.explain(ticket.hash)
    length = (await deployed.suite.round_state()).length_blocks
    assert after.deadline == before.deadline + 3 * length
