"""How long a block takes on this chain, from the times of its own recent blocks."""

from fractions import Fraction
from typing import Final

from livepeer_client.facts import Head
from livepeer_client.policy.block_time import block_s
from livepeer_client.ports import Chain, Clock
from livepeer_client.types import BlockNumber

SPANS: Final = (100, 5_000)
"""Blocks of the chain's own count to look back: on Ethereum the first is twenty minutes, on a rollup with four blocks a
second the second is as long, and as many L1 blocks as there are in that time."""
LEAST_BLOCKS: Final = 20
"""So many blocks, as the contracts count them, make a rate; fewer do where the chain has no more."""
AGAIN_S: Final = 60.0


class BlockTime:
    """Seconds per block as the contracts count blocks: of L1 on a rollup, of the chain itself elsewhere."""

    def __init__(self, chain: Chain, clock: Clock) -> None:
        self._chain = chain
        self._clock = clock
        self._found: Fraction | None = None
        self._read_at_s: float | None = None

    async def at(self, head: Head) -> Fraction | None:
        """The average of the blocks before `head`, at most `AGAIN_S` old; None on a chain too young to tell.

        :raises ChainUnavailable:
        """
        now_s = self._clock.monotonic()
        if self._read_at_s is None or now_s - self._read_at_s >= AGAIN_S:
            self._found = await self._read(head)
            self._read_at_s = now_s
        return self._found

    async def _read(self, head: Head) -> Fraction | None:
        found = None
        for span in SPANS:
            # Not block 0, whose time is whatever the chain's makers wrote.
            earlier = await self._chain.block_at(BlockNumber(max(1, head.number - span)))
            if earlier is None:
                break
            found = block_s(earlier, head)
            if head.l1_block - earlier.l1_block >= LEAST_BLOCKS or earlier.number == 1:
                break
        return found
