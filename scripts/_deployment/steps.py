"""The kinds of change a deployment is made of. Each knows its transaction and how to see that it is made.

The same facts decide whether a step is skipped and are what the verification prints, so the two cannot disagree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak

from scripts._deployment.site import NULL_ADDRESS, Sender, Site, digest

if TYPE_CHECKING:
    from ape.api import TransactionAPI

CONTROLLER = "Controller"
LPT = "LivepeerToken"
ROUNDS = "RoundsManager"
PROXY = "ManagerProxy"

ROLES: dict[str, bytes] = {
    "DEFAULT_ADMIN_ROLE": bytes(32),
    "MINTER_ROLE": keccak(text="MINTER_ROLE"),
    "BURNER_ROLE": keccak(text="BURNER_ROLE"),
}


def contract_id(name: str) -> bytes:
    """The key of a contract in the Controller's registry."""
    return keccak(text=name)


@dataclass(frozen=True, slots=True)
class Check:
    """One fact about the chain: what should be, and what is."""

    subject: str
    expected: Any
    found: Any
    # What mends a difference.
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return bool(self.expected == self.found)

    def __str__(self) -> str:
        told = f"{self.subject}: expected {self.expected}, found {self.found}"
        return f"{told}. {self.remedy}" if self.remedy and not self.ok else told


@dataclass(frozen=True, slots=True)
class At:
    """In a list of arguments: the address of the contract that was created under this name."""

    name: str

    def address(self, site: Site) -> str:
        return site.addresses[self.name]


