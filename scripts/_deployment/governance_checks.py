"""What must hold of governance once it is handed over: nothing is open, nobody holds a right that is not planned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from scripts._deployment.governance import FAUCET, GOVERNOR, TREASURY, VOTING, CreateInitialised, update_id
from scripts._deployment.site import NULL_ADDRESS, Site
from scripts._deployment.steps import Check, Create, Step

ROLE_GRANTED = keccak(text="RoleGranted(bytes32,address,address)")
UPDATE = "(address[],uint256[],bytes[],uint256)"
UPDATE_STAGED = keccak(text=f"UpdateStaged({UPDATE},uint256)")
# What the code of an account begins with that its key lends a contract's code (EIP-7702): the key still signs for it.
DELEGATION = bytes.fromhex("ef0100")
ALREADY = "Initializable: contract is already initialized"

TREASURY_ROLES: dict[str, bytes] = {
    "DEFAULT_ADMIN_ROLE": bytes(32),
    **{name: keccak(text=name) for name in ("TIMELOCK_ADMIN_ROLE", "PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """Who is in charge of governance itself."""

    # Of the Governor, and of the faucet.
    owner: str
    has_faucet: bool

    def parts(self, site: Site, steps: Sequence[Step], block: int, *, production: bool) -> list[Part]:
        """Subject -> its facts."""
        parts: list[Part] = [
            ("initialisers", partial(_initialisers, site, steps)),
            (f"roles of the {TREASURY}", partial(self._treasury, site, block, production=production)),
            (GOVERNOR, partial(self._governor, site, block, production=production)),
        ]
        if self.has_faucet:
            parts.append((FAUCET, partial(self._faucet, site)))
        return parts

    def _treasury(self, site: Site, block: int, *, production: bool) -> Iterable[Check]:
        itself, governor = site.addresses[TREASURY], site.addresses[VOTING]
        expected = {role: {governor} for role in TREASURY_ROLES.values()}
        expected[TREASURY_ROLES["TIMELOCK_ADMIN_ROLE"]] = {itself}
        expected[TREASURY_ROLES["DEFAULT_ADMIN_ROLE"]] = set()
        yield from role_checks(site, TREASURY, TREASURY_ROLES, expected, block, by="A proposal", production=production)
        admin = TREASURY_ROLES["TIMELOCK_ADMIN_ROLE"]
        for name in ("TIMELOCK_ADMIN_ROLE", "PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE"):
            found = bytes(site.read(TREASURY, "getRoleAdmin", TREASURY_ROLES[name]))
            yield Check(f"{TREASURY}: admin of {name}", "0x" + admin.hex(), "0x" + found.hex())

    def _governor(self, site: Site, block: int, *, production: bool) -> Iterable[Check]:
        owner = str(site.read(GOVERNOR, "owner"))
        yield Check(
            f"{GOVERNOR}.owner",
            self.owner,
            owner,
            f"If it is still the deployer's: `ape run deploy` with --owner goes on. Else its owner has to stage and "
            f"execute an update that calls {GOVERNOR}.transferOwnership({self.owner})",
        )
        if production:
            yield kind_of(site, f"{GOVERNOR}.owner", owner, f"Give the {GOVERNOR} to a multi-signature contract")
        for id_, due in staged(site, block):
            yield Check(
                f"update 0x{id_.hex()}",
                "not staged",
                f"staged, due at block {due}",
                f"Its calls may give away everything the {GOVERNOR} owns. Look at it with `ape run stage FILE "
                "--dry-run`; its owner takes it back with `ape run cancel_update FILE`. A wanted one is executed first",
            )

    def _faucet(self, site: Site) -> Iterable[Check]:
        remedy = f"Its owner has to call {FAUCET}.transferOwnership({self.owner})"
        yield Check(f"{FAUCET}.owner", self.owner, str(site.read(FAUCET, "owner")), remedy)


Part = tuple[str, Callable[[], Iterable[Check]]]


def staged(site: Site, block: int) -> Iterable[tuple[bytes, int]]:
    """Updates that wait: id, and block from which anybody may execute them."""
    seen = {}
    for log in site.logs(GOVERNOR, block, UPDATE_STAGED):
        update = decode([UPDATE, "uint256"], log.data)[0]
        seen[update_id(update)] = True
    for id_ in seen:
        if due := int(site.read(GOVERNOR, "updates", id_)):
            yield id_, due


def _initialisers(site: Site, steps: Sequence[Step]) -> Iterable[Check]:
    """A stranger tries them all, with the arguments they were made for."""
    created = [step for step in steps if isinstance(step, CreateInitialised)]
    for step in created:
        data = site.calldata(step.answers_as, "initialize", *_plain(step.initial))
        behind = [other for other in steps if isinstance(other, Create) and other.name == f"{step.name}Target"]
        for name in (step.name, *(other.name for other in behind)):
            answer = site.attempt({"to": site.addresses[name], "data": "0x" + data.hex()})
            found = "open to anybody" if answer.ok else answer.reason
            yield Check(
                f"{name}.initialize",
                ALREADY,
                found,
                f"Whoever calls it owns {name}. Do not use this deployment: `ape run deploy --restart` makes another",
            )


def _plain(arguments: tuple[object, ...]) -> tuple[Any, ...]:
    """The same without addresses of other contracts, which do not matter here."""
    return tuple([] if isinstance(value, list) else value for value in arguments)


def kind_of(site: Site, subject: str, account: str, remedy: str = "") -> Check:
    """On a production network no right may hang on one key."""
    code = site.code(account)
    if code.startswith(DELEGATION):
        found = f"the key of {account}, which lends it the code at {to_checksum_address(code[len(DELEGATION) :])}"
    else:
        found = "a contract" if code else f"the key of {account}"
    return Check(f"{subject} is", "a contract", found, remedy)


def role_checks(
    site: Site,
    contract: str,
    roles: dict[str, bytes],
    expected: dict[bytes, set[str]],
    block: int,
    *,
    by: str,
    production: bool,
    prefix: str | None = None,
) -> Iterable[Check]:
    """Everybody who was ever given a role, as the events tell, and still has it, as the contract says.

    :param by: who can mend it.
    """
    names = {role: name for name, role in roles.items()}
    given: dict[bytes, set[str]] = {role: set() for role in expected}
    for log in site.logs(contract, block, ROLE_GRANTED):
        given.setdefault(log.topics[1], set()).add(to_checksum_address(log.topics[2][12:]))
    where = f"{contract}: " if prefix is None else prefix
    for role, accounts in given.items():
        name = names.get(role, "role 0x" + role.hex())
        wanted = expected.get(role, set())
        holders = {account for account in accounts | wanted if bool(site.read(contract, "hasRole", role, account))}
        calls = [f"revokeRole(0x{role.hex()}, {account})" for account in sorted(holders - wanted)]
        calls += [f"grantRole(0x{role.hex()}, {account})" for account in sorted(wanted - holders)]
        remedy = f"{by} has to call {contract}.{', '.join(calls)}" if calls else ""
        yield Check(f"{where}holders of {name}", listed(wanted), listed(holders), remedy)
        if former := accounts - wanted - holders:
            # Nothing is wrong with it, such as the right to mint that a deployer had for a while. It is good to know.
            yield Check(f"{where}held {name} once", listed(former), listed(former))
        if production:
            yield from (
                kind_of(site, f"{where}{name} of {holder}", holder, remedy)
                for holder in sorted(holders)
                if holder != NULL_ADDRESS
            )


def listed(accounts: set[str]) -> str:
    return ", ".join(sorted(accounts)) or "nobody"
