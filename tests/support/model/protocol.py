"""The whole protocol: who is who, time, ether, and how a call is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from tests.support.model.bonding import BondingModel
from tests.support.model.controller import ControllerModel, RegistryModel, contract_id
from tests.support.model.minter import MinterModel
from tests.support.model.rounds import RoundsModel
from tests.support.model.state import Journal, Refused, Table
from tests.support.model.tickets import BrokerModel
from tests.support.model.token import TokenModel
from tests.support.model.votes import VotesModel

CHAIN_ID = 1
SECONDS_PER_BLOCK = 12
PROXIED = ("TicketBroker", "BondingManager", "BondingVotes", "RoundsManager", "ServiceRegistry")
LoggedEvent = tuple[str, str, tuple[Any, ...]]
"""Address, name, arguments in order."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call that succeeds leaves."""

    result: Any
    events: list[LoggedEvent]


class Model:
    """The protocol as deployed at given addresses: registered, paused, without parameters.

    A call either returns an `Outcome` or raises `Refused`, which then has changed nothing. Paid calls take the value
    as their second argument.
    """

    def __init__(self, address_of: dict[str, str], *, owner: str, block: int, rates: tuple[int, int, int]) -> None:
        self.journal = Journal()
        self.address_of = address_of
        """Every contract by the name in the registry, proxies' targets as `NameTarget`."""
        self.block = block
        self.events: list[LoggedEvent] = []
        self.ether: Table[str, int] = Table(self.journal, "ether", 0)
        self._contracts = set(address_of.values())
        self.controller = ControllerModel(self, owner)
        self.token = TokenModel(self, owner)
        self.rounds = RoundsModel(self)
        self.votes = VotesModel(self)
        self.bonding = BondingModel(self)
        self.broker = BrokerModel(self)
        self.registry = RegistryModel(self)
        self.minters: dict[str, MinterModel] = {}
        self.add_minter(address_of["Minter"], rates)
        for name, address in address_of.items():
            if name != "Controller":
                self.controller.entries[contract_id(name)] = (address, bytes(20))
        self.controller.entries[contract_id("JobsManager")] = (address_of["TicketBroker"], bytes(20))

    # --- surroundings -------------------------------------------------------------------------------------------------

    @property
    def timestamp(self) -> int:
        return SECONDS_PER_BLOCK * self.block

    @property
    def chain_id(self) -> int:
        return CHAIN_ID

    def block_hash(self, number: int) -> bytes:
        """Block hashes of the EVM that this model is compared with."""
        return bytes(keccak(text=str(number)))

    def add_minter(self, address: str, rates: tuple[int, int, int]) -> None:
        """One more Minter of the same Controller, not registered yet."""
        self.minters[address] = MinterModel(self, address, rates)
        self._contracts.add(address)

    def is_contract(self, address: str) -> bool:
        return address in self._contracts

    def is_manager(self, address: str) -> bool:
        """Obeys the Controller: the Minters, the proxies and the code behind them."""
        names = [*PROXIED, *(f"{name}Target" for name in PROXIED)]
        return address in self.minters or address in {self.address_of.get(name) for name in names}

    def minter(self) -> MinterModel:
        """The registered one."""
        return self.minters[self.controller.resolve("Minter")]

    def migrator(self) -> str:
        return self.controller.resolve("L2Migrator")

    # --- what parts do to each other ----------------------------------------------------------------------------------

    def emit(self, contract: str, event: str, *args: object) -> None:
        self.events.append((self.address_of[contract], event, args))

    def emit_at(self, address: str, event: str, *args: object) -> None:
        self.events.append((address, event, args))

    def updated(self, contract: str, parameter: str) -> None:
        self.emit(contract, "ParameterUpdate", parameter)

    def move_ether(self, source: str, to: str, amount: int) -> None:
        if self.ether[source] < amount:
            raise Refused
        self.ether[source] -= amount
        self.ether[to] += amount

    # --- calls --------------------------------------------------------------------------------------------------------

    def part(self, address: str) -> Any:
        """The model of the contract at an address."""
        if address in self.minters:
            return self.minters[address]
        parts = {
            "Controller": self.controller,
            "LivepeerToken": self.token,
            "RoundsManager": self.rounds,
            "BondingManager": self.bonding,
            "BondingVotes": self.votes,
            "TicketBroker": self.broker,
            "ServiceRegistry": self.registry,
        }
        for name, part in parts.items():
            if self.address_of[name] == address:
                return part
        # Such as a Minter whose deployment a shrunk history has left out.
        raise LookupError(f"nothing of the protocol is at {address}")

    def call(self, to: str, function: str, sender: str, args: tuple[Any, ...], value: int | None = None) -> Outcome:
        """Try a call.

        :param value: wei, for payable functions only; the sender has it.
        :raises Refused: nothing has changed.
        """
        method = getattr(self.part(to), function)
        return self.attempt(lambda: self._run(method, to, sender, args, value))

    def attempt(self, act: Callable[[], Any]) -> Outcome:
        """Do it, or nothing at all."""
        self.journal.begin()
        self.events = []
        try:
            result = act()
        except Refused:
            self.journal.rollback()
            self.events = []
            raise
        return Outcome(result, self.events)

    def _run(self, method: Any, to: str, sender: str, args: tuple[Any, ...], value: int | None) -> Any:
        if value is None:
            return method(sender, *args)
        self.move_ether(sender, to, value)
        if method.__name__ == "depositETH":
            return method(sender, *args)
        return method(sender, value, *args)

    def view(self, to: str, function: str, args: tuple[Any, ...]) -> Any:
        """:raises Refused: as the view does."""
        return getattr(self.part(to), function)(*args)
