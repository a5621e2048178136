"""The transaction manager on a real chain with its journal on disk."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from livepeer_client.adapters.chain.rpc import Call, Rpc
from livepeer_client.adapters.chain.suite import Suite
from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.sqlite import SqliteTransactionJournal
from livepeer_client.errors import TransactionDropped
from livepeer_client.facts import Lane, Receipt, SignedTransaction
from livepeer_client.services.transactions import TransactionManager
from livepeer_client.types import Wei
from tests.support.anvil import ALICE, ETH, GATEWAY, Stage

FUND = ("TicketBroker", "fundDeposit", [])


def make_manager(stage: Stage, journal: SqliteTransactionJournal) -> TransactionManager:
    return TransactionManager(
        stage.suite,
        stage.transactor(ALICE),
        journal,
        SystemClock(),
        urgent_after_s=0,
        bump_after_s=0,
        poll_interval_s=0.01,
    )


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteTransactionJournal]:
    async with await SqliteTransactionJournal.open(tmp_path / "journal.sqlite") as found:
        yield found


@pytest.fixture
async def dear_blocks(stage: Stage) -> AsyncIterator[None]:
    """Blocks are mined by hand; the base fee is put back, which the end of a test does not undo."""
    await stage.rpc.call("evm_setAutomine", [False])
    yield
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(10**9)])
    await stage.mine()


async def mine_at(stage: Stage, base_fee: int) -> None:
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(base_fee)])
    await stage.mine()


@pytest.mark.usefixtures("dear_blocks")
async def test_step__a_stuck_reward_and_a_redemption_behind_it__lets_the_redemption_through(
    stage: Stage, journal: SqliteTransactionJournal
) -> None:
    manager = make_manager(stage, journal)
    winner = await stage.winner()
    reward = manager.lane(Lane.REWARD)
    stuck = await reward.prepare("BondingManager", "reward", [], gas_limit=900_000)
    await reward.broadcast(stuck)
    spike = 50 * (await reward.fees(stuck)).cap
    await mine_at(stage, spike)
    await stage.rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(spike)])
    # Taken up by a new process, as after a crash: the journal and the network are all that it has.
    manager = make_manager(stage, journal)
    await manager.start()
    lane = manager.lane(Lane.REDEMPTION)
    ticket, sig, rand = winner.ticket, winner.sig, winner.recipient_rand
    aux = ticket.creation_round.to_bytes(32, "big") + ticket.creation_round_block_hash
    terms = (
        ticket.recipient,
        ticket.sender,
        ticket.face_value,
        ticket.win_prob,
        ticket.sender_nonce,
        ticket.recipient_rand_hash,
        aux,
    )
    redemption = await lane.prepare("TicketBroker", "redeemWinningTicket", [terms, sig, rand], gas_limit=600_000)
    assert redemption.nonce == stuck.nonce + 1
    await lane.broadcast(redemption)
    await manager.step()
    await mine_at(stage, spike)
    receipt = await lane.wait(redemption.tx_hash, 5)
    assert receipt.succeeded
    assert "WinningTicketRedeemed" in [log.name for log in receipt.logs]
    with pytest.raises(TransactionDropped):
        await manager.lane(Lane.REWARD).wait(stuck.tx_hash, 5)
    assert (await stage.suite.orchestrator_state(ALICE.address)).last_reward_round == 0


async def test_step__mined_and_final__is_forgotten_on_disk(stage: Stage, journal: SqliteTransactionJournal) -> None:
    manager = make_manager(stage, journal)
    receipt = await manager.lane(Lane.FUNDS).send(*FUND, value=Wei(5))
    await manager.step()
    assert [each.nonce for each in await journal.outgoing(ALICE.address)] == [manager.outgoing[0].nonce]
    await stage.mine(200)
    assert (await stage.suite.finality()).finalized.number > receipt.block
    await manager.step()
    assert await journal.outgoing(ALICE.address) == []


async def test_step__its_block_vanishes__is_mined_again(stage: Stage, journal: SqliteTransactionJournal) -> None:
    manager = make_manager(stage, journal)
    receipt = await manager.lane(Lane.FUNDS).send(*FUND, value=Wei(5))
    await stage.reorg(1)
    assert (await stage.suite.sender_info(ALICE.address)).deposit == 0
    await manager.step()
    again = await manager.lane(Lane.FUNDS).wait(receipt.tx_hash, 5)
    assert again.block_hash != receipt.block_hash
    assert (await stage.suite.sender_info(ALICE.address)).deposit == 5
    assert (await stage.suite.sender_info(GATEWAY.address)).deposit == ETH


# --- two processes with one key ---------------------------------------------------------------------


class FarNode:
    """A node that has not heard of what waits elsewhere, until something is sent to it."""

    def __init__(self, inner: Rpc) -> None:
        self.inner = inner
        self.unaware = True

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        if method == "eth_sendRawTransaction":
            self.unaware = False
        return await self.inner.call(method, params)

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        if self.unaware:
            calls = [(name, ["latest" if each == "pending" else each for each in params]) for name, params in calls]
        return await self.inner.batch(calls)


@contextlib.asynccontextmanager
async def met_on_a_nonce(
    stage: Stage, journal: SqliteTransactionJournal, *, bump_after_s: float
) -> AsyncIterator[tuple[Transactor, SignedTransaction, TransactionManager, asyncio.Task[Receipt]]]:
    """A process has sent 1 wei, and another, of the same key, sends 2 wei with the same nonce."""
    other = stage.transactor(ALICE)
    first = await other.prepare(*FUND, value=Wei(1))
    await other.broadcast(first)
    wallet = Transactor(Suite(FarNode(stage.rpc), stage.suite.addresses), ALICE.key, poll_s=0.01)
    manager = TransactionManager(
        stage.suite,
        wallet,
        journal,
        SystemClock(),
        bump_after_s=bump_after_s,
        unsent_after_s=0,
        poll_interval_s=0.01,
    )
    sending = asyncio.create_task(manager.lane(Lane.FUNDS).send(*FUND, value=Wei(2)))
    async with asyncio.timeout(60):
        while not (manager.outgoing and manager.outgoing[0].sent):  # noqa: ASYNC110 - it has no event for us
            await asyncio.sleep(0.01)
    assert manager.outgoing[0].nonce == first.nonce
    await asyncio.sleep(0.1)
    # Neither mined nor given up: its caller is not told that it was not sent.
    assert not sending.done()
    try:
        yield other, first, manager, sending
    finally:
        sending.cancel()


@pytest.mark.usefixtures("dear_blocks")
async def test_send__at_a_nonce_that_another_process_took__is_dropped_once_that_is_mined(
    stage: Stage, journal: SqliteTransactionJournal
) -> None:
    async with met_on_a_nonce(stage, journal, bump_after_s=600) as (other, first, manager, sending):
        await stage.mine()
        await manager.step()
        with pytest.raises(TransactionDropped):
            await asyncio.wait_for(sending, 60)
        assert await other.receipt(first.tx_hash) is not None
        assert (await stage.suite.sender_info(ALICE.address)).deposit == 1
        assert manager.outgoing == []


@pytest.mark.usefixtures("dear_blocks")
async def test_send__raised_over_what_another_process_has_at_its_nonce__is_told_so_and_the_other_is_not_mined(
    stage: Stage, journal: SqliteTransactionJournal
) -> None:
    async with met_on_a_nonce(stage, journal, bump_after_s=0) as (other, first, manager, sending):
        await manager.step()
        await stage.mine()
        assert (await asyncio.wait_for(sending, 60)).succeeded
        assert await other.receipt(first.tx_hash) is None
        assert (await other.nonces()).mined == first.nonce + 1
        assert (await stage.suite.sender_info(ALICE.address)).deposit == 2
