"""State that can be taken back, refusals, and arithmetic that fails where that of the chain does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from eth_abi.abi import encode
from eth_utils.crypto import keccak

K = TypeVar("K")
V = TypeVar("V")

NOBODY = "0x" + "00" * 20
MAX_WORD = 2**256 - 1
AMOUNT_LIMIT = 2**96 - 1
_ERROR = bytes(keccak(text="Error(string)")[:4])


class Refused(Exception):
    """The call changes nothing and gives these revert data; empty for a bare revert."""

    def __init__(self, reason: str = "", *, data: bytes | None = None) -> None:
        super().__init__(reason or (data or b"").hex())
        self.reason = reason
        self.data = data if data is not None else error_data(reason) if reason else b""


def error_data(reason: str) -> bytes:
    """Revert data of a reason."""
    return _ERROR + encode(["string"], [reason])


def custom(signature: str, *values: object) -> Refused:
    """A custom error."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    return Refused(data=bytes(keccak(text=signature)[:4]) + encode(types, values))


def require(condition: bool, reason: str = "") -> None:
    """:raises Refused: the condition does not hold."""
    if not condition:
        raise Refused(reason)


# --- 256-bit arithmetic -----------------------------------------------------------------------------------------------


def add(a: int, b: int) -> int:
    if a + b > MAX_WORD:
        raise Refused
    return a + b


def sub(a: int, b: int) -> int:
    if b > a:
        raise Refused
    return a - b


def mul(a: int, b: int) -> int:
    if a * b > MAX_WORD:
        raise Refused
    return a * b


def div(a: int, b: int) -> int:
    if b == 0:
        raise Refused
    return a // b


# --- state ------------------------------------------------------------------------------------------------------------

_MISSING: Any = object()


class Journal:
    """What was changed by the call in progress."""

    def __init__(self) -> None:
        self._entries: list[tuple[Table[Any, Any], Any, Any]] = []

    def note(self, table: Table[Any, Any], key: Any, old: Any) -> None:
        self._entries.append((table, key, old))

    def begin(self) -> None:
        self._entries.clear()

    def mark(self) -> int:
        """A point to which `rollback` can return."""
        return len(self._entries)

    def rollback(self, mark: int = 0) -> None:
        while len(self._entries) > mark:
            table, key, old = self._entries.pop()
            table.put_back(key, old)

    def touched(self) -> set[tuple[str, Any]]:
        """Names of tables, and keys in them, that were written since `begin`."""
        return {(table.name, key) for table, key, _ in self._entries}


class Table(Generic[K, V]):
    """A mapping with a value for every key, as storage has one. Values are immutable."""

    def __init__(self, journal: Journal, name: str, default: V) -> None:
        self.name = name
        self._journal = journal
        self._default = default
        self._entries: dict[K, V] = {}

    def __getitem__(self, key: K) -> V:
        return self._entries.get(key, self._default)

    def __setitem__(self, key: K, value: V) -> None:
        self._journal.note(self, key, self._entries.get(key, _MISSING))
        self._entries[key] = value

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def put_back(self, key: K, old: V) -> None:
        if old is _MISSING:
            del self._entries[key]
        else:
            self._entries[key] = old


class Cell(Generic[V]):
    """One value."""

    def __init__(self, journal: Journal, name: str, value: V) -> None:
        self._table: Table[None, V] = Table(journal, name, value)

    @property
    def value(self) -> V:
        return self._table[None]

    @value.setter
    def value(self, value: V) -> None:
        self._table[None] = value
