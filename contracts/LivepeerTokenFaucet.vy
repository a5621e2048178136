# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title LPT for everybody on a test network
@license MIT
@notice Gives a fixed amount to whoever asks, once per waiting time; whitelisted accounts need not wait.
@dev Not for networks where LPT is worth something (spec 8). Refusals carry no reason, as in the deployed contract.
@custom:kill It stops when it has no tokens left; nobody can take them out otherwise.
"""

from ethereum.ercs import IERC20


SECONDS_PER_HOUR: constant(uint256) = 3600


owner: public(address)
token: public(immutable(address))
# LPT (1e-18) per request.
requestAmount: public(immutable(uint256))
# Hours between two requests of an account.
requestWait: public(immutable(uint256))
# Unix time from which an account may ask again.
nextValidRequest: public(HashMap[address, uint256])
isWhitelisted: public(HashMap[address, bool])


event OwnershipTransferred:
    previousOwner: indexed(address)
    newOwner: indexed(address)


event Request:
    to: indexed(address)
    amount: uint256


@deploy
def __init__(_token: address, _requestAmount: uint256, _requestWait: uint256):
    """
    @notice The deployer becomes the owner.
    @param _token What is given away.
    @param _requestAmount LPT (1e-18) per request.
    @param _requestWait Hours between two requests of an account.
    """
    token = _token
    requestAmount = _requestAmount
    requestWait = _requestWait
    self.owner = msg.sender


@external
def transferOwnership(newOwner: address):
    """
    @notice Give the faucet to another owner. Owner only.
    @param newOwner The new owner, not zero.
    """
    self._only_owner()
    assert newOwner != empty(address)
    previous: address = self.owner
    self.owner = newOwner
    log OwnershipTransferred(previousOwner=previous, newOwner=newOwner)


@external
def addToWhitelist(_addr: address):
    """
    @notice Let an account ask without waiting. Owner only.
    @param _addr The account.
    """
    self._only_owner()
    self.isWhitelisted[_addr] = True


@external
def removeFromWhitelist(_addr: address):
    """
    @notice Make an account wait like everybody. Owner only.
    @param _addr The account.
    """
    self._only_owner()
    self.isWhitelisted[_addr] = False


@external
def request():
    """
    @notice Get the amount, if the last request is long enough ago.
    """
    if not self.isWhitelisted[msg.sender]:
        assert block.timestamp >= self.nextValidRequest[msg.sender]
        self.nextValidRequest[msg.sender] = block.timestamp + requestWait * SECONDS_PER_HOUR
    assert extcall IERC20(token).transfer(msg.sender, requestAmount)
    log Request(to=msg.sender, amount=requestAmount)


@internal
@view
def _only_owner():
    assert msg.sender == self.owner
