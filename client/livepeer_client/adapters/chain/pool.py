"""The transcoder pool, read in a few batches, and places in it."""

from collections.abc import Sequence
from typing import Any, Final

from livepeer_client.policy.pool import Hint, hint
from livepeer_client.types import Address

Read = tuple[str, str, Sequence[object]]

CONTRACT: Final = "BondingManager"
PERC: Final = 10**27
"""Divisor of the treasury's share (onchain 2)."""


def reward_reads(pool: Sequence[Address]) -> list[Read]:
    """What a hint for a reward call takes to know, beside the pool's order: all of one block."""
    return [
        *((CONTRACT, "transcoderTotalStake", [address]) for address in pool),
        (CONTRACT, "getTranscoderPoolMaxSize", []),
        (CONTRACT, "getTotalBonded", []),
        (CONTRACT, "treasuryRewardCutRate", []),
        ("Minter", "currentMintableTokens", []),
    ]


def reward_hint(pool: Sequence[Address], values: Sequence[tuple[Any, ...]], transcoder: Address) -> Hint:
    """Its place once the reward is added, which is its share of what the round mints, less the treasury's. Stake that
    moved within the round makes that inexact, and a hint may be."""
    stakes = [int(stake) for (stake,) in values[: len(pool)]]
    (size,), (total,), (cut,), (mintable,) = values[len(pool) :]
    members = list(zip(pool, stakes, strict=True))
    stake = dict(members).get(transcoder, 0)
    reward = mintable * stake // total if total else 0
    return hint(members, transcoder, stake + reward - reward * cut // PERC, size)
