"""New code behind a proxy: created, compared with the code in force, registered.

Until it is registered nothing changes for anybody. So all comparing is done before, on the chain itself: a node can
answer a call as if other code stood at an address.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ape.exceptions import ProviderError
from eth_utils.crypto import keccak

from scripts._deployment.errors import DeploymentError, StaleJournal
from scripts._deployment.run import Run
from scripts._deployment.site import Site
from scripts._deployment.steps import CONTROLLER, Check, Configure, Create, Register, Step, contract_id
from scripts._environment import ROOT
from scripts._layouts import FOLDER as LAYOUTS

ABIS = Path("client") / "livepeer_client" / "adapters" / "abi"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerCall:
    """What the Controller's owner has to send."""

    to: str
    data: str
    # The same in words.
    text: str


@dataclass(slots=True, kw_only=True)
class Upgrade:
    """Of one proxied contract. Can be begun again at any point."""

    run: Run
    # The whole protocol: what is known of it, and how it is checked afterwards.
    plan: Sequence[Step]
    create: Create
    register: Register

    @property
    def site(self) -> Site:
        return self.run.site

    def prepare(self) -> None:
        """Learn where everything is, and make room in the journal for new code.

        :raises DeploymentError: if the journal does not know the protocol.
        """
        journal, create, register = self.run.journal, self.create, self.register
        self.run.settle(self.plan)
        known = self.site.addresses
        missing = [step.name for step in self.plan if isinstance(step, Create) and step.name not in known]
        # An upgrade that died before its code was mined left no address.
        if missing and missing != [create.name]:
            raise DeploymentError(f"the journal knows no {missing[0]}: finish the deployment first")
        if not self.site.code(known[CONTROLLER]):
            raise StaleJournal(f"{journal.path}: this chain has no Controller at {known[CONTROLLER]}")
        if not missing and not create.code_check(self.site, known[create.name]).ok:
            journal.supersede({step.key: f"{step.key} ({known[create.name]})" for step in (create, register)})
        running = self.in_force()
        if not self.is_new():
            # The owner may have registered it, or another copy of it.
            if known.get(create.name) != running:
                journal.adopt(create.key, running)
                self.site.know(create.name, running, create.answers_as)
        elif journal.is_done(register.key) and known.get(create.name) != running:
            # It was in force once and the owner went back to other code: now it is wanted again.
            journal.supersede({register.key: f"{register.key} (before {running})"})

    def in_force(self) -> str:
        """The address of the code that runs now."""
        return str(self.site.read(CONTROLLER, "getContract", contract_id(self.register.name)))

    def registered_commit(self) -> bytes:
        return bytes(self.site.read(CONTROLLER, "getContractInfo", contract_id(self.register.name))[1])

    def is_new(self) -> bool:
        """False if the sources give the code that runs."""
        return not self.create.code_check(self.site, self.in_force()).ok

    def make_code(self) -> str:
        """Create the new code, if this was not done before, and say where it is."""
        self.run.run([self.create])
        return self.site.addresses[self.create.name]

    def compare_answers(self) -> list[Check]:
        """Every view without arguments, answered by the code in force and by the new code on the same storage."""
        old, new = self.in_force(), self.site.addresses[self.create.name]
        name, proxy = self.create.contract, self.site.addresses[self.create.contract]
        code = "0x" + self.site.code(new).hex()
        block = hex(self.site.height)
        views = {view.selector for view in self.site.type_of(name).view_methods if not view.inputs}
        views |= {
            f"{entry['name']}()" for entry in abi_in_force(self.registered_commit(), name) if is_plain_view(entry)
        }
        found = []
        for view in sorted(views):
            request = {"to": proxy, "data": "0x" + keccak(text=view)[:4].hex()}
            before = self._answer(request, block)
            after = self._answer(request, block, {old: {"code": code}})
            if before is not None:
                found.append(Check(f"{name}.{view.removesuffix('()')}", before, after or "no answer"))
        return found

    def _answer(self, *parameters: Any) -> str | None:
        try:
            return str(self.site.rpc("eth_call", *parameters))
        except ProviderError:
            return None

    def owner(self) -> str:
        return str(self.site.read(CONTROLLER, "owner"))

    def is_owner(self) -> bool:
        return self.owner() == self.run.sender.address

    def controller_call(self) -> ControllerCall:
        transaction = self.register.transaction(self.site)
        address = self.site.addresses[self.create.name]
        return ControllerCall(
            to=self.site.addresses[CONTROLLER],
            data="0x" + bytes(transaction.data).hex(),
            text=f'setContractInfo(keccak256("{self.register.name}"), {address}, 0x{self.site.commit.hex()})',
        )

    def decision(self) -> dict[str, Any]:
        """The same as an update of the Governor, as `ape run stage` reads it."""
        name, address = self.register.name, self.site.addresses[self.create.name]
        return {
            "description": f"{self.create.contract}: the code at {address}",
            "calls": [
                {
                    "contract": CONTROLLER,
                    "function": "setContractInfo",
                    "arguments": [f"keccak256({name})", address, f"0x{self.site.commit.hex()}"],
                }
            ],
            # The code was never there before, so that no other update is equal to this one.
            "nonce": 0,
        }

    def put_in_force(self) -> None:
        """Register the new code: from the next call on it runs."""
        self.run.run([self.create, self.register])

    def facts(self) -> list[Check]:
        """Of the contract alone, once the code is in force."""
        found = [*self.create.checks(self.site), *self.register.checks(self.site)]
        for step in self.plan:
            if isinstance(step, Create) and step.name == self.create.contract:
                found += step.wiring(self.site)
            elif isinstance(step, Configure) and step.subject == self.create.contract:
                found += step.checks(self.site)
        return found


def upgrade_of(name: str, run: Run, plan: Sequence[Step]) -> Upgrade:
    """The upgrade of a contract that stands behind a proxy."""
    create = next(step for step in plan if isinstance(step, Create) and step.name == f"{name}Target")
    register = next(step for step in plan if isinstance(step, Register) and step.name == f"{name}Target")
    return Upgrade(run=run, plan=plan, create=create, register=register)


# --- what is in force, from the commit that the registry names ------------------------------------


def layout_in_force(commit: bytes, name: str) -> dict[str, Any]:
    """The committed storage layout; of the checkout where that commit is not at hand."""
    layout: dict[str, Any] = json.loads(_committed(commit, LAYOUTS / f"{name}.json"))
    return layout


def abi_in_force(commit: bytes, name: str) -> list[dict[str, Any]]:
    """The committed ABI; of the checkout where that commit is not at hand."""
    abi: list[dict[str, Any]] = json.loads(_committed(commit, ABIS / f"{name}.json"))
    return abi


def is_plain_view(entry: dict[str, Any]) -> bool:
    """True for a function that only reads and takes no arguments."""
    return entry["type"] == "function" and not entry["inputs"] and entry["stateMutability"] in ("view", "pure")


def _committed(commit: bytes, path: Path) -> str:
    if any(commit):
        shown = subprocess.run(
            ["git", "-C", str(ROOT), "show", f"{commit.hex()}:{path}"], capture_output=True, text=True, check=False
        )
        if shown.returncode == 0:
            return shown.stdout
    return (ROOT / path).read_text()
