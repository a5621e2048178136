"""Reverts of governor, treasury, protocol owner, polls and faucet. The world is not used: a council has its own."""

from __future__ import annotations

from typing import cast

from eth_abi import encode

from tests.contracts.safety.reverts.case import BARE, Table
from tests.support.artifacts import compile_all, suite_artifacts
from tests.support.evm import NOBODY, OWNER, Contract, Evm
from tests.support.evm_abi import Interface
from tests.support.evm_suite import EvmSuite, contract_id, deploy_suite
from tests.support.evm_world import Call, World
from tests.support.governance import (
    ABSTAIN,
    ACTIVE,
    ANN,
    FIRST,
    FOR,
    LPT,
    NONE,
    STRANGER,
    Council,
    Proposal,
    deploy_council,
)
from tests.support.governance import Call as Action

TABLE = Table()
SALT = b"\x01" * 32


def proposing(council: Council, actions: list[Action], description: str = "", sender: str = FIRST) -> Call:
    return Call(council.governor, "propose", (*Proposal(tuple(actions), description).lists, description), sender)


def carrying_out(council: Council, function: str, proposal: Proposal, sender: str = STRANGER) -> Call:
    return Call(council.governor, function, (*proposal.lists, proposal.description_hash), sender)


def voting(council: Council, proposal: Proposal, support: int = FOR) -> Call:
    return Call(council.governor, "castVote", (proposal.id, support), FIRST)


def open_vote(council: Council) -> Proposal:
    proposal = council.propose([council.pay(ANN, 1)])
    council.reach(proposal, ACTIVE)
    return proposal


# --- LivepeerGovernor: proposals --------------------------------------------------------------------------------------


@TABLE.reason("LivepeerGovernor", "Governor: proposer restricted")
def propose_for_somebody_else(_: World) -> Call:
    council = deploy_council()
    return proposing(council, [council.pay(ANN, 1)], f"#proposer={ANN}")


@TABLE.reason("LivepeerGovernor", "Governor: proposer votes below proposal threshold")
def propose_without_votes(_: World) -> Call:
    council = deploy_council()
    return proposing(council, [council.pay(ANN, 1)], sender=STRANGER)


@TABLE.reason("LivepeerGovernor", "Governor: invalid proposal length")
def propose_lists_of_different_lengths(_: World) -> Call:
    return Call(deploy_council().governor, "propose", ([ANN], [], [b""], ""), FIRST)


@TABLE.reason("LivepeerGovernor", "Governor: empty proposal")
def propose_nothing(_: World) -> Call:
    return proposing(deploy_council(), [])


@TABLE.reason("LivepeerGovernor", "Governor: proposal already exists")
def propose_again(_: World) -> Call:
    council = deploy_council()
    council.propose([council.pay(ANN, 1)], "same")
    return proposing(council, [council.pay(ANN, 1)], "same")


@TABLE.reason("LivepeerGovernor", "Governor: unknown proposal id")
def state_of_nothing(_: World) -> Call:
    return Call(deploy_council().governor, "castVote", (1, FOR), FIRST)


@TABLE.reason("LivepeerGovernor", "Governor: too late to cancel")
def cancel_during_the_vote(_: World) -> Call:
    council = deploy_council()
    return carrying_out(council, "cancel", open_vote(council), FIRST)


@TABLE.reason("LivepeerGovernor", "Governor: only proposer can cancel")
def cancel_by_another(_: World) -> Call:
    council = deploy_council()
    return carrying_out(council, "cancel", council.propose([council.pay(ANN, 1)]), ANN)


@TABLE.reason("LivepeerGovernor", "Governor: proposal not successful")
def queue_during_the_vote(_: World) -> Call:
    council = deploy_council()
    return carrying_out(council, "queue", open_vote(council))


# --- LivepeerGovernor: votes ------------------------------------------------------------------------------------------


@TABLE.reason("LivepeerGovernor", "Governor: vote not currently active")
def vote_too_early(_: World) -> Call:
    council = deploy_council()
    return voting(council, council.propose([council.pay(ANN, 1)]))


