# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Deposits, reserves and winning tickets
@license MIT
@notice Senders put ETH behind their tickets; whoever holds a winning ticket has its face value moved from the sender to
        the recipient's fee account.
@dev Proxied. Every wei goes to the Minter in the call that brings it; this contract only keeps the books (spec 11).
     Where it differs from the deployed contract, it does so to close a hazard of spec 18.2:
     K8 the reserve's divisor, K9 no partial settlement, K20 unlockPeriod of at least 1, K25 lengths in a batch.
     K21: the Minter pays out with the 2300 gas of a plain transfer, and `withdraw` has no recipient argument, so an
     account with a costly receive hook must not be a sender. Books are final before each payment all the same.
     K24: a ticket names no contract, so two live brokers must never share a RoundsManager and senders' keys.
@custom:kill Controller owner: `pause()` stops everything but views and setters; other code is registered under
             `TicketBrokerTarget`.
"""

from .interfaces import IBondingManager
from .interfaces import IMinter
from .interfaces import IRoundsManager

from .modules import manager
from .modules import reserve
from .modules import ticket

initializes: manager
initializes: reserve
exports: (manager.controller, manager.setController, manager.targetContractId)


# Tickets in one batch. A larger bound costs memory even for small batches.
MAX_BATCH: constant(uint256) = 100
# Each ticket is looked at once, and once more by itself if the credit of its group was refused.
MAX_STEPS: constant(uint256) = 200
# Marks that the number of claimants was not asked for yet.
UNKNOWN: constant(uint256) = max_value(uint256)
CREDIT: constant(bytes4) = method_id("updateTranscoderWithFeesBatch(address,uint256[],uint256)", output_type=bytes4)


struct Sender:
    # Wei available for tickets, spent before the reserve.
    deposit: uint256
    # Round from which deposit and reserve may be withdrawn; 0 = no unlock requested.
    withdrawRound: uint256


# Rounds between `unlock` and `withdraw`.
unlockPeriod: public(uint256)
# Rounds in which a ticket may be redeemed, the creation round included.
ticketValidityPeriod: public(uint256)
# Hashes of redeemed tickets; an entry never returns to false.
usedTickets: public(HashMap[bytes32, bool])
_senders: HashMap[address, Sender]


event DepositFunded:
    sender: indexed(address)
    amount: uint256


event Unlock:
    sender: indexed(address)
    startRound: uint256
    endRound: uint256


event UnlockCancelled:
    sender: indexed(address)


event Withdrawal:
    sender: indexed(address)
    deposit: uint256
    reserve: uint256


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
    """
    @param _controller The Controller to obey.
    """
    manager.__init__(_controller)


# --- Parameters ---------------------------------------------------------------------------------------------------


@external
def setUnlockPeriod(_unlockPeriod: uint256):
    """
    @notice Set the rounds between `unlock` and `withdraw`. Controller owner only.
    @dev Spec 11.7; zero is refused because claims of the round of withdrawal would be forgotten (K20).
    @param _unlockPeriod Rounds, at least 1.
    """
    manager._only_controller_owner()
    assert _unlockPeriod > 0, "unlockPeriod must be greater than 0"
    self.unlockPeriod = _unlockPeriod
    log manager.ParameterUpdate(param="unlockPeriod")


@external
def setTicketValidityPeriod(_ticketValidityPeriod: uint256):
    """
    @notice Set for how many rounds a ticket may be redeemed. Controller owner only.
    @dev Spec 11.7.
    @param _ticketValidityPeriod Rounds, the creation round included, at least 1.
    """
    manager._only_controller_owner()
    assert _ticketValidityPeriod > 0, "ticketValidityPeriod must be greater than 0"
    self.ticketValidityPeriod = _ticketValidityPeriod
    log manager.ParameterUpdate(param="ticketValidityPeriod")


# --- Funding ------------------------------------------------------------------------------------------------------


@external
@payable
def fundDeposit():
    """
    @notice Add the ETH sent to the caller's deposit. An unlock in progress is cancelled.
    @dev Spec 11.2.
    """
    manager._when_not_paused()
    self._add_deposit(msg.sender, msg.value)
    self._to_minter()
    log DepositFunded(sender=msg.sender, amount=msg.value)


@external
@payable
def fundReserve():
    """
    @notice Add the ETH sent to the caller's reserve. An unlock in progress is cancelled.
    @dev Spec 11.2.
    """
    manager._when_not_paused()
    self._add_reserve(msg.sender, msg.value)
    self._to_minter()


@external
@payable
def fundDepositAndReserve(_depositAmount: uint256, _reserveAmount: uint256):
    """
    @notice Split the ETH sent between the caller's deposit and reserve. An unlock in progress is cancelled.
    @dev Spec 11.2.
    @param _depositAmount Wei for the deposit.
    @param _reserveAmount Wei for the reserve.
    """
    manager._when_not_paused()
    self._fund(msg.sender, _depositAmount, _reserveAmount)


@external
@payable
def fundDepositAndReserveFor(_addr: address, _depositAmount: uint256, _reserveAmount: uint256):
    """
    @notice Split the ETH sent between the deposit and reserve of any account.
    @dev Spec 11.2. Only the account's own funding cancels its unlock (R11).
    @param _addr The account.
    @param _depositAmount Wei for the deposit.
    @param _reserveAmount Wei for the reserve.
    """
    manager._when_not_paused()
    self._fund(_addr, _depositAmount, _reserveAmount)


# --- Unlock and withdraw ------------------------------------------------------------------------------------------


@external
def unlock():
    """
    @notice Announce that the caller wants its deposit and reserve back after `unlockPeriod` rounds.
    @dev Spec 11.3. A broker whose period was never set refuses, for the reason given at `setUnlockPeriod`.
    """
    manager._when_not_paused()
    self._assert_has_funds(msg.sender)
    assert self._senders[msg.sender].withdrawRound == 0, "unlock already initiated"
    period: uint256 = self.unlockPeriod
    assert period > 0, "unlockPeriod must be greater than 0"
    current: uint256 = manager._current_round()
    self._senders[msg.sender].withdrawRound = current + period
    log Unlock(sender=msg.sender, startRound=current, endRound=current + period)


@external
def cancelUnlock():
    """
    @notice Take the caller's unlock request back.
    @dev Spec 11.3.
    """
    manager._when_not_paused()
    self._cancel_unlock(msg.sender)


@external
def withdraw():
    """
    @notice Pay the caller's whole deposit and reserve out, once the unlock period is over.
    @dev Spec 11.3. The unlock stays in force afterwards, until the account funds itself or cancels it.
    """
    manager._when_not_paused()
    self._assert_has_funds(msg.sender)
    withdraw_round: uint256 = self._senders[msg.sender].withdrawRound
    assert withdraw_round > 0, "no unlock request in progress"
    assert manager._current_round() >= withdraw_round, "account is locked"

    deposit: uint256 = self._senders[msg.sender].deposit
    self._senders[msg.sender].deposit = 0
    funds: uint256 = reserve._empty(msg.sender)
    extcall IMinter(manager._resolve(manager.MINTER)).trustedWithdrawETH(msg.sender, deposit + funds)
    log Withdrawal(sender=msg.sender, deposit=deposit, reserve=funds)


# --- Redemption ---------------------------------------------------------------------------------------------------


@external
def redeemWinningTicket(_ticket: ticket.Ticket, _sig: Bytes[ticket.MAX_BYTES], _recipientRand: uint256):
    """
    @notice Credit a winning ticket's face value to its recipient. Anyone may call.
    @dev Spec 11.5. Pays the whole face value or reverts and leaves the ticket usable (K9): the deposit first, the rest
         out of the recipient's claimable share of the reserve. The recipient must be active, or the BondingManager
         refuses the fee by name (K6, K12).
    @param _ticket The ticket.
    @param _sig The sender's signature over the ticket's hash: r ‖ s ‖ v, 65 bytes.
    @param _recipientRand The recipient's secret behind recipientRandHash.
    """
    manager._when_not_paused()
    rounds: address = manager._resolve(manager.ROUNDS_MANAGER)
    current: uint256 = self._ready_round(rounds)
    fault: uint256 = ticket.OK
    ticket_hash: bytes32 = empty(bytes32)
    fault, ticket_hash = ticket._open(
        _ticket,
        _recipientRand,
        current,
        self.ticketValidityPeriod,
        staticcall IRoundsManager(rounds).blockHashForRound(ticket._creation_round(_ticket.auxData)),
    )
    bonding: address = manager._resolve(manager.BONDING_MANAGER)
    from_reserve: uint256 = 0
    claimants: uint256 = UNKNOWN
    if fault == ticket.OK:
        fault, from_reserve, claimants = self._take(
            ticket_hash,
            _ticket.sender,
            _ticket.recipient,
            _ticket.faceValue,
            _ticket.winProb,
            _sig,
            _recipientRand,
            current,
            bonding,
            claimants,
        )
    assert fault == ticket.OK, ticket._reason(fault)
    if _ticket.faceValue > 0:
        extcall IBondingManager(bonding).updateTranscoderWithFees(
            _ticket.recipient, _ticket.faceValue, convert(extract32(_ticket.auxData, 0), uint256)
        )
    self._log_redeemed(_ticket, _recipientRand, from_reserve)


@external
def batchRedeemWinningTickets(
    _tickets: DynArray[ticket.Ticket, MAX_BATCH],
    _sigs: DynArray[Bytes[ticket.MAX_BYTES], MAX_BATCH],
    _recipientRands: DynArray[uint256, MAX_BATCH],
):
    """
    @notice Redeem tickets in order; a ticket that `redeemWinningTicket` would refuse is left out and stays usable.
    @dev Spec 11.6. State and events are those of single calls in the same order, failures ignored. What all tickets
         share is read once; the fees of neighbours with the same recipient are credited in one call, so batches are
         cheapest sorted by recipient. If that call is refused, the group is undone and tried again ticket by ticket:
         only tickets that are refused by themselves stay out (K12, K25).
    @param _tickets The tickets, at most 100.
    @param _sigs One signature per ticket.
    @param _recipientRands One secret per ticket.
    """
    manager._when_not_paused()
    rounds: address = manager._resolve(manager.ROUNDS_MANAGER)
    current: uint256 = self._ready_round(rounds)
    count: uint256 = len(_tickets)
    # A visible change: the deployed contract ignores surplus entries and stops with an index error at missing ones.
    assert len(_sigs) == count and len(_recipientRands) == count, "batch arrays must have equal lengths"
    bonding: address = manager._resolve(manager.BONDING_MANAGER)
    # A raw call to an address without code would succeed and credit nothing.
    assert bonding.is_contract, "BondingManager must be registered"
    validity: uint256 = self.ticketValidityPeriod

    # Hash of the creation round seen last; tickets of one batch mostly share it.
    known_round: uint256 = max_value(uint256)
    known_hash: bytes32 = empty(bytes32)

    # The open group: neighbours with one recipient, taken but not credited.
    start: uint256 = 0
    claimants: uint256 = UNKNOWN
    taken: DynArray[uint256, MAX_BATCH] = []
    reserves: DynArray[uint256, MAX_BATCH] = []
    amounts: DynArray[uint256, MAX_BATCH] = []

    i: uint256 = 0
    # Tickets before this index form groups of one.
    alone_before: uint256 = 0
    for _: uint256 in range(MAX_STEPS):
        if i == count:
            break
        recipient: address = _tickets[i].recipient
        creation_round: uint256 = ticket._creation_round(_tickets[i].auxData)
        if creation_round != known_round:
            known_round = creation_round
            known_hash = staticcall IRoundsManager(rounds).blockHashForRound(creation_round)
        fault: uint256 = ticket.OK
        ticket_hash: bytes32 = empty(bytes32)
        fault, ticket_hash = ticket._open(_tickets[i], _recipientRands[i], current, validity, known_hash)
        if fault == ticket.OK:
            face_value: uint256 = _tickets[i].faceValue
            from_reserve: uint256 = 0
            fault, from_reserve, claimants = self._take(
                ticket_hash,
                _tickets[i].sender,
                recipient,
                face_value,
                _tickets[i].winProb,
                _sigs[i],
                _recipientRands[i],
                current,
                bonding,
                claimants,
            )
            if fault == ticket.OK:
                taken.append(i)
                reserves.append(from_reserve)
                if face_value > 0:
                    amounts.append(face_value)
        i += 1
        if i < count and i >= alone_before and _tickets[i].recipient == recipient:
            continue

        # The group is complete.
        credited: bool = True
        if len(amounts) > 0:
            credited = raw_call(
                bonding, abi_encode(recipient, amounts, current, method_id=CREDIT), revert_on_failure=False
            )
        position: uint256 = 0
        for index: uint256 in taken:
            if credited:
                self._log_redeemed(_tickets[index], _recipientRands[index], reserves[position])
            else:
                self._undo(_tickets[index], current, reserves[position])
            position += 1
        if not credited and i - start > 1:
            alone_before = i
            i = start
        start = i
        claimants = UNKNOWN
        taken = []
        reserves = []
        amounts = []


# --- Views --------------------------------------------------------------------------------------------------------


@external
@view
def claimableReserve(_reserveHolder: address, _claimant: address) -> uint256:
    """
    @notice Wei that a transcoder may still claim from a reserve in the current round. Never reverts.
    @dev Spec 11.4 with K8: the share is counted over the transcoders active in the current round.
    @param _reserveHolder Whose reserve.
    @param _claimant Who claims.
    """
    return reserve._claimable(
        _reserveHolder,
        _claimant,
        manager._current_round(),
        self._claimants(manager._resolve(manager.BONDING_MANAGER), _claimant),
    )


@external
@view
def claimedReserve(_reserveHolder: address, _claimant: address) -> uint256:
    """
    @notice Wei that a transcoder has claimed from a reserve in the current round.
    @dev Spec 11.4.
    @param _reserveHolder Whose reserve.
    @param _claimant Who claimed.
    """
    return reserve._claimed_by[_reserveHolder][manager._current_round()][_claimant]


@external
@view
def getReserveInfo(_reserveHolder: address) -> reserve.ReserveInfo:
    """
    @notice Wei left in a reserve and wei claimed from it in the current round.
    @dev Spec 11.4.
    @param _reserveHolder Whose reserve.
    """
    return reserve._info(_reserveHolder, manager._current_round())


@external
@view
def getSenderInfo(_sender: address) -> (Sender, reserve.ReserveInfo):
    """
    @notice A sender's deposit, withdraw round and reserve.
    @dev Spec 11.4.
    @param _sender The account.
    """
    return self._senders[_sender], reserve._info(_sender, manager._current_round())


@external
@view
def isUnlockInProgress(_sender: address) -> bool:
    """
    @notice True if the account has requested an unlock; it stays true after `withdraw`.
    @dev Spec 11.3.
    @param _sender The account.
    """
    return self._senders[_sender].withdrawRound > 0


@external
@pure
def getTicketHash(_ticket: ticket.Ticket) -> bytes32:
    """
    @notice The hash that the sender signs.
    @dev Spec 11.1.
    @param _ticket The ticket.
    """
    return ticket._hash(_ticket)


# --- Internal -----------------------------------------------------------------------------------------------------


@internal
@view
def _ready_round(_rounds: address) -> uint256:
    """
    @dev The guard "round ready" for a caller that needs the RoundsManager afterwards.
    """
    current: uint256 = 0
    initialized: bool = False
    locked: bool = False
    current, initialized, locked = staticcall IRoundsManager(_rounds).roundState()
    assert initialized, "current round is not initialized"
    return current


@internal
@view
def _assert_has_funds(_sender: address):
    assert (
        self._senders[_sender].deposit > 0 or reserve._funds[_sender] > 0
    ), "sender deposit and reserve are zero"


@internal
def _cancel_unlock(_sender: address):
    assert self._senders[_sender].withdrawRound > 0, "no unlock request in progress"
    self._senders[_sender].withdrawRound = 0
    log UnlockCancelled(sender=_sender)


@internal
def _cancel_own_unlock(_sender: address):
    """
    @dev Only for money of the account itself: nobody else may keep it from leaving (R11).
    """
    if msg.sender == _sender and self._senders[_sender].withdrawRound > 0:
        self._cancel_unlock(_sender)


@internal
def _add_deposit(_sender: address, _amount: uint256):
    self._senders[_sender].deposit += _amount
    self._cancel_own_unlock(_sender)


@internal
def _add_reserve(_sender: address, _amount: uint256):
    reserve._add(_sender, _amount)
    self._cancel_own_unlock(_sender)


@internal
@payable
def _to_minter():
    assert extcall IMinter(manager._resolve(manager.MINTER)).depositETH(value=msg.value)


@internal
@payable
def _fund(_sender: address, _deposit: uint256, _reserve: uint256):
    # Amounts whose sum overflows cannot equal msg.value: the checked addition reverts.
    assert msg.value == _deposit + _reserve, "msg.value does not equal sum of deposit amount and reserve amount"
    self._add_deposit(_sender, _deposit)
    self._add_reserve(_sender, _reserve)
    self._to_minter()
    log DepositFunded(sender=_sender, amount=_deposit)


@internal
@view
def _claimants(_bonding: address, _claimant: address) -> uint256:
    """
    @dev Among how many a reserve is shared this round; zero if the claimant is not one of them.
    """
    if not staticcall IBondingManager(_bonding).isActiveTranscoder(_claimant):
        return 0
    return staticcall IBondingManager(_bonding).currentRoundActiveTranscoders()


@internal
def _take(
    _ticket_hash: bytes32,
    _sender: address,
    _recipient: address,
    _face_value: uint256,
    _win_prob: uint256,
    _sig: Bytes[ticket.MAX_BYTES],
    _recipient_rand: uint256,
    _round: uint256,
    _bonding: address,
    _known_claimants: uint256,
) -> (uint256, uint256, uint256):
    """
    @dev Second part of the checks (spec 11.5, from "ticket is used" on); then use the ticket up and take its face value
         out of deposit and reserve. A ticket with any fault changes nothing, one that the funds do not cover included
         (K9).
    @param _known_claimants What `_claimants` has answered for this recipient, or UNKNOWN.
    @return Fault; wei taken from the reserve; what is known of the claimants now.
    """
    claimants: uint256 = _known_claimants
    if self.usedTickets[_ticket_hash]:
        return ticket.USED, 0, claimants
    fault: uint256 = ticket._draw_fault(_ticket_hash, _sender, _win_prob, _sig, _recipient_rand)
    if fault != ticket.OK:
        return fault, 0, claimants
    withdraw_round: uint256 = self._senders[_sender].withdrawRound
    if withdraw_round != 0 and _round >= withdraw_round:
        return ticket.SENDER_UNLOCKED, 0, claimants
    deposit: uint256 = self._senders[_sender].deposit
    if deposit == 0 and reserve._funds[_sender] == 0:
        return ticket.NO_FUNDS, 0, claimants

    from_reserve: uint256 = 0
    if _face_value <= deposit:
        if _face_value > 0:
            self._senders[_sender].deposit = unsafe_sub(deposit, _face_value)
    else:
        from_reserve = unsafe_sub(_face_value, deposit)
        if claimants == UNKNOWN:
            claimants = self._claimants(_bonding, _recipient)
        if from_reserve > reserve._claimable(_sender, _recipient, _round, claimants):
            return ticket.FUNDS_SHORT, 0, claimants
        self._senders[_sender].deposit = 0
        reserve._claim(_sender, _recipient, _round, from_reserve)
    self.usedTickets[_ticket_hash] = True
    return ticket.OK, from_reserve, claimants


@internal
def _undo(_ticket: ticket.Ticket, _round: uint256, _from_reserve: uint256):
    """
    @dev Take back what `_take` did in this very call: the fee was refused, so the ticket was not redeemed.
    """
    self.usedTickets[ticket._hash(_ticket)] = False
    self._senders[_ticket.sender].deposit += _ticket.faceValue - _from_reserve
    if _from_reserve > 0:
        reserve._undo_claim(_ticket.sender, _ticket.recipient, _round, _from_reserve)


@internal
def _log_redeemed(_ticket: ticket.Ticket, _recipient_rand: uint256, _from_reserve: uint256):
    if _from_reserve > 0:
        log reserve.ReserveClaimed(
            reserveHolder=_ticket.sender, claimant=_ticket.recipient, amount=_from_reserve
        )
    if _ticket.faceValue > 0:
        log WinningTicketTransfer(sender=_ticket.sender, recipient=_ticket.recipient, amount=_ticket.faceValue)
    log WinningTicketRedeemed(
        sender=_ticket.sender,
        recipient=_ticket.recipient,
        faceValue=_ticket.faceValue,
        winProb=_ticket.winProb,
        senderNonce=_ticket.senderNonce,
        recipientRand=_recipient_rand,
        auxData=_ticket.auxData,
    )
