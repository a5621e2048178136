"""The transaction manager on a real chain with its journal on disk."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.sqlite import SqliteTransactionJournal
from livepeer_client.errors import TransactionDropped
from livepeer_client.facts import Lane
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
