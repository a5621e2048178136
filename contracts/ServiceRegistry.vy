# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Where to reach a transcoder
@license MIT
@notice Maps an account to the URI under which its node answers.
@dev Proxied. Never paused and independent of rounds, so that a node can always be moved (spec 5).
@custom:kill The Controller owner registers other code under `ServiceRegistryTarget`; the pause does not apply. Nothing
             of value is held.
"""

from .modules import manager

initializes: manager
exports: (manager.controller, manager.setController, manager.targetContractId)


# Longest URI in bytes. The deployed contract has no limit; calldata beyond this bound is refused.
MAX_URI: constant(uint256) = 1024


_service_uris: HashMap[address, String[MAX_URI]]


event ServiceURIUpdate:
    addr: indexed(address)
    serviceURI: String[MAX_URI]


# Part of every manager's published ABI, though this contract has no parameter to change.
event ParameterUpdate:
    param: String[64]


@deploy
def __init__(_controller: address):
    """
    @param _controller The Controller to obey.
    """
    manager.__init__(_controller)


@external
def setServiceURI(_serviceURI: String[MAX_URI]):
    """
    @notice Publish the caller's URI; it replaces the previous one.
    @dev Any account may publish; readers look only at registered transcoders (spec 5).
    @param _serviceURI The URI, at most 1024 bytes.
    """
    self._service_uris[msg.sender] = _serviceURI
    log ServiceURIUpdate(addr=msg.sender, serviceURI=_serviceURI)


@external
@view
def getServiceURI(_addr: address) -> String[MAX_URI]:
    """
    @notice The URI an account has published.
    @param _addr The account.
    @return The URI, empty if there is none.
    """
    return self._service_uris[_addr]
