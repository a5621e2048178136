"""Prices in other currencies in the nodes' files, `[price_feed]` and `[[ceilings]]`."""

from fractions import Fraction
from pathlib import Path

import pytest

from livepeer_client.config import PriceFeedConfig, gather, load_gateway, load_orchestrator, load_signer
from livepeer_client.errors import ConfigError, PriceUnavailable
from livepeer_client.policy.fiat import MAX_AGE_S, Amount
from livepeer_client.policy.price_book import Asked
from livepeer_client.types import Address
from tests.client.test_config_pipelines import ORCHESTRATOR, write

FEED = '[price_feed]\naddress = "0x639Fe6ab55C921f74e7fac1ee960C0B6293ba612"\n'
SENDER, OTHER = Address(b"\x11" * 20), Address(b"\x22" * 20)
GATEWAY = """
[chain]
rpc_url = "http://127.0.0.1:8545"
addresses = "addresses.json"
[key]
file = "key"
[gateway]
data_dir = "data"
max_price_per_unit = 7
"""


def orchestrator(price: str, more: str = "") -> str:
    return ORCHESTRATOR.replace("price_per_unit = 7", f"price_per_unit = {price}") + more


def test_load_orchestrator__price_in_dollars__is_exact_and_per_pixel(tmp_path: Path) -> None:
    text = orchestrator(
        f'"0.3e-6 USD"\npixels_per_unit = 2\nsender_prices = {{ "0x{SENDER.hex()}" = "1e-7USD" }}\n', FEED
    )
    config = load_orchestrator(write(tmp_path, text))
    base = config.price_book.base
    assert base.default == Amount(Fraction(15, 10**8), "USD")
    assert base.senders == {SENDER: Amount(Fraction(5, 10**8), "USD")}
    assert config.price_feed == PriceFeedConfig(Address(bytes.fromhex("639fe6ab55c921f74e7fac1ee960c0b6293ba612")))
    assert config.price_feed.max_age_s == MAX_AGE_S
    with pytest.raises(PriceUnavailable):
        config.prices.price(OTHER)


@pytest.mark.parametrize(
    ("price", "wei"),
    [("7", Fraction(7)), ('"7"', Fraction(7)), ('"2 wei"', Fraction(2)), ('"1e-15 ETH"', Fraction(1000))],
)
def test_load_orchestrator__price_in_wei_or_ether__needs_no_feed(tmp_path: Path, price: str, wei: int) -> None:
    assert load_orchestrator(write(tmp_path, orchestrator(price))).prices.price(SENDER) == wei


def test_load_orchestrator__price_of_a_flag__may_be_an_amount(tmp_path: Path) -> None:
    file = write(tmp_path, orchestrator("7", FEED))
    config = load_orchestrator(file, gather({}, ["orchestrator.price_per_unit=2e-6USD"]))
    assert config.orchestrator.base_price == Amount(Fraction(2, 10**6), "USD")
    assert load_orchestrator(file, gather({}, ["orchestrator.price_per_unit=12"])).orchestrator.base_price == 12


def test_load_orchestrator__pipeline_in_dollars__is_sold_at_the_rate_alone(tmp_path: Path) -> None:
    pipeline = '[[pipelines]]\npipeline = "text-to-image"\nmodel = "flux"\nprice_per_unit = "3e-6 USD"\n'
    config = load_orchestrator(write(tmp_path, ORCHESTRATOR + pipeline + FEED))
    (entry,) = config.pipelines.entries
    assert config.price_book.models == {entry.key: Asked(Amount(Fraction(3, 10**6), "USD"))}
    assert entry.price.default is None


@pytest.mark.parametrize(
    "text",
    [
        orchestrator('"0.3e-6 USD"'),
        ORCHESTRATOR + '[[pipelines]]\npipeline = "llm"\nmodel = "m"\nprice_per_unit = "1 USD"\n',
        orchestrator("7\n" + f'sender_prices = {{ "0x{SENDER.hex()}" = "1 EUR" }}\n'),
    ],
)
def test_load_orchestrator__currency_without_a_feed__is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"needs \[price_feed\] address"):
        load_orchestrator(write(tmp_path, text))


