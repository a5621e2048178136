"""Hazards of stake, rewards and fees (spec 18), one by one."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from tests.contracts.safety.hazards.books import (
    PEOPLE,
    bonded,
    delegate_of,
    delegated,
    members,
    pending_fees,
    pending_stake,
    violations,
    votes,
)
from tests.support.evm import NOBODY, Reverted
from tests.support.evm_world import (
    DELEGATOR,
    ETH,
    LPT,
    NEWCOMER,
    NO_HINTS,
    RECEIVER,
    SECOND,
    STRANGER,
    TRANSCODER,
    World,
    make_world,
)

BURNER_ROLE = bytes(keccak(text="BURNER_ROLE"))
ONE = 10**27
PPM = 10**6
FEE = ETH // 1000
# A share of the rewards of some rounds; amounts that differ by roundings are closer than this.
DUST_WEI = 100


@pytest.fixture
def world() -> World:
    return make_world()


def fee_pool(world: World, account: str) -> tuple[int, ...]:
    """The earnings pool of the current round."""
    return tuple(world.bonding.view("getTranscoderEarningsPoolForRound", account, world.round))


def credit(world: World, transcoder: str, amount: int) -> int:
    """Fees straight from the broker, though without the ether for them. By how much everybody's pending fees grew."""
    before = sum(pending_fees(world, account) for account in PEOPLE)
    world.evm.let_call(world.broker.address)
    world.bonding.call("updateTranscoderWithFees", transcoder, amount, world.round, sender=world.broker.address)
    return sum(pending_fees(world, account) for account in PEOPLE) - before


def with_treasury(world: World, rate: int) -> None:
    world.register("Treasury", RECEIVER)
    world.bonding.call("setTreasuryRewardCutRate", rate, sender=world.owner)
    world.next_round()


@pytest.mark.parametrize("rate", [0, 1, 10**20, 10**26, 5 * 10**26, ONE - 1, ONE])
def test_fees__k1_any_treasury_cut_after_a_missed_round__are_credited_in_full(world: World, rate: int) -> None:
    with_treasury(world, rate)
    world.bonding.call("reward", sender=TRANSCODER)
    world.next_round()
    world.next_round()
    world.bonding.call("reward", sender=TRANSCODER)

    gained = credit(world, TRANSCODER, FEE)

    assert FEE - DUST_WEI < gained <= FEE


