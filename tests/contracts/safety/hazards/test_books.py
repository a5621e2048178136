"""The invariants over a short history that takes every way once. Long random histories are the business of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contracts.safety.hazards.books import (
    PEOPLE,
    bonded,
    fees,
    members,
    pending_fees,
    pending_stake,
    violations,
)
from tests.support.evm import NOBODY, Receipt, Reverted
from tests.support.evm_world import (
    DELEGATOR,
    ETH,
    LPT,
    NEWCOMER,
    NO_HINTS,
    RECEIVER,
    SECOND,
    SENDER,
    STRANGER,
    TRANSCODER,
    World,
    make_world,
)
from tests.support.tickets import batch

Step = tuple[str, Callable[[World], Any]]
ONE = 10**27
FEE = ETH // 1000 + 7


def fee(world: World) -> Receipt:
    return world.earn_fee(FEE)


def call(function: str, *args: object, sender: str) -> Callable[[World], Receipt]:
    return lambda world: world.bonding.call(function, *args, sender=sender)


def from_reserve(world: World) -> Receipt:
    """The deposit and a part of the reserve."""
    deposit = world.broker.view("getSenderInfo", SENDER)[0][0]
    return world.redeem(world.ticket(face_value_wei=deposit + 1000))


STEPS: list[Step] = [
    ("fee before the reward", fee),
    ("reward", call("reward", sender=TRANSCODER)),
    ("fee after the reward", fee),
    ("unbond", call("unbond", 10 * LPT, sender=DELEGATOR)),
    ("unbond more", call("unbond", 20 * LPT, sender=DELEGATOR)),
    ("rebond", call("rebond", 0, sender=DELEGATOR)),
    ("transfer", call("transferBond", NEWCOMER, 50 * LPT, *NO_HINTS, sender=DELEGATOR)),
    ("third in the pool", lambda world: world.become_transcoder(STRANGER, 300 * LPT)),
    ("evict", lambda world: world.become_transcoder(RECEIVER, 400 * LPT)),
    ("back", lambda world: world.bond(STRANGER, 200 * LPT, STRANGER)),
    ("round", World.next_round),
    ("fee in a round without reward", fee),
    ("reward of the second", call("reward", sender=SECOND)),
    ("reward of the third", call("reward", sender=STRANGER)),
    ("move", lambda world: world.bond(DELEGATOR, 7, SECOND)),
    ("claim", call("claimEarnings", 0, sender=NEWCOMER)),
    ("withdraw fees", call("withdrawFees", DELEGATOR, FEE // 10, sender=TRANSCODER)),
    ("stake for nobody", lambda world: world.bond(SENDER, 3 * LPT, NOBODY)),
    ("round", World.next_round),
    ("move from nobody", call("bond", 0, TRANSCODER, sender=SENDER)),
    ("reward", call("reward", sender=TRANSCODER)),
    ("second unbonds all", lambda world: world.bonding.call("unbond", pending_stake(world, SECOND), sender=SECOND)),
    ("second comes back", call("rebondFromUnbonded", SECOND, 0, sender=SECOND)),
    ("from the reserve", from_reserve),
    ("round that nobody opened", lambda world: world.next_round(initialize=False)),
    ("round", World.next_round),
    ("round", World.next_round),
    ("withdraw stake", call("withdrawStake", 1, sender=DELEGATOR)),
    ("reward after missed rounds", call("reward", sender=TRANSCODER)),
    ("fund", lambda world: world.fund_sender(ETH, ETH)),
    ("fee after missed rounds", fee),
    ("unlock", lambda world: world.broker.call("unlock", sender=SENDER)),
    ("round", World.next_round),
    ("withdraw fees before the reward", call("withdrawFees", RECEIVER, 1, sender=NEWCOMER)),
    ("reward after a claim", call("reward", sender=TRANSCODER)),
    ("round", World.next_round),
    ("withdrawal", lambda world: world.broker.call("withdraw", sender=SENDER)),
]


def history(world: World) -> Iterator[tuple[str, Any]]:
    """The state after each step, with its name and what the call returned."""
    for name, act in STEPS:
        yield name, act(world)


@pytest.fixture
def world() -> World:
    return make_world()


def test_books__after_every_step_of_a_history__balance(world: World) -> None:
    """I1 to I3, I6 to I8, I14, I15, I17, K5."""
    assert violations(world) == []
    for name, _ in history(world):
        assert violations(world) == [], name


def test_supply__after_every_step_of_a_history__grew_by_rewards_alone(world: World) -> None:
    """I4."""
    for name, receipt in history(world):
        minted = 0
        if isinstance(receipt, Receipt):
            for event in receipt.events:
                if event.name == "Reward":
                    minted += event.args["amount"]
        grown = world.token.view("totalSupply")
        known = sum(world.token.view("balanceOf", each) for each in (*PEOPLE, world.minter.address, world.owner))
        assert grown == known, f"I4: {name}"
        assert world.minter.view("currentMintedTokens") <= world.minter.view("currentMintableTokens"), f"I4: {name}"
        assert minted == 0 or minted <= world.minter.view("currentMintedTokens"), f"I4: {name}"


def test_earnings__after_every_step_of_a_history__never_exceed_what_came_in(world: World) -> None:
    """I13."""
    stake, money = owned(world)
    for name, receipt in history(world):
        now_stake, now_money = owned(world)
        if name.startswith(("reward", "fee")):
            events = receipt.events
            minted = sum(event.args["amount"] for event in events if event.name == "Reward")
            assert now_stake - stake <= minted, f"I13: {name}"
            paid = FEE if name.startswith("fee") else 0
            assert now_money - money <= paid, f"I13: {name}"
            assert now_stake > stake or now_money > money, name
        stake, money = now_stake, now_money


def owned(world: World) -> tuple[int, int]:
    """Everybody's stake and fees, claimed or not."""
    return sum(pending_stake(world, each) for each in PEOPLE), sum(pending_fees(world, each) for each in PEOPLE)


