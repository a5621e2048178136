"""Everything that the protocol shows, read through its views: two states that look alike here are alike to everybody.

The views come from the compiled ABIs, so none is forgotten; their arguments from small domains, by type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from scripts._protocol import MINTER_ROLE
from tests.support.evm import NOBODY, Contract, Reverted
from tests.support.evm_abi import FunctionAbi
from tests.support.evm_suite import contract_id
from tests.support.evm_world import DELEGATOR, NEWCOMER, RECEIVER, SECOND, SENDER, STRANGER, TRANSCODER, World

ACCOUNTS = (NOBODY, TRANSCODER, SECOND, DELEGATOR, STRANGER, NEWCOMER, RECEIVER, SENDER)
Key = tuple[str, str, tuple[object, ...]]
Picture = dict[Key, object]
# Functions of their arguments alone, which say nothing about a state.
STATELESS = ("getTicketHash", "supportsInterface", "getRoleAdmin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Domains:
    """The arguments to ask for."""

    accounts: Sequence[str]
    rounds: Sequence[int]
    small_numbers: Sequence[int]
    """Ids of locks and LIPs."""
    words: Sequence[bytes]
    """Ticket hashes, roles and ids of the registry."""

    def of(self, function: FunctionAbi) -> Iterator[tuple[object, ...]]:
        """All combinations of arguments."""
        values: dict[str, Sequence[object]] = {
            "address": self.accounts,
            "uint256": self.small_numbers if "Lock" in function.name or "lip" in function.name else self.rounds,
            "bytes32": self.words,
        }
        return product(*(values[kind] for kind in function.inputs.kinds))


def domains(world: World, *accounts: str, tickets: Sequence[bytes] = ()) -> Domains:
    """Everybody, the contracts, and all rounds around the present one."""
    contracts = world.contracts()
    now = world.round
    names = [*contracts, *(f"{name}Target" for name in world.targets), "JobsManager"]
    return Domains(
        accounts=(*ACCOUNTS, *accounts, world.minter.address, world.bonding.address),
        rounds=range(now - 4, now + 2),
        small_numbers=(0, 1, 2, 36),
        words=(bytes(32), MINTER_ROLE, *tickets, *map(contract_id, names)),
    )


def views(contract: Contract) -> list[FunctionAbi]:
    """Every view that depends on the state."""
    return [
        function
        for function in contract.interface.own_functions()
        if function.mutability == "view" and function.name not in STATELESS
    ]


def take_picture(world: World, asked: Domains) -> Picture:
    """Answer, or the revert data, of every view for all arguments of the domains; and everybody's ether."""
    found: Picture = {}
    for name, contract in world.contracts().items():
        for function in views(contract):
            for args in asked.of(function):
                try:
                    found[name, function.signature, args] = contract.view(function.signature, *args)
                except Reverted as reverted:
                    found[name, function.signature, args] = reverted.data
    for account in (*asked.accounts, *(contract.address for contract in world.contracts().values())):
        found["ether", "", (account,)] = world.evm.balance(account)
    return found


def differences(before: Picture, after: Picture) -> dict[Key, tuple[object, object]]:
    """What changed, with both values."""
    return {
        key: (before.get(key), after.get(key))
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    }
