# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Creates polls for those who have stake
@license MIT
@notice Whoever has, or has delegated to it, the stake named below may start a poll. Nothing is charged.
@dev Not proxied, not registered and without a Controller (spec 14; LIP-16). Quorum and quota are only announced: whoever
     counts applies them.
@custom:kill Nothing to stop: it holds nothing, and polls decide nothing on chain.
"""

from .interfaces import IBondingManager
from .modules import poll_code


# Share of the stake that must vote, and of it that must say yes; in ppm.
QUORUM: public(constant(uint256)) = 333_300
QUOTA: public(constant(uint256)) = 500_000
# Blocks in which votes are taken: ten rounds of 5760 blocks.
POLL_PERIOD: public(constant(uint256)) = 57_600
# Stake (LPT, 1e-18) that the creator needs.
POLL_CREATION_COST: public(constant(uint256)) = 100 * 10**18


bondingManager: public(immutable(address))


event PollCreated:
    poll: indexed(address)
    proposal: Bytes[4096]
    endBlock: uint256
    quorum: uint256
    quota: uint256


@deploy
def __init__(_bondingManagerAddr: address):
    """
    @param _bondingManagerAddr The BondingManager, that is its proxy.
    """
    bondingManager = _bondingManagerAddr


@external
def createPoll(_proposal: Bytes[4096]):
    """
    @notice Start a poll.
    @param _proposal What it is about, usually an IPFS hash; at most 4096 bytes.
    """
    bonding: IBondingManager = IBondingManager(bondingManager)
    assert (
        staticcall bonding.pendingStake(msg.sender, 0) >= POLL_CREATION_COST
        or staticcall bonding.transcoderTotalStake(msg.sender) >= POLL_CREATION_COST
    ), "PollCreator#createPoll: INSUFFICIENT_STAKE"

    end_block: uint256 = block.number + POLL_PERIOD
    poll: address = raw_create(poll_code.INIT_CODE, end_block)
    log PollCreated(poll=poll, proposal=_proposal, endBlock=end_block, quorum=QUORUM, quota=QUOTA)
