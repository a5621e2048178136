"""setUnlockPeriod (spec 11.7)."""

from __future__ import annotations

import ape

from tests.support.network import Network, logs_of


def test_set_unlock_period__by_owner__changes_the_period(network: Network) -> None:
    receipt = network.broker.setUnlockPeriod(5, sender=network.deployer)

    assert logs_of(receipt, network.broker) == [("ParameterUpdate", {"param": "unlockPeriod"})]
    assert network.broker.unlockPeriod() == 5


def test_set_unlock_period__by_stranger__reverts(network: Network) -> None:
    with ape.reverts("caller must be Controller owner"):
        network.broker.setUnlockPeriod(5, sender=network.stranger)


def test_set_unlock_period__k20_zero__reverts(network: Network) -> None:
    with ape.reverts("unlockPeriod must be greater than 0"):
        network.broker.setUnlockPeriod(0, sender=network.deployer)
