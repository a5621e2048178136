"""batchRedeemWinningTickets (spec 11.6): the result of single calls in order, failures left out."""

from __future__ import annotations

import contextlib
from typing import Any

import ape
import pytest
from ape.exceptions import ContractLogicError

from scripts._protocol import contract_id
from tests.support.faults import FAULTS
from tests.support.network import ETH, LPT, Network, logs_of
from tests.support.tickets import Signed, batch

FACE = 10**15


def redeem_batch(network: Network, signed: list[Signed]) -> Any:
    return network.broker.batchRedeemWinningTickets(*batch(signed), sender=network.stranger)


def nonces(receipt: Any, network: Network) -> list[int]:
    """Nonces of the redeemed tickets in the order of their events."""
    return [
        values["senderNonce"] for name, values in logs_of(receipt, network.broker) if name == "WinningTicketRedeemed"
    ]


def books(network: Network, signed: list[Signed]) -> dict[str, Any]:
    """Everything that a redemption may change."""
    earners = (network.transcoder, network.second_transcoder, network.delegator)
    payers = (network.broadcaster, network.stranger)
    return {
        "used": [network.is_used(item) for item in signed],
        "senders": [tuple(map(tuple, network.broker.getSenderInfo(payer))) for payer in payers],
        "claimed": [network.broker.claimedReserve(payer, earner) for payer in payers for earner in earners],
        "fees": [network.bonding.pendingFees(earner, 0) for earner in earners],
    }


def assert_same_as_singles(network: Network, signed: list[Signed]) -> list[tuple[str, dict[str, Any]]]:
    """Redeem one by one, go back, redeem as a batch: books and events are the same. Returns the events."""
    before = network.chain.snapshot()
    logs: list[tuple[str, dict[str, Any]]] = []
    for item in signed:
        with contextlib.suppress(ContractLogicError):
            receipt = network.broker.redeemWinningTicket(*item.arguments(), sender=network.stranger)
            logs += logs_of(receipt, network.broker)
    expected = books(network, signed)
    network.chain.restore(before)

    receipt = redeem_batch(network, signed)

    assert logs_of(receipt, network.broker) == logs
    assert books(network, signed) == expected
    return logs


def test_batch_redeem_winning_tickets__one_recipient__equals_single_calls(network: Network) -> None:
    network.fund(ETH, ETH)
    # Odd amounts: shares are rounded for each ticket by itself.
    signed = [network.ticket(face_value_wei=FACE + 7 * i) for i in range(5)]

    logs = assert_same_as_singles(network, signed)

    assert len(logs) == 10
    assert network.deposit_of(network.broadcaster) == ETH - sum(FACE + 7 * i for i in range(5))


def test_batch_redeem_winning_tickets__recipients_alternate__equals_single_calls(network: Network) -> None:
    network.fund(ETH, ETH)
    second = str(network.second_transcoder.address)
    signed = [network.ticket(**({"recipient": second} if i % 2 else {})) for i in range(4)]

    assert len(assert_same_as_singles(network, signed)) == 8


