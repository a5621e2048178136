"""`[discovery]` in a gateway's or a signer's file."""

from pathlib import Path

import pytest

from livepeer_client.config import DiscoveryConfig, Sources, load_gateway, load_orchestrator, load_signer
from livepeer_client.errors import ConfigError
from livepeer_client.types import Address

COMMON = """
[chain]
rpc_url = "http://127.0.0.1:8545"
addresses = "addresses.json"
[key]
file = "key"
"""
GATEWAY = COMMON + '[gateway]\ndata_dir = "data"\nmax_price_per_unit = 9\n'
SIGNER = COMMON + '[signer]\nlisten = "127.0.0.1:8936"\ndata_dir = "data"\n'
FULL = """
[discovery]
webhook_url = "https://hook.example/list?key=secret"
orchestrators = ["a.example:8935", "https://b.example:8935"]
signer_url = "https://signer.example"
headers = { Authorization = "Bearer secret" }
subgraph_url = "https://graph.example/secret"
merge = true
blocked = ["0x1111111111111111111111111111111111111111"]
extra_nodes = 2
fan_out = 50
refresh_s = 60
performance_url = "https://scores.example"
region = "FRA"
min_performance = 0.8
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_settings__with_credentials__are_shown_without_them(tmp_path: Path) -> None:
    """As `config check` prints them, which people paste."""
    sources = Sources()
    load_gateway(write(tmp_path, GATEWAY + FULL), sources)
    shown = {f"{each.table}.{each.key}": each.shown for each in sources.taken}

    assert shown["discovery.headers"] == "Authorization = (hidden)"
    assert shown["discovery.webhook_url"] == "https://hook.example/(hidden)"
    assert [key for key, text in shown.items() if "secret" in text] == []


def test_load_gateway__without_the_table__asks_the_chain_as_the_network_does(tmp_path: Path) -> None:
    assert load_gateway(write(tmp_path, GATEWAY)).discovery == DiscoveryConfig()


def test_load_gateway__every_key__is_read_and_secrets_are_not_shown(tmp_path: Path) -> None:
    found = load_gateway(write(tmp_path, GATEWAY + FULL)).discovery
    assert found.orchestrators == ("a.example:8935", "https://b.example:8935")
    assert found.headers == {"Authorization": "Bearer secret"}
    assert (found.merge, found.extra_nodes, found.fan_out, found.refresh_s) == (True, 2, 50, 60)
    assert found.blocked == {Address(b"\x11" * 20)}
    assert (found.region, found.min_performance) == ("FRA", 0.8)
    assert "secret" not in repr(found)


def test_load_signer__without_the_table__lists_nobody_and_with_it_does(tmp_path: Path) -> None:
    assert load_signer(write(tmp_path, SIGNER)).discovery is None
    assert load_signer(write(tmp_path, SIGNER + "[discovery]\n")).discovery == DiscoveryConfig()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"https://hook.example/list?key=secret"', '"ftp://secret"', "webhook_url: expected an http"),
        ('region = "FRA"\n', "", "region"),
        ("min_performance = 0.8", "min_performance = 8", "score in"),
        ('headers = { Authorization = "Bearer secret" }', "headers = { Authorization = 7 }", "header names with text"),
        ('headers = { Authorization = "Bearer secret" }', 'headers = { A = "secret\\nB" }', "header names with text"),
        ('"0x1111111111111111111111111111111111111111"', '"0x11"', "list of addresses"),
        ("fan_out = 50", "fan_out = 0", "an integer in"),
        ("merge = true", "mrege = true", "unknown key"),
    ],
)
def test_load_gateway__a_mistake__is_named_and_no_secret_is_told(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in FULL
    with pytest.raises(ConfigError, match=message) as caught:
        load_gateway(write(tmp_path, GATEWAY + FULL.replace(old, new)))
    assert "secret" not in str(caught.value)


def test_load_orchestrator__webhook_and_nodes__are_read(tmp_path: Path) -> None:
    text = COMMON + (
        '[orchestrator]\nservice_uri = "https://o.example:8935"\nlisten = "0.0.0.0:8935"\ndata_dir = "data"\n'
        'price_per_unit = 7\nnodes = ["https://o2.example:8935"]\ndiscovery_webhook_url = "https://hook.example/x"\n'
    )
    settings = load_orchestrator(write(tmp_path, text)).orchestrator
    assert settings.nodes == ("https://o2.example:8935",)
    assert settings.discovery_webhook_url == "https://hook.example/x"
    assert "hook.example" not in repr(settings)
