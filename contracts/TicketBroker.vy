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

from .modules import funds
from .modules import manager
from .modules import ticket

initializes: manager
initializes: funds
exports: (manager.controller, manager.setController, manager.targetContractId)


# Tickets in one batch. A larger bound costs memory even for small batches.
MAX_BATCH: constant(uint256) = 100
# Each ticket is looked at once, and once more by itself if the credit of its group was refused.
MAX_STEPS: constant(uint256) = 200
# Marks what was not asked for yet.
UNKNOWN: constant(uint256) = max_value(uint256)
# Marks a ticket that was left out.
NOT_TAKEN: constant(uint256) = max_value(uint256)
CREDIT: constant(bytes4) = method_id("updateTranscoderWithFeesBatch(address,uint256[],uint256)", output_type=bytes4)


# Longest unlock period, so that a round fits its place in an account.
MAX_PERIOD: constant(uint256) = 2**48 - 1


struct Sender:
    # Wei available for tickets, spent before the reserve.
    deposit: uint256
    # Round from which deposit and reserve may be withdrawn; 0 = no unlock requested.
    withdrawRound: uint256


# What all tickets of a call have in common.
struct Context:
    # The current round.
    round: uint256
    # Tickets of rounds before this one are expired.
    oldestRound: uint256
    # The RoundsManager.
    rounds: address
    # The BondingManager.
    bonding: address


# What was looked up for a ticket and may serve the next one.
struct Known:
    # What `_claimants` has answered for this recipient, or UNKNOWN.
    claimants: uint256
    # Hash of a creation round, or UNKNOWN; no round of that number has a hash.
    creationRound: uint256
    blockHash: bytes32


