"""The cache of the chain equals a direct read after any history (invariant 34)."""

from collections import Counter
from dataclasses import replace

import pytest

from livepeer_client.adapters.fakes import FakeChain, ManualClock
from livepeer_client.errors import ChainUnavailable
from livepeer_client.facts import Activation, BlockRef
from livepeer_client.policy.watching import WANTED, clock_of
from livepeer_client.services.blocks import Advance, BlockWatcher, RollBack, StartAnew, Step
from livepeer_client.services.chain_cache import ChainCache, SenderUnlocked
from livepeer_client.types import Round, Wei
from tests.support.chain_story import EMPTY, ME, ORCHESTRATORS, SENDERS, Story

DEPTH = 16


def watch(chain: FakeChain, *, depth: int = DEPTH) -> BlockWatcher:
    return BlockWatcher(chain, ManualClock(), WANTED, depth=depth)


async def assert_equals_a_direct_read(cache: ChainCache, chain: FakeChain) -> None:
    """Everything that the cache tells, against the chain at the block the cache stands at."""
    head = await chain.head()
    assert (cache.block.number, cache.block.hash) == (head.number, head.block_hash)
    state = await chain.round_state()
    assert cache.current_round == state.current
    assert cache.clock == clock_of(state, await chain.block_hash_for_round(Round(state.last_initialized - 1)))
    assert cache.pool_size == await chain.pool_size()
    assert cache.locks == await chain.unbonding_locks(ME)
    assert await cache.activations(ORCHESTRATORS) == await chain.activations(ORCHESTRATORS)
    assert await cache.service_uris(ORCHESTRATORS) == await chain.service_uris(ORCHESTRATORS)
    assert [await cache.sender(sender) for sender in SENDERS] == await chain.sender_accounts(SENDERS, ME)


async def test_chain_cache__after_any_history_with_reorgs__equals_a_direct_read() -> None:
    made: Counter[str] = Counter()
    for seed in range(60):
        story = Story(seed)
        chain, told = story.chain, list[Step]()
        cache, watcher = ChainCache(chain, ME), watch(chain)

        async def handle(step: Step, cache: ChainCache = cache, told: list[Step] = told) -> None:
            told.append(step)
            await cache.handle(step)

        for _ in range(25):
            story.play(story.random.randint(1, 12))
            if chain.block > 80 and story.random.random() < 0.5:
                depth = story.random.choice((1, 1, 2, 3, 5, 10, DEPTH + 5))
                chain.reorg(depth)
                made["reorg"] += 1
                if story.random.random() < 0.7:
                    story.mine(story.random.randint(1, depth + 2))
                    story.play(story.random.randint(0, 6))
            if story.random.random() < 0.8:
                await watcher.follow(handle)
                await assert_equals_a_direct_read(cache, chain)
                made["compared"] += 1
        made += story.made
        made.update(type(step).__name__ for step in told)
    # It proves something only if everything has happened, and often.
    floors = dict.fromkeys(set(Story.CALLS), 200) | {
        "withdraw": 30,
        "cancel_unlock": 100,
        "reorg": 200,
        "compared": 1000,
        "RollBack": 100,
        "StartAnew": 60 + 20,
        "Advance": 900,
    }
    assert {name: made[name] for name in floors if made[name] < floors[name]} == {}


async def test_handle__a_step_that_fails_halfway__changes_nothing_and_can_be_told_again() -> None:
    chain = FakeChain(round_length=12)
    cache, watcher = ChainCache(chain, ME), watch(chain, depth=200)
    await watcher.follow(cache.handle)
    await cache.sender(SENDERS[0])
    block = cache.block
    chain.mine()
    chain.senders[SENDERS[0]] = replace(EMPTY, deposit=Wei(5))
    chain.add_event("TicketBroker", "DepositFunded", sender=SENDERS[0], amount=5)
    # A round was left out, so its predecessor's hash has to be read, which fails.
    for _ in range(2):
        chain.mine_to_next_round()
    chain.initialize_round()
    now = chain.current_round
    chain.add_event("RoundsManager", "NewRound", round=now, blockHash=chain.block_hashes[now])
    steps: list[Step] = []

    async def fails(step: Step) -> None:
        steps.append(step)
        chain.failure = ChainUnavailable("down")
        await cache.handle(step)

    with pytest.raises(ChainUnavailable):
        await watcher.follow(fails)
    chain.failure = None
    assert cache.block == block
    assert (await chain.at(block.hash).head()).number == block.number
    await watcher.follow(cache.handle)
    await assert_equals_a_direct_read(cache, chain)
    assert isinstance(steps[0], Advance)


async def test_sender__first_asked_for_between_blocks__is_read_once_and_then_followed() -> None:
    chain = FakeChain()
    cache, watcher = ChainCache(chain, ME), watch(chain)
    await watcher.follow(cache.handle)
    await cache.sender(SENDERS[0])
    for _ in range(5):
        chain.mine()
        info = chain.senders.get(SENDERS[0], EMPTY)
        chain.senders[SENDERS[0]] = replace(info, deposit=Wei(info.deposit + 1))
        chain.add_event("TicketBroker", "DepositFunded", sender=SENDERS[0], amount=1)
        await watcher.follow(cache.handle)
        assert (await cache.sender(SENDERS[0])).info.deposit == chain.senders[SENDERS[0]].deposit
    assert chain.reads.count("sender_accounts") == 1


async def test_sender__nothing_read_yet__is_unavailable() -> None:
    with pytest.raises(ChainUnavailable):
        await ChainCache(FakeChain(), ME).sender(SENDERS[0])


async def test_handle__a_sender_unlocks__is_told_with_its_last_round() -> None:
    chain, told = FakeChain(), list[SenderUnlocked]()
    cache, watcher = ChainCache(chain, ME, on_unlock=told.append), watch(chain)
    await watcher.follow(cache.handle)
    chain.mine()
    chain.add_event("TicketBroker", "Unlock", sender=SENDERS[1], startRound=100, endRound=102)
    await watcher.follow(cache.handle)
    assert told == [SenderUnlocked(SENDERS[1], Round(102))]


async def test_handle__resumed_in_the_middle__tells_the_unlocks_of_the_first_step() -> None:
    chain, told = FakeChain(), list[SenderUnlocked]()
    start = chain.block
    chain.mine()
    chain.add_event("TicketBroker", "Unlock", sender=SENDERS[1], startRound=100, endRound=102)
    cache = ChainCache(chain, ME, on_unlock=told.append)
    await BlockWatcher(chain, ManualClock(), WANTED, start=start).follow(cache.handle)
    assert told == [SenderUnlocked(SENDERS[1], Round(102))]
    assert cache.block.number == chain.block


async def test_handle__rolled_back_below_its_first_block__reads_anew() -> None:
    chain = FakeChain()
    chain.mine(3)
    chain.mine(3)
    cache, watcher = ChainCache(chain, ME), watch(chain)
    await watcher.follow(cache.handle)
    chain.activation[ORCHESTRATORS[1]] = Activation(Round(1), Round(2))
    chain.mine()
    await watcher.follow(cache.handle)
    block = await chain.block_at(chain.block)
    assert block is not None
    await cache.handle(RollBack(BlockRef(chain.block - 3, chain.hash_of(chain.block - 3))))
    assert cache.block.number == chain.block - 3
    await cache.handle(StartAnew(block))
    await assert_equals_a_direct_read(cache, chain)
