# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Code to stand behind a proxy: every kind of call, answer and failure
@license MIT
@custom:kill Never deployed outside tests.
"""

from ..modules import manager

initializes: manager

number: public(uint256)


event Received:
    sender: address
    amount: uint256
    data: Bytes[64]


@deploy
def __init__(_controller: address):
    manager.__init__(_controller)


@external
@payable
def set_number(_number: uint256) -> uint256:
    self.number = _number
    log Received(sender=msg.sender, amount=msg.value, data=slice(msg.data, 0, 36))
    return _number + 1


@external
def setController(_controller: address):
    # A proxy must answer this call itself.
    raise "reached the target"


@external
@view
def answer_of(_size: uint256) -> DynArray[uint256, 200]:
    """
    @notice An answer of 64 + 32 * _size bytes.
    """
    answer: DynArray[uint256, 200] = []
    for i: uint256 in range(_size, bound=200):
        answer.append(i)
    return answer


@external
@raw_return
def answer_with(_data: Bytes[8192]) -> Bytes[8192]:
    """
    @notice An answer of any length.
    """
    return _data


@external
def fail_with(_data: Bytes[8192]):
    """
    @notice A failure with data of any length.
    """
    raw_revert(_data)


@external
def fail_with_reason():
    self.number = 99
    raise "a reason of more than one hundred characters, to show that nothing of it is cut off on its way through the proxy"


@external
def fail_with_custom_error():
    raw_revert(abi_encode(msg.sender, method_id=method_id("Refused(address)")))


@external
def fail_silently():
    assert msg.sender == empty(address)


@external
@payable
def __default__():
    log Received(sender=msg.sender, amount=msg.value, data=b"")
