"""Every way out of the protocol's contracts: a call that leads to one, with a hostile contract at its end.

The hostile contract is an account as well: a transcoder with stake, fees and a lock that can be withdrawn, and a sender
with deposit and reserve that are unlocked. So whatever it calls on its way in is not refused for want of anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eth_abi import encode
from eth_utils.crypto import keccak

from tests.support.artifacts import suite_artifacts
from tests.support.evm import NOBODY, Contract
from tests.support.evm_abi import Interface
from tests.support.evm_suite import contract_id
from tests.support.evm_world import (
    DELEGATOR,
    ETH,
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
    make_world,
)
from tests.support.tickets import batch

BURNER_ROLE = bytes(keccak(text="BURNER_ROLE"))
STAKE = 800 * LPT


@dataclass(frozen=True, slots=True)
class Trap:
    """A world, the hostile contract in it, and the call that ends up there."""

    world: World
    mock: Contract
    outer: Call


Prepare = Callable[[World, str], Call]


@dataclass(frozen=True, slots=True)
class Scenario:
    """How to get there."""

    name: str
    poses_as: tuple[str, ...]
    """Ids under which the hostile contract is registered."""
    outer: Prepare
    """Returns the call, which was not made yet, from a world and the hostile contract's address."""
    before: Callable[[World, str], None] = lambda _world, _mock: None
    """Set-up that needs the real contracts."""
    refuses: tuple[str, ...] = ()
    """Signatures of functions that fail after the attack."""
    exceptions: tuple[str, ...] = ()
    """Calls that do come to something else, which is stated in `test_reentrancy.py`."""


def selector(signature: str) -> bytes:
    return bytes(keccak(text=signature)[:4])


def become_a_person(world: World, mock: str) -> None:
    """Stake, commissions, fees, a lock and unlocked funds; the round is initialised and reward can be called."""
    world.become_transcoder(mock, STAKE)
    world.next_round()
    world.bonding.call("reward", sender=mock)
    world.earn_fee(recipient=mock)
    world.bonding.call("unbond", 10 * LPT, sender=mock)
    world.evm.give(mock, 3 * ETH)
    world.broker.call("fundDepositAndReserve", ETH, ETH, sender=mock, value=2 * ETH)
    world.broker.call("unlock", sender=mock)
    world.next_round(max(world.params.unbonding_period_rounds, world.params.unlock_period_rounds))
    world.earn_fee(recipient=mock)


def answer_questions(mock: Contract, name: str) -> None:
    """A contract that poses as another must answer its views, which are called statically, without calling anyone."""
    artifact = suite_artifacts().get(name)
    if artifact is None:
        return
    for function in Interface.of(artifact.name, artifact.abi).own_functions():
        if function.mutability in ("view", "pure"):
            mock.call("set_question", function.selector, b"", sender=STRANGER)


def make_trap(scenario: Scenario) -> Trap:
    world = make_world()
    mock = world.deploy("HostileMock", NOBODY, b"")
    world.evm.let_call(mock.address)
    become_a_person(world, mock.address)
    scenario.before(world, mock.address)
    outer = scenario.outer(world, mock.address)
    for name in scenario.poses_as:
        world.register(name, mock.address)
        answer_questions(mock, name)
    mock.call(
        "set_question",
        selector("getController()"),
        encode(["address"], [world.controller.address]),
        sender=STRANGER,
    )
    for signature in scenario.refuses:
        mock.call("set_refused", selector(signature), sender=STRANGER)
    return Trap(world, mock, outer)


# --- calls ------------------------------------------------------------------------------------------------------------


def bonding(function: str, *args: object) -> Prepare:
    return lambda world, mock: Call(world.bonding, function, args, mock)


def broker(function: str, *args: object, value: int = 0) -> Prepare:
    return lambda world, mock: Call(world.broker, function, args, mock, value)


def redeem(world: World, mock: str) -> Call:
    return Call(world.broker, "redeemWinningTicket", world.ticket(recipient=mock).arguments(), mock)


def redeem_batch(world: World, mock: str) -> Call:
    tickets = [world.ticket(recipient=recipient) for recipient in (mock, mock, TRANSCODER)]
    return Call(world.broker, "batchRedeemWinningTickets", batch(tickets), mock)


def initialize_round(world: World, mock: str) -> Call:
    world.next_round(initialize=False)
    return Call(world.rounds, "initializeRound", (), mock)


def migrate(world: World, to: str) -> Call:
    return Call(world.minter, "migrateToNewMinter", (to,), world.owner)


def migrate_to_an_honest_minter(world: World, _mock: str) -> Call:
    new = world.evm.deploy(world.code["Minter"], world.controller.address, 0, 0, 0, sender=world.owner)
    return migrate(world, new.address)


def slash(world: World, _mock: str) -> Call:
    return Call(world.bonding, "slashTranscoder", (TRANSCODER, RECEIVER, 10**5, 10**5), RECEIVER)


