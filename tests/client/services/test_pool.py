"""The pool from store and chain: never waited for, moved by rounds, events and reorgs (offchain-network 1.2)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import FakeChain, ManualClock, MemoryGatewayBooks
from livepeer_client.codec.messages import RegisteredOrchestrator
from livepeer_client.errors import ChainUnavailable
from livepeer_client.facts import Activation, KnownOrchestrator
from livepeer_client.policy.sources import Window
from livepeer_client.services.pool import FIRST_READ_S, REFRESH_S, ChainPool
from livepeer_client.types import NEVER_DEACTIVATES, ZERO_HASH, Address, Round

ADA, BOB = Address(b"\xaa" * 20), Address(b"\xbb" * 20)
POLL_S = 5.0


class Stand:
    """A chain in round 100 with members, a store, and the pool over both."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.chain = FakeChain(round_length=50)
        self.cache = MemoryGatewayBooks(self.clock)
        self.join(ADA, 5)

    def join(self, address: Address, stake: int, activation: int = 90, until: Round = NEVER_DEACTIVATES) -> None:
        member = RegisteredOrchestrator(address, f"https://{address.hex()[:2]}.example:8935", stake, True)
        self.chain.pool = [*self.chain.pool, member]
        self.chain.activation = {**self.chain.activation, address: Activation(Round(activation), until)}

    def pool(self) -> ChainPool:
        return ChainPool(self.chain, self.cache, self.clock, poll_interval_s=POLL_S, jitter=lambda: 0.0)


def told(members: Sequence[RegisteredOrchestrator]) -> dict[Address, bool]:
    return {member.address: member.active for member in members}


async def running(pool: ChainPool) -> asyncio.Task[None]:
    task = asyncio.create_task(pool.run())
    await asyncio.sleep(0)
    return task


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_orchestrators__asked_often__read_the_chain_once() -> None:
    stand = Stand()
    pool = stand.pool()
    for _ in range(5):
        assert told(await pool.orchestrators()) == {ADA: True}
    assert stand.chain.reads.count("orchestrators") == 1
    assert not pool.stale


async def test_orchestrators__empty_pool__is_a_normal_answer() -> None:
    stand = Stand()
    stand.chain.pool = []
    assert await stand.pool().orchestrators() == []


async def test_refresh__members__are_in_the_store_with_their_windows() -> None:
    stand = Stand()
    await stand.pool().refresh()
    (row,) = await stand.cache.known_orchestrators(Round(100))
    assert (row.address, row.stake, row.activation_round) == (ADA, 5, 90)


async def test_orchestrators__chain_away_at_the_start__serves_the_store_marked_stale() -> None:
    stand = Stand()
    await stand.pool().refresh()
    stand.chain.failure = ChainUnavailable("down")
    pool = stand.pool()
    (member,) = await pool.orchestrators()
    assert (member.address, member.stale, pool.stale, pool.age_s) == (ADA, True, True, None)


async def test_orchestrators__silent_chain_at_the_start__is_waited_for_no_longer_than_its_time() -> None:
    stand = Stand()
    await stand.cache.save_orchestrators([KnownOrchestrator(ADA, "https://a.example", 1, Round(90), NEVER_DEACTIVATES)])

    class Silent(FakeChain):
        async def head(self):  # type: ignore[no-untyped-def]
            await asyncio.Event().wait()

    pool = ChainPool(Silent(), stand.cache, stand.clock)
    async with asyncio.timeout(FIRST_READ_S + 10):
        assert told(await pool.orchestrators()) == {ADA: True}


async def test_orchestrators__chain_away_and_an_empty_store__raises() -> None:
    stand = Stand()
    stand.chain.failure = ChainUnavailable("down")
    with pytest.raises(ChainUnavailable):
        await stand.pool().orchestrators()


