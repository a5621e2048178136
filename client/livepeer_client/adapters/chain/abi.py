"""Contract interfaces: the shipped ABIs, calls, return values and events. Addresses are 20 bytes in both directions."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, cast

from eth_abi.codec import ABICodec
from eth_abi.decoding import Fixed32ByteSizeDecoder
from eth_abi.encoding import AddressEncoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import ABIRegistry, BaseEquals
from eth_abi.registry import registry as default_registry

from livepeer_client.codec.keccak import keccak256
from livepeer_client.errors import CustomError, InvalidInput, MalformedMessage
from livepeer_client.types import ADDRESS_BYTES, Hash32

Entry = Mapping[str, Any]
"""One entry of a JSON ABI."""

SELECTOR_BYTES: Final = 4
INSTANCE: Final = "@"
"""Between the name and the address of one contract of which there are many, as in `Poll@0x…`."""


def _codec() -> ABICodec:
    """eth_abi's codec, except that an address is its 20 bytes where eth_abi would give hex."""
    registry: ABIRegistry = default_registry.copy()  # type: ignore[no-untyped-call]
    registry.unregister("address")
    is_address = BaseEquals("address")  # type: ignore[no-untyped-call]
    decoder = Fixed32ByteSizeDecoder(  # type: ignore[no-untyped-call]
        value_bit_size=8 * ADDRESS_BYTES, is_big_endian=True, decoder_fn=bytes
    )
    registry.register(is_address, AddressEncoder, decoder, label="address")
    return ABICodec(registry)


_CODEC: Final = _codec()


def type_of(parameter: Entry) -> str:
    """The canonical type of an ABI parameter, tuples spelled out."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    members = ",".join(type_of(member) for member in parameter["components"])
    return f"({members}){kind.removeprefix('tuple')}"


def _signature(entry: Entry) -> str:
    return f"{entry['name']}({','.join(type_of(parameter) for parameter in entry['inputs'])})"


def _is_dynamic(kind: str) -> bool:
    """True for types whose indexed value is a hash: everything that does not fit one word."""
    return kind in ("string", "bytes") or kind.endswith("]") or kind.startswith("(")


class Function:
    """One function: its selector and the coding of its arguments and return values."""

    def __init__(self, entry: Entry) -> None:
        self.name: str = entry["name"]
        self.signature = _signature(entry)
        self.selector = keccak256(self.signature.encode())[:SELECTOR_BYTES]
        self._inputs = [type_of(parameter) for parameter in entry["inputs"]]
        self._names = [str(parameter["name"]) or str(at) for at, parameter in enumerate(entry["inputs"])]
        self._outputs = [type_of(parameter) for parameter in entry.get("outputs", [])]

    def encode(self, args: Sequence[object]) -> bytes:
        """Calldata.

        :raises InvalidInput: the arguments do not fit the ABI.
        """
        try:
            return self.selector + _CODEC.encode(self._inputs, list(args))
        except (EncodingError, TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"{self.signature}: {error}") from error

    def decode_arguments(self, calldata: bytes) -> dict[str, Any] | None:
        """Arguments by name, of calldata with this selector; None if they do not fit."""
        try:
            values = _CODEC.decode(self._inputs, calldata[SELECTOR_BYTES:])
        except (DecodingError, UnicodeDecodeError, OverflowError):
            return None
        return dict(zip(self._names, values, strict=True))

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Return values in order; structs as tuples.

        :raises MalformedMessage: not what the ABI promises, as when an address has no code.
        """
        try:
            return _CODEC.decode(self._outputs, data)
        except (DecodingError, UnicodeDecodeError, OverflowError) as error:
            raise MalformedMessage(f"return value of {self.signature}", str(error)) from error


