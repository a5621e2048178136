# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A contract that calls back into the protocol whenever it is called
@license MIT
@notice Test only. Answers any function, so that it can be registered as any contract of the protocol, and can be an
        account of it at the same time. When it is called for the n-th time it makes the calls that the test gave it, and
        remembers which succeeded.
@custom:kill Never deployed outside tests.
"""

MAX_DATA: constant(uint256) = 4096
MAX_ATTEMPTS: constant(uint256) = 256
# What is left for this contract's own work when it is paid.
SPARE_GAS: constant(uint256) = 1000
MAX_POKE: constant(uint256) = 128

# The call to make when ETH comes in, out of the gas that came with it. Not in storage, which costs more than a plain
# transfer brings.
POKED: immutable(address)
POKE: immutable(Bytes[MAX_POKE])

# The calls to make.
targets: HashMap[uint256, address]
calldatas: HashMap[uint256, Bytes[MAX_DATA]]
count: uint256
# At which call to make them; the first is 1.
trigger: public(uint256)
# How often it was called so far, questions not counted.
entries: public(uint256)
succeeded: public(HashMap[uint256, bool])
busy: bool
# Asked by static calls: it can only answer them.
is_question: public(HashMap[bytes4, bool])
# Functions that fail after the attack.
is_refused: public(HashMap[bytes4, bool])
answers: HashMap[bytes4, Bytes[MAX_DATA]]


@deploy
@payable
def __init__(_poked: address, _poke: Bytes[MAX_POKE]):
    POKED = _poked
    POKE = _poke


@external
def add_attempt(_target: address, _data: Bytes[MAX_DATA]):
    assert self.count < MAX_ATTEMPTS
    self.targets[self.count] = _target
    self.calldatas[self.count] = _data
    self.count += 1


@external
def clear_attempts():
    self.count = 0


@external
def set_trigger(_trigger: uint256):
    self.trigger = _trigger
    self.entries = 0


@external
def set_question(_selector: bytes4, _answer: Bytes[MAX_DATA]):
    self.is_question[_selector] = True
    self.answers[_selector] = _answer


@external
def set_answer(_selector: bytes4, _answer: Bytes[MAX_DATA]):
    self.answers[_selector] = _answer


@external
def set_refused(_selector: bytes4):
    self.is_refused[_selector] = True


@external
def call_with_gas(_target: address, _data: Bytes[MAX_DATA], _gas: uint256) -> bool:
    """
    @notice A call that may run out of gas, which this one survives.
    """
    return raw_call(_target, _data, gas=_gas, revert_on_failure=False)


@external
@payable
@raw_return
def __default__() -> Bytes[MAX_DATA]:
    if len(msg.data) == 0:
        if msg.gas > SPARE_GAS:
            success: bool = raw_call(POKED, POKE, gas=msg.gas - SPARE_GAS, revert_on_failure=False)
        return b""

    selector: bytes4 = convert(slice(msg.data, 0, 4), bytes4)
    if not self.is_question[selector]:
        self._attack()
        assert not self.is_refused[selector], "refused"
    if len(self.answers[selector]) > 0:
        return self.answers[selector]
    # True, or 1.
    return abi_encode(True)


@internal
def _attack():
    if self.busy:
        return
    self.entries += 1
    if self.entries != self.trigger:
        return
    self.busy = True
    for i: uint256 in range(self.count, bound=MAX_ATTEMPTS):
        self.succeeded[i] = raw_call(self.targets[i], self.calldatas[i], revert_on_failure=False)
    self.busy = False
