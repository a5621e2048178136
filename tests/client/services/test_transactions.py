"""Lanes of one key: nonces, stuck transactions, crashes, finality."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from livepeer_client.adapters.fakes import FakeChain, FakeTransactor, ManualClock, MemoryTransactionJournal
from livepeer_client.errors import InsufficientFunds, InvalidInput, PeerUnreachable, Reverted, TransactionDropped
from livepeer_client.facts import Lane, OrchestratorState, SignedTransaction
from livepeer_client.ports import Transactor
from livepeer_client.services.reward import RewardService
from livepeer_client.services.rounds import RoundsService
from livepeer_client.services.transactions import DEFAULT_LANES, LaneRules, TransactionManager
from livepeer_client.types import Address, Round, Wei

KEY = Address(b"\x07" * 20)
GWEI = 10**9


@dataclass
class World:
    chain: FakeChain = field(default_factory=FakeChain)
    clock: ManualClock = field(default_factory=ManualClock)
    journal: MemoryTransactionJournal = field(default_factory=MemoryTransactionJournal)

    def __post_init__(self) -> None:
        self.transactor = FakeTransactor(KEY, self.chain)
        self.transactor.auto_mine = False

    async def manager(self, **lanes: LaneRules) -> TransactionManager:
        rules = {**DEFAULT_LANES, **{Lane[name.upper()]: rule for name, rule in lanes.items()}}
        manager = TransactionManager(self.chain, self.transactor, self.journal, self.clock, rules)
        await manager.start()
        return manager

    async def restart(self) -> TransactionManager:
        """A new process: what the transactor knew of reserved nonces is gone, the journal is not."""
        self.transactor.forget_reserved()
        return await self.manager()

    async def later(self, manager: TransactionManager, seconds: float) -> None:
        await self.clock.advance(seconds)
        await manager.step()


def mined_calls(world: World) -> list[str]:
    """Functions of mined transactions in order of nonce; an empty transfer has none."""
    return [call.function for call in sorted(world.transactor.mined, key=lambda call: call.nonce)]


async def sent(manager: TransactionManager, lane: Lane, function: str) -> SignedTransaction:
    transactor = manager.lane(lane)
    transaction = await transactor.prepare("BondingManager", function, [])
    await transactor.broadcast(transaction)
    return transaction


@pytest.fixture
def world() -> World:
    return World()


# --- nonces ---------------------------------------------------------------------------------------


async def test_prepare__in_all_lanes_at_once__gives_each_its_own_nonce(world: World) -> None:
    manager = await world.manager()
    work: list[Coroutine[Any, Any, SignedTransaction]] = [
        manager.lane(lane).prepare("BondingManager", "reward", []) for lane in Lane for _ in range(10)
    ]
    nonces = [transaction.nonce for transaction in await asyncio.gather(*work)]
    assert sorted(nonces) == list(range(40))
    assert [each.nonce for each in await world.journal.outgoing(KEY)] == list(range(40))


async def test_start__after_a_crash__does_not_give_a_journalled_nonce_again(world: World) -> None:
    await (await world.manager()).lane(Lane.REDEMPTION).prepare("TicketBroker", "redeem", [])
    transaction = await (await world.restart()).lane(Lane.REWARD).prepare("BondingManager", "reward", [])
    assert transaction.nonce == 1


async def test_step__signed_but_never_sent__frees_the_nonce_without_sending_it(world: World) -> None:
    await (await world.manager()).lane(Lane.FUNDS).prepare("TicketBroker", "fundDeposit", [])
    manager = await world.restart()
    await world.later(manager, 30)
    assert len(manager.outgoing) == 1
    await world.later(manager, 31)
    assert manager.outgoing == []
    assert world.transactor.broadcasts == []
    assert (await manager.lane(Lane.FUNDS).prepare("TicketBroker", "fundDeposit", [])).nonce == 0


async def test_step__sent_before_a_crash__is_followed_to_its_receipt(world: World) -> None:
    transaction = await sent(await world.manager(), Lane.FUNDS, "bond")
    manager = await world.restart()
    await world.later(manager, 5)
    world.transactor.mine_pending()
    assert (await manager.lane(Lane.FUNDS).wait(transaction.tx_hash, 10)).succeeded


async def test_broadcast__refused_by_the_network__frees_the_nonce_at_once(world: World) -> None:
    manager = await world.manager()
    lane = manager.lane(Lane.FUNDS)
    transaction = await lane.prepare("TicketBroker", "fundDeposit", [])
    world.transactor.broadcast_failure = InsufficientFunds(KEY, balance=1, required=2)
    with pytest.raises(InsufficientFunds):
        await lane.broadcast(transaction)
    world.transactor.broadcast_failure = None
    assert manager.outgoing == []
    assert (await lane.prepare("TicketBroker", "fundDeposit", [])).nonce == transaction.nonce


# --- stuck transactions ---------------------------------------------------------------------------


async def test_step__a_reward_stuck_before_a_redemption__gives_way_by_an_empty_transfer(world: World) -> None:
    manager = await world.manager()
    reward = await sent(manager, Lane.REWARD, "reward")
    world.chain.gas_price = Wei(100 * GWEI)
    redemption = await sent(manager, Lane.REDEMPTION, "redeem")
    world.transactor.mine_pending()
    assert await world.transactor.receipt(redemption.tx_hash) is None, "the redemption is held up"
    waiting = asyncio.create_task(manager.lane(Lane.REWARD).wait(reward.tx_hash, 300))
    await world.later(manager, 31)
    world.transactor.mine_pending()
    assert mined_calls(world) == ["", "redeem"]
    assert await world.transactor.receipt(redemption.tx_hash) is not None
    await world.clock.advance(10)
    with pytest.raises(TransactionDropped):
        await waiting


async def test_step__a_deposit_stuck_before_a_redemption__is_raised_and_not_given_up(world: World) -> None:
    manager = await world.manager()
    await sent(manager, Lane.FUNDS, "fundDeposit")
    world.chain.gas_price = Wei(100 * GWEI)
    await sent(manager, Lane.REDEMPTION, "redeem")
    await world.later(manager, 31)
    world.transactor.mine_pending()
    assert mined_calls(world) == ["fundDeposit", "redeem"]


async def test_step__stuck_alone__is_raised_a_bounded_number_of_times(world: World) -> None:
    manager = await world.manager(reward=LaneRules(max_bumps=2, repeatable=True))
    transaction = await sent(manager, Lane.REWARD, "reward")
    for _ in range(6):
        world.chain.gas_price = Wei(10 * world.chain.gas_price)
        await world.later(manager, 121)
    (entry,) = manager.outgoing
    assert [each.nonce for each in entry.transactions] == [transaction.nonce] * 3
    assert entry.cancelled is None


async def test_step__stuck_alone_and_raised__is_waited_for_under_its_first_hash(world: World) -> None:
    manager = await world.manager()
    transaction = await sent(manager, Lane.FUNDS, "bond")
    world.chain.gas_price = Wei(5 * GWEI)
    await world.later(manager, 121)
    world.transactor.mine_pending()
    receipt = await manager.lane(Lane.FUNDS).wait(transaction.tx_hash, 1)
    assert receipt.succeeded
    assert receipt.tx_hash != transaction.tx_hash


async def test_step__over_its_ceiling__stays_as_it_is_until_something_with_a_higher_one_waits(world: World) -> None:
    low, high = Wei(3 * GWEI), Wei(500 * GWEI)
    manager = await world.manager(
        reward=LaneRules(max_fee_per_gas=low, repeatable=True),
        redemption=LaneRules(max_fee_per_gas=high, own_replacements=True),
    )
    await sent(manager, Lane.REWARD, "reward")
    world.chain.gas_price = Wei(100 * GWEI)
    await world.later(manager, 121)
    caps = [(await world.transactor.fees(each)).cap for each in manager.outgoing[0].transactions]
    assert max(caps) <= low
    await sent(manager, Lane.REDEMPTION, "redeem")
    await world.later(manager, 31)
    await world.later(manager, 31)
    world.transactor.mine_pending()
    assert mined_calls(world) == ["", "redeem"]


async def test_step__a_redemption_at_the_head__is_left_to_its_owner(world: World) -> None:
    manager = await world.manager()
    await sent(manager, Lane.REDEMPTION, "redeem")
    world.chain.gas_price = Wei(100 * GWEI)
    await world.later(manager, 1000)
    assert len(manager.outgoing[0].transactions) == 1


async def test_replace__by_the_owner__is_journalled_before_it_can_be_sent(world: World) -> None:
    lane = (await world.manager()).lane(Lane.REDEMPTION)
    transaction = await lane.prepare("TicketBroker", "redeem", [])
    await lane.broadcast(transaction)
    replacement = await lane.replace(transaction)
    (entry,) = await world.journal.outgoing(KEY)
    assert entry.transactions == (transaction, replacement)


# --- finality -------------------------------------------------------------------------------------


async def test_step__mined__is_kept_until_its_block_is_final(world: World) -> None:
    manager = await world.manager()
    await sent(manager, Lane.FUNDS, "bond")
    world.transactor.mine_pending()
    await world.later(manager, 1)
    assert len(manager.outgoing) == 1
    world.chain.mine(20)
    await world.later(manager, 1)
    assert manager.outgoing == []
    assert await world.journal.outgoing(KEY) == []


async def test_step__its_block_vanishes__is_sent_again(world: World) -> None:
    manager = await world.manager()
    transaction = await sent(manager, Lane.FUNDS, "bond")
    world.transactor.mine_pending()
    world.chain.reorg(1)
    await world.later(manager, 1)
    assert world.transactor.broadcasts[-1] == transaction
    world.transactor.mine_pending()
    assert (await manager.lane(Lane.FUNDS).wait(transaction.tx_hash, 1)).succeeded


async def test_wait__not_mined_in_time__is_dropped(world: World) -> None:
    manager = await world.manager()
    transaction = await sent(manager, Lane.FUNDS, "bond")
    waiting = asyncio.create_task(manager.lane(Lane.FUNDS).wait(transaction.tx_hash, 10))
    await world.clock.advance(9)
    assert not waiting.done()
    await world.clock.advance(5)
    with pytest.raises(TransactionDropped):
        await waiting


async def test_lane__without_rules__is_refused(world: World) -> None:
    manager = TransactionManager(world.chain, world.transactor, world.journal, world.clock, {})
    with pytest.raises(InvalidInput):
        manager.lane(Lane.REWARD)


async def test_lane__of_any_kind__is_a_transactor_to_services(world: World) -> None:
    # Checked by the type checker; at run time it passes everything on to the one transactor of the key.
    lane: Transactor = (await world.manager()).lane(Lane.REWARD)
    assert lane.address == KEY
    simulated = await lane.simulate("BondingManager", "reward", [])
    transaction = await lane.prepare("BondingManager", "reward", [], max_fee_per_gas=Wei(10**12))
    assert simulated.fees == await lane.fees(transaction)
    await lane.broadcast(transaction)
    cancelled = await lane.cancel(transaction)
    await lane.broadcast(cancelled)
    world.transactor.mine_pending()
    assert mined_calls(world) == [""]
    assert (await lane.nonces()).mined == 1
    with pytest.raises(TransactionDropped):
        await lane.wait(transaction.tx_hash, 1)


async def test_send__mined_and_refused__says_why(world: World) -> None:
    lane = (await world.manager()).lane(Lane.FUNDS)
    world.transactor.auto_mine = True
    world.transactor.refusals["BondingManager", "bond"] = "current round is not initialized"
    with pytest.raises(Reverted) as refusal:
        await lane.send("BondingManager", "bond", [], gas_limit=100_000)
    assert refusal.value.reason == "current round is not initialized"
    assert refusal.value.tx_hash is not None


async def test_step__a_nonce_given_back_by_its_owner__is_the_next_one_given(world: World) -> None:
    manager = await world.manager()
    lane = manager.lane(Lane.REDEMPTION)
    given_back = await lane.prepare("TicketBroker", "redeem", [])
    lane.release(given_back.nonce)
    await world.later(manager, 1)
    assert (await lane.prepare("TicketBroker", "redeem", [])).nonce == given_back.nonce


async def test_step__a_free_nonce_below_a_sent_transaction__is_filled_so_that_it_can_be_mined(world: World) -> None:
    manager = await world.manager()
    lane = manager.lane(Lane.REDEMPTION)
    await lane.prepare("TicketBroker", "redeem", [])
    behind = await sent(manager, Lane.FUNDS, "fundDeposit")
    await world.later(manager, 61)
    assert [each.nonce for each in world.transactor.prepared] == [0, 1, 0]
    world.transactor.mine_pending()
    await manager.step()
    assert mined_calls(world) == ["", "fundDeposit"]
    assert (await manager.lane(Lane.FUNDS).wait(behind.tx_hash, 10)).succeeded


class AwaySigner(FakeTransactor):
    """Its key is in a signer that does not answer at first."""

    away = 2

    async def prepare(self, *args: Any, **kwargs: Any) -> SignedTransaction:
        if self.away:
            self.away -= 1
            raise PeerUnreachable("signer.example:9000", "eth_signTransaction: ClientConnectorError")
        return await super().prepare(*args, **kwargs)

    async def replace(self, *args: Any, **kwargs: Any) -> SignedTransaction:
        if self.away:
            self.away -= 1
            raise PeerUnreachable("signer.example:9000", "eth_signTransaction: ClientConnectorError")
        return await super().replace(*args, **kwargs)


async def ran(clock: ManualClock, work: Coroutine[Any, Any, None], seconds: float) -> None:
    """`work` for so long; what ends it before is raised."""
    task = asyncio.create_task(work)
    for _ in range(10):
        await clock.advance(seconds / 10)
        for _ in range(50):
            await asyncio.sleep(0)
    if task.done():
        await task
    task.cancel()


async def test_run__while_the_signer_is_away__goes_on_after_it() -> None:
    world = World()
    world.transactor = AwaySigner(KEY, world.chain)
    world.transactor.auto_mine = False
    manager = await world.manager()
    with pytest.raises(PeerUnreachable):
        await sent(manager, Lane.FUNDS, "bond")
    world.transactor.away = 0
    await sent(manager, Lane.FUNDS, "bond")
    world.transactor.away = 1
    await ran(world.clock, manager.run(), 300)
    assert len(manager.outgoing[0].transactions) > 1


async def test_run__of_reward_and_rounds_while_the_signer_is_away__goes_on_after_it() -> None:
    world = World()
    world.chain.states[KEY] = OrchestratorState(
        active=True, registered=True, last_reward_round=Round(0), stake=1, pending_fees=Wei(0)
    )
    signer = AwaySigner(KEY, world.chain)
    await ran(world.clock, RewardService(world.chain, signer, world.clock).run(), 60)
    assert [call.function for call in signer.mined][:1] == ["reward"]
    world.chain.mine_to_next_round()
    signer.away = 2
    await ran(world.clock, RoundsService(world.chain, signer, world.clock, lambda: 0.0).run(), 60)
    assert "initializeRound" in [call.function for call in signer.mined]
