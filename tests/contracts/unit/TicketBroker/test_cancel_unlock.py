"""cancelUnlock (spec 11.3)."""

from __future__ import annotations

import ape
import pytest

from tests.support.network import Network, logs_of


def test_cancel_unlock__unlock_in_progress__clears_withdraw_round(network: Network) -> None:
    network.fund(1, 1)
    network.broker.unlock(sender=network.broadcaster)

    receipt = network.broker.cancelUnlock(sender=network.broadcaster)

    assert logs_of(receipt, network.broker) == [("UnlockCancelled", {"sender": network.broadcaster.address})]
    assert network.broker.getSenderInfo(network.broadcaster)[0].withdrawRound == 0
    assert not network.broker.isUnlockInProgress(network.broadcaster)


def test_cancel_unlock__no_request__reverts(network: Network) -> None:
    with ape.reverts("no unlock request in progress"):
        network.broker.cancelUnlock(sender=network.broadcaster)


@pytest.mark.usefixtures("paused")
def test_cancel_unlock__paused__reverts(network: Network) -> None:
    with ape.reverts("system is paused"):
        network.broker.cancelUnlock(sender=network.broadcaster)