@TABLE.error("LivepeerGovernor", "InvalidVoteType(uint8)", lambda _: (ABSTAIN + 1,))
def vote_for_nothing(_: World) -> Call:
    council = deploy_council()
    return voting(council, open_vote(council), ABSTAIN + 1)


@TABLE.error("LivepeerGovernor", "VoteAlreadyCast()", lambda _: ())
def vote_again(_: World) -> Call:
    council = deploy_council()
    proposal = open_vote(council)
    council.vote(proposal, FIRST, FOR)
    return voting(council, proposal)


@TABLE.reason("LivepeerGovernor", "ECDSA: invalid signature")
def vote_by_no_signature(_: World) -> Call:
    council = deploy_council()
    return Call(council.governor, "castVoteBySig", (1, FOR, 29, SALT, SALT), STRANGER)


@TABLE.reason("LivepeerGovernor", "ECDSA: invalid signature 's' value")
def vote_by_the_larger_signature(_: World) -> Call:
    council = deploy_council()
    return Call(council.governor, "castVoteBySig", (1, FOR, 27, SALT, b"\xff" * 32), STRANGER)


# --- LivepeerGovernor: set-up, settings, relay ------------------------------------------------------------------------


def initializing(register_votes: bool = True, register_treasury: bool = True, **changes: int) -> Call:
    """The creation of a governor's proxy with these settings."""
    suite, codes = deploy_suite(), compile_all(["Creator", "LivepeerGovernor"])
    suite.start()
    if register_treasury:
        suite.register("Treasury", STRANGER)
    if not register_votes:
        suite.register("BondingVotes", NOBODY)
    code = suite.evm.deploy(codes["LivepeerGovernor"], suite.controller.address)
    suite.register("LivepeerGovernorTarget", code.address)
    settings = {"delay": 1, "period": 10, "threshold": 1, "quorum": 1, "quota": 1, **changes}
    data = code.interface.functions["initialize"].encode(tuple(settings.values()))
    creation = suite_artifacts()["ManagerProxy"].bytecode + encode(
        ("address", "bytes32"), (suite.controller.address, contract_id("LivepeerGovernorTarget"))
    )
    return Call(suite.evm.deploy(codes["Creator"]), "create", (creation, data, 0), STRANGER)


@TABLE.reason("LivepeerGovernor", "Initializable: contract is already initialized")
def initialize_a_governor_again(_: World) -> Call:
    return Call(deploy_council().governor, "initialize", (1, 1, 1, 1, 1), STRANGER)


@TABLE.reason("LivepeerGovernor", "Treasury must be registered")
def initialize_without_a_treasury(_: World) -> Call:
    return initializing(register_treasury=False)


@TABLE.reason("LivepeerGovernor", "BondingVotes must be registered")
def initialize_without_votes(_: World) -> Call:
    return initializing(register_votes=False)


@TABLE.reason("LivepeerGovernor", "GovernorSettings: voting period too low")
def initialize_with_no_time_to_vote(_: World) -> Call:
    return initializing(period=0)


@TABLE.reason("LivepeerGovernor", "GovernorVotesQuorumFraction: quorumNumerator over quorumDenominator")
def initialize_with_a_quorum_of_more_than_all(_: World) -> Call:
    return initializing(quorum=1_000_001)


@TABLE.reason("tally", "quota is an invalid percentage")
def initialize_with_a_quota_of_more_than_all(_: World) -> Call:
    return initializing(quota=1_000_001)


@TABLE.reason("LivepeerGovernor", "Governor: onlyGovernance")
def change_a_setting_by_hand(_: World) -> Call:
    return Call(deploy_council().governor, "setVotingDelay", (2,), FIRST)


@TABLE.error("LivepeerGovernor", "Empty()", lambda _: ())
def change_a_setting_by_the_treasury_outside_of_a_proposal(_: World) -> Call:
    council = deploy_council()
    return Call(council.governor, "setVotingDelay", (2,), council.treasury.address)


