"""The commands as people run them, on a node with the chain id of Arbitrum Sepolia and with a key that Ape keeps."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from web3 import HTTPProvider, Web3

from scripts._deployment.site import NULL_ADDRESS
from scripts._environment import ROOT
from scripts._params import TESTNET
from scripts._ports import free_port
from scripts._protocol import everything, opening

CHAIN_ID = 421614
# The contracts count blocks of L1 there, of which there were so many when nobody had deployed anything.
L1_HEIGHT = 7_000_000
PASSPHRASE = "correct horse"
# LPT for the faucet: the right to mint, the minting, the right given back. Handed over: the token and the Controller.
STEPS = len(everything(TESTNET, NULL_ADDRESS)) + len(opening()) + 3 + 3
START_TIMEOUT_S = 60
COMMAND_TIMEOUT_S = 300

# Every command is a process that imports Ape; the first test runs six.
pytestmark = pytest.mark.timeout(1200)


@dataclass
class Terminal:
    """A shell without any of the Makefile's settings, in which `ape` is called by its path."""

    url: str
    web3: Web3
    data_folder: Path
    journal: Path
    deployer: str

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.data_folder),
            "APE_DATA_FOLDER": str(self.data_folder),
            "APE_ACCOUNTS_deployer_PASSPHRASE": PASSPHRASE,
        }
        network = ("--network", f"arbitrum:sepolia:{self.url}", "--journal", str(self.journal))
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "ape"), "run", *arguments, *network],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output, errors."""
        with self.start(*arguments) as process:
            try:
                output, errors = process.communicate(timeout=COMMAND_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return process.returncode, output, errors

    def deploy(self, *more: str) -> tuple[int, str, str]:
        return self.run("deploy", "--account", "deployer", "--allow-uncommitted", "--yes", *more)

    @property
    def nonce(self) -> int:
        return self.web3.eth.get_transaction_count(self.deployer)  # type: ignore[arg-type]

    def done(self) -> int:
        """Steps that the journal says are made."""
        with contextlib.suppress(FileNotFoundError):
            return sum(record.get("done", False) for record in json.loads(self.journal.read_text())["steps"].values())
        return 0


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("ape")
    key = Account.create()
    (folder / "accounts").mkdir()
    # As `ape accounts import` writes it, with a weaker derivation that takes less time.
    keyfile = {**Account.encrypt(key.key, PASSPHRASE, kdf="pbkdf2", iterations=2), "address": key.address}
    (folder / "accounts" / "deployer.json").write_text(json.dumps(keyfile))
    port = free_port()
    command = [str(ROOT / "scripts" / "_bin" / "anvil"), "--port", str(port), "--chain-id", str(CHAIN_ID), "--silent"]
    with subprocess.Popen([*command, "--number", str(L1_HEIGHT)]) as node:
        try:
            url = f"http://127.0.0.1:{port}"
            web3 = Web3(HTTPProvider(url))
            deadline = time.monotonic() + START_TIMEOUT_S
            while not web3.is_connected():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            web3.provider.make_request("anvil_setBalance", [key.address, hex(10**19)])  # type: ignore[arg-type]
            yield Terminal(url, web3, folder, folder / "journal.json", key.address)
        finally:
            node.terminate()


def test_commands__arbitrum_sepolia__killed_resumed_verified_and_idempotent(terminal: Terminal) -> None:
    code, output, errors = terminal.deploy("--dry-run")
    assert code == 0, errors
    assert "create Controller" in output
    assert f"{STEPS} to do" in output
    assert len(re.findall(r" to do +[1-9][\d,]* gas$", output, re.MULTILINE)) == STEPS
    assert (terminal.nonce, terminal.journal.exists()) == (0, False)

    # Somebody pulls the plug in the middle.
    with terminal.start("deploy", "--account", "deployer", "--allow-uncommitted", "--yes") as process:
        while terminal.done() < 7:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert 7 <= terminal.done() < STEPS

    addresses, again = terminal.data_folder / "addresses.json", terminal.data_folder / "again.json"
    code, _, errors = terminal.deploy("--output", str(addresses))
    assert code == 0, errors
    assert json.loads(addresses.read_text())["chain_id"] == CHAIN_ID
    assert terminal.done() == STEPS == terminal.nonce

    code, _, errors = terminal.deploy("--output", str(again))
    assert code == 0, errors
    assert terminal.nonce == STEPS
    assert again.read_text() == addresses.read_text()

    code, table, errors = terminal.run("verify_deployment")
    assert (code, "DIFFERS" in table) == (0, False), errors
    assert "RoundsManager.roundLength" in table


def test_commands__another_account__is_refused(terminal: Terminal) -> None:
    code, _, errors = terminal.run("deploy")

    assert code == 1
    assert "the deployment began with deployer" in errors


def test_commands__other_parameters__are_refused(terminal: Terminal) -> None:
    code, _, errors = terminal.deploy("--unbonding-period-rounds", "8")

    assert code == 1
    assert "unbonding_period_rounds = 8 instead of 7 in arbitrum-sepolia.toml" in errors
    assert "the deployment began with params" in errors


def test_commands__unsafe_parameter__is_refused_by_name(terminal: Terminal) -> None:
    code, _, errors = terminal.deploy("--unlock-period-rounds", "1")

    assert code == 2
    assert "unlock_period_rounds = 1: K20" in errors


def test_commands__parameters_of_another_network__are_refused(terminal: Terminal, tmp_path: Path) -> None:
    other = tmp_path / "mine.toml"
    other.write_text((ROOT / "scripts" / "_networks" / "arbitrum-sepolia.toml").read_text().replace("421614", "42161"))

    code, _, errors = terminal.deploy("--params", str(other))
    assert code == 2
    assert "mine is for chain 42161, this is chain 421614" in errors


def test_commands__upgrade_without_new_code__sends_nothing(terminal: Terminal) -> None:
    code, output, errors = terminal.run(
        "upgrade", "ServiceRegistry", "--account", "deployer", "--allow-uncommitted", "--yes"
    )

    assert code == 0, errors
    assert "is what the sources give" in errors
    assert "ServiceRegistryTarget code" in output
    assert terminal.nonce == STEPS


def test_commands__verification_input__has_every_contract(terminal: Terminal, tmp_path: Path) -> None:
    code, _, errors = terminal.run("verification_input", "--output", str(tmp_path / "out"))

    assert code == 0, errors
    lines = json.loads((tmp_path / "out" / "contracts.json").read_text())
    assert {line["standard_json"] for line in lines} | {"contracts.json"} == {
        path.name for path in (tmp_path / "out").iterdir()
    }


def test_commands__tampered__exit_code_says_so_and_names_it(terminal: Terminal) -> None:
    """Last: it leaves the deployment changed."""
    steps = json.loads(terminal.journal.read_text())["steps"]
    broker, governor = (steps[f"create {name}"]["address"] for name in ("TicketBroker", "Governor"))
    account = {"from": governor}
    request: Any = terminal.web3.provider.make_request
    request("anvil_setBalance", [governor, hex(10**18)])
    request("anvil_impersonateAccount", [governor])
    abi = json.loads((ROOT / "client/livepeer_client/adapters/abi/TicketBroker.json").read_text())
    sent = terminal.web3.eth.contract(broker, abi=abi).functions.setUnlockPeriod(9).transact(account)  # type: ignore[arg-type]
    terminal.web3.eth.wait_for_transaction_receipt(sent)

    code, table, errors = terminal.run("verify_deployment")
    assert code == 1
    assert "TicketBroker.unlockPeriod: expected 2, found 9" in errors
    assert "has to call TicketBroker.setUnlockPeriod(2)" in errors
    assert table.count("DIFFERS") == 1


def test_journal__holds_no_key(terminal: Terminal) -> None:
    keyfile = json.loads((terminal.data_folder / "accounts" / "deployer.json").read_text())
    key = bytes(Account.decrypt(keyfile, PASSPHRASE)).hex()

    assert key not in terminal.journal.read_text()
