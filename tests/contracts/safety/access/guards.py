"""Who may call what and when: the classes of guards, in the order in which a function asks for them.

A guard answers with the revert data of its refusal, or None if it lets the call pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from eth_utils.crypto import keccak

from scripts._protocol import JOBS_MANAGER
from tests.contracts.safety.reverts.case import error_bytes
from tests.support.evm import Contract, custom_error


class State(Enum):
    """In which the protocol is when the call comes."""

    RUNNING = "running"
    PAUSED = "paused"
    NO_ROUND = "before the round is initialized"


class Wired(Protocol):
    """What guards ask: who owns the Controller, and the contracts by name."""

    @property
    def owner(self) -> str: ...

    def contracts(self) -> dict[str, Contract]: ...


@dataclass(frozen=True, slots=True)
class Cell:
    """One caller in one state."""

    world: Wired
    state: State
    caller: str
    """Its address."""
    actor: str
    """The address of the account that the row is about."""

    def is_contract(self, name: str) -> bool:
        contracts = self.world.contracts()
        return self.caller == contracts["TicketBroker" if name == JOBS_MANAGER else name].address


Guard = Callable[[Cell], bytes | None]


def _unless(passes: Callable[[Cell], bool], refusal: str) -> Guard:
    return lambda cell: None if passes(cell) else error_bytes(refusal)


LIVE = _unless(lambda cell: cell.state is not State.PAUSED, "system is paused")
READY = _unless(lambda cell: cell.state is not State.NO_ROUND, "current round is not initialized")
ONLY_PAUSED = _unless(lambda cell: cell.state is State.PAUSED, "system is not paused")
NEW_ROUND = _unless(lambda cell: cell.state is State.NO_ROUND, "round already initialized")
OWNER = _unless(lambda cell: cell.caller == cell.world.owner, "caller must be Controller owner")
# The Controller gives no reasons.
BARE_OWNER = _unless(lambda cell: cell.caller == cell.world.owner, "")
BARE_LIVE = _unless(lambda cell: cell.state is not State.PAUSED, "")
BARE_PAUSED = _unless(lambda cell: cell.state is State.PAUSED, "")
CONTROLLER = _unless(lambda cell: cell.is_contract("Controller"), "caller must be Controller")


def only(reason: str, *names: str) -> Guard:
    """The contracts registered under these ids."""
    return _unless(lambda cell: any(cell.is_contract(name) for name in names), reason)


def only_actor(reason: str) -> Guard:
    """The account that the row is about, which got the right to it in the set-up."""
    return _unless(lambda cell: cell.caller == cell.actor, reason)


def role(name: str) -> Guard:
    """The holder of a role of the token: the row's account."""
    key = keccak(text=name) if name else bytes(32)

    def refusal(cell: Cell) -> bytes | None:
        if cell.caller == cell.actor:
            return None
        return error_bytes(f"AccessControl: account {cell.caller} is missing role 0x{key.hex()}")

    return refusal


def nobody(data: bytes) -> Guard:
    """Refuses whoever comes to it."""
    return lambda _: data


def votes_writer(cell: Cell) -> bytes | None:
    """The BondingManager alone; the refusal is a custom error."""
    required = cell.world.contracts()["BondingManager"].address
    if cell.caller == required:
        return None
    return custom_error("InvalidCaller(address,address)", cell.caller, required)
