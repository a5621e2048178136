"""Settings of an orchestrator without a chain: what it needs, and what has no place in them."""

from pathlib import Path

import pytest

from livepeer_client.config import (
    OffchainConfig,
    OrchestratorConfig,
    gather,
    load_offchain,
    load_orchestrator,
    load_selling,
)
from livepeer_client.errors import ConfigError

SETTINGS = """
[orchestrator]
offchain = true
service_uri = "https://127.0.0.1:8935"
listen = "127.0.0.1:8935"
data_dir = "data"
"""


def file(folder: Path, more: str = "") -> Path:
    path = folder / "orchestrator.toml"
    path.write_text(SETTINGS + more)
    return path


def test_load_selling__five_lines_without_a_chain__are_enough(tmp_path: Path) -> None:
    config = load_selling(file(tmp_path))
    assert isinstance(config, OffchainConfig)
    assert not isinstance(config, OrchestratorConfig)
    assert (config.orchestrator.data_dir, config.orchestrator.max_sessions) == (tmp_path / "data", 10)


def test_load_offchain__pipelines__cost_nothing(tmp_path: Path) -> None:
    config = load_offchain(file(tmp_path, '[[pipelines]]\npipeline = "upscale"\nmodel = "own"\n'))
    assert [entry.price.default for entry in config.pipelines.entries] == [0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("price_per_unit", "1"),
        ("pixels_per_unit", "1"),
        ("sender_prices", "{}"),
        ("ticket_ev_wei", "1"),
        ("max_face_value_wei", "1"),
        ("redeem_gas", "1"),
        ("tx_cost_multiplier", "1"),
        ("auto_adjust_price", "true"),
        ("expiration_blocks", "40"),
        ("secret_file", '"secret"'),
        ("store_url", '"postgresql://db/x"'),
        ("discovery_webhook_url", '"https://auth.example"'),
    ],
)
def test_load_offchain__what_payments_need__is_refused_by_its_key(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[orchestrator\] {key}: expected nothing, as offchain = true"):
        load_selling(file(tmp_path, f"{key} = {value}\n"))


@pytest.mark.parametrize("table", ["chain", "key", "redemption", "rounds", "reward"])
def test_load_offchain__a_table_that_needs_a_chain__is_refused_by_its_name(tmp_path: Path, table: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[{table}\]: expected nothing, as offchain = true"):
        load_selling(file(tmp_path, f"[{table}]\n"))


def test_load_offchain__a_pipeline_with_a_price__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[pipelines 1\] price_per_unit: expected nothing"):
        load_selling(file(tmp_path, '[[pipelines]]\npipeline = "upscale"\nmodel = "own"\nprice_per_unit = 1\n'))


def test_load_selling__by_a_flag__goes_before_the_file(tmp_path: Path) -> None:
    path = file(tmp_path)
    assert isinstance(load_selling(path, gather({}, [])), OffchainConfig)
    with pytest.raises(ConfigError, match=r"\[chain\]: expected a table"):
        load_selling(path, gather({}, ["orchestrator.offchain=false"]))


def test_load_selling__neither_yes_nor_no__is_refused(tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.toml"
    path.write_text(SETTINGS.replace("offchain = true", 'offchain = "maybe"'))
    with pytest.raises(ConfigError):
        load_selling(path)


def test_load_orchestrator__for_what_needs_tickets__says_that_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="offchain"):
        load_orchestrator(file(tmp_path))
