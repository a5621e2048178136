"""withdraw (spec 11.3)."""

from __future__ import annotations

import ape
import pytest

from tests.support.network import ETH, Network, logs_of


def unlock_and_wait(network: Network) -> None:
    network.broker.unlock(sender=network.broadcaster)
    for _ in range(network.protocol.params.unlock_period_rounds):
        network.next_round(initialize=False)


def test_withdraw__unlock_period_over__pays_everything_out(network: Network) -> None:
    network.fund(3 * ETH, 2 * ETH)
    unlock_and_wait(network)
    before = network.broadcaster.balance
    held = network.minter.balance

    receipt = network.broker.withdraw(sender=network.broadcaster)

    assert logs_of(receipt, network.broker) == [
        ("Withdrawal", {"sender": network.broadcaster.address, "deposit": 3 * ETH, "reserve": 2 * ETH})
    ]
    assert network.deposit_of(network.broadcaster) == 0
    assert network.reserve_of(network.broadcaster) == 0
    assert network.broadcaster.balance - before == 5 * ETH - receipt.total_fees_paid
    assert held - network.minter.balance == 5 * ETH


def test_withdraw__afterwards__unlock_stays_until_own_funding(network: Network) -> None:
    network.fund(1, 1)
    unlock_and_wait(network)
    network.broker.withdraw(sender=network.broadcaster)
    assert network.broker.isUnlockInProgress(network.broadcaster)

    network.broker.fundDepositAndReserveFor(network.broadcaster, 4, 0, value=4, sender=network.stranger)
    receipt = network.broker.withdraw(sender=network.broadcaster)
    assert logs_of(receipt, network.broker) == [
        ("Withdrawal", {"sender": network.broadcaster.address, "deposit": 4, "reserve": 0})
    ]

    network.fund(1, 1)
    assert not network.broker.isUnlockInProgress(network.broadcaster)


def test_withdraw__one_block_before_the_round__reverts(network: Network) -> None:
    network.fund(1, 1)
    network.broker.unlock(sender=network.broadcaster)
    for _ in range(network.protocol.params.unlock_period_rounds - 1):
        network.next_round(initialize=False)

    with ape.reverts("account is locked"):
        network.broker.withdraw(sender=network.broadcaster)


def test_withdraw__nothing_funded__reverts(network: Network) -> None:
    with ape.reverts("sender deposit and reserve are zero"):
        network.broker.withdraw(sender=network.broadcaster)


def test_withdraw__twice__reverts(network: Network) -> None:
    network.fund(1, 1)
    unlock_and_wait(network)
    network.broker.withdraw(sender=network.broadcaster)

    with ape.reverts("sender deposit and reserve are zero"):
        network.broker.withdraw(sender=network.broadcaster)


def test_withdraw__no_unlock__reverts(network: Network) -> None:
    network.fund(1, 1)

    with ape.reverts("no unlock request in progress"):
        network.broker.withdraw(sender=network.broadcaster)


@pytest.mark.usefixtures("paused")
def test_withdraw__paused__reverts(network: Network) -> None:
    with ape.reverts("system is paused"):
        network.broker.withdraw(sender=network.broadcaster)
