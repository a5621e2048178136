"""From a deposit to ETH in a transcoder's hand, through every contract of the protocol."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.support.network import ETH, FEE_SHARE_PPM, LPT, REWARD_CUT_PPM, Network, logs_of
from tests.support.tickets import batch

FACE = 10**16
# One floor per division on the way of a fee or a reward.
DUST_WEI = 10


def fees_of(network: Network, account: Any) -> int:
    return int(network.bonding.pendingFees(account, network.round))


def stake_of(network: Network, account: Any) -> int:
    return int(network.bonding.pendingStake(account, network.round))


def test_flow__fund_to_withdrawal__every_wei_is_accounted_for(network: Network) -> None:
    """fund, redeem one and many, next round, reward, withdraw fees, delegator claims, unlock, withdraw."""
    broker, bonding, minter = network.broker, network.bonding, network.minter
    held_before = minter.balance
    network.protocol.service_registry.setServiceURI("https://127.0.0.1:8935", sender=network.transcoder)
    assert network.protocol.service_registry.getServiceURI(network.transcoder) == "https://127.0.0.1:8935"

    network.fund(ETH, 2 * ETH)
    assert minter.balance - held_before == 3 * ETH

    broker.redeemWinningTicket(*network.ticket(face_value_wei=FACE).arguments(), sender=network.transcoder)
    signed = [network.ticket(face_value_wei=FACE) for _ in range(4)]
    previous_round = [network.ticket(face_value_wei=FACE)]
    broker.batchRedeemWinningTickets(*batch(signed), sender=network.stranger)

    # 1000 of 1500 LPT are the transcoder's: it keeps 60 % and two thirds of the shared 40 %.
    shared = 5 * FACE * FEE_SHARE_PPM // 10**6
    assert fees_of(network, network.delegator) == pytest.approx(shared // 3, abs=DUST_WEI)
    assert fees_of(network, network.transcoder) == pytest.approx(5 * FACE - shared // 3, abs=DUST_WEI)

    network.next_round()
    broker.redeemWinningTicket(*previous_round[0].arguments(), sender=network.transcoder)
    earned = sum(fees_of(network, account) for account in (network.transcoder, network.delegator))
    assert 6 * FACE - DUST_WEI <= earned <= 6 * FACE
    assert network.deposit_of(network.broadcaster) == ETH - 6 * FACE

    bonding.reward(sender=network.transcoder)
    minted = int(minter.currentMintedTokens())
    assert minted > 0
    to_delegator = (minted - minted * REWARD_CUT_PPM // 10**6) // 3
    assert stake_of(network, network.delegator) - 500 * LPT == pytest.approx(to_delegator, abs=DUST_WEI)
    assert stake_of(network, network.transcoder) - 1000 * LPT == pytest.approx(minted - to_delegator, abs=DUST_WEI)

    fees = fees_of(network, network.transcoder)
    balance = network.stranger.balance
    receipt = bonding.withdrawFees(network.stranger, fees, sender=network.transcoder)
    assert (
        "WithdrawFees",
        {"delegator": network.transcoder.address, "recipient": network.stranger.address, "amount": fees},
    ) in logs_of(receipt, bonding)
    assert network.stranger.balance - balance == fees
    assert fees_of(network, network.transcoder) == 0

    stake = stake_of(network, network.delegator)
    delegator_fees = fees_of(network, network.delegator)
    bonding.claimEarnings(network.round, sender=network.delegator)
    bonded, claimed_fees = bonding.getDelegator(network.delegator)[:2]
    assert (bonded, claimed_fees) == (stake, delegator_fees)

    broker.unlock(sender=network.broadcaster)
    for _ in range(network.protocol.params.unlock_period_rounds):
        network.next_round()
    with ape.reverts("sender is unlocked"):
        broker.redeemWinningTicket(*network.ticket().arguments(), sender=network.transcoder)
    broker.withdraw(sender=network.broadcaster)

    # What is left is the delegator's fees and the dust of the floors.
    left = minter.balance - held_before
    assert delegator_fees <= left <= delegator_fees + DUST_WEI
    bonding.withdrawFees(network.delegator, delegator_fees, sender=network.delegator)
    assert 0 <= minter.balance - held_before <= DUST_WEI
    assert broker.balance == bonding.balance == 0


def test_flow__reserve_backs_several_transcoders__each_gets_its_share(network: Network) -> None:
    network.fund(0, 4 * FACE)
    second = str(network.second_transcoder.address)
    signed = [network.ticket(face_value_wei=FACE) for _ in range(3)]
    signed += [network.ticket(face_value_wei=FACE, recipient=second) for _ in range(3)]

    network.broker.batchRedeemWinningTickets(*batch(signed), sender=network.stranger)

    # Two tickets each; the third waits for the next round, in which nothing is left to claim.
    assert [network.is_used(item) for item in signed] == [True, True, False] * 2
    assert network.reserve_of(network.broadcaster) == 0
    network.next_round()
    with ape.reverts("sender deposit and reserve are zero"):
        network.broker.redeemWinningTicket(*signed[2].arguments(), sender=network.stranger)
    network.fund(FACE, 0)
    network.broker.redeemWinningTicket(*signed[2].arguments(), sender=network.stranger)
    assert network.is_used(signed[2])


def test_flow__batch_and_singles__credit_the_same_wei_to_every_delegator(network: Network) -> None:
    network.fund(ETH, 0)
    # Amounts that do not divide evenly: merging them before rounding would be seen.
    signed = [network.ticket(face_value_wei=1_000_003 + i) for i in range(9)]
    before = network.chain.snapshot()
    for item in signed:
        network.broker.redeemWinningTicket(*item.arguments(), sender=network.stranger)
    pool = network.bonding.getTranscoderEarningsPoolForRound(network.transcoder, network.round)
    singles = (tuple(pool), fees_of(network, network.transcoder), fees_of(network, network.delegator))
    network.chain.restore(before)

    network.broker.batchRedeemWinningTickets(*batch(signed), sender=network.stranger)

    pool = network.bonding.getTranscoderEarningsPoolForRound(network.transcoder, network.round)
    assert (tuple(pool), fees_of(network, network.transcoder), fees_of(network, network.delegator)) == singles


def test_flow__transcoder_leaves_before_redemption__k6_ticket_fails_by_name_and_the_rest_is_paid(
    network: Network,
) -> None:
    network.fund(ETH, 0)
    second = str(network.second_transcoder.address)
    network.bonding.unbond(1000 * LPT, sender=network.second_transcoder)
    network.next_round()
    lost, paid = network.ticket(recipient=second), network.ticket()

    with ape.reverts("transcoder must be active"):
        network.broker.redeemWinningTicket(*lost.arguments(), sender=network.stranger)
    network.broker.batchRedeemWinningTickets(*batch([lost, paid]), sender=network.stranger)

    assert (network.is_used(lost), network.is_used(paid)) == (False, True)


def test_flow__paused__money_stands_still_and_moves_again_afterwards(network: Network) -> None:
    network.fund(ETH, 0)
    signed = network.ticket()
    network.protocol.controller.pause(sender=network.deployer)
    for call in (
        lambda: network.broker.redeemWinningTicket(*signed.arguments(), sender=network.stranger),
        lambda: network.broker.batchRedeemWinningTickets(*batch([signed]), sender=network.stranger),
        lambda: network.bonding.withdrawFees(network.transcoder, 0, sender=network.transcoder),
        lambda: network.bonding.reward(sender=network.transcoder),
    ):
        with ape.reverts("system is paused"):
            call()

    network.protocol.controller.unpause(sender=network.deployer)
    network.broker.redeemWinningTicket(*signed.arguments(), sender=network.stranger)

    assert network.is_used(signed)
