# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Base of every contract that obeys the Controller
@license MIT
@notice Holds the Controller's address and the guards built on it.
@dev Storage: slot 0 `controller`, slot 1 `targetContractId`. A proxy and the code behind it share these two slots, so
     every proxied contract writes `initializes: manager` before any other storage of its own (spec 4).
     Look-ups are never cached between calls: a new registration takes effect at once (spec 19).
"""

from ..interfaces import IController
from ..interfaces import IRoundsManager


# Ids of the registry: keccak256 of the contract's name (spec 1).
BONDING_MANAGER: constant(bytes32) = keccak256("BondingManager")
BONDING_VOTES: constant(bytes32) = keccak256("BondingVotes")
# Alias under which the Minter knows the TicketBroker.
JOBS_MANAGER: constant(bytes32) = keccak256("JobsManager")
L2_LPT_DATA_CACHE: constant(bytes32) = keccak256("L2LPTDataCache")
L2_MIGRATOR: constant(bytes32) = keccak256("L2Migrator")
LIVEPEER_TOKEN: constant(bytes32) = keccak256("LivepeerToken")
MINTER: constant(bytes32) = keccak256("Minter")
ROUNDS_MANAGER: constant(bytes32) = keccak256("RoundsManager")
TICKET_BROKER: constant(bytes32) = keccak256("TicketBroker")
TREASURY: constant(bytes32) = keccak256("Treasury")
VERIFIER: constant(bytes32) = keccak256("Verifier")


# Slot 0: the registry and root of authority.
controller: public(address)
# Slot 1: under which id the proxy finds its code. Read and written by ManagerProxy only.
targetContractId: public(bytes32)


event SetController:
    controller: address


event ParameterUpdate:
    param: String[64]


@deploy
def __init__(_controller: address):
    """
    @param _controller The Controller to obey.
    """
    self.controller = _controller


@external
def setController(_controller: address):
    """
    @notice Hand the contract over to another Controller.
    @dev Called through Controller.updateController.
    @param _controller The new Controller.
    """
    assert msg.sender == self.controller, "caller must be Controller"
    self.controller = _controller
    log SetController(controller=_controller)


@internal
@view
def _resolve(_id: bytes32) -> address:
    """
    @dev The contract registered under an id, zero if none is. Call it once per id and pass the address on.
    @param _id One of the ids above.
    """
    return staticcall IController(self.controller).getContract(_id)


@internal
@view
def _only_controller_owner():
    assert msg.sender == staticcall IController(self.controller).owner(), "caller must be Controller owner"


@internal
@view
def _when_not_paused():
    assert not staticcall IController(self.controller).paused(), "system is paused"


@internal
@view
def _when_paused():
    assert staticcall IController(self.controller).paused(), "system is not paused"


@internal
@view
def _current_round() -> uint256:
    """
    @dev The current round, initialized or not.
    """
    return staticcall IRoundsManager(self._resolve(ROUNDS_MANAGER)).currentRound()


@internal
@view
def _round_state() -> (uint256, bool, bool):
    """
    @dev Round number, initialized, locked: one call instead of three.
    """
    return staticcall IRoundsManager(self._resolve(ROUNDS_MANAGER)).roundState()
