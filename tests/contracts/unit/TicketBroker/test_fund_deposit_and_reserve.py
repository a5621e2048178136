"""fundDepositAndReserve (spec 11.2)."""

from __future__ import annotations

import ape
import pytest

from tests.support.network import ETH, Network, logs_of

MISMATCH = "msg.value does not equal sum of deposit amount and reserve amount"


def test_fund_deposit_and_reserve__sum_equals_value__funds_both(network: Network) -> None:
    held = network.minter.balance

    receipt = network.fund(3 * ETH, 2 * ETH)

    assert logs_of(receipt, network.broker) == [
        ("ReserveFunded", {"reserveHolder": network.broadcaster.address, "amount": 2 * ETH}),
        ("DepositFunded", {"sender": network.broadcaster.address, "amount": 3 * ETH}),
    ]
    assert network.deposit_of(network.broadcaster) == 3 * ETH
    assert network.reserve_of(network.broadcaster) == 2 * ETH
    assert network.minter.balance - held == 5 * ETH


def test_fund_deposit_and_reserve__unlock_in_progress__is_cancelled_once_and_first(network: Network) -> None:
    network.fund(1, 1)
    network.broker.unlock(sender=network.broadcaster)

    receipt = network.fund(2, 3)

    assert logs_of(receipt, network.broker) == [
        ("UnlockCancelled", {"sender": network.broadcaster.address}),
        ("ReserveFunded", {"reserveHolder": network.broadcaster.address, "amount": 3}),
        ("DepositFunded", {"sender": network.broadcaster.address, "amount": 2}),
    ]


@pytest.mark.parametrize("value", [4, 6, 0])
def test_fund_deposit_and_reserve__sum_differs_from_value__reverts(network: Network, value: int) -> None:
    with ape.reverts(MISMATCH):
        network.broker.fundDepositAndReserve(3, 2, value=value, sender=network.broadcaster)


def test_fund_deposit_and_reserve__sum_overflows__reverts(network: Network) -> None:
    with ape.reverts():
        network.broker.fundDepositAndReserve(2**256 - 1, 2, value=1, sender=network.broadcaster)


@pytest.mark.usefixtures("paused")
def test_fund_deposit_and_reserve__paused__reverts(network: Network) -> None:
    with ape.reverts("system is paused"):
        network.fund(1, 1)
