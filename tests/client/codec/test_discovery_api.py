"""Lists, scores and price overrides as JSON: what fits is taken, the rest is left out or refused by type."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepeer_client.codec.discovery_api import (
    MAX_LISTED,
    Listed,
    decode_list,
    decode_performance,
    decode_price_answer,
    encode_price_question,
)
from livepeer_client.errors import MalformedMessage
from livepeer_client.types import Address

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def test_decode_list__entries_of_all_kinds__keeps_the_usable_ones() -> None:
    given_ = [
        {"address": "https://a.example:8935/", "score": 1, "capabilities": ["live-video-to-video/noop", 3]},
        {"address": "b.example:8935"},
        {"address": "  "},
        {"address": 7},
        "text",
        {"score": 1},
        {"address": "https://c.example", "score": 7.5},
        {"address": "https://d.example", "score": -1},
        {"address": "https://e.example", "score": "1"},
    ]
    assert decode_list(json.dumps(given_).encode()) == (
        Listed("https://a.example:8935", 1.0, ("live-video-to-video/noop",)),
        Listed("https://b.example:8935"),
        Listed("https://c.example", 1.0),
        Listed("https://d.example", 0.0),
        Listed("https://e.example", 0.0),
    )
    assert decode_list(b'[{"address": "x.example", "score": NaN}]')[0].score == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"null", b"\xff", b"[" * 100_000, json.dumps([{}] * (MAX_LISTED + 1)).encode()],
    ids=["empty", "object", "null", "bytes", "deep", "long"],
)
def test_decode_list__no_list_or_too_long__is_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_list(data)


@given(json_values)
def test_decode__any_json__is_a_value_or_a_typed_refusal(value: object) -> None:
    data = json.dumps(value).encode()
    for decode in (decode_list, lambda raw: decode_performance(raw, "FRA"), decode_price_answer):
        try:
            decode(data)
        except MalformedMessage:
            continue


def test_decode_performance__a_region__gives_its_scores_by_address() -> None:
    data = json.dumps(
        {
            "0x" + "aa" * 20: {"FRA": {"score": 0.97}, "LAX": {"score": 0.1}},
            "0x" + "bb" * 20: {"LAX": {"score": 0.5}},
            "0x" + "cc" * 20: {"FRA": {"score": True}},
            "nobody": {"FRA": {"score": 1}},
        }
    ).encode()
    assert decode_performance(data, "FRA") == {Address(b"\xaa" * 20): 0.97}


def test_encode_price_question__a_sender__is_its_address_as_id() -> None:
    assert json.loads(encode_price_question(Address(b"\x11" * 20))) == {"id": "0x" + "11" * 20}


@pytest.mark.parametrize(
    ("data", "price"),
    [
        (b"", None),
        (b"{}", None),
        (b'{"priceInfo": null}', None),
        (b'{"priceInfo": {"pricePerUnit": 7, "pixelsPerUnit": 3}}', (7, 3)),
        (b'{"priceInfo": {"pricePerUnit": 0, "pixelsPerUnit": 1}}', (0, 1)),
    ],
)
def test_decode_price_answer__override_or_none__is_told(data: bytes, price: tuple[int, int] | None) -> None:
    assert decode_price_answer(data) == price


@pytest.mark.parametrize(
    "price",
    [
        [],
        7,
        {"pricePerUnit": 1},
        {"pricePerUnit": 1, "pixelsPerUnit": 0},
        {"pricePerUnit": -1, "pixelsPerUnit": 1},
        {"pricePerUnit": 1.5, "pixelsPerUnit": 1},
        {"pricePerUnit": 2**63, "pixelsPerUnit": 1},
    ],
)
def test_decode_price_answer__a_price_that_makes_no_sense__is_refused(price: object) -> None:
    with pytest.raises(MalformedMessage):
        decode_price_answer(json.dumps({"priceInfo": price}).encode())
