"""PollCreator and Poll (spec 14)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from scripts.poll_code import compiled_poll, written_poll
from tests.support.artifacts import compile_all
from tests.support.evm import Contract, Reverted
from tests.support.evm_abi import Interface
from tests.support.evm_suite import EvmSuite, deploy_suite

LPT = 10**18
RICH, DELEGATE, DELEGATOR, POOR = (f"0x{0x7300 + index:040x}" for index in range(4))
PERIOD = 57_600


@dataclass(frozen=True, slots=True)
class Stage:
    suite: EvmSuite
    creator: Contract

    def create(self, sender: str = RICH, proposal: bytes = b"QmPoll") -> Contract:
        (event,) = self.creator.call("createPoll", proposal, sender=sender).events
        return self.suite.evm.at(event.args["poll"], Interface.of("Poll", compile_all(["Poll"])["Poll"].abi))


@pytest.fixture(scope="module")
def deployed() -> Stage:
    suite = deploy_suite()
    suite.start()
    for account, amount, to in (
        (RICH, 100 * LPT, RICH),
        (DELEGATOR, 99 * LPT, DELEGATE),
        (DELEGATE, LPT, DELEGATE),
        (POOR, 100 * LPT - 1, POOR),
    ):
        suite.fund(account, lpt=amount)
        suite.bonding.call("bond", amount, to, sender=account)
    return Stage(suite, suite.evm.deploy(compile_all(["PollCreator"])["PollCreator"], suite.bonding.address))


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    with deployed.suite.evm.rolled_back():
        yield deployed


def test_constants__of_the_creator__are_the_published_ones(stage: Stage) -> None:
    names = ("QUORUM", "QUOTA", "POLL_PERIOD", "POLL_CREATION_COST", "bondingManager")
    assert [stage.creator.view(name) for name in names] == [
        333_300,
        500_000,
        PERIOD,
        100 * LPT,
        stage.suite.bonding.address,
    ]


def test_create_poll__with_stake__creates_one_that_is_open_for_ten_rounds(stage: Stage) -> None:
    receipt = stage.creator.call("createPoll", b"x" * 4096, sender=RICH)

    (event,) = receipt.events
    end = stage.suite.evm.block + PERIOD
    assert event.name == "PollCreated"
    assert {name: value for name, value in event.args.items() if name != "poll"} == {
        "proposal": b"x" * 4096,
        "endBlock": end,
        "quorum": 333_300,
        "quota": 500_000,
    }
    poll = stage.suite.evm.at(event.args["poll"], Interface.of("Poll", compile_all(["Poll"])["Poll"].abi))
    assert poll.view("endBlock") == end


def test_create_poll__with_stake_delegated_to_the_caller__is_enough(stage: Stage) -> None:
    assert stage.create(DELEGATE).view("endBlock") == stage.suite.evm.block + PERIOD


@pytest.mark.parametrize("caller", [POOR, DELEGATOR])
def test_create_poll__with_too_little_stake__reverts(stage: Stage, caller: str) -> None:
    with pytest.raises(Reverted, match=r"^PollCreator#createPoll: INSUFFICIENT_STAKE$"):
        stage.creator.call("createPoll", b"", sender=caller)


def test_create_poll__text_beyond_the_bound__reverts_without_reason(stage: Stage) -> None:
    with pytest.raises(Reverted) as failure:
        stage.creator.call("createPoll", bytes(4097), sender=RICH)
    assert failure.value.is_bare


def test_vote__until_the_end_block__is_logged_for_anybody_any_number_of_times(stage: Stage) -> None:
    poll = stage.create()
    events = [poll.call("vote", choice, sender=POOR).events for choice in (0, 1, 7)]
    stage.suite.evm.block += PERIOD
    events.append(poll.call("vote", 1, sender=POOR).events)

    assert [[(event.name, event.args) for event in logged] for logged in events] == [
        [("Vote", {"voter": POOR, "choiceID": choice})] for choice in (0, 1, 7, 1)
    ]


def test_vote__after_the_end_block__reverts(stage: Stage) -> None:
    poll = stage.create()
    stage.suite.evm.block += PERIOD + 1

    with pytest.raises(Reverted, match=r"^poll is over$"):
        poll.call("vote", 0, sender=RICH)


def test_destroy__while_open__reverts(stage: Stage) -> None:
    poll = stage.create()
    stage.suite.evm.block += PERIOD

    with pytest.raises(Reverted, match=r"^poll is active$"):
        poll.call("destroy", sender=RICH)


def test_destroy__after_the_end__gives_forced_ether_to_the_caller(stage: Stage) -> None:
    poll = stage.create()
    stage.suite.evm.engine.set_balance(poll.address, 9)
    stage.suite.evm.block += PERIOD + 1
    poll.call("destroy", sender=POOR)
    poll.call("destroy", sender=RICH)

    assert stage.suite.evm.balance(POOR) == 9
    assert stage.suite.evm.balance(poll.address) == 0


def test_poll_code__inside_of_the_creator__is_that_of_the_compiled_poll() -> None:
    assert written_poll() == compiled_poll(), "run `ape run poll_code`"