# Rounds between `unlock` and `withdraw`.
unlockPeriod: public(uint256)
# Rounds in which a ticket may be redeemed, the creation round included.
ticketValidityPeriod: public(uint256)
# Hashes of redeemed tickets; an entry never returns to false.
usedTickets: public(HashMap[bytes32, bool])


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
    @param _unlockPeriod Rounds, at least 1, at most 2^48 - 1.
    """
    manager._only_controller_owner()
    assert _unlockPeriod > 0, "unlockPeriod must be greater than 0"
    assert _unlockPeriod <= MAX_PERIOD, "unlockPeriod exceeds 48 bits"
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
    self._fund(msg.sender, msg.value, 0)
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
    log funds.ReserveFunded(reserveHolder=msg.sender, amount=msg.value)
    self._fund(msg.sender, 0, msg.value)
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
    self._fund_both(msg.sender, _depositAmount, _reserveAmount)


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
    self._fund_both(_addr, _depositAmount, _reserveAmount)


# --- Unlock and withdraw ------------------------------------------------------------------------------------------


@external
def unlock():
    """
    @notice Announce that the caller wants its deposit and reserve back after `unlockPeriod` rounds.
    @dev Spec 11.3. A broker whose period was never set refuses, for the reason given at `setUnlockPeriod`.
    """
    manager._when_not_paused()
    account: funds.Account = self._account_with_funds(msg.sender)
    assert account.withdrawRound == 0, "unlock already initiated"
    period: uint256 = self.unlockPeriod
    assert period > 0, "unlockPeriod must be greater than 0"
    current: uint256 = manager._current_round()
    account.withdrawRound = current + period
    funds._store(msg.sender, account)
    log Unlock(sender=msg.sender, startRound=current, endRound=current + period)


@external
def cancelUnlock():
    """
    @notice Take the caller's unlock request back.
    @dev Spec 11.3.
    """
    manager._when_not_paused()
    assert funds._cancel_unlock(msg.sender), "no unlock request in progress"
    log UnlockCancelled(sender=msg.sender)


@external
def withdraw():
    """
    @notice Pay the caller's whole deposit and reserve out, once the unlock period is over.
    @dev Spec 11.3. The unlock stays in force afterwards, until the account funds itself or cancels it.
    """
    manager._when_not_paused()
    account: funds.Account = self._account_with_funds(msg.sender)
    assert account.withdrawRound > 0, "no unlock request in progress"
    assert manager._current_round() >= account.withdrawRound, "account is locked"

    # What was claimed from the reserve stays on record: harmless, as this is at least one round after the unlock (K20).
    funds._store(msg.sender, funds.Account(deposit=0, reserve=0, withdrawRound=account.withdrawRound))
    extcall IMinter(manager._resolve(manager.MINTER)).trustedWithdrawETH(msg.sender, account.deposit + account.reserve)
    log Withdrawal(sender=msg.sender, deposit=account.deposit, reserve=account.reserve)


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
    context: Context = self._context()
    fault: uint256 = ticket.OK
    from_reserve: uint256 = 0
    known: Known = self._nothing_known()
    fault, from_reserve, known = self._take(_ticket, _sig, _recipientRand, context, known)
    assert fault == ticket.OK, ticket._reason(fault)
    if _ticket.faceValue > 0:
        extcall IBondingManager(context.bonding).updateTranscoderWithFees(
            _ticket.recipient, _ticket.faceValue, known.creationRound
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
    context: Context = self._context()
    count: uint256 = len(_tickets)
    # A visible change: the deployed contract ignores surplus entries and stops with an index error at missing ones.
    assert len(_sigs) == count and len(_recipientRands) == count, "batch arrays must have equal lengths"
    # A raw call to an address without code would succeed and credit nothing.
    assert context.bonding.is_contract, "BondingManager must be registered"
    known: Known = self._nothing_known()

    # The open group: neighbours with one recipient, taken but not credited. By index of a ticket, what it took out of
    # the reserve, or NOT_TAKEN.
    start: uint256 = 0
    amounts: DynArray[uint256, MAX_BATCH] = []
    reserves: uint256[MAX_BATCH] = empty(uint256[MAX_BATCH])

    i: uint256 = 0
    # Tickets before this index form groups of one.
    alone_before: uint256 = 0
    for _: uint256 in range(MAX_STEPS):
        if i == count:
            break
        fault: uint256 = ticket.OK
        fault, reserves[i], known = self._take(_tickets[i], _sigs[i], _recipientRands[i], context, known)
        if fault == ticket.OK:
            face_value: uint256 = _tickets[i].faceValue
            if face_value > 0:
                amounts.append(face_value)
        else:
            reserves[i] = NOT_TAKEN
        recipient: address = _tickets[i].recipient
        i += 1
        if i < count and i >= alone_before and _tickets[i].recipient == recipient:
            continue

        # The group is complete.
        credited: bool = len(amounts) == 0 or raw_call(
            context.bonding,
            abi_encode(recipient, amounts, context.round, method_id=CREDIT),
            revert_on_failure=False,
        )
        for index: uint256 in range(start, i, bound=MAX_BATCH):
            if reserves[index] == NOT_TAKEN:
                continue
            if credited:
                self._log_redeemed(_tickets[index], _recipientRands[index], reserves[index])
            else:
                self._undo(_tickets[index], context.round, reserves[index])
        if not credited and i - start > 1:
            alone_before = i
            i = start
        start = i
        known.claimants = UNKNOWN
        amounts = []


@external
def redeemWinningTicketsCompact(
    _sender: address,
    _recipient: address,
    _faceValue: uint256,
    _winProb: uint256,
    _creationRound: uint256,
    _tickets: DynArray[ticket.CompactTicket, MAX_BATCH],
):
    """
    @notice Redeem tickets that differ in nonce, secret and signature only, in order; a ticket that `redeemWinningTicket`
            would refuse is left out and stays usable.
    @dev State and events are those of single calls in the same order, failures ignored. Commitments and block hash are
         derived. What would make every single call fail fails this one, with the same reason: a null address, an
         unknown or expired creation round, a sender that is unlocked or without funds, a recipient that may not be
         credited (spec 11.5; K6, K9, K12, K25, R7).
    @param _sender Who pays and has signed the tickets.
    @param _recipient Who is paid.
    @param _faceValue Wei per ticket.
    @param _winProb Chance to win of each ticket, in parts of 2^256.
    @param _creationRound The round in which the tickets were made.
    @param _tickets What differs: nonce, secret, signature in the transport form of EIP-2098. At most 100.
    """
    context: Context = self._context()
    word: uint256 = funds._accounts[_sender]
    block_hash: bytes32 = staticcall IRoundsManager(context.rounds).blockHashForRound(_creationRound)
    fault: uint256 = ticket.OK
    if _recipient == empty(address):
        fault = ticket.NULL_RECIPIENT
    elif _sender == empty(address):
        fault = ticket.NULL_SENDER
    elif block_hash == empty(bytes32):
        fault = ticket.NO_BLOCK_HASH
    elif _creationRound < context.oldestRound:
        fault = ticket.EXPIRED
    else:
        fault = self._account_fault(word, context.round)
    assert fault == ticket.OK, ticket._reason(fault)

    # Beginning and end of what is hashed (see ticket._hash) are the same for all tickets.
    terms: Bytes[104] = concat(
        convert(_recipient, bytes20),
        convert(_sender, bytes20),
        convert(_faceValue, bytes32),
        convert(_winProb, bytes32),
    )
    aux_data: Bytes[ticket.AUX_DATA_BYTES] = concat(convert(_creationRound, bytes32), block_hash)
    # Kept in memory and written once: nothing else runs before the end of the loop.
    account: funds.Account = funds._unpack(word)
    claimants: uint256 = UNKNOWN
    amounts: DynArray[uint256, MAX_BATCH] = []
    for current: ticket.CompactTicket in _tickets:
        ticket_hash: bytes32 = keccak256(
            concat(
                terms,
                convert(current.senderNonce, bytes32),
                keccak256(convert(current.recipientRand, bytes32)),
                aux_data,
            )
        )
        if self.usedTickets[ticket_hash]:
            continue
        vs: uint256 = convert(current.vs, uint256)
        fault = ticket._draw_fault(
            ticket_hash, _sender, _winProb, current.r, vs & (2**255 - 1), unsafe_add(27, vs >> 255), current.recipientRand
        )
        if fault != ticket.OK:
            continue
        if _faceValue <= account.deposit:
            account.deposit = unsafe_sub(account.deposit, _faceValue)
        else:
            from_reserve: uint256 = unsafe_sub(_faceValue, account.deposit)
            if claimants == UNKNOWN:
                claimants = self._claimants(context.bonding, _recipient)
            if from_reserve > funds._claimable(_sender, _recipient, account.reserve, context.round, claimants):
                # Nor do the funds cover any later ticket.
                break
            account.deposit = 0
            account.reserve = unsafe_sub(account.reserve, from_reserve)
            funds._claim(_sender, _recipient, context.round, from_reserve)
            log funds.ReserveClaimed(reserveHolder=_sender, claimant=_recipient, amount=from_reserve)
        self.usedTickets[ticket_hash] = True
        if _faceValue > 0:
            amounts.append(_faceValue)
            log WinningTicketTransfer(sender=_sender, recipient=_recipient, amount=_faceValue)
        log WinningTicketRedeemed(
            sender=_sender,
            recipient=_recipient,
            faceValue=_faceValue,
            winProb=_winProb,
            senderNonce=current.senderNonce,
            recipientRand=current.recipientRand,
            auxData=aux_data,
        )

    if len(amounts) > 0:
        funds._store(_sender, account)
        # All amounts are equal: if one is refused, so is every single one.
        extcall IBondingManager(context.bonding).updateTranscoderWithFeesBatch(_recipient, amounts, context.round)


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
    return funds._claimable(
        _reserveHolder,
        _claimant,
        funds._load(_reserveHolder).reserve,
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
    return funds._claimed(_reserveHolder, _claimant, manager._current_round())


@external
@view
def getReserveInfo(_reserveHolder: address) -> funds.ReserveInfo:
    """
    @notice Wei left in a reserve and wei claimed from it in the current round.
    @dev Spec 11.4.
    @param _reserveHolder Whose reserve.
    """
    return funds._reserve_info(_reserveHolder, manager._current_round())


@external
@view
def getSenderInfo(_sender: address) -> (Sender, funds.ReserveInfo):
    """
    @notice A sender's deposit, withdraw round and reserve.
    @dev Spec 11.4.
    @param _sender The account.
    """
    account: funds.Account = funds._load(_sender)
    return (
        Sender(deposit=account.deposit, withdrawRound=account.withdrawRound),
        funds._reserve_info(_sender, manager._current_round()),
    )


@external
@view
def isUnlockInProgress(_sender: address) -> bool:
    """
    @notice True if the account has requested an unlock; it stays true after `withdraw`.
    @dev Spec 11.3.
    @param _sender The account.
    """
    return funds._load(_sender).withdrawRound > 0


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
def _context() -> Context:
    """
    @dev Not paused and round ready; what redemptions need to know besides.
    """
    manager._when_not_paused()
    rounds: address = manager._resolve(manager.ROUNDS_MANAGER)
    current: uint256 = 0
    initialized: bool = False
    locked: bool = False
    current, initialized, locked = staticcall IRoundsManager(rounds).roundState()
    assert initialized, "current round is not initialized"
    return Context(
        round=current,
        oldestRound=ticket._oldest_round(current, self.ticketValidityPeriod),
        rounds=rounds,
        bonding=manager._resolve(manager.BONDING_MANAGER),
    )


@internal
@pure
def _nothing_known() -> Known:
    return Known(claimants=UNKNOWN, creationRound=UNKNOWN, blockHash=empty(bytes32))


@internal
@view
def _account_with_funds(_sender: address) -> funds.Account:
    account: funds.Account = funds._load(_sender)
    assert account.deposit > 0 or account.reserve > 0, "sender deposit and reserve are zero"
    return account


@internal
def _fund(_sender: address, _deposit: uint256, _reserve: uint256):
    """
    @dev Only money of the account itself cancels its unlock: nobody else may keep it from leaving (R11).
    """
    account: funds.Account = funds._load(_sender)
    account.deposit += _deposit
    account.reserve += _reserve
    cancels: bool = msg.sender == _sender and account.withdrawRound > 0
    if cancels:
        account.withdrawRound = 0
    funds._store(_sender, account)
    if cancels:
        log UnlockCancelled(sender=_sender)


@internal
@payable
def _to_minter():
    assert extcall IMinter(manager._resolve(manager.MINTER)).depositETH(value=msg.value)


@internal
@payable
def _fund_both(_sender: address, _deposit: uint256, _reserve: uint256):
    # Amounts whose sum overflows cannot equal msg.value: the checked addition reverts.
    assert msg.value == _deposit + _reserve, "msg.value does not equal sum of deposit amount and reserve amount"
    self._fund(_sender, _deposit, _reserve)
    log funds.ReserveFunded(reserveHolder=_sender, amount=_reserve)
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
    _ticket: ticket.Ticket,
    _sig: Bytes[ticket.MAX_BYTES],
    _recipient_rand: uint256,
    _context: Context,
    _known: Known,
) -> (uint256, uint256, Known):
    """
    @dev All checks in the order of spec 11.5, from step 2 on; then use the ticket up and take its face value out of
         deposit and reserve. A ticket with any fault changes nothing, one that the funds do not cover included (K9).
    @return Fault; wei taken from the reserve; what is known now.
    """
    known: Known = _known
    if _ticket.recipient == empty(address):
        return ticket.NULL_RECIPIENT, 0, known
    if _ticket.sender == empty(address):
        return ticket.NULL_SENDER, 0, known
    if len(_ticket.auxData) != ticket.AUX_DATA_BYTES:
        return ticket.AUX_DATA_LENGTH, 0, known
    creation_round: uint256 = convert(extract32(_ticket.auxData, 0), uint256)
    if creation_round != known.creationRound:
        known.creationRound = creation_round
        known.blockHash = staticcall IRoundsManager(_context.rounds).blockHashForRound(creation_round)
    if known.blockHash == empty(bytes32):
        return ticket.NO_BLOCK_HASH, 0, known
    if extract32(_ticket.auxData, 32) != known.blockHash:
        return ticket.WRONG_BLOCK_HASH, 0, known
    if creation_round < _context.oldestRound:
        return ticket.EXPIRED, 0, known
    if keccak256(convert(_recipient_rand, bytes32)) != _ticket.recipientRandHash:
        return ticket.WRONG_RAND, 0, known
    ticket_hash: bytes32 = ticket._hash_of(
        _ticket.recipient,
        _ticket.sender,
        _ticket.faceValue,
        _ticket.winProb,
        _ticket.senderNonce,
        _ticket.recipientRandHash,
        creation_round,
        known.blockHash,
    )
    if self.usedTickets[ticket_hash]:
        return ticket.USED, 0, known
    if len(_sig) != ticket.SIGNATURE_BYTES:
        return ticket.SIGNATURE_LENGTH, 0, known
    fault: uint256 = ticket._draw_fault(
        ticket_hash,
        _ticket.sender,
        _ticket.winProb,
        extract32(_sig, 0),
        convert(extract32(_sig, 32), uint256),
        convert(extract32(_sig, 33), uint256) & 255,
        _recipient_rand,
    )
    if fault != ticket.OK:
        return fault, 0, known
    word: uint256 = funds._accounts[_ticket.sender]
    fault = self._account_fault(word, _context.round)
    if fault != ticket.OK:
        return fault, 0, known

    from_reserve: uint256 = 0
    if _ticket.faceValue <= (word >> funds.DEPOSIT_SHIFT) & funds.AMOUNT_MASK:
        # The usual way to pay, so it works on the word.
        funds._accounts[_ticket.sender] = unsafe_sub(word, _ticket.faceValue << funds.DEPOSIT_SHIFT)
    else:
        account: funds.Account = funds._unpack(word)
        from_reserve = unsafe_sub(_ticket.faceValue, account.deposit)
        if known.claimants == UNKNOWN:
            known.claimants = self._claimants(_context.bonding, _ticket.recipient)
        if from_reserve > funds._claimable(
            _ticket.sender, _ticket.recipient, account.reserve, _context.round, known.claimants
        ):
            return ticket.FUNDS_SHORT, 0, known
        account.deposit = 0
        account.reserve = unsafe_sub(account.reserve, from_reserve)
        funds._store(_ticket.sender, account)
        funds._claim(_ticket.sender, _ticket.recipient, _context.round, from_reserve)
    self.usedTickets[ticket_hash] = True
    return ticket.OK, from_reserve, known


@internal
@pure
def _account_fault(_word: uint256, _round: uint256) -> uint256:
    """
    @dev What keeps every ticket of a sender from being redeemed (spec 11.5, steps 7 and 8).
    @param _word The sender's account.
    """
    withdraw_round: uint256 = _word & funds.ROUND_MASK
    if withdraw_round != 0 and _round >= withdraw_round:
        return ticket.SENDER_UNLOCKED
    # Neither deposit nor reserve.
    if _word >> funds.DEPOSIT_SHIFT == 0:
        return ticket.NO_FUNDS
    return ticket.OK


@internal
def _undo(_ticket: ticket.Ticket, _round: uint256, _from_reserve: uint256):
    """
    @dev Take back what `_take` did in this very call: the fee was refused, so the ticket was not redeemed.
    """
    self.usedTickets[ticket._hash(_ticket)] = False
    account: funds.Account = funds._load(_ticket.sender)
    account.deposit += _ticket.faceValue - _from_reserve
    account.reserve += _from_reserve
    funds._store(_ticket.sender, account)
    if _from_reserve > 0:
        funds._undo_claim(_ticket.sender, _ticket.recipient, _round, _from_reserve)


@internal
def _log_redeemed(_ticket: ticket.Ticket, _recipient_rand: uint256, _from_reserve: uint256):
    if _from_reserve > 0:
        log funds.ReserveClaimed(
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