def resolved(value: object, site: Site) -> Any:
    """An argument, or a list of them, with addresses in place of names."""
    if isinstance(value, (list, tuple)):
        return type(value)(resolved(item, site) for item in value)
    return value.address(site) if hasattr(value, "address") else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(ABC):
    """One change of the chain, made by one transaction of the deployer."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Says what happens; the journal's key. Unique in a plan."""

    @property
    @abstractmethod
    def subject(self) -> str:
        """The contract whose state the facts are about."""

    @abstractmethod
    def checks(self, site: Site) -> list[Check]:
        """Facts that hold once the step is made."""

    def parts(self) -> list[Callable[[Site], list[Check]]]:
        """The facts in groups, so that one for which the chain has no answer does not hide the others."""
        return [self.checks]

    @abstractmethod
    def transaction(self, site: Site) -> TransactionAPI: ...

    @property
    def lasting(self) -> bool:
        """False for a change that a later step takes back."""
        return True

    def blocks_to_wait(self, site: Site) -> int:
        """How many blocks the chain is too young for this step, as the contracts count blocks."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(Step):
    """A contract."""

    name: str
    contract: str
    arguments: tuple[object, ...] = ()
    # As what a proxy answers.
    interface: str = ""

    @property
    def key(self) -> str:
        return f"create {self.name}"

    @property
    def subject(self) -> str:
        return self.name

    @property
    def answers_as(self) -> str:
        return self.interface or self.contract

    @property
    def obeys_controller(self) -> bool:
        return bool(self.arguments) and self.arguments[0] == At(CONTROLLER)

    def resolved(self, site: Site) -> tuple[object, ...]:
        return tuple(resolved(self.arguments, site))

    def lands_at(self, site: Site, sender: Sender, nonce: int) -> str:
        """Where the contract will be if its transaction is sent with this nonce."""
        return sender.created_at(nonce)

    def code_check(self, site: Site, address: str) -> Check:
        found = site.code(address)
        expected = site.expected_code(self.contract, self.resolved(site), found)
        if expected == found:
            return Check(f"{self.name} code", digest(found), digest(found))
        return Check(f"{self.name} code", digest(expected), digest(found))

    def checks(self, site: Site) -> list[Check]:
        return [*self.code(site), *self.wiring(site)]

    def parts(self) -> list[Callable[[Site], list[Check]]]:
        return [self.code, self.wiring]

    def code(self, site: Site) -> list[Check]:
        return [self.code_check(site, site.addresses[self.name])]

    def wiring(self, site: Site) -> list[Check]:
        """What the constructor was told."""
        facts = []
        if self.obeys_controller:
            facts.append(
                Check(f"{self.name}.controller", site.addresses[CONTROLLER], str(site.read(self.name, "controller")))
            )
        if self.contract == PROXY:
            facts.append(
                Check(
                    f"{self.name}.targetContractId",
                    _hex(self.arguments[1]),
                    _hex(site.read(self.name, "targetContractId")),
                )
            )
        return facts

    def transaction(self, site: Site) -> TransactionAPI:
        return site.creation(self.contract, self.resolved(site))


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Step):
    """An entry of the Controller's registry."""

    name: str
    # The contract that is registered, if it was created under another name.
    entry: str = ""

    @property
    def key(self) -> str:
        return f"register {self.name}"

    @property
    def subject(self) -> str:
        return CONTROLLER

    def checks(self, site: Site) -> list[Check]:
        found = site.read(CONTROLLER, "getContract", contract_id(self.name))
        address = site.addresses[self.entry or self.name]
        remedy = f"The Controller's owner has to call setContractInfo for {self.name} with {address}"
        return [Check(f"registered {self.name}", address, str(found), remedy)]

    def transaction(self, site: Site) -> TransactionAPI:
        address = site.addresses[self.entry or self.name]
        return site.call(CONTROLLER, "setContractInfo", contract_id(self.name), address, site.commit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure(Step):
    """A parameter."""

    contract: str
    setter: str
    getter: str
    value: int

    @property
    def key(self) -> str:
        return f"{self.contract}.{self.setter}"

    @property
    def subject(self) -> str:
        return self.contract

    def checks(self, site: Site) -> list[Check]:
        remedy = f"The Controller's owner has to call {self.contract}.{self.setter}({self.value})"
        found = int(site.read(self.contract, self.getter))
        return [Check(f"{self.contract}.{self.getter}", self.value, found, remedy)]

    def transaction(self, site: Site) -> TransactionAPI:
        return site.call(self.contract, self.setter, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRole(Step):
    """A right on the token. The holder is a contract's name or an address."""

    role: str
    holder: str
    lasting_grant: bool = True

    @property
    def key(self) -> str:
        return f"grant {self.role} to {self.holder}"

    @property
    def subject(self) -> str:
        return LPT

    @property
    def lasting(self) -> bool:
        return self.lasting_grant

    def checks(self, site: Site) -> list[Check]:
        holds = bool(site.read(LPT, "hasRole", ROLES[self.role], self._address(site)))
        remedy = f"The admin of {LPT} has to call grantRole(0x{ROLES[self.role].hex()}, {self._address(site)})"
        return [Check(f"{self.holder} has {self.role}", True, holds, remedy)]

    def transaction(self, site: Site) -> TransactionAPI:
        return site.call(LPT, "grantRole", ROLES[self.role], self._address(site))

    def _address(self, site: Site) -> str:
        return site.addresses.get(self.holder, self.holder)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenounceRole(Step):
    """The deployer gives up a right on the token."""

    role: str
    holder: str
    lasting_loss: bool = True

    @property
    def key(self) -> str:
        return f"renounce {self.role} of {self.holder}"

    @property
    def subject(self) -> str:
        return LPT

    @property
    def lasting(self) -> bool:
        return self.lasting_loss

    def checks(self, site: Site) -> list[Check]:
        holds = bool(site.read(LPT, "hasRole", ROLES[self.role], self.holder))
        return [Check(f"{self.holder} has {self.role}", False, holds)]

    def transaction(self, site: Site) -> TransactionAPI:
        return site.call(LPT, "renounceRole", ROLES[self.role], self.holder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint(Step):
    """LPT for an account. It may be spent at once, so nothing on chain shows that it was made: the journal does."""

    # An address, or the name of a contract.
    account: str
    amount: int

    @property
    def key(self) -> str:
        return f"mint {self.amount} to {self.account}"

    @property
    def subject(self) -> str:
        return LPT

    def checks(self, site: Site) -> list[Check]:
        return []

    def transaction(self, site: Site) -> TransactionAPI:
        return site.call(LPT, "mint", site.addresses.get(self.account, self.account), self.amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpause(Step):
    """The protocol runs."""

    @property
    def key(self) -> str:
        return "unpause"

    @property
    def subject(self) -> str:
        return CONTROLLER

    def checks(self, site: Site) -> list[Check]:
        return [Check(f"{CONTROLLER}.paused", False, bool(site.read(CONTROLLER, "paused")))]

    def transaction(self, site: Site) -> TransactionAPI:
        return site.call(CONTROLLER, "unpause")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRound(Step):
    """A round is initialised. Later ones are anybody's business."""

    @property
    def key(self) -> str:
        return "initialize the first round"

    @property
    def subject(self) -> str:
        return ROUNDS

    def checks(self, site: Site) -> list[Check]:
        started = int(site.read(ROUNDS, "lastInitializedRound")) > 0
        return [Check("a round was initialized", True, started)]

    def blocks_to_wait(self, site: Site) -> int:
        if int(site.read(ROUNDS, "currentRound")) > 0:
            return 0
        start, length = (int(site.read(ROUNDS, getter)) for getter in ("currentRoundStartBlock", "roundLength"))
        return start + length - int(site.read(ROUNDS, "blockNum"))

    def transaction(self, site: Site) -> TransactionAPI:
        return site.call(ROUNDS, "initializeRound")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOwnership(Step):
    """A contract of the deployer's gets another owner: an address, or a contract by its name."""

    owner: str
    contract: str = CONTROLLER

    @property
    def key(self) -> str:
        return f"transfer the {self.contract} to {self.owner}"

    @property
    def subject(self) -> str:
        return self.contract

    def checks(self, site: Site) -> list[Check]:
        return [Check(f"{self.contract}.owner", self._address(site), str(site.read(self.contract, "owner")))]

    def transaction(self, site: Site) -> TransactionAPI:
        return site.call(self.contract, "transferOwnership", self._address(site))

    def _address(self, site: Site) -> str:
        return site.addresses.get(self.owner, self.owner)


def _hex(value: object) -> str:
    return "0x" + bytes(value).hex()  # type: ignore[call-overload, no-any-return]


def is_null(address: str) -> bool:
    return address == NULL_ADDRESS
