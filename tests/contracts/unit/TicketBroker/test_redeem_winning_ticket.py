"""redeemWinningTicket (spec 11.5)."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.support.faults import FAULTS
from tests.support.network import ETH, LPT, Network, logs_of
from tests.support.tickets import Signed, draw

FACE = 10**15
SHORT = "sender deposit and reserve insufficient to cover ticket face value"


def redeem(network: Network, signed: Signed) -> Any:
    return network.broker.redeemWinningTicket(*signed.arguments(), sender=network.stranger)


def redeemed(signed: Signed) -> tuple[str, dict[str, Any]]:
    ticket = signed.ticket
    return (
        "WinningTicketRedeemed",
        {
            "sender": ticket.sender,
            "recipient": ticket.recipient,
            "faceValue": ticket.face_value_wei,
            "winProb": ticket.win_prob,
            "senderNonce": ticket.sender_nonce,
            "recipientRand": signed.recipient_rand,
            "auxData": ticket.aux_data,
        },
    )


def transferred(signed: Signed) -> tuple[str, dict[str, Any]]:
    ticket = signed.ticket
    return (
        "WinningTicketTransfer",
        {"sender": ticket.sender, "recipient": ticket.recipient, "amount": ticket.face_value_wei},
    )


def claimed(signed: Signed, amount: int) -> tuple[str, dict[str, Any]]:
    return (
        "ReserveClaimed",
        {"reserveHolder": signed.ticket.sender, "claimant": signed.ticket.recipient, "amount": amount},
    )


def total_fees(network: Network) -> int:
    """Fees credited to the transcoder and its delegator."""
    return sum(int(network.bonding.pendingFees(a, 0)) for a in (network.transcoder, network.delegator))


def test_redeem_winning_ticket__deposit_covers__moves_face_value_to_recipient(network: Network) -> None:
    network.fund(ETH, ETH)
    held = network.minter.balance
    signed = network.ticket(face_value_wei=FACE)

    receipt = redeem(network, signed)

    assert logs_of(receipt, network.broker) == [transferred(signed), redeemed(signed)]
    assert network.is_used(signed)
    assert network.deposit_of(network.broadcaster) == ETH - FACE
    assert network.reserve_of(network.broadcaster) == ETH
    assert FACE - 2 <= total_fees(network) <= FACE
    # Money is only relabelled.
    assert network.minter.balance == held


def test_redeem_winning_ticket__exactly_the_deposit__leaves_zero(network: Network) -> None:
    network.fund(FACE, 0)
    signed = network.ticket(face_value_wei=FACE)

    receipt = redeem(network, signed)

    assert logs_of(receipt, network.broker) == [transferred(signed), redeemed(signed)]
    assert network.deposit_of(network.broadcaster) == 0


def test_redeem_winning_ticket__deposit_too_small__takes_the_rest_from_the_reserve(network: Network) -> None:
    network.fund(FACE // 4, 2 * FACE)
    signed = network.ticket(face_value_wei=FACE)

    receipt = redeem(network, signed)

    from_reserve = FACE - FACE // 4
    assert logs_of(receipt, network.broker) == [
        claimed(signed, from_reserve),
        transferred(signed),
        redeemed(signed),
    ]
    assert network.deposit_of(network.broadcaster) == 0
    assert network.reserve_of(network.broadcaster) == 2 * FACE - from_reserve
    assert network.broker.claimedReserve(network.broadcaster, network.transcoder) == from_reserve


def test_redeem_winning_ticket__no_deposit__is_paid_by_the_reserve(network: Network) -> None:
    network.fund(0, 2 * FACE)
    signed = network.ticket(face_value_wei=FACE)

    receipt = redeem(network, signed)

    assert logs_of(receipt, network.broker) == [claimed(signed, FACE), transferred(signed), redeemed(signed)]


def test_redeem_winning_ticket__k9_funds_short_of_face_value__reverts_and_keeps_ticket(network: Network) -> None:
    # Two active transcoders: half of the reserve is claimable.
    network.fund(1, 2 * (FACE - 2))
    signed = network.ticket(face_value_wei=FACE)

    with ape.reverts(SHORT):
        redeem(network, signed)

    assert not network.is_used(signed)
    assert network.deposit_of(network.broadcaster) == 1
    network.fund(1, 0)
    redeem(network, signed)
    assert network.is_used(signed)


def test_redeem_winning_ticket__k9_dust_planted_by_a_third_party__does_not_burn_the_ticket(network: Network) -> None:
    network.broker.fundDepositAndReserveFor(network.broadcaster, 1, 0, value=1, sender=network.stranger)
    signed = network.ticket(face_value_wei=5 * ETH)

    with ape.reverts(SHORT):
        redeem(network, signed)

    assert not network.is_used(signed)


def test_redeem_winning_ticket__k8_pool_grew_after_a_claim__reserve_still_pays(network: Network) -> None:
    network.fund(0, 2 * FACE)
    redeem(network, network.ticket(face_value_wei=FACE))
    network.become_transcoder(network.late_transcoder, 1000 * LPT)
    signed = network.ticket(face_value_wei=FACE, recipient=str(network.second_transcoder.address))

    receipt = redeem(network, signed)

    assert logs_of(receipt, network.broker) == [claimed(signed, FACE), transferred(signed), redeemed(signed)]


def test_redeem_winning_ticket__k12_recipient_never_active__reverts_by_name_and_keeps_ticket(
    network: Network,
) -> None:
    network.fund(ETH, 0)
    signed = network.ticket(recipient=str(network.stranger.address))

    with ape.reverts("transcoder must be active"):
        redeem(network, signed)

    assert not network.is_used(signed)
    assert network.deposit_of(network.broadcaster) == ETH


def test_redeem_winning_ticket__k12_recipient_not_yet_active__is_redeemable_in_the_next_round(
    network: Network,
) -> None:
    network.fund(ETH, 0)
    network.become_transcoder(network.late_transcoder, 1000 * LPT)
    signed = network.ticket(recipient=str(network.late_transcoder.address))
    with ape.reverts("transcoder must be active"):
        redeem(network, signed)

    network.next_round()
    redeem(network, signed)

    assert network.is_used(signed)


def test_redeem_winning_ticket__face_value_zero__is_used_up_without_a_transfer(network: Network) -> None:
    network.fund(1, 0)
    # Nothing is paid, so the recipient need not be a transcoder.
    signed = network.ticket(face_value_wei=0, recipient=str(network.stranger.address))

    receipt = redeem(network, signed)

    assert logs_of(receipt, network.broker) == [redeemed(signed)]
    assert network.is_used(signed)
    assert network.deposit_of(network.broadcaster) == 1


def test_redeem_winning_ticket__created_in_the_previous_round__still_redeems(network: Network) -> None:
    network.fund(ETH, 0)
    signed = network.ticket()
    network.next_round()

    redeem(network, signed)

    assert network.is_used(signed)


def test_redeem_winning_ticket__validity_period_over__reverts(network: Network) -> None:
    network.fund(ETH, 0)
    signed = network.ticket()
    for _ in range(network.protocol.params.ticket_validity_period_rounds):
        network.next_round()

    with ape.reverts("ticket is expired"):
        redeem(network, signed)


def test_redeem_winning_ticket__draw_one_below_the_chance__wins(network: Network) -> None:
    network.fund(ETH, 0)
    winners = (network.ticket(win_prob=2**255) for _ in range(64))
    signed = next(item for item in winners if draw(item.sig, item.recipient_rand) < 2**255)

    redeem(network, signed)

    assert network.is_used(signed)


@pytest.mark.parametrize("name", FAULTS)
def test_redeem_winning_ticket__faulty_ticket__reverts_with_the_published_reason(network: Network, name: str) -> None:
    network.fund(ETH, ETH)
    fault, reason = FAULTS[name]
    signed = fault(network)

    with ape.reverts(reason):
        redeem(network, signed)

    assert not network.is_used(signed)


def test_redeem_winning_ticket__twice__reverts(network: Network) -> None:
    network.fund(ETH, 0)
    signed = network.ticket()
    redeem(network, signed)

    with ape.reverts("ticket is used"):
        redeem(network, signed)


def test_redeem_winning_ticket__sender_unlocked__reverts(network: Network) -> None:
    network.fund(ETH, 0)
    network.broker.unlock(sender=network.broadcaster)
    for _ in range(network.protocol.params.unlock_period_rounds):
        network.next_round()

    with ape.reverts("sender is unlocked"):
        redeem(network, network.ticket())


def test_redeem_winning_ticket__sender_still_unlocking__redeems(network: Network) -> None:
    network.fund(ETH, 0)
    network.broker.unlock(sender=network.broadcaster)
    signed = network.ticket()

    redeem(network, signed)

    assert network.is_used(signed)


def test_redeem_winning_ticket__sender_without_funds__reverts(network: Network) -> None:
    with ape.reverts("sender deposit and reserve are zero"):
        redeem(network, network.ticket(face_value_wei=0))


def test_redeem_winning_ticket__round_not_initialized__reverts(network: Network) -> None:
    network.fund(ETH, 0)
    signed = network.ticket()
    network.next_round(initialize=False)

    with ape.reverts("current round is not initialized"):
        redeem(network, signed)


@pytest.mark.usefixtures("paused")
def test_redeem_winning_ticket__paused__reverts(network: Network) -> None:
    with ape.reverts("system is paused"):
        redeem(network, network.ticket())


def test_redeem_winning_ticket__aux_data_beyond_the_bound__reverts_without_reason(network: Network) -> None:
    network.fund(ETH, 0)

    with ape.reverts():
        redeem(network, network.ticket(aux_data=bytes(97)))
