"""The model's sorted list by itself, against the definition of a valid place (spec 9)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.evm import NOBODY, addresses
from tests.support.model.pool import position

MEMBERS = addresses(6)
STRANGER = addresses(1, first=0x9999)[0]


@given(
    keys=st.lists(st.integers(1, 4), max_size=6),
    key=st.integers(1, 5),
    prev=st.sampled_from([NOBODY, STRANGER, *MEMBERS]),
    next_=st.sampled_from([NOBODY, STRANGER, *MEMBERS]),
)
def test_position__any_hint__keeps_the_order(keys: list[int], key: int, prev: str, next_: str) -> None:
    members = MEMBERS[: len(keys)]
    key_of = dict(zip(members, sorted(keys, reverse=True), strict=True)).__getitem__

    place = position(members, key_of, key, (prev, next_))

    assert all(key_of(member) >= key for member in members[:place])
    assert all(key_of(member) <= key for member in members[place:])


@given(keys=st.lists(st.integers(1, 4), max_size=6), key=st.integers(1, 5))
def test_position__no_hint__is_before_all_equals(keys: list[int], key: int) -> None:
    members = MEMBERS[: len(keys)]
    key_of = dict(zip(members, sorted(keys, reverse=True), strict=True)).__getitem__

    assert position(members, key_of, key, (NOBODY, NOBODY)) == sum(key_of(member) > key for member in members)


@given(keys=st.lists(st.integers(1, 4), min_size=1, max_size=6), data=st.data())
def test_position__every_valid_gap_as_hint__is_taken(keys: list[int], data: st.DataObject) -> None:
    members = MEMBERS[: len(keys)]
    key_of = dict(zip(members, sorted(keys, reverse=True), strict=True)).__getitem__
    place = data.draw(st.integers(0, len(members)))
    high = key_of(members[place - 1]) if place else 9
    low = key_of(members[place]) if place < len(members) else 1
    bounded = [NOBODY, *members, NOBODY]

    hint = bounded[place], bounded[place + 1]

    assert position(members, key_of, data.draw(st.integers(low, high)), hint) == place
