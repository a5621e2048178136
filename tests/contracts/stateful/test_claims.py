"""I12: in how many steps earnings are claimed makes no difference beyond rounding; R2: nor who claims first."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from scripts._params import LOCAL
from tests.support.evm_suite import deploy_suite
from tests.support.stateful.operations import ACTORS, KEYS
from tests.support.tickets import make_signed

LPT = 10**18
TRANSCODER, OFTEN, SELDOM, SENDER = ACTORS[:4]
PARAMS = LOCAL.override(inflation_ppb=10**7, inflation_change_ppb=0)


@dataclass(frozen=True, slots=True)
class Round:
    rewards: bool
    fee: int
    claims: bool


ROUNDS = st.lists(
    st.builds(Round, st.booleans(), st.integers(0, 10**18) | st.integers(0, 9), st.booleans()), min_size=1, max_size=8
)


@given(
    stake=st.integers(1, 10**21),
    own=st.integers(1, 10**21),
    cut=st.integers(0, 10**6),
    share=st.integers(0, 10**6),
    rounds=ROUNDS,
)
def test_claim__split_over_many_rounds__gives_the_same_within_rounding(
    stake: int, own: int, cut: int, share: int, rounds: list[Round]
) -> None:
    suite = deploy_suite(PARAMS)
    suite.start()
    for account, amount in ((TRANSCODER, own), (OFTEN, stake), (SELDOM, stake)):
        suite.fund(account, lpt=amount)
        suite.bonding.call("bond", amount, TRANSCODER, sender=account)
    suite.bonding.call("transcoder", cut, share, sender=TRANSCODER)
    suite.fund(SENDER, eth=100 * LPT)
    suite.broker.call("fundDeposit", sender=SENDER, value=100 * LPT)
    claims = 0
    for number, each in enumerate(rounds):
        round_ = suite.next_round()
        if each.rewards:
            suite.bonding.call("reward", sender=TRANSCODER)
        signed = make_signed(
            key=KEYS[SENDER],
            sender=SENDER,
            recipient=TRANSCODER,
            creation_round=round_,
            block_hash=suite.rounds.view("blockHashForRound", round_),
            face_value_wei=each.fee,
            nonce=number,
        )
        suite.broker.call("redeemWinningTicket", *signed.arguments(), sender=SENDER)
        if each.claims:
            suite.bonding.call("claimEarnings", 0, sender=OFTEN)
            claims += 1
    suite.next_round()

    for name in ("pendingStake", "pendingFees"):
        often, seldom = suite.bonding.view(name, OFTEN, 0), suite.bonding.view(name, SELDOM, 0)
        # A unit per division, and there are two per claim; a unit of stake lost early would have earned fees.
        dust = (2 + sum(each.fee for each in rounds) // stake if name == "pendingFees" else 2) * (claims + 1)
        assert abs(often - seldom) <= dust, name
