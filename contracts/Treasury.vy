# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Treasury: funds that obey announced decisions only
@license MIT
@notice A timelock. Proposers announce calls, and after a delay executors make them, with this contract's ETH and tokens.
@dev Not proxied. Behaviour and wording of OpenZeppelin's TimelockController 4.9 with a public one-shot `initialize`
     (spec 13; LIP-89). Create and initialize it in one transaction (Creator), or somebody else might (hazard K22).
     An operation's timestamp is 0 while unknown, 1 once done, otherwise when it may be executed.
@custom:kill Holders of CANCELLER_ROLE cancel what is announced; TIMELOCK_ADMIN_ROLE, held by this contract itself,
             revokes the roles. The Controller's pause does not reach it.
"""

from .interfaces import ITimelock
from .modules import action
from .modules import receiver
from .modules import roles

initializes: roles
implements: ITimelock
exports: (
    roles.hasRole,
    roles.DEFAULT_ADMIN_ROLE,
    roles.grantRole,
    roles.revokeRole,
    roles.renounceRole,
    roles.getRoleAdmin,
    receiver.onERC721Received,
    receiver.onERC1155Received,
    receiver.onERC1155BatchReceived,
)


TIMELOCK_ADMIN_ROLE: public(constant(bytes32)) = keccak256("TIMELOCK_ADMIN_ROLE")
PROPOSER_ROLE: public(constant(bytes32)) = keccak256("PROPOSER_ROLE")
CANCELLER_ROLE: public(constant(bytes32)) = keccak256("CANCELLER_ROLE")
EXECUTOR_ROLE: public(constant(bytes32)) = keccak256("EXECUTOR_ROLE")

ERC165_ID: constant(bytes4) = 0x01ffc9a7
# Timestamp of an operation that was executed.
DONE: constant(uint256) = 1


_initialized: bool
_min_delay: uint256
_timestamps: HashMap[bytes32, uint256]


event CallScheduled:
    id: indexed(bytes32)
    index: indexed(uint256)
    target: address
    value: uint256
    data: Bytes[action.MAX_CALLDATA]
    predecessor: bytes32
    delay: uint256


event CallExecuted:
    id: indexed(bytes32)
    index: indexed(uint256)
    target: address
    value: uint256
    data: Bytes[action.MAX_CALLDATA]


event CallSalt:
    id: indexed(bytes32)
    salt: bytes32


event Cancelled:
    id: indexed(bytes32)


event MinDelayChange:
    oldDuration: uint256
    newDuration: uint256


event Initialized:
    version: uint8


@deploy
def __init__():
    pass


@external
def initialize(
    minDelay: uint256,
    proposers: DynArray[address, action.MAX_HOLDERS],
    executors: DynArray[address, action.MAX_HOLDERS],
    admin: address,
):
    """
    @notice Set the treasury up, once. Its own roles are administered by itself.
    @param minDelay Seconds between the announcement of a call and its execution, at least.
    @param proposers Who may announce calls, and cancel them; at most 16.
    @param executors Who may make them; the zero address lets everybody. At most 16.
    @param admin Who may administer roles besides the treasury, to set it up; zero for nobody.
    """
    assert not self._initialized, "Initializable: contract is already initialized"
    self._initialized = True

    for role: bytes32 in [TIMELOCK_ADMIN_ROLE, PROPOSER_ROLE, EXECUTOR_ROLE, CANCELLER_ROLE]:
        roles._set_admin(role, TIMELOCK_ADMIN_ROLE)
    roles._grant(TIMELOCK_ADMIN_ROLE, self)
    if admin != empty(address):
        roles._grant(TIMELOCK_ADMIN_ROLE, admin)
    for proposer: address in proposers:
        roles._grant(PROPOSER_ROLE, proposer)
        roles._grant(CANCELLER_ROLE, proposer)
    for executor: address in executors:
        roles._grant(EXECUTOR_ROLE, executor)

    self._min_delay = minDelay
    log MinDelayChange(oldDuration=0, newDuration=minDelay)
    log Initialized(version=1)


@external
@payable
def __default__():
    """
    @notice Anyone may give ETH.
    """
    assert len(msg.data) == 0


# --- operations ---------------------------------------------------------------------------------------------------


@external
def schedule(
    target: address,
    _value: uint256,
    data: Bytes[action.MAX_CALLDATA],
    predecessor: bytes32,
    salt: bytes32,
    delay: uint256,
):
    """
    @notice Announce one call. PROPOSER_ROLE only.
    @param target Whom to call.
    @param _value Wei sent along.
    @param data Calldata, at most 4096 bytes.
    @param predecessor Operation that must be done first, zero for none.
    @param salt Makes equal operations differ.
    @param delay Seconds until the call may be made, no less than the minimum.
    """
    roles._only_role(PROPOSER_ROLE)
    id: bytes32 = self._hash(target, _value, data, predecessor, salt)
    self._announce(id, delay)
    log CallScheduled(id=id, index=0, target=target, value=_value, data=data, predecessor=predecessor, delay=delay)
    self._log_salt(id, salt)


@external
def scheduleBatch(
    targets: DynArray[address, action.MAX_ACTIONS],
    values: DynArray[uint256, action.MAX_ACTIONS],
    payloads: DynArray[Bytes[action.MAX_CALLDATA], action.MAX_ACTIONS],
    predecessor: bytes32,
    salt: bytes32,
    delay: uint256,
):
    """
    @notice Announce calls that are made together, in order. PROPOSER_ROLE only.
    @param targets Whom to call, at most 16.
    @param values Wei sent along.
    @param payloads Calldata, at most 4096 bytes each.
    @param predecessor Operation that must be done first, zero for none.
    @param salt Makes equal operations differ.
    @param delay Seconds until the calls may be made, no less than the minimum.
    """
    roles._only_role(PROPOSER_ROLE)
    count: uint256 = len(targets)
    self._assert_lengths(count, len(values), len(payloads))
    id: bytes32 = keccak256(abi_encode(targets, values, payloads, predecessor, salt))
    self._announce(id, delay)
    for i: uint256 in range(count, bound=action.MAX_ACTIONS):
        log CallScheduled(
            id=id,
            index=i,
            target=targets[i],
            value=values[i],
            data=payloads[i],
            predecessor=predecessor,
            delay=delay,
        )
    self._log_salt(id, salt)


@external
def cancel(id: bytes32):
    """
    @notice Take an announcement back. CANCELLER_ROLE only.
    @param id The operation.
    """
    roles._only_role(CANCELLER_ROLE)
    assert self._timestamps[id] > DONE, "TimelockController: operation cannot be cancelled"
    self._timestamps[id] = 0
    log Cancelled(id=id)


@external
@payable
def execute(
    target: address, _value: uint256, payload: Bytes[action.MAX_CALLDATA], predecessor: bytes32, salt: bytes32
):
    """
    @notice Make an announced call. EXECUTOR_ROLE only, or anyone if the zero address has it.
    @dev The called contract may call back in: an operation is done only once, because it must still be ready afterwards.
    @param target Whom to call.
    @param _value Wei sent along.
    @param payload Calldata.
    @param predecessor Operation that must be done first, zero for none.
    @param salt Makes equal operations differ.
    """
    self._only_executor()
    id: bytes32 = self._hash(target, _value, payload, predecessor, salt)
    self._assert_executable(id, predecessor)
    self._call(target, _value, payload)
    log CallExecuted(id=id, index=0, target=target, value=_value, data=payload)
    self._close(id)


@external
@payable
def executeBatch(
    targets: DynArray[address, action.MAX_ACTIONS],
    values: DynArray[uint256, action.MAX_ACTIONS],
    payloads: DynArray[Bytes[action.MAX_CALLDATA], action.MAX_ACTIONS],
    predecessor: bytes32,
    salt: bytes32,
):
    """
    @notice Make announced calls, all or none. EXECUTOR_ROLE only, or anyone if the zero address has it.
    @param targets Whom to call.
    @param values Wei sent along.
    @param payloads Calldata.
    @param predecessor Operation that must be done first, zero for none.
    @param salt Makes equal operations differ.
    """
    self._only_executor()
    count: uint256 = len(targets)
    self._assert_lengths(count, len(values), len(payloads))
    id: bytes32 = keccak256(abi_encode(targets, values, payloads, predecessor, salt))
    self._assert_executable(id, predecessor)
    for i: uint256 in range(count, bound=action.MAX_ACTIONS):
        self._call(targets[i], values[i], payloads[i])
        log CallExecuted(id=id, index=i, target=targets[i], value=values[i], data=payloads[i])
    self._close(id)


@external
def updateDelay(newDelay: uint256):
    """
    @notice Change the minimum delay. Only by an operation of the treasury itself.
    @param newDelay Seconds.
    """
    assert msg.sender == self, "TimelockController: caller must be timelock"
    previous: uint256 = self._min_delay
    self._min_delay = newDelay
    log MinDelayChange(oldDuration=previous, newDuration=newDelay)


# --- views --------------------------------------------------------------------------------------------------------


@external
@view
def getMinDelay() -> uint256:
    """
    @notice Seconds that an operation has to wait at least.
    @return Seconds.
    """
    return self._min_delay


@external
@view
def getTimestamp(id: bytes32) -> uint256:
    """
    @notice When an operation may be executed.
    @param id The operation.
    @return Unix time; 0 if it is unknown, 1 if it is done.
    """
    return self._timestamps[id]


@external
@view
def isOperation(id: bytes32) -> bool:
    """
    @notice True for an operation that was announced and not cancelled.
    @param id The operation.
    @return Whether it is known.
    """
    return self._timestamps[id] > 0


@external
@view
def isOperationPending(id: bytes32) -> bool:
    """
    @notice True for an operation that was announced and neither executed nor cancelled.
    @param id The operation.
    @return Whether it is pending.
    """
    return self._timestamps[id] > DONE


@external
@view
def isOperationReady(id: bytes32) -> bool:
    """
    @notice True for a pending operation whose delay is over.
    @param id The operation.
    @return Whether it may be executed.
    """
    return self._is_ready(id)


@external
@view
def isOperationDone(id: bytes32) -> bool:
    """
    @notice True for an executed operation.
    @param id The operation.
    @return Whether it is done.
    """
    return self._timestamps[id] == DONE


@external
@pure
def hashOperation(
    target: address, _value: uint256, data: Bytes[action.MAX_CALLDATA], predecessor: bytes32, salt: bytes32
) -> bytes32:
    """
    @notice Id of an operation of one call.
    @param target Whom to call.
    @param _value Wei sent along.
    @param data Calldata.
    @param predecessor Operation that must be done first, zero for none.
    @param salt Makes equal operations differ.
    @return keccak256 of the ABI encoding of all of these.
    """
    return self._hash(target, _value, data, predecessor, salt)


@external
@pure
def hashOperationBatch(
    targets: DynArray[address, action.MAX_ACTIONS],
    values: DynArray[uint256, action.MAX_ACTIONS],
    payloads: DynArray[Bytes[action.MAX_CALLDATA], action.MAX_ACTIONS],
    predecessor: bytes32,
    salt: bytes32,
) -> bytes32:
    """
    @notice Id of an operation of several calls.
    @param targets Whom to call.
    @param values Wei sent along.
    @param payloads Calldata.
    @param predecessor Operation that must be done first, zero for none.
    @param salt Makes equal operations differ.
    @return keccak256 of the ABI encoding of all of these.
    """
    return keccak256(abi_encode(targets, values, payloads, predecessor, salt))


@external
@view
def supportsInterface(interfaceId: bytes4) -> bool:
    """
    @notice ERC-165 detection.
    @param interfaceId The interface asked for.
    @return True for ERC-165, role access control and the ERC-1155 receiver.
    """
    return interfaceId in [ERC165_ID, roles.INTERFACE_ID, receiver.INTERFACE_ID]


# --- internal -----------------------------------------------------------------------------------------------------


@internal
@pure
def _hash(
    _target: address, _value: uint256, _data: Bytes[action.MAX_CALLDATA], _predecessor: bytes32, _salt: bytes32
) -> bytes32:
    return keccak256(abi_encode(_target, _value, _data, _predecessor, _salt))


@internal
@pure
def _assert_lengths(_targets: uint256, _values: uint256, _payloads: uint256):
    assert _targets == _values and _targets == _payloads, "TimelockController: length mismatch"


@internal
def _announce(_id: bytes32, _delay: uint256):
    assert self._timestamps[_id] == 0, "TimelockController: operation already scheduled"
    assert _delay >= self._min_delay, "TimelockController: insufficient delay"
    self._timestamps[_id] = block.timestamp + _delay


@internal
def _log_salt(_id: bytes32, _salt: bytes32):
    if _salt != empty(bytes32):
        log CallSalt(id=_id, salt=_salt)


@internal
@view
def _only_executor():
    if not roles.hasRole[EXECUTOR_ROLE][empty(address)]:
        roles._only_role(EXECUTOR_ROLE)


@internal
@view
def _is_ready(_id: bytes32) -> bool:
    timestamp: uint256 = self._timestamps[_id]
    return timestamp > DONE and timestamp <= block.timestamp


@internal
@view
def _assert_executable(_id: bytes32, _predecessor: bytes32):
    assert self._is_ready(_id), "TimelockController: operation is not ready"
    assert (
        _predecessor == empty(bytes32) or self._timestamps[_predecessor] == DONE
    ), "TimelockController: missing dependency"


@internal
@payable
def _call(_target: address, _value: uint256, _data: Bytes[action.MAX_CALLDATA]):
    success: bool = raw_call(_target, _data, value=_value, revert_on_failure=False)
    assert success, "TimelockController: underlying transaction reverted"


@internal
def _close(_id: bytes32):
    """
    @dev Still ready: the calls may have executed or cancelled this very operation.
    """
    assert self._is_ready(_id), "TimelockController: operation is not ready"
    self._timestamps[_id] = DONE
