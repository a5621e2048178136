"""Networks in every state of their deployment; each test's changes are rolled back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts._environment import ROOT
from tests.contracts.deployment.deployer import Deployer, new_deployer
from tests.contracts.deployment.town import ENDOWMENT, QUICK, STAKE, Town, populate


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


# --- with people ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def populated(project: Any, chain: Any, accounts: Any, tmp_path_factory: pytest.TempPathFactory) -> Deployer:
    """The first test account deploys and owns the Governor, as on anvil by default; it is a transcoder too."""
    deployer = new_deployer(project, chain, accounts, tmp_path_factory.mktemp("town"))
    amounts = {str(accounts[0].address): STAKE + ENDOWMENT}
    deployer = replace(deployer, account=accounts[0], governed=True, params=QUICK, amounts=amounts)
    deployer.run()
    populate(deployer)
    return deployer


@pytest.fixture
def town(populated: Deployer, chain: Any, capsys: Any, tmp_path: Path) -> Town:
    path = tmp_path / "journal.json"
    path.write_text(populated.path.read_text())
    return Town(replace(populated, path=path, sites=list(populated.sites), altered={}), chain, capsys, tmp_path)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the contracts that a test may change."""
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts", ignore=shutil.ignore_patterns("mocks"))
    return tmp_path
