# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title The LPT supply on L1, for a network that has no L1
@license MIT
@notice On Arbitrum a bridge contract reports how much LPT circulates on L1, so that inflation follows the global
        supply. On a network of its own all LPT is on this chain, and the share of an L1 is zero (spec 7, 16).
@dev Register it as `L2LPTDataCache`: the Minter asks it in every round.
@custom:kill Register another contract under `L2LPTDataCache`. It has no state, holds nothing and cannot be paused.
"""

from .interfaces import IL2LPTDataCache

implements: IL2LPTDataCache


@external
@view
def l1CirculatingSupply() -> uint256:
    """
    @notice LPT (1e-18) that circulates on L1.
    @return Always zero: there is no L1.
    """
    return 0
