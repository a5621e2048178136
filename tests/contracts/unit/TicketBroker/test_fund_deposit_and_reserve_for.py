"""fundDepositAndReserveFor (spec 11.2)."""

from __future__ import annotations

import ape
import pytest

from tests.support.network import ETH, Network, logs_of


def test_fund_deposit_and_reserve_for__another_account__funds_that_account(network: Network) -> None:
    receipt = network.broker.fundDepositAndReserveFor(
        network.broadcaster, 3 * ETH, 2 * ETH, value=5 * ETH, sender=network.stranger
    )

    assert logs_of(receipt, network.broker) == [
        ("ReserveFunded", {"reserveHolder": network.broadcaster.address, "amount": 2 * ETH}),
        ("DepositFunded", {"sender": network.broadcaster.address, "amount": 3 * ETH}),
    ]
    assert network.deposit_of(network.broadcaster) == 3 * ETH
    assert network.reserve_of(network.broadcaster) == 2 * ETH
    assert network.deposit_of(network.stranger) == 0


def test_fund_deposit_and_reserve_for__r11_third_party_funding__does_not_cancel_an_unlock(network: Network) -> None:
    network.fund(1, 1)
    network.broker.unlock(sender=network.broadcaster)
    withdraw_round = network.broker.getSenderInfo(network.broadcaster)[0].withdrawRound

    network.broker.fundDepositAndReserveFor(network.broadcaster, 1, 1, value=2, sender=network.stranger)

    assert network.broker.getSenderInfo(network.broadcaster)[0].withdrawRound == withdraw_round


def test_fund_deposit_and_reserve_for__oneself__cancels_an_unlock(network: Network) -> None:
    network.fund(1, 1)
    network.broker.unlock(sender=network.broadcaster)

    network.broker.fundDepositAndReserveFor(network.broadcaster, 1, 1, value=2, sender=network.broadcaster)

    assert not network.broker.isUnlockInProgress(network.broadcaster)


def test_fund_deposit_and_reserve_for__sum_differs_from_value__reverts(network: Network) -> None:
    with ape.reverts("msg.value does not equal sum of deposit amount and reserve amount"):
        network.broker.fundDepositAndReserveFor(network.broadcaster, 3, 2, value=4, sender=network.stranger)


@pytest.mark.usefixtures("paused")
def test_fund_deposit_and_reserve_for__paused__reverts(network: Network) -> None:
    with ape.reverts("system is paused"):
        network.broker.fundDepositAndReserveFor(network.broadcaster, 1, 1, value=2, sender=network.stranger)
