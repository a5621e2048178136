"""Every function that changes state, with its guards, arguments that work, and the account for which they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coincurve import PrivateKey
from eth_abi import encode
from eth_utils.crypto import keccak

from scripts._protocol import JOBS_MANAGER, MINTER_ROLE
from tests.contracts.safety.access.guards import (
    BARE_LIVE,
    BARE_OWNER,
    BARE_PAUSED,
    CONTROLLER,
    LIVE,
    NEW_ROUND,
    ONLY_PAUSED,
    OWNER,
    READY,
    Guard,
    only,
    only_actor,
    role,
    votes_writer,
)
from tests.support.evm import NOBODY
from tests.support.evm_suite import NO_COMMIT, contract_id
from tests.support.evm_world import (
    DELEGATOR,
    LPT,
    NEWCOMER,
    NO_HINTS,
    RECEIVER,
    SECOND,
    SENDER,
    SENDER_KEY,
    STRANGER,
    TRANSCODER,
    World,
)
from tests.support.tickets import MAX_UINT256, batch, compact_batch

BURNER_ROLE = bytes(keccak(text="BURNER_ROLE"))
Args = Callable[[World], tuple[object, ...]]
TWO_HINTS = NO_HINTS[:2]


def nothing(_: World) -> None:
    """No set-up."""


@dataclass(frozen=True, slots=True)
class Row:
    """A function. The actor is an account, or a contract by its name; its call must succeed once the guards let it."""

    actor: str
    guards: tuple[Guard, ...]
    args: Args
    prepare: Callable[[World], None] = nothing
    value: int = 0
    is_signed: bool = False
    """The arguments carry a signature, so the caller does not matter."""


def fixed(*values: object) -> Args:
    return lambda _: values


# --- set-ups ----------------------------------------------------------------------------------------------------------


def with_lpt(world: World) -> None:
    world.fund(STRANGER, lpt=LPT)


def with_lpt_for_receiver(world: World) -> None:
    world.fund(RECEIVER, lpt=LPT)
    world.token.call("approve", STRANGER, LPT, sender=RECEIVER)


def with_burner(world: World) -> None:
    with_lpt_for_receiver(world)
    world.fund(STRANGER, lpt=LPT)
    world.token.call("grantRole", BURNER_ROLE, STRANGER, sender=world.owner)


def with_minter_as_burner(world: World) -> None:
    world.token.call("grantRole", BURNER_ROLE, world.minter.address, sender=world.owner)


def with_everything_unbonded(world: World) -> None:
    world.bonding.call("unbond", 500 * LPT, sender=DELEGATOR)


def with_reward_caller(world: World) -> None:
    world.bonding.call("setRewardCaller", RECEIVER, sender=TRANSCODER)


def with_verifier(world: World) -> None:
    world.register("Verifier", RECEIVER)
    with_minter_as_burner(world)


def with_rewarded(world: World) -> None:
    world.bonding.call("reward", sender=TRANSCODER)


def with_unlock(world: World) -> None:
    world.broker.call("unlock", sender=SENDER)


def with_fees(world: World) -> None:
    world.earn_fee()


# --- arguments --------------------------------------------------------------------------------------------------------


def new_minter(world: World) -> tuple[object, ...]:
    return (world.evm.deploy(world.code["Minter"], world.controller.address, 0, 0, 0, sender=world.owner).address,)


def one_ticket(world: World) -> tuple[object, ...]:
    return world.ticket().arguments()


def two_tickets(world: World) -> tuple[object, ...]:
    return batch([world.ticket(), world.ticket(recipient=SECOND)])


def two_compact_tickets(world: World) -> tuple[object, ...]:
    return compact_batch([world.ticket(), world.ticket()])


def checkpoint(world: World) -> tuple[object, ...]:
    return (STRANGER, world.round + 1, LPT, TRANSCODER, 0, world.round, 0)


def permit(world: World) -> tuple[object, ...]:
    typed = keccak(text="Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
    kinds = ["bytes32", "address", "address", "uint256", "uint256", "uint256"]
    message = keccak(encode(kinds, [typed, SENDER, STRANGER, 5, 0, MAX_UINT256]))
    digest = keccak(b"\x19\x01" + world.token.view("DOMAIN_SEPARATOR") + message)
    sig = PrivateKey(SENDER_KEY).sign_recoverable(digest, hasher=None)
    return SENDER, STRANGER, 5, MAX_UINT256, sig[64] + 27, sig[:32], sig[32:64]


# --- rows -------------------------------------------------------------------------------------------------------------

ANYONE: tuple[Guard, ...] = ()
MOVES_STAKE = (LIVE, READY)
SET_CONTROLLER = Row("Controller", (CONTROLLER,), fixed(STRANGER))

CONTROLLER_ROWS = {
    "transferOwnership(address)": Row("owner", (BARE_OWNER,), fixed(NEWCOMER)),
    "pause()": Row("owner", (BARE_OWNER, BARE_LIVE), fixed()),
    "unpause()": Row("owner", (BARE_OWNER, BARE_PAUSED), fixed()),
    "setContractInfo(bytes32,address,bytes20)": Row(
        "owner", (BARE_OWNER,), fixed(contract_id("Something"), STRANGER, NO_COMMIT)
    ),
    "updateController(bytes32,address)": Row("owner", (BARE_OWNER,), fixed(contract_id("Minter"), STRANGER)),
}

ONLY_BONDING = only("msg.sender not BondingManager", "BondingManager")
MINTER_ROWS = {
    "setController(address)": SET_CONTROLLER,
    "setTargetBondingRate(uint256)": Row("owner", (OWNER,), fixed(5)),
    "setInflationChange(uint256)": Row("owner", (OWNER,), fixed(5)),
    "migrateToNewMinter(address)": Row("owner", (OWNER, ONLY_PAUSED), new_minter),
    "createReward(uint256,uint256)": Row("BondingManager", (ONLY_BONDING, LIVE), fixed(1, 10)),
    "trustedTransferTokens(address,uint256)": Row("BondingManager", (ONLY_BONDING, LIVE), fixed(RECEIVER, 1)),
    "trustedBurnTokens(uint256)": Row("BondingManager", (ONLY_BONDING, LIVE), fixed(1), with_minter_as_burner),
    "trustedWithdrawETH(address,uint256)": Row(
        "TicketBroker",
        (only("msg.sender not BondingManager or JobsManager", "BondingManager", JOBS_MANAGER), LIVE),
        fixed(RECEIVER, 1),
    ),
    "depositETH()": Row(
        "TicketBroker", (only("msg.sender not Minter or JobsManager", "Minter", JOBS_MANAGER),), fixed()
    ),
    "setCurrentRewardTokens()": Row(
        "RoundsManager", (only("msg.sender not RoundsManager", "RoundsManager"), LIVE), fixed()
    ),
}

TOKEN_ROWS = {
    "transfer(address,uint256)": Row(STRANGER, ANYONE, fixed(RECEIVER, 1), with_lpt),
    "transferFrom(address,address,uint256)": Row(STRANGER, ANYONE, fixed(RECEIVER, STRANGER, 1), with_lpt_for_receiver),
    "approve(address,uint256)": Row(STRANGER, ANYONE, fixed(RECEIVER, 1)),
    "increaseAllowance(address,uint256)": Row(STRANGER, ANYONE, fixed(RECEIVER, 1)),
    "decreaseAllowance(address,uint256)": Row(STRANGER, ANYONE, fixed(RECEIVER, 0)),
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)": Row(STRANGER, ANYONE, permit, is_signed=True),
    "mint(address,uint256)": Row("Minter", (role("MINTER_ROLE"),), fixed(RECEIVER, 1)),
    "burn(uint256)": Row(STRANGER, (role("BURNER_ROLE"),), fixed(1), with_burner),
    "burnFrom(address,uint256)": Row(STRANGER, (role("BURNER_ROLE"),), fixed(RECEIVER, 1), with_burner),
    "grantRole(bytes32,address)": Row("owner", (role(""),), fixed(MINTER_ROLE, STRANGER)),
    "revokeRole(bytes32,address)": Row("owner", (role(""),), fixed(MINTER_ROLE, STRANGER)),
    "renounceRole(bytes32,address)": Row(
        STRANGER,
        (only_actor("AccessControl: can only renounce roles for self"),),
        fixed(BURNER_ROLE, STRANGER),
        with_burner,
    ),
}

BROKER_ROWS = {
    "setController(address)": SET_CONTROLLER,
    "setUnlockPeriod(uint256)": Row("owner", (OWNER,), fixed(3)),
    "setTicketValidityPeriod(uint256)": Row("owner", (OWNER,), fixed(3)),
    "fundDeposit()": Row(STRANGER, (LIVE,), fixed(), value=5),
    "fundReserve()": Row(STRANGER, (LIVE,), fixed(), value=5),
    "fundDepositAndReserve(uint256,uint256)": Row(STRANGER, (LIVE,), fixed(2, 3), value=5),
    "fundDepositAndReserveFor(address,uint256,uint256)": Row(STRANGER, (LIVE,), fixed(SENDER, 2, 3), value=5),
    "unlock()": Row(SENDER, (LIVE,), fixed()),
    "cancelUnlock()": Row(SENDER, (LIVE,), fixed(), with_unlock),
    "withdraw()": Row(SENDER, (LIVE,), fixed(), World.unlocked),
    "redeemWinningTicket((address,address,uint256,uint256,uint256,bytes32,bytes),bytes,uint256)": Row(
        STRANGER, (LIVE, READY), one_ticket, is_signed=True
    ),
    "batchRedeemWinningTickets((address,address,uint256,uint256,uint256,bytes32,bytes)[],bytes[],uint256[])": Row(
        STRANGER, (LIVE, READY), two_tickets, is_signed=True
    ),
    "redeemWinningTicketsCompact(address,address,uint256,uint256,uint256,(uint256,uint256,bytes32,bytes32)[])": Row(
        STRANGER, (LIVE, READY), two_compact_tickets, is_signed=True
    ),
}

ONLY_BROKER = only("caller must be TicketBroker", "TicketBroker")
REWARD_CALLER = only_actor("caller must be the transcoder's reward caller")
BONDING_ROWS = {
    "setController(address)": SET_CONTROLLER,
    "setUnbondingPeriod(uint64)": Row("owner", (OWNER,), fixed(3)),
    "setNumActiveTranscoders(uint256)": Row("owner", (OWNER,), fixed(50)),
    "setTreasuryRewardCutRate(uint256)": Row("owner", (OWNER,), fixed(10**26)),
    "setTreasuryBalanceCeiling(uint256)": Row("owner", (OWNER,), fixed(LPT)),
    "bond(uint256,address)": Row(STRANGER, MOVES_STAKE, fixed(LPT, TRANSCODER), with_lpt),
    "bondWithHint(uint256,address,address,address,address,address)": Row(
        STRANGER, MOVES_STAKE, fixed(LPT, TRANSCODER, *NO_HINTS), with_lpt
    ),
    "bondForWithHint(uint256,address,address,address,address,address,address)": Row(
        STRANGER, MOVES_STAKE, fixed(LPT, NEWCOMER, TRANSCODER, *NO_HINTS), with_lpt
    ),
    "unbond(uint256)": Row(DELEGATOR, MOVES_STAKE, fixed(LPT)),
    "unbondWithHint(uint256,address,address)": Row(DELEGATOR, MOVES_STAKE, fixed(LPT, *TWO_HINTS)),
    "rebond(uint256)": Row(DELEGATOR, MOVES_STAKE, fixed(0), World.with_lock),
    "rebondWithHint(uint256,address,address)": Row(DELEGATOR, MOVES_STAKE, fixed(0, *TWO_HINTS), World.with_lock),
    "rebondFromUnbonded(address,uint256)": Row(DELEGATOR, MOVES_STAKE, fixed(SECOND, 0), with_everything_unbonded),
    "rebondFromUnbondedWithHint(address,uint256,address,address)": Row(
        DELEGATOR, MOVES_STAKE, fixed(SECOND, 0, *TWO_HINTS), with_everything_unbonded
    ),
    "transferBond(address,uint256,address,address,address,address)": Row(
        DELEGATOR, MOVES_STAKE, fixed(NEWCOMER, LPT, *NO_HINTS)
    ),
    "withdrawStake(uint256)": Row(DELEGATOR, MOVES_STAKE, fixed(0), World.after_lock),
    "withdrawFees(address,uint256)": Row(DELEGATOR, MOVES_STAKE, fixed(RECEIVER, 1), with_fees),
    "claimEarnings(uint256)": Row(DELEGATOR, MOVES_STAKE, fixed(0)),
    "transcoder(uint256,uint256)": Row(TRANSCODER, MOVES_STAKE, fixed(1, 2), with_rewarded),
    "transcoderWithHint(uint256,uint256,address,address)": Row(
        TRANSCODER, MOVES_STAKE, fixed(1, 2, *TWO_HINTS), with_rewarded
    ),
    "reward()": Row(TRANSCODER, MOVES_STAKE, fixed()),
    "rewardWithHint(address,address)": Row(TRANSCODER, MOVES_STAKE, fixed(*TWO_HINTS)),
    "setRewardCaller(address)": Row(TRANSCODER, ANYONE, fixed(STRANGER)),
    "rewardForTranscoder(address)": Row(RECEIVER, (REWARD_CALLER, LIVE, READY), fixed(TRANSCODER), with_reward_caller),
    "rewardForTranscoderWithHint(address,address,address)": Row(
        RECEIVER, (REWARD_CALLER, LIVE, READY), fixed(TRANSCODER, *TWO_HINTS), with_reward_caller
    ),
    "updateTranscoderWithFees(address,uint256,uint256)": Row(
        "TicketBroker", (LIVE, ONLY_BROKER), fixed(TRANSCODER, 1000, 0)
    ),
    "updateTranscoderWithFeesBatch(address,uint256[],uint256)": Row(
        "TicketBroker", (LIVE, ONLY_BROKER), fixed(TRANSCODER, [1000, 7], 0)
    ),
    "setCurrentRoundTotalActiveStake()": Row(
        "RoundsManager", (only("caller must be RoundsManager", "RoundsManager"),), fixed()
    ),
    "slashTranscoder(address,address,uint256,uint256)": Row(
        RECEIVER,
        (LIVE, only_actor("caller must be Verifier"), READY),
        fixed(TRANSCODER, NOBODY, 10**5, 0),
        with_verifier,
    ),
    "checkpointBondingState(address)": Row(STRANGER, ANYONE, fixed(DELEGATOR)),
}

VOTES_ROWS = {
    "setController(address)": SET_CONTROLLER,
    "checkpointBondingState(address,uint256,uint256,address,uint256,uint256,uint256)": Row(
        "BondingManager", (votes_writer,), checkpoint
    ),
    "checkpointTotalActiveStake(uint256,uint256)": Row(
        "BondingManager", (votes_writer,), lambda world: (LPT, world.round)
    ),
}

ROUNDS_ROWS = {
    "setController(address)": SET_CONTROLLER,
    "setRoundLength(uint256)": Row("owner", (OWNER,), fixed(40)),
    "setRoundLockAmount(uint256)": Row("owner", (OWNER,), fixed(40)),
    "setLIPUpgradeRound(uint256,uint256)": Row("owner", (OWNER,), fixed(36, 40)),
    "initializeRound()": Row(STRANGER, (LIVE, NEW_ROUND), fixed()),
}

REGISTRY_ROWS = {
    "setController(address)": SET_CONTROLLER,
    "setServiceURI(string)": Row(STRANGER, ANYONE, fixed("https://there.example:8935")),
}

ROWS: Mapping[str, Mapping[str, Row]] = {
    "Controller": CONTROLLER_ROWS,
    "Minter": MINTER_ROWS,
    "LivepeerToken": TOKEN_ROWS,
    "L2LPTDataCache": {},
    "TicketBroker": BROKER_ROWS,
    "BondingManager": BONDING_ROWS,
    "BondingVotes": VOTES_ROWS,
    "RoundsManager": ROUNDS_ROWS,
    "ServiceRegistry": REGISTRY_ROWS,
}
