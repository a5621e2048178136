"""Where settings come from: file, environment, flags; and the commands that write and check them."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from livepeer_client.cli.templates import TEMPLATES
from livepeer_client.codec.address import checksum_address
from livepeer_client.config import gather, load_account, load_orchestrator
from livepeer_client.errors import ConfigError
from tests.client.cli.conftest import Desk
from tests.support.anvil import ALICE

FILE = """\
[chain]
rpc_url = "http://file.example/with-a-key"
addresses = "addresses.json"
poll_interval_s = 3
[key]
file = "key"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(FILE)
    return path


def test_load__flag_environment_and_file__win_in_this_order(file: Path) -> None:
    environ = {"LIVEPEER_CHAIN_RPC_URL": "http://env.example", "LIVEPEER_CHAIN_POLL_INTERVAL_S": "7.5", "HOME": "/"}
    sources = gather(environ, ["chain.rpc_url=http://flag.example", "chain.max_base_fee_wei=12"])
    chain = load_account(file, sources).chain
    assert (chain.rpc_url, chain.poll_interval_s, chain.max_base_fee_wei) == ("http://flag.example", 7.5, 12)
    origins = {setting.key: setting.origin for setting in sources.taken if setting.table == "chain"}
    assert origins["rpc_url"] == "flag --set chain.rpc_url"
    assert origins["poll_interval_s"] == "environment LIVEPEER_CHAIN_POLL_INTERVAL_S"
    assert origins["addresses"] == str(file)
    assert origins["max_fee_per_gas_wei"] == "default"


def test_load__without_a_file__the_environment_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {
        "LIVEPEER_CHAIN_RPC_URL": "http://env.example",
        "LIVEPEER_CHAIN_ADDRESSES": "addresses.json",
        "LIVEPEER_CHAIN_FALLBACK_RPC_URLS": "http://one.example, http://two.example",
        "LIVEPEER_KEY_FILE": "/keys/key",
    }
    account = load_account(None, gather(environ, []))
    # Paths of the environment start where the command was given.
    assert account.chain.addresses == tmp_path / "addresses.json"
    assert account.chain.rpc_urls == ("http://env.example", "http://one.example", "http://two.example")
    assert account.key.file == Path("/keys/key")


async def test_command__without_any_settings__says_what_to_name(desk: Desk) -> None:
    told = await desk.bare("status", env={"LIVEPEER_CONFIG": None})
    assert told.code == 2
    assert told.err == "livepeer-client: no settings for [chain]: name a settings file, or set LIVEPEER_CHAIN_...\n"


def test_load__a_value_that_does_not_fit__names_where_it_was(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"environment LIVEPEER_CHAIN_POLL_INTERVAL_S: \[chain\] poll_interval_s"):
        load_account(file, gather({"LIVEPEER_CHAIN_POLL_INTERVAL_S": "soon"}, []))
    with pytest.raises(ConfigError, match=r"flag --set chain.max_base_fee_wei: .* expected an integer"):
        load_account(file, gather({}, ["chain.max_base_fee_wei=1.5"]))


def test_load__a_misspelt_variable__is_refused_like_a_misspelt_key(file: Path) -> None:
    with pytest.raises(ConfigError, match="rpc_ulr: unknown key"):
        load_account(file, gather({"LIVEPEER_CHAIN_RPC_ULR": "http://env.example"}, []))


@pytest.mark.parametrize("text", ["true", "False"])
def test_load__flags_and_lists_as_text__are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "orchestrator.toml"
    path.write_text(TEMPLATES["orchestrator"])
    flags = ["orchestrator.capabilities_removed=mpegts, h264"]
    config = load_orchestrator(path, gather({"LIVEPEER_REWARD_ENABLED": text}, flags))
    assert config.reward.enabled is (text == "true")
    assert len(config.orchestrator.capabilities_removed) == 2


