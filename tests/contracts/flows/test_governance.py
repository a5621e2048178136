"""What governance does to a protocol that runs: money spent, code replaced, rules changed, everything stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from tests.support.artifacts import compile_all, suite_artifacts
from tests.support.evm import NOBODY, OWNER, Contract, Evm, Reverted
from tests.support.evm_abi import Interface
from tests.support.evm_suite import NO_COMMIT, EvmSuite, contract_id
from tests.support.evm_world import SENDER, SENDER_KEY
from tests.support.governance import (
    ABSTAIN,
    ACTIVE,
    AGAINST,
    ANN,
    BEN,
    CEM,
    FIRST,
    FOR,
    LPT,
    SECOND,
    STAKES,
    STRANGER,
    SUCCEEDED,
    Council,
    deploy_council,
)
from tests.support.tickets import Signed, make_signed

ETH = 10**18
CUT = 10**26  # a tenth
UPDATE_DELAY_BLOCKS = 25


@dataclass(frozen=True, slots=True)
class Network:
    """The protocol with a council, and the Controller owned by the Governor, whose own owner is OWNER."""

    council: Council
    governor: Contract
    nonces: list[int]

    @property
    def suite(self) -> EvmSuite:
        return self.council.suite

    @property
    def evm(self) -> Evm:
        return self.council.evm

    def update(self, calls: Sequence[tuple[Contract, str, tuple[object, ...]]], *, delay: int = 0) -> None:
        """Stage and execute an update of the protocol; rounds are initialised on the way."""
        data = [contract.interface.functions[function].encode(args) for contract, function, args in calls]
        update = ([contract.address for contract, _, _ in calls], [0] * len(calls), data, self.nonces[0])
        self.nonces[0] += 1
        self.governor.call("stage", update, delay, sender=OWNER)
        due = self.evm.block + delay
        while self.evm.block + int(self.suite.rounds.view("roundLength")) <= due:
            self.suite.next_round()
        self.evm.block = max(self.evm.block, due)
        self.governor.call("execute", update, sender=STRANGER)

    def ticket(self, face_value: int = ETH // 100) -> Signed:
        self.nonces[0] += 1
        current = int(self.suite.rounds.view("currentRound"))
        return make_signed(
            key=SENDER_KEY,
            sender=SENDER,
            recipient=FIRST,
            creation_round=current,
            block_hash=self.suite.rounds.view("blockHashForRound", current),
            face_value_wei=face_value,
            nonce=self.nonces[0],
        )

    def redeem(self, ticket: Signed) -> None:
        self.suite.broker.call("redeemWinningTicket", *ticket.arguments(), sender=STRANGER)


@pytest.fixture(scope="module")
def deployed() -> Network:
    council = deploy_council()
    governor = council.evm.deploy(compile_all(["Governor"])["Governor"], sender=OWNER)
    council.suite.controller.call("transferOwnership", governor.address, sender=OWNER)
    council.evm.give(SENDER, 10 * ETH)
    council.suite.broker.call("fundDepositAndReserve", 4 * ETH, 4 * ETH, sender=SENDER, value=8 * ETH)
    council.suite.bonding.call("reward", sender=FIRST)
    council.suite.bonding.call("transcoder", 100_000, 500_000, sender=FIRST)
    return Network(council, governor, [0])


@pytest.fixture
def network(deployed: Network) -> Iterator[Network]:
    with deployed.evm.rolled_back():
        yield deployed


def test_flow__treasury_gets_its_cut__a_proposal_spends_it_after_vote_queue_and_delay(network: Network) -> None:
    council, suite = network.council, network.suite
    network.update([(suite.bonding, "setTreasuryRewardCutRate", (CUT,))])
    suite.next_round()
    before = suite.token.view("balanceOf", council.treasury.address)
    receipt = suite.bonding.call("reward", sender=FIRST)
    rewarded = {event.name: event.args for event in receipt.events}
    cut = rewarded["TreasuryReward"]["amount"]

    assert cut == (cut + rewarded["Reward"]["amount"]) // 10
    assert suite.token.view("balanceOf", council.treasury.address) == before + cut

    proposal = council.propose([council.pay(ANN, before + cut)], "everything there is")
    council.reach(proposal, ACTIVE)
    for voter, support in ((FIRST, FOR), (ANN, ABSTAIN), (SECOND, FOR), (CEM, AGAINST)):
        council.vote(proposal, voter, support)
    council.reach(proposal, SUCCEEDED)
    with pytest.raises(Reverted, match=r"^TimelockController: operation is not ready$"):
        council.execute(proposal)
    council.queue(proposal)
    council.execute(proposal)

    assert suite.token.view("balanceOf", council.treasury.address) == 0
    assert suite.token.view("balanceOf", ANN) == before + cut


def test_flow__protocol_upgrade__keeps_live_stake_and_tickets_over_a_round_boundary(network: Network) -> None:
    suite, bonding = network.suite, network.suite.bonding
    tickets = [network.ticket() for _ in range(3)]
    network.redeem(tickets[0])
    bonding.call("unbond", 10 * LPT, sender=ANN)
    people = (FIRST, SECOND, ANN, BEN, CEM)

    def picture() -> list[object]:
        now = int(suite.rounds.view("currentRound"))
        return [
            *(bonding.view("getDelegator", who) for who in people),
            *(bonding.view("getTranscoder", who) for who in people),
            *(bonding.view("pendingStake", who, now) for who in people),
            *(bonding.view("pendingFees", who, now) for who in people),
            bonding.view("getDelegatorUnbondingLock", ANN, 0),
            bonding.view("nextRoundTotalActiveStake"),
            bonding.view("getFirstTranscoderInPool"),
            suite.broker.view("getSenderInfo", SENDER),
        ]

    new_code = network.evm.deploy(suite_artifacts()["BondingManager"], suite.controller.address)
    # While the update waits, a round ends and work goes on.
    network.update(
        [
            (
                suite.controller,
                "setContractInfo",
                (contract_id("BondingManagerTarget"), new_code.address, NO_COMMIT),
            ),
            (bonding, "setUnbondingPeriod", (3,)),
        ],
        delay=UPDATE_DELAY_BLOCKS,
    )

    assert suite.controller.view("getContract", contract_id("BondingManagerTarget")) == new_code.address
    assert bonding.view("unbondingPeriod") == 3
    after = picture()
    with network.evm.rolled_back():
        # The code from before the upgrade would say the same.
        old = suite.targets["BondingManager"].address
        register = suite.controller.interface.functions["setContractInfo"]
        network.evm.let_call(network.governor.address)
        network.evm.transact(
            network.governor.address,
            suite.controller.address,
            register.encode((contract_id("BondingManagerTarget"), old, NO_COMMIT)),
        )
        assert picture() == after
    # Tickets that were in flight are still good, in the round after the one they were made in.
    for ticket in tickets[1:]:
        network.redeem(ticket)
    with pytest.raises(Reverted, match=r"^ticket is used$"):
        network.redeem(tickets[0])
    bonding.call("reward", sender=FIRST)
    bonding.call("claimEarnings", 0, sender=ANN)
    # A lock keeps its round; a new one gets the new period.
    now = int(suite.rounds.view("currentRound"))
    bonding.call("unbond", LPT, sender=ANN)
    assert bonding.view("getDelegatorUnbondingLock", ANN, 1) == (LPT, now + 3)


def test_flow__poll__opens_takes_votes_and_closes(network: Network) -> None:
    suite, codes = network.suite, compile_all(["PollCreator", "Poll"])
    creator = network.evm.deploy(codes["PollCreator"], suite.bonding.address)
    (created,) = creator.call("createPoll", b"QmHash", sender=FIRST).events
    poll = network.evm.at(created.args["poll"], Interface.of("Poll", codes["Poll"].abi))
    for voter, choice in ((FIRST, 0), (SECOND, 1), (FIRST, 1)):
        assert poll.call("vote", choice, sender=voter).events[0].args == {"voter": voter, "choiceID": choice}
    network.evm.block = created.args["endBlock"] + 1

    with pytest.raises(Reverted, match=r"^poll is over$"):
        poll.call("vote", 0, sender=CEM)
    poll.call("destroy", sender=STRANGER)


def test_flow__pause_in_the_middle_of_everything__stops_money_and_not_votes(network: Network) -> None:
    council, suite = network.council, network.suite
    proposal = council.propose([council.pay(ANN, LPT)])
    council.reach(proposal, ACTIVE)
    ticket = network.ticket()
    bonded = suite.bonding.view("pendingStake", FIRST, 0)
    network.update([(suite.controller, "pause", ())])

    for contract, function, args, sender in (
        (suite.broker, "redeemWinningTicket", ticket.arguments(), STRANGER),
        (suite.bonding, "unbond", (LPT,), ANN),
        (suite.bonding, "reward", (), FIRST),
        (suite.broker, "unlock", (), SENDER),
    ):
        with pytest.raises(Reverted, match=r"^system is paused$"):
            contract.call(function, *args, sender=sender)
    council.vote(proposal, FIRST, FOR)
    # Rounds pass on the clock, but none can be initialised.
    suite.next_round(2, initialize=False)
    with pytest.raises(Reverted, match=r"^system is paused$"):
        suite.rounds.call("initializeRound", sender=STRANGER)
    assert council.state(proposal) == ACTIVE

    network.update([(suite.controller, "unpause", ())])
    suite.rounds.call("initializeRound", sender=STRANGER)
    assert suite.bonding.view("pendingStake", FIRST, 0) == bonded
    with pytest.raises(Reverted, match=r"^ticket is expired$"):
        network.redeem(ticket)
    network.redeem(network.ticket())
    council.reach(proposal, SUCCEEDED)
    council.queue(proposal)
    council.execute(proposal)
    assert suite.token.view("balanceOf", ANN) == LPT


def test_flow__owner_of_the_controller__is_nobody_but_the_governor(network: Network) -> None:
    assert network.suite.controller.view("owner") == network.governor.address
    for caller in (OWNER, FIRST, NOBODY):
        with pytest.raises(Reverted) as failure:
            network.suite.controller.call("pause", sender=caller)
        assert failure.value.is_bare
    assert sum(STAKES.values()) == network.suite.bonding.view("nextRoundTotalActiveStake") - (
        network.suite.minter.view("currentMintedTokens")
    )
