"""The kinds of change by which a deployment sets up governance, beside those of `steps`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from scripts._deployment.site import NULL_ADDRESS, Sender, Site
from scripts._deployment.steps import LPT, At, Check, Configure, Create, Step, resolved

if TYPE_CHECKING:
    from ape.api import TransactionAPI

CREATOR = "Creator"
TREASURY = "Treasury"
VOTING = "LivepeerGovernor"
GOVERNOR = "Governor"
FAUCET = "LivepeerTokenFaucet"

# Treasury cut rates are parts of 1e27, in the parameters of 1e9.
CUT_SCALE = 10**18
# Makes equal contracts of one creator differ; here there are none.
NUMBER = 0

Update = tuple[tuple[str, ...], tuple[int, ...], tuple[bytes, ...], int]
"""Of the Governor: whom to call, wei sent along, calldata, nonce."""


def update_id(update: Update) -> bytes:
    """By which the Governor knows an update (spec 15)."""
    return bytes(keccak(encode(["(address[],uint256[],bytes[],uint256)"], [update])))


def created_address(creator_contract: str, sender: str, code: bytes, data: bytes, number: int = NUMBER) -> str:
    """Where the Creator puts a contract (EIP-1014), as its `addressOf` says too."""
    salt = keccak(encode(["address", "bytes32", "uint256"], [sender, keccak(data), number]))
    packed = keccak(b"\xff" + bytes.fromhex(creator_contract[2:]) + salt + keccak(code))
    return str(to_checksum_address(packed[12:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateInitialised(Create):
    """A contract that anybody could initialise, created and initialised in one transaction (K22).

    Its address follows from what it is made of, so that another contract can name it before it is there.
    """

    # Who sends the transaction: nobody else gets the same address.
    by: str
    # Arguments of `initialize`.
    initial: tuple[object, ...]
    # Getter -> what it answers afterwards.
    settings: tuple[tuple[str, object], ...] = ()
    # How a setting is changed later, for people.
    decided_by: str = ""

    def wiring(self, site: Site) -> list[Check]:
        found = Create.wiring(self, site)
        for getter, value in self.settings:
            expected = resolved(value, site)
            answer = site.read(self.name, getter)
            found.append(Check(f"{self.name}.{getter}", expected, type(expected)(answer), self.decided_by))
        return found

    def parts(self) -> list[Callable[[Site], list[Check]]]:
        return [self.code, self.wiring]

    def creation_code(self, site: Site) -> bytes:
        return bytes(site.creation(self.contract, self.resolved(site)).data)

    def initialisation(self, site: Site) -> bytes:
        """Calldata."""
        return site.calldata(self.answers_as, "initialize", *resolved(self.initial, site))

    def address(self, site: Site) -> str:
        """Where it is or will be."""
        return created_address(site.addresses[CREATOR], self.by, self.creation_code(site), self.initialisation(site))

    def lands_at(self, site: Site, sender: Sender, nonce: int) -> str:
        return self.address(site)

    def transaction(self, site: Site) -> TransactionAPI:
        return site.call(CREATOR, "create", self.creation_code(site), self.initialisation(site), NUMBER)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureTreasuryCut(Configure):
    """The treasury's share of the rewards, which ends by itself once the treasury holds its ceiling."""

    ceiling: int

    def checks(self, site: Site) -> list[Check]:
        (check,) = Configure.checks(self, site)
        full = 0 < self.ceiling <= int(site.read(LPT, "balanceOf", site.addresses[TREASURY]))
        return [Check(check.subject, 0, 0)] if full and check.found == 0 else [check]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOwner(Step):
    """The Governor's first update: another owner of the Governor itself. Nothing else can change that (spec 15)."""

    owner: str

    @property
    def key(self) -> str:
        return f"stage the transfer of the {GOVERNOR} to {self.owner}"

    @property
    def subject(self) -> str:
        return GOVERNOR

    @property
    def lasting(self) -> bool:
        return False

    def update(self, site: Site) -> Update:
        data = site.calldata(GOVERNOR, "transferOwnership", self.owner)
        return (site.addresses[GOVERNOR],), (0,), (data,), 0

    def checks(self, site: Site) -> list[Check]:
        staged = int(site.read(GOVERNOR, "updates", update_id(self.update(site)))) > 0
        passed = str(site.read(GOVERNOR, "owner")) == self.owner
        return [Check("the transfer is staged or done", True, staged or passed)]

    def transaction(self, site: Site) -> TransactionAPI:
        return site.call(GOVERNOR, "stage", self.update(site), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteOwner(StageOwner):
    """After it the deployer cannot stage anything."""

    @property
    def key(self) -> str:
        return f"transfer the {GOVERNOR} to {self.owner}"

    @property
    def lasting(self) -> bool:
        return True

    def checks(self, site: Site) -> list[Check]:
        return [Check(f"{GOVERNOR}.owner", self.owner, str(site.read(GOVERNOR, "owner")))]

    def transaction(self, site: Site) -> TransactionAPI:
        return site.call(GOVERNOR, "execute", self.update(site))


def treasury(by: str, min_delay_s: int, governor: CreateInitialised) -> CreateInitialised:
    """It obeys the governor from its first block on, and nobody ever administers its roles but itself."""
    return CreateInitialised(
        name=TREASURY,
        contract=TREASURY,
        by=by,
        initial=(min_delay_s, [governor], [governor], NULL_ADDRESS),
        settings=(("getMinDelay", min_delay_s),),
        decided_by="A proposal has to call Treasury.updateDelay",
    )


def governor_proxy(by: str, proxy: str, arguments: tuple[object, ...], values: dict[str, int]) -> CreateInitialised:
    """:param values: getter -> value, in the order in which `initialize` takes them."""
    return CreateInitialised(
        name=VOTING,
        contract=proxy,
        arguments=arguments,
        interface=VOTING,
        by=by,
        initial=tuple(values.values()),
        settings=(*values.items(), ("timelock", At(TREASURY)), ("token", At("BondingVotes"))),
        decided_by=f"A proposal has to call the {VOTING}'s setter; the quota has none",
    )
