"""The block watcher: order, parents, rollbacks, cursor."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from livepeer_client.adapters.fakes import FakeChain, ManualClock
from livepeer_client.errors import ChainUnavailable, InvalidInput
from livepeer_client.facts import Block, BlockCursor, BlockRef, Log
from livepeer_client.services.blocks import Advance, BlockWatcher, RollBack, StartAnew, Step
from livepeer_client.types import BlockNumber

WANTED = {"TicketBroker": ("Unlock",)}


class Cursors:
    """`ports.BlockCursors` in memory."""

    def __init__(self) -> None:
        self.saved: BlockCursor | None = None

    async def cursor(self, name: str) -> BlockCursor | None:
        return self.saved if self.saved is not None and self.saved.name == name else None

    async def save_cursor(self, cursor: BlockCursor) -> None:
        self.saved = cursor


class Told:
    def __init__(self) -> None:
        self.steps: list[Step] = []

    async def __call__(self, step: Step) -> None:
        self.steps.append(step)

    @property
    def logs(self) -> list[Log]:
        return [log for step in self.steps if isinstance(step, Advance) for log in step.logs]


def unlock(chain: FakeChain, number: int) -> Log:
    return chain.add_event("TicketBroker", "Unlock", sender=bytes([number]) * 20, startRound=1, endRound=3)


def grow(chain: FakeChain, blocks: int) -> list[Log]:
    logs = []
    for number in range(blocks):
        chain.mine()
        logs.append(unlock(chain, number % 250))
    return logs


def watcher(chain: FakeChain, cursors: Cursors | None = None, **options: object) -> BlockWatcher:
    return BlockWatcher(
        chain,
        ManualClock(),
        WANTED,
        name="test" if cursors else "",
        cursors=cursors,
        **options,  # type: ignore[arg-type]
    )


async def test_follow__nothing_known__starts_at_the_head_and_then_tells_each_event_once_in_order() -> None:
    chain, told = FakeChain(), Told()
    grow(chain, 3)
    found = watcher(chain)
    await found.follow(told)
    assert [type(step) for step in told.steps] == [StartAnew]
    expected = []
    for _ in range(4):
        expected += grow(chain, 5)
        await found.follow(told)
    assert told.logs == expected


async def test_follow__from_a_start_block__tells_all_since_in_ranges() -> None:
    chain, told = FakeChain(), Told()
    start = chain.block
    expected = grow(chain, 300)
    await watcher(chain, start=start, depth=20, range_blocks=64).follow(told)
    assert told.logs == expected
    advances = [step for step in told.steps if isinstance(step, Advance)]
    assert all(0 < b.block.number - a.block.number <= 64 for a, b in pairwise(advances))
    assert advances[-1].settled == chain.block - 20


async def test_follow__blocks_vanish__goes_back_to_the_common_ancestor_and_on_from_there() -> None:
    chain, told = FakeChain(), Told()
    found = watcher(chain)
    await found.follow(told)
    grow(chain, 10)
    await found.follow(told)
    chain.reorg(4)
    ancestor = BlockRef(chain.block, chain.hash_of(chain.block))
    again = grow(chain, 6)
    before = len(told.steps)
    await found.follow(told)
    back, on = told.steps[before:]
    assert back == RollBack(ancestor)
    assert isinstance(on, Advance)
    assert list(on.logs) == again


async def test_follow__the_chain_got_shorter__goes_back_and_waits() -> None:
    chain, told = FakeChain(), Told()
    found = watcher(chain)
    await found.follow(told)
    grow(chain, 10)
    await found.follow(told)
    chain.reorg(4)
    await found.follow(told)
    assert told.steps[-1] == RollBack(BlockRef(chain.block, chain.hash_of(chain.block)))
    assert found.tip == BlockRef(chain.block, chain.hash_of(chain.block))


async def test_follow__a_reorg_deeper_than_it_remembers__starts_anew() -> None:
    chain, told = FakeChain(), Told()
    grow(chain, 30)
    found = watcher(chain, depth=5)
    await found.follow(told)
    grow(chain, 10)
    await found.follow(told)
    chain.reorg(12)
    grow(chain, 20)
    await found.follow(told)
    anew = [step for step in told.steps if isinstance(step, StartAnew)][-1]
    assert anew.block.number == chain.block


async def test_follow__the_handler_fails__tells_the_same_step_again() -> None:
    chain, told = FakeChain(), Told()
    found = watcher(chain)
    await found.follow(told)
    expected = grow(chain, 3)

    async def fails(step: Step) -> None:
        raise ChainUnavailable("not now")

    with pytest.raises(ChainUnavailable):
        await found.follow(fails)
    await found.follow(told)
    assert told.logs == expected


async def test_follow__after_a_restart__goes_on_from_its_cursor_and_misses_nothing() -> None:
    chain, cursors, told = FakeChain(), Cursors(), Told()
    await watcher(chain, cursors).follow(told)
    expected = grow(chain, 3)
    await watcher(chain, cursors).follow(told)
    expected += grow(chain, 7)
    await watcher(chain, cursors).follow(told)
    assert told.logs == expected
    assert cursors.saved is not None
    assert cursors.saved.block == BlockRef(chain.block, chain.hash_of(chain.block))


async def test_follow__a_reorg_while_it_was_down__rolls_back_from_its_cursor() -> None:
    chain, cursors, told = FakeChain(), Cursors(), Told()
    await watcher(chain, cursors).follow(told)
    grow(chain, 8)
    await watcher(chain, cursors).follow(told)
    chain.reorg(3)
    again = grow(chain, 5)
    later = Told()
    await watcher(chain, cursors).follow(later)
    assert isinstance(later.steps[0], RollBack)
    assert later.logs == again


async def test_follow__killed_before_the_cursor_was_saved__tells_the_step_again() -> None:
    chain, cursors, told = FakeChain(), Cursors(), Told()
    await watcher(chain, cursors).follow(told)
    before = cursors.saved
    expected = grow(chain, 3)
    await watcher(chain, cursors).follow(told)
    cursors.saved = before
    again = Told()
    await watcher(chain, cursors).follow(again)
    assert again.logs == expected


async def test_follow__blocks_vanish_between_headers_and_logs__tells_only_what_is_of_one_chain() -> None:
    class Unsteady(FakeChain):
        """Loses three blocks, and gets others, while the logs are asked for."""

        fits = 2

        async def logs_of(self, wanted, from_block, to_block):  # type: ignore[no-untyped-def]
            if self.fits:
                self.fits -= 1
                self.reorg(3)
                grow(self, 4)
            return await super().logs_of(wanted, from_block, to_block)

    chain, told = Unsteady(), Told()
    found = watcher(chain, start=chain.block)
    grow(chain, 10)
    await found.follow(told)
    assert chain.fits == 0
    assert told.logs == chain.events


async def test_follow__a_block_whose_parent_is_another__is_not_told() -> None:
    class Torn(FakeChain):
        """Its headers do not fit together for a while, as of nodes behind one address that differ."""

        torn = 3

        async def blocks(self, first: BlockNumber, last: BlockNumber) -> list[Block]:
            found = await super().blocks(first, last)
            if self.torn and len(found) > 2:
                self.torn -= 1
                found[1] = replace(found[1], parent_hash=self.hash_of(1))
            return found

    chain, told = Torn(), Told()
    found = watcher(chain, start=chain.block)
    expected = grow(chain, 6)
    await found.follow(told)
    assert chain.torn == 0
    assert told.logs == expected


async def test_run__trouble_with_the_chain__goes_on_afterwards() -> None:
    chain, told, clock = FakeChain(), Told(), ManualClock()
    found = BlockWatcher(chain, clock, WANTED, poll_interval_s=5)
    task = asyncio.create_task(found.run(told))
    await clock.advance(1)
    chain.failure = ChainUnavailable("down")
    expected = grow(chain, 2)
    await clock.advance(5)
    chain.failure = None
    await clock.advance(5)
    assert told.logs == expected
    task.cancel()


def test_block_watcher__with_a_cursor_and_no_name__is_refused() -> None:
    with pytest.raises(InvalidInput):
        BlockWatcher(FakeChain(), ManualClock(), WANTED, cursors=Cursors())
