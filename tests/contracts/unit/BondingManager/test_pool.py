"""The pool: transcoders sorted by stake, and the hints that find a place in it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bonding_stage import LPT, NOBODY, Stage


def test_pool__without_hint__goes_before_its_equals(stage: Stage, accounts: Any) -> None:
    first, second, third = accounts[1:4]
    for account in (first, second, third):
        stage.bond(account, 10 * LPT)
    assert stage.members() == [third.address, second.address, first.address]


def test_pool__with_a_hint_among_equals__takes_that_place(stage: Stage, accounts: Any) -> None:
    first, second, third = accounts[1:4]
    stage.bond(first, 10 * LPT)
    stage.bond(second, 10 * LPT)
    stage.bonding.bondWithHint(10 * LPT, third, NOBODY, NOBODY, second, first, sender=third)
    assert stage.members() == [second.address, third.address, first.address]


@pytest.mark.parametrize(
    "hint",
    [
        (None, None),
        (1, None),
        (None, 1),
        (1, 2),
        (2, 1),
        (3, 3),
        (2, 2),
        (7, 8),
    ],
)
def test_pool__any_hint__keeps_the_order(stage: Stage, accounts: Any, hint: tuple[int | None, int | None]) -> None:
    first, second, third = accounts[1:4]
    stage.bond(first, 30 * LPT)
    stage.bond(second, 20 * LPT)
    stage.bond(third, 10 * LPT)
    prev, next_ = (NOBODY if index is None else accounts[index] for index in hint)
    stage.bonding.bondWithHint(15 * LPT, third, NOBODY, NOBODY, prev, next_, sender=third)
    assert stage.members() == [first.address, third.address, second.address]
    assert stage.bonding.getTranscoderPoolSize() == 3


def test_pool__stake_changes_without_change_of_order__keeps_the_links(stage: Stage, accounts: Any) -> None:
    first, second, third = accounts[1:4]
    for account, amount in ((first, 30), (second, 20), (third, 10)):
        stage.bond(account, amount * LPT)
    before = stage.members()
    stage.bond(second, 5 * LPT)
    assert stage.members() == before
    stage.next_round()
    stage.bonding.unbond(10 * LPT, sender=second)
    assert stage.members() == before
    assert stage.bonding.transcoderTotalStake(second) == 15 * LPT


def test_pool__the_head_leaves__the_second_is_the_first(stage: Stage, accounts: Any) -> None:
    first, second = accounts[1:3]
    stage.bond(first, 30 * LPT)
    stage.bond(second, 20 * LPT)
    stage.next_round()
    stage.bonding.unbond(30 * LPT, sender=first)
    assert stage.bonding.getFirstTranscoderInPool() == second.address
    assert stage.bonding.getNextTranscoderInPool(second) == NOBODY
    assert stage.bonding.getNextTranscoderInPool(first) == NOBODY
    assert stage.members() == [second.address]
