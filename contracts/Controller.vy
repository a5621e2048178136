# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title The registry of contracts, the pause and the root of authority
@license MIT
@notice Every other contract asks this one who governs, whether the protocol is paused and where its peers are.
@dev Not proxied. Refusals carry no reason, as in the deployed contract (spec 3).
@custom:kill `pause` stops stake, tickets, rewards, withdrawals and rounds of the whole protocol. This contract itself
             cannot be stopped or replaced in place: `updateController` moves the other contracts to a new one.
"""

from .interfaces import IController
from .interfaces import IManager

implements: IController


struct ContractInfo:
    contractAddress: address
    gitCommitHash: bytes20


owner: public(address)
paused: public(bool)
_registry: HashMap[bytes32, ContractInfo]


event OwnershipTransferred:
    previousOwner: indexed(address)
    newOwner: indexed(address)


event Pause:
    pass


event Unpause:
    pass


event SetContractInfo:
    id: bytes32
    contractAddress: address
    gitCommitHash: bytes20


@deploy
def __init__():
    """
    @notice The deployer becomes the owner; the protocol starts paused, so that it can be set up first.
    """
    self.owner = msg.sender
    self.paused = True


@external
def transferOwnership(newOwner: address):
    """
    @notice Give the protocol to another owner. Owner only.
    @param newOwner The new owner, not zero.
    """
    self._only_owner()
    assert newOwner != empty(address)
    previous: address = self.owner
    self.owner = newOwner
    log OwnershipTransferred(previousOwner=previous, newOwner=newOwner)


@external
def pause():
    """
    @notice Stop the protocol. Owner only, while it runs.
    """
    self._only_owner()
    assert not self.paused
    self.paused = True
    log Pause()


@external
def unpause():
    """
    @notice Let the protocol run again. Owner only, while it is paused.
    """
    self._only_owner()
    assert self.paused
    self.paused = False
    log Unpause()


@external
def setContractInfo(_id: bytes32, _contractAddress: address, _gitCommitHash: bytes20):
    """
    @notice Register a contract under an id; it replaces the previous one at once. Owner only.
    @param _id keccak256 of the contract's name.
    @param _contractAddress The contract, zero to unregister.
    @param _gitCommitHash SHA-1 of the commit it was built from.
    """
    self._only_owner()
    self._registry[_id] = ContractInfo(contractAddress=_contractAddress, gitCommitHash=_gitCommitHash)
    log SetContractInfo(id=_id, contractAddress=_contractAddress, gitCommitHash=_gitCommitHash)


@external
def updateController(_id: bytes32, _controller: address):
    """
    @notice Hand a registered contract over to another Controller. Owner only.
    @dev The call fails if nothing with code is registered under the id.
    @param _id keccak256 of the contract's name.
    @param _controller The new Controller.
    """
    self._only_owner()
    extcall IManager(self._registry[_id].contractAddress).setController(_controller)


@external
@view
def getContract(_id: bytes32) -> address:
    """
    @notice The address registered under an id.
    @param _id keccak256 of the contract's name.
    @return The address, zero if none is registered.
    """
    return self._registry[_id].contractAddress


@external
@view
def getContractInfo(_id: bytes32) -> (address, bytes20):
    """
    @notice The address registered under an id and the commit it was built from.
    @param _id keccak256 of the contract's name.
    @return The address and the SHA-1 of the commit, zeros if none is registered.
    """
    info: ContractInfo = self._registry[_id]
    return info.contractAddress, info.gitCommitHash


@internal
@view
def _only_owner():
    assert msg.sender == self.owner
