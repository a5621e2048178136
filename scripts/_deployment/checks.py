"""Expected against found, on the whole protocol: what its steps should have left, and that there is nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ape.exceptions import ApeException
from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

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
ROLE_GRANTED = keccak(text="RoleGranted(bytes32,address,address)")
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
    """What a deployed protocol should look like. Governance adds its steps, facts and holders to this."""

    profile: Profile
    # What was deployed and set, in order.
    steps: Sequence[Step]
    facts: Sequence[Fact]
    # Owner of the Controller and holder of the token's admin role.
    owner: str
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

    def _authority(self, site: Site) -> list[Check]:
        owner = str(site.read(CONTROLLER, "owner"))
        found = [
            Check(f"{CONTROLLER}.owner", self.owner, owner),
            Check(f"{CONTROLLER}.paused", self.paused, bool(site.read(CONTROLLER, "paused"))),
        ]
        if self.profile == "production":
            found.append(_kind(site, f"{CONTROLLER}.owner", owner))
        return found

    def _roles(self, site: Site) -> Iterable[Check]:
        """Everybody who was ever given a right on the token, and still has it."""
        names = {role: name for name, role in ROLES.items()}
        expected: dict[bytes, set[str]] = {role: set() for role in names}
        expected[ROLES["DEFAULT_ADMIN_ROLE"]].add(self.owner)
        for step in self.steps:
            if isinstance(step, GrantRole) and step.lasting:
                expected[ROLES[step.role]].add(site.addresses.get(step.holder, step.holder))
        given: dict[bytes, set[str]] = {role: set() for role in expected}
        for log in site.logs(LPT, self.block):
            if log.topics and log.topics[0] == ROLE_GRANTED:
                given.setdefault(log.topics[1], set()).add(to_checksum_address(log.topics[2][12:]))
        for role, accounts in given.items():
            name = names.get(role, "role 0x" + role.hex())
            accounts = accounts | expected.get(role, set())
            holders = {account for account in accounts if bool(site.read(LPT, "hasRole", role, account))}
            yield Check(f"holders of {name}", _listed(expected.get(role, set())), _listed(holders))
            if self.profile == "production":
                yield from (_kind(site, f"{name} of {holder}", holder) for holder in sorted(holders))


def _registry(site: Site, steps: Sequence[Step], block: int) -> Iterable[Check]:
    """Entries that no step made."""
    names = {contract_id(name): name for name in OTHER_IDS}
    planned = {contract_id(step.name) for step in steps if isinstance(step, Register)}
    seen: set[bytes] = set()
    for log in site.logs(CONTROLLER, block):
        if log.topics and log.topics[0] == SET_CONTRACT_INFO:
            seen.add(decode(["bytes32", "address", "bytes20"], log.data)[0])
    for entry in sorted(seen - planned):
        address = str(site.read(CONTROLLER, "getContract", entry))
        if not is_null(address):
            yield Check(f"registered {names.get(entry, '0x' + entry.hex())}", "nothing", address)


def _kind(site: Site, subject: str, account: str) -> Check:
    """On a production network no right may hang on one key."""
    return Check(f"{subject} is", "a contract", "a contract" if site.code(account) else f"the key of {account}")


def _value(site: Site, fact: Fact) -> list[Check]:
    return [Check(f"{fact.contract}.{fact.getter}", fact.expected, int(site.read(fact.contract, fact.getter)))]


def _listed(accounts: set[str]) -> str:
    return ", ".join(sorted(accounts)) or "nobody"


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
    return "\n".join(lines)


def recognised(site: Site, creations: Iterable[Create], known: dict[str, str]) -> None:
    """Tell the site every address: those that are known, and for the others what the Controller has registered."""
    for creation in creations:
        address = known.get(creation.name)
        if address is None:
            address = str(site.read(CONTROLLER, "getContract", contract_id(creation.name)))
        site.know(creation.name, address, creation.answers_as)
