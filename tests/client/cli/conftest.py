"""Commands of this process against a real chain with governance; each test starts from the same block."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from livepeer_client.adapters.chain.json_values import to_hex
from livepeer_client.adapters.chain.rpc import JsonRpc
from livepeer_client.adapters.chain.suite import Addresses
from livepeer_client.cli import build
from tests.support.anvil import ALICE, Role, anvil, set_stage
from tests.support.anvil_governance import CouncilStage, deploy_governance, opened_council
from tests.support.artifacts import CACHE

# Enough blocks for all that a test does within a round.
ROUND_BLOCKS = 60


@pytest.fixture(scope="package")
def chain() -> Iterator[tuple[str, Addresses]]:
    async def prepare(url: str) -> Addresses:
        addresses = await set_stage(url, CACHE, round_blocks=ROUND_BLOCKS)
        async with JsonRpc(url) as rpc:
            return await deploy_governance(rpc, addresses, CACHE)

    CACHE.mkdir(parents=True, exist_ok=True)
    with anvil() as url:
        yield url, asyncio.run(prepare(url))


@pytest.fixture
async def stage(chain: tuple[str, Addresses]) -> AsyncIterator[CouncilStage]:
    async with opened_council(*chain) as stage, stage.taken_back():
        yield stage


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as JSON."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """Standard error as JSON."""
        return json.loads(self.err)["error"]


@dataclass(frozen=True, slots=True)
class Desk:
    """Runs commands with the settings of one key."""

    folder: Path
    url: str
    addresses: Addresses

    def use(self, role: Role) -> None:
        """From now on with this key."""
        (self.folder / "key").write_text(role.key.hex())

    async def run(self, *arguments: str, env: dict[str, str | None] | None = None) -> Ran:
        """One command, with `--config` where it takes settings."""
        known = [*arguments, "--config", str(self.folder / "account.toml")]
        return await self.bare(*known, env=env)

    async def bare(self, *arguments: str, env: dict[str, str | None] | None = None) -> Ran:
        result = await asyncio.to_thread(CliRunner().invoke, build(), list(arguments), env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def desk(tmp_path: Path, chain: tuple[str, Addresses]) -> Desk:
    url, addresses = chain
    contracts = {name: to_hex(address) for name, address in addresses.contracts.items()}
    deployment = {"chain_id": addresses.chain_id, "controller": to_hex(addresses.controller), "contracts": contracts}
    (tmp_path / "addresses.json").write_text(json.dumps(deployment))
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "account.toml").write_text(
        f'[chain]\nrpc_url = "{url}"\naddresses = "addresses.json"\n[key]\nfile = "key"\n'
    )
    made = Desk(tmp_path, url, addresses)
    made.use(ALICE)
    return made
