"""Filter, weigh, draw; and an explanation for everybody."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.messages import AuthToken, OrchestratorInfo, PriceInfo, RegisteredOrchestrator
from livepeer_client.codec.ticket import ExpirationParams, TicketParams
from livepeer_client.errors import InvalidInput
from livepeer_client.policy.discovery import Offer, Rejection, RejectReason, suspend
from livepeer_client.policy.selection import (
    Candidate,
    Criteria,
    How,
    Selection,
    Shares,
    Verdict,
    Weights,
    latency_score,
    select,
)
from livepeer_client.policy.trust import Pool, Trust
from livepeer_client.types import ZERO_HASH, Address, BlockNumber, Hash32, Round, Wei, WinProb


def address(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


def make_offer(number: int, *, stake: int = 100, price: int = 10, latency_s: float = 0.1) -> Offer:
    member = RegisteredOrchestrator(address(number), f"https://o{number}.example:8935", stake, True)
    params = TicketParams(
        member.address, Wei(0), WinProb(0), Hash32(ZERO_HASH), 0, BlockNumber(1), ExpirationParams(Round(1), ZERO_HASH)
    )
    info = OrchestratorInfo(
        member.service_uri, params, PriceInfo(price, 1), member.address, None, AuthToken(b"", "s", 0)
    )
    return Offer(member, info, params, PriceInfo(price, 1), Fraction(price), latency_s)


def by_address(selection: Selection) -> Mapping[Address, Candidate]:
    return {candidate.address: candidate for candidate in selection.candidates}


def chosen(selection: Selection) -> Address | None:
    return selection.chosen.member.address if selection.chosen else None


AT_0 = Criteria(now_s=0)


def test_select__one_offer__is_chosen_whatever_the_draw() -> None:
    offer = make_offer(1)
    for draw in (0.0, 0.5, 0.999999):
        assert select([offer], [], AT_0, draw).chosen is offer


def test_select__nobody__is_nobody() -> None:
    assert select([], [], AT_0, 0.5) == Selection(None, ())


def test_select__stake_weighs_most__probabilities_are_the_networks() -> None:
    offers = [make_offer(1, stake=300), make_offer(2, stake=100)]
    lines = by_address(select(offers, [], AT_0, 0.0))
    assert lines[address(1)].probability == pytest.approx(0.7 * 0.75 + 0.3 / 2)
    assert lines[address(2)].probability == pytest.approx(0.7 * 0.25 + 0.3 / 2)


def test_select__draw__walks_the_cumulative_sum() -> None:
    offers = [make_offer(1, stake=300), make_offer(2, stake=100)]
    assert chosen(select(offers, [], AT_0, 0.6749)) == address(1)
    assert chosen(select(offers, [], AT_0, 0.6751)) == address(2)


def test_select__price_weight__prefers_the_cheaper_by_the_exponential() -> None:
    criteria = Criteria(now_s=0, weights=Weights(stake=0, price=1, random=0, price_scale=100))
    offers = [make_offer(1, price=0), make_offer(2, price=100)]
    lines = by_address(select(offers, [], criteria, 0.0))
    first, second = lines[address(1)].probability, lines[address(2)].probability
    assert first is not None
    assert second is not None
    assert first / second == pytest.approx(2.718281828)


def test_select__enormous_prices__still_leave_a_lottery() -> None:
    criteria = Criteria(now_s=0, weights=Weights(stake=0, price=1, random=0))
    offers = [make_offer(1, price=10**12), make_offer(2, price=10**12)]
    assert [line.probability for line in select(offers, [], criteria, 0.0).candidates] == [0.5, 0.5]


def test_select__no_stake_anywhere__is_an_even_lottery() -> None:
    offers = [make_offer(1, stake=0), make_offer(2, stake=0)]
    assert [line.probability for line in select(offers, [], AT_0, 0.0).candidates] == pytest.approx([0.5, 0.5])


def test_select__price_at_the_ceiling__passes_and_above_is_rejected_with_figures() -> None:
    offers = [make_offer(1, price=10), make_offer(2, price=11)]
    selection = select(offers, [], Criteria(now_s=0, ceiling=Fraction(10)), 0.999)
    assert chosen(selection) == address(1)
    line = by_address(selection)[address(2)]
    assert line.verdict is Verdict.REJECTED
    assert line.reason == "price above the ceiling (price 11 wei/pixel, ceiling 10 wei/pixel)"


def test_select__everybody_too_dear__is_nobody() -> None:
    assert select([make_offer(1)], [], Criteria(now_s=0, ceiling=Fraction(1)), 0.0).chosen is None


def test_select__everybody_too_dear_under_a_ceiling_that_yields__is_chosen_all_the_same() -> None:
    yielding = Criteria(now_s=0, ceiling=Fraction(1), ceiling_yields=True)
    assert chosen(select([make_offer(1)], [], yielding, 0.0)) == address(1)
    # As long as somebody is within it, it holds.
    offers = [make_offer(1, price=1, stake=1), make_offer(2, price=2, stake=10**9)]
    assert chosen(select(offers, [], yielding, 0.999)) == address(1)


def test_select__suspended__is_passed_over_with_cause_and_time_left() -> None:
    suspensions = suspend({}, address(1), now_s=0, for_s=30, cause="no answer")
    selection = select([make_offer(1), make_offer(2)], [], Criteria(now_s=10, suspensions=suspensions), 0.0)
    assert chosen(selection) == address(2)
    assert by_address(selection)[address(1)].reason == "suspended (for 20 s, cause no answer)"


def test_select__suspension_over__is_a_candidate_again() -> None:
    suspensions = suspend({}, address(1), now_s=0, for_s=30, cause="no answer")
    assert chosen(select([make_offer(1)], [], Criteria(now_s=30, suspensions=suspensions), 0.0)) == address(1)


def test_select__only_suspended_ones__takes_the_one_released_first_as_last_resort() -> None:
    suspensions = suspend({}, address(1), now_s=0, for_s=30, cause="a")
    suspensions = suspend(suspensions, address(2), now_s=0, for_s=20, cause="b")
    selection = select([make_offer(1), make_offer(2)], [], Criteria(now_s=1, suspensions=suspensions), 0.0)
    assert (chosen(selection), selection.last_resort) == (address(2), True)
    assert by_address(selection)[address(2)].reason == "last resort, nobody else is left; suspended: b"


def test_select__only_a_barred_one__is_nobody() -> None:
    suspensions = suspend({}, address(1), now_s=0, for_s=30, cause="fraud", barred=True)
    selection = select([make_offer(1)], [], Criteria(now_s=1, suspensions=suspensions), 0.0)
    assert (selection.chosen, selection.last_resort) == (None, False)


def test_select__already_tried__is_not_even_a_last_resort() -> None:
    suspensions = suspend({}, address(1), now_s=0, for_s=30, cause="a")
    criteria = Criteria(now_s=1, suspensions=suspensions, tried=[address(1)])
    assert select([make_offer(1)], [], criteria, 0.0).chosen is None


def test_select__known_and_keeping_up__goes_before_any_stranger() -> None:
    offers = [make_offer(1, stake=10**6), make_offer(2), make_offer(3)]
    criteria = Criteria(now_s=0, latency_scores={address(2): 0.8, address(3): 0.5})
    selection = select(offers, [], criteria, 0.0)
    assert chosen(selection) == address(3)
    assert by_address(selection)[address(2)].reason == "known, latency score 0.80"


def test_select__known_but_too_slow__strangers_get_their_lottery() -> None:
    offers = [make_offer(1), make_offer(2)]
    assert chosen(select(offers, [], Criteria(now_s=0, latency_scores={address(1): 1.01}), 0.0)) == address(2)


def test_select__all_known_and_slow__takes_the_fastest_of_them() -> None:
    offers = [make_offer(1), make_offer(2)]
    criteria = Criteria(now_s=0, latency_scores={address(1): 3.0, address(2): 2.0})
    assert chosen(select(offers, [], criteria, 0.0)) == address(2)


def test_select__rejections__stand_in_the_table_by_stake() -> None:
    bad = RegisteredOrchestrator(address(9), "https://bad.example:8935", 500, True)
    rejection = Rejection(bad, RejectReason.NO_PRICE)
    first, second = select([make_offer(1)], [rejection], AT_0, 0.0).candidates
    assert first == Candidate(
        bad.service_uri,
        bad.address,
        price=None,
        latency_s=None,
        stake=500,
        verdict=Verdict.REJECTED,
        reason="no price",
        rejection=rejection,
        pool=Pool.UNTRUSTED,
    )
    assert second == Candidate(
        "https://o1.example:8935",
        address(1),
        price=Fraction(10),
        latency_s=0.1,
        stake=100,
        verdict=Verdict.CHOSEN,
        reason="drawn at 0.000",
        probability=1.0,
        shares=Shares(stake=1.0, price=1.0, random=1.0, trust=1.0),
        pool=Pool.UNTRUSTED,
    )


@pytest.mark.parametrize("draw", [-0.1, 1.0])
def test_select__draw_outside_the_unit_interval__is_refused(draw: float) -> None:
    with pytest.raises(InvalidInput):
        select([make_offer(1)], [], AT_0, draw)


@pytest.mark.parametrize("weights", [(0.7, 0.0, 0.2), (1.1, -0.1, 0.0)])
def test_weights__that_do_not_sum_to_one_or_are_negative__are_refused(weights: tuple[float, float, float]) -> None:
    with pytest.raises(InvalidInput):
        Weights(*weights)


def test_latency_score__short_segments__count_as_one_and_a_half_seconds() -> None:
    assert latency_score(1.5, 0.5) == 1.0
    assert latency_score(1.0, 2.0) == 0.5


@given(
    stakes=st.lists(st.integers(0, 10**27), min_size=1, max_size=8),
    prices=st.lists(st.integers(0, 10**9), min_size=8, max_size=8),
    draw=st.floats(0, 1, exclude_max=True),
    barred=st.sets(st.integers(0, 7)),
)
def test_select__any_pool__chooses_exactly_one_eligible_and_explains_everybody(
    stakes: list[int], prices: list[int], draw: float, barred: set[int]
) -> None:
    offers = [make_offer(number, stake=stake, price=prices[number]) for number, stake in enumerate(stakes)]
    offers = [replace(offer, latency_s=0.1) for offer in offers]
    tried = {address(number) for number in barred}
    criteria = Criteria(now_s=0, tried=tried, weights=Weights(0.4, 0.3, 0.3))
    selection = select(offers, [], criteria, draw)
    assert {line.address for line in selection.candidates} == {offer.member.address for offer in offers}
    picked = [line for line in selection.candidates if line.verdict is Verdict.CHOSEN]
    shares = [line.probability for line in selection.candidates if line.probability is not None]
    if len(tried & {offer.member.address for offer in offers}) == len(offers):
        assert (picked, selection.chosen, shares) == ([], None, [])
    else:
        assert len(picked) == 1
        assert picked[0].address == chosen(selection)
        assert picked[0].address not in tried
        assert sum(shares) == pytest.approx(1)


# --- pools, performance, trust, exploration ---------------------------------------------------------


def reason(selection: Selection, number: int) -> RejectReason | None:
    rejection = by_address(selection)[address(number)].rejection
    return None if rejection is None else rejection.reason


def test_select__one_pool_only__rejects_the_other_with_its_trust() -> None:
    criteria = Criteria(now_s=0, trusts={address(2): Trust(1.0)}, pool=Pool.TRUSTED)
    selection = select([make_offer(1, stake=10**9), make_offer(2)], [], criteria, 0.0)
    assert chosen(selection) == address(2)
    assert reason(selection, 1) is RejectReason.OTHER_POOL
    assert by_address(selection)[address(1)].reason == "in the other pool (trust 0.00, wanted trusted)"
    assert chosen(select([make_offer(2)], [], replace(criteria, pool=Pool.UNTRUSTED), 0.0)) is None


def test_select__trust__doubles_a_share_at_most_and_changes_nothing_where_it_is_equal() -> None:
    offers = [make_offer(1), make_offer(2)]
    lines = by_address(select(offers, [], Criteria(now_s=0, trusts={address(1): Trust(1.0)}), 0.0))
    assert lines[address(1)].probability == pytest.approx(2 / 3)
    assert lines[address(2)].probability == pytest.approx(1 / 3)
    alike = Criteria(now_s=0, trusts={address(1): Trust(0.3), address(2): Trust(0.3)})
    assert [line.probability for line in select(offers, [], alike, 0.0).candidates] == [0.5, 0.5]


def test_select__performance_below_the_minimum__is_rejected_unless_nobody_attains_it() -> None:
    offers = [make_offer(1), make_offer(2), make_offer(3)]
    criteria = Criteria(now_s=0, performance={address(1): 0.9, address(2): 0.94}, min_performance=0.92)
    selection = select(offers, [], criteria, 0.999)
    assert chosen(selection) == address(2)
    assert by_address(selection)[address(1)].reason == (
        "performance score below the minimum (measured 0.90, minimum 0.92)"
    )
    assert by_address(selection)[address(3)].reason.endswith("(measured nothing, minimum 0.92)")
    nobody = select(offers, [], replace(criteria, min_performance=0.99), 0.0)
    assert [line.rejection for line in nobody.candidates] == [None, None, None]


def test_select__nearest__takes_the_lowest_latency_without_a_lottery() -> None:
    offers = [make_offer(1, stake=10**9, latency_s=0.3), make_offer(2, latency_s=0.2)]
    for draw in (0.0, 0.999):
        selection = select(offers, [], Criteria(now_s=0, how=How.NEAREST), draw)
        assert chosen(selection) == address(2)
        assert by_address(selection)[address(2)].reason == "nearest, 200 ms"


def test_select__exploring__prefers_a_stranger_to_somebody_good() -> None:
    offers = [make_offer(1), make_offer(2)]
    criteria = Criteria(now_s=0, latency_scores={address(1): 0.3})
    assert chosen(select(offers, [], criteria, 0.0)) == address(1)
    selection = select(offers, [], replace(criteria, explore=True), 0.0)
    assert chosen(selection) == address(2)
    assert selection.explored
    # Without a stranger it is as always.
    assert chosen(select(offers[:1], [], replace(criteria, explore=True), 0.0)) == address(1)


def test_select__blocked_and_in_use__are_told_apart() -> None:
    offers = [make_offer(number) for number in (1, 2, 3)]
    selection = select(offers, [], Criteria(now_s=0, blocked={address(1)}, in_use={address(2)}), 0.0)
    assert chosen(selection) == address(3)
    assert reason(selection, 1) is RejectReason.BLOCKED
    assert reason(selection, 2) is RejectReason.IN_USE


@given(
    st.lists(st.tuples(st.integers(0, 10**24), st.integers(0, 10**6), st.floats(0, 1)), min_size=1, max_size=30),
    st.floats(0, 1, exclude_max=True),
)
def test_select__any_market__shares_sum_to_one_and_the_draw_decides(
    market: list[tuple[int, int, float]], draw: float
) -> None:
    offers = [make_offer(number, stake=stake, price=price) for number, (stake, price, _) in enumerate(market, 1)]
    trusts = {address(number): Trust(trust) for number, (_, _, trust) in enumerate(market, 1)}
    criteria = Criteria(now_s=0, trusts=trusts, weights=Weights(stake=0.5, price=0.3, random=0.2))
    selection = select(offers, [], criteria, draw)
    assert sum(line.probability or 0 for line in selection.candidates) == pytest.approx(1)
    assert selection == select(offers, [], criteria, draw)
    assert sum(line.verdict is Verdict.CHOSEN for line in selection.candidates) == 1