@pytest.mark.parametrize("price", ['"-1 USD"', '"USD"', '"1 U S D"', '"1e9999 USD"', '""', "[1]", f'"{2**63} wei"'])
def test_load_orchestrator__no_amount_of_money__is_refused(tmp_path: Path, price: str) -> None:
    with pytest.raises(ConfigError, match=r"price_per_unit: expected an integer .* or an amount such as"):
        load_orchestrator(write(tmp_path, orchestrator(price, FEED)))


@pytest.mark.parametrize(
    "feed",
    [
        '[price_feed]\naddress = "0x12"\n',
        FEED + "max_age_s = 5\n",
        FEED + "max_age_s = 1.5\n",
        FEED + "period = 5\n",
    ],
)
def test_load_orchestrator__feed_that_makes_no_sense__is_refused(tmp_path: Path, feed: str) -> None:
    with pytest.raises(ConfigError, match="price_feed"):
        load_orchestrator(write(tmp_path, ORCHESTRATOR + feed))


def test_load_gateway__ceilings__in_any_currency_and_for_single_models(tmp_path: Path) -> None:
    text = (
        GATEWAY.replace("= 7", '= "0.3e-6 USD"')
        + '[[ceilings]]\npipeline = "text-to-image"\nmodel = "flux"\nmax_price_per_unit = "2e-6 USD"\n'
        + '[[ceilings]]\npipeline = "llm"\nmax_price_per_unit = 30\npixels_per_unit = 4\n'
        + '[[ceilings]]\npipeline = "audio-to-hologram"\ncapability = 91\nmax_price_per_unit = 1\n'
        + FEED
    )
    config = load_gateway(write(tmp_path, text))
    assert config.gateway.ceiling == Amount(Fraction(3, 10**7), "USD")
    assert config.ceilings == {
        (27, "flux"): Amount(Fraction(2, 10**6), "USD"),
        (33, "default"): Fraction(30, 4),
        (91, "default"): Fraction(1),
    }


@pytest.mark.parametrize(
    "text",
    [
        GATEWAY.replace("= 7", '= "0.3e-6 USD"'),
        GATEWAY + '[[ceilings]]\npipeline = "llm"\nmax_price_per_unit = "1 USD"\n',
        GATEWAY + '[[ceilings]]\npipeline = "no-such"\nmax_price_per_unit = 1\n',
        GATEWAY + 2 * '[[ceilings]]\npipeline = "llm"\nmax_price_per_unit = 1\n',
        GATEWAY + '[[ceilings]]\npipeline = "llm"\n',
    ],
)
def test_load_gateway__ceiling_that_nobody_can_tell__is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load_gateway(write(tmp_path, text))


SIGNER = GATEWAY.replace("[gateway]", '[signer]\nlisten = "127.0.0.1:8935"')


def test_load_signer__ceiling_in_dollars__signs_nothing_before_there_is_a_rate(tmp_path: Path) -> None:
    model = '[[ceilings]]\npipeline = "llm"\nmax_price_per_unit = 30\n'
    config = load_signer(write(tmp_path, SIGNER.replace("= 7", '= "0.3e-6 USD"') + model + FEED))
    assert config.signer.ceiling == Amount(Fraction(3, 10**7), "USD")
    assert config.signer.policy.ceilings.general == 0
    assert config.ceilings == {(33, "default"): Fraction(30)}
    assert load_signer(write(tmp_path, SIGNER)).signer.policy.ceilings.general == 7
    with pytest.raises(ConfigError, match=r"needs \[price_feed\] address"):
        load_signer(write(tmp_path, SIGNER.replace("= 7", '= "0.3e-6 USD"')))
