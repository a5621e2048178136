# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Decides what the treasury does
@license MIT
@notice Accounts with stake propose calls and vote on them, round by round; what succeeds is queued in the treasury and
        executed by it.
@dev Proxied. Behaviour and wording of OpenZeppelin's Governor 4.9 with settings, timelock control, a quorum fraction and
     a counting of its own (spec 13; LIP-89, LIP-91). Votes are those of BondingVotes, its clock counts rounds.
     Counting: a transcoder votes with all stake delegated to it, unless its delegators vote themselves; each of them
     takes its part out of the transcoder's vote, whichever of them is first.
     Failures carry the custom errors of the deployed contract, written by hand because the compiler has none.
     Initialize it in the transaction that creates the proxy (Creator); the code itself cannot be initialized (K22).
@custom:kill Proposals that are not executed yet: CANCELLER_ROLE of the treasury cancels. For good: the Controller owner
             registers other code under `LivepeerGovernorTarget`, or the treasury revokes this contract's roles.
"""

from .interfaces import IBondingVotes
from .interfaces import ITimelock
from .modules import action
from .modules import manager
from .modules import receiver
from .modules import tally

initializes: manager
initializes: tally
exports: (
    manager.controller,
    manager.setController,
    manager.targetContractId,
    tally.hasVoted,
    tally.proposalVotes,
    tally.quota,
    tally.COUNTING_MODE,
    receiver.onERC721Received,
    receiver.onERC1155Received,
    receiver.onERC1155BatchReceived,
)


# States of a proposal, in the order of the published enum; Expired (6) cannot come with this timelock.
PENDING: constant(uint8) = 0
ACTIVE: constant(uint8) = 1
CANCELED: constant(uint8) = 2
DEFEATED: constant(uint8) = 3
SUCCEEDED: constant(uint8) = 4
QUEUED: constant(uint8) = 5
EXECUTED: constant(uint8) = 7

name: public(constant(String[16])) = "LivepeerGovernor"
version: public(constant(String[1])) = "1"

quorumDenominator: public(constant(uint256)) = 1_000_000

BALLOT_TYPEHASH: public(constant(bytes32)) = keccak256("Ballot(uint256 proposalId,uint8 support)")
EXTENDED_BALLOT_TYPEHASH: public(constant(bytes32)) = keccak256(
    "ExtendedBallot(uint256 proposalId,uint8 support,string reason,bytes params)"
)
DOMAIN_TYPE_HASH: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
# Half the order of secp256k1: a signature with a larger s has a twin with a smaller one.
MAX_S: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

# ERC-165 ids: itself; governors with params (4.6) and without (4.3); cancelling (4.9); control by a timelock.
ERC165_ID: constant(bytes4) = 0x01ffc9a7
GOVERNOR_46_ID: constant(bytes4) = 0x79dd796f
GOVERNOR_43_ID: constant(bytes4) = 0xbf26d897
GOVERNOR_CANCEL_ID: constant(bytes4) = 0x51159c06
GOVERNOR_TIMELOCK_ID: constant(bytes4) = 0x6e665ced

# A description may end with "#proposer=0x" and the 40 digits of the only address that may propose it.
PROPOSER_MARK: constant(Bytes[12]) = b"#proposer=0x"
PROPOSER_SUFFIX: constant(uint256) = 52

# Calls of the governor to itself that may wait at once, more than one proposal's because executions may be nested.
MAX_WAITING: constant(uint256) = 64
# A binary search over the changes of the quorum.
SEARCH_STEPS: constant(uint256) = 64


struct Proposal:
    proposer: address
    canceled: bool
    executed: bool
    # Round after which votes are taken, and whose end decides how much they weigh.
    snapshot: uint256
    # Last round in which votes are taken.
    deadline: uint256


_initialized: bool
# BondingVotes, as of the last bump.
token: public(address)
# The treasury: executes, and is the only one that may change settings.
timelock: public(address)
# Rounds between a proposal and its snapshot.
votingDelay: public(uint256)
# Rounds in which votes are taken.
votingPeriod: public(uint256)
# Votes that a proposer needs.
proposalThreshold: public(uint256)

_proposals: HashMap[uint256, Proposal]
# proposal -> operation of the timelock, zero until it is queued.
_operations: HashMap[uint256, bytes32]

# Quorum numerators: index -> (round from which on it holds, numerator), sorted by round.
_quorums_length: uint256
_quorum_rounds: HashMap[uint256, uint256]
_quorum_numerators: HashMap[uint256, uint256]

# Hashes of calls to itself that a proposal in execution makes, and which of them are used up.
_waiting: transient(DynArray[bytes32, MAX_WAITING])
_next_waiting: transient(uint256)


event Initialized:
    version: uint8


event ProposalCreated:
    proposalId: uint256
    proposer: address
    targets: DynArray[address, action.MAX_ACTIONS]
    values: DynArray[uint256, action.MAX_ACTIONS]
    signatures: DynArray[String[1], action.MAX_ACTIONS]
    calldatas: DynArray[Bytes[action.MAX_CALLDATA], action.MAX_ACTIONS]
    voteStart: uint256
    voteEnd: uint256
    description: String[action.MAX_DESCRIPTION]


event ProposalQueued:
    proposalId: uint256
    eta: uint256


event ProposalExecuted:
    proposalId: uint256


event ProposalCanceled:
    proposalId: uint256


event VoteCast:
    voter: indexed(address)
    proposalId: uint256
    support: uint8
    weight: uint256
    reason: String[action.MAX_REASON]


event VoteCastWithParams:
    voter: indexed(address)
    proposalId: uint256
    support: uint8
    weight: uint256
    reason: String[action.MAX_REASON]
    params: Bytes[action.MAX_PARAMS]


event VotingDelaySet:
    oldVotingDelay: uint256
    newVotingDelay: uint256


event VotingPeriodSet:
    oldVotingPeriod: uint256
    newVotingPeriod: uint256


event ProposalThresholdSet:
    oldProposalThreshold: uint256
    newProposalThreshold: uint256


event QuorumNumeratorUpdated:
    oldQuorumNumerator: uint256
    newQuorumNumerator: uint256


event TimelockChange:
    oldTimelock: address
    newTimelock: address


# The next two belong to the published ABI; neither a parameter by that name nor the signing domain ever changes here.
event ParameterUpdate:
    param: String[64]


event EIP712DomainChanged:
    pass


@deploy
def __init__(_controller: address):
    """
    @notice The code itself can never be initialized, only the storage of a proxy.
    @param _controller The Controller to obey.
    """
    manager.__init__(_controller)
    self._initialized = True
    log Initialized(version=255)


@external
def initialize(
    initialVotingDelay: uint256,
    initialVotingPeriod: uint256,
    initialProposalThreshold: uint256,
    initialQuorum: uint256,
    quota: uint256,
):
    """
    @notice Set the governor up, once. Treasury and BondingVotes must be registered.
    @param initialVotingDelay Rounds between a proposal and its snapshot.
    @param initialVotingPeriod Rounds in which votes are taken, more than zero.
    @param initialProposalThreshold Votes (1e-18) that a proposer needs.
    @param initialQuorum Share of the total active stake that must vote, in ppm.
    @param quota Share of For among For and Against that makes a proposal succeed, in ppm.
    """
    assert not self._initialized, "Initializable: contract is already initialized"
    self._initialized = True
    treasury: address = manager._resolve(manager.TREASURY)
    votes: address = manager._resolve(manager.BONDING_VOTES)
    assert treasury != empty(address), "Treasury must be registered"
    assert votes != empty(address), "BondingVotes must be registered"

    self._set_voting_delay(initialVotingDelay)
    self._set_voting_period(initialVotingPeriod)
    self._set_proposal_threshold(initialProposalThreshold)
    self._set_timelock(treasury)
    self.token = votes
    self._set_quorum_numerator(initialQuorum)
    tally._set_quota(quota)
    log Initialized(version=1)


@external
@payable
def __default__():
    """
    @notice ETH belongs to the treasury, not here.
    """
    assert len(msg.data) == 0
    assert self.timelock == self, "Governor: must send to executor"


# --- proposals ----------------------------------------------------------------------------------------------------


@external
def propose(
    targets: DynArray[address, action.MAX_ACTIONS],
    values: DynArray[uint256, action.MAX_ACTIONS],
    calldatas: DynArray[Bytes[action.MAX_CALLDATA], action.MAX_ACTIONS],
    description: String[action.MAX_DESCRIPTION],
) -> uint256:
    """
    @notice Propose calls that the treasury shall make.
    @param targets Whom to call, at most 16.
    @param values Wei of the treasury sent along.
    @param calldatas Calldata, at most 4096 bytes each.
    @param description What it is about, at most 32768 bytes. If it ends with "#proposer=0x" and 40 hex digits, only
           that account may propose it.
    @return Id of the proposal.
    """
    assert self._may_propose(convert(description, Bytes[action.MAX_DESCRIPTION])), "Governor: proposer restricted"
    current: uint256 = self._clock()
    assert (
        self._votes_of(msg.sender, current - 1) >= self.proposalThreshold
    ), "Governor: proposer votes below proposal threshold"
    count: uint256 = len(targets)
    assert count == len(values) and count == len(calldatas), "Governor: invalid proposal length"
    assert count > 0, "Governor: empty proposal"
    id: uint256 = convert(keccak256(abi_encode(targets, values, calldatas, keccak256(description))), uint256)
    assert self._proposals[id].proposer == empty(address), "Governor: proposal already exists"

    snapshot: uint256 = current + self.votingDelay
    deadline: uint256 = snapshot + self.votingPeriod
    self._proposals[id] = Proposal(
        proposer=msg.sender, canceled=False, executed=False, snapshot=snapshot, deadline=deadline
    )
    signatures: DynArray[String[1], action.MAX_ACTIONS] = []
    for _: address in targets:
        signatures.append("")
    log ProposalCreated(
        proposalId=id,
        proposer=msg.sender,
        targets=targets,
        values=values,
        signatures=signatures,
        calldatas=calldatas,
        voteStart=snapshot,
        voteEnd=deadline,
        description=description,
    )
    return id


@external
def queue(
    targets: DynArray[address, action.MAX_ACTIONS],
    values: DynArray[uint256, action.MAX_ACTIONS],
    calldatas: DynArray[Bytes[action.MAX_CALLDATA], action.MAX_ACTIONS],
    descriptionHash: bytes32,
) -> uint256:
    """
    @notice Announce a proposal that has succeeded in the treasury. Anyone may.
    @param targets As proposed.
    @param values As proposed.
    @param calldatas As proposed.
    @param descriptionHash keccak256 of the description.
    @return Id of the proposal.
    """
    id: uint256 = convert(keccak256(abi_encode(targets, values, calldatas, descriptionHash)), uint256)
    assert self._state(id) == SUCCEEDED, "Governor: proposal not successful"
    timelock: address = self.timelock
    delay: uint256 = staticcall ITimelock(timelock).getMinDelay()
    self._operations[id] = staticcall ITimelock(timelock).hashOperationBatch(
        targets, values, calldatas, empty(bytes32), descriptionHash
    )
    extcall ITimelock(timelock).scheduleBatch(targets, values, calldatas, empty(bytes32), descriptionHash, delay)
    log ProposalQueued(proposalId=id, eta=block.timestamp + delay)
    return id


@external
@payable
def execute(
    targets: DynArray[address, action.MAX_ACTIONS],
    values: DynArray[uint256, action.MAX_ACTIONS],
    calldatas: DynArray[Bytes[action.MAX_CALLDATA], action.MAX_ACTIONS],
    descriptionHash: bytes32,
) -> uint256:
    """
    @notice Let the treasury make the calls of a proposal whose delay is over. Anyone may.
    @param targets As proposed.
    @param values As proposed.
    @param calldatas As proposed.
    @param descriptionHash keccak256 of the description.
    @return Id of the proposal.
    """
    id: uint256 = convert(keccak256(abi_encode(targets, values, calldatas, descriptionHash)), uint256)
    status: uint8 = self._state(id)
    assert status == SUCCEEDED or status == QUEUED, "Governor: proposal not successful"
    self._proposals[id].executed = True
    log ProposalExecuted(proposalId=id)

    # What the treasury may call here, and in which order, is what the proposal says.
    for i: uint256 in range(len(targets), bound=action.MAX_ACTIONS):
        if targets[i] == self:
            self._waiting.append(keccak256(calldatas[i]))
    extcall ITimelock(self.timelock).executeBatch(
        targets, values, calldatas, empty(bytes32), descriptionHash, value=msg.value
    )
    self._waiting = []
    self._next_waiting = 0
    return id


@external
def cancel(
    targets: DynArray[address, action.MAX_ACTIONS],
    values: DynArray[uint256, action.MAX_ACTIONS],
    calldatas: DynArray[Bytes[action.MAX_CALLDATA], action.MAX_ACTIONS],
    descriptionHash: bytes32,
) -> uint256:
    """
    @notice Take a proposal back before the vote begins. Proposer only.
    @param targets As proposed.
    @param values As proposed.
    @param calldatas As proposed.
    @param descriptionHash keccak256 of the description.
    @return Id of the proposal.
    """
    id: uint256 = convert(keccak256(abi_encode(targets, values, calldatas, descriptionHash)), uint256)
    assert self._state(id) == PENDING, "Governor: too late to cancel"
    assert msg.sender == self._proposals[id].proposer, "Governor: only proposer can cancel"
    self._proposals[id].canceled = True
    log ProposalCanceled(proposalId=id)
    return id


# --- votes --------------------------------------------------------------------------------------------------------


@external
def castVote(proposalId: uint256, support: uint8) -> uint256:
    """
    @notice Vote on a proposal.
    @param proposalId Id of the proposal.
    @param support 0 Against, 1 For, 2 Abstain, else InvalidVoteType.
    @return Votes of the account at the snapshot (1e-18).
    """
    weight: uint256 = self._cast(proposalId, msg.sender, support)
    log VoteCast(voter=msg.sender, proposalId=proposalId, support=support, weight=weight, reason="")
    return weight


@external
def castVoteWithReason(proposalId: uint256, support: uint8, reason: String[action.MAX_REASON]) -> uint256:
    """
    @notice Vote on a proposal and say why.
    @param proposalId Id of the proposal.
    @param support 0 Against, 1 For, 2 Abstain, else InvalidVoteType.
    @param reason At most 4096 bytes.
    @return Votes of the account at the snapshot (1e-18).
    """
    weight: uint256 = self._cast(proposalId, msg.sender, support)
    log VoteCast(voter=msg.sender, proposalId=proposalId, support=support, weight=weight, reason=reason)
    return weight


@external
def castVoteWithReasonAndParams(
    proposalId: uint256, support: uint8, reason: String[action.MAX_REASON], params: Bytes[action.MAX_PARAMS]
) -> uint256:
    """
    @notice Vote on a proposal, say why and add data that counting ignores.
    @param proposalId Id of the proposal.
    @param support 0 Against, 1 For, 2 Abstain, else InvalidVoteType.
    @param reason At most 4096 bytes.
    @param params At most 1024 bytes.
    @return Votes of the account at the snapshot (1e-18).
    """
    weight: uint256 = self._cast(proposalId, msg.sender, support)
    self._log_with_params(msg.sender, proposalId, support, weight, reason, params)
    return weight


@external
def castVoteBySig(proposalId: uint256, support: uint8, v: uint8, r: bytes32, s: bytes32) -> uint256:
    """
    @notice Hand in a vote that its voter has signed (EIP-712, Ballot).
    @dev Without a nonce: an account votes once per proposal.
    @param proposalId Id of the proposal.
    @param support 0 Against, 1 For, 2 Abstain, else InvalidVoteType.
    @param v Signature, 27 or 28.
    @param r Signature.
    @param s Signature, the smaller one of its two values.
    @return Votes of the account at the snapshot (1e-18).
    """
    voter: address = self._signer(keccak256(abi_encode(BALLOT_TYPEHASH, proposalId, support)), v, r, s)
    weight: uint256 = self._cast(proposalId, voter, support)
    log VoteCast(voter=voter, proposalId=proposalId, support=support, weight=weight, reason="")
    return weight


@external
def castVoteWithReasonAndParamsBySig(
    proposalId: uint256,
    support: uint8,
    reason: String[action.MAX_REASON],
    params: Bytes[action.MAX_PARAMS],
    v: uint8,
    r: bytes32,
    s: bytes32,
) -> uint256:
    """
    @notice Hand in a vote with reason and data that its voter has signed (EIP-712, ExtendedBallot).
    @param proposalId Id of the proposal.
    @param support 0 Against, 1 For, 2 Abstain, else InvalidVoteType.
    @param reason At most 4096 bytes.
    @param params At most 1024 bytes.
    @param v Signature, 27 or 28.
    @param r Signature.
    @param s Signature, the smaller one of its two values.
    @return Votes of the account at the snapshot (1e-18).
    """
    voter: address = self._signer(
        keccak256(
            abi_encode(EXTENDED_BALLOT_TYPEHASH, proposalId, support, keccak256(reason), keccak256(params))
        ),
        v,
        r,
        s,
    )
    weight: uint256 = self._cast(proposalId, voter, support)
    self._log_with_params(voter, proposalId, support, weight, reason, params)
    return weight


# --- settings, by proposal only -----------------------------------------------------------------------------------


@external
def setVotingDelay(newVotingDelay: uint256):
    """
    @notice Set the rounds between a proposal and its snapshot. By an executed proposal only.
    @param newVotingDelay Rounds.
    """
    self._only_governance(keccak256(abi_encode(newVotingDelay, method_id=method_id("setVotingDelay(uint256)"))))
    self._set_voting_delay(newVotingDelay)


@external
def setVotingPeriod(newVotingPeriod: uint256):
    """
    @notice Set the rounds in which votes are taken. By an executed proposal only.
    @param newVotingPeriod Rounds, more than zero.
    """
    self._only_governance(keccak256(abi_encode(newVotingPeriod, method_id=method_id("setVotingPeriod(uint256)"))))
    self._set_voting_period(newVotingPeriod)


@external
def setProposalThreshold(newProposalThreshold: uint256):
    """
    @notice Set the votes that a proposer needs. By an executed proposal only.
    @param newProposalThreshold Votes (1e-18).
    """
    self._only_governance(
        keccak256(abi_encode(newProposalThreshold, method_id=method_id("setProposalThreshold(uint256)")))
    )
    self._set_proposal_threshold(newProposalThreshold)


@external
def updateQuorumNumerator(newQuorumNumerator: uint256):
    """
    @notice Set the share of the total active stake that must vote, from this round on. By an executed proposal only.
    @param newQuorumNumerator Share in ppm.
    """
    self._only_governance(
        keccak256(abi_encode(newQuorumNumerator, method_id=method_id("updateQuorumNumerator(uint256)")))
    )
    self._set_quorum_numerator(newQuorumNumerator)


@external
def updateTimelock(newTimelock: address):
    """
    @notice Let another treasury execute. By an executed proposal only; what is queued in the old one is lost.
    @param newTimelock The treasury.
    """
    self._only_governance(keccak256(abi_encode(newTimelock, method_id=method_id("updateTimelock(address)"))))
    self._set_timelock(newTimelock)


@external
@payable
def relay(target: address, _value: uint256, data: Bytes[action.MAX_CALLDATA]):
    """
    @notice Make a call in the governor's own name. By an executed proposal only.
    @param target Whom to call.
    @param _value Wei sent along.
    @param data Calldata.
    """
    self._only_governance(
        keccak256(abi_encode(target, _value, data, method_id=method_id("relay(address,uint256,bytes)")))
    )
    success: bool = False
    answer: Bytes[action.MAX_FAILURE] = b""
    success, answer = raw_call(
        target, data, max_outsize=action.MAX_FAILURE, value=_value, revert_on_failure=False
    )
    if not success:
        assert len(answer) > 0, "Governor: relay reverted without message"
        raw_revert(answer)


@external
def bumpGovernorVotesTokenAddress():
    """
    @notice Take over the BondingVotes that is registered now. Anyone may.
    """
    self.token = manager._resolve(manager.BONDING_VOTES)


# --- views --------------------------------------------------------------------------------------------------------


@external
@view
def state(proposalId: uint256) -> uint8:
    """
    @notice State of a proposal: 0 Pending, 1 Active, 2 Canceled, 3 Defeated, 4 Succeeded, 5 Queued, 7 Executed.
    @param proposalId Id of the proposal.
    @return The state.
    """
    return self._state(proposalId)


@external
@view
def proposalSnapshot(proposalId: uint256) -> uint256:
    """
    @notice Round after which votes are taken, and at whose end they are weighed.
    @param proposalId Id of the proposal.
    @return The round, zero if there is no such proposal.
    """
    return self._proposals[proposalId].snapshot


@external
@view
def proposalDeadline(proposalId: uint256) -> uint256:
    """
    @notice Last round in which votes are taken.
    @param proposalId Id of the proposal.
    @return The round, zero if there is no such proposal.
    """
    return self._proposals[proposalId].deadline


@external
@view
def proposalProposer(proposalId: uint256) -> address:
    """
    @notice Who has made a proposal.
    @param proposalId Id of the proposal.
    @return The account, zero if there is no such proposal.
    """
    return self._proposals[proposalId].proposer


@external
@view
def proposalEta(proposalId: uint256) -> uint256:
    """
    @notice When a queued proposal may be executed.
    @param proposalId Id of the proposal.
    @return Unix time; zero if it is not queued or was executed.
    """
    eta: uint256 = staticcall ITimelock(self.timelock).getTimestamp(self._operations[proposalId])
    return 0 if eta == 1 else eta


@external
@pure
def hashProposal(
    targets: DynArray[address, action.MAX_ACTIONS],
    values: DynArray[uint256, action.MAX_ACTIONS],
    calldatas: DynArray[Bytes[action.MAX_CALLDATA], action.MAX_ACTIONS],
    descriptionHash: bytes32,
) -> uint256:
    """
    @notice Id of a proposal.
    @param targets Whom to call.
    @param values Wei sent along.
    @param calldatas Calldata.
    @param descriptionHash keccak256 of the description.
    @return keccak256 of the ABI encoding of all of these.
    """
    return convert(keccak256(abi_encode(targets, values, calldatas, descriptionHash)), uint256)


@external
@view
def getVotes(account: address, timepoint: uint256) -> uint256:
    """
    @notice Votes of an account at the end of a past round.
    @param account The account.
    @param timepoint A round before the current one.
    @return Votes (1e-18).
    """
    return self._votes_of(account, timepoint)


@external
@view
def getVotesWithParams(account: address, timepoint: uint256, params: Bytes[action.MAX_PARAMS]) -> uint256:
    """
    @notice Same as getVotes: params do not matter.
    @param account The account.
    @param timepoint A round before the current one.
    @param params Ignored.
    @return Votes (1e-18).
    """
    return self._votes_of(account, timepoint)


@external
@view
def quorum(timepoint: uint256) -> uint256:
    """
    @notice Votes that a proposal with a snapshot at the end of that round needs, whatever they say.
    @param timepoint A round before the current one.
    @return Votes (1e-18).
    """
    return self._quorum_of(self._supply(timepoint), timepoint)


@external
@view
def quorumNumerator(timepoint: uint256 = max_value(uint256)) -> uint256:
    """
    @notice Share of the total active stake that must vote.
    @param timepoint The round; without it, as of now.
    @return Share in ppm.
    """
    return self._quorum_numerator(timepoint)


@external
@view
def votes() -> address:
    """
    @notice The BondingVotes that is registered now; `token` is the one in use.
    @return The contract.
    """
    return manager._resolve(manager.BONDING_VOTES)


@external
@view
def clock() -> uint48:
    """
    @notice What delays and periods are counted by: the current round (ERC-6372).
    @return The round number.
    """
    return staticcall IBondingVotes(self.token).clock()


@external
@view
def CLOCK_MODE() -> String[19]:
    """
    @notice What the clock means (ERC-6372).
    @return "mode=livepeer_round".
    """
    return "mode=livepeer_round"


@external
@view
def eip712Domain() -> (bytes1, String[16], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    """
    @notice The signing domain in parts (ERC-5267).
    @return Which fields are used (0x0f: the next four), name, version, chain id, contract, salt, extensions.
    """
    return 0x0f, name, version, chain.id, self, empty(bytes32), []


@external
@view
def supportsInterface(interfaceId: bytes4) -> bool:
    """
    @notice ERC-165 detection.
    @param interfaceId The interface asked for.
    @return True for ERC-165, the governor interfaces of OpenZeppelin 4.3 to 4.9 and the ERC-1155 receiver.
    """
    return interfaceId in [
        ERC165_ID,
        GOVERNOR_43_ID,
        GOVERNOR_46_ID,
        GOVERNOR_CANCEL_ID,
        GOVERNOR_TIMELOCK_ID,
        receiver.INTERFACE_ID,
    ]


# --- internal -----------------------------------------------------------------------------------------------------


@internal
@view
def _clock() -> uint256:
    return convert(staticcall IBondingVotes(self.token).clock(), uint256)


@internal
@view
def _votes_of(_account: address, _round: uint256) -> uint256:
    return staticcall IBondingVotes(self.token).getPastVotes(_account, _round)


@internal
def _only_governance(_call: bytes32):
    """
    @dev The treasury may change settings only as part of a proposal that is being executed: what it calls must be the
         next of the calls that wait, or one after it (custom error Empty otherwise).
    @param _call keccak256 of the calldata.
    """
    assert msg.sender == self.timelock, "Governor: onlyGovernance"
    for i: uint256 in range(self._next_waiting, len(self._waiting), bound=MAX_WAITING):
        if self._waiting[i] == _call:
            self._next_waiting = i + 1
            return
    raw_revert(method_id("Empty()"))


@internal
@view
def _state(_id: uint256) -> uint8:
    proposal: Proposal = self._proposals[_id]
    if proposal.executed:
        return EXECUTED
    if proposal.canceled:
        return CANCELED
    assert proposal.proposer != empty(address), "Governor: unknown proposal id"
    current: uint256 = self._clock()
    if proposal.snapshot >= current:
        return PENDING
    if proposal.deadline >= current:
        return ACTIVE
    # Without active stake at the snapshot there is nothing to have a quorum of: a `token` that came later knows no past,
    # and must not pass what was turned down.
    supply: uint256 = self._supply(proposal.snapshot)
    if supply == 0 or tally._cast_votes(_id) < self._quorum_of(supply, proposal.snapshot) or not tally._succeeds(_id):
        return DEFEATED

    operation: bytes32 = self._operations[_id]
    if operation == empty(bytes32):
        return SUCCEEDED
    timelock: address = self.timelock
    if staticcall ITimelock(timelock).isOperationDone(operation):
        return EXECUTED
    if staticcall ITimelock(timelock).isOperationPending(operation):
        return QUEUED
    return CANCELED


@internal
def _cast(_id: uint256, _voter: address, _support: uint8) -> uint256:
    """
    @dev Returns the votes that the account has, of which its delegators may have taken a part.
    """
    assert self._state(_id) == ACTIVE, "Governor: vote not currently active"
    snapshot: uint256 = self._proposals[_id].snapshot
    weight: uint256 = self._votes_of(_voter, snapshot)
    tally._count(_id, _voter, _support, weight, self.token, snapshot)
    return weight


@internal
def _log_with_params(
    _voter: address,
    _id: uint256,
    _support: uint8,
    _weight: uint256,
    _reason: String[action.MAX_REASON],
    _params: Bytes[action.MAX_PARAMS],
):
    if len(_params) == 0:
        log VoteCast(voter=_voter, proposalId=_id, support=_support, weight=_weight, reason=_reason)
    else:
        log VoteCastWithParams(
            voter=_voter, proposalId=_id, support=_support, weight=_weight, reason=_reason, params=_params
        )


@internal
@view
def _signer(_struct_hash: bytes32, _v: uint8, _r: bytes32, _s: bytes32) -> address:
    """
    @dev The domain is not stored, so that a signature never holds on both sides of a chain split.
    """
    assert convert(_s, uint256) <= MAX_S, "ECDSA: invalid signature 's' value"
    domain: bytes32 = keccak256(
        abi_encode(DOMAIN_TYPE_HASH, keccak256(name), keccak256(version), chain.id, self)
    )
    signer: address = ecrecover(keccak256(concat(b"\x19\x01", domain, _struct_hash)), _v, _r, _s)
    assert signer != empty(address), "ECDSA: invalid signature"
    return signer


@internal
@view
def _may_propose(_description: Bytes[action.MAX_DESCRIPTION]) -> bool:
    """
    @dev True unless the description ends with the address of somebody else. What is no address restricts nobody.
    """
    length: uint256 = len(_description)
    if length < PROPOSER_SUFFIX:
        return True
    if slice(_description, unsafe_sub(length, PROPOSER_SUFFIX), 12) != PROPOSER_MARK:
        return True

    proposer: uint256 = 0
    for i: uint256 in range(40):
        digit: uint256 = convert(slice(_description, unsafe_sub(length, 40) + i, 1), uint256)
        # "0" to "9", "A" to "F", "a" to "f".
        if digit >= 48 and digit <= 57:
            digit -= 48
        elif digit >= 65 and digit <= 70:
            digit -= 55
        elif digit >= 97 and digit <= 102:
            digit -= 87
        else:
            return True
        proposer = (proposer << 4) | digit
    return proposer == convert(msg.sender, uint256)


@internal
@view
def _supply(_round: uint256) -> uint256:
    return staticcall IBondingVotes(self.token).getPastTotalSupply(_round)


@internal
@view
def _quorum_of(_supply: uint256, _round: uint256) -> uint256:
    return _supply * self._quorum_numerator(_round) // quorumDenominator


@internal
@view
def _quorum_numerator(_round: uint256) -> uint256:
    """
    @dev The last one set in or before a round; zero before the first.
    """
    above: uint256 = self._quorums_length
    if above == 0:
        return 0
    # Mostly the last one.
    if self._quorum_rounds[above - 1] <= _round:
        return self._quorum_numerators[above - 1]
    below: uint256 = 0
    for _: uint256 in range(SEARCH_STEPS):
        if below == above:
            break
        middle: uint256 = (below + above) // 2
        if self._quorum_rounds[middle] <= _round:
            below = middle + 1
        else:
            above = middle
    return self._quorum_numerators[above - 1] if above > 0 else 0


@internal
def _set_voting_delay(_delay: uint256):
    log VotingDelaySet(oldVotingDelay=self.votingDelay, newVotingDelay=_delay)
    self.votingDelay = _delay


@internal
def _set_voting_period(_period: uint256):
    assert _period > 0, "GovernorSettings: voting period too low"
    log VotingPeriodSet(oldVotingPeriod=self.votingPeriod, newVotingPeriod=_period)
    self.votingPeriod = _period


@internal
def _set_proposal_threshold(_threshold: uint256):
    log ProposalThresholdSet(oldProposalThreshold=self.proposalThreshold, newProposalThreshold=_threshold)
    self.proposalThreshold = _threshold


@internal
def _set_timelock(_timelock: address):
    log TimelockChange(oldTimelock=self.timelock, newTimelock=_timelock)
    self.timelock = _timelock


@internal
def _set_quorum_numerator(_numerator: uint256):
    assert (
        _numerator <= quorumDenominator
    ), "GovernorVotesQuorumFraction: quorumNumerator over quorumDenominator"
    current: uint256 = self._clock()
    index: uint256 = self._quorums_length
    previous: uint256 = 0
    if index > 0:
        previous = self._quorum_numerators[index - 1]
        if self._quorum_rounds[index - 1] == current:
            index -= 1
    self._quorum_rounds[index] = current
    self._quorum_numerators[index] = _numerator
    self._quorums_length = index + 1
    log QuorumNumeratorUpdated(oldQuorumNumerator=previous, newQuorumNumerator=_numerator)