class Event:
    """One event: its topic and the decoding of its logs. Indexed dynamic values appear as their 32-byte hash."""

    def __init__(self, entry: Entry) -> None:
        self.name: str = entry["name"]
        self.signature = _signature(entry)
        self.topic = keccak256(self.signature.encode())
        self._names = [str(parameter["name"]) for parameter in entry["inputs"]]
        parameters = [(str(p["name"]), type_of(p), bool(p.get("indexed"))) for p in entry["inputs"]]
        self._indexed = [(name, "bytes32" if _is_dynamic(kind) else kind) for name, kind, flag in parameters if flag]
        self._plain = [(name, kind) for name, kind, flag in parameters if not flag]

    def decode(self, topics: Sequence[bytes], data: bytes, *, raw_text: bool = False) -> dict[str, object]:
        """Arguments by name in the ABI's order. `topics` includes the event's own. With `raw_text` strings are bytes:
        contracts take any, and one that is no UTF-8 would make the whole event unreadable.

        :raises MalformedMessage: the log does not fit the ABI.
        """
        if len(topics) != len(self._indexed) + 1:
            raise MalformedMessage(f"event {self.signature}", f"{len(topics)} topics")
        try:
            found = {
                name: _CODEC.decode([kind], topic)[0]
                for (name, kind), topic in zip(self._indexed, topics[1:], strict=True)
            }
            kinds = [kind.replace("string", "bytes") if raw_text else kind for _, kind in self._plain]
            values = _CODEC.decode(kinds, data)
        except (DecodingError, UnicodeDecodeError, OverflowError) as error:
            raise MalformedMessage(f"event {self.signature}", str(error)) from error
        found.update(zip((name for name, _ in self._plain), values, strict=True))
        return {name: found[name] for name in self._names}


class Error:
    """One error of an interface: its selector and the decoding of its arguments."""

    def __init__(self, entry: Entry) -> None:
        self.name: str = entry["name"]
        self.selector = keccak256(_signature(entry).encode())[:SELECTOR_BYTES]
        self._names = [str(parameter["name"]) or str(at) for at, parameter in enumerate(entry["inputs"])]
        self._types = [type_of(parameter) for parameter in entry["inputs"]]

    def decode(self, data: bytes) -> CustomError | None:
        """None if `data`, selector included, does not fit."""
        try:
            values = _CODEC.decode(self._types, data[SELECTOR_BYTES:])
        except (DecodingError, UnicodeDecodeError, OverflowError):
            return None
        return CustomError(self.name, dict(zip(self._names, values, strict=True)))


class ContractAbi:
    """The interface of one contract, looked up by name; an overloaded function by its full signature."""

    def __init__(self, name: str, entries: Sequence[Entry]) -> None:
        self.name = name
        self._functions: dict[str, Function] = {}
        self._overloaded: set[str] = set()
        self._events: dict[str, Event] = {}
        self._by_topic: dict[bytes, Event] = {}
        self._errors = {error.selector: error for error in map(Error, _of_type(entries, "error"))}
        for entry in entries:
            if entry["type"] == "function":
                function = Function(entry)
                if function.name in self._functions:
                    self._overloaded.add(function.name)
                self._functions.setdefault(function.name, function)
                self._functions[function.signature] = function
            elif entry["type"] == "event" and not entry.get("anonymous"):
                event = Event(entry)
                self._events[event.name] = event
                self._by_topic[event.topic] = event

    def function(self, name: str) -> Function:
        """:raises InvalidInput: no such function, or several: then name one by its signature."""
        if name not in self._functions or name in self._overloaded:
            raise InvalidInput(f"{self.name} has no function {name}, or more than one")
        return self._functions[name]

    def function_by_selector(self, selector: bytes) -> Function | None:
        return next((each for each in self._functions.values() if each.selector == selector), None)

    def event(self, name: str) -> Event:
        """:raises InvalidInput: no such event."""
        if name not in self._events:
            raise InvalidInput(f"{self.name} has no event {name}")
        return self._events[name]

    def event_by_topic(self, topic: bytes) -> Event | None:
        return self._by_topic.get(topic)

    def custom_error(self, data: bytes) -> CustomError | None:
        """The error of this interface in revert data, if it is one."""
        error = self._errors.get(data[:SELECTOR_BYTES])
        return None if error is None else error.decode(data)


def _of_type(entries: Sequence[Entry], kind: str) -> list[Entry]:
    return [entry for entry in entries if entry["type"] == kind]


@cache
def load_abi(contract: str) -> ContractAbi:
    """The shipped ABI of a contract of the suite, that of `Name` also for `Name@0x…`.

    :raises InvalidInput: none is shipped under that name.
    """
    kind, at, _ = contract.partition(INSTANCE)
    if at:
        return load_abi(kind)
    path = resources.files("livepeer_client.adapters") / "abi" / f"{contract}.json"
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        raise InvalidInput(f"no ABI is shipped for {contract}") from error
    return ContractAbi(contract, cast("list[Entry]", json.loads(text)))


def encode_values(kinds: Sequence[str], values: Sequence[object]) -> bytes:
    """Values in the ABI's encoding; addresses as 20 bytes."""
    return _CODEC.encode(list(kinds), list(values))


def contract_id(name: str) -> Hash32:
    """The Controller's key for a contract: keccak256 of its name (onchain 1)."""
    return keccak256(name.encode())
