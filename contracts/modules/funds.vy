# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title What senders of tickets have put up
@license MIT
@notice A sender's deposit pays its tickets. Behind it stands its reserve, of which every active transcoder may claim up to
        an equal share in each round.
@dev Spec 11.1 and 11.4 with hazard K8 cured: a share is (reserve + claimed this round) / transcoders active this round,
     claims never exceed the reserve, and no look-up reverts. Holds numbers only: who is active is the caller's knowledge.

         _accounts      reserve (96 bits) | deposit (96) | withdraw round (64)
         _claimed_from  claimed by all (192) | round of the claims (64)
         _claimed_by    claimed by one (192) | round of the claims (64)

     Claims count in their own round only, so those of earlier rounds are overwritten.
"""


AMOUNT_MASK: constant(uint256) = 2**96 - 1
ROUND_BITS: constant(uint256) = 64
ROUND_MASK: constant(uint256) = 2**64 - 1
DEPOSIT_SHIFT: constant(uint256) = 64
RESERVE_SHIFT: constant(uint256) = 160


struct Account:
    # Wei available for tickets, spent before the reserve.
    deposit: uint256
    # Wei left in the reserve.
    reserve: uint256
    # Round from which deposit and reserve may be withdrawn; 0 = no unlock requested.
    withdrawRound: uint256


struct ReserveInfo:
    # Wei left.
    fundsRemaining: uint256
    # Wei claimed in the current round.
    claimedInCurrentRound: uint256


_accounts: HashMap[address, uint256]
# holder of a reserve -> claims
_claimed_from: HashMap[address, uint256]
# holder of a reserve -> claimant -> claims
_claimed_by: HashMap[address, HashMap[address, uint256]]


event ReserveFunded:
    reserveHolder: indexed(address)
    amount: uint256


event ReserveClaimed:
    reserveHolder: indexed(address)
    claimant: address
    amount: uint256


@internal
@view
def _load(_holder: address) -> Account:
    return self._unpack(self._accounts[_holder])


@internal
@pure
def _unpack(_word: uint256) -> Account:
    return Account(
        deposit=(_word >> DEPOSIT_SHIFT) & AMOUNT_MASK,
        reserve=_word >> RESERVE_SHIFT,
        withdrawRound=_word & ROUND_MASK,
    )


@internal
def _store(_holder: address, _account: Account):
    """
    @dev The caller guarantees that the withdraw round fits 64 bits. Amounts of 96 bits are 79 thousand million ETH.
    """
    assert _account.deposit | _account.reserve <= AMOUNT_MASK, "amount exceeds 96 bits"
    self._accounts[_holder] = (
        (_account.reserve << RESERVE_SHIFT) | (_account.deposit << DEPOSIT_SHIFT) | _account.withdrawRound
    )


@internal
def _cancel_unlock(_holder: address) -> bool:
    """
    @dev Returns whether there was a request to cancel.
    """
    word: uint256 = self._accounts[_holder]
    if word & ROUND_MASK == 0:
        return False
    self._accounts[_holder] = word & ~ROUND_MASK
    return True


@internal
@view
def _claimable(_holder: address, _claimant: address, _reserve: uint256, _round: uint256, _claimants: uint256) -> uint256:
    """
    @dev min(reserve, max(0, share - claimed)); never reverts (K8).
    @param _reserve What is left in the holder's reserve.
    @param _claimants Number of transcoders that may claim in this round; zero: nothing can be claimed.
    """
    if _claimants == 0:
        return 0
    share: uint256 = (_reserve + self._claimed_in(self._claimed_from[_holder], _round)) // _claimants
    claimed: uint256 = self._claimed_in(self._claimed_by[_holder][_claimant], _round)
    if share <= claimed:
        return 0
    return min(_reserve, share - claimed)


@internal
def _claim(_holder: address, _claimant: address, _round: uint256, _amount: uint256):
    """
    @dev Write down a claim. The caller has made sure that `_amount` is claimable, takes it out of the account, and logs
         the claim when it is final.
    """
    claimed_from: uint256 = self._claimed_in(self._claimed_from[_holder], _round) + _amount
    claimed_by: uint256 = self._claimed_in(self._claimed_by[_holder][_claimant], _round) + _amount
    self._set_claims(_holder, _claimant, _round, claimed_from, claimed_by)


@internal
def _undo_claim(_holder: address, _claimant: address, _round: uint256, _amount: uint256):
    """
    @dev Take back a claim of this round.
    """
    claimed_from: uint256 = self._claimed_in(self._claimed_from[_holder], _round) - _amount
    claimed_by: uint256 = self._claimed_in(self._claimed_by[_holder][_claimant], _round) - _amount
    self._set_claims(_holder, _claimant, _round, claimed_from, claimed_by)


@internal
def _set_claims(_holder: address, _claimant: address, _round: uint256, _from: uint256, _by: uint256):
    # Sums of amounts of 96 bits that really came in: 192 bits hold them.
    self._claimed_from[_holder] = (_from << ROUND_BITS) | _round
    self._claimed_by[_holder][_claimant] = (_by << ROUND_BITS) | _round


@internal
@view
def _claimed(_holder: address, _claimant: address, _round: uint256) -> uint256:
    """
    @dev Wei that one claimant has claimed in a round, which is the current one.
    """
    return self._claimed_in(self._claimed_by[_holder][_claimant], _round)


@internal
@view
def _reserve_info(_holder: address, _round: uint256) -> ReserveInfo:
    return ReserveInfo(
        fundsRemaining=self._accounts[_holder] >> RESERVE_SHIFT,
        claimedInCurrentRound=self._claimed_in(self._claimed_from[_holder], _round),
    )


@internal
@pure
def _claimed_in(_claims: uint256, _round: uint256) -> uint256:
    return _claims >> ROUND_BITS if _claims & ROUND_MASK == _round else 0
