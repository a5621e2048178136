"""Ranges of blocks to ask logs of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.errors import InvalidInput
from livepeer_client.policy.ranges import LogSpan, sub_ranges


@given(st.integers(0, 500), st.integers(-3, 300), st.integers(1, 60))
def test_sub_ranges__of_any_range__cover_it_once_in_order(first: int, length: int, size: int) -> None:
    pieces = sub_ranges(first, first + length - 1, size)
    assert [block for start, end in pieces for block in range(start, end + 1)] == list(range(first, first + length))
    assert all(end - start + 1 == size for start, end in pieces[:-1])


def test_sub_ranges__of_no_size__is_refused() -> None:
    with pytest.raises(InvalidInput):
        sub_ranges(1, 2, 0)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_log_span__against_a_node_with_any_bound__finds_a_width_and_grows_back(widest: int, bound: int) -> None:
    span = LogSpan(widest)
    for _ in range(20):
        if span.blocks > bound:
            assert span.refused(span.blocks)
    assert 1 <= span.blocks <= bound
    for _ in range(60):
        span.answered()
    assert span.blocks == widest


def test_log_span__refused_for_a_single_block__gives_up() -> None:
    span = LogSpan(8)
    assert not span.refused(1)
    assert span.blocks == 8
