"""fundReserve (spec 11.2)."""

from __future__ import annotations

import ape
import pytest

from tests.support.network import ETH, Network, logs_of


def test_fund_reserve__with_value__adds_to_reserve_and_moves_eth_to_minter(network: Network) -> None:
    held = network.minter.balance

    receipt = network.broker.fundReserve(value=2 * ETH, sender=network.broadcaster)

    assert logs_of(receipt, network.broker) == [
        ("ReserveFunded", {"reserveHolder": network.broadcaster.address, "amount": 2 * ETH})
    ]
    assert network.reserve_of(network.broadcaster) == 2 * ETH
    assert network.deposit_of(network.broadcaster) == 0
    assert network.minter.balance - held == 2 * ETH
    assert network.broker.balance == 0


def test_fund_reserve__unlock_in_progress__is_cancelled_after_funding(network: Network) -> None:
    network.broker.fundReserve(value=ETH, sender=network.broadcaster)
    network.broker.unlock(sender=network.broadcaster)

    receipt = network.broker.fundReserve(value=5, sender=network.broadcaster)

    assert logs_of(receipt, network.broker) == [
        ("ReserveFunded", {"reserveHolder": network.broadcaster.address, "amount": 5}),
        ("UnlockCancelled", {"sender": network.broadcaster.address}),
    ]
    assert not network.broker.isUnlockInProgress(network.broadcaster)


@pytest.mark.usefixtures("paused")
def test_fund_reserve__paused__reverts(network: Network) -> None:
    with ape.reverts("system is paused"):
        network.broker.fundReserve(value=ETH, sender=network.broadcaster)
