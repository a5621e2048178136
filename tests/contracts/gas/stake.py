"""Scenarios of delegators and transcoders: everything that moves stake."""

from __future__ import annotations

from eth_utils.crypto import keccak

from tests.contracts.gas.accounts import account
from tests.contracts.gas.wiring import UNBONDING_PERIOD
from tests.contracts.gas.world import DELEGATED, LPT, NO_HINT, NOBODY, Hint, World, stake_of

Gas = dict[str, int]

BURNER_ROLE = keccak(text="BURNER_ROLE")

DELEGATOR = account("delegator")
SECOND_DELEGATOR = account("second delegator")
NEWCOMER = account("newcomer")
LOWEST_STAKE = 10 * LPT
HIGHEST_STAKE = 5000 * LPT
# Less than what lies between two neighbours of the pool.
SMALL = 2 * LPT


def variants(hint: Hint) -> dict[str, Hint | None]:
    """Suffix of a scenario's name -> hint."""
    return {"nohint": None, "hint": hint}


def first_transcoder(world: World, gas: Gas) -> None:
    """The pool is empty."""
    world.equip(NEWCOMER)
    world.next_round()
    gas["bond.self_new_transcoder.pool0"] = world.bond(NEWCOMER, stake_of(0), NEWCOMER)
    gas["transcoder.first_set.pool0"] = world.set_rates(NEWCOMER)
    gas["transcoder.change_same_round.pool0"] = world.change_rates(NEWCOMER)


def empty_rounds(world: World, gas: Gas) -> None:
    """The first rounds ever, nobody bonded."""
    gas["initializeRound.empty_pool.call1"] = world.initialize_round()
    gas["initializeRound.empty_pool.call2"] = world.next_round()
    gas["initializeRound.empty_pool.call3"] = world.next_round()


def new_transcoder(world: World, gas: Gas) -> None:
    """A newcomer joins at either end of a pool that has room."""
    world.equip(NEWCOMER)
    ends: dict[str, tuple[int, Hint]] = {
        "last": (LOWEST_STAKE, (world.transcoders[-1].address, NOBODY)),
        "first": (HIGHEST_STAKE, (NOBODY, world.transcoders[0].address)),
    }
    for end, (stake, right_hint) in ends.items():
        for suffix, hint in variants(right_hint).items():
            with world.branch():
                name = f"bond.self_new_transcoder.{world.label}.{end}.{suffix}"
                gas[name] = world.bond(NEWCOMER, stake, NEWCOMER, hint)
                if (end, suffix) == ("last", "nohint"):
                    gas[f"transcoder.first_set.{world.label}"] = world.set_rates(NEWCOMER)


def more_stake(world: World, gas: Gas) -> None:
    """A transcoder and a new delegator add stake; the position stays."""
    world.equip(NEWCOMER)
    for place, position in world.positions.items():
        transcoder = world.transcoders[position]
        for suffix, hint in variants(world.neighbours(position)).items():
            tail = f"{world.label}.{place}.{suffix}"
            with world.branch():
                gas[f"bond.self_more.{tail}"] = world.bond(transcoder, SMALL, transcoder, hint)
                if suffix == "nohint":
                    again = world.bond(transcoder, SMALL, transcoder, hint)
                    gas[f"bond.self_more_again_same_round.{tail}"] = again
            with world.branch():
                gas[f"bond.delegate_new.{tail}"] = world.bond(NEWCOMER, DELEGATED, transcoder, hint)


def move_delegation(world: World, gas: Gas) -> None:
    """A delegator goes from the middle to the last, with all it has."""
    last = len(world.transcoders) - 1
    target = world.transcoders[last].address
    hints = (world.neighbours(world.subject), world.neighbours(last))
    for suffix, both in {"nohint": None, "hint": hints}.items():
        with world.branch():
            name = f"bond.move_delegation.{world.label}.middle_to_last.{suffix}"
            gas[name] = world.act(DELEGATOR, "bond", 0, target, hints=both)


def delegator_leaves(world: World, gas: Gas) -> None:
    """Unbond, rebond and withdraw: part of the stake."""
    place = f"{world.label}.{world.subject_name}"
    right_hint = world.neighbours(world.subject)
    for suffix, hint in variants(right_hint).items():
        hints = None if hint is None else [hint]
        with world.branch():
            gas[f"unbond.delegator_partial.{place}.{suffix}"] = world.act(DELEGATOR, "unbond", SMALL, hints=hints)
            with world.branch():
                gas[f"rebond.delegator.{place}.{suffix}"] = world.act(DELEGATOR, "rebond", 0, hints=hints)
            if hint is None:
                continue
            with world.branch():
                world.next_round()
                name = f"rebond.delegator_next_round.{place}.hint"
                gas[name] = world.act(DELEGATOR, "rebond", 0, hints=hints)
            world.next_round(UNBONDING_PERIOD)
            gas[f"withdrawStake.{place}"] = world.suite.send(
                DELEGATOR.address, "BondingManager", "withdrawStake(uint256)", 0
            )


