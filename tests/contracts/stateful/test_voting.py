"""Votes of transcoders and their delegators in any order, against a model of the rule (spec 13; I24, K2 to K4).

A machine builds a small world of stake, in which some delegate to transcoders, some to accounts that are none, and some
transcoders have minted rewards, so that votes are rounded. Then people vote, change their stake, and let rounds pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.evm import Reverted, addresses, custom_error
from tests.support.governance import ABSTAIN, ACTIVE, FIRST, LPT, PEOPLE, SECOND, Council, Proposal, deploy_council

applied: Counter[str] = Counter()
"""Successful calls by rule, over all examples; refusals for those that must be refused."""
FLOORS = {"vote": 1200, "vote_again": 80, "vote_nonsense": 100, "change_stake": 100, "reward": 100, "propose": 100}

TRANSCODERS = (FIRST, SECOND)
OTHERS = (*PEOPLE[2:], *addresses(6, first=0x7700))
VOTERS = (*TRANSCODERS, *OTHERS)
people = st.sampled_from(VOTERS)


@dataclass
class Tally:
    """The rule as the specification words it, for votes whose weights are given."""

    weights: dict[str, int]
    delegates: dict[str, str]
    counted: dict[str, int] = field(default_factory=dict)
    choices: dict[str, int] = field(default_factory=dict)
    deductions: Counter[str] = field(default_factory=Counter)

    def vote(self, voter: str, support: int) -> None:
        weight, delegate = self.weights[voter], self.delegates[voter]
        if delegate == voter:
            self.counted[voter] = weight - self.deductions[voter]
        else:
            self.counted[voter] = weight
            if self.delegates.get(delegate) == delegate:
                self.deductions[delegate] += weight
                if delegate in self.counted:
                    self.counted[delegate] -= weight
        self.choices[voter] = support

    def totals(self) -> tuple[int, int, int]:
        sums = [0, 0, 0]
        for voter, support in self.choices.items():
            sums[support] += self.counted[voter]
        return sums[0], sums[1], sums[2]

    def stake_behind(self) -> int:
        """Stake of those who voted, each LPT once, whatever the order: a transcoder's covers its delegators'."""
        return sum(
            self.weights[voter]
            for voter in self.choices
            if self.delegates[voter] == voter or self.delegates[voter] not in self.choices
        )


class Voting(RuleBasedStateMachine):
    council: Council
    proposal: Proposal
    model: Tally
    texts: int

    @initialize(
        stakes=st.lists(st.integers(1, 5000), min_size=len(VOTERS), max_size=len(VOTERS)),
        wei=st.lists(st.integers(0, 999), min_size=len(VOTERS), max_size=len(VOTERS)),
        delegations=st.lists(people, min_size=len(OTHERS), max_size=len(OTHERS)),
    )
    def found(self, stakes: list[int], wei: list[int], delegations: list[str]) -> None:
        amounts = {who: stake * LPT + odd for who, stake, odd in zip(VOTERS, stakes, wei, strict=True)}
        # Enough to propose.
        amounts[FIRST] += 100 * LPT
        delegates = {FIRST: FIRST, SECOND: SECOND, **dict(zip(OTHERS, delegations, strict=True))}
        self.council = deploy_council(amounts, delegates)
        self.texts = 0
        self.call_rewards(TRANSCODERS)
        self.open_vote()

    def call_rewards(self, transcoders: Sequence[str]) -> None:
        bonding = self.council.suite.bonding
        for who in transcoders:
            if bonding.view("isActiveTranscoder", who) and bonding.view("getTranscoder", who)[0] < self.council.round:
                bonding.call("reward", sender=who)
                applied["reward"] += 1

    def open_vote(self) -> None:
        self.texts += 1
        self.proposal = self.council.propose([self.council.pay(FIRST, 1)], f"proposal {self.texts}")
        self.council.reach(self.proposal, ACTIVE)
        snapshot = self.council.governor.view("proposalSnapshot", self.proposal.id)
        votes = self.council.suite.votes
        self.model = Tally(
            {who: votes.view("getPastVotes", who, snapshot) for who in VOTERS},
            {who: votes.view("delegatedAt", who, snapshot) for who in VOTERS},
        )
        applied["propose"] += 1

    def some_are_silent(self) -> bool:
        return len(self.model.choices) < len(VOTERS)

    def some_have_voted(self) -> bool:
        return bool(self.model.choices)

    @precondition(some_are_silent)
    @rule(data=st.data())
    def vote(self, data: st.DataObject) -> None:
        """Up to four people, in an order that matters."""
        silent = [who for who in VOTERS if who not in self.model.choices]
        for voter in data.draw(st.lists(st.sampled_from(silent), min_size=1, max_size=4, unique=True)):
            support = data.draw(st.integers(0, ABSTAIN))
            receipt = self.council.vote(self.proposal, voter, support)
            self.model.vote(voter, support)
            applied["vote"] += 1

            assert receipt.result == self.model.weights[voter]
            assert receipt.events[0].args["weight"] == self.model.weights[voter]
            self.tallies_are_those_of_the_model()

    @precondition(some_have_voted)
    @rule(data=st.data(), support=st.integers(0, ABSTAIN))
    def vote_again(self, data: st.DataObject, support: int) -> None:
        voter = data.draw(st.sampled_from(sorted(self.model.choices)))
        with pytest.raises(Reverted) as refusal:
            self.council.vote(self.proposal, voter, support)
        assert refusal.value.data == custom_error("VoteAlreadyCast()")
        applied["vote_again"] += 1

    @rule(voter=people, support=st.integers(ABSTAIN + 1, 255))
    def vote_nonsense(self, voter: str, support: int) -> None:
        with pytest.raises(Reverted) as refusal:
            self.council.vote(self.proposal, voter, support)
        assert refusal.value.data == custom_error("InvalidVoteType(uint8)", support)
        applied["vote_nonsense"] += 1

    @rule(who=st.sampled_from(OTHERS), amount=st.integers(1, 900 * LPT), to=people)
    def change_stake(self, who: str, amount: int, to: str) -> None:
        """What happens after the snapshot does not matter for this vote, and does for the next one."""
        suite = self.council.suite
        if suite.bonding.view("isRegisteredTranscoder", who) and to != who:
            return
        suite.fund(who, lpt=amount)
        suite.bonding.call("bond", amount, to, sender=who)
        applied["change_stake"] += 1

    @rule(who=st.sampled_from(TRANSCODERS))
    def reward(self, who: str) -> None:
        self.call_rewards([who])

    @precondition(some_have_voted)
    @rule()
    def propose(self) -> None:
        self.open_vote()

    @invariant()
    def tallies_are_those_of_the_model(self) -> None:
        assert self.council.tally(self.proposal) == self.model.totals()

    @invariant()
    def no_stake_counts_twice(self) -> None:
        assert sum(self.council.tally(self.proposal)) == self.model.stake_behind()

    @invariant()
    def nobody_counts_for_less_than_nothing(self) -> None:
        assert all(amount >= 0 for amount in self.model.counted.values())


def test_voting__i24_any_order_of_votes__adds_up_to_the_stake_behind_the_voters() -> None:
    applied.clear()
    run_state_machine_as_test(
        Voting,
        settings=settings(
            max_examples=120,
            stateful_step_count=60,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"applied: {dict(applied)}")
    assert {name: count for name, count in FLOORS.items() if applied[name] < count} == {}