def test_batch_redeem_winning_tickets__deposit_runs_out_midway__equals_single_calls(network: Network) -> None:
    # The third ticket starts on the reserve, the share of 2 * FACE ends at the fifth.
    network.fund(2 * FACE + FACE // 2, 4 * FACE)
    signed = [network.ticket(face_value_wei=FACE) for _ in range(6)]

    logs = assert_same_as_singles(network, signed)

    assert [name for name, _ in logs].count("ReserveClaimed") == 2
    assert [network.is_used(item) for item in signed] == [True] * 4 + [False] * 2


def test_batch_redeem_winning_tickets__several_senders__equals_single_calls(network: Network) -> None:
    network.fund(2 * FACE, 0)
    network.fund(FACE, 2 * FACE, network.stranger)
    own = {"sender": str(network.stranger.address), "signer": network.stranger}
    signed = [network.ticket(**(own if i % 2 else {}), face_value_wei=FACE) for i in range(6)]

    assert_same_as_singles(network, signed)

    assert [network.is_used(item) for item in signed] == [True, True, True, True, False, False]


def test_batch_redeem_winning_tickets__tickets_of_two_rounds__equals_single_calls(network: Network) -> None:
    network.fund(ETH, 0)
    earlier = [network.ticket() for _ in range(2)]
    network.next_round()
    later = [network.ticket() for _ in range(2)]

    assert len(assert_same_as_singles(network, [earlier[0], later[0], earlier[1], later[1]])) == 8


def test_batch_redeem_winning_tickets__same_ticket_twice__is_paid_once(network: Network) -> None:
    network.fund(ETH, 0)
    signed = network.ticket(face_value_wei=FACE)

    assert len(assert_same_as_singles(network, [signed, signed])) == 2
    assert network.deposit_of(network.broadcaster) == ETH - FACE


@pytest.mark.parametrize("name", FAULTS)
def test_batch_redeem_winning_tickets__faulty_ticket__is_left_out_alone(network: Network, name: str) -> None:
    network.fund(ETH, ETH)
    good = [network.ticket(face_value_wei=FACE), network.ticket(face_value_wei=FACE)]
    bad = FAULTS[name][0](network)

    receipt = redeem_batch(network, [good[0], bad, good[1]])

    assert nonces(receipt, network) == [good[0].ticket.sender_nonce, good[1].ticket.sender_nonce]
    assert not network.is_used(bad)
    assert network.deposit_of(network.broadcaster) == ETH - 2 * FACE


def test_batch_redeem_winning_tickets__k9_one_ticket_too_large__is_left_out_alone(network: Network) -> None:
    network.fund(2 * FACE, 0)
    signed = [network.ticket(face_value_wei=FACE * factor) for factor in (1, 5, 1)]

    assert_same_as_singles(network, signed)

    assert [network.is_used(item) for item in signed] == [True, False, True]


def test_batch_redeem_winning_tickets__k12_recipient_not_active__only_its_tickets_fail(network: Network) -> None:
    network.fund(ETH, 0)
    other = str(network.stranger.address)
    signed = [
        network.ticket(),
        network.ticket(recipient=other),
        network.ticket(recipient=other, face_value_wei=0),
        network.ticket(recipient=other),
        network.ticket(),
    ]

    assert_same_as_singles(network, signed)

    assert [network.is_used(item) for item in signed] == [True, False, True, False, True]


def test_batch_redeem_winning_tickets__credit_of_a_group_refused__acceptable_tickets_are_redeemed(
    network: Network, bonding_mock: Any
) -> None:
    network.fund(4 * FACE, 10 * FACE)
    bonding_mock.setMaxAmount(2 * FACE, sender=network.deployer)
    # The second ticket is refused by itself; undone, it leaves the deposit to the third.
    signed = [network.ticket(face_value_wei=FACE * factor) for factor in (1, 3, 2, 2)]

    receipt = redeem_batch(network, signed)

    assert nonces(receipt, network) == [signed[i].ticket.sender_nonce for i in (0, 2, 3)]
    assert [network.is_used(item) for item in signed] == [True, False, True, True]
    assert bonding_mock.fees(network.transcoder) == 5 * FACE
    assert network.deposit_of(network.broadcaster) == 0
    assert network.reserve_of(network.broadcaster) == 9 * FACE
    assert network.broker.claimedReserve(network.broadcaster, network.transcoder) == FACE


def test_batch_redeem_winning_tickets__refused_recipient_took_the_deposit__it_is_given_back(
    network: Network, bonding_mock: Any
) -> None:
    network.fund(FACE, FACE)
    bonding_mock.setRefused(network.transcoder, True, sender=network.deployer)
    second = str(network.second_transcoder.address)
    signed = [
        network.ticket(face_value_wei=FACE),
        network.ticket(face_value_wei=FACE),
        network.ticket(face_value_wei=FACE, recipient=second),
    ]

    receipt = redeem_batch(network, signed)

    # Nothing of the refused group is left: the other recipient is paid by the deposit, not by the reserve.
    assert [name for name, _ in logs_of(receipt, network.broker)] == [
        "WinningTicketTransfer",
        "WinningTicketRedeemed",
    ]
    assert [network.is_used(item) for item in signed] == [False, False, True]
    assert network.reserve_of(network.broadcaster) == FACE
    assert network.broker.getReserveInfo(network.broadcaster).claimedInCurrentRound == 0


def test_batch_redeem_winning_tickets__neighbours_with_one_recipient__are_credited_in_one_call(
    network: Network, bonding_mock: Any
) -> None:
    network.fund(ETH, 0)
    second = str(network.second_transcoder.address)
    signed = [network.ticket() for _ in range(3)] + [network.ticket(recipient=second) for _ in range(2)]

    redeem_batch(network, signed)

    assert bonding_mock.credits() == 2


def test_batch_redeem_winning_tickets__k25_failed_ticket__stays_redeemable(network: Network) -> None:
    network.fund(FACE, 0)
    signed = [network.ticket(face_value_wei=FACE), network.ticket(face_value_wei=FACE)]
    redeem_batch(network, signed)
    assert not network.is_used(signed[1])

    network.fund(FACE, 0)
    redeem_batch(network, signed)

    assert network.is_used(signed[1])


@pytest.mark.parametrize(("sigs", "rands"), [(1, 2), (2, 1), (3, 2), (2, 3), (0, 0)])
def test_batch_redeem_winning_tickets__k25_arrays_differ_in_length__reverts_by_name(
    network: Network, sigs: int, rands: int
) -> None:
    network.fund(ETH, 0)
    tickets, signatures, secrets = batch([network.ticket() for _ in range(3)])

    with ape.reverts("batch arrays must have equal lengths"):
        network.broker.batchRedeemWinningTickets(
            tickets[:2], signatures[:sigs], secrets[:rands], sender=network.stranger
        )


def test_batch_redeem_winning_tickets__empty__does_nothing(network: Network) -> None:
    receipt = network.broker.batchRedeemWinningTickets([], [], [], sender=network.stranger)

    assert logs_of(receipt, network.broker) == []


def test_batch_redeem_winning_tickets__all_faulty__succeeds_without_events(network: Network) -> None:
    network.fund(ETH, 0)
    receipt = redeem_batch(network, [network.ticket(win_prob=0), network.ticket(signer=network.stranger)])

    assert logs_of(receipt, network.broker) == []
    assert network.deposit_of(network.broadcaster) == ETH


def test_batch_redeem_winning_tickets__100_tickets__are_all_redeemed(network: Network) -> None:
    network.fund(ETH, 0)
    signed = [network.ticket(face_value_wei=FACE) for _ in range(100)]

    receipt = redeem_batch(network, signed)

    assert nonces(receipt, network) == [item.ticket.sender_nonce for item in signed]
    assert network.deposit_of(network.broadcaster) == ETH - 100 * FACE


def test_batch_redeem_winning_tickets__101_tickets__reverts(network: Network) -> None:
    network.fund(ETH, 0)

    with ape.reverts():
        redeem_batch(network, [network.ticket(face_value_wei=1)] * 101)


def test_batch_redeem_winning_tickets__100_refused_tickets__are_undone_one_by_one(
    network: Network, bonding_mock: Any
) -> None:
    network.fund(ETH, 0)
    bonding_mock.setRefused(network.transcoder, True, sender=network.deployer)
    signed = [network.ticket(face_value_wei=FACE) for _ in range(100)]

    receipt = redeem_batch(network, signed)

    assert logs_of(receipt, network.broker) == []
    assert network.deposit_of(network.broadcaster) == ETH
    assert not any(network.is_used(item) for item in signed[:3])


def test_batch_redeem_winning_tickets__round_not_initialized__reverts(network: Network) -> None:
    network.fund(ETH, 0)
    signed = network.ticket()
    network.next_round(initialize=False)

    with ape.reverts("current round is not initialized"):
        redeem_batch(network, [signed])


@pytest.mark.usefixtures("paused")
def test_batch_redeem_winning_tickets__paused__reverts(network: Network) -> None:
    with ape.reverts("system is paused"):
        redeem_batch(network, [network.ticket()])


def test_batch_redeem_winning_tickets__bonding_manager_not_registered__reverts(network: Network) -> None:
    network.fund(ETH, 0)
    network.protocol.controller.setContractInfo(
        contract_id("BondingManager"), network.stranger, bytes(20), sender=network.deployer
    )

    with ape.reverts("BondingManager must be registered"):
        redeem_batch(network, [network.ticket()])


def test_batch_redeem_winning_tickets__k12_recipient_not_yet_active__only_its_ticket_fails(
    network: Network,
) -> None:
    network.fund(ETH, 0)
    network.become_transcoder(network.late_transcoder, 1000 * LPT)
    late = str(network.late_transcoder.address)
    signed = [network.ticket(), network.ticket(recipient=late), network.ticket()]

    assert_same_as_singles(network, signed)

    assert [network.is_used(item) for item in signed] == [True, False, True]
