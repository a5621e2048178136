"""fundDeposit (spec 11.2)."""

from __future__ import annotations

import ape
import pytest

from tests.support.network import ETH, Network, logs_of


def test_fund_deposit__with_value__adds_to_deposit_and_moves_eth_to_minter(network: Network) -> None:
    held = network.minter.balance

    first = network.broker.fundDeposit(value=2 * ETH, sender=network.broadcaster)
    network.broker.fundDeposit(value=1 * ETH, sender=network.broadcaster)

    assert logs_of(first, network.broker) == [
        ("DepositFunded", {"sender": network.broadcaster.address, "amount": 2 * ETH})
    ]
    assert network.deposit_of(network.broadcaster) == 3 * ETH
    assert network.reserve_of(network.broadcaster) == 0
    assert network.minter.balance - held == 3 * ETH
    assert network.broker.balance == 0


def test_fund_deposit__without_value__changes_nothing_and_logs_zero(network: Network) -> None:
    receipt = network.broker.fundDeposit(sender=network.broadcaster)

    assert logs_of(receipt, network.broker) == [("DepositFunded", {"sender": network.broadcaster.address, "amount": 0})]
    assert network.deposit_of(network.broadcaster) == 0


def test_fund_deposit__unlock_in_progress__is_cancelled(network: Network) -> None:
    network.broker.fundDeposit(value=ETH, sender=network.broadcaster)
    network.broker.unlock(sender=network.broadcaster)

    receipt = network.broker.fundDeposit(value=5, sender=network.broadcaster)

    assert logs_of(receipt, network.broker) == [
        ("UnlockCancelled", {"sender": network.broadcaster.address}),
        ("DepositFunded", {"sender": network.broadcaster.address, "amount": 5}),
    ]
    assert network.broker.getSenderInfo(network.broadcaster)[0].withdrawRound == 0


def test_fund_deposit__round_not_initialized__still_funds(network: Network) -> None:
    network.next_round(initialize=False)

    network.broker.fundDeposit(value=ETH, sender=network.broadcaster)

    assert network.deposit_of(network.broadcaster) == ETH


@pytest.mark.usefixtures("paused")
def test_fund_deposit__paused__reverts(network: Network) -> None:
    with ape.reverts("system is paused"):
        network.broker.fundDeposit(value=ETH, sender=network.broadcaster)
