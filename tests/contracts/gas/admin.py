"""Scenarios of deployment, registry and service addresses."""

from __future__ import annotations

from tests.contracts.gas.accounts import account
from tests.contracts.gas.stake import Gas
from tests.contracts.gas.world import World

DEPLOYED = (
    "Controller",
    "ManagerProxy",
    "ServiceRegistry",
    "RoundsManager",
    "TicketBroker",
    "BondingManager",
    "BondingVotes",
    "Minter",
    "LivepeerToken",
)
PUBLISHER = account("publisher").address


def creation(world: World, gas: Gas) -> None:
    """What it costs to create each contract."""
    for name in DEPLOYED:
        gas[f"deploy.{name}"] = world.suite.creation_gas[name]


def registry(world: World, gas: Gas) -> None:
    """A new entry, and another address under the same hash of a commit."""
    gas["controller.setContractInfo.new"] = world.suite.register("New", account("one").address)
    gas["controller.setContractInfo.change"] = world.suite.register("New", account("two").address)


def service_uri(world: World, gas: Gas) -> None:
    """An address of 40 and one of 31 bytes (a single slot in Solidity), each replaced by one that differs in the first
    32 bytes only."""
    for length in (40, 31):
        with world.branch():
            for turn, letter in {"first": "a", "update": "b"}.items():
                uri = f"https://{letter * (length - 25)}.example.net:8935"
                gas[f"setServiceURI.{turn}_{length}B"] = world.suite.send(
                    PUBLISHER, "ServiceRegistry", "setServiceURI(string)", uri
                )
