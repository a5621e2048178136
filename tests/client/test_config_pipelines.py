"""`[[pipelines]]` and prices for single senders in an orchestrator's file."""

from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.config import load_orchestrator
from livepeer_client.errors import ConfigError
from livepeer_client.policy.pipelines import Unit, pipeline_job
from livepeer_client.policy.price_list import Tariff
from livepeer_client.types import Address

ORCHESTRATOR = """
[chain]
rpc_url = "http://127.0.0.1:8545"
addresses = "addresses.json"
[key]
file = "key"
[orchestrator]
service_uri = "https://orchestrator.example:8935"
listen = "0.0.0.0:8935"
data_dir = "data"
price_per_unit = 7
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


HOLOGRAM = """
[[pipelines]]
pipeline = "audio-to-hologram"
capability = 91
model = "holo/v1"
price_per_unit = 7
pixels_per_unit = 3
unit = "seconds"
warm = true
capacity = 2
runner_version = "1.0.0"
sender_prices = { "0x1111111111111111111111111111111111111111" = 1 }

[[pipelines]]
pipeline = "text-to-image"
model = "flux"
price_per_unit = 5
"""


def test_load_orchestrator__pipelines__are_read_with_exact_prices(tmp_path: Path) -> None:
    config = load_orchestrator(write(tmp_path, ORCHESTRATOR + HOLOGRAM))
    hologram, image = config.pipelines.entries
    assert (hologram.capability, hologram.app, hologram.capacity) == (91, "audio-to-hologram/holo/v1", 2)
    assert hologram.price == Tariff(Fraction(7, 3), {Address(b"\x11" * 20): Fraction(1, 3)})
    assert (image.capability, image.unit, image.warm) == (27, Unit.UNITS, False)
    assert config.prices.price(Address(b"\x22" * 20), pipeline_job(91, "holo/v1")) == Fraction(7, 3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("capability = 91\n", "", "pipelines 1.*capability: expected an integer"),
        ("capability = 91", "capability = 35", "not named otherwise"),
        ('pipeline = "text-to-image"', 'pipeline = "text-to-image"\ncapability = 28', r"integer in \[27, 27\]"),
        ('unit = "seconds"', 'unit = "hours"', "one of pixels"),
        ("warm = true", "wram = true", "unknown key"),
        ('"0x1111111111111111111111111111111111111111" = 1', '"0x11" = 1', "addresses with wei"),
        (
            'pipeline = "text-to-image"\nmodel = "flux"',
            'pipeline = "audio-to-hologram"\ncapability = 91\nmodel = "holo/v1"',
            "listed twice",
        ),
        ("pixels_per_unit = 3", "pixels_per_unit = 2305843009213693951", "exact price"),
    ],
)
def test_load_orchestrator__wrong_pipeline__is_refused_by_entry_and_key(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in HOLOGRAM
    with pytest.raises(ConfigError, match=message):
        load_orchestrator(write(tmp_path, ORCHESTRATOR + HOLOGRAM.replace(old, new)))


def test_load_orchestrator__prices_for_single_senders__are_per_the_same_pixels(tmp_path: Path) -> None:
    table = 'sender_prices = { "0x1111111111111111111111111111111111111111" = 2 }\npixels_per_unit = 1000\n'
    config = load_orchestrator(write(tmp_path, ORCHESTRATOR.replace("[orchestrator]\n", "[orchestrator]\n" + table)))
    assert config.prices.price(Address(b"\x11" * 20)) == Fraction(2, 1000)
