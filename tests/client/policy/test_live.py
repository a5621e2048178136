"""When a gateway leaves the orchestrator of a live session, by a clock that only these tests turn."""

from dataclasses import replace

import pytest

from livepeer_client.errors import LivepeerError, PeerRefused, PeerTimeout
from livepeer_client.policy.live import SILENCE_S, SLOW_S, Swaps, Watched, fault, live_cause
from livepeer_client.policy.workloads import LIVE, Cause

BUSY = Watched(started_s=100, event_s=100, output_s=100, input_s=100)


def test_fault__nothing_for_just_under_the_limit__is_none() -> None:
    assert fault(BUSY, 100 + SILENCE_S - 0.001) is None


def test_fault__no_event_for_30_s__is_no_events_even_without_input() -> None:
    assert fault(replace(BUSY, input_s=None), 130) is Cause.NO_EVENTS
    assert fault(replace(BUSY, input_s=None, event_s=101), 130) is None


def test_fault__no_output_while_input_comes__is_no_output() -> None:
    assert fault(replace(BUSY, input_s=129, event_s=129), 130) is Cause.NO_OUTPUT
    assert fault(replace(BUSY, input_s=129, event_s=129, output_s=101), 130) is None


def test_fault__no_output_when_no_input_came_either__is_none() -> None:
    assert fault(replace(BUSY, event_s=129), 130) is None
    assert fault(replace(BUSY, event_s=129, input_s=None), 130) is None


@pytest.mark.parametrize(("waiting", "oldest_s", "found"), [(3, 110, Cause.BACKLOG), (2, 50, None), (3, 111, None)])
def test_fault__segments_waiting__is_a_backlog_once_three_have_waited_long(
    waiting: int, oldest_s: float, found: Cause | None
) -> None:
    assert fault(replace(BUSY, waiting=waiting, oldest_s=oldest_s), 110 + SLOW_S) is found


def test_fault__segments_that_waited_before_the_session_began__count_from_its_start() -> None:
    assert fault(replace(BUSY, waiting=3, oldest_s=0), 100 + SLOW_S - 0.5) is None
    assert fault(replace(BUSY, waiting=3, oldest_s=0), 100 + SLOW_S) is Cause.BACKLOG


def test_swaps__three_each_within_three_minutes__are_too_many() -> None:
    swaps = Swaps(0.0)
    for now_s, too_many in ((179, False), (358, False), (537, True)):
        swaps = swaps.after(now_s)
        assert swaps.too_many is too_many


def test_swaps__one_three_minutes_after_the_last__counts_from_one_again() -> None:
    swaps = Swaps(0.0).after(10).after(20)
    assert (swaps.count, swaps.after(200).count) == (2, 1)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (PeerRefused("o", 402, "pay"), Cause.BALANCE),
        (PeerRefused("o", 409, "session already exists"), Cause.AUTH_TOKEN),
        (PeerRefused("o", 400, "TicketParams expired"), Cause.PARAMS_EXPIRED),
        (PeerRefused("o", 503, "insufficient capacity"), Cause.CAPPED),
        (PeerRefused("o", 500, "?"), Cause.REFUSED),
        (PeerTimeout("o", "late"), Cause.TIMEOUT),
    ],
)
def test_live_cause__of_a_failed_start__has_a_reaction(error: LivepeerError, cause: Cause) -> None:
    assert live_cause(error) is cause
    assert cause in LIVE.reactions
