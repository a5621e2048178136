"""transferBond: stake changes hands without waiting."""

from __future__ import annotations

from typing import Any

import ape

from tests.support.bonding_stage import LPT, NOBODY, Stage, arguments, names

NO_HINTS = (NOBODY, NOBODY, NOBODY, NOBODY)


def test_transfer_bond__r5_everything_to_a_fresh_receiver__keeps_the_delegate(
    active: Stage, transcoder: Any, delegator: Any, receiver: Any
) -> None:
    now = active.round
    receipt = active.bonding.transferBond(receiver, 1000 * LPT, *NO_HINTS, sender=delegator)

    assert arguments(receipt, active.bonding.Unbond) == [
        {
            "delegate": transcoder.address,
            "delegator": delegator.address,
            "unbondingLockId": 0,
            "amount": 1000 * LPT,
            "withdrawRound": now + 2,
        }
    ]
    assert arguments(receipt, active.bonding.TransferBond) == [
        {
            "oldDelegator": delegator.address,
            "newDelegator": receiver.address,
            "oldUnbondingLockId": 0,
            "newUnbondingLockId": 0,
            "amount": 1000 * LPT,
        }
    ]
    assert arguments(receipt, active.bonding.Rebond) == [
        {
            "delegate": transcoder.address,
            "delegator": receiver.address,
            "unbondingLockId": 0,
            "amount": 1000 * LPT,
        }
    ]
    order = [name for name in names(receipt) if name in ("Unbond", "TransferBond", "EarningsClaimed", "Rebond")]
    assert order == ["EarningsClaimed", "Unbond", "TransferBond", "EarningsClaimed", "Rebond"]
    assert active.delegator(delegator) == (0, 0, NOBODY, 0, 0, now, 1)
    assert active.delegator(receiver) == (1000 * LPT, 0, transcoder.address, 0, now + 1, now, 1)
    assert not active.bonding.isValidUnbondingLock(delegator, 0)
    assert not active.bonding.isValidUnbondingLock(receiver, 0)
    assert active.bonding.transcoderTotalStake(transcoder) == 2000 * LPT


def test_transfer_bond__receiver_bonded_elsewhere__keeps_its_own_delegate(
    active: Stage, transcoder: Any, other_transcoder: Any, delegator: Any, receiver: Any
) -> None:
    active.bond(other_transcoder, 10 * LPT)
    active.bond(receiver, LPT, other_transcoder)
    active.bonding.transferBond(receiver, 100 * LPT, *NO_HINTS, sender=delegator)
    assert active.delegator(receiver).delegate_address == other_transcoder.address
    assert active.bonding.transcoderTotalStake(other_transcoder) == 111 * LPT
    assert active.bonding.transcoderTotalStake(transcoder) == 1900 * LPT


def test_transfer_bond__r9_receiver_bonded_to_nobody__books_balance(
    active: Stage, transcoder: Any, delegator: Any, receiver: Any
) -> None:
    active.bond(receiver, LPT, NOBODY)
    active.bonding.transferBond(receiver, 100 * LPT, *NO_HINTS, sender=delegator)
    assert active.delegator(receiver).delegate_address == NOBODY
    assert active.bonding.transcoderTotalStake(NOBODY) == 101 * LPT
    assert active.bonding.transcoderTotalStake(transcoder) == 1900 * LPT


def test_transfer_bond__to_oneself__changes_nothing_but_the_ids(active: Stage, delegator: Any) -> None:
    receipt = active.bonding.transferBond(delegator, 100 * LPT, *NO_HINTS, sender=delegator)
    moved = arguments(receipt, active.bonding.TransferBond)[0]
    assert (moved["oldUnbondingLockId"], moved["newUnbondingLockId"]) == (0, 1)
    state = active.delegator(delegator)
    assert (state.bonded_amount, state.next_unbonding_lock_id) == (1000 * LPT, 2)


def test_transfer_bond__to_nobody__reverts(active: Stage, delegator: Any) -> None:
    with ape.reverts("INVALID_DELEGATOR"):
        active.bonding.transferBond(NOBODY, LPT, *NO_HINTS, sender=delegator)


def test_transfer_bond__to_the_own_delegate_without_stake__reverts(
    active: Stage, transcoder: Any, delegator: Any
) -> None:
    active.bonding.unbond(1000 * LPT, sender=transcoder)
    with ape.reverts("INVALID_DELEGATOR"):
        active.bonding.transferBond(transcoder, LPT, *NO_HINTS, sender=delegator)


def test_transfer_bond__r15_k13_receiver_before_the_reward_call__reverts(
    active: Stage, transcoder: Any, delegator: Any
) -> None:
    with ape.reverts("ILLEGAL_CLAIM_EARNINGS"):
        active.bonding.transferBond(transcoder, LPT, *NO_HINTS, sender=delegator)


def test_transfer_bond__while_pending__reverts(
    active: Stage, transcoder: Any, other_delegator: Any, receiver: Any
) -> None:
    active.bond(other_delegator, LPT, transcoder)
    with ape.reverts("caller must be bonded"):
        active.bonding.transferBond(receiver, LPT, *NO_HINTS, sender=other_delegator)
