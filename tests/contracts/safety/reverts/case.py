"""What a row of the table of reverts is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eth_abi import encode
from eth_utils.crypto import keccak

from tests.support.evm import custom_error
from tests.support.evm_world import Call, Deployment, World

Build = Callable[[World], Call | Deployment]
BARE = ""
"""The reason of a revert without data."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to make one contract refuse, and the exact bytes that come back."""

    source: str
    """The contract or module whose source holds the reason."""
    name: str
    """The reason, or the name of a custom error."""
    expected: Callable[[World], bytes]
    build: Build
    """Brings a fresh world into the state and returns the call, which was not made yet."""

    @property
    def id(self) -> str:
        return f"{self.source}-{self.build.__name__}"


def error_bytes(reason: str) -> bytes:
    """ABI encoding of `Error(string)`, none for a bare revert."""
    if reason == BARE:
        return b""
    return bytes(keccak(text="Error(string)")[:4]) + encode(["string"], [reason])


class Table:
    """The cases of some contracts. Used as a decorator: the name of the function says what makes it fail."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def reason(self, source: str, reason: str) -> Callable[[Build], Build]:
        """A case that ends in `Error(string)`, or in a bare revert."""
        return self.data(source, reason, lambda _: error_bytes(reason))

    def error(
        self, source: str, signature: str, values: Callable[[World], tuple[object, ...]]
    ) -> Callable[[Build], Build]:
        """A case that ends in a custom error, whose arguments may depend on the world after the set-up."""
        return self.data(source, signature, lambda world: custom_error(signature, *values(world)))

    def data(self, source: str, name: str, expected: Callable[[World], bytes]) -> Callable[[Build], Build]:
        """A case that ends in other bytes, which may depend on the world after the set-up."""

        def add(build: Build) -> Build:
            self.cases.append(Case(source, name, expected, build))
            return build

        return add
