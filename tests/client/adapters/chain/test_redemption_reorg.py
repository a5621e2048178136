"""Reorgs under redemptions: anvil takes back 1 to 10 blocks under batches that are sent, mined and settled."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.adapters.chain.suite import FINALIZED_DEPTH
from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.codec.ticket import WinningTicket
from livepeer_client.facts import BatchState, ReceivedPayment, TicketState
from livepeer_client.policy.redemption import BROKER, RedemptionPolicy, redeem_arguments
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.types import Hash32, Wei
from tests.support.anvil import ALICE, ETH, GATEWAY, STRANGER, Stage

POLICY = RedemptionPolicy(params_margin_blocks=0)
VALUE = ETH // 1000
DEPTHS = range(1, 11)


@dataclass
class World:
    """Two winners in a store on disk, and a redeemer that is started anew for each step, as after a crash."""

    stage: Stage
    store: SqliteTicketStore
    tickets: list[Hash32]

    async def step(self) -> None:
        wallet = self.stage.transactor(ALICE)
        await RedemptionService(self.stage.suite, wallet, self.store, ManualClock(), POLICY).step()

    async def states(self) -> list[tuple[TicketState, int]]:
        return [(ticket.state, ticket.paid) for ticket in await self.store.tickets()]

    async def roll_back(self, blocks: int) -> None:
        """Take the newest blocks back, and put other ones in their place, as many and one more."""
        before = await self.stage.suite.height()
        await self.stage.rpc.call("anvil_rollback", [blocks])
        assert await self.stage.suite.height() == before - blocks
        await self.stage.rpc.call("anvil_dropAllTransactions", [])
        # Another timestamp makes another block.
        await self.stage.rpc.call("evm_increaseTime", [7])
        await self.stage.mine(blocks + 1)

    async def check_end(self) -> None:
        """Every ticket is paid exactly once, by store and by chain, and nothing is provisional."""
        await self.stage.mine(2)
        await self.step()
        await self.stage.mine(FINALIZED_DEPTH)
        await self.step()
        assert await self.states() == [(TicketState.PAID, VALUE)] * len(self.tickets)
        assert {batch.state for batch in await self.store.batches()} == {BatchState.FINAL}
        assert await self.stage.suite.used_tickets(self.tickets) == [True] * len(self.tickets)
        info = await self.stage.suite.sender_info(GATEWAY.address)
        assert info.deposit == ETH - VALUE * len(self.tickets)


def paying(*winners: WinningTicket) -> ReceivedPayment:
    return ReceivedPayment(GATEWAY.address, "reorg", len(winners), Fraction(0), winners)


@pytest.fixture
async def world(stage: Stage, tmp_path: Path) -> AsyncIterator[World]:
    winners = [await stage.winner(nonce=nonce) for nonce in (1, 2)]
    # The tickets' round must not be taken back.
    await stage.mine(2)
    async with await SqliteTicketStore.open(tmp_path / "reorg.sqlite") as store:
        await store.record_payment(paying(*winners))
        await stage.rpc.call("evm_setAutomine", [False])
        yield World(stage, store, [winner.ticket.hash for winner in winners])


@pytest.mark.parametrize("depth", DEPTHS)
async def test_step__reorg_under_a_batch_that_is_sent__redeems_it_once(world: World, depth: int) -> None:
    await world.stage.mine(depth)
    await world.step()
    assert await world.states() == [(TicketState.SENT, 0)] * 2
    await world.roll_back(depth)
    await world.step()
    await world.check_end()


@pytest.mark.parametrize("depth", DEPTHS)
async def test_step__reorg_under_a_batch_that_is_mined_and_not_seen__redeems_it_once(world: World, depth: int) -> None:
    await world.step()
    await world.stage.mine(depth)
    assert await world.stage.suite.used_tickets(world.tickets) == [True, True]
    await world.roll_back(depth)
    assert await world.stage.suite.used_tickets(world.tickets) == [False, False]
    await world.step()
    assert await world.states() == [(TicketState.SENT, 0)] * 2
    await world.check_end()


@pytest.mark.parametrize("depth", DEPTHS)
async def test_step__reorg_under_a_batch_that_is_settled__takes_it_back_and_redeems_it_once(
    world: World, depth: int
) -> None:
    await world.step()
    await world.stage.mine(1)
    await world.step()
    assert await world.states() == [(TicketState.PAID, VALUE)] * 2
    if depth > 1:
        await world.stage.mine(depth - 1)
    await world.roll_back(depth)
    await world.step()
    assert await world.states() == [(TicketState.SENT, 0)] * 2
    await world.check_end()


@pytest.mark.parametrize("depth", DEPTHS)
async def test_step__reorg_above_a_batch_that_is_settled__leaves_it(world: World, depth: int) -> None:
    await world.step()
    await world.stage.mine(1)
    await world.step()
    await world.stage.mine(depth)
    await world.roll_back(depth)
    await world.step()
    assert await world.states() == [(TicketState.PAID, VALUE)] * 2
    await world.check_end()


@pytest.mark.parametrize("depth", DEPTHS)
async def test_step__settled_again_in_another_block_after_a_reorg__notices_the_block(world: World, depth: int) -> None:
    await world.step()
    await world.stage.mine(1)
    await world.step()
    (before,) = await world.store.batches()
    if depth > 1:
        await world.stage.mine(depth - 1)
    height = await world.stage.suite.height()
    await world.stage.rpc.call("anvil_rollback", [depth])
    # Somebody kept the transaction: it is mined again before we look.
    raw = before.batch.transaction.raw
    await world.stage.rpc.call("evm_increaseTime", [7])
    await world.stage.rpc.call("eth_sendRawTransaction", ["0x" + raw.hex()])
    await world.stage.mine(depth + 1)
    assert await world.stage.suite.height() == height + 1
    await world.step()
    (after,) = await world.store.batches()
    assert (after.state, after.mined) == (BatchState.MINED, before.mined)
    assert before.block != after.block
    await world.check_end()


@pytest.mark.parametrize("depth", DEPTHS)
async def test_step__reorg_under_a_strangers_redemption__redeems_the_ticket_itself(world: World, depth: int) -> None:
    await world.stage.rpc.call("evm_setAutomine", [True])
    (first, _) = await world.store.tickets()
    await world.stage.transactor(STRANGER).send(BROKER, "redeemWinningTicket", redeem_arguments(first.winner))
    await world.stage.rpc.call("evm_setAutomine", [False])
    await world.step()
    if depth > 1:
        await world.stage.mine(depth - 1)
    await world.roll_back(depth)
    await world.step()
    await world.stage.mine(1)
    await world.step()
    await world.check_end()


async def test_step__funds_lost_in_a_reorg__holds_the_ticket_until_they_come_back(world: World) -> None:
    await world.stage.rpc.call("evm_setAutomine", [True])
    huge = await world.stage.winner(nonce=9, face_value=Wei(2 * ETH))
    await world.stage.transactor(GATEWAY).send("TicketBroker", "fundDeposit", [], value=Wei(2 * ETH))
    await world.stage.rpc.call("evm_setAutomine", [False])
    await world.store.record_payment(paying(huge))
    await world.step()
    await world.roll_back(1)
    await world.step()
    await world.stage.mine(1)
    await world.step()
    (state,) = [ticket.state for ticket in await world.store.tickets() if ticket.hash == huge.ticket.hash]
    # The batch was mined without it: it is left out, and waits for money again.
    assert state is TicketState.HELD
    # One that does not think its nonce is still in use.
    gateway = world.stage.transactor(GATEWAY)
    await gateway.broadcast(await gateway.prepare("TicketBroker", "fundDeposit", [], value=Wei(2 * ETH)))
    await world.stage.mine(1)
    await world.step()
    await world.stage.mine(1)
    await world.step()
    (ticket,) = [ticket for ticket in await world.store.tickets() if ticket.hash == huge.ticket.hash]
    assert (ticket.state, ticket.paid) == (TicketState.PAID, 2 * ETH)
