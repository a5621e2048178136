"""Nonces under reorgs: what vanished is given away again at once, what may come back is not."""

from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.adapters.chain.transactor import Transactor
from livepeer_client.adapters.fakes import ManualClock
from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.facts import ReceivedPayment, SignedTransaction, TicketState
from livepeer_client.policy.redemption import RedemptionPolicy
from livepeer_client.services.redemption import RedemptionService
from livepeer_client.types import Wei
from tests.support.anvil import ALICE, GATEWAY, Stage

FUND = ("TicketBroker", "fundDeposit", [])


async def roll_back(stage: Stage, blocks: int, *, others: int) -> None:
    """Take blocks back; the node forgets what was in them, and mines others in their place."""
    await stage.rpc.call("anvil_rollback", [blocks])
    await stage.rpc.call("anvil_dropAllTransactions", [])
    await stage.rpc.call("evm_increaseTime", [7])
    if others:
        await stage.mine(others)


@pytest.fixture
async def slow(stage: Stage) -> Stage:
    """Blocks come when told."""
    await stage.mine(4)
    await stage.rpc.call("evm_setAutomine", [False])
    return stage


async def mined(stage: Stage, wallet: Transactor) -> SignedTransaction:
    """A transaction in the newest block, whose receipt was seen."""
    transaction = await wallet.prepare(*FUND, value=Wei(1))
    await wallet.broadcast(transaction)
    await stage.mine()
    assert await wallet.receipt(transaction.tx_hash) is not None
    return transaction


async def test_prepare__after_a_reorg_that_lost_a_transaction__takes_its_nonce_at_once(slow: Stage) -> None:
    wallet = slow.transactor(GATEWAY)
    lost = await mined(slow, wallet)
    await roll_back(slow, 1, others=1)
    again = await wallet.prepare(*FUND, value=Wei(2))
    assert again.nonce == lost.nonce
    # And it is leased anew: the next one is another.
    assert (await wallet.prepare(*FUND, value=Wei(3))).nonce == lost.nonce + 1
    await wallet.broadcast(again)
    await slow.mine()
    assert await wallet.receipt(again.tx_hash) is not None


async def test_prepare__by_a_node_that_is_behind__leaves_the_nonce_alone(slow: Stage) -> None:
    wallet = slow.transactor(GATEWAY)
    waiting = await mined(slow, wallet)
    # As a node answers that has not seen that block yet.
    await roll_back(slow, 1, others=0)
    assert (await wallet.nonces()).pending == waiting.nonce
    assert (await wallet.prepare(*FUND, value=Wei(2))).nonce == waiting.nonce + 1


async def test_prepare__after_a_reorg_that_put_it_back_into_the_pool__takes_the_next_nonce(slow: Stage) -> None:
    wallet = slow.transactor(GATEWAY)
    waiting = await mined(slow, wallet)
    await roll_back(slow, 1, others=1)
    await slow.rpc.call("eth_sendRawTransaction", ["0x" + waiting.raw.hex()])
    assert (await wallet.prepare(*FUND, value=Wei(2))).nonce == waiting.nonce + 1


async def test_prepare__sent_again_after_the_reorg__takes_the_next_nonce(slow: Stage) -> None:
    wallet = slow.transactor(GATEWAY)
    waiting = await mined(slow, wallet)
    await roll_back(slow, 1, others=1)
    await wallet.broadcast(waiting)
    # The node forgets it once more, but nobody has seen it mined on this chain.
    await slow.rpc.call("anvil_dropAllTransactions", [])
    assert (await wallet.prepare(*FUND, value=Wei(2))).nonce == waiting.nonce + 1


async def test_prepare__its_owner_reserved_the_lost_one__takes_the_next_nonce(slow: Stage) -> None:
    wallet = slow.transactor(GATEWAY)
    kept = await mined(slow, wallet)
    wallet.reserve(kept.nonce)
    await roll_back(slow, 1, others=1)
    assert (await wallet.prepare(*FUND, value=Wei(2))).nonce == kept.nonce + 1
    wallet.release(kept.nonce)
    assert (await wallet.prepare(*FUND, value=Wei(2))).nonce == kept.nonce


async def test_step__another_call_of_the_key_after_a_reorg__neither_displaces_the_other(
    slow: Stage, tmp_path: Path
) -> None:
    winner = await slow.winner()
    await slow.mine(2)
    wallet = slow.transactor(ALICE)
    async with await SqliteTicketStore.open(tmp_path / "tickets.sqlite") as store:
        await store.record_payment(ReceivedPayment(GATEWAY.address, "nonces", 1, Fraction(0), (winner,)))
        policy = RedemptionPolicy(params_margin_blocks=0)
        service = RedemptionService(slow.suite, wallet, store, ManualClock(), policy)
        await service.step()
        await slow.mine()
        await service.step()
        assert [ticket.state for ticket in await store.tickets()] == [TicketState.PAID]
        (batch,) = await store.batches()
        await roll_back(slow, 1, others=2)
        # Before the redeemer has noticed: its transaction is in its store, and goes out again.
        other = await wallet.prepare("RoundsManager", "initializeRound", [], gas_limit=500_000)
        assert other.nonce == batch.batch.nonce + 1
        await wallet.broadcast(other)
        await service.step()
        await slow.mine()
        await service.step()
        assert [ticket.state for ticket in await store.tickets()] == [TicketState.PAID]
        assert await wallet.receipt(other.tx_hash) is not None
        assert await wallet.receipt(batch.batch.transaction.tx_hash) is not None
