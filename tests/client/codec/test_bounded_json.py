"""JSON of peers, whose depth must not be able to end the process."""

import json
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec import bounded_json
from livepeer_client.codec.bounded_json import MAX_DEPTH

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.fixture
def raised_limit() -> Iterator[None]:
    """What py_ecc does to the process that imports it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


@given(values, st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_loads__any_value__is_what_the_standard_gives(value: object, encoding: str) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert bounded_json.loads(text) == value
    data = text.encode(encoding, "surrogatepass")
    assert bounded_json.loads(data) == json.loads(data)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":', '["[", '])
def test_loads__nested_without_end__is_refused_whatever_the_limit(opening: str, raised_limit: None) -> None:
    with pytest.raises(ValueError, match="nested deeper"):
        bounded_json.loads(opening * 100_000)


def test_loads__at_the_limit__passes_and_one_deeper_does_not() -> None:
    assert bounded_json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(ValueError, match="nested deeper"):
        bounded_json.loads("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_loads__brackets_in_strings_and_many_side_by_side__are_no_depth() -> None:
    text = json.dumps(["[[[{{{" * 100, '"[[["\\' * 50, *([[]] * 1000)])
    assert bounded_json.loads(text) == json.loads(text)


@pytest.mark.parametrize("text", ["", "[", "nul", '"' + "[" * 1000, b"\xff\xfe\xff"])
def test_loads__no_json__is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011, whatever the standard says
        bounded_json.loads(text)


def test_loads__floats__are_read_as_asked() -> None:
    assert bounded_json.loads("[1.10]", parse_float=str) == ["1.10"]
