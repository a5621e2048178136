"""A decision in a file: calls by the names of contracts, functions and values.

    {
      "description": "Pay the first grant",
      "calls": [
        {"contract": "LivepeerToken", "function": "transfer", "arguments": ["0x…", "500 LPT"]},
        {"to": "0x…", "value": "0.5 ETH"}
      ],
      "nonce": 0
    }

A proposal needs a description, of which the hash becomes part of its id. An update of the Governor has a nonce instead,
0 if none is given, which makes equal updates differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from scripts._deployment.governance import Update, update_id
from scripts._deployment.printing import told
from scripts._deployment.site import NULL_ADDRESS, Site
from scripts._governance.bounds import check_bound
from scripts._governance.errors import InvalidDecision
from scripts._governance.values import ETH, amount, parsed, shown

KEYS = {"description", "calls", "nonce"}
CALL_KEYS = {"contract", "to", "function", "arguments", "value"}
MAX_UINT256 = 2**256 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one contract shall be told."""

    # Empty for an account that is not of the deployment.
    contract: str
    to: str
    # Empty for a payment.
    function: str
    # Name, type and value of each argument.
    arguments: tuple[tuple[str, str, Any], ...]
    value_wei: int
    data: bytes

    def text(self, names: Mapping[str, str]) -> str:
        """In words.

        :param names: address -> contract.
        """
        paid = f", with {shown(self.value_wei, names)} wei" if self.value_wei else ""
        if not self.function:
            return f"pay {shown(self.to, names)}{paid}"
        given = ", ".join(f"{name} = {shown(value, names)}" for name, _, value in self.arguments)
        return f"{self.contract}.{self.function}({given}){paid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    calls: tuple[Call, ...]
    description: str
    nonce: int

    @property
    def lists(self) -> tuple[list[str], list[int], list[bytes]]:
        """Targets, values, calldata."""
        return (
            [call.to for call in self.calls],
            [call.value_wei for call in self.calls],
            [call.data for call in self.calls],
        )

    @property
    def value_wei(self) -> int:
        return sum(call.value_wei for call in self.calls)

    @property
    def said(self) -> str:
        """The description, for a terminal."""
        return told(self.description)

    # --- as a proposal ----------------------------------------------------------------------------

    @property
    def description_hash(self) -> bytes:
        return bytes(keccak(text=self.description))

    @property
    def proposal_id(self) -> int:
        """Spec 13."""
        kinds = ["address[]", "uint256[]", "bytes[]", "bytes32"]
        return int.from_bytes(keccak(encode(kinds, [*self.lists, self.description_hash])), "big")

    @property
    def operation(self) -> bytes:
        """Its id in the treasury."""
        kinds = ["address[]", "uint256[]", "bytes[]", "bytes32", "bytes32"]
        return bytes(keccak(encode(kinds, [*self.lists, bytes(32), self.description_hash])))

    # --- as an update -----------------------------------------------------------------------------

    @property
    def update(self) -> Update:
        targets, values, data = self.lists
        return tuple(targets), tuple(values), tuple(data), self.nonce

    @property
    def update_id(self) -> bytes:
        return update_id(self.update)


