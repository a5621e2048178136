"""The sorted list of spec 9, with its rules for hints and ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from tests.support.model.state import NOBODY, Cell, Journal, require

MOST = 2**16 - 1
Hint = tuple[str, str]
NO_HINT: Hint = (NOBODY, NOBODY)


class SortedPool:
    """Members from the largest key to the smallest. Keys are kept elsewhere: they are the members' stake."""

    def __init__(self, journal: Journal, key_of: Callable[[str], int]) -> None:
        self._key = key_of
        self._members: Cell[tuple[str, ...]] = Cell(journal, "members", ())
        self._max_size: Cell[int] = Cell(journal, "max_size", 0)

    @property
    def members(self) -> tuple[str, ...]:
        return self._members.value

    @property
    def max_size(self) -> int:
        return self._max_size.value

    @property
    def is_full(self) -> bool:
        return len(self.members) == self.max_size

    def set_max_size(self, size: int) -> None:
        require(size > self.max_size, "new max size must be greater than old max size")
        require(size <= MOST, "new max size exceeds 16 bits")
        self._max_size.value = size

    def insert(self, member: str, key: int, hint: Hint) -> None:
        require(member != NOBODY, "node id is null")
        require(key > 0, "key is zero")
        place = position(self.members, self._key, key, hint)
        self._members.value = (*self.members[:place], member, *self.members[place:])

    def remove(self, member: str) -> None:
        require(member in self.members, "node not in list")
        self._members.value = tuple(each for each in self.members if each != member)


def position(members: Sequence[str], key_of: Callable[[str], int], key: int, hint: Hint) -> int:
    """How many members stand before the place of a key, found as the list finds it."""
    prev, next_ = hint
    place = {member: index for index, member in enumerate(members)}
    if _is_valid(members, key_of, key, prev, next_):
        return place[next_] if next_ != NOBODY else len(members)
    has_prev = prev in place and key <= key_of(prev)
    has_next = next_ in place and key >= key_of(next_)
    if has_prev:
        return _down(members, key_of, key, place[prev])
    if has_next:
        return _up(members, key_of, key, place[next_])
    return _down(members, key_of, key, 0)


def _is_valid(members: Sequence[str], key_of: Callable[[str], int], key: int, prev: str, next_: str) -> bool:
    if prev == NOBODY and next_ == NOBODY:
        return not members
    if prev == NOBODY:
        return bool(members) and next_ == members[0] and key >= key_of(next_)
    if next_ == NOBODY:
        return bool(members) and prev == members[-1] and key <= key_of(prev)
    return (prev, next_) in pairwise(members) and key_of(prev) >= key >= key_of(next_)


def _down(members: Sequence[str], key_of: Callable[[str], int], key: int, start: int) -> int:
    """From a member towards the tail: the first gap that fits, that before the head if the walk starts there."""
    if not members or (start == 0 and key >= key_of(members[0])):
        return 0
    gap = start + 1
    while gap < len(members) and not key_of(members[gap - 1]) >= key >= key_of(members[gap]):
        gap += 1
    return gap


def _up(members: Sequence[str], key_of: Callable[[str], int], key: int, start: int) -> int:
    """From a member towards the head: the first gap that fits, that behind the tail if the walk starts there."""
    if start == len(members) - 1 and key <= key_of(members[-1]):
        return len(members)
    gap = start
    while gap > 0 and not key_of(members[gap - 1]) >= key >= key_of(members[gap]):
        gap -= 1
    return gap
