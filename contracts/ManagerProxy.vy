# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title An address that stays while the code behind it can be replaced
@license MIT
@notice Runs the code registered in the Controller under `targetContractId` on this contract's own storage and balance.
@dev Storage: slots 0 and 1 are those of the manager module, which the target shares; the rest is the target's (spec 4).
     `controller`, `targetContractId` and `setController` are answered here and never reach the target.
     The id never changes, so calls read it from the code; slot 1 holds it too, for whoever looks there.
@custom:kill The Controller owner registers other code under `targetContractId`, or none: then every call fails. The
             pause stops what the target guards with it.
"""

from .interfaces import IController
from .modules import manager

initializes: manager
exports: (manager.controller, manager.setController, manager.targetContractId)


# Answers must be shorter than this. The longest of all targets is a service URI: two words around 1024 bytes. Every
# call pays for memory of this size, so it is no larger than that; a test compares it with what the targets answer.
ANSWER_BOUND: constant(uint256) = 1120


# Id under which the Controller knows the code: saves the read of slot 1 in every call.
TARGET_CONTRACT_ID: immutable(bytes32)


# Part of every manager's published ABI, though this contract has no parameter to change.
event ParameterUpdate:
    param: String[64]


@deploy
def __init__(_controller: address, _targetContractId: bytes32):
    """
    @param _controller The Controller to obey.
    @param _targetContractId Id under which the code is registered.
    """
    manager.__init__(_controller)
    manager.targetContractId = _targetContractId
    TARGET_CONTRACT_ID = _targetContractId


@external
@payable
@raw_return
def __default__() -> Bytes[ANSWER_BOUND]:
    """
    @notice Run the registered code with the same data, value and caller; its answer or failure is passed on unchanged.
    @dev Without code behind it a delegate call succeeds and does nothing, which would swallow ETH (spec 18, K14). An
         answer that fills the bound may have been cut, so it is refused rather than passed on.
    """
    target: address = staticcall IController(manager.controller).getContract(TARGET_CONTRACT_ID)
    if not target.is_contract:
        assert target != empty(address), "target contract must be registered"
        raise "target contract has no code"
    answer: Bytes[ANSWER_BOUND] = raw_call(target, msg.data, max_outsize=ANSWER_BOUND, is_delegate_call=True)
    assert len(answer) < ANSWER_BOUND, "answer of target contract is too long"
    return answer
