"""A chain on which deployments begin, die and go on, each time from the journal on disk alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from scripts._deployment.journal import Journal
from scripts._deployment.run import Run
from scripts._deployment.site import Sender, Signed, Site
from scripts._deployment.steps import Create, Step
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


@pytest.fixture
def deployer(project: Any, chain: Any, accounts: Any, tmp_path: Path) -> Deployer:
    """Nothing is deployed yet; two accounts shall get LPT."""
    return new_deployer(project, chain, accounts, tmp_path)


@pytest.fixture(scope="module")
def finished(project: Any, chain: Any, accounts: Any, tmp_path_factory: pytest.TempPathFactory) -> Deployer:
    """For the `deployed` fixture only: tests must not write to its journal."""
    deployer = new_deployer(project, chain, accounts, tmp_path_factory.mktemp("finished"))
    deployer.run()
    return deployer


@pytest.fixture
def deployed(finished: Deployer, tmp_path: Path) -> Deployer:
    """A protocol that runs, with the journal of its deployment."""
    path = tmp_path / "journal.json"
    path.write_text(finished.path.read_text())
    return replace(finished, path=path, sites=list(finished.sites), altered={})


# --- with governance ------------------------------------------------------------------------------


@pytest.fixture
def governed_deployer(deployer: Deployer, accounts: Any) -> Deployer:
    """Nothing is deployed yet; in the end another account owns the Governor."""
    return replace(deployer, governed=True, owner=str(accounts[12].address))


@pytest.fixture(scope="module")
def finished_governed(project: Any, chain: Any, accounts: Any, tmp_path_factory: pytest.TempPathFactory) -> Deployer:
    """For the `governed` fixture only."""
    deployer = new_deployer(project, chain, accounts, tmp_path_factory.mktemp("governed"))
    deployer = replace(deployer, governed=True, owner=str(accounts[12].address))
    deployer.run()
    return deployer


@pytest.fixture
def governed(finished_governed: Deployer, tmp_path: Path) -> Deployer:
    """A whole network that runs and is handed over, with the journal of its deployment."""
    path = tmp_path / "journal.json"
    path.write_text(finished_governed.path.read_text())
    return replace(finished_governed, path=path, sites=list(finished_governed.sites), altered={})
