"""Governance in the EVM of this process, on top of `evm_suite`: treasury, governor, and people with stake.

council = deploy_council()                              # a round has begun in which everybody's stake counts
proposal = council.propose([council.pay(BOB, 5 * LPT)])  # by the first transcoder
council.reach(proposal, ACTIVE)
council.vote(proposal, ALICE, FOR)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi import encode
from eth_utils.crypto import keccak

from tests.support.artifacts import compile_all, suite_artifacts
from tests.support.evm import OWNER, Contract, Evm, Receipt, addresses
from tests.support.evm_abi import Interface
from tests.support.evm_suite import EvmSuite, contract_id, deploy_suite

LPT = 10**18
AGAINST, FOR, ABSTAIN = range(3)
PENDING, ACTIVE, CANCELED, DEFEATED, SUCCEEDED, QUEUED, EXPIRED, EXECUTED = range(8)
NONE = bytes(32)

VOTING_DELAY_ROUNDS = 1
VOTING_PERIOD_ROUNDS = 10
THRESHOLD = 100 * LPT
QUORUM_PPM = 333_300
QUOTA_PPM = 500_000

ADMIN_ROLE, PROPOSER_ROLE, CANCELLER_ROLE, EXECUTOR_ROLE = (
    bytes(keccak(text=f"{name}_ROLE")) for name in ("TIMELOCK_ADMIN", "PROPOSER", "CANCELLER", "EXECUTOR")
)

# Two transcoders and their delegators, with stakes such that no sum of some equals one of others.
FIRST, SECOND, ANN, BEN, CEM, STRANGER = PEOPLE = addresses(6, first=0x7000)
STAKES = {FIRST: 1000 * LPT, SECOND: 500 * LPT, ANN: 310 * LPT, BEN: 170 * LPT, CEM: 90 * LPT}
DELEGATES = {FIRST: FIRST, SECOND: SECOND, ANN: FIRST, BEN: FIRST, CEM: SECOND}

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

Call = tuple[str, int, bytes]
"""Whom to call, wei sent along, calldata."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What `propose`, `queue`, `execute` and `cancel` take."""

    calls: tuple[Call, ...]
    description: str

    @property
    def lists(self) -> tuple[list[str], list[int], list[bytes]]:
        return [call[0] for call in self.calls], [call[1] for call in self.calls], [call[2] for call in self.calls]

    @property
    def description_hash(self) -> bytes:
        return bytes(keccak(text=self.description))

    @property
    def id(self) -> int:
        """Spec 13: keccak256 of the ABI encoding, by an encoder of somebody else."""
        packed = encode(("address[]", "uint256[]", "bytes[]", "bytes32"), (*self.lists, self.description_hash))
        return int.from_bytes(keccak(packed), "big")

    @property
    def operation(self) -> bytes:
        """Its id in the timelock."""
        kinds = ("address[]", "uint256[]", "bytes[]", "bytes32", "bytes32")
        return bytes(keccak(encode(kinds, (*self.lists, NONE, self.description_hash))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Council:
    """Handles, and what its tests do again and again."""

    suite: EvmSuite
    treasury: Contract
    governor: Contract
    governor_code: Contract

    @property
    def evm(self) -> Evm:
        return self.suite.evm

    @property
    def round(self) -> int:
        return int(self.suite.rounds.view("currentRound"))

    # --- calls that a proposal may make

    def pay(self, to: str, amount: int) -> Call:
        """LPT of the treasury to somebody."""
        return self.suite.token.address, 0, self.suite.token.interface.functions["transfer"].encode((to, amount))

    def setting(self, function: str, *values: object) -> Call:
        """A call of the governor to itself."""
        return self.governor.address, 0, self.governor.interface.functions[function].encode(values)

    def treasury_call(self, function: str, *values: object) -> Call:
        """A call of the treasury to itself."""
        return self.treasury.address, 0, self.treasury.interface.functions[function].encode(values)

    # --- the life of a proposal

    def propose(self, calls: Sequence[Call], description: str = "pay", sender: str = FIRST) -> Proposal:
        proposal = Proposal(tuple(calls), description)
        receipt = self.governor.call("propose", *proposal.lists, description, sender=sender)
        assert receipt.result == proposal.id
        return proposal

    def state(self, proposal: Proposal) -> int:
        return int(self.governor.view("state", proposal.id))

    def reach(self, proposal: Proposal, state: int) -> None:
        """Let rounds pass until a proposal is active, or decided."""
        wanted = "proposalSnapshot" if state == ACTIVE else "proposalDeadline"
        end = int(self.governor.view(wanted, proposal.id))
        while self.round <= end:
            self.suite.next_round()
        assert self.state(proposal) == state

    def vote(self, proposal: Proposal, voter: str, support: int) -> Receipt:
        return self.governor.call("castVote", proposal.id, support, sender=voter)

    def tally(self, proposal: Proposal) -> tuple[int, int, int]:
        """Against, for, abstain."""
        against, in_favour, abstain = self.governor.view("proposalVotes", proposal.id)
        return against, in_favour, abstain

    def pass_(self, proposal: Proposal) -> None:
        """Everybody who matters is for it."""
        self.reach(proposal, ACTIVE)
        self.vote(proposal, FIRST, FOR)
        self.reach(proposal, SUCCEEDED)

    def queue(self, proposal: Proposal) -> Receipt:
        return self.governor.call("queue", *proposal.lists, proposal.description_hash, sender=STRANGER)

    def execute(self, proposal: Proposal, *, value: int = 0) -> Receipt:
        return self.governor.call("execute", *proposal.lists, proposal.description_hash, sender=STRANGER, value=value)

    def cancel(self, proposal: Proposal, sender: str = FIRST) -> Receipt:
        return self.governor.call("cancel", *proposal.lists, proposal.description_hash, sender=sender)

    def adopt(self, calls: Sequence[Call], description: str = "adopt") -> Receipt:
        """Propose, pass, queue and execute."""
        proposal = self.propose(calls, description)
        self.pass_(proposal)
        self.queue(proposal)
        self.evm.block += 1
        return self.execute(proposal)


def create_and_initialize(evm: Evm, creator: Contract, code: bytes, interface: Interface, *args: object) -> Contract:
    """A contract and its `initialize` in one transaction."""
    data = interface.functions["initialize"].encode(args)
    address = creator.call("create", code, data, 0, sender=OWNER).result
    return evm.at(str(address), interface)


def deploy_council(
    stakes: dict[str, int] | None = None,
    delegates: dict[str, str] | None = None,
    *,
    min_delay_s: int = 0,
) -> Council:
    """Treasury and governor with roles handed over, and people whose stake counts in the current round."""
    stakes, delegates = stakes or STAKES, delegates or DELEGATES
    suite, codes = deploy_suite(), compile_all(CONTRACTS)
    evm = suite.evm
    suite.start()
    creator = evm.deploy(codes["Creator"])

    interface = Interface.of("Treasury", codes["Treasury"].abi)
    treasury = create_and_initialize(evm, creator, codes["Treasury"].bytecode, interface, min_delay_s, [], [], OWNER)
    suite.register("Treasury", treasury.address)

    governor_code = evm.deploy(codes["LivepeerGovernor"], suite.controller.address)
    suite.register("LivepeerGovernorTarget", governor_code.address)
    proxy = suite_artifacts()["ManagerProxy"]
    settings = (VOTING_DELAY_ROUNDS, VOTING_PERIOD_ROUNDS, THRESHOLD, QUORUM_PPM, QUOTA_PPM)
    arguments = encode(("address", "bytes32"), (suite.controller.address, contract_id("LivepeerGovernorTarget")))
    governor = create_and_initialize(evm, creator, proxy.bytecode + arguments, governor_code.interface, *settings)
    suite.register("LivepeerGovernor", governor.address)
    for role in (PROPOSER_ROLE, CANCELLER_ROLE, EXECUTOR_ROLE):
        treasury.call("grantRole", role, governor.address, sender=OWNER)
    treasury.call("renounceRole", ADMIN_ROLE, OWNER, sender=OWNER)

    for account, amount in stakes.items():
        suite.fund(account, lpt=amount)
        suite.bonding.call("bond", amount, delegates[account], sender=account)
    suite.fund(OWNER, lpt=10_000 * LPT)
    suite.token.call("transfer", treasury.address, 10_000 * LPT, sender=OWNER)
    suite.next_round()
    suite.next_round()
    return Council(suite=suite, treasury=treasury, governor=governor, governor_code=governor_code)
