"""What `scripts._protocol.deploy` leaves behind (spec 16)."""

from __future__ import annotations

from typing import Any

import pytest

from scripts._params import DEMO, LOCAL, NETWORKS, TESTNET, InvalidParams
from scripts._protocol import MINTER_ROLE, PROXIED, contract_id, deploy, start
from tests.support.network import Network


def test_deploy__fresh_chain__registers_every_contract(network: Network) -> None:
    controller = network.protocol.controller
    addresses = network.protocol.addresses()

    for name, address in addresses.items():
        if name != "Controller":
            assert controller.getContract(contract_id(name)) == address
    for name in PROXIED:
        assert controller.getContract(contract_id(f"{name}Target")) not in ("", addresses[name])
    assert controller.getContract(contract_id("JobsManager")) == addresses["TicketBroker"]


def test_deploy__fresh_chain__sets_every_parameter(network: Network) -> None:
    params = network.protocol.params

    assert network.rounds.roundLength() == params.round_length_blocks
    assert network.rounds.roundLockAmount() == params.round_lock_amount_ppm
    assert network.bonding.unbondingPeriod() == params.unbonding_period_rounds
    assert network.bonding.getTranscoderPoolMaxSize() == params.num_active_transcoders
    assert network.broker.unlockPeriod() == params.unlock_period_rounds
    assert network.broker.ticketValidityPeriod() == params.ticket_validity_period_rounds
    assert network.minter.inflationChange() == params.inflation_change_ppb
    assert network.minter.targetBondingRate() == params.target_bonding_rate_ppb


def test_deploy__fresh_chain__only_the_minter_may_mint(network: Network) -> None:
    token = network.protocol.livepeer_token

    assert token.hasRole(MINTER_ROLE, network.minter.address)
    assert not token.hasRole(MINTER_ROLE, network.deployer.address)


def test_deploy__before_start__is_paused_and_without_round(project: Any, accounts: Any, chain: Any) -> None:
    protocol = deploy(project, accounts[0], LOCAL)

    assert protocol.controller.paused()
    assert protocol.rounds_manager.lastInitializedRound() == 0
    assert protocol.minter.inflation() == LOCAL.inflation_ppb

    first = start(protocol, accounts[0], chain.mine)
    assert not protocol.controller.paused()
    assert protocol.rounds_manager.lastInitializedRound() == first
    assert start(protocol, accounts[0], chain.mine) == first


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unlock_period_rounds", 0),
        ("ticket_validity_period_rounds", 0),
        ("round_length_blocks", 0),
        ("round_lock_amount_ppm", 1_000_001),
        ("unbonding_period_rounds", 0),
        ("unbonding_period_rounds", 2**64),
        ("num_active_transcoders", 0),
        ("inflation_ppb", 1_000_000_001),
        ("inflation_change_ppb", -1),
        ("target_bonding_rate_ppb", 1_000_000_001),
    ],
)
def test_params__unsafe_value__is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(InvalidParams, match=name):
        TESTNET.override(**{name: value})


def test_params__override__replaces_only_what_is_given() -> None:
    changed = DEMO.override(round_length_blocks=50, unlock_period_rounds=None)

    assert changed.round_length_blocks == 50
    assert changed.override(round_length_blocks=DEMO.round_length_blocks) == DEMO
    assert set(NETWORKS) == {"local", "demo", "arbitrum-sepolia"}


def test_params__unknown_name__is_refused() -> None:
    with pytest.raises(TypeError):
        LOCAL.override(round_length_seconds=1)