def load_decision(path: Path, site: Site, *, proposal: bool) -> Decision:
    """:param proposal: needs a description; else it is an update.
    :raises InvalidDecision: with the place in the file and what is wrong there.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidDecision(str(path), f"not a JSON file: {error}") from error
    if not isinstance(content, dict):
        raise InvalidDecision(str(path), "an object with `calls` is needed")
    if unknown := content.keys() - KEYS:
        raise InvalidDecision(min(unknown), f"there is no such entry: {', '.join(sorted(KEYS))} are")
    entries, description, nonce = content.get("calls"), content.get("description", ""), content.get("nonce", 0)
    if not isinstance(entries, list) or not entries:
        raise InvalidDecision("calls", "a list of at least one call is needed")
    check_bound("calls", "calls", len(entries), "MAX_ACTIONS")
    if not isinstance(description, str) or (proposal and not description):
        raise InvalidDecision("description", "a proposal says what it is about")
    check_bound("description", "bytes", len(description.encode()), "MAX_DESCRIPTION")
    if isinstance(nonce, bool) or not isinstance(nonce, int) or not 0 <= nonce <= MAX_UINT256:
        raise InvalidDecision("nonce", f"{nonce!r}: a whole number from 0 to 2^256 - 1 is needed")
    calls = tuple(_call(f"calls[{i}]", entry, site) for i, entry in enumerate(entries))
    return Decision(calls=calls, description=description, nonce=nonce)


def _call(where: str, entry: Any, site: Site) -> Call:
    if not isinstance(entry, dict):
        raise InvalidDecision(where, "an object with `contract`, `function` and `arguments` is needed")
    if unknown := entry.keys() - CALL_KEYS:
        raise InvalidDecision(f"{where}.{min(unknown)}", f"there is no such entry: {', '.join(sorted(CALL_KEYS))} are")
    try:
        value = amount(entry.get("value", 0), (ETH,))
    except ValueError as error:
        raise InvalidDecision(f"{where}.value", str(error)) from error
    if not 0 <= value <= MAX_UINT256:
        raise InvalidDecision(f"{where}.value", f"{value}: wei from 0 to 2^256 - 1 are needed")
    if "to" in entry:
        return _payment(where, entry, site, value)
    contract = entry.get("contract")
    if contract not in site.addresses:
        raise InvalidDecision(
            f"{where}.contract", f"{contract!r}: one of {', '.join(sorted(site.addresses))} is needed"
        )
    name, given = entry.get("function"), entry.get("arguments", [])
    if not isinstance(given, list):
        raise InvalidDecision(f"{where}.arguments", "a list is needed")
    methods = [m for m in site.type_of(site.interface(contract)).mutable_methods if m.name == name]
    if not methods:
        known = sorted({m.name for m in site.type_of(site.interface(contract)).mutable_methods})
        raise InvalidDecision(
            f"{where}.function", f"{contract} has no {name!r} that changes anything: {', '.join(known)}"
        )
    fitting = [m for m in methods if len(m.inputs) == len(given)]
    if not fitting:
        wanted = ", ".join(f"{i.name}: {i.canonical_type}" for i in methods[0].inputs) or "none"
        raise InvalidDecision(f"{where}.arguments", f"{len(given)} arguments; {contract}.{name} takes ({wanted})")
    method = fitting[0]
    arguments = []
    for i, (value_, wanted_) in enumerate(zip(given, method.inputs, strict=True)):
        try:
            found = parsed(value_, str(wanted_.type), wanted_.components, site.addresses)
        except ValueError as error:
            place = f"{where}.arguments[{i}] ({wanted_.name}, {wanted_.canonical_type})"
            raise InvalidDecision(place, str(error)) from error
        arguments.append((str(wanted_.name), str(wanted_.canonical_type), found))
    data = bytes(keccak(text=method.selector)[:4]) + encode(
        [kind for _, kind, _ in arguments], [v for *_, v in arguments]
    )
    check_bound(f"{where} ({contract}.{name})", "bytes of calldata", len(data), "MAX_CALLDATA")
    return Call(
        contract=contract,
        to=site.addresses[contract],
        function=str(name),
        arguments=tuple(arguments),
        value_wei=value,
        data=data,
    )


def _payment(where: str, entry: dict[str, Any], site: Site, value: int) -> Call:
    if entry.keys() - {"to", "value"}:
        raise InvalidDecision(where, "`to` is for a payment, without contract, function and arguments")
    try:
        to = parsed(entry["to"], "address", None, site.addresses)
    except ValueError as error:
        raise InvalidDecision(f"{where}.to", str(error)) from error
    if to == NULL_ADDRESS or value == 0:
        raise InvalidDecision(where, "a payment needs an address and a value above 0")
    return Call(contract="", to=to, function="", arguments=(), value_wei=value, data=b"")
