"""Fixtures of the contract tests: a fresh build, accounts named by their role, and ways to deploy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _pytest._code import Traceback
from ape import config
from ape.api import AccountAPI
from ape.contracts import ContractInstance
from ape.managers.project import ProjectManager

from scripts._build import ensure_fresh
from scripts._environment import ROOT, complete_path
from scripts._params import LOCAL, Params
from scripts._protocol import Protocol, contract_id, deploy

complete_path()
# Ape's records of a test run stay in the checkout, apart from the accounts and caches of whoever runs it.
if "APE_DATA_FOLDER" not in os.environ:
    config.DATA_FOLDER = ROOT / ".ape"


@pytest.hookimpl(tryfirst=True)
def pytest_exception_interact(call: pytest.CallInfo[Any]) -> None:
    """Keep packages out of a failure's report: to Ape all below the checkout is the project's own, `.venv` too."""
    if call.excinfo is None:
        return
    own = [frame for frame in call.excinfo.traceback if "site-packages" not in Path(frame.path).parts]
    if own:
        call.excinfo.traceback = Traceback(own)


@pytest.fixture(scope="session", autouse=True)
def fresh_build(project: ProjectManager) -> None:
    """Compile everything again if any source differs from the last build."""
    ensure_fresh(project)


# --- roles ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def owner(accounts: Any) -> AccountAPI:
    """Deploys everything and owns the Controller."""
    return accounts[0]


@pytest.fixture(scope="session")
def transcoder(accounts: Any) -> AccountAPI:
    return accounts[1]


@pytest.fixture(scope="session")
def other_transcoder(accounts: Any) -> AccountAPI:
    return accounts[2]


@pytest.fixture(scope="session")
def delegator(accounts: Any) -> AccountAPI:
    return accounts[3]


@pytest.fixture(scope="session")
def other_delegator(accounts: Any) -> AccountAPI:
    return accounts[4]


@pytest.fixture(scope="session")
def broadcaster(accounts: Any) -> AccountAPI:
    """Pays for work: the sender of tickets."""
    return accounts[5]


@pytest.fixture(scope="session")
def receiver(accounts: Any) -> AccountAPI:
    """Gets what somebody else sends."""
    return accounts[6]


@pytest.fixture(scope="session")
def stranger(accounts: Any) -> AccountAPI:
    """Has no role at all."""
    return accounts[7]


@pytest.fixture(scope="session", autouse=True)
def roles(
    owner: AccountAPI,
    transcoder: AccountAPI,
    other_transcoder: AccountAPI,
    delegator: AccountAPI,
    other_delegator: AccountAPI,
    broadcaster: AccountAPI,
    receiver: AccountAPI,
    stranger: AccountAPI,
) -> None:
    """All of them exist from the start: Ape rewinds the chain when a session fixture turns up late."""


# --- deployment -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def controller(project: ProjectManager, owner: AccountAPI) -> ContractInstance:
    """A Controller that is not paused and knows no contract."""
    instance = owner.deploy(project.Controller)
    instance.unpause(sender=owner)
    return instance


@pytest.fixture(scope="module")
def register(controller: ContractInstance, owner: AccountAPI) -> Callable[[str, Any], None]:
    """`register(name, contract_or_account)` puts an address into the registry; an account can so play a contract."""

    def put(name: str, entry: Any) -> None:
        address = getattr(entry, "address", entry)
        controller.setContractInfo(contract_id(name), address, bytes(20), sender=owner)

    return put


@pytest.fixture(scope="module")
def params() -> Params:
    """Parameters of the `protocol` fixture; a module may override it."""
    return LOCAL


@pytest.fixture(scope="module")
def protocol(project: ProjectManager, owner: AccountAPI, params: Params) -> Protocol:
    """The whole protocol, wired and still paused."""
    return deploy(project, owner, params)
