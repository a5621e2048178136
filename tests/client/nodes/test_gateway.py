"""What can be said of a gateway without a chain; `tests/e2e` has the rest."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.config import ChainConfig, GatewayConfig, GatewaySettings, KeyConfig
from livepeer_client.errors import ConfigError
from livepeer_client.nodes.gateway import Gateway, describe
from livepeer_client.policy.selection import Candidate, Verdict
from livepeer_client.types import Address, Wei


def make_config(folder: Path) -> GatewayConfig:
    key = folder / "key"
    key.write_text("01" * 32)
    key.chmod(0o600)
    addresses = folder / "addresses.json"
    addresses.write_text(f'{{"chain_id": 31337, "controller": "0x{"11" * 20}"}}')
    return GatewayConfig(
        chain=ChainConfig("http://127.0.0.1:1", addresses, 5),
        key=KeyConfig(key, None),
        gateway=GatewaySettings(
            data_dir=folder / "data",
            max_price_per_unit=3,
            pixels_per_unit=2,
            max_ticket_ev_wei=Wei(10),
            max_total_ev_wei=Wei(100),
            deposit_multiplier=2,
            discovery_timeout_s=0.5,
            discovery_cutoff_s=6,
            probe_timeout_s=5,
            refresh_timeout_s=2.5,
            max_attempts=4,
        ),
    )


async def test_open__good_settings__has_books_and_rules_and_talks_to_nobody(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs the extra media")
    async with Gateway.open(make_config(tmp_path)) as gateway:
        assert await gateway.totals() == {}
        assert gateway.dispatcher.rules.ceiling == Fraction(3, 2)
        assert gateway.dispatcher.rules.max_attempts == 4
    assert (tmp_path / "data" / "books.sqlite").exists()


async def test_open__no_key_file__is_a_config_error_and_leaves_nothing(tmp_path: Path) -> None:
    config = replace(make_config(tmp_path), key=KeyConfig(tmp_path / "absent", None))
    with pytest.raises(ConfigError):
        async with Gateway.open(config):
            raise AssertionError("opened")
    assert not (tmp_path / "data").exists()


def test_describe__candidate_with_terms__shows_them_and_one_without_shows_dashes() -> None:
    line = Candidate(
        "https://o.example:8935", Address(bytes(20)), Fraction(3, 2), 0.25, 10**21, Verdict.CHOSEN, "drawn at 0.100"
    )
    assert describe(line).split() == [
        *("chosen", "https://o.example:8935", "1.5", "wei/px", "250", "ms", "1000", "LPT", "drawn", "at", "0.100")
    ]
    silent = replace(line, price=None, latency_s=None, verdict=Verdict.REJECTED, reason="no answer")
    assert describe(silent).split()[2:4] == ["-", "-"]