def test_factors__over_a_history__never_fall_and_past_pools_and_votes_never_change(world: World) -> None:
    """I10, I23."""
    latest: dict[str, tuple[int, int]] = {}
    past: dict[tuple[str, int], tuple[object, ...]] = {}
    for name, _ in history(world):
        now = world.round
        for account in PEOPLE:
            reward_factor, fee_factor = world.bonding.view("getTranscoderEarningsPoolForRound", account, now)[3:]
            old = latest.get(account, (0, 0))
            assert reward_factor == 0 or ONE <= reward_factor >= old[0], f"I10: {name}"
            assert fee_factor == 0 or fee_factor >= old[1], f"I10: {name}"
            latest[account] = (max(reward_factor, old[0]), max(fee_factor, old[1]))
            for number in range(now - 3, now):
                seen = (
                    *world.bonding.view("getTranscoderEarningsPoolForRound", account, number),
                    world.votes.view("getPastVotes", account, number),
                    world.votes.view("delegatedAt", account, number),
                )
                before = past.setdefault((account, number), seen)
                assert before[:5] == seen[:5], f"I10: {name}"
                assert before[5:] == seen[5:], f"I23: {name}"
    assert max(factor for factor, _ in latest.values()) > ONE


def test_locks__used_once_and_in_time__pay_their_amount(world: World) -> None:
    """I5."""
    world.with_lock()
    first = world.bonding.view("getDelegatorUnbondingLock", DELEGATOR, 0)
    assert first == (10 * LPT, world.round + world.params.unbonding_period_rounds)
    for use in (("rebond", 0), ("withdrawStake", 0)):
        with world.evm.rolled_back():
            world.next_round(world.params.unbonding_period_rounds)
            world.bonding.call(*use, sender=DELEGATOR)
            assert world.bonding.view("getDelegatorUnbondingLock", DELEGATOR, 0) == (0, 0)
            for again in ("rebond", "withdrawStake"):
                with pytest.raises(Reverted, match="invalid unbonding lock ID"):
                    world.bonding.call(again, 0, sender=DELEGATOR)
            world.bonding.call("unbond", LPT, sender=DELEGATOR)
            assert world.bonding.view("getDelegatorUnbondingLock", DELEGATOR, 0) == (0, 0)
            assert world.bonding.view("getDelegatorUnbondingLock", DELEGATOR, 1)[0] == LPT
    world.next_round(world.params.unbonding_period_rounds - 1)
    with pytest.raises(Reverted, match="withdraw round must be before or equal to the current round"):
        world.bonding.call("withdrawStake", 0, sender=DELEGATOR)


def test_pool__full__takes_no_equal_and_room_alone_adds_nobody(world: World) -> None:
    """I9."""
    world.become_transcoder(STRANGER, 100 * LPT)
    world.bond(RECEIVER, 100 * LPT, RECEIVER)
    assert members(world) == [TRANSCODER, SECOND, STRANGER]
    world.next_round()

    world.bonding.call("unbond", bonded(world, SECOND), sender=SECOND)
    world.next_round()
    assert members(world) == [TRANSCODER, STRANGER]
    world.bond(RECEIVER, 1, RECEIVER)
    assert members(world) == [TRANSCODER, RECEIVER, STRANGER]


