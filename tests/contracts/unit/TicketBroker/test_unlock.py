"""unlock and isUnlockInProgress (spec 11.3)."""

from __future__ import annotations

import ape
import pytest

from tests.support.network import Network, logs_of


@pytest.mark.parametrize(("deposit", "reserve"), [(1, 0), (0, 1)])
def test_unlock__with_deposit_or_reserve__sets_withdraw_round(network: Network, deposit: int, reserve: int) -> None:
    network.fund(deposit, reserve)
    assert not network.broker.isUnlockInProgress(network.broadcaster)

    receipt = network.broker.unlock(sender=network.broadcaster)

    end = network.round + network.protocol.params.unlock_period_rounds
    assert logs_of(receipt, network.broker) == [
        ("Unlock", {"sender": network.broadcaster.address, "startRound": network.round, "endRound": end})
    ]
    assert network.broker.getSenderInfo(network.broadcaster)[0].withdrawRound == end
    assert network.broker.isUnlockInProgress(network.broadcaster)


def test_unlock__nothing_funded__reverts(network: Network) -> None:
    with ape.reverts("sender deposit and reserve are zero"):
        network.broker.unlock(sender=network.broadcaster)


def test_unlock__already_unlocking__reverts(network: Network) -> None:
    network.fund(1, 0)
    network.broker.unlock(sender=network.broadcaster)

    with ape.reverts("unlock already initiated"):
        network.broker.unlock(sender=network.broadcaster)


@pytest.mark.usefixtures("paused")
def test_unlock__paused__reverts(network: Network) -> None:
    with ape.reverts("system is paused"):
        network.broker.unlock(sender=network.broadcaster)
