"""A payment of the treasury by the commands as people type them, on a node of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from scripts._environment import ROOT
from scripts._params import FOLDER
from scripts._ports import free_port

# Seven processes that import Ape, on a busy machine.
pytestmark = pytest.mark.timeout(1200)
COMMAND_TIMEOUT_S = 300
START_TIMEOUT_S = 60
LPT = 10**18
# The first two of anvil's accounts.
DEPLOYER, PAYEE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def ape(url: str, folder: Path, *arguments: str) -> tuple[int, str, str]:
    files = ("--params", str(folder / "town.toml"), "--journal", str(folder / "journal.json"))
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ape"), "run", *arguments, "--network", url, *files],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "APE_DATA_FOLDER": str(folder)},
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class Chain:
    """The node, and what people do on it beside deciding."""

    def __init__(self, url: str) -> None:
        self.web3 = Web3(HTTPProvider(url))
        self.addresses: dict[str, str] = {}

    def wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.web3.is_connected():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def rpc(self, method: str, *parameters: Any) -> Any:
        return self.web3.provider.make_request(method, list(parameters))["result"]  # type: ignore[arg-type]

    def at(self, name: str) -> Any:
        abi = json.loads((ROOT / "client/livepeer_client/adapters/abi" / f"{name}.json").read_text())
        return self.web3.eth.contract(self.addresses[name], abi=abi).functions  # type: ignore[call-overload]

    def act(self, function: Any) -> None:
        receipt = self.web3.eth.wait_for_transaction_receipt(function.transact({"from": DEPLOYER}))
        assert receipt["status"] == 1

    def next_round(self) -> None:
        rounds = self.at("RoundsManager")
        left = rounds.currentRoundStartBlock().call() + rounds.roundLength().call() - self.web3.eth.block_number
        self.rpc("anvil_mine", hex(left))
        self.act(rounds.initializeRound())


def test_commands__deploy_propose_vote_queue_execute_verify__pay_somebody(tmp_path: Path) -> None:
    quick = (FOLDER / "local.toml").read_text()
    for old, new in (
        ("voting_period_rounds = 10", "voting_period_rounds = 1"),
        ("min_delay_s = 0", "min_delay_s = 90"),
    ):
        assert old in quick
        quick = quick.replace(old, new)
    (tmp_path / "town.toml").write_text(quick)
    proposal = tmp_path / "grant.json"
    transfer = {"contract": "LivepeerToken", "function": "transfer", "arguments": [PAYEE, "7 LPT"]}
    proposal.write_text(json.dumps({"description": "the first grant", "calls": [transfer]}))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([str(ROOT / "scripts" / "_bin" / "anvil"), "--port", str(port), "--silent"]) as node:
        try:
            chain = Chain(url)
            chain.wait()
            addresses = tmp_path / "addresses.json"
            code, _, errors = ape(url, tmp_path, "deploy", "--output", str(addresses), "--fund-lpt", f"{DEPLOYER}:1000")
            assert code == 0, errors
            assert "import_remapping" not in errors
            chain.addresses = json.loads(addresses.read_text())["contracts"]
            chain.next_round()
            chain.act(chain.at("LivepeerToken").transfer(chain.addresses["Treasury"], 10 * LPT))
            chain.act(chain.at("LivepeerToken").approve(chain.addresses["BondingManager"], 500 * LPT))
            chain.act(chain.at("BondingManager").bond(500 * LPT, DEPLOYER))
            chain.next_round()
            chain.next_round()

            def told(*arguments: str) -> str:
                code, output, errors = ape(url, tmp_path, *arguments)
                assert code == 0, errors
                return output

            assert f"Next: `ape run vote {proposal} for`" in told("propose", str(proposal))
            code, _, errors = ape(url, tmp_path, "queue", str(proposal))
            assert (code, "the proposal is Pending, not Succeeded" in errors) == (1, True)
            before = chain.at("RoundsManager").lastInitializedRound().call()
            assert f"now is round {before + 2}," in told("advance", "--rounds", "2")
            assert chain.at("RoundsManager").lastInitializedRound().call() == before + 2
            assert "votes for with 500 LPT" in told("vote", str(proposal), "for")
            chain.next_round()
            assert "It may be executed from" in told("queue", str(proposal))
            told("advance", "--seconds", "90")
            before = chain.at("LivepeerToken").balanceOf(PAYEE).call()
            assert "LivepeerToken.balanceOf(Treasury" in told("execute", str(proposal))

            assert chain.at("LivepeerToken").balanceOf(PAYEE).call() == before + 7 * LPT
            assert " 0 differ" in told("verify_deployment")
        finally:
            node.terminate()


def test_verification__without_network__says_which_option_is_missing(tmp_path: Path) -> None:
    """Ape starts a chain for such a command, on which there is nothing to verify."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ape"), "run", "verify_deployment"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "APE_DATA_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 2
    assert "say with --network where the deployment is" in " ".join(done.stderr.split())


def test_help__lists_commands_and_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ape"), "run", "--help"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "APE_DATA_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=True,
    )
    listed = {line.split()[0] for line in done.stdout.split("Commands:")[1].splitlines() if line.strip()}

    assert listed == {path.stem for path in (ROOT / "scripts").glob("[a-z]*.py")}
