"""Reverts of the BondingManager, its pool and its records."""

from __future__ import annotations

from eth_utils.crypto import keccak

from tests.contracts.safety.reverts.case import BARE, Table
from tests.support.evm import NOBODY
from tests.support.evm_world import (
    DELEGATOR,
    FEE_SHARE_PPM,
    LPT,
    NEWCOMER,
    NO_HINTS,
    RECEIVER,
    REWARD_CUT_PPM,
    SECOND,
    STRANGER,
    TRANSCODER,
    Call,
    World,
)
from tests.support.tickets import word

TABLE = Table()
PPM = 10**6
PRECISE = 10**27
MAX_STAKE = 2**96 - 1
BATCH = 100


# --- parameters and other contracts -----------------------------------------------------------------------------------


@TABLE.reason("BondingManager", "_cutRate is invalid precise percentage")
def set_treasury_cut_above_all(world: World) -> Call:
    return Call(world.bonding, "setTreasuryRewardCutRate", (PRECISE + 1,), world.owner)


@TABLE.reason("sorted_pool", "new max size must be greater than old max size")
def set_pool_size_to_what_it_is(world: World) -> Call:
    return Call(world.bonding, "setNumActiveTranscoders", (world.params.num_active_transcoders,), world.owner)


@TABLE.reason("sorted_pool", "new max size exceeds 16 bits")
def set_pool_size_beyond_16_bits(world: World) -> Call:
    return Call(world.bonding, "setNumActiveTranscoders", (2**16,), world.owner)


@TABLE.reason("BondingManager", "caller must be RoundsManager")
def rotate_totals_by_a_stranger(world: World) -> Call:
    return Call(world.bonding, "setCurrentRoundTotalActiveStake", (), STRANGER)


@TABLE.reason("BondingManager", "caller must be TicketBroker")
def credit_by_a_stranger(world: World) -> Call:
    return Call(world.bonding, "updateTranscoderWithFees", (TRANSCODER, 1, world.round), STRANGER)


@TABLE.reason("BondingManager", "caller must be TicketBroker")
def credit_several_by_a_stranger(world: World) -> Call:
    return Call(world.bonding, "updateTranscoderWithFeesBatch", (TRANSCODER, [1], world.round), STRANGER)


@TABLE.reason("BondingManager", "transcoder must be active")
def credit_an_account_without_stake(world: World) -> Call:
    return Call(world.bonding, "updateTranscoderWithFees", (STRANGER, 1, world.round), world.broker.address)


@TABLE.reason("BondingManager", BARE)
def credit_more_fees_than_a_batch_holds(world: World) -> Call:
    amounts = [1] * (BATCH + 1)
    return Call(
        world.bonding, "updateTranscoderWithFeesBatch", (TRANSCODER, amounts, world.round), world.broker.address
    )


@TABLE.reason("BondingManager", "caller must be Verifier")
def slash_by_a_stranger(world: World) -> Call:
    return Call(world.bonding, "slashTranscoder", (TRANSCODER, NOBODY, PPM, 0), STRANGER)


@TABLE.reason("BondingManager", "current round is not initialized")
def claim_before_the_round_is_initialized(world: World) -> Call:
    world.next_round(initialize=False)
    return Call(world.bonding, "claimEarnings", (0,), DELEGATOR)


# --- bonding ----------------------------------------------------------------------------------------------------------


def bond_for(world: World, owner: str, to: str, sender: str = STRANGER, amount: int = LPT) -> Call:
    world.fund(sender, lpt=amount)
    return Call(world.bonding, "bondForWithHint", (amount, owner, to, *NO_HINTS), sender)


@TABLE.reason("BondingManager", "ILLEGAL_CLAIM_EARNINGS")
def bond_for_a_delegator_before_the_reward(world: World) -> Call:
    return bond_for(world, DELEGATOR, TRANSCODER)


@TABLE.reason("BondingManager", "ILLEGAL_CLAIM_EARNINGS")
def transfer_bond_to_a_delegator_before_the_reward(world: World) -> Call:
    return Call(world.bonding, "transferBond", (DELEGATOR, LPT, *NO_HINTS), SECOND)


@TABLE.reason("BondingManager", "INVALID_DELEGATOR")
def bond_for_nobody(world: World) -> Call:
    return bond_for(world, NOBODY, TRANSCODER)


@TABLE.reason("BondingManager", "INVALID_DELEGATE")
def bond_for_another_to_itself(world: World) -> Call:
    return bond_for(world, NEWCOMER, NEWCOMER)


@TABLE.reason("BondingManager", "INVALID_DELEGATE_CHANGE")
def bond_for_another_to_another_delegate(world: World) -> Call:
    world.bonding.call("reward", sender=TRANSCODER)
    return bond_for(world, DELEGATOR, SECOND)


