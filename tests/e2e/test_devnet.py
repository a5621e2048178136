"""`make devnet` as a process: what it says is up is up, and Ctrl-C leaves nothing behind."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coincurve
import pytest

from livepeer_client.adapters.chain.rpc import JsonRpc
from livepeer_client.adapters.chain.suite import Suite, load_addresses
from livepeer_client.codec.signature import public_key_to_address
from livepeer_client.types import Address
from tests.e2e.test_demo import ROOT, left_of, processes_of

COUNT = 3


@dataclass
class Devnet:
    folder: Path
    process: subprocess.Popen[str]
    said: list[str]

    @property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "devnet.json").read_text())
        return found

    def client(self, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "livepeer_client", *arguments, "--json"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    """By the client's command, which finds the repository around the folder it is called in."""
    return subprocess.Popen(
        [sys.executable, "-m", "livepeer_client", "devnet", "up", "--folder", str(folder), "--port", "0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # As with Ctrl-C in a terminal, but not to the tests themselves.
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    folder = tmp_path_factory.mktemp("net") / "devnet"
    process = start(folder, "--orchestrators", str(COUNT))
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("ready "):
                break
        assert said[-1].startswith("ready "), "".join(said)
        yield Devnet(folder, process, said)
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
        assert process.returncode == 0, rest
        assert rest.endswith("stopped; everything is gone\n")
        assert left_of(folder) == []
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_devnet__once_ready__has_every_orchestrator_active_with_its_stated_uri(devnet: Devnet) -> None:
    async def pool() -> list[tuple[str, str, bool]]:
        async with JsonRpc(devnet.facts["rpc_url"]) as rpc:
            suite = Suite(rpc, load_addresses(devnet.facts["addresses"]))
            return [("0x" + each.address.hex(), each.service_uri, each.active) for each in await suite.orchestrators()]

    stated = {(each["address"], each["service_uri"], True) for each in devnet.facts["orchestrators"]}
    assert len(stated) == COUNT
    assert set(asyncio.run(pool())) == stated


def test_devnet__the_keys_it_states__are_those_of_the_addresses(devnet: Devnet) -> None:
    people = [devnet.facts["deployer"], devnet.facts["gateway"], *devnet.facts["orchestrators"]]
    for each in people:
        key = coincurve.PrivateKey(bytes.fromhex(each["key"].removeprefix("0x")))
        assert public_key_to_address(key.public_key) == Address(bytes.fromhex(each["address"].removeprefix("0x")))
        assert any(each["key"] in line for line in devnet.said)


def test_devnet__its_gateways_settings__find_usable_orchestrators(devnet: Devnet) -> None:
    found = devnet.client("gateway", "discover", "--config", devnet.facts["gateway"]["settings"])
    assert {each["verdict"] for each in found["candidates"]} <= {"chosen", "eligible"}
    assert found["usable"] == len(found["candidates"]) == COUNT


def test_devnet__its_gateway__has_deposit_and_reserve(devnet: Devnet) -> None:
    status = devnet.client("status", "--config", devnet.facts["gateway"]["settings"])
    assert int(status["deposit"]) > 0
    assert int(status["reserve"]) > 0


def test_devnet__its_deployer__has_lpt_for_whoever_joins(devnet: Devnet) -> None:
    settings = devnet.facts["gateway"]["settings"]
    status = devnet.client("status", "--address", devnet.facts["deployer"]["address"], "--config", settings)
    assert int(status["lpt"]) == 10_000 * 10**18


def test_devnet__the_metrics_it_states__are_served(devnet: Devnet) -> None:
    for each in devnet.facts["orchestrators"]:
        with urllib.request.urlopen(each["metrics_url"], timeout=60) as answer:
            assert "livepeer_orchestrator_active 1.0" in answer.read().decode()


def test_devnet__the_next_steps_it_names__are_commands_that_exist(devnet: Devnet) -> None:
    steps = [line.split() for line in devnet.said if line.startswith("  ") and "livepeer-client" in line]
    assert [step[1] for step in steps] == ["gateway", "status", "dash"]
    for step in steps:
        assert subprocess.run([step[0], step[1], "--help"], capture_output=True, check=False).returncode == 0


def test_devnet__interrupted_while_it_comes_up__leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "devnet"
    process = start(folder, "--orchestrators", "1")
    end = time.monotonic() + 60
    while not any("anvil" in line for line in processes_of(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert (process.returncode, rest.splitlines()[-1]) == (130, "stopped before it was up; everything is gone")
    assert left_of(folder) == []


@pytest.mark.parametrize("count", ["0", "11", "many"])
def test_devnet__of_a_size_that_the_active_set_cannot_hold__is_refused(tmp_path: Path, count: str) -> None:
    process = start(tmp_path / "devnet", "--orchestrators", count)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "--orchestrators" in said
    assert not (tmp_path / "devnet").exists()


def test_devnet_up__outside_of_a_checkout__says_what_it_needs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "livepeer_client", "devnet", "up"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "checkout of the repository" in done.stderr


def test_devnet__on_a_port_in_use__says_so_at_once_and_begins_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "scripts._devnet", "--port", str(port), "--folder", str(tmp_path / "net")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    line = f"port {port} is in use: take another with --port, 0 for a free one\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
    assert not (tmp_path / "net").exists()