@pytest.mark.parametrize("share", [PPM // 2, PPM])
@pytest.mark.parametrize("finder", [NOBODY, RECEIVER])
def test_slash__k5_k27_votes_are_stake_and_the_books_balance(world: World, share: int, finder: str) -> None:
    """K5 after slashing; K4: who lost all stake leaves its delegators without votes."""
    world.token.call("grantRole", BURNER_ROLE, world.minter.address, sender=world.owner)
    with pytest.raises(Reverted, match="caller must be Verifier"):
        world.bonding.call("slashTranscoder", TRANSCODER, finder, share, PPM // 4, sender=STRANGER)
    world.register("Verifier", STRANGER)
    world.next_round()

    world.bonding.call("slashTranscoder", TRANSCODER, finder, share, PPM // 4, sender=STRANGER)

    assert violations(world) == []
    assert bonded(world, TRANSCODER) == 1000 * LPT * (PPM - share) // PPM
    assert votes(world, DELEGATOR) == (500 * LPT if share < PPM else 0)
    world.next_round()
    assert violations(world) == []


def test_slash__k27_pending_transcoder__books_balance(world: World) -> None:
    world.become_transcoder(NEWCOMER, 100 * LPT)
    world.token.call("grantRole", BURNER_ROLE, world.minter.address, sender=world.owner)
    world.register("Verifier", STRANGER)

    world.bonding.call("slashTranscoder", NEWCOMER, NOBODY, PPM // 2, 0, sender=STRANGER)

    assert violations(world) == []
    assert delegated(world, NEWCOMER) == 50 * LPT


def test_slash__k27_before_the_round_is_initialized__waits_for_it(world: World) -> None:
    """Else a slashed member would be active in a round whose total stake leaves it out, and rewards exceed 100 %."""
    world.token.call("grantRole", BURNER_ROLE, world.minter.address, sender=world.owner)
    world.register("Verifier", STRANGER)
    world.next_round(initialize=False)

    with pytest.raises(Reverted, match="current round is not initialized"):
        world.bonding.call("slashTranscoder", TRANSCODER, NOBODY, PPM, 0, sender=STRANGER)

    world.rounds.call("initializeRound", sender=STRANGER)
    world.bonding.call("slashTranscoder", TRANSCODER, NOBODY, PPM, 0, sender=STRANGER)
    for transcoder in (TRANSCODER, SECOND):
        world.bonding.call("reward", sender=transcoder)
    assert violations(world) == []


def evicted_with_a_wei(world: World) -> None:
    """The second transcoder keeps 1 wei of stake, is evicted from a full pool, and bonds 900 LPT in vain."""
    world.become_transcoder(STRANGER, 2000 * LPT)
    world.next_round()
    world.bonding.call("unbond", bonded(world, SECOND) - 1, sender=SECOND)
    world.become_transcoder(RECEIVER, 1500 * LPT)
    assert SECOND not in members(world)
    world.bonding.call("unbond", bonded(world, TRANSCODER) - 1, sender=TRANSCODER)


def test_fees__k6_recipient_registered_but_inactive__are_refused(world: World) -> None:
    evicted_with_a_wei(world)
    world.bond(SECOND, LPT, SECOND)
    world.next_round()
    world.next_round()
    assert world.bonding.view("isRegisteredTranscoder", SECOND)

    with pytest.raises(Reverted, match="transcoder must be active"):
        credit(world, SECOND, 100)


def test_fees__k7_after_reward_of_an_evicted_transcoder__never_exceed_what_came_in(world: World) -> None:
    evicted_with_a_wei(world)
    world.bonding.call("reward", sender=SECOND)
    world.bond(SECOND, 3000 * LPT, SECOND)
    assert SECOND in members(world)
    assert violations(world) == []
    world.next_round()

    assert fee_pool(world, SECOND)[0] == delegated(world, SECOND)
    assert 0 < credit(world, SECOND, 1000) <= 1000
    world.bonding.call("reward", sender=SECOND)
    assert 0 < credit(world, SECOND, 1000) <= 1000


def test_bond__k7_stake_of_an_evicted_transcoder__is_recorded_until_its_last_round_ends(world: World) -> None:
    world.become_transcoder(STRANGER, 1200 * LPT)
    world.next_round()
    world.become_transcoder(RECEIVER, 1100 * LPT)
    world.bond(NEWCOMER, LPT, SECOND)
    assert SECOND not in members(world)
    assert world.bonding.view("isActiveTranscoder", SECOND)
    assert fee_pool(world, SECOND)[0] == 1000 * LPT
    later = world.bonding.view("getTranscoderEarningsPoolForRound", SECOND, world.round + 1)
    assert later[0] == 1001 * LPT == delegated(world, SECOND)


def test_bond__k10_evicted_and_back_in_one_round__is_active_throughout(world: World) -> None:
    world.become_transcoder(STRANGER, 1200 * LPT)
    world.next_round()
    stake = fee_pool(world, SECOND)[0] or delegated(world, SECOND)
    world.become_transcoder(RECEIVER, 1100 * LPT)
    assert SECOND not in members(world)
    assert world.bonding.view("isActiveTranscoder", SECOND)

    world.bond(NEWCOMER, 500 * LPT, SECOND)

    assert SECOND in members(world)
    assert world.bonding.view("isActiveTranscoder", SECOND)
    assert world.bonding.view("getTranscoder", SECOND)[4] <= world.round
    assert 0 < credit(world, SECOND, FEE) <= FEE
    world.bonding.call("reward", sender=SECOND)
    assert fee_pool(world, SECOND)[0] == stake


def test_fees__k11_after_a_missed_reward__grow_as_without_the_miss(world: World) -> None:
    growth = []
    for misses in (False, True):
        with world.evm.rolled_back():
            world.bonding.call("reward", sender=TRANSCODER)
            world.next_round()
            if not misses:
                world.bonding.call("claimEarnings", 0, sender=NEWCOMER)
                # The same factor is written down for this round: nothing was earned in it.
                world.bond(NEWCOMER, 1, TRANSCODER)
            world.next_round()
            world.bonding.call("reward", sender=TRANSCODER)
            before = fee_pool(world, TRANSCODER)[4]
            credit(world, TRANSCODER, FEE)
            growth.append(fee_pool(world, TRANSCODER)[4] - before)
    assert growth[0] > 0
    assert abs(growth[0] - growth[1]) <= growth[0] // 10**15, growth


def test_fees__k12_recipient_never_active__are_refused_by_name(world: World) -> None:
    world.become_transcoder(NEWCOMER, LPT)
    with pytest.raises(Reverted) as failure:
        credit(world, NEWCOMER, 1)
    assert failure.value.reason == "transcoder must be active"


def test_bond_for__k13_r15_before_the_reward__claims_for_nobody(world: World) -> None:
    """R15: self-delegated owners are protected as well."""
    world.fund(STRANGER, lpt=3)
    for owner, delegate in ((DELEGATOR, TRANSCODER), (TRANSCODER, TRANSCODER)):
        with pytest.raises(Reverted) as failure:
            world.bonding.call("bondForWithHint", 1, owner, delegate, *NO_HINTS, sender=STRANGER)
        assert failure.value.reason == "ILLEGAL_CLAIM_EARNINGS"
        with pytest.raises(Reverted) as failure:
            world.bonding.call("transferBond", owner, 1, *NO_HINTS, sender=SECOND)
        assert failure.value.reason == "ILLEGAL_CLAIM_EARNINGS"
    world.bonding.call("reward", sender=TRANSCODER)
    world.bonding.call("bondForWithHint", 1, DELEGATOR, TRANSCODER, *NO_HINTS, sender=STRANGER)


def test_bond__k18_forced_upon_a_delegate__owner_leaves_in_the_same_round(world: World) -> None:
    world.fund(STRANGER, lpt=1)
    world.bonding.call("bondForWithHint", 1, NEWCOMER, SECOND, *NO_HINTS, sender=STRANGER)

    world.bonding.call("bond", 0, TRANSCODER, sender=NEWCOMER)

    assert delegate_of(world, NEWCOMER) == TRANSCODER
    assert violations(world) == []


def test_bond__k19_r6_to_nobody__is_moved_exactly_once_and_the_books_balance(world: World) -> None:
    world.bond(NEWCOMER, 3 * LPT, NOBODY)
    assert delegated(world, NOBODY) == 3 * LPT
    world.next_round()
    before = delegated(world, TRANSCODER)

    world.bonding.call("bond", 0, TRANSCODER, sender=NEWCOMER)

    assert (delegated(world, NOBODY), delegated(world, TRANSCODER)) == (0, before + 3 * LPT)
    assert violations(world) == []


def test_bond__r1_registered_transcoder_to_another__is_refused(world: World) -> None:
    with pytest.raises(Reverted) as failure:
        world.bonding.call("bond", 0, SECOND, sender=TRANSCODER)
    assert failure.value.reason == "registered transcoders can't delegate towards other addresses"


def test_claim__r2_in_any_order__gives_everybody_the_same(world: World) -> None:
    results = []
    for order in ((TRANSCODER, DELEGATOR), (DELEGATOR, TRANSCODER)):
        with world.evm.rolled_back():
            world.bonding.call("reward", sender=TRANSCODER)
            credit(world, TRANSCODER, FEE)
            for account in order:
                world.bonding.call("claimEarnings", 0, sender=account)
            results.append([world.bonding.view("getDelegator", account)[:2] for account in sorted(order)])
    assert results[0] == results[1]
    assert all(fees > 0 for _, fees in results[0])


def test_bond__r3_joining_late__earns_nothing_of_the_past(world: World) -> None:
    world.bonding.call("reward", sender=TRANSCODER)
    credit(world, TRANSCODER, FEE)
    world.next_round()
    world.bond(NEWCOMER, 100 * LPT, TRANSCODER)
    world.next_round()
    assert (pending_stake(world, NEWCOMER), pending_fees(world, NEWCOMER)) == (100 * LPT, 0)


def test_transfer__r5_everything_to_a_fresh_receiver__keeps_the_delegate(world: World) -> None:
    world.bonding.call("transferBond", NEWCOMER, 500 * LPT, *NO_HINTS, sender=DELEGATOR)
    assert (delegate_of(world, NEWCOMER), bonded(world, NEWCOMER)) == (TRANSCODER, 500 * LPT)
    assert delegate_of(world, DELEGATOR) == NOBODY
    assert violations(world) == []


def test_transfer__r5_to_a_delegator_with_earnings__claims_them_first(world: World) -> None:
    world.bond(NEWCOMER, 500 * LPT, TRANSCODER)
    world.next_round()
    for account in (TRANSCODER, SECOND):
        world.bonding.call("reward", sender=account)
    expected = pending_stake(world, NEWCOMER)
    assert expected > 500 * LPT

    world.bonding.call("transferBond", NEWCOMER, LPT, *NO_HINTS, sender=SECOND)

    assert bonded(world, NEWCOMER) == expected + LPT
    assert violations(world) == []


def test_bond_for__r8_claims_for_the_owner_and_changes_no_delegate(world: World) -> None:
    for account in (TRANSCODER, SECOND):
        world.bonding.call("reward", sender=account)
    expected = pending_stake(world, DELEGATOR)
    world.fund(STRANGER, lpt=2)
    with pytest.raises(Reverted) as failure:
        world.bonding.call("bondForWithHint", 1, DELEGATOR, SECOND, *NO_HINTS, sender=STRANGER)
    assert failure.value.reason == "INVALID_DELEGATE_CHANGE"

    world.bonding.call("bondForWithHint", 1, DELEGATOR, TRANSCODER, *NO_HINTS, sender=STRANGER)

    assert bonded(world, DELEGATOR) == expected + 1


def test_transfer__r9_to_an_account_bonded_to_nobody__keeps_delegated_amounts_right(world: World) -> None:
    world.bond(NEWCOMER, 3 * LPT, NOBODY)
    world.next_round()

    world.bonding.call("transferBond", NEWCOMER, 20 * LPT, *NO_HINTS, sender=DELEGATOR)

    assert delegate_of(world, NEWCOMER) == NOBODY
    assert delegated(world, NOBODY) == 23 * LPT
    assert violations(world) == []


def test_bond_for__r10_an_account_as_its_own_delegate__is_refused(world: World) -> None:
    world.fund(STRANGER, lpt=1)
    with pytest.raises(Reverted) as failure:
        world.bonding.call("bondForWithHint", 1, NEWCOMER, NEWCOMER, *NO_HINTS, sender=STRANGER)
    assert failure.value.reason == "INVALID_DELEGATE"


def test_bond_for__r12_the_null_account__is_refused(world: World) -> None:
    world.fund(STRANGER, lpt=1)
    with pytest.raises(Reverted) as failure:
        world.bonding.call("bondForWithHint", 1, NOBODY, TRANSCODER, *NO_HINTS, sender=STRANGER)
    assert failure.value.reason == "INVALID_DELEGATOR"
    with pytest.raises(Reverted) as failure:
        world.bonding.call("transferBond", NOBODY, LPT, *NO_HINTS, sender=DELEGATOR)
    assert failure.value.reason == "INVALID_DELEGATOR"


def test_rebond_from_unbonded__r14_to_an_idle_transcoder__earns_nothing_of_the_past(world: World) -> None:
    world.bonding.call("reward", sender=SECOND)
    world.earn_fee(FEE, SECOND)
    world.bonding.call("unbond", 500 * LPT, sender=DELEGATOR)
    world.next_round()

    world.bonding.call("rebondFromUnbonded", SECOND, 0, sender=DELEGATOR)
    world.next_round()

    assert (pending_stake(world, DELEGATOR), pending_fees(world, DELEGATOR)) == (500 * LPT, 0)
    assert violations(world) == []


def test_reward_for_transcoder__r16_by_its_reward_caller_alone__is_the_transcoders(world: World) -> None:
    with pytest.raises(Reverted) as failure:
        world.bonding.call("rewardForTranscoder", TRANSCODER, sender=STRANGER)
    assert failure.value.reason == "caller must be the transcoder's reward caller"
    world.bonding.call("setRewardCaller", STRANGER, sender=TRANSCODER)

    receipt = world.bonding.call("rewardForTranscoder", TRANSCODER, sender=STRANGER)

    [event] = [event for event in receipt.events if event.name == "Reward"]
    assert event.args["transcoder"] == TRANSCODER
    assert world.bonding.view("getTranscoder", TRANSCODER)[0] == world.round
