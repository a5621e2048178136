"""A chain on which deployments begin, die and go on, each time from the journal on disk alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ethpm_types import ContractType

from scripts._deployment.journal import Journal
from scripts._deployment.run import Run
from scripts._deployment.site import Sender, Signed, Site
from scripts._deployment.steps import Create, Step
from scripts._environment import ROOT
from scripts._params import LOCAL, Params
from scripts._protocol import (
    construction,
    endowment,
    everything,
    genesis,
    hand_over,
    hand_over_to_governance,
    handles,
    header_of,
    opening,
)

LPT = 10**18


class Died(Exception):
    """The process is gone. What it had in memory is lost."""


@dataclass
class Fault:
    """Kills the deployer at one transaction: before it is signed and written down, before it is sent, or after."""

    moment: str
    # How many transactions go well before.
    after: int = 0


class MortalSender(Sender):
    def __init__(self, account: Any, site: Site, fault: Fault | None) -> None:
        super().__init__(account, site)
        self._fault = fault
        self.sent = 0

    def sign(self, transaction: Any, nonce: int) -> Signed:
        if self._strikes("before signing"):
            raise Died
        return super().sign(transaction, nonce)

    def send(self, signed: Signed) -> Any:
        if self._strikes("before sending"):
            raise Died
        receipt = super().send(signed)
        if self._strikes("after sending"):
            raise Died
        self.sent += 1
        return receipt

    def _strikes(self, moment: str) -> bool:
        return self._fault is not None and self._fault.moment == moment and self.sent == self._fault.after


class AlteredSite(Site):
    """With other sources than the checkout's, for some contracts."""

    def __init__(self, project: Any, provider: Any, altered: dict[str, Any]) -> None:
        super().__init__(project, provider)
        self._altered = altered

    def type_of(self, contract: str) -> Any:
        return self._altered.get(contract) or super().type_of(contract)


@dataclass
class Deployer:
    """Every call is a process of its own: it knows the chain and the journal's file and nothing else."""

    project: Any
    account: Any
    chain: Any
    path: Path
    amounts: dict[str, int]
    sites: list[Site] = field(default_factory=list)
    # Contracts whose sources were changed since.
    altered: dict[str, Any] = field(default_factory=dict)
    # Who gets the core in the end, or the Governor.
    owner: str | None = None
    # Everything that a network has, as `ape run deploy` makes it; else the core.
    governed: bool = False
    params: Params = LOCAL

    def new_site(self) -> Site:
        return AlteredSite(self.project, self.account.provider, self.altered)

    def run(self, fault: Fault | None = None, **options: Any) -> int:
        """The number of transactions sent. Raises Died where the fault strikes."""
        site = self.new_site()
        begun = header_of(site, self.address, self.params)
        journal = Journal.resume(self.path) if self.path.is_file() else Journal.begin(begun, self.path)
        try:
            journal.check_chain(site)
            sender = MortalSender(self.account, site, fault)
            run = Run(site=site, sender=sender, journal=journal, mine=self.chain.mine, **options)
            run.run(self.governed_steps(journal) if self.governed else self.steps(journal))
        finally:
            journal.close()
        self.sites.append(site)
        return sender.sent

    def steps(self, journal: Journal) -> list[Step]:
        return [
            *construction(LOCAL),
            *genesis(str(self.account.address), self.amounts, journal),
            *opening(),
            *(hand_over(str(self.account.address), self.owner) if self.owner else []),
        ]

    def governed_steps(self, journal: Journal) -> list[Step]:
        amounts = {**endowment(self.params), **self.amounts}
        return [
            *everything(self.params, self.address),
            *genesis(self.address, amounts, journal),
            *opening(),
            *hand_over_to_governance(self.params, self.address, self.owner),
        ]

    def recorded_site(self) -> Site:
        """With what the journal knows after a run that died."""
        journal = Journal.resume(self.path)
        journal.close()
        site, created = self.new_site(), journal.created()
        for step in everything(self.params, self.address):
            if isinstance(step, Create) and step.name in created:
                site.know(step.name, created[step.name], step.answers_as)
        return site

    @property
    def address(self) -> str:
        return str(self.account.address)

    @property
    def site(self) -> Site:
        """As the last run that came to its end left it."""
        return self.sites[-1]

    def protocol(self) -> Any:
        journal = Journal.resume(self.path)
        journal.close()
        return handles(self.site, LOCAL, journal.header.block)


def new_deployer(project: Any, chain: Any, accounts: Any, folder: Path) -> Deployer:
    amounts = {str(accounts[1].address): 5 * LPT, str(accounts[2].address): 7 * LPT}
    return Deployer(project, accounts[10], chain, folder / "journal.json", amounts)


def altered_type(sources: Path, name: str, change: Callable[[str], str]) -> ContractType:
    """Rewrite a contract in a copy of the sources, and compile it."""
    path = sources / "contracts" / f"{name}.vy"
    path.write_text(change((ROOT / "contracts" / f"{name}.vy").read_text()))
    printed = subprocess.run(
        ["vyper", "-p", str(sources), "-f", "abi,bytecode,bytecode_runtime", str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return ContractType.model_validate(
        {
            "contractName": name,
            "abi": json.loads(printed[0]),
            "deploymentBytecode": {"bytecode": printed[1]},
            "runtimeBytecode": {"bytecode": printed[2]},
        }
    )