@TABLE.reason("BondingManager", "registered transcoders can't delegate towards other addresses")
def bond_of_a_transcoder_to_another(world: World) -> Call:
    return Call(world.bonding, "bond", (0, SECOND), TRANSCODER)


@TABLE.reason("BondingManager", "delegation amount must be greater than 0")
def bond_of_nothing(world: World) -> Call:
    return Call(world.bonding, "bond", (0, TRANSCODER), STRANGER)


@TABLE.reason("BondingManager", "LPT transfer failed")
def bond_with_a_token_that_says_false(world: World) -> Call:
    token = world.deploy("HostileMock", NOBODY, b"")
    token.call("set_answer", keccak(text="transferFrom(address,address,uint256)")[:4], word(0), sender=STRANGER)
    world.register("LivepeerToken", token.address)
    return Call(world.bonding, "bond", (1, TRANSCODER), STRANGER)


@TABLE.reason("LivepeerToken", "ERC20: insufficient allowance")
def bond_without_allowance(world: World) -> Call:
    return Call(world.bonding, "bond", (1, TRANSCODER), STRANGER)


@TABLE.reason("stakeholders", "amount exceeds 96 bits")
def bond_more_than_a_record_holds(world: World) -> Call:
    world.fund(STRANGER, lpt=MAX_STAKE + 1)
    return Call(world.bonding, "bond", (MAX_STAKE + 1, SECOND), STRANGER)


@TABLE.reason("sorted_pool", "stake exceeds 96 bits")
def bond_more_than_a_delegate_holds(world: World) -> Call:
    world.fund(STRANGER, lpt=MAX_STAKE)
    return Call(world.bonding, "bond", (MAX_STAKE, SECOND), STRANGER)


@TABLE.reason("sorted_pool", "node id is null")
def bond_of_nobody_to_itself(world: World) -> Call:
    """The zero address cannot sign on a chain; here any address may call."""
    world.register("LivepeerToken", world.deploy("HostileMock", NOBODY, b"").address)
    return Call(world.bonding, "bond", (LPT, NOBODY), NOBODY)


# --- unbonding, rebonding, transfers ----------------------------------------------------------------------------------


@TABLE.reason("BondingManager", "caller must be bonded")
def unbond_without_stake(world: World) -> Call:
    return Call(world.bonding, "unbond", (1,), STRANGER)


@TABLE.reason("BondingManager", "caller must be bonded")
def unbond_while_pending(world: World) -> Call:
    world.bond(NEWCOMER, LPT, TRANSCODER)
    return Call(world.bonding, "unbond", (1,), NEWCOMER)


@TABLE.reason("BondingManager", "caller must be bonded")
def rebond_without_stake(world: World) -> Call:
    return Call(world.bonding, "rebond", (0,), STRANGER)


@TABLE.reason("BondingManager", "unbond amount must be greater than 0")
def unbond_nothing(world: World) -> Call:
    return Call(world.bonding, "unbond", (0,), DELEGATOR)


@TABLE.reason("BondingManager", "amount is greater than bonded amount")
def unbond_more_than_there_is(world: World) -> Call:
    return Call(world.bonding, "unbond", (501 * LPT,), DELEGATOR)


@TABLE.reason("BondingManager", "caller must be unbonded")
def rebond_from_unbonded_with_stake(world: World) -> Call:
    world.with_lock()
    return Call(world.bonding, "rebondFromUnbonded", (TRANSCODER, 0), DELEGATOR)


@TABLE.reason("stakeholders", "invalid unbonding lock ID")
def rebond_a_lock_that_never_was(world: World) -> Call:
    return Call(world.bonding, "rebond", (7,), DELEGATOR)


@TABLE.reason("stakeholders", "invalid unbonding lock ID")
def withdraw_a_lock_twice(world: World) -> Call:
    world.after_lock()
    world.bonding.call("withdrawStake", 0, sender=DELEGATOR)
    return Call(world.bonding, "withdrawStake", (0,), DELEGATOR)


@TABLE.reason("BondingManager", "INVALID_DELEGATOR")
def transfer_bond_to_nobody(world: World) -> Call:
    return Call(world.bonding, "transferBond", (NOBODY, LPT, *NO_HINTS), DELEGATOR)