def update_controller(world: World, _mock: str) -> Call:
    return Call(world.controller, "updateController", (contract_id("Something"), STRANGER), world.owner)


def with_lpt(world: World, mock: str) -> None:
    world.fund(mock, lpt=LPT)


def with_treasury(world: World, _mock: str) -> None:
    world.register("Treasury", RECEIVER)
    world.bonding.call("setTreasuryRewardCutRate", 5 * 10**26, sender=world.owner)
    world.bonding.call("setTreasuryBalanceCeiling", 10**30, sender=world.owner)
    world.next_round()


def with_verifier(world: World, _mock: str) -> None:
    world.register("Verifier", RECEIVER)
    world.token.call("grantRole", BURNER_ROLE, world.minter.address, sender=world.owner)


def while_paused(world: World, _mock: str) -> None:
    world.pause()


TOKEN, MINTER, BONDING, VOTES = ("LivepeerToken",), ("Minter",), ("BondingManager",), ("BondingVotes",)
PARAMS = (REWARD_CUT_PPM, FEE_SHARE_PPM)
CREDIT = "updateTranscoderWithFeesBatch(address,uint256[],uint256)"

REFUSED_BATCH = Scenario("batch", BONDING, redeem_batch, refuses=(CREDIT,))
SCENARIOS = [
    Scenario("token: bond", TOKEN, bonding("bond", LPT, TRANSCODER), lambda w, m: unbond_all(w, m)),
    Scenario("token: bond for another", TOKEN, bonding("bondForWithHint", LPT, NEWCOMER, TRANSCODER, *NO_HINTS)),
    Scenario("token: withdraw stake", TOKEN, bonding("withdrawStake", 0)),
    Scenario("token: reward", TOKEN, bonding("reward")),
    Scenario("token: reward with a treasury", TOKEN, bonding("reward"), with_treasury),
    Scenario("token: migrate", TOKEN, migrate_to_an_honest_minter, while_paused),
    Scenario("token: slash", TOKEN, slash, with_verifier),
    Scenario("minter: fund deposit", MINTER, broker("fundDeposit", value=5)),
    Scenario("minter: fund reserve", MINTER, broker("fundReserve", value=5)),
    Scenario("minter: fund for another", MINTER, broker("fundDepositAndReserveFor", STRANGER, 2, 3, value=5)),
    Scenario("minter: withdraw", MINTER, broker("withdraw")),
    Scenario("minter: withdraw fees", MINTER, bonding("withdrawFees", RECEIVER, 7)),
    Scenario("minter: withdraw stake", MINTER, bonding("withdrawStake", 0)),
    Scenario("minter: reward", MINTER, bonding("reward")),
    Scenario("minter: reward with a treasury", MINTER, bonding("reward"), with_treasury),
    Scenario("minter: initialize round", MINTER, initialize_round),
    Scenario("minter: slash", MINTER, slash, with_verifier),
    Scenario("new minter: migrate", (), migrate, while_paused),
    Scenario("bonding manager: redeem", BONDING, redeem),
    Scenario("bonding manager: batch", BONDING, redeem_batch),
    Scenario("bonding manager: initialize round", BONDING, initialize_round),
    Scenario("votes: bond", VOTES, lambda w, m: Call(w.bonding, "bond", (LPT, m), m), with_lpt),
    Scenario("votes: move", VOTES, bonding("bond", 0, SECOND), lambda w, m: bond_to_transcoder(w, m)),
    Scenario("votes: unbond", VOTES, bonding("unbond", LPT)),
    Scenario("votes: transfer", VOTES, bonding("transferBond", DELEGATOR, LPT, *NO_HINTS), lambda w, _m: rewarded(w)),
    Scenario("votes: withdraw fees", VOTES, bonding("withdrawFees", RECEIVER, 7)),
    Scenario("votes: reward", VOTES, bonding("reward")),
    Scenario(
        "votes: initialize round",
        VOTES,
        initialize_round,
        exceptions=("BondingManager.reward()", "BondingManager.rewardWithHint(address,address)"),
    ),
    Scenario("votes: slash", VOTES, slash, with_verifier),
    Scenario("controller: update", ("Something",), update_controller),
]


def own_stake(world: World, account: str) -> int:
    """With everything that was not claimed yet."""
    return int(world.bonding.view("pendingStake", account, 0))


def unbond_all(world: World, mock: str) -> None:
    world.bonding.call("unbond", own_stake(world, mock), sender=mock)


def bond_to_transcoder(world: World, mock: str) -> None:
    unbond_all(world, mock)
    world.next_round()
    world.bonding.call("rebondFromUnbonded", TRANSCODER, 1, sender=mock)
    world.next_round()


def rewarded(world: World) -> None:
    world.bonding.call("reward", sender=TRANSCODER)
