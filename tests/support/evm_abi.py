"""Calls and logs for the EVM in this process: eth_abi, with a short cut for words, which nearly everything is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

Entry = Mapping[str, Any]


def type_of(parameter: Entry) -> str:
    """The canonical type of an ABI parameter, tuples spelled out."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(type_of(member) for member in parameter['components'])}){kind.removeprefix('tuple')}"


def _address(word: bytes) -> str:
    return "0x" + word[12:].hex()


def _uint(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _flag(word: bytes) -> bool:
    return word[31] == 1


def _reader(kind: str) -> Callable[[bytes], Any] | None:
    """How to read a type that is one word; None for all others."""
    if kind.startswith("uint") and not kind.endswith("]"):
        return _uint
    readers: dict[str, Callable[[bytes], Any]] = {"address": _address, "bool": _flag, "bytes32": bytes}
    return readers.get(kind)


Reader = Callable[[bytes, int], Any]
"""Reads one value from data at an offset."""


def _static_reader(kind: str) -> tuple[int, Reader] | None:
    """Size in bytes, and how to read a word or a tuple of words; None for other types."""
    if kind.startswith("(") and kind.endswith(")") and "(" not in kind[1:]:
        members = [_static_reader(member) for member in kind[1:-1].split(",")]
        known = [member for member in members if member is not None]
        if len(known) < len(members):
            return None
        return sum(size for size, _ in known), _tuple_reader(known)
    word = _reader(kind)
    return None if word is None else (32, lambda data, start: word(data[start : start + 32]))


def _tuple_reader(members: list[tuple[int, Reader]]) -> Reader:
    placed, start = [], 0
    for size, read in members:
        placed.append((start, read))
        start += size
    return lambda data, origin: tuple(read(data, origin + offset) for offset, read in placed)


class Words:
    """Coder of a list of types."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self.kinds = tuple(kinds)
        readers = [_static_reader(kind) for kind in kinds]
        known = [reader for reader in readers if reader is not None]
        self._size = sum(size for size, _ in known)
        self._read_all = _tuple_reader(known) if len(known) == len(readers) else None
        self._plain = all(kind in ("uint256", "address") for kind in kinds)

    def encode(self, values: Sequence[object]) -> bytes:
        if self._plain and len(values) == len(self.kinds):
            try:
                return b"".join(_word(kind, value) for kind, value in zip(self.kinds, values, strict=True))
            except (AttributeError, OverflowError, ValueError):
                pass  # eth_abi knows more forms, and says best what is wrong
        return encode(self.kinds, values)

    def decode(self, data: bytes) -> tuple[Any, ...]:
        if self._read_all is not None:
            assert len(data) == self._size, f"{len(data)} bytes for {self.kinds}"
            values: tuple[Any, ...] = self._read_all(data, 0)
            return values
        return decode(self.kinds, data)


def _word(kind: str, value: Any) -> bytes:
    if kind == "uint256":
        return int.to_bytes(value, 32, "big")
    raw = bytes.fromhex(value[2:])
    if len(raw) != 20:
        raise ValueError
    return bytes(12) + raw


class FunctionAbi:
    """One function."""

    def __init__(self, entry: Entry) -> None:
        self.name: str = entry["name"]
        self.inputs = Words([type_of(parameter) for parameter in entry["inputs"]])
        self.outputs = Words([type_of(parameter) for parameter in entry.get("outputs", [])])
        self.signature = f"{self.name}({','.join(self.inputs.kinds)})"
        self.selector = bytes(keccak(text=self.signature)[:4])
        self.mutability: str = entry["stateMutability"]

    def encode(self, args: Sequence[object]) -> bytes:
        """Calldata."""
        return self.selector + self.inputs.encode(args)

    def decode(self, data: bytes) -> Any:
        """None, the one value, or a tuple."""
        if not self.outputs.kinds:
            return None
        values = self.outputs.decode(data)
        return values[0] if len(values) == 1 else values


class EventAbi:
    """One event."""

    def __init__(self, entry: Entry) -> None:
        self.name: str = entry["name"]
        kinds = [type_of(parameter) for parameter in entry["inputs"]]
        self.signature = f"{self.name}({','.join(kinds)})"
        self.topic = bytes(keccak(text=self.signature))
        marked = list(zip(entry["inputs"], kinds, strict=True))
        self._names = [str(parameter["name"]) for parameter, _ in marked]
        self._indexed = [(str(p["name"]), _reader(kind)) for p, kind in marked if p["indexed"]]
        self._plain_names = [str(p["name"]) for p, _ in marked if not p["indexed"]]
        self._plain = Words([kind for p, kind in marked if not p["indexed"]])

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """Arguments by name in the ABI's order; an indexed value longer than a word as its hash."""
        assert len(topics) == len(self._indexed) + 1, self.signature
        found = {
            name: read(topic) if read else topic for (name, read), topic in zip(self._indexed, topics[1:], strict=True)
        }
        found.update(zip(self._plain_names, self._plain.decode(data), strict=True))
        return {name: found[name] for name in self._names}


class Interface:
    """A compiled ABI."""

    def __init__(self, name: str, abi: Sequence[Entry]) -> None:
        self.name = name
        self.functions: dict[str, FunctionAbi] = {}
        """By name and by signature; the name of an overloaded function is left out."""
        self.events: dict[bytes, EventAbi] = {}
        """By topic."""
        self._constructor = Words([])
        overloaded = set()
        for entry in abi:
            if entry["type"] == "function":
                function = FunctionAbi(entry)
                if function.name in self.functions:
                    overloaded.add(function.name)
                self.functions[function.name] = self.functions[function.signature] = function
            elif entry["type"] == "event":
                event = EventAbi(entry)
                self.events[event.topic] = event
            elif entry["type"] == "constructor":
                self._constructor = Words([type_of(parameter) for parameter in entry["inputs"]])
        for name_ in overloaded:
            del self.functions[name_]

    @staticmethod
    def of(name: str, abi: Sequence[Entry]) -> Interface:
        """The interface of an artifact; made once."""
        return _interface(name, _Frozen(abi))

    def encode_constructor(self, args: Sequence[object]) -> bytes:
        return self._constructor.encode(args)

    def own_functions(self) -> list[FunctionAbi]:
        """Every function once."""
        return [function for key, function in self.functions.items() if key == function.signature]


class _Frozen:
    """An ABI as a key: equal if it is the very same object."""

    def __init__(self, abi: Sequence[Entry]) -> None:
        self.abi = abi

    def __hash__(self) -> int:
        return id(self.abi)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and other.abi is self.abi


@cache
def _interface(name: str, key: _Frozen) -> Interface:
    return Interface(name, key.abi)