@TABLE.reason("BondingManager", "INVALID_DELEGATOR")
def transfer_bond_to_ones_delegate_that_has_no_stake(world: World) -> Call:
    world.bond(NEWCOMER, LPT, STRANGER)
    world.next_round()
    return Call(world.bonding, "transferBond", (STRANGER, LPT // 2, *NO_HINTS), NEWCOMER)


@TABLE.reason("BondingManager", "withdraw round must be before or equal to the current round")
def withdraw_stake_too_early(world: World) -> Call:
    world.with_lock()
    return Call(world.bonding, "withdrawStake", (0,), DELEGATOR)


@TABLE.reason("BondingManager", "invalid recipient")
def withdraw_fees_to_nobody(world: World) -> Call:
    return Call(world.bonding, "withdrawFees", (NOBODY, 0), DELEGATOR)


@TABLE.reason("BondingManager", "insufficient fees to withdraw")
def withdraw_more_fees_than_there_are(world: World) -> Call:
    return Call(world.bonding, "withdrawFees", (RECEIVER, 1), DELEGATOR)


# --- transcoders ------------------------------------------------------------------------------------------------------


@TABLE.reason("BondingManager", "can't update transcoder params, current round is locked")
def set_rates_in_a_locked_round(world: World) -> Call:
    world.evm.block += world.params.round_length_blocks - 1
    return Call(world.bonding, "transcoder", (REWARD_CUT_PPM, FEE_SHARE_PPM), TRANSCODER)


@TABLE.reason("BondingManager", "invalid rewardCut percentage")
def set_reward_cut_above_all(world: World) -> Call:
    return Call(world.bonding, "transcoder", (PPM + 1, FEE_SHARE_PPM), TRANSCODER)


@TABLE.reason("BondingManager", "invalid feeShare percentage")
def set_fee_share_above_all(world: World) -> Call:
    return Call(world.bonding, "transcoder", (REWARD_CUT_PPM, PPM + 1), TRANSCODER)


@TABLE.reason("BondingManager", "transcoder must be registered")
def set_rates_of_a_delegator(world: World) -> Call:
    return Call(world.bonding, "transcoder", (REWARD_CUT_PPM, FEE_SHARE_PPM), DELEGATOR)


@TABLE.reason("BondingManager", "caller can't be active or must have already called reward for the current round")
def set_rates_before_the_reward(world: World) -> Call:
    return Call(world.bonding, "transcoder", (REWARD_CUT_PPM, FEE_SHARE_PPM), TRANSCODER)


@TABLE.reason("BondingManager", "caller must be an active transcoder")
def reward_of_a_delegator(world: World) -> Call:
    return Call(world.bonding, "reward", (), DELEGATOR)


@TABLE.reason("BondingManager", "caller has already called reward for the current round")
def reward_twice(world: World) -> Call:
    world.bonding.call("reward", sender=TRANSCODER)
    return Call(world.bonding, "reward", (), TRANSCODER)


@TABLE.reason("BondingManager", "caller must be the transcoder's reward caller")
def reward_for_a_transcoder_by_a_stranger(world: World) -> Call:
    return Call(world.bonding, "rewardForTranscoder", (TRANSCODER,), STRANGER)


@TABLE.reason("BondingManager", "caller must be the transcoder's reward caller")
def reward_for_a_transcoder_with_hint_by_itself(world: World) -> Call:
    return Call(world.bonding, "rewardForTranscoderWithHint", (TRANSCODER, NOBODY, NOBODY), TRANSCODER)


# --- what only wrong books could cause: storage is changed by hand ----------------------------------------------------


@TABLE.reason("BondingManager", "commissions exceed active stake")
def fee_with_commissions_above_the_stake(world: World) -> Call:
    """K7, K12: nothing is paid then."""
    world.poke("BondingManager", "stakeholders._commissions", TRANSCODER, lambda word: word | (1600 * LPT))
    return Call(world.bonding, "updateTranscoderWithFees", (TRANSCODER, 1, world.round), world.broker.address)


@TABLE.reason("BondingManager", "commissions exceed active stake")
def reward_with_commissions_above_the_stake(world: World) -> Call:
    world.poke("BondingManager", "stakeholders._commissions", TRANSCODER, lambda word: word | (1600 * LPT))
    return Call(world.bonding, "reward", (), TRANSCODER)


@TABLE.reason("sorted_pool", "key is zero")
def unbond_all_of_a_members_stake(world: World) -> Call:
    """A member whose own stake is not part of its weight."""
    world.poke("BondingManager", "sorted_pool._down", TRANSCODER, lambda word: (500 * LPT << 160) | word % 2**160)
    return Call(world.bonding, "unbond", (500 * LPT,), DELEGATOR)


@TABLE.reason("sorted_pool", "node not in list")
def evict_a_last_member_that_is_none(world: World) -> Call:
    world.become_transcoder(NEWCOMER, 10 * LPT)
    world.poke("BondingManager", "sorted_pool._tail", None, lambda _: int(DELEGATOR, 16))
    world.fund(STRANGER, lpt=20 * LPT)
    return Call(world.bonding, "bond", (20 * LPT, STRANGER), STRANGER)


@TABLE.reason("sorted_pool", BARE)
def join_as_a_member(world: World) -> Call:
    """A member of the pool whose record says that it left."""
    world.bonding.call("reward", sender=TRANSCODER)
    world.poke("BondingManager", "stakeholders._transcoders", TRANSCODER, lambda word: word ^ (1 << 200))
    return Call(world.bonding, "transcoder", (REWARD_CUT_PPM, FEE_SHARE_PPM), TRANSCODER)
