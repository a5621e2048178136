"""Expected against found, on the whole protocol: what its steps should have left, and that there is nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ape.exceptions import ApeException
from eth_abi.abi import decode
from eth_utils.crypto import keccak

from scripts._deployment.governance_checks import Governance, kind_of, role_checks
from scripts._deployment.site import Site
from scripts._deployment.steps import (
    CONTROLLER,
    LPT,
    ROLES,
    Check,
    Create,
    GrantRole,
    Register,
    Step,
    contract_id,
    is_null,
)
from scripts._params import PPB, Profile

SET_CONTRACT_INFO = keccak(text="SetContractInfo(bytes32,address,bytes20)")
# Ids that the contracts ask for, beside those of the plan: people shall read their names.
OTHER_IDS = ("Governor", "L2Migrator", "LivepeerGovernor", "LivepeerGovernorTarget", "Treasury", "Verifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A value that no step sets: the constructor did, or nobody."""

    contract: str
    getter: str
    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a deployed protocol should look like."""

    profile: Profile
    # What was deployed and set, in order.
    steps: Sequence[Step]
    facts: Sequence[Fact]
    # Owner of the Controller and holder of the token's admin role: an address, or a contract by its name.
    owner: str
    # None: there is only the core.
    governance: Governance | None
    paused: bool
    # Nothing of the protocol happened before this block.
    block: int
    inflation_ppb: int
    inflation_change_ppb: int

    def check(self, site: Site) -> list[Check]:
        """Every fact about the chain; calls that fail are differences."""
        found: list[Check] = []
        for step in self.steps:
            for part in step.parts():
                found += _answered(step.key, partial(part, site))
        for fact in self.facts:
            found += _answered(f"{fact.contract}.{fact.getter}", partial(_value, site, fact))
        found += _answered("Minter.inflation", partial(self._inflation, site))
        found += _answered(CONTROLLER, partial(self._authority, site))
        found += _answered("the registry", partial(_registry, site, self.steps, self.block))
        found += _answered("the token's roles", partial(self._roles, site))
        if self.governance:
            for subject, ask in self.governance.parts(site, self.steps, self.block, production=self.is_production):
                found += _answered(subject, ask)
        # Two steps may have a fact in common.
        return list(dict.fromkeys(found))

    def _inflation(self, site: Site) -> list[Check]:
        """It moves by one step per round that was initialized, so a range is all that can be said."""
        inflation = int(site.read("Minter", "inflation"))
        first = int(site.read("RoundsManager", "lastRoundLengthUpdateRound"))
        rounds = max(0, int(site.read("RoundsManager", "lastInitializedRound")) - first) + 1
        low = max(0, self.inflation_ppb - rounds * self.inflation_change_ppb)
        high = min(PPB, self.inflation_ppb + rounds * self.inflation_change_ppb)
        expected = f"{low} to {high}"
        return [Check("Minter.inflation", expected, expected if low <= inflation <= high else str(inflation))]

    @property
    def is_production(self) -> bool:
        return self.profile == "production"

    def _owner(self, site: Site) -> str:
        return site.addresses.get(self.owner, self.owner)

    def _authority(self, site: Site) -> list[Check]:
        expected, owner = self._owner(site), str(site.read(CONTROLLER, "owner"))
        remedy = (
            f"If it is still the deployer's: `ape run deploy` goes on and hands over. Else its owner has to call "
            f"{CONTROLLER}.transferOwnership({expected})"
        )
        found = [
            Check(f"{CONTROLLER}.owner", expected, owner, remedy),
            Check(f"{CONTROLLER}.paused", self.paused, bool(site.read(CONTROLLER, "paused"))),
        ]
        if self.is_production:
            found.append(kind_of(site, f"{CONTROLLER}.owner", owner, remedy))
        return found

    def _roles(self, site: Site) -> Iterable[Check]:
        """Everybody who was ever given a right on the token, and still has it."""
        expected: dict[bytes, set[str]] = {role: set() for role in ROLES.values()}
        expected[ROLES["DEFAULT_ADMIN_ROLE"]].add(self._owner(site))
        for step in self.steps:
            if isinstance(step, GrantRole) and step.lasting:
                expected[ROLES[step.role]].add(site.addresses.get(step.holder, step.holder))
        by = f"The admin of {LPT}"
        yield from role_checks(site, LPT, ROLES, expected, self.block, by=by, production=self.is_production, prefix="")


def _registry(site: Site, steps: Sequence[Step], block: int) -> Iterable[Check]:
    """Entries that no step made."""
    names = {contract_id(name): name for name in OTHER_IDS}
    planned = {contract_id(step.name) for step in steps if isinstance(step, Register)}
    seen: set[bytes] = set()
    for log in site.logs(CONTROLLER, block, SET_CONTRACT_INFO):
        seen.add(decode(["bytes32", "address", "bytes20"], log.data)[0])
    for entry in sorted(seen - planned):
        address = str(site.read(CONTROLLER, "getContract", entry))
        if not is_null(address):
            name = names.get(entry, "0x" + entry.hex())
            remedy = f"The Controller's owner has to call setContractInfo(0x{entry.hex()}, 0, 0)"
            yield Check(f"registered {name}", "nothing", address, remedy)


def _value(site: Site, fact: Fact) -> list[Check]:
    return [Check(f"{fact.contract}.{fact.getter}", fact.expected, int(site.read(fact.contract, fact.getter)))]


def _answered(subject: str, ask: Callable[[], Iterable[Check]]) -> list[Check]:
    """What is found; one difference if the chain does not answer."""
    try:
        return list(ask())
    except (ApeException, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return [Check(subject, "an answer", f"none: {reason}")]


# --- for people -----------------------------------------------------------------------------------


def table(checks: Sequence[Check]) -> str:
    """One line per fact: ok or not, subject, expected, and what was found where it differs."""
    width = max(len(check.subject) for check in checks)
    lines = []
    for check in checks:
        if check.ok:
            lines.append(f"  ok       {check.subject:<{width}}  {check.expected}")
        else:
            lines.append(f"  DIFFERS  {check.subject:<{width}}  {check.expected}")
            lines.append(f"  found    {'':<{width}}  {check.found}")
            if check.remedy:
                lines.append(f"  mend     {'':<{width}}  {check.remedy}")
    return "\n".join(lines)


def recognised(site: Site, creations: Iterable[Create], known: dict[str, str]) -> None:
    """Tell the site every address: those that are known, and for the others what the Controller has registered."""
    for creation in creations:
        address = known.get(creation.name)
        if address is None:
            address = str(site.read(CONTROLLER, "getContract", contract_id(creation.name)))
        site.know(creation.name, address, creation.answers_as)
