"""When a stream stays, leaves and looks for others."""

import pytest

from livepeer_client.errors import InvalidInput
from livepeer_client.policy.sessions import Hysteresis, InFlight, ask_size, explores, keeps_up, wants_refresh
from livepeer_client.policy.trust import Pool


def test_ask_size__trusted__at_most_eight_and_untrusted_all() -> None:
    assert [ask_size(Pool.TRUSTED, size) for size in (3, 8, 9, 100)] == [3, 8, 8, 8]
    assert [ask_size(Pool.UNTRUSTED, size) for size in (3, 100)] == [3, 100]


@pytest.mark.parametrize(
    ("held", "asked", "wants"),
    [(7, 100, True), (8, 100, False), (1, 3, True), (2, 3, False), (0, 1, True), (1, 1, False), (0, 0, False)],
)
def test_wants_refresh__below_half_of_what_was_asked_or_eight(held: int, asked: int, wants: bool) -> None:
    assert wants_refresh(held, asked) is wants


def test_keeps_up__oldest_in_flight__against_its_duration() -> None:
    out = [InFlight(10.0, 2.0), InFlight(11.0, 2.0)]
    assert keeps_up(out, 11.9)
    assert not keeps_up(out, 12.0)
    assert keeps_up(out, 13.9, k=2)
    assert not keeps_up(out, 14.0, k=2)
    assert keeps_up(out, 12.9, k=1.5)


def test_keeps_up__segment_of_a_second__gets_one_and_a_half() -> None:
    assert keeps_up([InFlight(0.0, 1.0)], 1.4)
    assert not keeps_up([InFlight(0.0, 1.0)], 1.5)
    assert keeps_up([InFlight(0.0, 0.1)], 1.4)


def test_keeps_up__nothing_out__is_idle() -> None:
    assert keeps_up([], 1000.0)


@pytest.mark.parametrize(
    ("scores", "leaves"),
    [([], False), ([0.5], False), ([1.1], False), ([1.1, 1.1], True), ([1.1, 0.9], False), ([1.3], True)],
)
def test_leaves__one_late_segment__is_forgiven_unless_it_is_very_late(scores: list[float], leaves: bool) -> None:
    assert Hysteresis().leaves(scores) is leaves


def test_moves__only_to_whom_is_clearly_faster() -> None:
    assert Hysteresis().moves(1.3, 1.17)
    assert not Hysteresis().moves(1.3, 1.2)


@pytest.mark.parametrize("values", [(0.5, 2, 0.1), (1.2, 0, 0.1), (1.2, 2, 1.0)])
def test_hysteresis__nonsense__is_refused(values: tuple[float, int, float]) -> None:
    with pytest.raises(InvalidInput):
        Hysteresis(*values)


def test_explores__over_a_long_stream__is_the_quota() -> None:
    explored = 0
    for served in range(1, 1001):
        explored += explores(served, explored, 0.02)
    assert explored == 20
    assert not explores(1000, 0, 0.0)
