"""Seconds per block are read from the chain, in the blocks that contracts count."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from livepeer_client.adapters.fakes import FakeChain, ManualClock
from livepeer_client.facts import Block, Head
from livepeer_client.policy.block_time import block_s
from livepeer_client.services.block_time import AGAIN_S, BlockTime
from livepeer_client.types import BlockNumber, Hash32

HASH = Hash32(bytes(32))


class Paced(FakeChain):
    """A chain whose block at a height has the time that `at` gives, and `own` blocks for one that contracts count."""

    def __init__(self, at: Callable[[int], int], own: int = 1) -> None:
        super().__init__()
        self.at_s, self.own = at, own

    async def block_at(self, number: BlockNumber) -> Block | None:
        return Block(number, HASH, HASH, self.at_s(number), BlockNumber(number // self.own))

    async def head_at(self, number: int) -> Head:
        l1 = BlockNumber(number // self.own)
        return replace(await self.head(), number=BlockNumber(number), l1_block=l1, timestamp=self.at_s(number))


async def asked(chain: Paced, height: int) -> Fraction | None:
    return await BlockTime(chain, ManualClock()).at(await chain.head_at(height))


async def test_block_time__of_recent_blocks__is_their_average_and_not_that_of_older_ones() -> None:
    # A block a second since block 1,000, a block an hour before.
    chain = Paced(lambda number: 10**9 + (number if number >= 1_000 else 3_600 * (number - 1_000)))

    assert await asked(chain, 1_100) == 1


async def test_block_time__of_a_young_chain__is_that_of_all_its_blocks_but_the_first() -> None:
    chain = Paced(lambda number: 0 if number == 0 else 10**9 + 3 * number)

    assert await asked(chain, 5) == 3


@pytest.mark.parametrize("height", [0, 1])
async def test_block_time__of_a_chain_that_has_just_begun__is_not_known(height: int) -> None:
    assert await asked(Paced(lambda number: 10**9 + 3 * number), height) is None


async def test_block_time__of_a_rollup__is_that_of_the_blocks_its_contracts_count() -> None:
    # A hundred of its own blocks are two of L1, so that it has to look back further.
    found = await asked(Paced(lambda number: 10**9 + number // 4, own=48), 480_000)

    assert found is not None
    assert abs(found - 12) < Fraction(1, 4)


async def test_block_time__asked_again__reads_once_in_a_while() -> None:
    chain, clock = Paced(lambda number: 10**9 + 2 * number), ManualClock()
    times = BlockTime(chain, clock)
    assert await times.at(await chain.head_at(500)) == 2

    chain.at_s = lambda number: 10**9 + 5 * number
    assert await times.at(await chain.head_at(700)) == 2
    await clock.advance(AGAIN_S)
    assert await times.at(await chain.head_at(700)) == 5


async def test_block_s__of_blocks_whose_clocks_stand_still__is_not_known() -> None:
    chain = Paced(lambda _: 10**9)
    earlier = await chain.block_at(BlockNumber(5))

    assert earlier is not None
    assert block_s(earlier, await chain.head_at(10)) is None
