# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A TicketBroker with the rules of the deployed network
@license MIT
@notice For tests of clients: whatever a client must read from the chain instead of assuming it is different here.
@dev Spec 11.4 to 11.6 as deployed, hazards included: a ticket that the funds do not cover is used up for what there is
     (K9); a reserve is divided by the size of the pool of the next round, and the look-up reverts where a share shrank
     below what was claimed (K8); each ticket of a batch runs in a call of its own, so that one that runs out of gas
     fails silently (K25). There is no compact entry point. Funding goes to the Minter as everywhere.
@custom:kill Never deployed outside tests.
"""

from ..interfaces import IBondingManager
from ..interfaces import IMinter
from ..interfaces import IRoundsManager

from ..modules import manager
from ..modules import ticket

initializes: manager
exports: (manager.controller, manager.setController, manager.targetContractId)


MAX_BATCH: constant(uint256) = 100


struct Sender:
    deposit: uint256
    withdrawRound: uint256


struct ReserveInfo:
    fundsRemaining: uint256
    claimedInCurrentRound: uint256


unlockPeriod: public(uint256)
ticketValidityPeriod: public(uint256)
usedTickets: public(HashMap[bytes32, bool])
_senders: HashMap[address, Sender]
_reserves: HashMap[address, uint256]
# holder -> round -> claimed by all, and by each claimant
_claimed_for_round: HashMap[address, HashMap[uint256, uint256]]
_claimed_by: HashMap[address, HashMap[uint256, HashMap[address, uint256]]]


event ReserveFunded:
    reserveHolder: indexed(address)
    amount: uint256


event ReserveClaimed:
    reserveHolder: indexed(address)
    claimant: address
    amount: uint256


event DepositFunded:
    sender: indexed(address)
    amount: uint256


event Unlock:
    sender: indexed(address)
    startRound: uint256
    endRound: uint256


event WinningTicketTransfer:
    sender: indexed(address)
    recipient: indexed(address)
    amount: uint256


event WinningTicketRedeemed:
    sender: indexed(address)
    recipient: indexed(address)
    faceValue: uint256
    winProb: uint256
    senderNonce: uint256
    recipientRand: uint256
    auxData: Bytes[ticket.MAX_BYTES]


@deploy
def __init__(_controller: address):
    manager.__init__(_controller)


@external
def setUnlockPeriod(_unlockPeriod: uint256):
    manager._only_controller_owner()
    self.unlockPeriod = _unlockPeriod
    log manager.ParameterUpdate(param="unlockPeriod")


@external
def setTicketValidityPeriod(_ticketValidityPeriod: uint256):
    manager._only_controller_owner()
    self.ticketValidityPeriod = _ticketValidityPeriod
    log manager.ParameterUpdate(param="ticketValidityPeriod")


@external
@payable
def fundDeposit():
    self._fund(msg.value, 0)


@external
@payable
def fundReserve():
    self._fund(0, msg.value)


@external
@payable
def fundDepositAndReserve(_depositAmount: uint256, _reserveAmount: uint256):
    assert msg.value == _depositAmount + _reserveAmount, "msg.value does not equal sum of deposit amount and reserve amount"
    self._fund(_depositAmount, _reserveAmount)


@external
def unlock():
    assert self._senders[msg.sender].withdrawRound == 0, "unlock already initiated"
    current: uint256 = manager._current_round()
    self._senders[msg.sender].withdrawRound = current + self.unlockPeriod
    log Unlock(sender=msg.sender, startRound=current, endRound=current + self.unlockPeriod)


@external
def redeemWinningTicket(_ticket: ticket.Ticket, _sig: Bytes[ticket.MAX_BYTES], _recipientRand: uint256):
    """
    @notice Credit what a sender's funds hold, up to the face value, and use the ticket up.
    """
    manager._when_not_paused()
    rounds: address = manager._resolve(manager.ROUNDS_MANAGER)
    assert staticcall IRoundsManager(rounds).currentRoundInitialized(), "current round is not initialized"
    current: uint256 = staticcall IRoundsManager(rounds).currentRound()
    assert _ticket.recipient != empty(address), ticket._reason(ticket.NULL_RECIPIENT)
    assert _ticket.sender != empty(address), ticket._reason(ticket.NULL_SENDER)
    assert len(_ticket.auxData) == ticket.AUX_DATA_BYTES, ticket._reason(ticket.AUX_DATA_LENGTH)
    creation_round: uint256 = convert(extract32(_ticket.auxData, 0), uint256)
    block_hash: bytes32 = staticcall IRoundsManager(rounds).blockHashForRound(creation_round)
    assert block_hash != empty(bytes32), ticket._reason(ticket.NO_BLOCK_HASH)
    assert block_hash == extract32(_ticket.auxData, 32), ticket._reason(ticket.WRONG_BLOCK_HASH)
    assert creation_round + self.ticketValidityPeriod > current, ticket._reason(ticket.EXPIRED)
    assert (
        keccak256(convert(_recipientRand, bytes32)) == _ticket.recipientRandHash
    ), ticket._reason(ticket.WRONG_RAND)
    ticket_hash: bytes32 = ticket._hash(_ticket)
    assert not self.usedTickets[ticket_hash], ticket._reason(ticket.USED)
    assert len(_sig) == ticket.SIGNATURE_BYTES, ticket._reason(ticket.SIGNATURE_LENGTH)
    fault: uint256 = ticket._draw_fault(
        ticket_hash,
        _ticket.sender,
        _ticket.winProb,
        extract32(_sig, 0),
        convert(extract32(_sig, 32), uint256),
        convert(extract32(_sig, 33), uint256) & 255,
        _recipientRand,
    )
    assert fault == ticket.OK, ticket._reason(fault)
    account: Sender = self._senders[_ticket.sender]
    assert account.withdrawRound == 0 or current < account.withdrawRound, "sender is unlocked"
    assert account.deposit > 0 or self._reserves[_ticket.sender] > 0, "sender deposit and reserve are zero"

    self.usedTickets[ticket_hash] = True
    paid: uint256 = min(_ticket.faceValue, account.deposit)
    self._senders[_ticket.sender].deposit = account.deposit - paid
    if paid < _ticket.faceValue:
        claim: uint256 = min(_ticket.faceValue - paid, self._claimable(_ticket.sender, _ticket.recipient, current))
        if claim > 0:
            self._reserves[_ticket.sender] -= claim
            self._claimed_for_round[_ticket.sender][current] += claim
            self._claimed_by[_ticket.sender][current][_ticket.recipient] += claim
            log ReserveClaimed(reserveHolder=_ticket.sender, claimant=_ticket.recipient, amount=claim)
            paid += claim
    if paid > 0:
        extcall IBondingManager(manager._resolve(manager.BONDING_MANAGER)).updateTranscoderWithFees(
            _ticket.recipient, paid, creation_round
        )
        log WinningTicketTransfer(sender=_ticket.sender, recipient=_ticket.recipient, amount=paid)
    log WinningTicketRedeemed(
        sender=_ticket.sender,
        recipient=_ticket.recipient,
        faceValue=_ticket.faceValue,
        winProb=_ticket.winProb,
        senderNonce=_ticket.senderNonce,
        recipientRand=_recipientRand,
        auxData=_ticket.auxData,
    )


@external
def batchRedeemWinningTickets(
    _tickets: DynArray[ticket.Ticket, MAX_BATCH],
    _sigs: DynArray[Bytes[ticket.MAX_BYTES], MAX_BATCH],
    _recipientRands: DynArray[uint256, MAX_BATCH],
):
    """
    @notice Redeem each ticket in a call of its own whose failure is ignored.
    """
    manager._when_not_paused()
    assert staticcall IRoundsManager(manager._resolve(manager.ROUNDS_MANAGER)).currentRoundInitialized(), "current round is not initialized"
    for i: uint256 in range(len(_tickets), bound=MAX_BATCH):
        done: bool = raw_call(
            self,
            abi_encode(
                _tickets[i],
                _sigs[i],
                _recipientRands[i],
                method_id=method_id(
                    "redeemWinningTicket((address,address,uint256,uint256,uint256,bytes32,bytes),bytes,uint256)"
                ),
            ),
            revert_on_failure=False,
        )


@external
@view
def claimableReserve(_reserveHolder: address, _claimant: address) -> uint256:
    return self._claimable(_reserveHolder, _claimant, manager._current_round())


@external
@view
def claimedReserve(_reserveHolder: address, _claimant: address) -> uint256:
    return self._claimed_by[_reserveHolder][manager._current_round()][_claimant]


@external
@view
def getSenderInfo(_sender: address) -> (Sender, ReserveInfo):
    return self._senders[_sender], ReserveInfo(
        fundsRemaining=self._reserves[_sender],
        claimedInCurrentRound=self._claimed_for_round[_sender][manager._current_round()],
    )


@internal
@view
def _claimable(_holder: address, _claimant: address, _round: uint256) -> uint256:
    bonding: address = manager._resolve(manager.BONDING_MANAGER)
    size: uint256 = staticcall IBondingManager(bonding).getTranscoderPoolSize()
    if size == 0 or not staticcall IBondingManager(bonding).isActiveTranscoder(_claimant):
        return 0
    share: uint256 = (self._reserves[_holder] + self._claimed_for_round[_holder][_round]) // size
    return share - self._claimed_by[_holder][_round][_claimant]


@internal
@payable
def _fund(_deposit: uint256, _reserve: uint256):
    self._senders[msg.sender].deposit += _deposit
    if _reserve > 0:
        self._reserves[msg.sender] += _reserve
        log ReserveFunded(reserveHolder=msg.sender, amount=_reserve)
    assert extcall IMinter(manager._resolve(manager.MINTER)).depositETH(value=msg.value)
    if _deposit > 0:
        log DepositFunded(sender=msg.sender, amount=_deposit)