@TABLE.reason("LivepeerGovernor", "Governor: relay reverted without message")
def relay_a_call_that_fails(_: World) -> Call:
    """A treasury passes no reasons on, so this governor gets one that does what it is told and bubbles."""
    council = deploy_council()
    treasury = council.evm.deploy(compile_all(["mocks/Reenterer"])["Reenterer"])
    council.adopt([council.setting("updateTimelock", treasury.address)])
    failing = (council.suite.controller.address, 0, b"\x01\x02\x03\x04")
    proposal = council.propose([council.setting("relay", *failing)])
    council.pass_(proposal)
    treasury.call("prepare", council.governor.address, council.setting("relay", *failing)[2], sender=STRANGER)
    return carrying_out(council, "execute", proposal)


class Raw:
    """Calldata that no function of the ABI takes."""

    selector = inputs = None

    def __init__(self, data: bytes) -> None:
        self._data = data

    def encode(self, args: tuple[object, ...]) -> bytes:
        return self._data

    def decode(self, data: bytes) -> None:
        return None


def raw(contract: Contract, data: bytes, value: int = 0) -> Call:
    contract.interface.functions["raw"] = cast("object", Raw(data))  # type: ignore[assignment]
    if value:
        contract.evm.give(STRANGER, value)
    return Call(contract, "raw", (), STRANGER, value)


@TABLE.reason("LivepeerGovernor", "Governor: must send to executor")
def send_ether_to_the_governor(_: World) -> Call:
    return raw(deploy_council().governor, b"", 1)


@TABLE.reason("LivepeerGovernor", BARE)
def unknown_function_of_the_governor(_: World) -> Call:
    return raw(deploy_council().governor, b"\x01\x02\x03\x04")


# --- Treasury ---------------------------------------------------------------------------------------------------------


def treasury(*, delay: int = 0) -> Contract:
    """With every role in one hand."""
    evm = Evm()
    contract = evm.deploy(compile_all(["Treasury"])["Treasury"])
    contract.call("initialize", delay, [FIRST], [FIRST], FIRST, sender=OWNER)
    return contract


def scheduled(contract: Contract) -> Contract:
    contract.call("schedule", ANN, 1, b"", NONE, NONE, 0, sender=FIRST)
    return contract


@TABLE.reason("Treasury", "Initializable: contract is already initialized")
def initialize_a_treasury_again(_: World) -> Call:
    return Call(treasury(), "initialize", (0, [], [], STRANGER), STRANGER)


@TABLE.reason("Treasury", "TimelockController: operation already scheduled")
def schedule_again(_: World) -> Call:
    return Call(scheduled(treasury()), "schedule", (ANN, 1, b"", NONE, NONE, 0), FIRST)


@TABLE.reason("Treasury", "TimelockController: insufficient delay")
def schedule_with_too_short_a_delay(_: World) -> Call:
    return Call(treasury(delay=2), "schedule", (ANN, 1, b"", NONE, NONE, 1), FIRST)


@TABLE.reason("Treasury", "TimelockController: length mismatch")
def schedule_lists_of_different_lengths(_: World) -> Call:
    return Call(treasury(), "scheduleBatch", ([ANN], [], [b""], NONE, NONE, 0), FIRST)


@TABLE.reason("Treasury", "TimelockController: operation cannot be cancelled")
def cancel_nothing(_: World) -> Call:
    return Call(treasury(), "cancel", (SALT,), FIRST)


@TABLE.reason("Treasury", "TimelockController: operation is not ready")
def execute_nothing(_: World) -> Call:
    return Call(treasury(), "execute", (ANN, 1, b"", NONE, NONE), FIRST)


@TABLE.reason("Treasury", "TimelockController: missing dependency")
def execute_before_its_predecessor(_: World) -> Call:
    contract = treasury()
    contract.call("schedule", ANN, 1, b"", SALT, NONE, 0, sender=FIRST)
    return Call(contract, "execute", (ANN, 1, b"", SALT, NONE), FIRST)


@TABLE.reason("Treasury", "TimelockController: underlying transaction reverted")
def execute_without_the_ether_for_it(_: World) -> Call:
    return Call(scheduled(treasury()), "execute", (ANN, 1, b"", NONE, NONE), FIRST)


@TABLE.reason("Treasury", "TimelockController: caller must be timelock")
def change_the_delay_by_hand(_: World) -> Call:
    return Call(treasury(), "updateDelay", (0,), FIRST)