@pytest.mark.parametrize("flag", ["chain", "chain.rpc_url", "rpc_url=http://x", ".a=b", "a.=b"])
def test_gather__a_flag_of_another_form__is_refused(flag: str) -> None:
    with pytest.raises(ConfigError, match=r"expected table\.key=value"):
        gather({}, [flag])


def test_taken__urls__show_no_secret(file: Path) -> None:
    sources = gather(
        {}, ["chain.fallback_rpc_urls=https://user:pass@two.example:8545/v3/topsecret,http://plain.example"]
    )
    load_account(file, sources)
    shown = {setting.key: setting.shown for setting in sources.taken}
    assert shown["rpc_url"] == "http://file.example/(hidden)"
    assert shown["fallback_rpc_urls"] == "https://two.example:8545/(hidden), http://plain.example"


@pytest.mark.parametrize("role", TEMPLATES)
async def test_config_init__for_every_role__writes_what_check_accepts(desk: Desk, role: str) -> None:
    path = desk.folder / "new.toml"
    assert (await desk.bare("config", "init", role, "--out", str(path), "--json")).data == {
        "file": str(path),
        "role": role,
    }
    told = (await desk.bare("config", "check", "--config", str(path), "--json")).data
    origins = {(each["table"], each["key"]): each["origin"] for each in told["settings"]}
    if role == "transcoder":
        assert (told["role"], told["account"], told["chain_id"]) == (role, None, None)
        assert (origins[role, "orchestrator"], origins[role, "capacity"]) == (str(path), "default")
        return
    assert (told["role"], told["account"]) == (role, checksum_address(ALICE.address))
    assert origins["chain", "rpc_url"] == str(path)
    assert origins[role, "data_dir"] == str(path)
    assert origins["chain", "poll_interval_s"] == "default"


async def test_config_init__for_an_orchestrator__names_what_makes_its_tickets_with_the_defaults(desk: Desk) -> None:
    path = desk.folder / "new.toml"
    await desk.bare("config", "init", "orchestrator", "--out", str(path))
    told = (await desk.bare("config", "check", "--config", str(path), "--json")).data
    used = {each["key"]: each["value"] for each in told["settings"] if each["table"] == "orchestrator"}
    for key in ("ticket_ev_wei", "redeem_gas", "max_face_value_wei"):
        assert f"\n# {key} = {used[key]}\n" in path.read_text()


async def test_config_init__over_a_file__is_refused_and_leaves_it(desk: Desk) -> None:
    path = desk.folder / "account.toml"
    before = path.read_text()
    told = await desk.bare("config", "init", "gateway", "--out", str(path))
    assert (told.code, path.read_text()) == (2, before)


async def test_config_check__from_the_environment__says_so(desk: Desk) -> None:
    told = await desk.run("config", "check", "--json", env={"LIVEPEER_CHAIN_POLL_INTERVAL_S": "9"})
    assert {
        "table": "chain",
        "key": "poll_interval_s",
        "value": "9",
        "origin": "environment " + "LIVEPEER_CHAIN_POLL_INTERVAL_S",
    } in told.data["settings"]
    assert told.data["role"] is None


async def test_config_check__a_key_that_others_can_read__is_refused(desk: Desk) -> None:
    (desk.folder / "key").chmod(0o644)
    told = await desk.run("config", "check")
    assert told.code == 2
    assert "chmod 600" in told.err


async def test_run__a_port_that_is_taken__is_one_line_with_what_helps(desk: Desk) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = (desk.folder / "account.toml").read_text()
        (desk.folder / "account.toml").write_text(
            f'{settings}[signer]\nlisten = "127.0.0.1:{port}"\ndata_dir = "data"\nallow_no_auth = true\n'
        )
        program = [sys.executable, "-m", "livepeer_client", "signer", "run"]
        command = [*program, "--config", str(desk.folder / "account.toml")]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("livepeer-client: OSError: ")
    assert last.endswith("(another process listens there: change `listen`)")
    assert "Traceback" not in done.stderr
