"""claimableReserve, claimedReserve, getReserveInfo and getSenderInfo (spec 11.4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.network import LPT, NULL_ADDRESS, Network

RESERVE = 1001
# Two transcoders are active.
SHARE = RESERVE // 2


def claim(network: Network, amount: int, **changes: Any) -> None:
    """Redeem a ticket that only the reserve can pay."""
    network.broker.redeemWinningTicket(
        *network.ticket(face_value_wei=amount, **changes).arguments(), sender=network.stranger
    )


def test_claimable_reserve__active_transcoder__is_an_equal_share(network: Network) -> None:
    network.fund(0, RESERVE)

    assert network.broker.claimableReserve(network.broadcaster, network.transcoder) == SHARE
    assert network.broker.claimableReserve(network.broadcaster, network.second_transcoder) == SHARE


@pytest.mark.parametrize("claimant", ["delegator", "stranger", "null"])
def test_claimable_reserve__not_active__is_zero(network: Network, claimant: str) -> None:
    network.fund(0, RESERVE)
    account = NULL_ADDRESS if claimant == "null" else getattr(network, claimant)

    assert network.broker.claimableReserve(network.broadcaster, account) == 0


def test_claimable_reserve__after_a_claim__is_reduced_for_the_claimant_only(network: Network) -> None:
    network.fund(0, RESERVE)

    claim(network, 300)

    assert network.broker.claimableReserve(network.broadcaster, network.transcoder) == SHARE - 300
    assert network.broker.claimableReserve(network.broadcaster, network.second_transcoder) == SHARE
    assert network.broker.claimedReserve(network.broadcaster, network.transcoder) == 300
    assert network.broker.claimedReserve(network.broadcaster, network.second_transcoder) == 0


def test_claimable_reserve__next_round__starts_anew_from_what_is_left(network: Network) -> None:
    network.fund(0, RESERVE)
    claim(network, 300)

    network.next_round()

    assert network.broker.claimableReserve(network.broadcaster, network.transcoder) == (RESERVE - 300) // 2
    assert network.broker.claimedReserve(network.broadcaster, network.transcoder) == 0
    assert network.broker.getReserveInfo(network.broadcaster).claimedInCurrentRound == 0


def test_claimable_reserve__k8_pool_grows_after_a_claim__share_is_unchanged(network: Network) -> None:
    network.fund(0, RESERVE)
    claim(network, SHARE)

    network.become_transcoder(network.late_transcoder, 1000 * LPT)

    assert network.bonding.getTranscoderPoolSize() == 3
    assert network.broker.claimableReserve(network.broadcaster, network.transcoder) == 0
    assert network.broker.claimableReserve(network.broadcaster, network.second_transcoder) == SHARE
    claim(network, SHARE, recipient=str(network.second_transcoder.address))
    assert network.reserve_of(network.broadcaster) == 1


def test_claimable_reserve__k8_pool_shrinks__nobody_gets_more_than_a_share(network: Network) -> None:
    network.fund(0, RESERVE)

    network.bonding.unbond(1000 * LPT, sender=network.second_transcoder)

    assert network.bonding.getTranscoderPoolSize() == 1
    assert network.broker.claimableReserve(network.broadcaster, network.transcoder) == SHARE


def test_claimable_reserve__k8_fewer_claimants_counted_than_claim__is_bounded_by_funds(
    network: Network, bonding_mock: Any
) -> None:
    network.fund(0, 900)
    bonding_mock.setActiveTranscoders(1, sender=network.deployer)
    claim(network, 700)
    bonding_mock.setActiveTranscoders(2, sender=network.deployer)

    # The share shrank below what was claimed: nothing, and no revert.
    assert network.broker.claimableReserve(network.broadcaster, network.transcoder) == 0
    # A full share of 450 is more than is left.
    assert network.broker.claimableReserve(network.broadcaster, network.second_transcoder) == 200


def test_claimable_reserve__k8_no_active_transcoder__is_zero(network: Network, bonding_mock: Any) -> None:
    network.fund(0, 900)
    bonding_mock.setActiveTranscoders(0, sender=network.deployer)

    assert network.broker.claimableReserve(network.broadcaster, network.transcoder) == 0


def test_get_reserve_info__after_a_claim__tells_rest_and_claims(network: Network) -> None:
    network.fund(0, RESERVE)
    claim(network, 300)

    info = network.broker.getReserveInfo(network.broadcaster)

    assert (info.fundsRemaining, info.claimedInCurrentRound) == (RESERVE - 300, 300)


def test_get_sender_info__funded_and_unlocking__tells_everything(network: Network) -> None:
    network.fund(7, RESERVE)
    claim(network, 300)
    network.broker.unlock(sender=network.broadcaster)

    sender, reserve = network.broker.getSenderInfo(network.broadcaster)

    assert (sender.deposit, sender.withdrawRound) == (
        0,
        network.round + network.protocol.params.unlock_period_rounds,
    )
    assert (reserve.fundsRemaining, reserve.claimedInCurrentRound) == (RESERVE - 293, 293)


def test_get_sender_info__unknown_account__is_all_zero(network: Network) -> None:
    sender, reserve = network.broker.getSenderInfo(network.stranger)

    assert (sender.deposit, sender.withdrawRound) == (0, 0)
    assert (reserve.fundsRemaining, reserve.claimedInCurrentRound) == (0, 0)
