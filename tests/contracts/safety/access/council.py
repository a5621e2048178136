"""Every function of governance that changes state: guards, arguments that work, and for whom they do.

None of it asks for the pause or for an initialised round, so guards are about the caller alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from tests.contracts.safety.access.guards import CONTROLLER, OWNER, Guard, nobody, only, only_actor, role
from tests.contracts.safety.reverts.case import error_bytes
from tests.support.artifacts import compile_all
from tests.support.ballots import SIGNER, ballot, extended_ballot, signature
from tests.support.evm import OWNER as DEPLOYER
from tests.support.evm import Contract, Evm, custom_error
from tests.support.evm_abi import Interface
from tests.support.governance import (
    ACTIVE,
    ANN,
    EXECUTOR_ROLE,
    FIRST,
    FOR,
    LPT,
    NONE,
    STRANGER,
    Council,
    Proposal,
    deploy_council,
)

FAUCET_LPT = 10 * LPT
WAIT_HOURS = 1
SALT = b"\x07" * 32


@dataclass(frozen=True, slots=True)
class Assembly:
    """A council with everything around it, and what a set-up has made."""

    council: Council
    others: Mapping[str, Contract]

    @property
    def evm(self) -> Evm:
        return self.council.evm

    @property
    def owner(self) -> str:
        return self.council.suite.owner

    def contracts(self) -> dict[str, Contract]:
        own = {"LivepeerGovernor": self.council.governor, "Treasury": self.council.treasury}
        return {**self.council.suite.contracts(), **own, **self.others}

    def proposal(self) -> Proposal:
        """The one that set-ups make."""
        return Proposal((self.council.pay(ANN, 1),), "pay")


def assemble() -> Assembly:
    """A council in its first round, with protocol owner, faucet, snapshot, Creator and an open poll."""
    council, codes = deploy_council(), compile_all(CONTRACTS)
    evm, suite = council.evm, council.suite
    creator = evm.deploy(codes["PollCreator"], suite.bonding.address)
    faucet = evm.deploy(codes["LivepeerTokenFaucet"], suite.token.address, FAUCET_LPT, WAIT_HOURS)
    suite.fund(DEPLOYER, lpt=100 * FAUCET_LPT)
    suite.token.call("transfer", faucet.address, 100 * FAUCET_LPT, sender=DEPLOYER)
    (event,) = creator.call("createPoll", b"poll", sender=FIRST).events
    return Assembly(
        council,
        {
            "Governor": evm.deploy(codes["Governor"]),
            "PollCreator": creator,
            "Poll": evm.at(event.args["poll"], Interface.of("Poll", codes["Poll"].abi)),
            "LivepeerTokenFaucet": faucet,
            "MerkleSnapshot": evm.deploy(codes["MerkleSnapshot"], suite.controller.address),
            "Creator": evm.deploy(codes["Creator"]),
        },
    )


def nothing(_: Assembly) -> None:
    """No set-up."""


Args = Callable[[Assembly], tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """A function. The actor is an account, or a contract by its name.

    :ivar open: its call succeeds whoever makes it.
    :ivar closed: nobody's call succeeds as it is, which is what the row shows.
    """

    actor: str
    guards: tuple[Guard, ...]
    args: Args
    prepare: Callable[[Assembly], None] = nothing
    open: bool = False
    closed: bool = False


def fixed(*values: object) -> Args:
    return lambda _: values


# --- set-ups ----------------------------------------------------------------------------------------------------------


def made(assembly: Assembly) -> None:
    proposal = assembly.proposal()
    assembly.council.propose(proposal.calls, proposal.description)


def voting(assembly: Assembly) -> None:
    made(assembly)
    assembly.council.reach(assembly.proposal(), ACTIVE)


def voting_of_signer(assembly: Assembly) -> None:
    assembly.council.suite.fund(SIGNER, lpt=LPT)
    assembly.council.suite.bonding.call("bond", LPT, FIRST, sender=SIGNER)
    voting(assembly)


def succeeded(assembly: Assembly) -> None:
    made(assembly)
    assembly.council.pass_(assembly.proposal())


def queued(assembly: Assembly) -> None:
    succeeded(assembly)
    assembly.council.queue(assembly.proposal())
    assembly.evm.block += 1


def announce(assembly: Assembly, function: str, *operation: object) -> None:
    council = assembly.council
    assembly.evm.let_call(council.governor.address)
    council.treasury.call(function, *operation, 0, sender=council.governor.address)
    assembly.evm.block += 1


def announced(assembly: Assembly) -> None:
    announce(assembly, "schedule", *operation(assembly))


def announced_batch(assembly: Assembly) -> None:
    announce(assembly, "scheduleBatch", *operation_batch(assembly))


def staged(assembly: Assembly) -> None:
    assembly.others["Governor"].call("stage", *update(assembly), 0, sender=DEPLOYER)


def poll_over(assembly: Assembly) -> None:
    assembly.evm.block = assembly.others["Poll"].view("endBlock") + 1


# --- arguments --------------------------------------------------------------------------------------------------------


def lists_with_text(assembly: Assembly) -> tuple[object, ...]:
    proposal = assembly.proposal()
    return (*proposal.lists, proposal.description)


def lists_with_hash(assembly: Assembly) -> tuple[object, ...]:
    proposal = assembly.proposal()
    return (*proposal.lists, proposal.description_hash)


def vote(*rest: object) -> Args:
    return lambda assembly: (assembly.proposal().id, FOR, *rest)


def signed_vote(assembly: Assembly) -> tuple[object, ...]:
    proposal = assembly.proposal()
    return (proposal.id, FOR, *signature(assembly.council, ballot(proposal, FOR)))


def signed_vote_with_params(assembly: Assembly) -> tuple[object, ...]:
    proposal = assembly.proposal()
    parts = signature(assembly.council, extended_ballot(proposal, FOR, "why", b"\x01"))
    return (proposal.id, FOR, "why", b"\x01", *parts)


def operation(assembly: Assembly) -> tuple[object, ...]:
    return (*assembly.council.pay(ANN, 1), NONE, SALT)


def operation_batch(assembly: Assembly) -> tuple[object, ...]:
    target, value, data = assembly.council.pay(ANN, 1)
    return [target], [value], [data], NONE, SALT


def operation_id(assembly: Assembly) -> tuple[object, ...]:
    return (assembly.council.treasury.view("hashOperation", *operation(assembly)),)


def update(assembly: Assembly) -> tuple[object, ...]:
    data = assembly.council.suite.controller.interface.functions["owner"].encode(())
    return (([assembly.council.suite.controller.address], [0], [data], 0),)


def creation(assembly: Assembly) -> tuple[object, ...]:
    code = compile_all(CONTRACTS)["Governor"]
    return code.bytecode, Interface.of("Governor", code.abi).functions["owner"].encode(()), 0


# --- rows -------------------------------------------------------------------------------------------------------------

CONTRACTS = (
    "Creator",
    "Governor",
    "LivepeerGovernor",
    "LivepeerTokenFaucet",
    "MerkleSnapshot",
    "Poll",
    "PollCreator",
    "Treasury",
)
ANYONE: tuple[Guard, ...] = ()
INITIALIZED = nobody(error_bytes("Initializable: contract is already initialized"))
SET_CONTROLLER = Row("Controller", (CONTROLLER,), fixed(STRANGER))
# The treasury may do this too, but only what a proposal that is being executed says: `GOVERNED` has the calls.
BY_PROPOSAL = (only("Governor: onlyGovernance", "Treasury"), nobody(custom_error("Empty()")))
RECEIVED = {
    "onERC721Received(address,address,uint256,bytes)": Row(STRANGER, ANYONE, fixed(ANN, ANN, 1, b""), open=True),
    "onERC1155Received(address,address,uint256,uint256,bytes)": Row(
        STRANGER, ANYONE, fixed(ANN, ANN, 1, 1, b""), open=True
    ),
    "onERC1155BatchReceived(address,address,uint256[],uint256[],bytes)": Row(
        STRANGER, ANYONE, fixed(ANN, ANN, [1], [1], b""), open=True
    ),
}

GOVERNED: Mapping[str, tuple[tuple[Any, ...], str, object]] = {
    "setVotingDelay(uint256)": ((3,), "votingDelay", 3),
    "setVotingPeriod(uint256)": ((7,), "votingPeriod", 7),
    "setProposalThreshold(uint256)": ((LPT,), "proposalThreshold", LPT),
    "updateQuorumNumerator(uint256)": ((400_000,), "quorumNumerator()", 400_000),
    "updateTimelock(address)": ((ANN,), "timelock", ANN),
    # In the governor's own name: a call that changes nothing, and leaves things as they were.
    "relay(address,uint256,bytes)": ((ANN, 0, b""), "votingDelay", 1),
}
"""Arguments of what a proposal alone may do, a view, and what it answers afterwards."""

GOVERNOR_ROWS = {
    "setController(address)": SET_CONTROLLER,
    **RECEIVED,
    "initialize(uint256,uint256,uint256,uint256,uint256)": Row(
        STRANGER, (INITIALIZED,), fixed(1, 10, 0, 333_300, 500_000), closed=True
    ),
    # Whoever has too few votes is refused for that.
    "propose(address[],uint256[],bytes[],string)": Row(FIRST, ANYONE, lists_with_text),
    "queue(address[],uint256[],bytes[],bytes32)": Row(STRANGER, ANYONE, lists_with_hash, succeeded, open=True),
    "execute(address[],uint256[],bytes[],bytes32)": Row(STRANGER, ANYONE, lists_with_hash, queued, open=True),
    "cancel(address[],uint256[],bytes[],bytes32)": Row(
        FIRST, (only_actor("Governor: only proposer can cancel"),), lists_with_hash, made
    ),
    # Zero votes may be cast.
    "castVote(uint256,uint8)": Row(FIRST, ANYONE, vote(), voting, open=True),
    "castVoteWithReason(uint256,uint8,string)": Row(FIRST, ANYONE, vote("why"), voting, open=True),
    "castVoteWithReasonAndParams(uint256,uint8,string,bytes)": Row(
        FIRST, ANYONE, vote("why", b"\x01"), voting, open=True
    ),
    "castVoteBySig(uint256,uint8,uint8,bytes32,bytes32)": Row(
        STRANGER, ANYONE, signed_vote, voting_of_signer, open=True
    ),
    "castVoteWithReasonAndParamsBySig(uint256,uint8,string,bytes,uint8,bytes32,bytes32)": Row(
        STRANGER, ANYONE, signed_vote_with_params, voting_of_signer, open=True
    ),
    **{
        function: Row("Treasury", BY_PROPOSAL, fixed(*arguments), closed=True)
        for function, (arguments, _, _) in GOVERNED.items()
    },
    "bumpGovernorVotesTokenAddress()": Row(STRANGER, ANYONE, fixed(), open=True),
}

ADMIN = (role("TIMELOCK_ADMIN_ROLE"),)
PROPOSER = (role("PROPOSER_ROLE"),)
CANCELLER = (role("CANCELLER_ROLE"),)
EXECUTOR = (role("EXECUTOR_ROLE"),)
GOVERNOR = "LivepeerGovernor"
TREASURY_ROWS = {
    "grantRole(bytes32,address)": Row("Treasury", ADMIN, fixed(EXECUTOR_ROLE, ANN)),
    "revokeRole(bytes32,address)": Row("Treasury", ADMIN, fixed(EXECUTOR_ROLE, ANN)),
    "renounceRole(bytes32,address)": Row(
        GOVERNOR,
        (only_actor("AccessControl: can only renounce roles for self"),),
        lambda assembly: (EXECUTOR_ROLE, assembly.council.governor.address),
    ),
    **RECEIVED,
    "initialize(uint256,address[],address[],address)": Row(
        STRANGER, (INITIALIZED,), fixed(0, [], [], STRANGER), closed=True
    ),
    "schedule(address,uint256,bytes,bytes32,bytes32,uint256)": Row(
        GOVERNOR, PROPOSER, lambda assembly: (*operation(assembly), 0)
    ),
    "scheduleBatch(address[],uint256[],bytes[],bytes32,bytes32,uint256)": Row(
        GOVERNOR, PROPOSER, lambda assembly: (*operation_batch(assembly), 0)
    ),
    "cancel(bytes32)": Row(GOVERNOR, CANCELLER, operation_id, announced),
    "execute(address,uint256,bytes,bytes32,bytes32)": Row(GOVERNOR, EXECUTOR, operation, announced),
    "executeBatch(address[],uint256[],bytes[],bytes32,bytes32)": Row(
        GOVERNOR, EXECUTOR, operation_batch, announced_batch
    ),
    "updateDelay(uint256)": Row(
        "Treasury", (only("TimelockController: caller must be timelock", "Treasury"),), fixed(5)
    ),
}

UPDATE = "(address[],uint256[],bytes[],uint256)"
OWNS = (only_actor("unauthorized: msg.sender not owner"),)
OWNER_ROWS = {
    f"stage({UPDATE},uint256)": Row("owner", OWNS, lambda assembly: (*update(assembly), 0)),
    f"cancel({UPDATE})": Row("owner", OWNS, update, staged),
    f"execute({UPDATE})": Row(STRANGER, ANYONE, update, staged, open=True),
    "transferOwnership(address)": Row(
        "Governor", (only_actor("unauthorized: msg.sender not Governor"),), fixed(STRANGER)
    ),
}

FAUCET_OWNS = (only_actor(""),)
FAUCET_ROWS = {
    "transferOwnership(address)": Row("owner", FAUCET_OWNS, fixed(STRANGER)),
    "addToWhitelist(address)": Row("owner", FAUCET_OWNS, fixed(STRANGER)),
    "removeFromWhitelist(address)": Row("owner", FAUCET_OWNS, fixed(STRANGER)),
    "request()": Row(STRANGER, ANYONE, fixed(), open=True),
}

COUNCIL_ROWS: Mapping[str, Mapping[str, Row]] = {
    "LivepeerGovernor": GOVERNOR_ROWS,
    "Treasury": TREASURY_ROWS,
    "Governor": OWNER_ROWS,
    # Whoever has too little stake is refused for that.
    "PollCreator": {"createPoll(bytes)": Row(FIRST, ANYONE, fixed(b"another"))},
    "Poll": {
        "vote(uint256)": Row(STRANGER, ANYONE, fixed(1), open=True),
        "destroy()": Row(STRANGER, ANYONE, fixed(), poll_over, open=True),
    },
    "LivepeerTokenFaucet": FAUCET_ROWS,
    "MerkleSnapshot": {
        "setController(address)": SET_CONTROLLER,
        "setSnapshot(bytes32,bytes32)": Row("owner", (OWNER,), fixed(SALT, bytes(keccak(b"root")))),
    },
    "Creator": {"create(bytes,bytes,uint256)": Row(STRANGER, ANYONE, creation, open=True)},
}
