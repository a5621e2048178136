# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Counting of votes that delegators may take back from their transcoder
@license MIT
@notice A transcoder's votes include those of its delegators. A delegator that votes itself takes its part out of the
        transcoder's vote, before or after the transcoder has cast it, so that no stake counts twice.
@dev Spec 13, override rule; hazards K2 to K4, K16. A voter's word: has voted (bit 0), support (bits 8 to 15), amount
     (from bit 16 on). Before the account votes the amount is what its delegators have taken already; afterwards it is
     what its own vote still counts for.
"""

from ..interfaces import IBondingVotes


# 100 % of For and Against.
PPM: constant(uint256) = 1_000_000

AGAINST: constant(uint8) = 0
IN_FAVOUR: constant(uint8) = 1
ABSTAIN: constant(uint8) = 2

VOTED: constant(uint256) = 1
SUPPORT_SHIFT: constant(uint256) = 8
SUPPORT_MASK: constant(uint256) = 255
AMOUNT_SHIFT: constant(uint256) = 16


# Share of For among For and Against from which on a proposal succeeds, in ppm.
quota: public(uint256)
# proposal -> support -> votes.
_votes: HashMap[uint256, HashMap[uint8, uint256]]
# proposal -> account -> word as above.
_voters: HashMap[uint256, HashMap[address, uint256]]


@external
@pure
def COUNTING_MODE() -> String[45]:
    """
    @notice How votes are counted, in the words of the standard: three choices, all of which count for the quorum.
    @return "support=bravo&quorum=for,abstain,against".
    """
    return "support=bravo&quorum=for,abstain,against"


@external
@view
def hasVoted(_proposalId: uint256, _account: address) -> bool:
    """
    @notice True if an account has voted on a proposal.
    @param _proposalId Id of the proposal.
    @param _account The account.
    @return Whether it has.
    """
    return self._voters[_proposalId][_account] & VOTED != 0


@external
@view
def proposalVotes(_proposalId: uint256) -> (uint256, uint256, uint256):
    """
    @notice Votes counted so far.
    @param _proposalId Id of the proposal.
    @return Against, For, Abstain (1e-18).
    """
    return (
        self._votes[_proposalId][AGAINST], self._votes[_proposalId][IN_FAVOUR], self._votes[_proposalId][ABSTAIN]
    )


@internal
def _set_quota(_quota: uint256):
    assert _quota <= PPM, "quota is an invalid percentage"
    self.quota = _quota


@internal
@view
def _cast_votes(_id: uint256) -> uint256:
    """
    @dev All votes, which count for the quorum.
    """
    return self._votes[_id][AGAINST] + self._votes[_id][IN_FAVOUR] + self._votes[_id][ABSTAIN]


@internal
@view
def _succeeds(_id: uint256) -> bool:
    """
    @dev Without rounding, and not without a vote For (K16).
    """
    in_favour: uint256 = self._votes[_id][IN_FAVOUR]
    return in_favour > 0 and in_favour * PPM >= self.quota * (in_favour + self._votes[_id][AGAINST])


@internal
def _count(_id: uint256, _voter: address, _support: uint8, _weight: uint256, _token: address, _round: uint256):
    """
    @dev Count a vote.
    @param _weight Votes of the account at the snapshot.
    @param _token BondingVotes.
    @param _round Snapshot of the proposal.
    """
    if _support > ABSTAIN:
        raw_revert(abi_encode(_support, method_id=method_id("InvalidVoteType(uint8)")))
    taken: uint256 = self._voters[_id][_voter]
    if taken & VOTED != 0:
        raw_revert(method_id("VoteAlreadyCast()"))

    counted: uint256 = _weight
    delegate: address = staticcall IBondingVotes(_token).delegatedAt(_voter, _round)
    if delegate == _voter:
        # What delegators have together is no more than their transcoder's votes (I23); never fail over a wei.
        counted -= min(counted, taken >> AMOUNT_SHIFT)
    elif _weight > 0:
        # Only a transcoder's delegators have votes (K2, K4).
        self._take_from(_id, delegate, _weight)
    self._voters[_id][_voter] = (
        (counted << AMOUNT_SHIFT) | (convert(_support, uint256) << SUPPORT_SHIFT) | VOTED
    )
    self._votes[_id][_support] += counted


@internal
def _take_from(_id: uint256, _transcoder: address, _weight: uint256):
    word: uint256 = self._voters[_id][_transcoder]
    amount: uint256 = word >> AMOUNT_SHIFT
    if word & VOTED == 0:
        self._voters[_id][_transcoder] = (amount + _weight) << AMOUNT_SHIFT
        return
    taken: uint256 = min(amount, _weight)
    support: uint8 = convert((word >> SUPPORT_SHIFT) & SUPPORT_MASK, uint8)
    self._votes[_id][support] -= taken
    self._voters[_id][_transcoder] = ((amount - taken) << AMOUNT_SHIFT) | (word & (2**AMOUNT_SHIFT - 1))