@TABLE.reason("roles", "AccessControl: can only renounce roles for self")
def renounce_for_another(_: World) -> Call:
    return Call(treasury(), "renounceRole", (NONE, FIRST), STRANGER)


@TABLE.reason("Treasury", BARE)
def unknown_function_of_the_treasury(_: World) -> Call:
    return raw(treasury(), b"\x01\x02\x03\x04")


# --- Governor ---------------------------------------------------------------------------------------------------------

UPDATE = ([ANN], [0], [b""], 0)


def protocol_owner(*, staged: bool = False, delay: int = 0) -> Contract:
    contract = Evm().deploy(compile_all(["Governor"])["Governor"])
    if staged:
        contract.call("stage", UPDATE, delay, sender=OWNER)
    return contract


@TABLE.reason("Governor", "unauthorized: msg.sender not owner")
def stage_by_a_stranger(_: World) -> Call:
    return Call(protocol_owner(), "stage", (UPDATE, 0), STRANGER)


@TABLE.reason("Governor", "update arrays must have equal lengths")
def stage_lists_of_different_lengths(_: World) -> Call:
    return Call(protocol_owner(), "stage", (([ANN], [], [b""], 0), 0), OWNER)


@TABLE.reason("Governor", "update already staged")
def stage_again(_: World) -> Call:
    return Call(protocol_owner(staged=True), "stage", (UPDATE, 0), OWNER)


@TABLE.reason("Governor", "update is not staged")
def execute_an_unknown_update(_: World) -> Call:
    return Call(protocol_owner(), "execute", (UPDATE,), STRANGER)


@TABLE.reason("Governor", "delay for update not expired")
def execute_an_update_too_early(_: World) -> Call:
    return Call(protocol_owner(staged=True, delay=1), "execute", (UPDATE,), STRANGER)


@TABLE.reason("Governor", "unauthorized: msg.sender not Governor")
def transfer_the_protocol_owner_by_hand(_: World) -> Call:
    return Call(protocol_owner(), "transferOwnership", (STRANGER,), OWNER)


@TABLE.reason("Governor", "newOwner is a null address")
def transfer_the_protocol_owner_to_nobody(_: World) -> Call:
    contract = protocol_owner()
    return Call(contract, "transferOwnership", (NOBODY,), contract.address)


# --- polls, faucet ----------------------------------------------------------------------------------------------------


def poll(suite: EvmSuite) -> Contract:
    suite.start()
    suite.fund(FIRST, lpt=100 * LPT)
    suite.bonding.call("bond", 100 * LPT, FIRST, sender=FIRST)
    codes = compile_all(["PollCreator", "Poll"])
    creator = suite.evm.deploy(codes["PollCreator"], suite.bonding.address)
    (event,) = creator.call("createPoll", b"", sender=FIRST).events
    return suite.evm.at(event.args["poll"], Interface.of("Poll", codes["Poll"].abi))


@TABLE.reason("PollCreator", "PollCreator#createPoll: INSUFFICIENT_STAKE")
def create_a_poll_without_stake(_: World) -> Call:
    suite = deploy_suite()
    suite.start()
    creator = suite.evm.deploy(compile_all(["PollCreator"])["PollCreator"], suite.bonding.address)
    return Call(creator, "createPoll", (b"",), STRANGER)


@TABLE.reason("Poll", "poll is over")
def vote_in_a_poll_that_is_over(_: World) -> Call:
    suite = deploy_suite()
    contract = poll(suite)
    suite.evm.block += 57_601
    return Call(contract, "vote", (0,), STRANGER)


@TABLE.reason("Poll", "poll is active")
def destroy_a_poll_that_is_open(_: World) -> Call:
    return Call(poll(deploy_suite()), "destroy", (), STRANGER)


@TABLE.reason("LivepeerTokenFaucet", BARE)
def whitelist_by_a_stranger(_: World) -> Call:
    faucet = Evm().deploy(compile_all(["LivepeerTokenFaucet"])["LivepeerTokenFaucet"], ANN, 1, 1)
    return Call(faucet, "addToWhitelist", (STRANGER,), STRANGER)