def test_claim__after_earnings__adds_what_was_pending_and_a_second_one_nothing(world: World) -> None:
    """I11."""
    world.next_round()
    fee(world)
    world.bonding.call("reward", sender=TRANSCODER)
    for account in (DELEGATOR, TRANSCODER):
        expected = pending_stake(world, account), pending_fees(world, account)
        assert expected > (bonded(world, account), fees(world, account))
        world.bonding.call("claimEarnings", 0, sender=account)
        assert (bonded(world, account), fees(world, account)) == expected
        receipt = world.bonding.call("claimEarnings", 0, sender=account)
        assert (bonded(world, account), fees(world, account)) == expected
        assert "EarningsClaimed" not in [event.name for event in receipt.events]


def test_claim__span_split_into_rounds__differs_by_rounding_only(world: World) -> None:
    """I12."""
    results = []
    for is_split in (False, True):
        with world.evm.rolled_back():
            for _ in range(4):
                fee(world)
                world.bonding.call("reward", sender=TRANSCODER)
                if is_split:
                    world.bonding.call("claimEarnings", 0, sender=DELEGATOR)
                world.next_round()
            results.append((pending_stake(world, DELEGATOR), pending_fees(world, DELEGATOR)))
    whole, split = results
    assert all(0 <= a - b <= 10 for a, b in zip(whole, split, strict=True)), results


def test_eth__left_by_any_call__is_debited_from_one_account(world: World) -> None:
    """I16."""
    fee(world)
    world.unlocked()
    fund = (ETH - FEE) + ETH
    for contract, function, args, sender, amount in (
        (world.bonding, "withdrawFees", (RECEIVER, 5), TRANSCODER, 5),
        (world.broker, "withdraw", (), SENDER, fund),
    ):
        held, owed = world.evm.balance(world.minter.address), claims(world)
        contract.call(function, *args, sender=sender)
        assert held - world.evm.balance(world.minter.address) == amount == owed - claims(world), f"I16: {function}"


def claims(world: World) -> int:
    """Wei that accounts could ask for."""
    infos = [world.broker.view("getSenderInfo", account) for account in PEOPLE]
    return sum(info[0][0] + info[1][0] for info in infos) + owned(world)[1]


def test_batch__outcome__is_that_of_single_calls(world: World) -> None:
    """I19: amounts whose floors differ if they are added up first."""
    tickets = [world.ticket(face_value_wei=value) for value in (7, 13, 1, 999)]
    tickets.insert(2, world.ticket(win_prob=0))
    results = []
    for is_batch in (True, False):
        with world.evm.rolled_back():
            if is_batch:
                world.broker.call("batchRedeemWinningTickets", *batch(tickets), sender=STRANGER)
            else:
                for signed in tickets:
                    if signed.ticket.win_prob:
                        world.redeem(signed)
            pool = world.bonding.view("getTranscoderEarningsPoolForRound", TRANSCODER, world.round)
            record = world.bonding.view("getTranscoder", TRANSCODER)
            used = [world.broker.view("usedTickets", signed.ticket.hash()) for signed in tickets]
            results.append((pool, record, used, world.broker.view("getSenderInfo", SENDER)))
    assert results[0] == results[1], "I19"
    assert results[0][2] == [True, True, False, True, True]


def test_treasury_cut__set_in_a_round__holds_from_the_next(world: World) -> None:
    """I25."""
    world.bonding.call("setTreasuryRewardCutRate", 5 * 10**26, sender=world.owner)
    assert world.bonding.view("treasuryRewardCutRate") == 0, "I25"
    world.register("Treasury", RECEIVER)
    world.bonding.call("reward", sender=TRANSCODER)
    assert world.token.view("balanceOf", RECEIVER) == 0, "I25"
    world.next_round()
    assert world.bonding.view("treasuryRewardCutRate") == 5 * 10**26, "I25"
    world.bonding.call("reward", sender=TRANSCODER)
    assert world.token.view("balanceOf", RECEIVER) > 0
    world.bonding.call("setTreasuryBalanceCeiling", 1, sender=world.owner)
    world.bonding.call("reward", sender=SECOND)
    assert world.bonding.view("treasuryRewardCutRate") == 5 * 10**26, "I25"
    assert world.bonding.view("nextRoundTreasuryRewardCutRate") == 0, "I25"
