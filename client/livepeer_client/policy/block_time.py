"""From blocks to seconds. Contracts count blocks of L1, which on a rollup are fewer and longer than its own."""

from fractions import Fraction
from typing import Final

from livepeer_client.facts import Block, Head

L1_BLOCK_S: Final = Fraction(12)
"""A slot of Ethereum: what a block takes where the chain's own blocks do not tell. Rounds are counted in L1 blocks on
rollups too (onchain 17)."""


def block_s(earlier: Block, head: Head) -> Fraction | None:
    """Seconds per block, as contracts count blocks, between two blocks; None if they tell nothing: the same block, or
    clocks that stand still."""
    blocks, seconds = head.l1_block - earlier.l1_block, head.timestamp - earlier.timestamp
    return Fraction(seconds, blocks) if blocks > 0 and seconds > 0 else None
