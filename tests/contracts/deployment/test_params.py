"""Files of parameters: what is in them is checked, and what is wrong is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts._environment import ROOT
from scripts._params import FOLDER, NAMES, NETWORKS, InvalidParams, load

DOCS = ROOT / "docs" / "deploy.md"
GOOD = (FOLDER / "arbitrum-sepolia.toml").read_text()


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def replaced(name: str, value: str) -> str:
    """The good file with one line changed."""
    lines = [f"{name} = {value}" if line.startswith(f"{name} =") else line for line in GOOD.splitlines()]
    text = "\n".join(lines)
    assert text != GOOD
    return text


def test_load__good_file__has_every_parameter(tmp_path: Path) -> None:
    network = load(written(tmp_path, GOOD))

    assert (network.name, network.profile, network.chain_id) == ("mine", "testnet", 421614)
    assert network.params == NETWORKS["arbitrum-sepolia"].params
    assert network.params.round_length_blocks == 6377


def test_arbitrum_sepolia__says_of_every_parameter_what_it_means() -> None:
    """The other files point to this one."""
    blocks = GOOD.split("[params]")[1].strip().split("\n\n")

    assert {block.splitlines()[-1].split(" = ")[0] for block in blocks} == set(NAMES)
    assert [block for block in blocks if not block.startswith("# ")] == []


def test_docs__table_of_parameters__has_the_values_of_the_files() -> None:
    rows = re.findall(
        r"^\| `(\w+_(?:ppm|ppb|rounds|blocks|transcoders|lpt|s|hours))` \|(.*)\|$", DOCS.read_text(), re.MULTILINE
    )
    documented = {name: [int(cell.replace(",", "")) for cell in cells.split("|")[-3:]] for name, cells in rows}

    networks = [NETWORKS[name].params.as_dict() for name in ("local", "demo", "arbitrum-sepolia")]
    assert documented == {name: [values[name] for values in networks] for name in NAMES}


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("round_length_blocks", "0", "K17"),
        ("unlock_period_rounds", "0", "K20"),
        ("inflation_ppb", "1_000_000_001", "K23"),
        ("unlock_period_rounds", "1", "K20: a sender could withdraw while its tickets are valid"),
        ("round_lock_amount_ppm", "1_000_000", "no block of a round is left"),
        ("num_active_transcoders", "65_536", "2^16"),
        ("unbonding_period_rounds", "7.0", "a whole number is needed"),
        ("unbonding_period_rounds", "true", "a whole number is needed"),
        ("unbonding_period_rounds", '"7"', "a whole number is needed"),
        ("chain_id", '"arbitrum"', "a whole number is needed"),
        ("treasury_reward_cut_ppb", "1_000_000_001", "a share is at most 100 %"),
        ("treasury_balance_ceiling_lpt", "-1", "an amount of LPT from 0 (no ceiling)"),
        ("treasury_min_delay_s", "1_000_000_000", "with more the treasury never acts"),
        ("voting_delay_rounds", "-1", "rounds from 0"),
        ("voting_period_rounds", "0", "a vote needs a round"),
        ("proposal_threshold_lpt", "0", "anybody could decide what the treasury does"),
        ("quorum_ppm", "0", "anybody could decide what the treasury does"),
        ("quorum_ppm", "1_000_001", "a share is at most 100 %"),
        ("quota_ppm", "0", "anybody could decide what the treasury does"),
        ("quota_ppm", "1_000_001", "a share is at most 100 %"),
        ("faucet_supply_lpt", "0.5", "a whole number is needed"),
        ("faucet_request_lpt", "0", "a faucet gives something"),
        ("faucet_request_lpt", "6_343_701", "no more than faucet_supply_lpt = 6343700"),
        ("faucet_wait_hours", "-1", "hours from 0"),
        ("profile", '"production"', "LPT is not given away where it is worth something"),
        ("profile", '"staging"', "one of development, testnet, production"),
    ],
)
def test_load__bad_value__is_refused_by_name(tmp_path: Path, name: str, value: str, rule: str) -> None:
    with pytest.raises(InvalidParams) as refusal:
        load(written(tmp_path, replaced(name, value)))

    # The faucet is what a production profile refuses.
    named = "faucet_supply_lpt" if value == '"production"' else name
    assert str(refusal.value).startswith(f"mine.toml: {named} = ")
    assert rule in str(refusal.value)


@pytest.mark.parametrize("name", NAMES)
def test_load__parameter_missing__is_refused_by_name(tmp_path: Path, name: str) -> None:
    text = "\n".join(line for line in GOOD.splitlines() if not line.startswith(f"{name} ="))

    with pytest.raises(InvalidParams, match=f"mine.toml: {name} is missing"):
        load(written(tmp_path, text))


def test_load__unknown_parameter__is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match="round_length_seconds: there is no such parameter"):
        load(written(tmp_path, GOOD + "round_length_seconds = 1\n"))


def test_load__unknown_setting__is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match="private_key: there is no such setting"):
        load(written(tmp_path, 'private_key = "0x"\n' + GOOD))


def test_load__public_network_without_chain_id__is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match="chain_id is missing"):
        load(written(tmp_path, GOOD.replace("chain_id = 421614", "")))


def test_load__not_toml__is_refused_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match=r"mine\.toml"):
        load(written(tmp_path, "params = ["))


def test_override__of_a_public_network__is_checked_against_its_other_values() -> None:
    with pytest.raises(InvalidParams, match="unlock_period_rounds = 2"):
        NETWORKS["arbitrum-sepolia"].override(ticket_validity_period_rounds=3)
