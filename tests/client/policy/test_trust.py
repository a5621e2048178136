"""Trust that moves, and which segments are checked twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.errors import InvalidInput
from livepeer_client.policy.trust import Pool, Trust, works_alone


def test_pool__by_the_source_alone__is_the_networks() -> None:
    assert Trust(1.0).pool() is Pool.TRUSTED
    assert Trust(0.0).pool() is Pool.UNTRUSTED
    assert Trust(0.99).pool() is Pool.UNTRUSTED


def test_score__nothing_verified__is_the_sources() -> None:
    for given_ in (0.0, 0.5, 1.0):
        assert Trust(given_).score == given_


@given(st.floats(0, 1), st.integers(0, 1000), st.integers(0, 50))
def test_score__any_history__stays_in_the_unit_interval_and_moves_the_right_way(
    given_: float, agreed: int, disagreed: int
) -> None:
    trust = Trust(given_, agreed, disagreed)
    assert 0 <= trust.score <= 1
    assert trust.after(agreed=True).score >= trust.score
    assert trust.after(agreed=False).score <= trust.score


def test_score__one_lie__costs_a_trusted_one_its_place_for_good() -> None:
    liar = Trust(1.0, agreed=1000).after(agreed=False)
    assert liar.pool() is Pool.UNTRUSTED
    for _ in range(10_000):
        liar = liar.after(agreed=True)
    assert liar.pool() is Pool.UNTRUSTED
    assert not liar.verified


def test_pool__lower_threshold__can_be_earned() -> None:
    earned = Trust(0.0, agreed=200)
    assert earned.pool(0.9) is Pool.TRUSTED
    assert earned.pool() is Pool.UNTRUSTED


@pytest.mark.parametrize("score", [-0.1, 1.1])
def test_trust__score_outside_the_unit_interval__is_refused(score: float) -> None:
    with pytest.raises(InvalidInput):
        Trust(score)


def test_works_alone__nobody_verified_yet__all_work() -> None:
    assert works_alone(4, [False], 0.999) is None
    assert works_alone(4, [False, False], 0.999) is None


@pytest.mark.parametrize(
    ("verified", "place"), [([True], 0), ([True, True], 0), ([True, False], 0), ([False, True], 1)]
)
def test_works_alone__one_is_verified__it_does_but_for_one_segment_in_so_many(verified: list[bool], place: int) -> None:
    told = [works_alone(4, verified, number / 1000) for number in range(1000)]
    assert (told.count(None), told.count(place)) == (250, 750)


def test_works_alone__frequency_zero__always_the_first() -> None:
    assert works_alone(0, [False, True], 0.0) == 0


@pytest.mark.parametrize(
    ("frequency", "verified", "draw"), [(-1, [True], 0.0), (1, [True], 1.0), (1, [True], -0.5), (1, [], 0.0)]
)
def test_works_alone__impossible_arguments__are_refused(frequency: int, verified: list[bool], draw: float) -> None:
    with pytest.raises(InvalidInput):
        works_alone(frequency, verified, draw)
