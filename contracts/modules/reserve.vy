# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Reserve accounting
@license MIT
@notice A reserve stands behind a sender's deposit. In each round every active transcoder may claim up to an equal share.
@dev Spec 11.4 with hazard K8 cured: a share is (funds + claimed this round) / transcoders active this round, claims never
     exceed the funds, and no look-up reverts. Holds numbers only: who is active is the caller's knowledge.
"""


struct ReserveInfo:
    # Wei left.
    fundsRemaining: uint256
    # Wei claimed in the current round.
    claimedInCurrentRound: uint256


# Wei left in the reserve of each holder.
_funds: HashMap[address, uint256]
# holder -> round -> wei claimed by all.
_claimed_for_round: HashMap[address, HashMap[uint256, uint256]]
# holder -> round -> claimant -> wei claimed.
_claimed_by: HashMap[address, HashMap[uint256, HashMap[address, uint256]]]


event ReserveFunded:
    reserveHolder: indexed(address)
    amount: uint256


event ReserveClaimed:
    reserveHolder: indexed(address)
    claimant: address
    amount: uint256


@internal
def _add(_holder: address, _amount: uint256):
    self._funds[_holder] += _amount
    log ReserveFunded(reserveHolder=_holder, amount=_amount)


@internal
def _empty(_holder: address) -> uint256:
    """
    @dev Take everything out. What was claimed stays on record: harmless, as a withdrawal comes at least one round after
         the unlock (K20).
    """
    amount: uint256 = self._funds[_holder]
    self._funds[_holder] = 0
    return amount


@internal
@view
def _claimable(_holder: address, _claimant: address, _round: uint256, _claimants: uint256) -> uint256:
    """
    @dev min(funds, max(0, share - claimed)); never reverts (K8).
    @param _claimants Number of transcoders that may claim in this round; zero: nothing can be claimed.
    """
    if _claimants == 0:
        return 0
    funds: uint256 = self._funds[_holder]
    share: uint256 = (funds + self._claimed_for_round[_holder][_round]) // _claimants
    claimed: uint256 = self._claimed_by[_holder][_round][_claimant]
    if share <= claimed:
        return 0
    return min(funds, share - claimed)


@internal
def _claim(_holder: address, _claimant: address, _round: uint256, _amount: uint256):
    """
    @dev The caller has made sure that `_amount` is claimable, and logs the claim when it is final.
    """
    self._funds[_holder] -= _amount
    self._claimed_for_round[_holder][_round] += _amount
    self._claimed_by[_holder][_round][_claimant] += _amount


@internal
def _undo_claim(_holder: address, _claimant: address, _round: uint256, _amount: uint256):
    self._funds[_holder] += _amount
    self._claimed_for_round[_holder][_round] -= _amount
    self._claimed_by[_holder][_round][_claimant] -= _amount


@internal
@view
def _info(_holder: address, _round: uint256) -> ReserveInfo:
    return ReserveInfo(
        fundsRemaining=self._funds[_holder],
        claimedInCurrentRound=self._claimed_for_round[_holder][_round],
    )