async def test_orchestrators__rows_older_than_a_day__are_not_served() -> None:
    stand = Stand()
    pool = stand.pool()
    await pool.refresh()
    await stand.clock.advance(Window().max_age_s)
    assert told(await pool.orchestrators()) == {ADA: True}
    await stand.clock.advance(1)
    assert await pool.orchestrators() == []


async def test_run__joins_next_round__is_known_ahead_and_active_with_the_round() -> None:
    stand = Stand()
    stand.join(BOB, 9, activation=101)
    pool = stand.pool()
    task = await running(pool)
    await stand.clock.advance(POLL_S)
    assert told(await pool.orchestrators()) == {BOB: False, ADA: True}
    # A round that nobody has initialised counts as well.
    stand.chain.mine(50)
    await stand.clock.advance(POLL_S)
    assert told(await pool.orchestrators()) == {BOB: True, ADA: True}
    await ended(task)


async def test_run__leaves_with_the_round__is_active_up_to_its_end() -> None:
    stand = Stand()
    stand.join(BOB, 9, until=Round(101))
    pool = stand.pool()
    task = await running(pool)
    await stand.clock.advance(POLL_S)
    assert told(await pool.orchestrators())[BOB]
    stand.chain.mine(50)
    await stand.clock.advance(POLL_S)
    assert told(await pool.orchestrators()) == {ADA: True}
    await ended(task)


async def test_run__an_event_of_the_pool__has_it_read_again_and_quiet_blocks_do_not() -> None:
    stand = Stand()
    pool = stand.pool()
    task = await running(pool)
    await stand.clock.advance(POLL_S)
    reads = stand.chain.reads.count("orchestrators")
    stand.chain.mine(1)
    await stand.clock.advance(POLL_S)
    assert stand.chain.reads.count("orchestrators") == reads
    stand.join(BOB, 9)
    stand.chain.mine(1)
    stand.chain.add_event("BondingManager", "TranscoderActivated", ZERO_HASH, transcoder=BOB, activationRound=90)
    await stand.clock.advance(POLL_S)
    assert set(told(await pool.orchestrators())) == {ADA, BOB}
    await ended(task)


async def test_run__blocks_vanish__the_pool_is_that_of_the_chain_that_is_left() -> None:
    stand = Stand()
    pool = stand.pool()
    task = await running(pool)
    await stand.clock.advance(POLL_S)
    stand.chain.mine(1)
    stand.join(BOB, 9)
    stand.chain.add_event("BondingManager", "TranscoderActivated", ZERO_HASH, transcoder=BOB, activationRound=90)
    await stand.clock.advance(POLL_S)
    assert set(told(await pool.orchestrators())) == {ADA, BOB}
    stand.chain.reorg(1)
    await stand.clock.advance(POLL_S)
    assert set(told(await pool.orchestrators())) == {ADA}
    await ended(task)


async def test_run__chain_goes_away__serves_what_was_known_marked_stale_and_recovers() -> None:
    stand = Stand()
    pool = stand.pool()
    task = await running(pool)
    await stand.clock.advance(POLL_S)
    stand.chain.failure = ChainUnavailable("down")
    await stand.clock.advance(2 * POLL_S)
    (member,) = await pool.orchestrators()
    assert member.stale
    stand.chain.failure = None
    await stand.clock.advance(REFRESH_S + POLL_S)
    (member,) = await pool.orchestrators()
    assert not member.stale
    await ended(task)


async def test_save__no_uri_stake_or_price__keeps_the_old_ones() -> None:
    stand = Stand()
    full = KnownOrchestrator(ADA, "https://a.example", 7, Round(90), NEVER_DEACTIVATES, Fraction(1, 3))
    await stand.cache.save_orchestrators([full])
    await stand.cache.save_orchestrators(
        [replace(full, service_uri="", stake=0, price=None, activation_round=Round(95))]
    )
    (row,) = await stand.cache.known_orchestrators(Round(100))
    assert (row.service_uri, row.stake, row.price, row.activation_round) == ("https://a.example", 7, Fraction(1, 3), 95)
