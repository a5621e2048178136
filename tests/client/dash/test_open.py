"""Whose board it is, and what is said where there is nothing to show."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from livepeer_client.adapters.sqlite import SqliteTicketStore
from livepeer_client.config import OrchestratorConfig, RedeemerConfig
from livepeer_client.errors import ConfigError, InvalidInput
from livepeer_client.nodes.dash import load_redeeming, run
from livepeer_client.nodes.desk import RedeemingNode
from livepeer_client.types import Address

CHAIN = '[chain]\nrpc_url = "http://127.0.0.1:1"\naddresses = "addresses.json"\n[key]\nfile = "key"\n'
ORCHESTRATOR = """[orchestrator]
service_uri = "https://127.0.0.1:8935"
listen = "127.0.0.1:8935"
data_dir = "data"
price_per_unit = 1
"""
REDEEMER = f"""[redeemer]
recipient = "0x{"52" * 20}"
listen = "127.0.0.1:9935"
data_dir = "data"
"""


def settings(folder: Path, table: str) -> Path:
    file = folder / "node.toml"
    file.write_text(CHAIN + table)
    (folder / "key").write_text(f"{7:064x}")
    (folder / "key").chmod(0o600)
    deployment = {"chain_id": 31337, "controller": "0x" + "11" * 20, "contracts": {}, "block": 0}
    (folder / "addresses.json").write_text(json.dumps(deployment))
    return file


def test_load_redeeming__of_an_orchestrators_settings__watches_its_own_tickets(tmp_path: Path) -> None:
    config = load_redeeming(settings(tmp_path, ORCHESTRATOR))
    assert isinstance(config, OrchestratorConfig)
    node = RedeemingNode.of(config)
    assert (node.store, node.recipient) == (tmp_path / "data" / "orchestrator.sqlite", None)


def test_load_redeeming__of_a_redeemers_settings__watches_those_of_its_recipient(tmp_path: Path) -> None:
    config = load_redeeming(settings(tmp_path, REDEEMER))
    assert isinstance(config, RedeemerConfig)
    node = RedeemingNode.of(config)
    assert (node.store, node.recipient) == (tmp_path / "data" / "redeemer.sqlite", Address(b"\x52" * 20))


@pytest.mark.parametrize("text", ["not = [toml", "[chain]\n"])
def test_load_redeeming__of_other_files__is_refused_in_full(tmp_path: Path, text: str) -> None:
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"node\.toml"):
        load_redeeming(tmp_path / "node.toml")


def test_dash__before_the_node_ever_ran__says_that_there_is_no_store(tmp_path: Path) -> None:
    file = settings(tmp_path, ORCHESTRATOR)
    done = subprocess.run(
        [sys.executable, "-m", "livepeer_client", "dash", "--config", str(file)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"livepeer-client: StoreError: {tmp_path}/data/orchestrator.sqlite does not exist\n"
    assert not (tmp_path / "data").exists()


async def test_dash__without_a_terminal__says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    config = load_redeeming(settings(tmp_path, ORCHESTRATOR))
    (tmp_path / "data").mkdir(mode=0o700)
    async with await SqliteTicketStore.open(tmp_path / "data" / "orchestrator.sqlite"):
        pass
    with pytest.raises(InvalidInput, match=r"needs a terminal; --serve"):
        await run(config)