def delegator_leaves_fully(world: World, gas: Gas) -> None:
    """Unbond and rebond: all of the stake."""
    place = f"{world.label}.{world.subject_name}"
    for suffix, hint in variants(world.neighbours(world.subject)).items():
        hints = None if hint is None else [hint]
        with world.branch():
            gas[f"unbond.delegator_full.{place}.{suffix}"] = world.act(DELEGATOR, "unbond", DELEGATED, hints=hints)
            gas[f"rebondFromUnbonded.delegator.{place}.{suffix}"] = world.act(
                DELEGATOR, "rebondFromUnbonded", world.transcoder.address, 0, hints=hints
            )


def transcoder_leaves(world: World, gas: Gas) -> None:
    """Unbond by the transcoder itself; with all of its stake it leaves the pool."""
    place = f"{world.label}.{world.subject_name}"
    for suffix, hint in variants(world.neighbours(world.subject)).items():
        hints = None if hint is None else [hint]
        with world.branch():
            name = f"unbond.transcoder_partial.{place}.{suffix}"
            gas[name] = world.act(world.transcoder, "unbond", SMALL, hints=hints)
    with world.branch():
        gas[f"unbond.transcoder_full.{place}"] = world.act(world.transcoder, "unbond", stake_of(world.subject))


def transfer_bond(world: World, gas: Gas) -> None:
    """Stake changes hands; the transcoder has called reward, without which others may not make a delegator claim."""
    place = f"{world.label}.{world.subject_name}"
    right_hint = world.neighbours(world.subject)
    world.reward(world.subject, right_hint)

    def transfer(name: str, to: str, amount: int, hint: Hint) -> None:
        with world.branch():
            gas[f"transferBond.{name}"] = world.suite.send(
                DELEGATOR.address,
                "BondingManager",
                "transferBond(address,uint256,address,address,address,address)",
                *(to, amount, *hint, *hint),
            )

    transfer(f"to_new.{place}.nohint", NEWCOMER.address, SMALL, NO_HINT)
    transfer(f"to_new.{place}.hint", NEWCOMER.address, SMALL, right_hint)
    transfer(f"to_bonded_same_delegate.{place}.hint", SECOND_DELEGATOR.address, SMALL, right_hint)
    transfer(f"full_to_new.{place}.hint", NEWCOMER.address, DELEGATED, right_hint)


def slash(world: World, gas: Gas) -> None:
    """Half of the own stake, by an account that plays the Verifier; half of that to a finder who owns LPT already."""
    place = f"{world.label}.{world.subject_name}"
    verifier, finder = account("verifier"), account("finder")
    world.register("Verifier", verifier)
    world.equip(finder)
    minter = world.suite.addresses["Minter"]
    world.suite.send(world.suite.deployer, "LivepeerToken", "grantRole(bytes32,address)", BURNER_ROLE, minter)
    for name, who in {"no_finder": NOBODY, "finder": finder.address}.items():
        with world.branch():
            gas[f"slashTranscoder.{name}.{place}"] = world.suite.send(
                verifier.address,
                "BondingManager",
                "slashTranscoder(address,address,uint256,uint256)",
                *(world.transcoder.address, who, 500_000, 500_000),
            )


def full_pool(world: World, gas: Gas) -> None:
    """A newcomer drives out the last: by its stake, or because the last lost some of its own."""
    world.equip(NEWCOMER)
    above = world.transcoders[-2].address
    last = len(world.transcoders) - 1
    for suffix, hint in variants((above, NOBODY)).items():
        with world.branch():
            name = f"bond.self_new_transcoder.{world.label}.evict_last.{suffix}"
            gas[name] = world.bond(NEWCOMER, stake_of(last) + SMALL, NEWCOMER, hint)
            world.expect_last(NEWCOMER)
        with world.branch():
            world.bond(NEWCOMER, stake_of(last) - SMALL, NEWCOMER)
            world.act(world.transcoders[last], "unbond", 2 * SMALL)
            name = f"transcoder.join_{world.label.replace('full', 'full_')}.evict_last.{suffix}"
            gas[name] = world.set_rates(NEWCOMER, hint)
            world.expect_last(NEWCOMER)


def checkpoint(world: World, gas: Gas) -> None:
    """A transcoder without a record for the next round."""
    gas["checkpointBondingState"] = world.suite.send(
        account("anyone").address, "BondingManager", "checkpointBondingState(address)", world.transcoder.address
    )
